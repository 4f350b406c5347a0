-- How people prove who they are besides their password: one-time codes, a second factor, devices they were seen on,
-- and how often somebody may try.

-- An account has one code of a purpose, so that a newer one voids the older. Only hashes are kept: of the code under the
-- hub's secret, since six digits are soon guessed, and of the 256 random bits of a link.
CREATE TABLE codes (
    user_id         bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    purpose         text NOT NULL CHECK (purpose IN ('verify_email', 'verify_phone', 'reset_password', 'change_email')),
    -- the address or number that it was sent to
    target          text NOT NULL,
    code_hash       bytea NOT NULL,
    link_hash       bytea UNIQUE,
    tries           smallint NOT NULL DEFAULT 0 CHECK (tries <= 5),
    made_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    code_expires_at timestamptz NOT NULL,
    link_expires_at timestamptz,
    used_at         timestamptz,
    PRIMARY KEY (user_id, purpose)
);

-- A number speaks for one account: whoever proved last that it rings with them.
CREATE UNIQUE INDEX users_verified_phone ON users (phone) WHERE phone_verified_at IS NOT NULL;

-- The secret is encrypted under the hub's; `last_step` is the last time step whose code was used, and none works twice.
CREATE TABLE second_factors (
    user_id      bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    secret       bytea NOT NULL,
    last_step    bigint NOT NULL DEFAULT 0,
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    confirmed_at timestamptz
);

CREATE TABLE recovery_codes (
    user_id   bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    used_at   timestamptz,
    PRIMARY KEY (user_id, code_hash)
);

-- The kinds of device somebody was seen on: a log-in from another kind is told to them.
CREATE TABLE devices (
    user_id      bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    kind         text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (user_id, kind)
);

-- What was tried, by the hash of whom or what it was tried on.
CREATE TABLE attempts (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    key  bytea NOT NULL,
    at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX attempts_of_key ON attempts (kind, key, at);
CREATE INDEX attempts_at ON attempts (at);

-- Counts one more attempt unless there were `most[i]` within the last `seconds[i]`; answers after how many seconds to
-- come back, 0 when this one counts. Attempts at one thing wait for each other, so that none slips by uncounted.
CREATE FUNCTION attempt(a_kind text, a_key bytea, most integer[], seconds integer[]) RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
    wait double precision := 0;
    before timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(a_kind || ':' || encode(a_key, 'hex'), 11));
    FOR i IN 1 .. array_length(most, 1) LOOP
        SELECT at INTO before FROM attempts
        WHERE kind = a_kind AND key = a_key AND at > clock_timestamp() - make_interval(secs => seconds[i])
        ORDER BY at DESC OFFSET most[i] - 1 LIMIT 1;
        IF FOUND THEN
            wait := greatest(wait, 0.001, seconds[i] - extract(epoch FROM clock_timestamp() - before));
        END IF;
    END LOOP;
    IF wait = 0 THEN
        INSERT INTO attempts (kind, key) VALUES (a_kind, a_key);
    END IF;
    RETURN wait;
END $$;
