-- A booking is told with its guest as they are now: who books and who is renamed wait for each other, so that no booking
-- with the old name is told after the new name. Whoever renames somebody locks them FOR UPDATE (storage/users.py).

-- Which asks would give a person more live holds than allowed, each alone or `together` with those before it.
-- Locks the persons, so that two workers count in turn, and that nobody's name changes under their booking.
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
                       SELECT 1 FROM booking_items AS bi JOIN unnest(items) AS i ON i.venue_id = bi.venue_id
                       WHERE bi.booking_id = h.id AND i.ask = b.ask)) AS here
            FROM bookings AS h WHERE h.user_id = b.user_id AND h.expires_at > clock_timestamp()
        ) AS held
        WHERE held.live + b.nth > b.person_limit OR held.here + b.nth > b.venue_limit);
END
$$;

-- Tell bookings whose documents are still to be read. A key lock is shared, and only a renaming is in its way: that
-- takes nothing but live rooms afterwards, as this does, so neither waits for the other in a circle.
CREATE OR REPLACE FUNCTION tell(told_rooms text[], told_names text[], told_data json[], ids bigint[], facts text[],
                                things touched[])
RETURNS TABLE (room text, version bigint, name text, at timestamptz, data text, outbox_id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    documents booking_document[];
BEGIN
    IF cardinality(ids) > 0 THEN
        PERFORM 1 FROM users
        WHERE id = ANY (ARRAY(SELECT b.user_id FROM bookings AS b WHERE b.id = ANY (ids)))
        ORDER BY id FOR KEY SHARE;
    END IF;
    documents := documents_to_tell(ids);
    RETURN QUERY
    SELECT t.room, t.version, t.name, t.at, coalesce(t.data, (documents[t.document]).document::text), t.outbox_id
    FROM tell_documents(told_rooms, told_names, told_data, documents, facts, things) AS t;
END
$$;
