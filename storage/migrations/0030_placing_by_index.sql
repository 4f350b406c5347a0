-- Placing looks up what it judges whatever the tables' size was when a connection made its plans, as 0027 has others do.
-- With plans of a new hub, each person's holds were counted by reading all the holds there are, and the versions of a
-- batch's venues by reading all venues: seven times the work in the first rush.

-- hoarding_asks() as of 0017, by the person's own bookings and each booking's own items. Locks the persons, so that two
-- workers count in turn, and that nobody's name changes under their booking.
CREATE OR REPLACE FUNCTION hoarding_asks(booked booking_ask[], items item_ask[], together boolean) RETURNS integer[]
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM users
    WHERE id = ANY (ARRAY(SELECT b.user_id FROM unnest(booked) AS b))
    ORDER BY id FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT 1 FROM unnest(booked) AS b WHERE b.person_limit IS NOT NULL OR b.venue_limit IS NOT NULL) THEN
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
                       SELECT 1
                       FROM (SELECT bi.venue_id FROM booking_items AS bi WHERE bi.booking_id = h.id OFFSET 0) AS bi
                       JOIN unnest(items) AS i ON i.venue_id = bi.venue_id
                       WHERE i.ask = b.ask)) AS here
            FROM bookings AS h
            -- said so that the index of all that waits is of no use for it
            WHERE h.user_id = b.user_id AND coalesce(h.expires_at > clock_timestamp(), false)
        ) AS held
        WHERE held.live + b.nth > b.person_limit OR held.here + b.nth > b.venue_limit);
END
$$;

-- place_bookings() as of 0020, each item's venue looked up by its id.
CREATE OR REPLACE FUNCTION place_bookings(asks json, asked_items json)
RETURNS TABLE (ask integer, outcome text, document text, room text, version bigint, name text, at timestamptz, data text,
               outbox_id bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    now_at timestamptz := clock_timestamp();
    booked booking_ask[];
    items item_ask[];
    dropped integer[];
    waiting booking_ask[] := '{}';
    waited item_ask[] := '{}';
    refusals claim_refusal[] := '{}';
    limited boolean;
    ids bigint[];
    documents booking_document[];
    repeats boolean;
BEGIN
    booked := ARRAY(
        SELECT ROW(a.place, nextval('bookings_id_seq'), a.user_id, a.booked_by, a.status,
                   now_at + a.expires_in * interval '1 second', now_at + a.ends_in * interval '1 second', a.currency,
                   a.price, coalesce(a.notes, ''), a.guest_details, a.person_limit, a.venue_limit, a.repeat_route, a.repeat_key,
                   a.repeat_hash, a.quote_id, a.offer_id, coalesce(a.points, 0), a.student_limits)::booking_ask
        FROM ROWS FROM (json_to_recordset(asks) AS (
            user_id bigint, booked_by bigint, status text, expires_in double precision, ends_in double precision,
            currency text, price bigint, notes text, guest_details jsonb, person_limit integer, venue_limit integer,
            repeat_route text, repeat_key text, repeat_hash text, quote_id bigint, offer_id bigint, points integer,
            student_limits jsonb)) WITH ORDINALITY AS a (
            user_id, booked_by, status, expires_in, ends_in, currency, price, notes, guest_details, person_limit,
            venue_limit, repeat_route, repeat_key, repeat_hash, quote_id, offer_id, points, student_limits, place));
    items := ARRAY(
        SELECT ROW(i.ask, i.place, nextval('booking_items_id_seq'), (booked[i.ask]).id, (booked[i.ask]).expires_at,
                   i.kind, i.venue_id, i.catalogue_version, i.room_type_id, i.room_id, i.session_id, i.title,
                   i.starts_at, i.ends_at, i.check_in, i.check_out, tstzrange(i.busy_from, i.busy_until), i.guests,
                   i.quantity, i.unit_price, i.price, i.currency, i.addon_id)::item_ask
        FROM ROWS FROM (json_to_recordset(asked_items) AS (
            ask integer, kind text, venue_id bigint, catalogue_version bigint, room_type_id bigint, room_id bigint,
            session_id bigint, title text, starts_at timestamptz, ends_at timestamptz, busy_from timestamptz,
            busy_until timestamptz, check_in date, check_out date, guests integer, quantity integer,
            unit_price bigint, price bigint, currency text, addon_id bigint)) WITH ORDINALITY AS i (
            ask, kind, venue_id, catalogue_version, room_type_id, room_id, session_id, title, starts_at, ends_at,
            busy_from, busy_until, check_in, check_out, guests, quantity, unit_price, price, currency, addon_id, place));

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
        waiting := ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b WHERE b.ask = ANY (dropped));
        waited := ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE i.ask = ANY (dropped));
        booked := ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b WHERE NOT b.ask = ANY (dropped));
        items := ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE NOT i.ask = ANY (dropped));
    END IF;

    limited := EXISTS (SELECT 1 FROM unnest(booked) AS b
                       WHERE b.offer_id IS NOT NULL OR b.points > 0 OR b.student_limits IS NOT NULL)
        OR EXISTS (SELECT 1 FROM unnest(items) AS i WHERE i.addon_id IS NOT NULL);
    IF limited THEN
        refusals := take_allowances(booked, items);
    END IF;
    IF cardinality(refusals) > 0 THEN
        dropped := ARRAY(SELECT r.ask FROM unnest(refusals) AS r WHERE r.reason = 'outrun');
        waiting := waiting || ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b WHERE b.ask = ANY (dropped));
        waited := waited || ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE i.ask = ANY (dropped));
        FOR ask, outcome, document IN
            SELECT DISTINCT ON (r.ask) r.ask, r.reason, NULL FROM unnest(refusals) AS r
            WHERE r.reason NOT IN ('outrun', 'sold_out') ORDER BY r.ask
        LOOP
            dropped := dropped || ask;
            RETURN NEXT;
        END LOOP;
        refusals := ARRAY(SELECT r::claim_refusal FROM unnest(refusals) AS r WHERE NOT r.ask = ANY (dropped));
        booked := ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b WHERE NOT b.ask = ANY (dropped));
        items := ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE NOT i.ask = ANY (dropped));
        -- what an add-on is lacking for claims nothing, and is answered with what else is refused
        dropped := ARRAY(SELECT r.ask FROM unnest(refusals) AS r);
    ELSE
        dropped := '{}';
    END IF;

    refusals := refusals || ARRAY(
        SELECT ROW(a.ask, a.item, a.reason, a.held_until)::claim_refusal
        FROM acquire(claims_of_items(
            CASE WHEN cardinality(dropped) = 0 THEN items
                 ELSE ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE NOT i.ask = ANY (dropped)) END)) AS a);

    -- Judged on an inventory that has changed since. Asked only under the locks: whoever takes a thing out of sale
    -- locks it too, so that has either been committed, and is seen here, or waits for these claims and sees them.
    dropped := ARRAY(SELECT DISTINCT i.ask FROM unnest(items) AS i
        WHERE (SELECT v.catalogue_version FROM venues AS v WHERE v.id = i.venue_id) IS DISTINCT FROM i.catalogue_version);
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
    IF cardinality(booked) = 0 AND cardinality(waiting) = 0 THEN
        RETURN;
    END IF;

    INSERT INTO bookings (id, user_id, booked_by, status, currency, price, notes, guest_details, expires_at,
                          hold_ends_at, confirmed_at, created_at, updated_at, quote_id, offer_id, points, as_student)
    SELECT b.id, b.user_id, b.booked_by, b.status, b.currency, b.price, b.notes, b.guest_details, b.expires_at,
           b.hold_ends_at, CASE WHEN b.status = 'confirmed' THEN now_at END, now_at, now_at, b.quote_id, b.offer_id,
           b.points, b.student_limits IS NOT NULL
    FROM unnest(booked) AS b;
    INSERT INTO booking_items (id, booking_id, position, kind, venue_id, room_type_id, room_id, session_id, title,
                               starts_at, ends_at, check_in, check_out, busy, guests, quantity, unit_price, price,
                               currency, addon_id)
    SELECT i.id, i.booking_id, row_number() OVER (PARTITION BY i.booking_id ORDER BY i.place), i.kind, i.venue_id,
           i.room_type_id, i.room_id, i.session_id, i.title, i.starts_at, i.ends_at, i.check_in, i.check_out,
           CASE WHEN i.room_id IS NOT NULL THEN i.busy END, i.guests, i.quantity, i.unit_price, i.price, i.currency,
           i.addon_id
    FROM unnest(items) AS i;

    ids := ARRAY(SELECT b.id FROM unnest(booked) AS b);
    documents := documents_to_tell(ids);
    IF repeats THEN
        INSERT INTO repeat_keys (user_id, route, key, body_hash, status, answer)
        SELECT b.booked_by, b.repeat_route, b.repeat_key, decode(b.repeat_hash, 'hex'), 201, b.document
        FROM unnest(booked, documents) AS b (
            ask, id, user_id, booked_by, status, expires_at, hold_ends_at, currency, price, notes, guest_details,
            person_limit, venue_limit, repeat_route, repeat_key, repeat_hash, quote_id, offer_id, points, student_limits,
            booking_id, its_user_id, venue_ids, document)
        WHERE b.repeat_key IS NOT NULL;
    END IF;

    RETURN QUERY
    SELECT b.ask, 'placed', b.document::text, NULL, NULL::bigint, NULL, NULL::timestamptz, NULL, NULL::bigint
    FROM unnest(booked, documents) AS b (
        ask, id, user_id, booked_by, status, expires_at, hold_ends_at, currency, price, notes, guest_details,
        person_limit, venue_limit, repeat_route, repeat_key, repeat_hash, quote_id, offer_id, points, student_limits,
        booking_id, its_user_id, venue_ids, document);
    IF cardinality(waiting) > 0 THEN
        -- counted anew: of those that were counted before, some may not have been placed
        dropped := hoarding_asks(waiting, waited, together => false);
        IF limited THEN
            refusals := beyond_allowances(waiting, waited, together => false);
        END IF;
        FOR ask, outcome, document IN
            SELECT DISTINCT ON (w.ask) w.ask,
                   CASE WHEN w.ask = ANY (dropped) THEN 'too_many_holds' ELSE coalesce(r.reason, 'again') END, NULL
            FROM unnest(waiting) AS w LEFT JOIN unnest(refusals) AS r ON r.ask = w.ask AND r.reason <> 'sold_out'
            ORDER BY w.ask
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
