-- Accounts elsewhere (Google, Facebook) by which a person logs in here. The subject is what the provider never gives to
-- anybody else; an e-mail address is no key.

CREATE TABLE identities (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    provider     text NOT NULL CHECK (provider IN ('google', 'facebook')),
    subject      text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    email        text,
    linked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz,
    CONSTRAINT identities_subject_taken UNIQUE (provider, subject),
    CONSTRAINT identities_one_of_each UNIQUE (user_id, provider)
);

-- Each authorization code works once. One that comes twice is in two hands, so the login it began ends.
CREATE TABLE identity_codes (
    code_hash  bytea PRIMARY KEY,
    login_id   uuid,
    came_again boolean NOT NULL DEFAULT false,
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX identity_codes_by_age ON identity_codes (at);
