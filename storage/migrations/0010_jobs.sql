-- The queue: rows enqueued in the transaction that causes them, taken with SKIP LOCKED, tried again with growing pauses.
-- No NOTIFY: it would serialise every commit that enqueues.

CREATE TABLE jobs (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text NOT NULL,
    data      jsonb NOT NULL,
    -- of several jobs of a kind with the same one only the first is done
    once      text,
    due_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts  integer NOT NULL DEFAULT 0,
    error     text,
    done_at   timestamptz,
    failed_at timestamptz,
    made_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX jobs_once ON jobs (kind, once) WHERE once IS NOT NULL;
CREATE INDEX jobs_due ON jobs (due_at) WHERE done_at IS NULL AND failed_at IS NULL;
