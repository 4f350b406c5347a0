-- acquire(): the only way into a live claim. One lock order everywhere: people, rooms, room types, pool nights,
-- session places (each ascending), then bookings and claims, live rooms last.

CREATE TYPE claim_ask AS (
    ask              integer,      -- which ask of the batch, in order of arrival; an ask is taken whole or not at all
    item             integer,      -- which item of that ask
    booking_id       bigint,
    item_id          bigint,
    session_id       bigint,
    closure_id       bigint,
    room_id          bigint,
    busy             tstzrange,
    room_type_id     bigint,
    night            date,
    place_session_id bigint,
    quantity         integer,
    expires_at       timestamptz
);

CREATE TYPE claim_refusal AS (ask integer, item integer, reason text, held_until timestamptz);

-- Which of these asks cannot be had as things stand, ignoring each other. Expired claims are none.
CREATE FUNCTION blocked_claims(asks claim_ask[])
RETURNS TABLE (ask integer, item integer, reason text, held_until timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT a.ask, a.item,
           CASE WHEN bool_or(c.closure_id IS NOT NULL) THEN 'closed'
                WHEN bool_or(c.expires_at IS NULL) THEN 'taken' ELSE 'held' END,
           CASE WHEN bool_and(c.expires_at IS NOT NULL) THEN max(c.expires_at) END
    FROM unnest(asks) AS a
    JOIN claims AS c ON c.room_id = a.room_id AND c.busy && a.busy
     AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())
    WHERE a.room_id IS NOT NULL
    GROUP BY a.ask, a.item
    UNION ALL
    SELECT a.ask, a.item, CASE WHEN free.held_until IS NULL THEN 'taken' ELSE 'held' END, free.held_until
    FROM (SELECT u.ask, u.item, u.room_type_id, u.night,
                 sum(u.quantity) OVER (PARTITION BY u.ask, u.room_type_id, u.night) AS quantity
          FROM unnest(asks) AS u WHERE u.room_type_id IS NOT NULL) AS a
    JOIN pool_nights AS p ON p.room_type_id = a.room_type_id AND p.night = a.night
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.quantity) FILTER (WHERE c.expires_at <= clock_timestamp()), 0) AS expired,
               min(c.expires_at) FILTER (WHERE c.expires_at > clock_timestamp()) AS held_until
        FROM claims AS c
        WHERE c.room_type_id = a.room_type_id AND c.night = a.night AND c.expires_at IS NOT NULL
          AND p.taken + a.quantity > p.total
    ) AS free
    WHERE p.taken - free.expired + a.quantity > p.total
    UNION ALL
    SELECT a.ask, a.item, CASE WHEN free.held_until IS NULL THEN 'taken' ELSE 'held' END, free.held_until
    FROM (SELECT u.ask, u.item, u.place_session_id,
                 sum(u.quantity) OVER (PARTITION BY u.ask, u.place_session_id) AS quantity
          FROM unnest(asks) AS u WHERE u.place_session_id IS NOT NULL) AS a
    JOIN session_places AS p ON p.session_id = a.place_session_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.quantity) FILTER (WHERE c.expires_at <= clock_timestamp()), 0) AS expired,
               min(c.expires_at) FILTER (WHERE c.expires_at > clock_timestamp()) AS held_until
        FROM claims AS c
        WHERE c.place_session_id = a.place_session_id AND c.expires_at IS NOT NULL
          AND p.taken + a.quantity > p.total
    ) AS free
    WHERE p.taken - free.expired + a.quantity > p.total
$$;

-- Lock what these asks name, in the one order; pool nights that nobody asked for yet come to be.
CREATE FUNCTION lock_claimed(asks claim_ask[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM rooms
    WHERE id = ANY (ARRAY(SELECT DISTINCT a.room_id FROM unnest(asks) AS a WHERE a.room_id IS NOT NULL))
    ORDER BY id FOR NO KEY UPDATE;
    IF EXISTS (SELECT 1 FROM unnest(asks) AS a WHERE a.room_type_id IS NOT NULL) THEN
        -- total_rooms changes only under this row's lock, so a night made here has the right total
        PERFORM 1 FROM room_types
        WHERE id = ANY (ARRAY(
            SELECT DISTINCT a.room_type_id FROM unnest(asks) AS a
            WHERE a.room_type_id IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM pool_nights AS p WHERE p.room_type_id = a.room_type_id AND p.night = a.night)))
        ORDER BY id FOR SHARE;
        IF FOUND THEN
            INSERT INTO pool_nights (room_type_id, night, total)
            SELECT DISTINCT t.id, a.night, t.total_rooms
            FROM unnest(asks) AS a JOIN room_types AS t ON t.id = a.room_type_id
            ORDER BY 1, 2 ON CONFLICT DO NOTHING;
        END IF;
        PERFORM 1 FROM pool_nights AS p
        JOIN (SELECT DISTINCT a.room_type_id, a.night FROM unnest(asks) AS a WHERE a.room_type_id IS NOT NULL) AS a
          ON a.room_type_id = p.room_type_id AND a.night = p.night
        ORDER BY p.room_type_id, p.night FOR NO KEY UPDATE OF p;
    END IF;
    PERFORM 1 FROM session_places
    WHERE session_id = ANY (ARRAY(
        SELECT DISTINCT a.place_session_id FROM unnest(asks) AS a WHERE a.place_session_id IS NOT NULL))
    ORDER BY session_id FOR NO KEY UPDATE;
END
$$;

-- Take the place of expired claims on what is locked; their bookings are left to the sweeper, who finds them empty.
CREATE FUNCTION forget_expired(asks claim_ask[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM claims AS c USING unnest(asks) AS a
    WHERE a.room_id IS NOT NULL AND c.room_id = a.room_id AND c.busy && a.busy AND c.expires_at <= clock_timestamp();

    WITH gone AS (
        DELETE FROM claims AS c USING (
            SELECT DISTINCT a.room_type_id, a.night FROM unnest(asks) AS a WHERE a.room_type_id IS NOT NULL) AS a
        WHERE c.room_type_id = a.room_type_id AND c.night = a.night AND c.expires_at <= clock_timestamp()
        RETURNING c.room_type_id, c.night, c.quantity
    )
    UPDATE pool_nights AS p SET taken = p.taken - g.quantity, held = p.held - g.quantity
    FROM (SELECT room_type_id, night, sum(quantity) AS quantity FROM gone GROUP BY room_type_id, night) AS g
    WHERE p.room_type_id = g.room_type_id AND p.night = g.night;

    WITH gone AS (
        DELETE FROM claims AS c USING (
            SELECT DISTINCT a.place_session_id FROM unnest(asks) AS a WHERE a.place_session_id IS NOT NULL) AS a
        WHERE c.place_session_id = a.place_session_id AND c.expires_at <= clock_timestamp()
        RETURNING c.place_session_id, c.quantity
    )
    UPDATE session_places AS p SET taken = p.taken - g.quantity, held = p.held - g.quantity
    FROM (SELECT place_session_id, sum(quantity) AS quantity FROM gone GROUP BY place_session_id) AS g
    WHERE p.session_id = g.place_session_id;
END
$$;

-- Among asks that each fit alone, first come first served: which lose to an earlier one of the same batch.
CREATE FUNCTION outrun_claims(asks claim_ask[])
RETURNS TABLE (ask integer, item integer, reason text, held_until timestamptz)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    waiting record;
    free integer[];
    counter integer;
    fits boolean;
    lost integer[] := '{}';
BEGIN
    -- the usual batch: no two want the same room, no counter runs short
    IF NOT EXISTS (
        SELECT 1 FROM unnest(asks) AS a JOIN unnest(asks) AS b
            ON b.room_id = a.room_id AND b.busy && a.busy AND (b.ask, b.item) < (a.ask, a.item)
        WHERE a.room_id IS NOT NULL
    ) AND NOT EXISTS (
        SELECT 1 FROM unnest(asks) AS a JOIN pool_nights AS p ON p.room_type_id = a.room_type_id AND p.night = a.night
        WHERE a.room_type_id IS NOT NULL
        GROUP BY p.room_type_id, p.night HAVING sum(a.quantity) > min(p.total - p.taken)
    ) AND NOT EXISTS (
        SELECT 1 FROM unnest(asks) AS a JOIN session_places AS p ON p.session_id = a.place_session_id
        WHERE a.place_session_id IS NOT NULL
        GROUP BY p.session_id HAVING sum(a.quantity) > min(p.total - p.taken)
    ) THEN
        RETURN;
    END IF;

    FOR waiting IN
        WITH wanted AS (
            SELECT a.ask, a.item, a.quantity, a.expires_at, coalesce(p.total - p.taken, s.total - s.taken) AS free,
                   dense_rank() OVER (ORDER BY a.room_type_id, a.night, a.place_session_id) AS counter,
                   EXISTS (SELECT 1 FROM unnest(asks) AS b WHERE b.ask = a.ask AND b.item < a.item
                           AND b.room_id = a.room_id AND b.busy && a.busy) AS meets_itself,
                   ARRAY(SELECT b.ask FROM unnest(asks) AS b
                         WHERE b.room_id = a.room_id AND b.busy && a.busy AND b.ask < a.ask) AS rivals
            FROM unnest(asks) AS a
            LEFT JOIN pool_nights AS p ON p.room_type_id = a.room_type_id AND p.night = a.night
            LEFT JOIN session_places AS s ON s.session_id = a.place_session_id
        )
        SELECT w.ask, min(w.item) AS item, max(w.expires_at) AS until, bool_or(w.meets_itself) AS meets_itself,
               array_agg(w.counter ORDER BY w.item) AS counters, array_agg(w.free ORDER BY w.item) AS frees,
               array_agg(w.quantity ORDER BY w.item) AS quantities,
               (SELECT array_agg(r) FROM wanted AS x, unnest(x.rivals) AS r WHERE x.ask = w.ask) AS rivals
        FROM wanted AS w GROUP BY w.ask ORDER BY w.ask
    LOOP
        fits := NOT waiting.meets_itself
            AND NOT EXISTS (SELECT 1 FROM unnest(waiting.rivals) AS r WHERE NOT r = ANY (lost));
        -- take every counter of the ask, and hand all back if one runs short
        FOR place IN 1 .. cardinality(waiting.counters) LOOP
            counter := waiting.counters[place];
            free[counter] := coalesce(free[counter], waiting.frees[place]) - waiting.quantities[place];
            fits := fits AND coalesce(free[counter] >= 0, true);
        END LOOP;
        IF NOT fits THEN
            FOR place IN 1 .. cardinality(waiting.counters) LOOP
                counter := waiting.counters[place];
                free[counter] := free[counter] + waiting.quantities[place];
            END LOOP;
            lost := lost || waiting.ask;
            RETURN QUERY SELECT waiting.ask, waiting.item,
                CASE WHEN waiting.until IS NULL THEN 'taken' ELSE 'held' END, waiting.until;
        END IF;
    END LOOP;
END
$$;

-- Claim everything every ask names, ask by ask, first come first served; answer the items that stood in the way.
-- An ask with an answer has claimed nothing.
CREATE FUNCTION acquire(asks claim_ask[])
RETURNS TABLE (ask integer, item integer, reason text, held_until timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    refusals claim_refusal[] := '{}';
    more claim_refusal[];
BEGIN
    -- look first: a refusal takes no lock
    SELECT array_agg(ROW(b.ask, b.item, b.reason, b.held_until)::claim_refusal) INTO more FROM blocked_claims(asks) AS b;
    IF more IS NOT NULL THEN
        refusals := more;
        asks := ARRAY(SELECT a::claim_ask FROM unnest(asks) AS a
                      WHERE a.ask NOT IN (SELECT m.ask FROM unnest(more) AS m));
    END IF;

    IF cardinality(asks) > 0 THEN
        PERFORM lock_claimed(asks);
        PERFORM forget_expired(asks);
        -- judge again, now that nothing can move
        SELECT array_agg(ROW(b.ask, b.item, b.reason, b.held_until)::claim_refusal) INTO more
        FROM blocked_claims(asks) AS b;
        IF more IS NOT NULL THEN
            refusals := refusals || more;
            asks := ARRAY(SELECT a::claim_ask FROM unnest(asks) AS a
                          WHERE a.ask NOT IN (SELECT m.ask FROM unnest(more) AS m));
        END IF;
        IF cardinality(asks) > 1 THEN
            SELECT array_agg(ROW(o.ask, o.item, o.reason, o.held_until)::claim_refusal) INTO more
            FROM outrun_claims(asks) AS o;
            IF more IS NOT NULL THEN
                refusals := refusals || more;
                asks := ARRAY(SELECT a::claim_ask FROM unnest(asks) AS a
                              WHERE a.ask NOT IN (SELECT m.ask FROM unnest(more) AS m));
            END IF;
        END IF;
    END IF;

    IF cardinality(asks) > 0 THEN
        INSERT INTO claims (booking_id, item_id, session_id, closure_id, room_id, busy, room_type_id, night,
                            place_session_id, quantity, expires_at)
        SELECT a.booking_id, a.item_id, a.session_id, a.closure_id, a.room_id, a.busy, a.room_type_id, a.night,
               a.place_session_id, a.quantity, a.expires_at
        FROM unnest(asks) AS a ORDER BY a.ask, a.item;

        UPDATE pool_nights AS p SET taken = p.taken + g.quantity, held = p.held + g.held
        FROM (SELECT a.room_type_id, a.night, sum(a.quantity) AS quantity,
                     coalesce(sum(a.quantity) FILTER (WHERE a.expires_at IS NOT NULL), 0) AS held
              FROM unnest(asks) AS a WHERE a.room_type_id IS NOT NULL GROUP BY a.room_type_id, a.night) AS g
        WHERE p.room_type_id = g.room_type_id AND p.night = g.night;

        UPDATE session_places AS p SET taken = p.taken + g.quantity, held = p.held + g.held
        FROM (SELECT a.place_session_id, sum(a.quantity) AS quantity,
                     coalesce(sum(a.quantity) FILTER (WHERE a.expires_at IS NOT NULL), 0) AS held
              FROM unnest(asks) AS a WHERE a.place_session_id IS NOT NULL GROUP BY a.place_session_id) AS g
        WHERE p.session_id = g.place_session_id;
    END IF;

    RETURN QUERY SELECT r.ask, r.item, r.reason, r.held_until FROM unnest(refusals) AS r ORDER BY r.ask, r.item;
END
$$;
