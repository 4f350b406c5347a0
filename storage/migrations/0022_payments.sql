-- What settling payments needs beside them, and the sandbox, which stands in for a provider.

ALTER TABLE payments
    -- what somebody has to look at: the provider says something that cannot be right, or nothing for too long
    ADD COLUMN finding text;
-- The same ask with the same Idempotency-Key is the same payment.
CREATE UNIQUE INDEX payments_outward_key ON payments (outward_key);
CREATE INDEX payments_to_look_at ON payments (id) WHERE finding IS NOT NULL;
CREATE INDEX payments_open ON payments (booking_id) WHERE status IN ('starting', 'pending');

-- What the sandbox was asked to take. What it becomes by itself, it is from that moment on.
CREATE TABLE sandbox_payments (
    provider_id text PRIMARY KEY,
    key         text NOT NULL CONSTRAINT sandbox_payment_once UNIQUE,
    amount      bigint NOT NULL CHECK (amount > 0),
    currency    text NOT NULL,
    title       text NOT NULL,
    return_url  text NOT NULL,
    state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'completed', 'failed', 'cancelled')),
    becomes     text CHECK (becomes IN ('completed', 'failed')),
    becomes_at  timestamptz,
    expires_at  timestamptz,
    disputed    boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT sandbox_payment_becomes CHECK ((becomes IS NULL) = (becomes_at IS NULL))
);

CREATE TABLE sandbox_refunds (
    refund_id   text PRIMARY KEY,
    provider_id text NOT NULL REFERENCES sandbox_payments,
    key         text NOT NULL CONSTRAINT sandbox_refund_once UNIQUE,
    amount      bigint NOT NULL CHECK (amount > 0),
    currency    text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sandbox_refunds_of_payment ON sandbox_refunds (provider_id);

INSERT INTO audited (name, exempt) VALUES
    ('sandbox_payments', 'stands in for the books of a provider'),
    ('sandbox_refunds', 'stands in for the books of a provider');
UPDATE audited SET plain = plain || '{finding}' WHERE name = 'payments';

-- What a receiver is told of an event: which thing, and its state; of money also for which booking; never a person or an
-- amount. The public state of what is free is told whole.
CREATE OR REPLACE FUNCTION webhook_data(name text, data json) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN name = 'availability.changed' THEN data::jsonb
                ELSE jsonb_strip_nulls(jsonb_build_object(
                    'id', data -> 'id', 'status', data -> 'status', 'kind', data -> 'kind',
                    'booking_id', data -> 'booking_id', 'updated_at', data -> 'updated_at')) END
$$;
