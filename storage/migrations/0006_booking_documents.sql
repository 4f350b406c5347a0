-- A booking as everybody reads it: the one shape of the API's answers, the lists, the snapshots and the events.
-- With a venue only that venue's items are in it, so a desk never sees what was booked next door.
CREATE FUNCTION booking_documents(ids bigint[], only_venue bigint)
RETURNS TABLE (booking_id bigint, user_id bigint, document json)
LANGUAGE sql STABLE AS $$
    SELECT b.id, b.user_id, json_build_object(
        'id', b.id, 'reference', b.reference,
        'status', CASE WHEN b.expires_at <= clock_timestamp() THEN 'expired' ELSE b.status END,
        'user_id', b.user_id, 'booked_by', b.booked_by,
        'guest', json_build_object('id', u.id, 'full_name', u.full_name, 'email', u.email, 'phone', u.phone),
        'guest_details', b.guest_details, 'notes', b.notes,
        'currency', b.currency, 'price', i.price, 'items', i.items,
        'expires_at', b.expires_at, 'hold_ends_at', b.hold_ends_at, 'confirmed_at', b.confirmed_at,
        'cancelled_at', b.cancelled_at, 'cancel_reason', b.cancel_reason, 'cancel_reason_code', b.cancel_reason_code,
        'completed_at', b.completed_at, 'no_show_at', b.no_show_at,
        'created_at', b.created_at, 'updated_at', b.updated_at)
    FROM unnest(ids) AS wanted (id)
    JOIN bookings AS b ON b.id = wanted.id
    JOIN users AS u ON u.id = b.user_id
    CROSS JOIN LATERAL (
        SELECT sum(bi.price)::bigint AS price, json_agg(json_build_object(
            'id', bi.id, 'kind', bi.kind, 'venue_id', bi.venue_id, 'title', bi.title,
            'room_type_id', bi.room_type_id, 'room_id', bi.room_id, 'session_id', bi.session_id,
            'starts_at', bi.starts_at, 'ends_at', bi.ends_at, 'check_in', bi.check_in, 'check_out', bi.check_out,
            'guests', bi.guests, 'quantity', bi.quantity,
            'unit_price', bi.unit_price, 'price', bi.price, 'currency', bi.currency) ORDER BY bi.position) AS items
        FROM booking_items AS bi
        WHERE bi.booking_id = b.id AND (only_venue IS NULL OR bi.venue_id = only_venue)
    ) AS i
$$;
