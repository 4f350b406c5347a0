-- The event log: the truth that every watcher converges to.

-- A new epoch (after a restore) tells every client that its versions mean nothing any more.
CREATE TABLE live_epoch (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), epoch text NOT NULL);
INSERT INTO live_epoch (epoch) VALUES (substr(gen_random_uuid()::text, 1, 8));

-- The version is taken under this row's lock as the last act of a transaction: order of versions = order of commits.
CREATE TABLE live_rooms (
    room    text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    -- the versions up to here are forgotten
    floor   bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 60);

CREATE TABLE events (
    room    text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    name    text NOT NULL,
    at      timestamptz NOT NULL,
    data    json NOT NULL,
    PRIMARY KEY (room, version)
);
CREATE INDEX events_by_age ON events USING brin (at);

-- One row a transaction, removed once Redis took its events; what stays is published again.
CREATE TABLE outbox (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL,
    rooms  text[] NOT NULL,
    firsts bigint[] NOT NULL,
    lasts  bigint[] NOT NULL
);

-- Append told events in the order given and answer which place among them got which version. Call it last, right before
-- commit. The data is fetched by place when it is written, for rows are copied at every step on the way there.
CREATE FUNCTION append_events(told_rooms text[], told_names text[], told_data json[])
RETURNS TABLE (place bigint, room text, version bigint, name text, at timestamptz, outbox_id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now_at timestamptz := clock_timestamp();
BEGIN
    IF cardinality(told_rooms) IS NULL OR cardinality(told_rooms) = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH numbered AS MATERIALIZED (
        SELECT t.room, t.place, row_number() OVER (PARTITION BY t.room ORDER BY t.place) AS nth
        FROM unnest(told_rooms) WITH ORDINALITY AS t (room, place)
    ), counted AS MATERIALIZED (
        SELECT n.room, max(n.nth) AS told FROM numbered AS n GROUP BY n.room ORDER BY n.room
    ), taken AS (
        INSERT INTO live_rooms AS lr (room, version)
        SELECT c.room, c.told FROM counted AS c ORDER BY c.room
        ON CONFLICT (room) DO UPDATE SET version = lr.version + EXCLUDED.version
        RETURNING lr.room, lr.version
    ), ranges AS MATERIALIZED (
        SELECT t.room, t.version - c.told AS before, t.version AS last
        FROM taken AS t JOIN counted AS c ON c.room = t.room
    ), sent AS (
        INSERT INTO outbox AS o (at, rooms, firsts, lasts)
        SELECT now_at, array_agg(r.room), array_agg(r.before + 1), array_agg(r.last) FROM ranges AS r
        RETURNING o.id
    ), placed AS MATERIALIZED (
        SELECT n.place, n.room, r.before + n.nth AS version
        FROM numbered AS n JOIN ranges AS r ON r.room = n.room ORDER BY n.place
    ), written AS (
        INSERT INTO events (room, version, name, at, data)
        SELECT p.room, p.version, told_names[p.place], now_at, told_data[p.place] FROM placed AS p
    )
    SELECT p.place, p.room, p.version, told_names[p.place], now_at, s.id FROM placed AS p CROSS JOIN sent AS s;
END
$$;
