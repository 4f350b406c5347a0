-- Locking a booking with all it has claimed, and giving claims back.

-- Lock, in the one order, what these bookings claim and what else is about to be, then the bookings themselves.
-- Callers judge only after this.
CREATE FUNCTION lock_bookings(ids bigint[], also claim_ask[] DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_claimed(also || ARRAY(
        SELECT ROW(1, 1, NULL, NULL, NULL, NULL, c.room_id, c.busy, c.room_type_id, c.night, c.place_session_id,
                   c.quantity, c.expires_at)::claim_ask
        FROM claims AS c WHERE c.booking_id = ANY (ids)));
    PERFORM 1 FROM bookings WHERE id = ANY (ids) ORDER BY id FOR UPDATE;
END
$$;

-- Give back every claim of these owners (of these items only, if any are named). Their resources are locked already.
CREATE FUNCTION release_claims(of_bookings bigint[], of_sessions bigint[], of_closures bigint[], of_items bigint[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH gone AS (
        DELETE FROM claims AS c
        WHERE (c.booking_id = ANY (of_bookings) AND (cardinality(of_items) = 0 OR c.item_id = ANY (of_items)))
           OR c.session_id = ANY (of_sessions) OR c.closure_id = ANY (of_closures)
        RETURNING c.room_type_id, c.night, c.place_session_id, c.quantity, c.expires_at
    ), nights AS (
        UPDATE pool_nights AS p SET taken = p.taken - g.quantity, held = p.held - g.held
        FROM (SELECT room_type_id, night, sum(quantity) AS quantity,
                     coalesce(sum(quantity) FILTER (WHERE expires_at IS NOT NULL), 0) AS held
              FROM gone WHERE room_type_id IS NOT NULL GROUP BY room_type_id, night) AS g
        WHERE p.room_type_id = g.room_type_id AND p.night = g.night
    )
    UPDATE session_places AS p SET taken = p.taken - g.quantity, held = p.held - g.held
    FROM (SELECT place_session_id, sum(quantity) AS quantity,
                 coalesce(sum(quantity) FILTER (WHERE expires_at IS NOT NULL), 0) AS held
          FROM gone WHERE place_session_id IS NOT NULL GROUP BY place_session_id) AS g
    WHERE p.session_id = g.place_session_id;
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

-- Tell everything one transaction has to tell, as its last act: the events given, for each booking its fact to the desks
-- and the guest, and to everybody what became of the things touched.
CREATE FUNCTION tell(told_rooms text[], told_names text[], told_data json[], ids bigint[], facts text[], things touched[])
RETURNS TABLE (room text, version bigint, name text, at timestamptz, data text, outbox_id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    SELECT told_rooms || coalesce(array_agg(t.room ORDER BY t.place, t.room), '{}'),
           told_names || coalesce(array_agg(t.name ORDER BY t.place, t.room), '{}'),
           told_data || coalesce(array_agg(t.data ORDER BY t.place, t.room), '{}')
    INTO told_rooms, told_names, told_data
    FROM (
        SELECT f.place, 'user:' || d.user_id AS room, f.name, d.document AS data
        FROM unnest(ids, facts) WITH ORDINALITY AS f (id, name, place)
        JOIN booking_documents(ids, NULL) AS d ON d.booking_id = f.id
        UNION ALL
        SELECT f.place, 'desk:' || v.venue_id, f.name, d.document
        FROM (SELECT DISTINCT i.venue_id FROM booking_items AS i WHERE i.booking_id = ANY (ids)) AS v
        CROSS JOIN LATERAL booking_documents(ARRAY(
            SELECT DISTINCT i.booking_id FROM booking_items AS i
            WHERE i.booking_id = ANY (ids) AND i.venue_id = v.venue_id), v.venue_id) AS d
        JOIN unnest(ids, facts) WITH ORDINALITY AS f (id, name, place) ON f.id = d.booking_id
        UNION ALL
        SELECT 0, 'venue:' || a.venue_id, 'availability.changed', a.data FROM availability_changes(things) AS a
    ) AS t;
    RETURN QUERY SELECT a.room, a.version, a.name, a.at, a.data, a.outbox_id
                 FROM append_events(told_rooms, told_names, told_data) AS a;
END
$$;

-- End what nobody confirmed in time, once, whoever sweeps; answers what to publish.
CREATE FUNCTION expire_bookings(at_most integer)
RETURNS TABLE (room text, version bigint, name text, at timestamptz, data text, outbox_id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    due bigint[];
BEGIN
    -- picked without a lock, locked in order, judged again
    due := ARRAY(SELECT b.id FROM bookings AS b WHERE b.expires_at <= clock_timestamp()
                 ORDER BY b.expires_at LIMIT at_most);
    IF cardinality(due) = 0 THEN
        RETURN;
    END IF;
    PERFORM lock_bookings(due);
    WITH ended AS (
        UPDATE bookings AS b SET status = 'expired', expires_at = NULL, updated_at = clock_timestamp()
        WHERE b.id = ANY (due) AND b.expires_at <= clock_timestamp() RETURNING b.id
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
