-- Refunds: each gives back a payment, or a part of one, wherever it goes; what is left of a cancelled item is a fee.

ALTER TABLE refunds
    -- The payment is named whatever the target, so that none is ever given back twice over.
    DROP CONSTRAINT refund_to_original_names_payment,
    ADD CONSTRAINT refund_to_original_names_payment CHECK (target <> 'original' OR payment_id IS NOT NULL),
    -- at whose expense it is: venue -> amount, adding up to its amount
    ADD COLUMN shares jsonb NOT NULL DEFAULT '{}',
    -- what goes out as the idempotency key; drawn anew once the provider has refused it for good
    ADD COLUMN outward_key uuid NOT NULL DEFAULT gen_random_uuid();
-- Those whose provider is to be asked, and when.
CREATE INDEX refunds_to_ask ON refunds (ask_at) WHERE ask_at IS NOT NULL;

-- What is kept of a cancelled item stays in its booking as an item of its own, which claims nothing.
ALTER TABLE booking_items DROP CONSTRAINT booking_items_kind_check,
    ADD CONSTRAINT booking_items_kind_check CHECK (kind IN ('stay', 'slot', 'place', 'addon', 'fee'));

-- Give back so many of what each claim of a locked booking's item counts: rooms of a pool's nights, places in a session.
-- They are locked already; whoever gives back all of them releases the item.
CREATE FUNCTION reduce_claims(of_booking bigint, of_item bigint, by integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH fewer AS (
        UPDATE claims AS c SET quantity = c.quantity - by
        WHERE c.booking_id = of_booking AND c.item_id = of_item AND c.room_id IS NULL
        RETURNING c.room_type_id, c.night, c.place_session_id, c.expires_at IS NOT NULL AS is_held
    ), nights AS (
        UPDATE pool_nights AS p SET taken = p.taken - by, held = p.held - CASE WHEN f.is_held THEN by ELSE 0 END
        FROM fewer AS f WHERE p.room_type_id = f.room_type_id AND p.night = f.night
    )
    UPDATE session_places AS p SET taken = p.taken - by, held = p.held - CASE WHEN f.is_held THEN by ELSE 0 END
    FROM fewer AS f WHERE p.session_id = f.place_session_id;
END
$$;

-- As in 0008; what had been paid for a booking that ran out is given back by a job, in the same breath.
CREATE OR REPLACE FUNCTION expire_bookings(at_most integer)
RETURNS TABLE (room text, version bigint, name text, at timestamptz, data text, outbox_id bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    due bigint[];
BEGIN
    -- picked without a lock, locked in order, judged again
    due := ARRAY(SELECT b.id FROM bookings AS b WHERE b.expires_at <= statement_timestamp()
                 ORDER BY b.expires_at LIMIT at_most);
    IF cardinality(due) = 0 THEN
        RETURN;
    END IF;
    PERFORM lock_bookings(due);
    WITH ended AS (
        UPDATE bookings AS b SET status = 'expired', expires_at = NULL, updated_at = clock_timestamp()
        WHERE b.id = ANY (due) AND b.expires_at <= statement_timestamp() RETURNING b.id
    )
    SELECT coalesce(array_agg(e.id ORDER BY e.id), '{}') INTO due FROM ended AS e;
    IF cardinality(due) = 0 THEN
        RETURN;
    END IF;
    PERFORM release_claims(due, '{}', '{}');
    INSERT INTO jobs (kind, data, once)
    SELECT 'give_back', jsonb_build_object('booking_id', d.id), 'expired ' || d.id
    FROM unnest(due) AS d (id)
    CROSS JOIN LATERAL (
        SELECT sum(e.amount) AS paid FROM ledger_entries AS e
        WHERE e.booking_id = d.id AND e.kind IN ('escrow', 'venue', 'fees', 'tax') OFFSET 0
    ) AS m
    WHERE m.paid > 0
    ON CONFLICT DO NOTHING;
    RETURN QUERY SELECT t.room, t.version, t.name, t.at, t.data, t.outbox_id
                 FROM tell('{}', '{}', '{}', due, array_fill('booking.expired'::text, ARRAY[cardinality(due)]),
                           touched_by_bookings(due)) AS t;
END
$$;

UPDATE audited SET quiet = quiet || '{outward_key}' WHERE name = 'refunds';
