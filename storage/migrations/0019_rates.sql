-- Rates: what a room type costs on certain weekdays or in a season, instead of its usual price.

CREATE TABLE rates (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id     bigint NOT NULL REFERENCES venues,
    room_type_id bigint NOT NULL REFERENCES room_types,
    name         text NOT NULL,
    -- local days, both part of it; none: without a beginning, or without an end
    starts_on    date,
    ends_on      date,
    -- none: every day
    weekdays     text[] NOT NULL DEFAULT '{}'
                 CHECK (weekdays <@ ARRAY['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] AND cardinality(weekdays) <= 7),
    price        bigint CHECK (price BETWEEN 0 AND 1000000000000),
    -- of the room type's usual price
    percent      integer CHECK (percent BETWEEN 0 AND 1000),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at   timestamptz,
    CONSTRAINT rate_is_price_or_percent CHECK ((price IS NULL) <> (percent IS NULL)),
    CONSTRAINT rate_ends_after_start CHECK (starts_on <= ends_on)
);
CREATE INDEX rates_of_type ON rates (room_type_id) WHERE deleted_at IS NULL;
CREATE INDEX rates_of_venue ON rates (venue_id) WHERE deleted_at IS NULL;

-- The rates of a room type, the one that counts before the others first: a shorter season goes before a longer one,
-- fewer weekdays before more, newer before older.
CREATE FUNCTION rates_of_type(its_id bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'id', r.id, 'name', r.name, 'starts_on', r.starts_on, 'ends_on', r.ends_on, 'weekdays', r.weekdays,
               'price', r.price, 'percent', r.percent)
               ORDER BY r.ends_on - r.starts_on NULLS LAST, r.starts_on IS NULL AND r.ends_on IS NULL,
                        coalesce(nullif(cardinality(r.weekdays), 0), 7), r.id DESC), '[]')
    FROM rates AS r WHERE r.room_type_id = its_id AND r.deleted_at IS NULL
$$;

-- What one night or hour costs on a local day, the type's own discount taken off, as hub/services/rating.py has it.
CREATE FUNCTION rate_on(its_id bigint, usual bigint, discount numeric, day date) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT round(coalesce((
        SELECT coalesce(r.price, round(usual * r.percent / 100.0)) FROM rates AS r
        WHERE r.room_type_id = its_id AND r.deleted_at IS NULL
          AND day BETWEEN coalesce(r.starts_on, '-infinity') AND coalesce(r.ends_on, 'infinity')
          AND (cardinality(r.weekdays) = 0 OR to_char(day, 'dy') = ANY (r.weekdays))
        ORDER BY r.ends_on - r.starts_on NULLS LAST, r.starts_on IS NULL AND r.ends_on IS NULL,
                 coalesce(nullif(cardinality(r.weekdays), 0), 7), r.id DESC LIMIT 1
    ), usual) * (100 - discount) / 100)::bigint
$$;

INSERT INTO audited (name, entity, venue_column, plain, quiet) VALUES
    ('rates', 'rate', 'venue_id', '{name,starts_on,ends_on,weekdays}', '{updated_at}');
