-- acquire(): the only way into a live claim. One lock order everywhere: people, rooms, room types, pool nights,
-- session places (each ascending), then bookings and claims, live rooms last.
--
-- How these functions stay fast whatever the planner believes about a table that was empty a moment ago:
-- entry points SET plan_cache_mode, for a plan made anew at each call costs more than all the work; tables are met
-- through LATERAL, which can only mean an index; `statement_timestamp()` is compared with, for an index cannot be
-- entered with clock_timestamp(), and what is expired must not change between two looks.

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

-- Whether the pools or sessions that these asks name have too little left for all of them together.
CREATE FUNCTION counters_run_short(asks claim_ask[]) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT 1
        FROM (SELECT a.room_type_id, a.night, sum(a.quantity) AS quantity
              FROM unnest(asks) AS a WHERE a.room_type_id IS NOT NULL GROUP BY a.room_type_id, a.night) AS w
        WHERE w.quantity > (SELECT p.total - p.taken FROM pool_nights AS p
                            WHERE p.room_type_id = w.room_type_id AND p.night = w.night)
    ) OR EXISTS (
        SELECT 1
        FROM (SELECT a.place_session_id, sum(a.quantity) AS quantity
              FROM unnest(asks) AS a WHERE a.place_session_id IS NOT NULL GROUP BY a.place_session_id) AS w
        WHERE w.quantity > (SELECT p.total - p.taken FROM session_places AS p WHERE p.session_id = w.place_session_id)
    );
END
$$;

-- Which of these asks cannot be had as things stand, ignoring each other. Expired claims are none.
CREATE FUNCTION blocked_claims(asks claim_ask[]) RETURNS claim_refusal[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    blocked claim_refusal[] := '{}';
    of_rooms boolean;
    of_nights boolean;
    of_places boolean;
BEGIN
    SELECT bool_or(a.room_id IS NOT NULL), bool_or(a.room_type_id IS NOT NULL), bool_or(a.place_session_id IS NOT NULL)
    INTO of_rooms, of_nights, of_places FROM unnest(asks) AS a;
    IF of_rooms THEN
        blocked := ARRAY(
            SELECT ROW(a.ask, a.item,
                       CASE WHEN bool_or(c.closure_id IS NOT NULL) THEN 'closed'
                            WHEN bool_or(c.expires_at IS NULL) THEN 'taken' ELSE 'held' END,
                       CASE WHEN bool_and(c.expires_at IS NOT NULL) THEN max(c.expires_at) END)::claim_refusal
            FROM unnest(asks) AS a
            CROSS JOIN LATERAL (
                SELECT c.closure_id, c.expires_at FROM claims AS c
                WHERE c.room_id = a.room_id AND c.busy && a.busy
                  AND (c.expires_at IS NULL OR c.expires_at > statement_timestamp()) OFFSET 0
            ) AS c
            GROUP BY a.ask, a.item);
    END IF;
    IF NOT counters_run_short(asks) THEN
        RETURN blocked;
    END IF;
    IF of_nights THEN
        blocked := blocked || ARRAY(
            SELECT ROW(a.ask, a.item, CASE WHEN p.free + p.held < a.quantity THEN 'taken' ELSE 'held' END,
                       CASE WHEN p.free + p.held >= a.quantity THEN w.held_until END)::claim_refusal
            FROM (SELECT u.ask, u.item, u.room_type_id, u.night,
                         sum(u.quantity) OVER (PARTITION BY u.ask, u.room_type_id, u.night) AS quantity
                  FROM unnest(asks) AS u WHERE u.room_type_id IS NOT NULL) AS a
            CROSS JOIN LATERAL (
                SELECT p.total - p.taken AS free, p.held FROM pool_nights AS p
                WHERE p.room_type_id = a.room_type_id AND p.night = a.night AND p.total - p.taken < a.quantity OFFSET 0
            ) AS p
            CROSS JOIN LATERAL (
                SELECT (SELECT coalesce(sum(c.quantity), 0) FROM claims AS c
                        WHERE c.room_type_id = a.room_type_id AND c.night = a.night
                          AND c.expires_at <= statement_timestamp()) AS expired,
                       (SELECT min(c.expires_at) FROM claims AS c
                        WHERE c.room_type_id = a.room_type_id AND c.night = a.night
                          AND c.expires_at > statement_timestamp()) AS held_until OFFSET 0
            ) AS w
            WHERE p.free + w.expired < a.quantity);
    END IF;
    IF of_places THEN
        blocked := blocked || ARRAY(
            SELECT ROW(a.ask, a.item, CASE WHEN p.free + p.held < a.quantity THEN 'taken' ELSE 'held' END,
                       CASE WHEN p.free + p.held >= a.quantity THEN w.held_until END)::claim_refusal
            FROM (SELECT u.ask, u.item, u.place_session_id,
                         sum(u.quantity) OVER (PARTITION BY u.ask, u.place_session_id) AS quantity
                  FROM unnest(asks) AS u WHERE u.place_session_id IS NOT NULL) AS a
            CROSS JOIN LATERAL (
                SELECT p.total - p.taken AS free, p.held FROM session_places AS p
                WHERE p.session_id = a.place_session_id AND p.total - p.taken < a.quantity OFFSET 0
            ) AS p
            CROSS JOIN LATERAL (
                SELECT (SELECT coalesce(sum(c.quantity), 0) FROM claims AS c
                        WHERE c.place_session_id = a.place_session_id
                          AND c.expires_at <= statement_timestamp()) AS expired,
                       (SELECT min(c.expires_at) FROM claims AS c
                        WHERE c.place_session_id = a.place_session_id
                          AND c.expires_at > statement_timestamp()) AS held_until OFFSET 0
            ) AS w
            WHERE p.free + w.expired < a.quantity);
    END IF;
    RETURN blocked;
END
$$;

-- Lock what these asks name, in the one order; pool nights that nobody asked for yet come to be.
CREATE FUNCTION lock_claimed(asks claim_ask[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_rooms boolean;
    of_nights boolean;
    of_places boolean;
    types_without_night bigint[];
BEGIN
    SELECT bool_or(a.room_id IS NOT NULL), bool_or(a.room_type_id IS NOT NULL), bool_or(a.place_session_id IS NOT NULL)
    INTO of_rooms, of_nights, of_places FROM unnest(asks) AS a;
    IF of_rooms THEN
        PERFORM 1 FROM rooms
        WHERE id = ANY (ARRAY(SELECT DISTINCT a.room_id FROM unnest(asks) AS a WHERE a.room_id IS NOT NULL))
        ORDER BY id FOR NO KEY UPDATE;
    END IF;
    IF of_nights THEN
        types_without_night := ARRAY(
            SELECT DISTINCT a.room_type_id FROM unnest(asks) AS a
            WHERE a.room_type_id IS NOT NULL AND (
                SELECT p.total FROM pool_nights AS p
                WHERE p.room_type_id = a.room_type_id AND p.night = a.night) IS NULL);
        IF cardinality(types_without_night) > 0 THEN
            -- total_rooms changes only under this row's lock, so a night made here has the right total
            PERFORM 1 FROM room_types WHERE id = ANY (types_without_night) ORDER BY id FOR SHARE;
            INSERT INTO pool_nights (room_type_id, night, total)
            SELECT DISTINCT t.id, a.night, t.total_rooms
            FROM unnest(asks) AS a
            CROSS JOIN LATERAL (
                SELECT r.id, r.total_rooms FROM room_types AS r
                WHERE r.id = a.room_type_id AND r.id = ANY (types_without_night) OFFSET 0
            ) AS t
            ORDER BY 1, 2 ON CONFLICT DO NOTHING;
        END IF;
        PERFORM 1
        FROM (SELECT p.room_type_id, p.night FROM unnest(asks) AS p WHERE p.room_type_id IS NOT NULL
              GROUP BY p.room_type_id, p.night ORDER BY p.room_type_id, p.night) AS a
        CROSS JOIN LATERAL (
            SELECT p.night FROM pool_nights AS p
            WHERE p.room_type_id = a.room_type_id AND p.night = a.night FOR NO KEY UPDATE OF p
        ) AS locked;
    END IF;
    IF of_places THEN
        PERFORM 1 FROM session_places
        WHERE session_id = ANY (ARRAY(
            SELECT DISTINCT a.place_session_id FROM unnest(asks) AS a WHERE a.place_session_id IS NOT NULL))
        ORDER BY session_id FOR NO KEY UPDATE;
    END IF;
END
$$;

-- Take the place of expired claims on what is locked; their bookings are left to the sweeper, who finds them empty.
CREATE FUNCTION forget_expired(asks claim_ask[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    expired bigint[];
BEGIN
    expired := ARRAY(
        SELECT c.id FROM unnest(asks) AS a
        CROSS JOIN LATERAL (
            SELECT c.id FROM claims AS c
            WHERE c.room_id = a.room_id AND c.busy && a.busy AND c.expires_at <= statement_timestamp() OFFSET 0
        ) AS c
        WHERE a.room_id IS NOT NULL
        UNION ALL
        SELECT c.id
        FROM (SELECT DISTINCT u.room_type_id, u.night FROM unnest(asks) AS u WHERE u.room_type_id IS NOT NULL) AS a
        CROSS JOIN LATERAL (
            SELECT c.id FROM claims AS c
            WHERE c.room_type_id = a.room_type_id AND c.night = a.night AND c.expires_at <= statement_timestamp() OFFSET 0
        ) AS c
        UNION ALL
        SELECT c.id
        FROM (SELECT DISTINCT u.place_session_id FROM unnest(asks) AS u WHERE u.place_session_id IS NOT NULL) AS a
        CROSS JOIN LATERAL (
            SELECT c.id FROM claims AS c
            WHERE c.place_session_id = a.place_session_id AND c.expires_at <= statement_timestamp() OFFSET 0
        ) AS c);
    IF cardinality(expired) > 0 THEN
        PERFORM remove_claims(expired);
    END IF;
END
$$;

-- Remove these claims and count them off; what they claim is locked already.
CREATE FUNCTION remove_claims(ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    freed record;
BEGIN
    FOR freed IN
        WITH gone AS (
            DELETE FROM claims AS c WHERE c.id = ANY (ids)
            RETURNING c.room_id, c.room_type_id, c.night, c.place_session_id, c.quantity, c.expires_at
        )
        SELECT g.room_type_id, g.night, g.place_session_id, sum(g.quantity) AS quantity,
               coalesce(sum(g.quantity) FILTER (WHERE g.expires_at IS NOT NULL), 0) AS held
        FROM gone AS g WHERE g.room_id IS NULL
        GROUP BY g.room_type_id, g.night, g.place_session_id ORDER BY g.room_type_id, g.night, g.place_session_id
    LOOP
        IF freed.room_type_id IS NOT NULL THEN
            UPDATE pool_nights SET taken = taken - freed.quantity, held = held - freed.held
            WHERE room_type_id = freed.room_type_id AND night = freed.night;
        ELSE
            UPDATE session_places SET taken = taken - freed.quantity, held = held - freed.held
            WHERE session_id = freed.place_session_id;
        END IF;
    END LOOP;
END
$$;

-- Among asks that each fit alone, first come first served: which lose to an earlier one of the same batch.
CREATE FUNCTION outrun_claims(asks claim_ask[]) RETURNS claim_refusal[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    waiting record;
    outrun claim_refusal[] := '{}';
    free integer[];
    counter integer;
    fits boolean;
    lost integer[] := '{}';
BEGIN
    -- the usual batch: no two want the same room at the same time, no counter runs short
    IF NOT EXISTS (
        SELECT 1
        FROM (SELECT lower(a.busy) AS begins, max(upper(a.busy)) OVER (
                         PARTITION BY a.room_id ORDER BY lower(a.busy)
                         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS busy_until
              FROM unnest(asks) AS a WHERE a.room_id IS NOT NULL) AS one
        WHERE one.begins < one.busy_until
    ) AND NOT counters_run_short(asks) THEN
        RETURN outrun;
    END IF;

    FOR waiting IN
        WITH wanted AS MATERIALIZED (
            SELECT a.ask, a.item, a.room_id, a.busy, a.quantity, a.expires_at,
                   coalesce((SELECT p.total - p.taken FROM pool_nights AS p
                             WHERE p.room_type_id = a.room_type_id AND p.night = a.night),
                            (SELECT s.total - s.taken FROM session_places AS s
                             WHERE s.session_id = a.place_session_id)) AS free,
                   dense_rank() OVER (ORDER BY a.room_type_id, a.night, a.place_session_id) AS counter
            FROM unnest(asks) AS a
        ), rivals AS (
            SELECT later.ask, array_agg(earlier.ask) AS asks
            FROM wanted AS later JOIN wanted AS earlier
              ON earlier.room_id = later.room_id AND earlier.busy && later.busy
             AND (earlier.ask, earlier.item) < (later.ask, later.item)
            GROUP BY later.ask
        )
        SELECT w.ask, w.item, w.until, w.counters, w.frees, w.quantities, r.asks AS rivals
        FROM (SELECT v.ask, min(v.item) AS item, max(v.expires_at) AS until,
                     array_agg(v.counter ORDER BY v.item) AS counters, array_agg(v.free ORDER BY v.item) AS frees,
                     array_agg(v.quantity ORDER BY v.item) AS quantities
              FROM wanted AS v GROUP BY v.ask) AS w
        LEFT JOIN rivals AS r ON r.ask = w.ask
        ORDER BY w.ask
    LOOP
        -- a rival that lost itself is none; who wants the same twice is a rival of his own
        fits := waiting.rivals IS NULL OR waiting.rivals <@ lost;
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
            outrun := outrun || ROW(waiting.ask, waiting.item,
                CASE WHEN waiting.until IS NULL THEN 'taken' ELSE 'held' END, waiting.until)::claim_refusal;
        END IF;
    END LOOP;
    RETURN outrun;
END
$$;

-- Claim everything every ask names, ask by ask, first come first served; answer the items that stood in the way.
-- An ask with an answer has claimed nothing.
CREATE FUNCTION acquire(asks claim_ask[])
RETURNS TABLE (ask integer, item integer, reason text, held_until timestamptz)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    refusals claim_refusal[] := '{}';
    more claim_refusal[];
    wanted record;
BEGIN
    -- look first: a refusal takes no lock
    more := blocked_claims(asks);
    IF cardinality(more) > 0 THEN
        refusals := more;
        asks := ARRAY(SELECT a::claim_ask FROM unnest(asks) AS a
                      WHERE a.ask NOT IN (SELECT m.ask FROM unnest(more) AS m));
    END IF;

    IF cardinality(asks) > 0 THEN
        PERFORM lock_claimed(asks);
        PERFORM forget_expired(asks);
        -- judge again, now that nothing can move
        more := blocked_claims(asks);
        IF cardinality(more) > 0 THEN
            refusals := refusals || more;
            asks := ARRAY(SELECT a::claim_ask FROM unnest(asks) AS a
                          WHERE a.ask NOT IN (SELECT m.ask FROM unnest(more) AS m));
        END IF;
        IF cardinality(asks) > 1 THEN
            more := outrun_claims(asks);
            IF cardinality(more) > 0 THEN
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
        FROM unnest(asks) AS a;

        FOR wanted IN
            SELECT a.room_type_id, a.night, a.place_session_id, sum(a.quantity) AS quantity,
                   coalesce(sum(a.quantity) FILTER (WHERE a.expires_at IS NOT NULL), 0) AS held
            FROM unnest(asks) AS a WHERE a.room_id IS NULL
            GROUP BY a.room_type_id, a.night, a.place_session_id
            ORDER BY a.room_type_id, a.night, a.place_session_id
        LOOP
            IF wanted.room_type_id IS NOT NULL THEN
                UPDATE pool_nights AS p SET taken = p.taken + wanted.quantity, held = p.held + wanted.held
                WHERE p.room_type_id = wanted.room_type_id AND p.night = wanted.night;
            ELSE
                UPDATE session_places AS p SET taken = p.taken + wanted.quantity, held = p.held + wanted.held
                WHERE p.session_id = wanted.place_session_id;
            END IF;
        END LOOP;
    END IF;

    IF cardinality(refusals) > 0 THEN
        RETURN QUERY SELECT r.ask, r.item, r.reason, r.held_until FROM unnest(refusals) AS r ORDER BY r.ask, r.item;
    END IF;
END
$$;
