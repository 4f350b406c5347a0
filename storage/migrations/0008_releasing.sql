-- Locking a booking with all it has claimed, and giving claims back.

-- Lock, in the one order, what these bookings claim and what else is about to be, then the bookings themselves.
-- Callers judge only after this.
CREATE FUNCTION lock_bookings(ids bigint[], also claim_ask[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    known claim_ask[];
BEGIN
    LOOP
        known := ARRAY(
            SELECT ROW(1, 1, NULL, NULL, NULL, NULL, c.room_id, c.busy, c.room_type_id, c.night, c.place_session_id,
                       c.quantity, c.expires_at)::claim_ask
            FROM claims AS c WHERE c.booking_id = ANY (ids));
        BEGIN
            PERFORM lock_claimed(also || known);
            PERFORM 1 FROM bookings WHERE id = ANY (ids) ORDER BY id FOR UPDATE;
            -- Somebody may have moved one while this waited; what it claims now would be locked out of order, so let
            -- go of everything and look again.
            IF EXISTS (
                SELECT 1 FROM claims AS c WHERE c.booking_id = ANY (ids) AND NOT EXISTS (
                    SELECT 1 FROM unnest(also || known) AS k
                    WHERE k.room_id = c.room_id OR k.place_session_id = c.place_session_id
                       OR (k.room_type_id = c.room_type_id AND k.night = c.night))
            ) THEN
                RAISE EXCEPTION 'a booking has moved' USING ERRCODE = 'HB001';
            END IF;
            RETURN;
        EXCEPTION WHEN SQLSTATE 'HB001' THEN
            NULL;
        END;
    END LOOP;
END
$$;

-- Give back every claim of these owners (of these items only, if any are named). Their resources are locked already.
CREATE FUNCTION release_claims(of_bookings bigint[], of_sessions bigint[], of_closures bigint[], of_items bigint[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    PERFORM remove_claims(ARRAY(
        SELECT c.id FROM claims AS c
        WHERE (c.booking_id = ANY (of_bookings) AND (cardinality(of_items) = 0 OR c.item_id = ANY (of_items)))
           OR c.session_id = ANY (of_sessions) OR c.closure_id = ANY (of_closures)));
END
$$;

-- Change until when a locked booking's claims live; NULL makes them firm.
CREATE FUNCTION extend_claims(of_booking bigint, until timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH kept AS (
        UPDATE claims AS c SET expires_at = until WHERE c.booking_id = of_booking AND c.expires_at IS NOT NULL
        RETURNING c.room_type_id, c.night, c.place_session_id, c.quantity
    ), nights AS (
        UPDATE pool_nights AS p SET held = p.held - k.quantity
        FROM (SELECT room_type_id, night, sum(quantity) AS quantity FROM kept
              WHERE room_type_id IS NOT NULL GROUP BY room_type_id, night) AS k
        WHERE until IS NULL AND p.room_type_id = k.room_type_id AND p.night = k.night
    )
    UPDATE session_places AS p SET held = p.held - k.quantity
    FROM (SELECT place_session_id, sum(quantity) AS quantity FROM kept
          WHERE place_session_id IS NOT NULL GROUP BY place_session_id) AS k
    WHERE until IS NULL AND p.session_id = k.place_session_id;
END
$$;

CREATE TYPE booking_document AS (booking_id bigint, user_id bigint, venue_ids bigint[], document json);

-- The documents of these bookings, in their order.
CREATE FUNCTION documents_to_tell(ids bigint[]) RETURNS booking_document[]
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    RETURN ARRAY(SELECT ROW(d.booking_id, d.user_id, d.venue_ids, d.document)::booking_document
                 FROM booking_documents(ids, NULL) AS d ORDER BY d.place);
END
$$;

-- Tell everything one transaction has to tell, as its last act: the events given, for each booking its fact to the desks
-- and the guest, and to everybody what became of the things touched. Where the data is a booking's document as it came,
-- only its place among them is answered.
CREATE FUNCTION tell_documents(told_rooms text[], told_names text[], told_data json[], documents booking_document[],
                               facts text[], things touched[])
RETURNS TABLE (document integer, room text, version bigint, name text, at timestamptz, data text, outbox_id bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    of_documents integer[];
BEGIN
    SELECT array_fill(NULL::integer, ARRAY[cardinality(told_rooms)]) || array_agg(t.document ORDER BY t.place, t.room),
           told_rooms || array_agg(t.room ORDER BY t.place, t.room),
           told_names || array_agg(t.name ORDER BY t.place, t.room),
           told_data || array_agg(t.data ORDER BY t.place, t.room)
    INTO of_documents, told_rooms, told_names, told_data
    FROM (
        -- a desk sees its own part of a booking that is at several venues
        SELECT f.place, CASE WHEN whole THEN f.place::integer END AS document,
               coalesce('desk:' || v.id, 'user:' || f.user_id) AS room, f.name,
               CASE WHEN whole THEN f.document
                    ELSE (SELECT d.document FROM booking_documents(ARRAY[f.booking_id], v.id) AS d) END AS data
        FROM unnest(documents, facts) WITH ORDINALITY AS f (booking_id, user_id, venue_ids, document, name, place)
        CROSS JOIN LATERAL unnest(NULL::bigint || f.venue_ids) AS v (id)
        CROSS JOIN LATERAL (SELECT v.id IS NULL OR cardinality(f.venue_ids) = 1 AS whole) AS w
        UNION ALL
        SELECT 0, NULL, 'venue:' || a.venue_id, 'availability.changed', a.data FROM availability_changes(things) AS a
    ) AS t;
    RETURN QUERY
    SELECT of_documents[a.place], a.room, a.version, a.name, a.at,
           CASE WHEN of_documents[a.place] IS NULL THEN told_data[a.place]::text END, a.outbox_id
    FROM append_events(told_rooms, told_names, told_data) AS a;
END
$$;

-- The same, with the bookings' documents still to be read.
CREATE FUNCTION tell(told_rooms text[], told_names text[], told_data json[], ids bigint[], facts text[], things touched[])
RETURNS TABLE (room text, version bigint, name text, at timestamptz, data text, outbox_id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    documents booking_document[] := documents_to_tell(ids);
BEGIN
    RETURN QUERY
    SELECT t.room, t.version, t.name, t.at, coalesce(t.data, (documents[t.document]).document::text), t.outbox_id
    FROM tell_documents(told_rooms, told_names, told_data, documents, facts, things) AS t;
END
$$;

-- End what nobody confirmed in time, once, whoever sweeps; answers what to publish.
CREATE FUNCTION expire_bookings(at_most integer)
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
    RETURN QUERY SELECT t.room, t.version, t.name, t.at, t.data, t.outbox_id
                 FROM tell('{}', '{}', '{}', due, array_fill('booking.expired'::text, ARRAY[cardinality(due)]),
                           touched_by_bookings(due)) AS t;
END
$$;
