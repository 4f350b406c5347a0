-- place_bookings(): a whole batch of holds or bookings in one round trip and one flush to disk.
-- `asks`, in order of arrival: [{user_id, booked_by, status, expires_in and ends_in (seconds or null), currency, price, notes,
-- guest_details, person_limit and venue_limit (live holds; null = no limit), repeat_route, repeat_key, repeat_hash (hex)}];
-- what is null may be left out.
-- `items`: [{ask (from 1), kind, venue_id, catalogue_version, room_type_id, room_id, session_id, title, starts_at, ends_at,
-- busy_from, busy_until, check_in, check_out, guests, quantity, unit_price, price, currency}].
-- Answers first one row an ask (ask, outcome, document), then one row an event, with the ask whose document is its data or
-- the data itself. Outcomes: placed (document: the booking), refused ([{item, reason, held_until}]), stale, too_many_holds,
-- again (too many only beside holds that came to nothing), in_flight, repeated ({hash, status, answer}).

CREATE TYPE booking_ask AS (
    ask integer, id bigint, user_id bigint, booked_by bigint, status text, expires_at timestamptz,
    hold_ends_at timestamptz, currency text, price bigint, notes text, guest_details jsonb, person_limit integer,
    venue_limit integer, repeat_route text, repeat_key text, repeat_hash text
);

CREATE TYPE item_ask AS (
    ask integer, place integer, id bigint, booking_id bigint, expires_at timestamptz, kind text, venue_id bigint,
    catalogue_version bigint, room_type_id bigint, room_id bigint, session_id bigint, title text,
    starts_at timestamptz, ends_at timestamptz, check_in date, check_out date, busy tstzrange, guests integer,
    quantity integer, unit_price bigint, price bigint, currency text
);

-- Which asks repeat one already answered, or one being answered elsewhere at this moment.
CREATE FUNCTION repeated_asks(booked booking_ask[]) RETURNS TABLE (ask integer, outcome text, document text)
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
    LEFT JOIN repeat_keys AS r ON r.user_id = b.booked_by AND r.route = b.repeat_route AND r.key = b.repeat_key
    WHERE b.repeat_key IS NOT NULL AND (NOT b.ask = ANY (alone) OR r.key IS NOT NULL);
END
$$;

-- Which asks would give a person more live holds than allowed, each alone or `together` with those before it.
-- Locks the persons, so that two workers count in turn.
CREATE FUNCTION hoarding_asks(booked booking_ask[], items item_ask[], together boolean) RETURNS integer[]
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM users
    WHERE id = ANY (ARRAY(SELECT b.user_id FROM unnest(booked) AS b
                          WHERE b.person_limit IS NOT NULL OR b.venue_limit IS NOT NULL))
    ORDER BY id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(
        SELECT b.ask
        FROM (SELECT u.ask, u.user_id, u.person_limit, u.venue_limit,
                     CASE WHEN together THEN row_number() OVER (PARTITION BY u.user_id ORDER BY u.ask) ELSE 1 END AS nth
              FROM unnest(booked) AS u) AS b
        CROSS JOIN LATERAL (
            SELECT count(*) AS live,
                   count(*) FILTER (WHERE EXISTS (
                       SELECT 1 FROM booking_items AS bi JOIN unnest(items) AS i ON i.venue_id = bi.venue_id
                       WHERE bi.booking_id = h.id AND i.ask = b.ask)) AS here
            FROM bookings AS h WHERE h.user_id = b.user_id AND h.expires_at > clock_timestamp()
        ) AS held
        WHERE held.live + b.nth > b.person_limit OR held.here + b.nth > b.venue_limit);
END
$$;

-- What these items claim: a numbered room for a time, a pool's nights one by one, places in a session.
CREATE FUNCTION claims_of_items(items item_ask[]) RETURNS claim_ask[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY(
        SELECT ROW(i.ask, i.place, i.booking_id, i.id, NULL, NULL, i.room_id, CASE WHEN i.room_id IS NOT NULL THEN i.busy END,
                   NULL, NULL, i.session_id, i.quantity, i.expires_at)::claim_ask
        FROM unnest(items) AS i WHERE i.room_id IS NOT NULL OR i.session_id IS NOT NULL
    ) || ARRAY(
        SELECT ROW(i.ask, i.place, i.booking_id, i.id, NULL, NULL, NULL, NULL, i.room_type_id, i.check_in + n, NULL,
                   i.quantity, i.expires_at)::claim_ask
        FROM unnest(items) AS i, generate_series(0, i.check_out - i.check_in - 1) AS n
        WHERE i.kind = 'stay' AND i.room_id IS NULL
    )
$$;

CREATE FUNCTION place_bookings(asks json, asked_items json)
RETURNS TABLE (ask integer, outcome text, document text, room text, version bigint, name text, at timestamptz, data text,
               outbox_id bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    now_at timestamptz := clock_timestamp();
    booked booking_ask[];
    items item_ask[];
    dropped integer[];
    hoarding booking_ask[];
    hoarded item_ask[];
    refusals claim_refusal[];
    ids bigint[];
    documents booking_document[];
    repeats boolean;
BEGIN
    booked := ARRAY(
        SELECT ROW(a.place, nextval('bookings_id_seq'), a.user_id, a.booked_by, a.status,
                   now_at + a.expires_in * interval '1 second', now_at + a.ends_in * interval '1 second', a.currency,
                   a.price, coalesce(a.notes, ''), a.guest_details, a.person_limit, a.venue_limit, a.repeat_route, a.repeat_key,
                   a.repeat_hash)::booking_ask
        FROM ROWS FROM (json_to_recordset(asks) AS (
            user_id bigint, booked_by bigint, status text, expires_in double precision, ends_in double precision,
            currency text, price bigint, notes text, guest_details jsonb, person_limit integer, venue_limit integer,
            repeat_route text, repeat_key text, repeat_hash text)) WITH ORDINALITY AS a (
            user_id, booked_by, status, expires_in, ends_in, currency, price, notes, guest_details, person_limit,
            venue_limit, repeat_route, repeat_key, repeat_hash, place));
    items := ARRAY(
        SELECT ROW(i.ask, i.place, nextval('booking_items_id_seq'), (booked[i.ask]).id, (booked[i.ask]).expires_at,
                   i.kind, i.venue_id, i.catalogue_version, i.room_type_id, i.room_id, i.session_id, i.title,
                   i.starts_at, i.ends_at, i.check_in, i.check_out, tstzrange(i.busy_from, i.busy_until), i.guests,
                   i.quantity, i.unit_price, i.price, i.currency)::item_ask
        FROM ROWS FROM (json_to_recordset(asked_items) AS (
            ask integer, kind text, venue_id bigint, catalogue_version bigint, room_type_id bigint, room_id bigint,
            session_id bigint, title text, starts_at timestamptz, ends_at timestamptz, busy_from timestamptz,
            busy_until timestamptz, check_in date, check_out date, guests integer, quantity integer,
            unit_price bigint, price bigint, currency text)) WITH ORDINALITY AS i (
            ask, kind, venue_id, catalogue_version, room_type_id, room_id, session_id, title, starts_at, ends_at,
            busy_from, busy_until, check_in, check_out, guests, quantity, unit_price, price, currency, place));

    repeats := EXISTS (SELECT 1 FROM unnest(booked) AS b WHERE b.repeat_key IS NOT NULL);
    IF repeats THEN
        FOR ask, outcome, document IN SELECT r.ask, r.outcome, r.document FROM repeated_asks(booked) AS r LOOP
            dropped := dropped || ask;
            RETURN NEXT;
        END LOOP;
    END IF;

    IF dropped IS NOT NULL THEN
        booked := ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b WHERE NOT b.ask = ANY (dropped));
        items := ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE NOT i.ask = ANY (dropped));
    END IF;

    dropped := hoarding_asks(booked, items, together => true);
    IF cardinality(dropped) > 0 THEN
        hoarding := ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b WHERE b.ask = ANY (dropped));
        hoarded := ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE i.ask = ANY (dropped));
        booked := ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b WHERE NOT b.ask = ANY (dropped));
        items := ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE NOT i.ask = ANY (dropped));
    END IF;

    refusals := ARRAY(SELECT ROW(a.ask, a.item, a.reason, a.held_until)::claim_refusal
                      FROM acquire(claims_of_items(items)) AS a);

    -- Judged on an inventory that has changed since. Asked only under the locks: whoever takes a thing out of sale
    -- locks it too, so that has either been committed, and is seen here, or waits for these claims and sees them.
    dropped := ARRAY(SELECT DISTINCT i.ask FROM unnest(items) AS i WHERE NOT EXISTS (
        SELECT 1 FROM venues AS v WHERE v.id = i.venue_id AND v.catalogue_version = i.catalogue_version));
    IF cardinality(dropped) > 0 THEN
        PERFORM release_claims(ARRAY(SELECT b.id FROM unnest(booked) AS b WHERE b.ask = ANY (dropped)), '{}', '{}');
        FOR ask, outcome, document IN SELECT d, 'stale', NULL FROM unnest(dropped) AS d LOOP
            RETURN NEXT;
        END LOOP;
        refusals := ARRAY(SELECT r::claim_refusal FROM unnest(refusals) AS r WHERE NOT r.ask = ANY (dropped));
        booked := ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b WHERE NOT b.ask = ANY (dropped));
        items := ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE NOT i.ask = ANY (dropped));
    END IF;
    IF cardinality(refusals) > 0 THEN
        FOR ask, outcome, document IN
            SELECT r.ask, 'refused',
                   json_agg(DISTINCT jsonb_build_object('item', i.nth, 'reason', r.reason, 'held_until', r.held_until))
            FROM unnest(refusals) AS r
            JOIN (SELECT a.ask, a.place, row_number() OVER (PARTITION BY a.ask ORDER BY a.place) - 1 AS nth
                  FROM unnest(items) AS a) AS i ON i.ask = r.ask AND i.place = r.item
            GROUP BY r.ask
        LOOP
            RETURN NEXT;
        END LOOP;
        dropped := ARRAY(SELECT r.ask FROM unnest(refusals) AS r);
        booked := ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b WHERE NOT b.ask = ANY (dropped));
        items := ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE NOT i.ask = ANY (dropped));
    END IF;
    IF cardinality(booked) = 0 AND hoarding IS NULL THEN
        RETURN;
    END IF;

    INSERT INTO bookings (id, user_id, booked_by, status, currency, price, notes, guest_details, expires_at,
                          hold_ends_at, confirmed_at, created_at, updated_at)
    SELECT b.id, b.user_id, b.booked_by, b.status, b.currency, b.price, b.notes, b.guest_details, b.expires_at,
           b.hold_ends_at, CASE WHEN b.status = 'confirmed' THEN now_at END, now_at, now_at
    FROM unnest(booked) AS b;
    INSERT INTO booking_items (id, booking_id, position, kind, venue_id, room_type_id, room_id, session_id, title,
                               starts_at, ends_at, check_in, check_out, busy, guests, quantity, unit_price, price,
                               currency)
    SELECT i.id, i.booking_id, row_number() OVER (PARTITION BY i.booking_id ORDER BY i.place), i.kind, i.venue_id,
           i.room_type_id, i.room_id, i.session_id, i.title, i.starts_at, i.ends_at, i.check_in, i.check_out,
           CASE WHEN i.room_id IS NOT NULL THEN i.busy END, i.guests, i.quantity, i.unit_price, i.price, i.currency
    FROM unnest(items) AS i;

    ids := ARRAY(SELECT b.id FROM unnest(booked) AS b);
    documents := documents_to_tell(ids);
    IF repeats THEN
        INSERT INTO repeat_keys (user_id, route, key, body_hash, status, answer)
        SELECT b.booked_by, b.repeat_route, b.repeat_key, decode(b.repeat_hash, 'hex'), 201, b.document
        FROM unnest(booked, documents) AS b (
            ask, id, user_id, booked_by, status, expires_at, hold_ends_at, currency, price, notes, guest_details,
            person_limit, venue_limit, repeat_route, repeat_key, repeat_hash, booking_id, its_user_id, venue_ids, document)
        WHERE b.repeat_key IS NOT NULL;
    END IF;

    RETURN QUERY
    SELECT b.ask, 'placed', b.document::text, NULL, NULL::bigint, NULL, NULL::timestamptz, NULL, NULL::bigint
    FROM unnest(booked, documents) AS b (
        ask, id, user_id, booked_by, status, expires_at, hold_ends_at, currency, price, notes, guest_details,
        person_limit, venue_limit, repeat_route, repeat_key, repeat_hash, booking_id, its_user_id, venue_ids, document);
    IF cardinality(hoarding) > 0 THEN
        -- counted anew: of those that were counted before, some may not have been placed
        dropped := hoarding_asks(hoarding, hoarded, together => false);
        FOR ask, outcome, document IN
            SELECT h.ask, CASE WHEN h.ask = ANY (dropped) THEN 'too_many_holds' ELSE 'again' END, NULL
            FROM unnest(hoarding) AS h
        LOOP
            RETURN NEXT;
        END LOOP;
    END IF;

    IF cardinality(booked) > 0 THEN
        IF EXISTS (SELECT 1 FROM unnest(booked) AS b WHERE b.status = 'confirmed') THEN
            PERFORM enqueue_booking_letters(b.ids, array_fill('booking.confirmed'::text, ARRAY[cardinality(b.ids)]))
            FROM (SELECT array_agg(b.id) AS ids FROM unnest(booked) AS b WHERE b.status = 'confirmed') AS b;
        END IF;
        RETURN QUERY
        SELECT (booked[t.document]).ask, NULL, NULL, t.room, t.version, t.name, t.at, t.data, t.outbox_id
        FROM tell_documents('{}', '{}', '{}', documents, ARRAY(SELECT 'booking.' || b.status FROM unnest(booked) AS b),
                            ARRAY(SELECT DISTINCT ROW(c.room_id, c.busy, c.room_type_id, c.night, c.place_session_id)::touched
                                  FROM unnest(claims_of_items(items)) AS c)) AS t;
    END IF;
END
$$;
