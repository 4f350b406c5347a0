-- People, their roles, and the logins that speak for them.

CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE users (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email                citext NOT NULL CONSTRAINT users_email_taken UNIQUE,
    password_hash        text,
    full_name            text NOT NULL,
    first_name           text,
    last_name            text,
    phone                text,
    birth_date           date,
    gender               text,
    picture_url          text,
    bio                  text,
    specialisation       text,
    language             text NOT NULL DEFAULT 'en',
    currency             text NOT NULL DEFAULT 'USD',
    notification_choices jsonb NOT NULL DEFAULT '{}',
    is_student           boolean NOT NULL DEFAULT false,
    student_discounts_left integer NOT NULL DEFAULT 0,
    loyalty_points       integer NOT NULL DEFAULT 0 CHECK (loyalty_points >= 0),
    email_verified_at    timestamptz,
    phone_verified_at    timestamptz,
    status               text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleted')),
    token_version        integer NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at           timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80);

-- Permissions are data: RESOURCE:ACTION pairs on roles. `rank` orders roles; a higher rank may grant a lower one.
CREATE TABLE roles (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text NOT NULL CONSTRAINT roles_code_taken UNIQUE,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    rank        smallint NOT NULL,
    is_built_in boolean NOT NULL DEFAULT false
);

CREATE TABLE permissions (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource text NOT NULL,
    action   text NOT NULL CHECK (action IN ('create', 'read', 'update', 'delete', 'manage', 'approve', 'execute')),
    UNIQUE (resource, action)
);

CREATE TABLE role_permissions (
    role_id       bigint NOT NULL REFERENCES roles ON DELETE CASCADE,
    permission_id bigint NOT NULL REFERENCES permissions ON DELETE CASCADE,
    PRIMARY KEY (role_id, permission_id)
);

CREATE TABLE user_roles (
    user_id bigint NOT NULL REFERENCES users,
    role_id bigint NOT NULL REFERENCES roles,
    PRIMARY KEY (user_id, role_id)
);

-- A login is one device's family of refresh tokens; revoking it ends all of them.
CREATE TABLE logins (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id      bigint NOT NULL REFERENCES users,
    device       text NOT NULL DEFAULT '',
    address      text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);
CREATE INDEX logins_of_user ON logins (user_id);

-- Each works once. Only a hash of its secret is kept, so a copy of the database lets nobody in.
CREATE TABLE refresh_tokens (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    login_id    uuid NOT NULL REFERENCES logins ON DELETE CASCADE,
    secret_hash bytea NOT NULL,
    issued_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);
CREATE INDEX refresh_tokens_of_login ON refresh_tokens (login_id);

INSERT INTO roles (code, name, rank, is_built_in) VALUES
    ('customer', 'Customer', 10, true),
    ('facilitator', 'Facilitator', 20, true),
    ('vendor', 'Vendor', 20, true),
    ('admin', 'Admin', 80, true),
    ('super_admin', 'Super admin', 100, true);

INSERT INTO permissions (resource, action)
SELECT resource, action
FROM unnest(ARRAY['user', 'role', 'venue', 'room', 'session', 'booking', 'payment', 'refund', 'review', 'offer',
                  'content', 'report', 'audit', 'backup', 'restore', 'support', 'notification']) AS resource,
     unnest(ARRAY['create', 'read', 'update', 'delete', 'manage', 'approve', 'execute']) AS action;

-- Ownership gives the rest: everybody owns their bookings, owners and staff their venues.
INSERT INTO role_permissions (role_id, permission_id)
SELECT roles.id, permissions.id
FROM roles CROSS JOIN permissions
WHERE roles.code = 'super_admin'
   OR (roles.code = 'admin' AND permissions.resource NOT IN ('role', 'backup', 'restore'))
   OR (roles.code IN ('facilitator', 'vendor')
       AND (permissions.resource, permissions.action) IN (('venue', 'create'), ('session', 'create'), ('room', 'create')))
   OR (roles.code IN ('customer', 'facilitator', 'vendor')
       AND (permissions.resource, permissions.action) IN (('booking', 'create'), ('review', 'create'), ('support', 'create')));
