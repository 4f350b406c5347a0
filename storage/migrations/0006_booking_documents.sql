-- A booking as everybody reads it: the one shape of the API's answers, the lists, the snapshots and the events.
-- With a venue only that venue's items are in it, so a desk never sees what was booked next door.
CREATE FUNCTION booking_documents(ids bigint[], only_venue bigint)
RETURNS TABLE (place bigint, booking_id bigint, user_id bigint, venue_ids bigint[], document json)
LANGUAGE sql STABLE AS $$
    SELECT wanted.place, d.id, d.user_id,
           CASE WHEN cardinality(i.venue_ids) = 1 THEN i.venue_ids
                ELSE ARRAY(SELECT DISTINCT v.id FROM unnest(i.venue_ids) AS v (id) ORDER BY v.id) END, to_json(d)
    FROM unnest(ids) WITH ORDINALITY AS wanted (id, place)
    CROSS JOIN LATERAL (
        SELECT sum(bi.price)::bigint AS price, array_agg(bi.venue_id) AS venue_ids,
               json_agg(to_json(item) ORDER BY bi.position) AS items
        FROM booking_items AS bi
        CROSS JOIN LATERAL (
            SELECT bi.id, bi.kind, bi.venue_id, bi.title, bi.room_type_id, bi.room_id, bi.session_id, bi.starts_at,
                   bi.ends_at, bi.check_in, bi.check_out, bi.guests, bi.quantity, bi.unit_price, bi.price, bi.currency
        ) AS item
        WHERE bi.booking_id = wanted.id AND (only_venue IS NULL OR bi.venue_id = only_venue)
    ) AS i
    CROSS JOIN LATERAL (
        SELECT b.id, b.reference,
               CASE WHEN b.expires_at <= clock_timestamp() THEN 'expired' ELSE b.status END AS status,
               b.user_id, b.booked_by, to_json(u) AS guest, b.guest_details, b.notes, b.currency, i.price, i.items, b.expires_at, b.hold_ends_at, b.confirmed_at,
               b.cancelled_at, b.cancel_reason, b.cancel_reason_code, b.completed_at, b.no_show_at, b.created_at,
               b.updated_at
        FROM bookings AS b
        CROSS JOIN LATERAL (SELECT p.id, p.full_name, p.email, p.phone FROM users AS p WHERE p.id = b.user_id OFFSET 0) AS u
        WHERE b.id = wanted.id OFFSET 0
    ) AS d
$$;
