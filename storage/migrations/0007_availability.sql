-- What the public may know: states and counts, never a person.

CREATE TYPE touched AS (
    room_id      bigint,
    busy         tstzrange,
    room_type_id bigint,
    night        date,
    session_id   bigint
);

-- The state, as of now, of each thing touched, gathered by venue: the data of availability.changed.
CREATE FUNCTION availability_changes(things touched[])
RETURNS TABLE (venue_id bigint, data json)
LANGUAGE sql STABLE AS $$
    WITH changes AS (
        SELECT r.venue_id, json_build_object(
            'kind', 'room', 'room_id', t.room_id, 'starts_at', lower(t.busy), 'ends_at', upper(t.busy),
            'state', CASE WHEN c.id IS NULL THEN 'free' WHEN c.closure_id IS NOT NULL THEN 'closed'
                          WHEN c.expires_at IS NULL THEN 'taken' ELSE 'held' END,
            'held_until', c.expires_at) AS change
        FROM (SELECT DISTINCT a.room_id, a.busy FROM unnest(things) AS a WHERE a.room_id IS NOT NULL) AS t
        CROSS JOIN LATERAL (SELECT k.venue_id FROM rooms AS k WHERE k.id = t.room_id OFFSET 0) AS r
        LEFT JOIN LATERAL (
            SELECT k.id, k.closure_id, k.expires_at FROM claims AS k
            WHERE k.room_id = t.room_id AND k.busy && t.busy AND k.busy = t.busy
              AND (k.expires_at IS NULL OR k.expires_at > statement_timestamp()) OFFSET 0
        ) AS c ON true
        UNION ALL
        SELECT rt.venue_id, json_build_object(
            'kind', 'night', 'room_type_id', p.room_type_id, 'night', p.night, 'total', p.total,
            'taken', p.taken - p.held, 'held', p.held - w.expired, 'free', p.total - p.taken + w.expired,
            'held_until', w.held_until)
        FROM (SELECT DISTINCT a.room_type_id, a.night FROM unnest(things) AS a WHERE a.room_type_id IS NOT NULL) AS t
        CROSS JOIN LATERAL (
            SELECT k.room_type_id, k.night, k.total, k.taken, k.held FROM pool_nights AS k
            WHERE k.room_type_id = t.room_type_id AND k.night = t.night OFFSET 0
        ) AS p
        CROSS JOIN LATERAL (SELECT k.venue_id FROM room_types AS k WHERE k.id = t.room_type_id OFFSET 0) AS rt
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT sum(c.quantity) FROM claims AS c
                             WHERE c.room_type_id = p.room_type_id AND c.night = p.night AND p.held > 0
                               AND c.expires_at <= statement_timestamp()), 0) AS expired,
                   (SELECT min(c.expires_at) FROM claims AS c
                    WHERE c.room_type_id = p.room_type_id AND c.night = p.night AND p.held > 0
                      AND c.expires_at > statement_timestamp()) AS held_until
        ) AS w
        UNION ALL
        SELECT s.venue_id, json_build_object(
            'kind', 'session', 'session_id', p.session_id, 'total', p.total,
            'taken', p.taken - p.held, 'held', p.held - w.expired, 'free', p.total - p.taken + w.expired,
            'held_until', w.held_until)
        FROM (SELECT DISTINCT a.session_id FROM unnest(things) AS a WHERE a.session_id IS NOT NULL) AS t
        CROSS JOIN LATERAL (
            SELECT k.session_id, k.total, k.taken, k.held FROM session_places AS k
            WHERE k.session_id = t.session_id OFFSET 0
        ) AS p
        CROSS JOIN LATERAL (SELECT k.venue_id FROM sessions AS k WHERE k.id = t.session_id OFFSET 0) AS s
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT sum(c.quantity) FROM claims AS c
                             WHERE c.place_session_id = p.session_id AND p.held > 0
                               AND c.expires_at <= statement_timestamp()), 0) AS expired,
                   (SELECT min(c.expires_at) FROM claims AS c
                    WHERE c.place_session_id = p.session_id AND p.held > 0
                      AND c.expires_at > statement_timestamp()) AS held_until
        ) AS w
    )
    SELECT c.venue_id, json_build_object('changes', json_agg(c.change)) FROM changes AS c GROUP BY c.venue_id
$$;

-- Everything that is not simply free from now on, in the same words: the availability part of a snapshot.
CREATE FUNCTION availability_now(of_venue bigint) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT a.data -> 'changes' FROM availability_changes(
        ARRAY(SELECT ROW(c.room_id, c.busy, NULL, NULL, NULL)::touched
              FROM claims AS c JOIN rooms AS r ON r.id = c.room_id
              WHERE r.venue_id = of_venue AND upper(c.busy) > statement_timestamp()
                AND (c.expires_at IS NULL OR c.expires_at > statement_timestamp()))
        || ARRAY(SELECT ROW(NULL, NULL, p.room_type_id, p.night, NULL)::touched
                 FROM pool_nights AS p JOIN room_types AS t ON t.id = p.room_type_id
                 WHERE t.venue_id = of_venue AND t.deleted_at IS NULL AND p.taken > 0
                   AND p.night >= (statement_timestamp() - interval '1 day')::date)
        || ARRAY(SELECT ROW(NULL, NULL, NULL, NULL, s.id)::touched
                 FROM sessions AS s
                 WHERE s.venue_id = of_venue AND s.deleted_at IS NULL AND s.ends_at > statement_timestamp())
    ) AS a WHERE a.venue_id = of_venue), '[]'::json)
$$;

-- What a booking's items touch.
CREATE FUNCTION touched_by_bookings(ids bigint[]) RETURNS touched[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY(
        SELECT CASE WHEN i.room_id IS NOT NULL THEN ROW(i.room_id, i.busy, NULL, NULL, NULL)::touched
                    WHEN i.session_id IS NOT NULL THEN ROW(NULL, NULL, NULL, NULL, i.session_id)::touched
                    ELSE ROW(NULL, NULL, i.room_type_id, i.check_in + n, NULL)::touched END
        FROM unnest(ids) AS b (id)
        CROSS JOIN LATERAL (
            SELECT k.room_id, k.busy, k.session_id, k.room_type_id, k.check_in, k.check_out FROM booking_items AS k
            WHERE k.booking_id = b.id OFFSET 0
        ) AS i
        CROSS JOIN generate_series(0, CASE WHEN i.room_id IS NULL AND i.session_id IS NULL
                                           THEN i.check_out - i.check_in - 1 ELSE 0 END) AS n)
$$;
