-- Paper: receipts and invoices numbered without gaps, who has checked in where, and calendars that keep up by themselves.

-- The last number of each kind that a venue has given. Whoever numbers something locks the row until it is committed, so
-- no number is given twice, and none is missing.
CREATE TABLE paper_numbers (
    venue_id bigint NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('receipt', 'invoice')),
    last     bigint NOT NULL DEFAULT 0 CHECK (last >= 0),
    PRIMARY KEY (venue_id, kind)
);

-- Receipts and invoices as they were issued. They stay as they are; when what they tell of changes, another is issued in
-- their place. Only who somebody was may be forgotten.
CREATE TABLE papers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id   bigint NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('receipt', 'invoice')),
    number     bigint NOT NULL CHECK (number > 0),
    booking_id bigint NOT NULL,
    -- the number of the one that this takes the place of
    replaces   bigint,
    guest      text NOT NULL,
    content    jsonb NOT NULL,
    issued_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT papers_numbered_once UNIQUE (venue_id, kind, number)
);
CREATE INDEX papers_of_booking ON papers (booking_id, venue_id, kind, number);

CREATE FUNCTION refuse_changing_papers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.guest := OLD.guest;
        IF NEW IS NOT DISTINCT FROM OLD THEN
            RETURN NULL;
        END IF;
    END IF;
    RAISE EXCEPTION 'a paper that was issued stays as it is' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER papers_are_kept AFTER UPDATE OR DELETE ON papers FOR EACH ROW EXECUTE FUNCTION refuse_changing_papers();
GRANT SELECT, INSERT, UPDATE ON papers, paper_numbers TO hub_app;

-- Who came: once for each venue of a booking.
CREATE TABLE check_ins (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    booking_id    bigint NOT NULL,
    venue_id      bigint NOT NULL,
    -- who stood at the desk
    checked_in_by bigint,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT checked_in_once UNIQUE (booking_id, venue_id)
);

-- What calendars know a booking's entries by: drawn at random when somebody first asks, and kept for as long as it moves.
CREATE TABLE calendar_uids (
    booking_id bigint PRIMARY KEY,
    uid        uuid NOT NULL DEFAULT gen_random_uuid(),
    -- the places in the basket that calendars have been shown; what left it since has to be taken out of them
    shown      smallint[] NOT NULL
);

-- The secret address at which calendar programs find somebody's bookings, of which only the hash is kept.
CREATE TABLE calendar_feeds (
    user_id    bigint PRIMARY KEY REFERENCES users,
    hash       bytea NOT NULL CONSTRAINT calendar_feeds_hash UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What goes with a letter that is kept in the outbox.
CREATE TABLE letter_attachments (
    letter_id  bigint NOT NULL REFERENCES letters ON DELETE CASCADE,
    position   smallint NOT NULL,
    name       text NOT NULL,
    media_type text NOT NULL,
    body       bytea NOT NULL,
    PRIMARY KEY (letter_id, position)
);

INSERT INTO audited (name, entity, id_column, venue_column, plain, quiet, operations) VALUES
    ('check_ins', 'check_in', 'id', 'venue_id', '{}', '{}', '{INSERT,UPDATE,DELETE}'),
    ('calendar_feeds', 'calendar_feed', 'user_id', '', '{}', '{}', '{INSERT,UPDATE,DELETE}');
INSERT INTO audited (name, exempt) VALUES
    ('paper_numbers', 'follows from the papers'),
    ('papers', 'is itself a record that is only ever added to'),
    ('calendar_uids', 'is drawn once, and notes what was shown'),
    ('letter_attachments', 'is what was written to people, and kept only where nobody depends on it');

-- A booking as everybody reads it, now with when its guests checked in: a desk sees what is its venue's.
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
          -- where one venue is all that is left of a booking, its desk sees the whole of it
          AND (only_venue IS NULL OR e.venue_id = only_venue OR NOT EXISTS (
               SELECT FROM booking_items AS o WHERE o.booking_id = wanted.id AND o.venue_id <> only_venue)) OFFSET 0
    ) AS m
    CROSS JOIN LATERAL (
        SELECT b.id, b.reference,
               CASE WHEN b.expires_at <= clock_timestamp() THEN 'expired' ELSE b.status END AS status,
               b.user_id, b.booked_by, to_json(u) AS guest, b.guest_details, b.notes, b.currency, i.price, m.paid,
               CASE WHEN m.paid >= i.price THEN 'completed' WHEN m.paid > 0 THEN 'partial' WHEN m.was THEN 'refunded'
                    ELSE 'pending' END AS payment_status,
               b.plan, i.items, b.expires_at, b.hold_ends_at, b.confirmed_at,
               -- what was never firm costs no look
               CASE WHEN b.confirmed_at IS NOT NULL THEN (
                   SELECT min(c.at) FROM check_ins AS c
                   WHERE c.booking_id = b.id AND (only_venue IS NULL OR c.venue_id = only_venue)) END AS checked_in_at,
               b.cancelled_at, b.cancel_reason, b.cancel_reason_code, b.completed_at, b.no_show_at, b.created_at,
               b.updated_at
        FROM bookings AS b
        CROSS JOIN LATERAL (SELECT p.id, p.full_name, p.email, p.phone FROM users AS p WHERE p.id = b.user_id OFFSET 0) AS u
        WHERE b.id = wanted.id OFFSET 0
    ) AS d
$$;

-- Has guests told of payments that came in for what they book, each once; by mail, unless they want none. Money that came
-- too late is told of as well: who paid has to know that it arrived.
CREATE FUNCTION enqueue_receipts(payment_ids bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    enqueued bigint;
BEGIN
    INSERT INTO jobs (kind, data, once)
    SELECT 'mail', jsonb_build_object('booking_id', b.id, 'fact', 'payment.completed', 'payment_id', p.id),
           'receipt of payment ' || p.id
    FROM payments AS p
    JOIN bookings AS b ON b.id = p.booking_id
    JOIN users AS u ON u.id = b.user_id
    WHERE p.id = ANY (payment_ids) AND p.status = 'completed' AND u.status <> 'deleted'
      AND coalesce((u.notification_choices ->> 'email')::boolean, true)
      AND coalesce((u.notification_choices ->> 'payment.completed')::boolean, true)
      AND CASE WHEN u.email_verified_at IS NULL THEN may_write_unverified(u.id, b.id) ELSE true END
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS enqueued = ROW_COUNT;
    RETURN enqueued;
END
$$;

-- Has guests reminded of what begins within so many hours, as they chose; only of what was booked before that, for who
-- books for tomorrow has just been told. Each once, and again if it has moved.
CREATE FUNCTION enqueue_reminders(hours integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    enqueued bigint;
BEGIN
    INSERT INTO jobs (kind, data, once, can_wait)
    SELECT c.kind, jsonb_build_object('booking_id', b.id, 'fact', 'booking.reminder'),
           'booking ' || b.id || ' booking.reminder ' || soon.starts_at, true
    FROM (
        -- venue by venue, as the index has it
        SELECT i.booking_id, min(i.starts_at) AS starts_at
        FROM venues AS v
        CROSS JOIN LATERAL (
            SELECT bi.booking_id, bi.starts_at FROM booking_items AS bi
            WHERE bi.venue_id = v.id AND bi.starts_at > clock_timestamp()
              AND bi.starts_at <= clock_timestamp() + hours * interval '1 hour'
        ) AS i
        GROUP BY i.booking_id
    ) AS soon
    JOIN bookings AS b ON b.id = soon.booking_id
    JOIN users AS u ON u.id = b.user_id
    CROSS JOIN LATERAL (VALUES
        ('mail', coalesce((u.notification_choices ->> 'email')::boolean, true)
                 AND CASE WHEN u.email_verified_at IS NULL THEN may_write_unverified(u.id, b.id) ELSE true END),
        ('sms', coalesce((u.notification_choices ->> 'sms')::boolean, false) AND u.phone_verified_at IS NOT NULL)
    ) AS c (kind, chosen)
    WHERE b.status = 'confirmed' AND b.confirmed_at < soon.starts_at - hours * interval '1 hour'
      AND u.status <> 'deleted' AND c.chosen AND coalesce((u.notification_choices ->> 'booking.reminder')::boolean, true)
      AND NOT EXISTS (SELECT FROM booking_items AS e
                      WHERE e.booking_id = b.id AND e.starts_at <= clock_timestamp())
      AND NOT EXISTS (SELECT FROM check_ins AS e WHERE e.booking_id = b.id)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS enqueued = ROW_COUNT;
    RETURN enqueued;
END
$$;

-- Has a guest told that an instalment is due soon or was missed, as they chose; each once.
CREATE FUNCTION enqueue_instalment_letters(booking bigint, place smallint, fact text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    enqueued bigint;
BEGIN
    INSERT INTO jobs (kind, data, once)
    SELECT c.kind, jsonb_build_object('booking_id', b.id, 'fact', fact),
           'booking ' || b.id || ' ' || fact || ' ' || place || ' ' || i.due_at
    FROM bookings AS b
    JOIN instalments AS i ON i.booking_id = b.id AND i.position = place
    JOIN users AS u ON u.id = b.user_id
    CROSS JOIN LATERAL (VALUES
        ('mail', coalesce((u.notification_choices ->> 'email')::boolean, true)
                 AND CASE WHEN u.email_verified_at IS NULL THEN may_write_unverified(u.id, b.id) ELSE true END),
        ('sms', coalesce((u.notification_choices ->> 'sms')::boolean, false) AND u.phone_verified_at IS NOT NULL)
    ) AS c (kind, chosen)
    WHERE b.id = booking AND u.status <> 'deleted' AND c.chosen
      AND coalesce((u.notification_choices ->> fact)::boolean, true)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS enqueued = ROW_COUNT;
    RETURN enqueued;
END
$$;
