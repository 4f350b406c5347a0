-- Looking up by index whatever the table's size was when the plan was made. A connection keeps its plan, and one made on
-- an almost empty table read all of it and hashed it, for every batch, until statistics were gathered again. A lateral
-- lookup cannot become such a join.

CREATE OR REPLACE FUNCTION repeated_asks(booked booking_ask[]) RETURNS TABLE (ask integer, outcome text, document text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    alone integer[];
BEGIN
    -- of several with one key in this batch the first: the lock does not part what stands in one transaction
    alone := ARRAY(
        SELECT b.ask
        FROM (SELECT k.ask, k.booked_by, k.repeat_route, k.repeat_key, row_number() OVER (
                         PARTITION BY k.booked_by, k.repeat_route, k.repeat_key ORDER BY k.ask) AS nth
              FROM unnest(booked) AS k WHERE k.repeat_key IS NOT NULL) AS b
        WHERE b.nth = 1 AND pg_try_advisory_xact_lock(
            hashtextextended(b.booked_by || ' ' || b.repeat_route || ' ' || b.repeat_key, 0)));
    -- looked up by a statement of its own, which sees what was committed just before the lock came free
    RETURN QUERY
    SELECT b.ask, CASE WHEN b.ask = ANY (alone) THEN 'repeated' ELSE 'in_flight' END,
           CASE WHEN b.ask = ANY (alone) THEN json_build_object(
               'hash', encode(r.body_hash, 'hex'), 'status', r.status, 'answer', r.answer)::text END
    FROM unnest(booked) AS b
    LEFT JOIN LATERAL (
        SELECT k.key, k.body_hash, k.status, k.answer FROM repeat_keys AS k
        WHERE k.user_id = b.booked_by AND k.route = b.repeat_route AND k.key = b.repeat_key LIMIT 1
    ) AS r ON true
    WHERE b.repeat_key IS NOT NULL AND (NOT b.ask = ANY (alone) OR r.key IS NOT NULL);
END
$$;

CREATE OR REPLACE FUNCTION enqueue_booking_letters(ids bigint[], facts text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    enqueued bigint;
BEGIN
    INSERT INTO jobs (kind, data, once, can_wait)
    SELECT c.kind, jsonb_build_object('booking_id', b.id, 'fact', f.fact),
           'booking ' || b.id || ' ' || f.fact || ' ' || b.updated_at, true
    FROM unnest(ids, facts) AS f (id, fact)
    CROSS JOIN LATERAL (SELECT k.id, k.user_id, k.updated_at, k.confirmed_at FROM bookings AS k
                        WHERE k.id = f.id LIMIT 1) AS b
    CROSS JOIN LATERAL (SELECT p.id, p.status, p.email_verified_at, p.phone_verified_at, p.notification_choices
                        FROM users AS p WHERE p.id = b.user_id LIMIT 1) AS u
    CROSS JOIN LATERAL (VALUES
        ('mail', coalesce((u.notification_choices ->> 'email')::boolean, true)
                 AND CASE WHEN u.email_verified_at IS NULL THEN may_write_unverified(u.id, b.id) ELSE true END),
        ('sms', coalesce((u.notification_choices ->> 'sms')::boolean, false) AND u.phone_verified_at IS NOT NULL)
    ) AS c (kind, chosen)
    WHERE b.confirmed_at IS NOT NULL AND u.status <> 'deleted' AND c.chosen
      AND coalesce((u.notification_choices ->> f.fact)::boolean, true)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS enqueued = ROW_COUNT;
    RETURN enqueued;
END
$$;
