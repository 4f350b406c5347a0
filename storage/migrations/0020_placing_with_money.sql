-- Placing with money: offers, add-ons that run out, and place_bookings() guarding what a basket takes of them, of loyalty
-- points and of student discounts, in the same round trip as its places. Nothing is counted down: what live bookings use
-- is summed under a lock, so that whatever is cancelled or runs out is given back by itself.

CREATE TABLE offers (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- none: the whole hub's
    venue_id         bigint REFERENCES venues,
    code             citext NOT NULL,
    description      text NOT NULL DEFAULT '',
    basis_points     integer CHECK (basis_points BETWEEN 1 AND 10000),
    amount           bigint CHECK (amount BETWEEN 1 AND 1000000000000),
    -- of the amount and the minimum; none: any
    currency         text,
    minimum          bigint NOT NULL DEFAULT 0 CHECK (minimum BETWEEN 0 AND 1000000000000),
    valid_from       timestamptz,
    valid_until      timestamptz,
    total_limit      integer CHECK (total_limit > 0),
    per_person_limit integer CHECK (per_person_limit > 0),
    -- whether everybody finds it in the list, or only who knows its code has it
    is_public        boolean NOT NULL DEFAULT true,
    is_active        boolean NOT NULL DEFAULT true,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at       timestamptz,
    CONSTRAINT offer_percentage_or_amount CHECK (num_nonnulls(basis_points, amount) = 1),
    CONSTRAINT offer_names_its_currency CHECK (currency IS NOT NULL OR (amount IS NULL AND minimum = 0)),
    CONSTRAINT offer_ends_after_start CHECK (valid_until > valid_from)
);
CREATE UNIQUE INDEX offers_code_taken ON offers (code) WHERE deleted_at IS NULL;
CREATE INDEX offers_of_venue ON offers (venue_id) WHERE deleted_at IS NULL;

-- Whether an offer can be used at this moment, as far as it depends on nothing but itself.
CREATE FUNCTION offer_is_on(offer offers) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT offer.is_active AND offer.deleted_at IS NULL
       AND coalesce(offer.valid_from <= clock_timestamp(), true) AND coalesce(offer.valid_until > clock_timestamp(), true)
$$;

INSERT INTO audited (name, entity, id_column, venue_column, plain, quiet, operations) VALUES
    ('offers', 'offer', 'id', 'venue_id', '{code,description,currency}', '{updated_at}', '{INSERT,UPDATE,DELETE}');

-- How many are in use at the same time at most; none: as many as anybody wants.
ALTER TABLE addons ADD COLUMN stock integer CHECK (stock BETWEEN 0 AND 1000000);

-- What is summed under the locks below; what was given back is in none of these.
DROP INDEX bookings_of_offer;
CREATE INDEX bookings_of_offer ON bookings (offer_id, user_id) INCLUDE (id, expires_at)
    WHERE offer_id IS NOT NULL AND status NOT IN ('cancelled', 'expired');
CREATE INDEX bookings_with_points ON bookings (user_id) WHERE points > 0 AND status NOT IN ('cancelled', 'expired');
CREATE INDEX bookings_of_students ON bookings (user_id) WHERE as_student AND status NOT IN ('cancelled', 'expired');
-- By its end, for what is over is never looked at again.
DROP INDEX booking_items_of_addon;
CREATE INDEX booking_items_of_addon ON booking_items (addon_id, ends_at) WHERE addon_id IS NOT NULL;

-- How many loyalty points a person can still use: those in the ledger, less those that live bookings use. Points that were
-- used are no entries of the ledger.
CREATE FUNCTION points_left(of_user bigint, except_booking bigint DEFAULT NULL) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT (SELECT coalesce(sum(e.amount), 0) FROM accounts AS a JOIN ledger_entries AS e ON e.account_id = a.id
            WHERE a.kind = 'points' AND a.user_id = of_user)::bigint
         - (SELECT coalesce(sum(b.points), 0) FROM bookings AS b
            WHERE b.user_id = of_user AND b.points > 0 AND b.status NOT IN ('cancelled', 'expired')
              AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp()) AND b.id IS DISTINCT FROM except_booking)
$$;

-- How often live bookings use an offer, counted up to `at_most`.
CREATE FUNCTION offer_uses(its_id bigint, at_most bigint, except_booking bigint DEFAULT NULL) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM (
        SELECT 1 FROM bookings AS b
        WHERE b.offer_id = its_id AND b.status NOT IN ('cancelled', 'expired')
          AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp()) AND b.id IS DISTINCT FROM except_booking
        LIMIT at_most) AS used
$$;

-- The same of one person's bookings: a function of its own, for only so it asks the index for that person alone.
CREATE FUNCTION offer_uses_by(of_user bigint, its_id bigint, except_booking bigint DEFAULT NULL) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM bookings AS b
    WHERE b.offer_id = its_id AND b.user_id = of_user AND b.status NOT IN ('cancelled', 'expired')
      AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp()) AND b.id IS DISTINCT FROM except_booking
$$;

-- How many bookings a person has made at a venue as a student in this year, of UTC.
CREATE FUNCTION student_bookings(of_user bigint, at_venue bigint, except_booking bigint DEFAULT NULL) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM bookings AS b
    WHERE b.user_id = of_user AND b.as_student AND b.status NOT IN ('cancelled', 'expired')
      AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp())
      AND b.created_at >= date_trunc('year', clock_timestamp(), 'UTC') AND b.id IS DISTINCT FROM except_booking
      AND EXISTS (SELECT 1 FROM booking_items AS i WHERE i.booking_id = b.id AND i.venue_id = at_venue)
$$;

-- How many of an add-on live bookings use at the same time within a span, where that is most.
CREATE FUNCTION addons_in_use(its_id bigint, begins timestamptz, ends timestamptz, except_booking bigint DEFAULT NULL)
RETURNS bigint LANGUAGE sql STABLE AS $$
    WITH used AS MATERIALIZED (
        SELECT i.starts_at, i.ends_at, i.quantity FROM booking_items AS i JOIN bookings AS b ON b.id = i.booking_id
        WHERE i.addon_id = its_id AND i.ends_at > begins AND i.starts_at < ends
          AND b.status NOT IN ('cancelled', 'expired') AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp())
          AND b.id IS DISTINCT FROM except_booking
    )
    SELECT coalesce(max(u.in_use), 0)::bigint
    FROM (SELECT sum(m.change) OVER (ORDER BY m.at, m.change ROWS UNBOUNDED PRECEDING) AS in_use
          FROM (SELECT starts_at AS at, quantity AS change FROM used UNION ALL SELECT ends_at, -quantity FROM used) AS m) AS u
$$;

ALTER TYPE booking_ask ADD ATTRIBUTE quote_id bigint, ADD ATTRIBUTE offer_id bigint, ADD ATTRIBUTE points integer,
    ADD ATTRIBUTE student_limits jsonb;
ALTER TYPE item_ask ADD ATTRIBUTE addon_id bigint;

-- Which asks want more than is left, each alone or `together` with those before it; with the item where it is an add-on.
-- Reasons: offer_over, offer_used_up, too_few_points, no_student_left, sold_out. One that is asked about alone may be a
-- booking that is there already, which is not in its own way; several are new.
CREATE FUNCTION beyond_allowances(booked booking_ask[], items item_ask[], together boolean) RETURNS claim_refusal[]
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    own bigint := CASE WHEN cardinality(booked) = 1 THEN (booked[1]).id END;
    beyond claim_refusal[] := '{}';
BEGIN
    IF EXISTS (SELECT 1 FROM unnest(booked) AS b WHERE b.offer_id IS NOT NULL) THEN
        beyond := ARRAY(
            WITH wanted AS MATERIALIZED (
                SELECT b.ask, b.user_id, b.offer_id,
                       CASE WHEN together THEN row_number() OVER (PARTITION BY b.offer_id ORDER BY b.ask) ELSE 1 END AS nth,
                       CASE WHEN together THEN row_number() OVER (PARTITION BY b.offer_id, b.user_id ORDER BY b.ask)
                            ELSE 1 END AS nth_of_person
                FROM unnest(booked) AS b WHERE b.offer_id IS NOT NULL
            ), named AS MATERIALIZED (
                SELECT o.id, o.total_limit, o.per_person_limit, o.is_on,
                       CASE WHEN o.is_on AND o.total_limit IS NOT NULL
                            THEN offer_uses(o.id, o.total_limit, own) END AS uses
                FROM (SELECT DISTINCT w.offer_id FROM wanted AS w) AS w
                CROSS JOIN LATERAL (
                    SELECT n.id, n.total_limit, n.per_person_limit, offer_is_on(n) AS is_on
                    FROM offers AS n WHERE n.id = w.offer_id OFFSET 0
                ) AS o
            )
            SELECT ROW(w.ask, NULL, CASE WHEN n.is_on THEN 'offer_used_up' ELSE 'offer_over' END, NULL)::claim_refusal
            FROM wanted AS w JOIN named AS n ON n.id = w.offer_id
            WHERE NOT n.is_on OR n.uses + w.nth > n.total_limit
               OR (n.per_person_limit IS NOT NULL
                   AND offer_uses_by(w.user_id, n.id, own) + w.nth_of_person > n.per_person_limit));
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(booked) AS b WHERE b.points > 0) THEN
        beyond := beyond || ARRAY(
            SELECT ROW(w.ask, NULL, 'too_few_points', NULL)::claim_refusal
            FROM (SELECT b.ask, b.user_id, b.points,
                         sum(b.points) OVER (PARTITION BY b.user_id ORDER BY b.ask) AS with_those_before
                  FROM unnest(booked) AS b WHERE b.points > 0) AS w
            WHERE CASE WHEN together THEN w.with_those_before ELSE w.points END > points_left(w.user_id, own));
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(booked) AS b WHERE b.student_limits IS NOT NULL) THEN
        beyond := beyond || ARRAY(
            SELECT DISTINCT ROW(w.ask, NULL, 'no_student_left', NULL)::claim_refusal
            FROM (SELECT b.ask, b.user_id, l.venue_id, l.most,
                         CASE WHEN together THEN row_number() OVER (PARTITION BY b.user_id, l.venue_id ORDER BY b.ask)
                              ELSE 1 END AS nth
                  FROM unnest(booked) AS b
                  CROSS JOIN LATERAL (SELECT e.key::bigint AS venue_id, e.value::integer AS most
                                      FROM jsonb_each_text(b.student_limits) AS e) AS l) AS w
            WHERE student_bookings(w.user_id, w.venue_id, own) + w.nth > w.most);
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(items) AS i WHERE i.addon_id IS NOT NULL) THEN
        -- Of those before it all that overlap are counted, though they might not overlap each other: who is put off for
        -- that is asked again, and items of one basket last as long as each other.
        beyond := beyond || ARRAY(
            WITH wanted AS MATERIALIZED (
                SELECT i.ask, i.place, i.addon_id, i.starts_at, i.ends_at, i.quantity, a.stock,
                       sum(i.quantity) OVER (PARTITION BY i.addon_id) AS by_all
                FROM unnest(items) AS i
                CROSS JOIN LATERAL (
                    SELECT n.stock FROM addons AS n WHERE n.id = i.addon_id AND n.stock IS NOT NULL OFFSET 0
                ) AS a
                WHERE i.addon_id IS NOT NULL
            ), spans AS MATERIALIZED (
                SELECT w.addon_id, w.starts_at, w.ends_at, addons_in_use(w.addon_id, w.starts_at, w.ends_at, own) AS in_use
                FROM wanted AS w GROUP BY w.addon_id, w.starts_at, w.ends_at
            )
            SELECT ROW(w.ask, w.place, 'sold_out', NULL)::claim_refusal
            FROM wanted AS w
            JOIN spans AS s ON s.addon_id = w.addon_id AND s.starts_at = w.starts_at AND s.ends_at = w.ends_at
            -- where there is enough for everybody nobody is compared with the others
            WHERE CASE WHEN s.in_use + w.by_all <= w.stock THEN false ELSE s.in_use + w.quantity + (
                SELECT coalesce(sum(e.quantity), 0) FROM wanted AS e
                WHERE e.addon_id = w.addon_id AND e.starts_at < w.ends_at AND e.ends_at > w.starts_at
                  AND ((e.ask = w.ask AND e.place < w.place) OR (together AND e.ask < w.ask))) > w.stock END);
    END IF;
    RETURN beyond;
END
$$;

-- Lock what allowances are summed by: people, then offers, then add-ons; before rooms.
CREATE FUNCTION lock_allowances(of_users bigint[], its_offers bigint[], its_addons bigint[]) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    IF cardinality(of_users) > 0 THEN
        PERFORM 1 FROM users WHERE id = ANY (of_users) ORDER BY id FOR NO KEY UPDATE;
    END IF;
    IF cardinality(its_offers) > 0 THEN
        PERFORM 1 FROM offers WHERE id = ANY (its_offers) ORDER BY id FOR NO KEY UPDATE;
    END IF;
    IF cardinality(its_addons) > 0 THEN
        PERFORM 1 FROM addons WHERE id = ANY (its_addons) AND stock IS NOT NULL ORDER BY id FOR NO KEY UPDATE;
    END IF;
END
$$;

-- Which asks of a batch cannot have the allowances they name, whose people are locked: for a reason of their own, or
-- `outrun` where only those before them leave too little.
CREATE FUNCTION take_allowances(booked booking_ask[], items item_ask[]) RETURNS claim_refusal[] LANGUAGE plpgsql AS $$
DECLARE
    refusals claim_refusal[];
BEGIN
    -- look first: a refusal takes no lock
    refusals := beyond_allowances(booked, items, together => false);
    booked := ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b WHERE b.ask NOT IN (SELECT r.ask FROM unnest(refusals) AS r));
    items := ARRAY(SELECT i::item_ask FROM unnest(items) AS i WHERE i.ask NOT IN (SELECT r.ask FROM unnest(refusals) AS r));
    IF cardinality(booked) > 0 THEN
        PERFORM lock_allowances('{}', ARRAY(SELECT b.offer_id FROM unnest(booked) AS b WHERE b.offer_id IS NOT NULL),
                                ARRAY(SELECT i.addon_id FROM unnest(items) AS i WHERE i.addon_id IS NOT NULL));
        refusals := refusals || beyond_allowances(booked, items, together => false);
        IF cardinality(booked) > 1 THEN
            booked := ARRAY(SELECT b::booking_ask FROM unnest(booked) AS b
                            WHERE b.ask NOT IN (SELECT r.ask FROM unnest(refusals) AS r));
            items := ARRAY(SELECT i::item_ask FROM unnest(items) AS i
                           WHERE i.ask NOT IN (SELECT r.ask FROM unnest(refusals) AS r));
            refusals := refusals || ARRAY(
                SELECT DISTINCT ROW(r.ask, NULL, 'outrun', NULL)::claim_refusal
                FROM unnest(beyond_allowances(booked, items, together => true)) AS r);
        END IF;
    END IF;
    RETURN refusals;
END
$$;

-- place_bookings() as of 0009, with what a basket takes of allowances. Of an ask it also reads quote_id, offer_id, points
-- and student_limits ({venue: how many student bookings a year}), of an item addon_id; an add-on's quantity is how many
-- are in use at the same time. Its outcomes are also offer_over, offer_used_up, too_few_points and no_student_left, and
-- an item is also refused as sold_out. What names none of these is not looked at for them.
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
