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
        JOIN rooms AS r ON r.id = t.room_id
        LEFT JOIN claims AS c ON c.room_id = t.room_id AND c.busy && t.busy AND c.busy = t.busy
              AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())
        UNION ALL
        SELECT rt.venue_id, json_build_object(
            'kind', 'night', 'room_type_id', p.room_type_id, 'night', p.night, 'total', p.total,
            'taken', p.taken - p.held, 'held', p.held - w.expired, 'free', p.total - p.taken + w.expired,
            'held_until', w.held_until)
        FROM (SELECT DISTINCT a.room_type_id, a.night FROM unnest(things) AS a WHERE a.room_type_id IS NOT NULL) AS t
        JOIN pool_nights AS p ON p.room_type_id = t.room_type_id AND p.night = t.night
        JOIN room_types AS rt ON rt.id = p.room_type_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(c.quantity) FILTER (WHERE c.expires_at <= clock_timestamp()), 0) AS expired,
                   min(c.expires_at) FILTER (WHERE c.expires_at > clock_timestamp()) AS held_until
            FROM claims AS c
            WHERE c.room_type_id = p.room_type_id AND c.night = p.night AND c.expires_at IS NOT NULL AND p.held > 0
        ) AS w
        UNION ALL
        SELECT s.venue_id, json_build_object(
            'kind', 'session', 'session_id', p.session_id, 'total', p.total,
            'taken', p.taken - p.held, 'held', p.held - w.expired, 'free', p.total - p.taken + w.expired,
            'held_until', w.held_until)
        FROM (SELECT DISTINCT a.session_id FROM unnest(things) AS a WHERE a.session_id IS NOT NULL) AS t
        JOIN session_places AS p ON p.session_id = t.session_id
        JOIN sessions AS s ON s.id = p.session_id
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT sum(c.quantity) FROM claims AS c
                             WHERE c.place_session_id = p.session_id AND p.held > 0
                               AND c.expires_at <= clock_timestamp()), 0) AS expired,
                   (SELECT min(c.expires_at) FROM claims AS c
                    WHERE c.place_session_id = p.session_id AND p.held > 0
                      AND c.expires_at > clock_timestamp()) AS held_until
        ) AS w
    )
    SELECT c.venue_id, json_build_object('changes', json_agg(c.change)) FROM changes AS c GROUP BY c.venue_id
$$;

-- Everything that is not simply free from now on, in the same words: the availability part of a snapshot.
CREATE FUNCTION availability_now(of_venue bigint) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT a.data -> 'changes' FROM availability_changes(
        ARRAY(SELECT ROW(c.room_id, c.busy, NULL, NULL, NULL)::touched
              FROM claims AS c JOIN rooms AS r ON r.id = c.room_id
              WHERE r.venue_id = of_venue AND upper(c.busy) > clock_timestamp()
                AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp()))
        || ARRAY(SELECT ROW(NULL, NULL, p.room_type_id, p.night, NULL)::touched
                 FROM pool_nights AS p JOIN room_types AS t ON t.id = p.room_type_id
                 WHERE t.venue_id = of_venue AND t.deleted_at IS NULL AND p.taken > 0
                   AND p.night >= (clock_timestamp() - interval '1 day')::date)
        || ARRAY(SELECT ROW(NULL, NULL, NULL, NULL, s.id)::touched
                 FROM sessions AS s
                 WHERE s.venue_id = of_venue AND s.deleted_at IS NULL AND s.ends_at > clock_timestamp())
    ) AS a WHERE a.venue_id = of_venue), '[]'::json)
$$;

-- What a booking's items touch.
CREATE FUNCTION touched_by_bookings(ids bigint[]) RETURNS touched[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY(
        SELECT ROW(i.room_id, i.busy, NULL, NULL, NULL)::touched
        FROM booking_items AS i WHERE i.booking_id = ANY (ids) AND i.room_id IS NOT NULL
    ) || ARRAY(
        SELECT ROW(NULL, NULL, i.room_type_id, night::date, NULL)::touched
        FROM booking_items AS i, generate_series(i.check_in, i.check_out - 1, interval '1 day') AS night
        WHERE i.booking_id = ANY (ids) AND i.kind = 'stay' AND i.room_id IS NULL
    ) || ARRAY(
        SELECT ROW(NULL, NULL, NULL, NULL, i.session_id)::touched
        FROM booking_items AS i WHERE i.booking_id = ANY (ids) AND i.session_id IS NOT NULL
    )
$$;
