-- When a booking begins is judged by what of it takes place, never by a fee.

-- As in 0024, of what takes place alone: what is kept of what was cancelled begins and ends nowhere.
CREATE OR REPLACE FUNCTION enqueue_reminders(hours integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    enqueued bigint;
BEGIN
    INSERT INTO jobs (kind, data, once, can_wait)
    SELECT c.kind, jsonb_build_object('booking_id', b.id, 'fact', 'booking.reminder'),
           'booking ' || b.id || ' booking.reminder ' || soon.starts_at, true
    FROM (
        -- venue by venue, as the index has it
        SELECT i.booking_id, min(i.starts_at) AS starts_at
        FROM venues AS v
        CROSS JOIN LATERAL (
            SELECT bi.booking_id, bi.starts_at FROM booking_items AS bi
            WHERE bi.venue_id = v.id AND bi.kind <> 'fee' AND bi.starts_at > clock_timestamp()
              AND bi.starts_at <= clock_timestamp() + hours * interval '1 hour'
        ) AS i
        GROUP BY i.booking_id
    ) AS soon
    JOIN bookings AS b ON b.id = soon.booking_id
    JOIN users AS u ON u.id = b.user_id
    CROSS JOIN LATERAL (VALUES
        ('mail', coalesce((u.notification_choices ->> 'email')::boolean, true)
                 AND CASE WHEN u.email_verified_at IS NULL THEN may_write_unverified(u.id, b.id) ELSE true END),
        ('sms', coalesce((u.notification_choices ->> 'sms')::boolean, false) AND u.phone_verified_at IS NOT NULL)
    ) AS c (kind, chosen)
    WHERE b.status = 'confirmed' AND b.confirmed_at < soon.starts_at - hours * interval '1 hour'
      AND u.status <> 'deleted' AND c.chosen AND coalesce((u.notification_choices ->> 'booking.reminder')::boolean, true)
      AND NOT EXISTS (SELECT FROM booking_items AS e
                      WHERE e.booking_id = b.id AND e.kind <> 'fee' AND e.starts_at <= clock_timestamp())
      AND NOT EXISTS (SELECT FROM check_ins AS e WHERE e.booking_id = b.id)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS enqueued = ROW_COUNT;
    RETURN enqueued;
END
$$;
