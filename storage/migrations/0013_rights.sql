-- Roles and permissions as data, invitations to a venue's desk, suspension, and acting for somebody.

-- What rights are about. Twelve of them are those of the hotel's contract and answer to its names too.
CREATE TABLE resources (
    code          text PRIMARY KEY,
    contract_name text UNIQUE,
    description   text NOT NULL
);

INSERT INTO resources (code, contract_name, description) VALUES
    ('booking', 'BOOKING', 'Bookings of everybody, at every venue'),
    ('role', 'ADMIN_CREATION', 'Roles, and the accounts of those who are more than customers'),
    ('room', 'ROOM_MANAGEMENT', 'Room types, rooms and closures'),
    ('payment', 'PAYMENT_PROCESSING', 'Payments'),
    ('refund', 'REFUND_APPROVAL', 'Refunds'),
    ('content', 'CONTENT_MANAGEMENT', 'Pages and posts'),
    ('support', 'ISSUE_RESOLUTION', 'Issues and their resolution'),
    ('notification', 'NOTIFICATION_HANDLING', 'Notifications'),
    ('report', 'ANALYTICS_VIEW', 'Figures and reports'),
    ('backup', 'BACKUP_OPERATIONS', 'Backups'),
    ('restore', 'RESTORE_OPERATIONS', 'Restoring a backup'),
    ('offer', 'OFFER_MANAGEMENT', 'Offers and promotions'),
    ('user', NULL, 'Accounts of people'),
    ('venue', NULL, 'Venues and who works there'),
    ('session', NULL, 'Sessions'),
    ('review', NULL, 'Reviews'),
    ('audit', NULL, 'The record of who changed what');

-- The contract's WRITE is create and update. What nobody can do needs no permission.
CREATE TEMPORARY TABLE meant ON COMMIT DROP AS
SELECT resource, unnest(string_to_array(actions, ' ')) AS action
FROM (VALUES
    ('booking', 'create read update delete manage approve'),
    ('role', 'create read update delete manage approve execute'),
    ('room', 'create read update delete manage'),
    ('payment', 'create read update manage'),
    ('refund', 'create read update delete manage approve'),
    ('content', 'create read update delete'),
    ('support', 'create read update delete manage'),
    ('notification', 'create read update'),
    ('report', 'read'),
    ('backup', 'create read update execute'),
    ('restore', 'create update execute'),
    ('offer', 'create read update delete manage'),
    ('user', 'create read update delete manage'),
    ('venue', 'create read update delete manage approve'),
    ('session', 'create read update delete manage'),
    ('review', 'create read update delete manage approve'),
    ('audit', 'read')) AS named (resource, actions);

DELETE FROM permissions AS p
WHERE NOT EXISTS (SELECT FROM meant AS m WHERE m.resource = p.resource AND m.action = p.action);

ALTER TABLE permissions ADD CONSTRAINT permission_is_about FOREIGN KEY (resource) REFERENCES resources;

-- Admins see which roles there are; only super admins make them, and admin accounts.
INSERT INTO role_permissions (role_id, permission_id)
SELECT r.id, p.id FROM roles AS r CROSS JOIN permissions AS p
WHERE r.code = 'admin' AND p.resource = 'role' AND p.action = 'read';

-- Who sells writes no reviews; whoever also travels is a customer too.
DELETE FROM role_permissions AS rp USING roles AS r, permissions AS p
WHERE rp.role_id = r.id AND rp.permission_id = p.id AND r.code = 'vendor' AND p.resource = 'review';

UPDATE roles SET description = d.text
FROM (VALUES
    ('customer', 'Books, and manages their own bookings'),
    ('facilitator', 'Leads sessions, in a studio of their own or at venues'),
    ('vendor', 'Owns venues, and manages their rooms and bookings'),
    ('admin', 'Manages every venue, booking and account, but neither roles nor backups'),
    ('super_admin', 'May do everything')) AS d (code, text)
WHERE roles.code = d.code;

ALTER TABLE roles
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD CONSTRAINT role_rank_range CHECK (rank BETWEEN 1 AND 100);
CREATE INDEX user_roles_of_role ON user_roles (role_id);

ALTER TABLE users
    ADD COLUMN suspended_at timestamptz,
    ADD COLUMN suspension_reason text,
    ADD COLUMN suspended_by bigint REFERENCES users;
CREATE INDEX users_by_name ON users USING gin (full_name gin_trgm_ops);

-- A super admin who acts for somebody has a login of theirs that ends with their own.
ALTER TABLE logins
    ADD COLUMN impersonator_id bigint REFERENCES users,
    ADD COLUMN impersonator_login_id uuid REFERENCES logins ON DELETE CASCADE,
    ADD CONSTRAINT login_acts_by_another CHECK (impersonator_id <> user_id);
CREATE INDEX logins_of_impersonator ON logins (impersonator_id) WHERE impersonator_id IS NOT NULL;
CREATE INDEX logins_by_impersonating_login ON logins (impersonator_login_id) WHERE impersonator_login_id IS NOT NULL;

-- Only a hash of an invitation's secret is kept, as of every secret.
CREATE TABLE venue_invitations (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id     bigint NOT NULL REFERENCES venues,
    email        citext NOT NULL,
    role         text NOT NULL CHECK (role IN ('desk', 'manager')),
    secret_hash  bytea NOT NULL CONSTRAINT invitation_secret_taken UNIQUE,
    invited_by   bigint NOT NULL REFERENCES users,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    accepted_at  timestamptz,
    accepted_by  bigint REFERENCES users,
    withdrawn_at timestamptz,
    CONSTRAINT invitation_ends_once CHECK (accepted_at IS NULL OR withdrawn_at IS NULL)
);
CREATE UNIQUE INDEX invitations_open ON venue_invitations (venue_id, email)
    WHERE accepted_at IS NULL AND withdrawn_at IS NULL;
CREATE INDEX invitations_of_inviter ON venue_invitations (invited_by);
