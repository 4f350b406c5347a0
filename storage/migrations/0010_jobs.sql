-- The queue: rows enqueued in the transaction that causes them, taken with SKIP LOCKED, tried again with growing pauses.
-- No NOTIFY: it would serialise every commit that enqueues.

CREATE TABLE jobs (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text NOT NULL,
    data      jsonb NOT NULL,
    -- of several jobs of a kind with the same one only the first is done
    once      text,
    -- done when nothing else of its kind is due: a code must not wait behind the letters of a sold-out sale
    can_wait  boolean NOT NULL DEFAULT false,
    -- whoever takes a job moves this to the end of the lease: it is due again should they die
    due_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts  integer NOT NULL DEFAULT 0,
    -- drawn anew with each taking: only who took a job last may say how it ended
    lease     uuid,
    error     text,
    done_at   timestamptz,
    failed_at timestamptz,
    made_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX jobs_once ON jobs (kind, once) WHERE once IS NOT NULL;
CREATE INDEX jobs_due ON jobs (kind, can_wait, due_at) WHERE done_at IS NULL AND failed_at IS NULL;
CREATE INDEX jobs_ended ON jobs (coalesce(done_at, failed_at)) WHERE done_at IS NOT NULL OR failed_at IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (kind) WHERE failed_at IS NOT NULL;

-- Mail and SMS that nobody sends because no server for them is named.
CREATE TABLE letters (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- a job that is done twice leaves one letter
    job_id    bigint NOT NULL UNIQUE,
    channel   text NOT NULL CHECK (channel IN ('mail', 'sms')),
    recipient text NOT NULL,
    subject   text NOT NULL DEFAULT '',
    text      text NOT NULL,
    html      text,
    made_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX letters_made ON letters (made_at);

-- Has guests told of facts about their bookings, as they chose: by mail unless they said no, by SMS where they said yes.
-- Nobody is told of what was never firm: a hold that comes and goes is no news. Who has not shown that an address is
-- theirs may have typed a stranger's, to whom so much is written in a day and no more.
CREATE FUNCTION enqueue_booking_letters(ids bigint[], facts text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    enqueued bigint;
BEGIN
    INSERT INTO jobs (kind, data, once, can_wait)
    SELECT c.kind, jsonb_build_object('booking_id', b.id, 'fact', f.fact),
           'booking ' || b.id || ' ' || f.fact || ' ' || b.updated_at, true
    FROM unnest(ids, facts) AS f (id, fact)
    JOIN bookings AS b ON b.id = f.id
    JOIN users AS u ON u.id = b.user_id
    CROSS JOIN LATERAL (VALUES
        ('mail', coalesce((u.notification_choices ->> 'email')::boolean, true)
                 AND CASE WHEN u.email_verified_at IS NULL THEN may_write_unverified(u.id, b.id) ELSE true END),
        ('sms', coalesce((u.notification_choices ->> 'sms')::boolean, false) AND u.phone_verified_at IS NOT NULL)
    ) AS c (kind, chosen)
    WHERE b.confirmed_at IS NOT NULL AND u.status <> 'deleted' AND c.chosen
      AND coalesce((u.notification_choices ->> f.fact)::boolean, true)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS enqueued = ROW_COUNT;
    RETURN enqueued;
END
$$;

-- Whether the address of somebody who has not verified it may still be written: of five bookings a day, and of three
-- moves of each.
CREATE FUNCTION may_write_unverified(guest bigint, booking bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*) FROM (
                SELECT 1 FROM bookings AS b
                WHERE b.user_id = guest AND b.id < booking AND b.confirmed_at > clock_timestamp() - interval '1 day'
                ORDER BY b.id DESC LIMIT 5) AS firm) < 5
       AND (SELECT count(*) FROM booking_changes AS c
            WHERE c.booking_id = booking AND c.created_at > clock_timestamp() - interval '1 day') <= 3;
END
$$;
