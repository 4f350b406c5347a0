-- What is done to wallets by hand, and where money waits in escrow.

-- Corrections of a wallet by an admin, with a reason; a large one waits for somebody else to approve it.
CREATE TABLE adjustments (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users,
    -- below zero takes away
    amount     bigint NOT NULL CHECK (amount <> 0),
    currency   text NOT NULL,
    reason     text NOT NULL CHECK (reason <> ''),
    status     text NOT NULL CHECK (status IN ('pending', 'made', 'rejected')),
    asked_by   bigint NOT NULL REFERENCES users,
    -- none: it was small enough to be made at once
    decided_by bigint REFERENCES users,
    decision   text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz,
    CONSTRAINT adjustment_by_two CHECK (decided_by <> asked_by),
    CONSTRAINT adjustment_not_of_oneself CHECK (asked_by <> user_id AND decided_by <> user_id),
    CONSTRAINT adjustment_decided CHECK ((status = 'pending') = (decided_at IS NULL))
);
CREATE INDEX adjustments_pending ON adjustments (id) WHERE status = 'pending';
CREATE INDEX adjustments_of_wallet ON adjustments (user_id, asked_by, created_at);

-- Which bookings have, or had until just now, money in escrow at which venue: where releasing has to look. How much it
-- is stands in the ledger alone.
CREATE TABLE open_escrows (
    booking_id bigint NOT NULL,
    venue_id   bigint NOT NULL,
    PRIMARY KEY (booking_id, venue_id)
);

-- Whoever posts for a booking holds its lock, so nobody waits here.
CREATE FUNCTION note_open_escrow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO open_escrows (booking_id, venue_id) VALUES (NEW.booking_id, NEW.venue_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER escrow_is_open AFTER INSERT ON ledger_entries
    FOR EACH ROW WHEN (NEW.kind = 'escrow' AND NEW.amount > 0) EXECUTE FUNCTION note_open_escrow();

INSERT INTO audited (name, entity, id_column, venue_column, plain, quiet, operations) VALUES
    ('adjustments', 'adjustment', 'id', '', '{currency,status}', '{}', '{INSERT,UPDATE,DELETE}');
INSERT INTO audited (name, exempt) VALUES
    ('open_escrows', 'follows from the ledger');
