-- Outgoing webhooks: each receiver follows the event log with a lane and a sequence of its own, so that none of them costs
-- the transactions that tell anything, and none delays another.

CREATE TABLE webhooks (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id         bigint NOT NULL REFERENCES venues,
    url              text NOT NULL,
    description      text NOT NULL DEFAULT '',
    events           text[] NOT NULL,
    -- whether what is told of a booking carries the booking, its guest included; else nothing but ids and states travels
    with_bookings    boolean NOT NULL DEFAULT false,
    -- encrypted under the hub's own; the one before signs too until it ends
    secret           bytea NOT NULL,
    old_secret       bytea,
    old_secret_until timestamptz,
    disabled_at      timestamptz,
    disabled_because text CHECK (disabled_because IN ('asked', 'failing', 'gone')),
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT webhook_is_disabled_for_a_reason CHECK ((disabled_at IS NULL) = (disabled_because IS NULL)),
    CONSTRAINT webhook_old_secret_ends CHECK ((old_secret IS NULL) = (old_secret_until IS NULL))
);
CREATE INDEX webhooks_of_venue ON webhooks (venue_id);

-- Where the deliveries to one receiver stand. Whoever locks several of these tables' rows locks the lane first.
CREATE TABLE webhook_lanes (
    webhook_id    bigint PRIMARY KEY REFERENCES webhooks ON DELETE CASCADE,
    -- of the newest message, and of the newest that was delivered or given up
    last_sequence bigint NOT NULL DEFAULT 0,
    reached       bigint NOT NULL DEFAULT 0,
    -- since the last delivery that went well
    failures      integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    -- slow and failing receivers share places of their own, so that they never take all
    is_slow       boolean NOT NULL DEFAULT false,
    -- whoever takes a lane moves this to the end of the lease: it is taken again should they die
    due_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease         uuid
) WITH (fillfactor = 70);

-- How far the log of a live room was read for a receiver.
CREATE TABLE webhook_cursors (
    webhook_id bigint NOT NULL REFERENCES webhook_lanes ON DELETE CASCADE,
    room       text COLLATE "C" NOT NULL,
    epoch      text NOT NULL,
    version    bigint NOT NULL,
    PRIMARY KEY (webhook_id, room)
) WITH (fillfactor = 70);

CREATE TABLE webhook_messages (
    webhook_id     bigint NOT NULL REFERENCES webhook_lanes ON DELETE CASCADE,
    sequence       bigint NOT NULL,
    -- the same at each attempt, and never that of another message, not even after a restore
    id             uuid NOT NULL DEFAULT gen_random_uuid(),
    name           text NOT NULL,
    at             timestamptz NOT NULL,
    -- where it stands in the event log, if it does
    room           text COLLATE "C",
    epoch          text,
    version        bigint,
    data           jsonb NOT NULL,
    made_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- when it is sent next; nothing once it was delivered or given up
    due_at         timestamptz DEFAULT clock_timestamp(),
    attempts       integer NOT NULL DEFAULT 0,
    -- of those that count before it is given up; sent again or enabled again, it begins anew
    first_tried_at timestamptz,
    tried_at       timestamptz,
    answered       integer,
    error          text,
    milliseconds   integer,
    delivered_at   timestamptz,
    failed_at      timestamptz,
    PRIMARY KEY (webhook_id, sequence)
);
CREATE INDEX webhook_messages_due ON webhook_messages (webhook_id, sequence) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_messages_failed ON webhook_messages (webhook_id, sequence) WHERE failed_at IS NOT NULL;
CREATE INDEX webhook_messages_by_age ON webhook_messages USING brin (made_at);

INSERT INTO audited (name, entity, venue_column, plain, quiet) VALUES
    ('webhooks', 'webhook', 'venue_id', '{description,events,disabled_because}', '{updated_at}');
INSERT INTO audited (name, exempt) VALUES
    ('webhook_lanes', 'counts deliveries'),
    ('webhook_cursors', 'says how far the events were read'),
    ('webhook_messages', 'is a queue; it tells what was audited');

-- What a receiver is told of an event: which thing, and its state; never a person. The public state of what is free is
-- told whole.
CREATE FUNCTION webhook_data(name text, data json) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN name = 'availability.changed' THEN data::jsonb
                ELSE jsonb_strip_nulls(jsonb_build_object(
                    'id', data -> 'id', 'status', data -> 'status', 'kind', data -> 'kind',
                    'updated_at', data -> 'updated_at')) END
$$;

-- Turn what was told since into messages, at most so many events of a room for each receiver, and none for whom as many as
-- `most_waiting` wait; answers how many messages that made. One worker at a time. Where the log no longer reaches back, or
-- a restore has begun another epoch, the receiver is told that there is a gap.
CREATE FUNCTION collect_webhooks(at_most integer, most_waiting integer) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    collected bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7201986) THEN
        RETURN 0;
    END IF;
    -- A statement of its own, so that it sees what the last holder of the lock has committed.
    WITH due AS MATERIALIZED (
        SELECT c.webhook_id, c.room, c.epoch <> e.epoch OR c.version > r.version AS is_void,
               CASE WHEN c.epoch <> e.epoch OR c.version > r.version THEN r.version
                    ELSE greatest(c.version, r.floor) END AS start,
               c.version AS known, r.version AS newest, e.epoch, w.events
        FROM webhook_cursors AS c
        JOIN webhook_lanes AS l ON l.webhook_id = c.webhook_id
        JOIN webhooks AS w ON w.id = c.webhook_id
        JOIN live_rooms AS r ON r.room = c.room
        CROSS JOIN live_epoch AS e
        WHERE (r.version <> c.version OR c.epoch <> e.epoch) AND w.disabled_at IS NULL
          AND l.last_sequence - l.reached < most_waiting
        FOR UPDATE OF l SKIP LOCKED
    ), seen AS MATERIALIZED (
        SELECT d.webhook_id, d.room, d.epoch, t.version, t.name, t.at, t.data, t.name = ANY (d.events) AS is_wanted,
               -- who tells draws the time before the version, so within a room versions decide
               max(t.at) OVER (PARTITION BY d.webhook_id, d.room ORDER BY t.version) AS placed_at
        FROM due AS d CROSS JOIN LATERAL (
            SELECT e.version, e.name, e.at, e.data FROM events AS e
            WHERE e.room = d.room AND e.version > d.start ORDER BY e.version LIMIT at_most
        ) AS t
    ), told AS (
        SELECT d.webhook_id, d.room, d.epoch, NULL::bigint AS version, 'webhook.gap' AS name, clock_timestamp() AS at,
               jsonb_build_object('room', d.room, 'known', d.known, 'next', d.start + 1, 'is_void', d.is_void) AS data,
               '-infinity'::timestamptz AS placed_at
        FROM due AS d WHERE d.is_void OR d.start > d.known
        UNION ALL
        SELECT s.webhook_id, s.room, s.epoch, s.version, s.name, s.at, webhook_data(s.name, s.data), s.placed_at
        FROM seen AS s WHERE s.is_wanted
    ), numbered AS MATERIALIZED (
        SELECT t.webhook_id, t.room, t.epoch, t.version, t.name, t.at, t.data,
               row_number() OVER (PARTITION BY t.webhook_id ORDER BY t.placed_at, t.room, t.version) AS nth
        FROM told AS t
    ), counted AS (
        UPDATE webhook_lanes AS l SET last_sequence = l.last_sequence + n.made
        FROM (SELECT webhook_id, count(*) AS made FROM numbered GROUP BY webhook_id) AS n
        WHERE l.webhook_id = n.webhook_id
        RETURNING l.webhook_id, l.last_sequence - n.made AS before
    ), written AS (
        INSERT INTO webhook_messages (webhook_id, sequence, name, at, room, epoch, version, data)
        SELECT n.webhook_id, c.before + n.nth, n.name, n.at, n.room, n.epoch, n.version, n.data
        FROM numbered AS n JOIN counted AS c ON c.webhook_id = n.webhook_id
    ), moved AS (
        UPDATE webhook_cursors AS c SET epoch = d.epoch, version = coalesce(s.version, d.start)
        FROM due AS d LEFT JOIN (SELECT webhook_id, room, max(version) AS version FROM seen GROUP BY webhook_id, room) AS s
            ON s.webhook_id = d.webhook_id AND s.room = d.room
        WHERE c.webhook_id = d.webhook_id AND c.room = d.room
    )
    SELECT count(*) FROM numbered INTO collected;
    RETURN collected;
END
$$;
