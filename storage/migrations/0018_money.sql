-- Money: the ledger, which is the only place where it stands; what is paid and paid back; what was agreed with a booking.
-- Every amount is whole minor units of the currency beside it.

-- How a venue deals with money (hub/models/terms.py); what is not named there has its default.
ALTER TABLE venues ADD COLUMN terms jsonb NOT NULL DEFAULT '{}';

-- What was agreed when something was held: lines, plans, cancellation curves (hub/models/quotes.py). The same content
-- is kept once, and never changes.
CREATE TABLE frozen_quotes (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash  bytea NOT NULL CONSTRAINT frozen_quotes_once UNIQUE,
    quote jsonb NOT NULL
);

ALTER TABLE bookings
    ADD COLUMN quote_id bigint,
    -- chosen with the first payment
    ADD COLUMN plan text CHECK (plan IN ('full', 'deposit', 'milestone')),
    -- what the quote took from limited allowances; freed by itself when the booking is cancelled or expires
    ADD COLUMN offer_id bigint,
    ADD COLUMN points integer NOT NULL DEFAULT 0 CHECK (points >= 0),
    ADD COLUMN as_student boolean NOT NULL DEFAULT false;
CREATE INDEX bookings_of_offer ON bookings (offer_id) WHERE offer_id IS NOT NULL;

-- When how much of a booking is due, as its plan says. Nothing is marked paid: what was paid is in the ledger.
CREATE TABLE instalments (
    booking_id  bigint NOT NULL,
    position    smallint NOT NULL,
    due_at      timestamptz NOT NULL,
    amount      bigint NOT NULL CHECK (amount >= 0),
    reminded_at timestamptz,
    missed_at   timestamptz,
    PRIMARY KEY (booking_id, position)
);
CREATE INDEX instalments_due ON instalments (due_at) WHERE missed_at IS NULL;

-- Whose money: wallet and points of a person; escrow and venue of a venue; clearing of a gateway (what a provider has for
-- us, below zero); cash at a venue's desk; fees and tax that came of a venue's sales; refunds owed to guests; corrections.
CREATE TABLE accounts (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text NOT NULL CHECK (kind IN
              ('wallet', 'points', 'escrow', 'venue', 'clearing', 'cash', 'fees', 'tax', 'refunds', 'corrections')),
    user_id   bigint,
    venue_id  bigint,
    gateway   text,
    currency  text NOT NULL,
    -- after a dispute took more than there was: nothing is paid from it until somebody looked
    frozen_at timestamptz,
    CONSTRAINT account_once UNIQUE NULLS NOT DISTINCT (kind, user_id, venue_id, gateway, currency),
    CONSTRAINT account_of_person CHECK ((kind IN ('wallet', 'points')) = (user_id IS NOT NULL)),
    CONSTRAINT account_of_venue CHECK ((kind IN ('escrow', 'venue', 'cash', 'fees', 'tax')) = (venue_id IS NOT NULL)),
    CONSTRAINT account_of_gateway CHECK ((kind = 'clearing') = (gateway IS NOT NULL))
);

CREATE TABLE ledger_transactions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- what happened: payment, top_up, refund, refund_sent, release, dispute, adjustment, points, ...
    kind       text NOT NULL,
    currency   text NOT NULL,
    booking_id bigint,
    payment_id bigint,
    refund_id  bigint,
    made_by    bigint,
    reason     text NOT NULL DEFAULT '',
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ledger_transactions_of_booking ON ledger_transactions (booking_id) WHERE booking_id IS NOT NULL;
CREATE INDEX ledger_transactions_of_payment ON ledger_transactions (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX ledger_transactions_of_refund ON ledger_transactions (refund_id) WHERE refund_id IS NOT NULL;

-- Above zero is credit, what the hub owes to whoever the account is of; below zero is debit. A transaction's sum is zero.
-- Kind and venue are the account's, kept here because a booking's sums are read far more often than they are written.
CREATE TABLE ledger_entries (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id bigint NOT NULL REFERENCES ledger_transactions,
    account_id     bigint NOT NULL REFERENCES accounts,
    kind           text NOT NULL,
    venue_id       bigint,
    booking_id     bigint,
    amount         bigint NOT NULL CHECK (amount <> 0)
);
CREATE INDEX ledger_entries_of_transaction ON ledger_entries (transaction_id);
CREATE INDEX ledger_entries_of_account ON ledger_entries (account_id, id);
CREATE INDEX ledger_entries_of_booking ON ledger_entries (booking_id) INCLUDE (kind, venue_id, amount)
    WHERE booking_id IS NOT NULL;

CREATE FUNCTION refuse_changing_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is only ever added to' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER ledger_transactions_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_changing_ledger();
CREATE TRIGGER ledger_entries_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_changing_ledger();
GRANT SELECT, INSERT ON ledger_transactions, ledger_entries TO hub_app;

-- Whatever wrote them, entries that do not add up are never committed.
CREATE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(e.amount) FROM ledger_entries AS e WHERE e.transaction_id = NEW.transaction_id) <> 0 THEN
        RAISE EXCEPTION 'ledger transaction % does not add up', NEW.transaction_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_adds_up';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER ledger_adds_up AFTER INSERT ON ledger_entries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced();

-- One line of a transaction: of which account, how much. Lines that name a booking count in its sums.
CREATE TYPE ledger_line AS (
    kind text, user_id bigint, venue_id bigint, gateway text, booking_id bigint, amount bigint
);

-- Write one transaction; answers its id. Refuses what would leave less than nothing in a wallet, among points, or, of one
-- booking, in escrow; `may_overdraw` (a dispute) takes from wallets and points what is not there, and freezes them.
-- Locks the accounts of persons in order, after bookings and claims, before live rooms.
CREATE FUNCTION post(its_kind text, its_currency text, its_lines ledger_line[], its_booking_id bigint DEFAULT NULL,
                     its_payment_id bigint DEFAULT NULL, its_refund_id bigint DEFAULT NULL, by bigint DEFAULT NULL,
                     its_reason text DEFAULT '', may_overdraw boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    new_id bigint;
    short bigint[];
BEGIN
    INSERT INTO accounts (kind, user_id, venue_id, gateway, currency)
    SELECT DISTINCT l.kind, l.user_id, l.venue_id, l.gateway, its_currency FROM unnest(its_lines) AS l
    WHERE NOT EXISTS (
        SELECT FROM accounts AS a
        WHERE a.kind = l.kind AND a.currency = its_currency AND a.user_id IS NOT DISTINCT FROM l.user_id
          AND a.venue_id IS NOT DISTINCT FROM l.venue_id AND a.gateway IS NOT DISTINCT FROM l.gateway)
    ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING;
    PERFORM 1 FROM accounts AS a
    WHERE a.kind IN ('wallet', 'points') AND a.currency = its_currency
      AND a.user_id = ANY (ARRAY(SELECT l.user_id FROM unnest(its_lines) AS l WHERE l.user_id IS NOT NULL))
    ORDER BY a.id FOR NO KEY UPDATE;

    INSERT INTO ledger_transactions (kind, currency, booking_id, payment_id, refund_id, made_by, reason)
    VALUES (its_kind, its_currency, its_booking_id, its_payment_id, its_refund_id, by, its_reason) RETURNING id INTO new_id;
    INSERT INTO ledger_entries (transaction_id, account_id, kind, venue_id, booking_id, amount)
    SELECT new_id, a.id, a.kind, a.venue_id, l.booking_id, l.amount
    FROM unnest(its_lines) AS l
    JOIN accounts AS a ON a.kind = l.kind AND a.currency = its_currency AND a.user_id IS NOT DISTINCT FROM l.user_id
        AND a.venue_id IS NOT DISTINCT FROM l.venue_id AND a.gateway IS NOT DISTINCT FROM l.gateway
    WHERE l.amount <> 0;

    short := ARRAY(
        SELECT e.account_id FROM ledger_entries AS e
        WHERE e.kind IN ('wallet', 'points') AND e.account_id IN (
            SELECT n.account_id FROM ledger_entries AS n WHERE n.transaction_id = new_id AND n.amount < 0)
        GROUP BY e.account_id HAVING sum(e.amount) < 0);
    IF cardinality(short) > 0 THEN
        IF NOT may_overdraw THEN
            RAISE EXCEPTION 'there is too little in the account' USING ERRCODE = 'check_violation',
                CONSTRAINT = 'account_has_too_little';
        END IF;
        UPDATE accounts SET frozen_at = clock_timestamp() WHERE id = ANY (short) AND frozen_at IS NULL;
    END IF;
    IF EXISTS (
        SELECT FROM accounts AS a JOIN ledger_entries AS n ON n.account_id = a.id
        WHERE n.transaction_id = new_id AND n.amount < 0 AND a.frozen_at IS NOT NULL AND NOT may_overdraw
    ) THEN
        RAISE EXCEPTION 'the account is frozen' USING ERRCODE = 'check_violation', CONSTRAINT = 'account_is_frozen';
    END IF;
    IF EXISTS (
        SELECT FROM ledger_entries AS e
        WHERE e.kind = 'escrow' AND e.booking_id = ANY (ARRAY(
            SELECT n.booking_id FROM ledger_entries AS n
            WHERE n.transaction_id = new_id AND n.kind = 'escrow' AND n.amount < 0))
        GROUP BY e.booking_id, e.venue_id HAVING sum(e.amount) < 0
    ) THEN
        RAISE EXCEPTION 'there is less in escrow' USING ERRCODE = 'check_violation', CONSTRAINT = 'escrow_has_too_little';
    END IF;
    RETURN new_id;
END
$$;

-- Money on its way in. It moves forward only: starting, pending, failed or cancelled, completed. A provider's late
-- success beats its failure; nothing beats success.
CREATE TABLE payments (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id       bigint NOT NULL,
    -- none: it tops up the wallet
    booking_id    bigint,
    gateway       text NOT NULL CHECK (gateway IN ('stripe', 'paypal', 'bakong', 'wallet', 'cash', 'sandbox')),
    amount        bigint NOT NULL CHECK (amount > 0),
    currency      text NOT NULL,
    plan          text CHECK (plan IN ('full', 'deposit', 'milestone')),
    status        text NOT NULL DEFAULT 'starting'
                  CHECK (status IN ('starting', 'pending', 'failed', 'cancelled', 'completed')),
    -- what goes out as the idempotency key, so that the provider knows a repeated ask
    outward_key   uuid NOT NULL DEFAULT gen_random_uuid(),
    provider_id   text,
    -- what the payer's page needs (address to approve at, client secret, QR string); nothing of a card
    provider_data jsonb NOT NULL DEFAULT '{}',
    failure       text,
    started_by    bigint,
    -- after this the provider takes no money for it any more
    expires_at    timestamptz,
    -- when the reconciler asks the provider next
    ask_at        timestamptz,
    asked         integer NOT NULL DEFAULT 0,
    disputed_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at  timestamptz,
    CONSTRAINT payments_provider_id UNIQUE (gateway, provider_id),
    CONSTRAINT payment_completed_at CHECK ((status = 'completed') = (completed_at IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX payments_of_booking ON payments (booking_id) WHERE booking_id IS NOT NULL;
CREATE INDEX payments_of_user ON payments (user_id, id);
CREATE INDEX payments_to_ask ON payments (ask_at) WHERE ask_at IS NOT NULL;

CREATE FUNCTION refuse_going_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> NEW.status AND (OLD.status = 'completed' OR (OLD.status IN ('failed', 'cancelled') AND NEW.status <> 'completed')
                                     OR NEW.status = 'starting') THEN
        RAISE EXCEPTION 'a payment never goes from % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation',
            CONSTRAINT = 'payment_goes_forward';
    END IF;
    IF (OLD.amount, OLD.currency, OLD.booking_id, OLD.user_id, OLD.gateway)
       IS DISTINCT FROM (NEW.amount, NEW.currency, NEW.booking_id, NEW.user_id, NEW.gateway) THEN
        RAISE EXCEPTION 'what a payment is about never changes' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'payment_is_about_one_thing';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER payment_goes_forward BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION refuse_going_back();

-- What providers have told us, each once, whatever the order and however often it comes.
CREATE TABLE provider_events (
    gateway     text NOT NULL,
    event_id    text NOT NULL,
    kind        text NOT NULL,
    -- the provider's name for the payment or refund it is about
    provider_id text,
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    handled_at  timestamptz,
    outcome     text,
    PRIMARY KEY (gateway, event_id)
);
CREATE INDEX provider_events_of_payment ON provider_events (gateway, provider_id);

-- Money on its way back. `payment_id` says to which payment; none: to the wallet, or by hand at the desk.
CREATE TABLE refunds (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    booking_id   bigint NOT NULL,
    payment_id   bigint REFERENCES payments,
    user_id      bigint NOT NULL,
    target       text NOT NULL CHECK (target IN ('original', 'wallet', 'cash')),
    amount       bigint NOT NULL CHECK (amount > 0),
    currency     text NOT NULL,
    status       text NOT NULL
                 CHECK (status IN ('pending', 'approved', 'processing', 'completed', 'rejected', 'failed')),
    reason       text NOT NULL DEFAULT '',
    asked_by     bigint,
    decided_by   bigint,
    decided_at   timestamptz,
    decision     text,
    provider_id  text,
    failure      text,
    attempts     integer NOT NULL DEFAULT 0,
    ask_at       timestamptz,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at timestamptz,
    CONSTRAINT refund_to_original_names_payment CHECK ((target = 'original') = (payment_id IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX refunds_of_booking ON refunds (booking_id);
CREATE INDEX refunds_of_payment ON refunds (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX refunds_of_user ON refunds (user_id, id);
CREATE INDEX refunds_open ON refunds (status, id) WHERE status NOT IN ('completed', 'rejected');

INSERT INTO audited (name, entity, id_column, venue_column, plain, quiet, operations) VALUES
    ('payments', 'payment', 'id', '', '{gateway,currency,plan,status,failure}', '{updated_at,ask_at,asked}',
     '{INSERT,UPDATE,DELETE}'),
    ('refunds', 'refund', 'id', '', '{target,currency,status}', '{updated_at,ask_at,attempts}', '{INSERT,UPDATE,DELETE}'),
    ('instalments', 'instalment', 'booking_id', '', '{}', '{reminded_at}', '{INSERT,UPDATE,DELETE}'),
    ('accounts', 'account', 'id', 'venue_id', '{kind,gateway,currency}', '{}', '{UPDATE,DELETE}');
INSERT INTO audited (name, exempt) VALUES
    ('frozen_quotes', 'is named by its content and never changes'),
    ('ledger_transactions', 'is itself a record that is only ever added to'),
    ('ledger_entries', 'is itself a record that is only ever added to'),
    ('provider_events', 'is itself a record of what providers told; what it caused is audited');
UPDATE audited SET plain = plain || '{terms}' WHERE name = 'venues';
UPDATE audited SET plain = plain || '{plan}' WHERE name = 'bookings';

-- Add-ons are items of a booking too. An item's price is what it comes to in the end: with its share of discounts and tax.
ALTER TABLE booking_items DROP CONSTRAINT booking_items_kind_check,
    ADD CONSTRAINT booking_items_kind_check CHECK (kind IN ('stay', 'slot', 'place', 'addon')),
    ADD COLUMN addon_id bigint;
CREATE INDEX booking_items_of_addon ON booking_items (addon_id, starts_at) WHERE addon_id IS NOT NULL;

-- A booking as everybody reads it, now with what was paid and not given back: a desk sees what is its venue's.
CREATE OR REPLACE FUNCTION booking_documents(ids bigint[], only_venue bigint)
RETURNS TABLE (place bigint, booking_id bigint, user_id bigint, venue_ids bigint[], document json)
LANGUAGE sql STABLE AS $$
    SELECT wanted.place, d.id, d.user_id,
           CASE WHEN cardinality(i.venue_ids) = 1 THEN i.venue_ids
                ELSE ARRAY(SELECT DISTINCT v.id FROM unnest(i.venue_ids) AS v (id) ORDER BY v.id) END, to_json(d)
    FROM unnest(ids) WITH ORDINALITY AS wanted (id, place)
    CROSS JOIN LATERAL (
        SELECT sum(bi.price)::bigint AS price, array_agg(bi.venue_id) AS venue_ids,
               json_agg(to_json(item) ORDER BY bi.position) AS items
        FROM booking_items AS bi
        CROSS JOIN LATERAL (
            SELECT bi.id, bi.kind, bi.venue_id, bi.title, bi.room_type_id, bi.room_id, bi.session_id, bi.addon_id,
                   bi.starts_at, bi.ends_at, bi.check_in, bi.check_out, bi.guests, bi.quantity, bi.unit_price, bi.price,
                   bi.currency
        ) AS item
        WHERE bi.booking_id = wanted.id AND (only_venue IS NULL OR bi.venue_id = only_venue)
    ) AS i
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(e.amount), 0)::bigint AS paid, coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0) > 0 AS was
        FROM ledger_entries AS e
        WHERE e.booking_id = wanted.id AND e.kind IN ('escrow', 'venue', 'fees', 'tax')
          AND (only_venue IS NULL OR e.venue_id = only_venue) OFFSET 0
    ) AS m
    CROSS JOIN LATERAL (
        SELECT b.id, b.reference,
               CASE WHEN b.expires_at <= clock_timestamp() THEN 'expired' ELSE b.status END AS status,
               b.user_id, b.booked_by, to_json(u) AS guest, b.guest_details, b.notes, b.currency, i.price, m.paid,
               CASE WHEN m.paid >= i.price THEN 'completed' WHEN m.paid > 0 THEN 'partial' WHEN m.was THEN 'refunded'
                    ELSE 'pending' END AS payment_status,
               b.plan, i.items, b.expires_at, b.hold_ends_at, b.confirmed_at,
               b.cancelled_at, b.cancel_reason, b.cancel_reason_code, b.completed_at, b.no_show_at, b.created_at,
               b.updated_at
        FROM bookings AS b
        CROSS JOIN LATERAL (SELECT p.id, p.full_name, p.email, p.phone FROM users AS p WHERE p.id = b.user_id OFFSET 0) AS u
        WHERE b.id = wanted.id OFFSET 0
    ) AS d
$$;
