"""Sessions and the counters of their places, as they stand in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hub.models.sessions import ListSessions, Session
from storage.claims import Claim, as_asks
from storage.listing import page, part
from storage.query import Db, many, maybe, run, value


async def find(db: Db, session_id: int) -> Session | None:
    """Read a session that is not deleted, nor its venue."""
    return await maybe(
        db,
        Session,
        """
        SELECT s.id, s.venue_id, s.facilitator_id, u.full_name AS facilitator_name, s.room_id, s.kind, s.title,
               s.description, s.starts_at, s.ends_at, v.timezone, s.capacity, s.price, v.currency, s.location,
               s.language, s.images, s.status, s.created_at, s.updated_at
        FROM sessions AS s JOIN venues AS v ON v.id = s.venue_id JOIN users AS u ON u.id = s.facilitator_id
        WHERE s.id = $1 AND s.deleted_at IS NULL AND v.deleted_at IS NULL
        """,
        session_id,
    )


async def of_venue(db: Db, venue_id: int) -> list[Session]:
    """Read the sessions of a venue that are not over."""
    return await many(
        db,
        Session,
        """
        SELECT s.id, s.venue_id, s.facilitator_id, u.full_name AS facilitator_name, s.room_id, s.kind, s.title,
               s.description, s.starts_at, s.ends_at, v.timezone, s.capacity, s.price, v.currency, s.location,
               s.language, s.images, s.status, s.created_at, s.updated_at
        FROM sessions AS s JOIN venues AS v ON v.id = s.venue_id JOIN users AS u ON u.id = s.facilitator_id
        WHERE s.venue_id = $1 AND s.deleted_at IS NULL AND v.deleted_at IS NULL AND s.ends_at > clock_timestamp()
        ORDER BY s.starts_at, s.id
        """,
        venue_id,
    )


async def led_by(db: Db, user_id: int) -> list[Session]:
    """Read the sessions a person leads that are not over."""
    return await many(
        db,
        Session,
        """
        SELECT s.id, s.venue_id, s.facilitator_id, u.full_name AS facilitator_name, s.room_id, s.kind, s.title,
               s.description, s.starts_at, s.ends_at, v.timezone, s.capacity, s.price, v.currency, s.location,
               s.language, s.images, s.status, s.created_at, s.updated_at
        FROM sessions AS s JOIN venues AS v ON v.id = s.venue_id JOIN users AS u ON u.id = s.facilitator_id
        WHERE s.facilitator_id = $1 AND s.deleted_at IS NULL AND v.deleted_at IS NULL AND s.ends_at > clock_timestamp()
        ORDER BY s.starts_at, s.id
        """,
        user_id,
    )


async def listed(
    db: Db,
    ask: ListSessions,
    user_id: int | None,
    begin: datetime | None,
    end: datetime | None,
    *,
    sees_everything: bool,
) -> tuple[list[Session], int]:
    """List one page of the sessions that this person may see."""
    return await page(
        db,
        Session,
        """
        SELECT s.id, s.venue_id, s.facilitator_id, u.full_name AS facilitator_name, s.room_id, s.kind, s.title,
               s.description, s.starts_at, s.ends_at, v.timezone, s.capacity, s.price, v.currency, s.location,
               s.language, s.images, s.status, s.created_at, s.updated_at, count(*) OVER () AS total
        FROM sessions AS s JOIN venues AS v ON v.id = s.venue_id JOIN users AS u ON u.id = s.facilitator_id
        WHERE s.deleted_at IS NULL AND v.deleted_at IS NULL
          AND (v.is_active OR $2::boolean OR v.owner_id = $1::bigint
               OR EXISTS (SELECT 1 FROM venue_staff AS w WHERE w.venue_id = v.id AND w.user_id = $1))
          AND (NOT $3::boolean OR s.facilitator_id = $1)
          AND ($4::bigint IS NULL OR s.venue_id = $4)
          AND ($5::bigint IS NULL OR s.facilitator_id = $5)
          AND ($6::bigint IS NULL OR s.room_id = $6)
          AND ($7::text IS NULL OR s.kind = $7)
          AND ($8::text IS NULL OR s.status = $8)
          AND ($9::text IS NULL OR s.title ILIKE $9 OR s.description ILIKE $9 OR u.full_name ILIKE $9)
          AND ($10::text IS NULL OR s.location ILIKE $10 OR v.city ILIKE $10 OR v.country ILIKE $10)
          AND ($11::text IS NULL OR s.language = $11)
          AND ($12::timestamptz IS NULL OR s.ends_at > $12)
          AND ($13::timestamptz IS NULL OR s.starts_at < $13)
          AND ($14::bigint IS NULL OR s.price >= $14)
          AND ($15::bigint IS NULL OR s.price <= $15)
        ORDER BY CASE WHEN $16::text = 'starts_at' THEN s.starts_at END,
                 CASE WHEN $16 = '-starts_at' THEN s.starts_at END DESC,
                 CASE WHEN $16 = 'price' THEN s.price END,
                 CASE WHEN $16 = '-price' THEN s.price END DESC,
                 CASE WHEN $16 = 'newest' THEN s.id END DESC,
                 s.id
        LIMIT $17 OFFSET $18
        """,
        user_id,
        sees_everything,
        ask.mine,
        ask.venue_id,
        ask.facilitator_id,
        ask.room_id,
        ask.kind,
        ask.status,
        part(ask.q),
        part(ask.place),
        ask.language,
        begin,
        end,
        ask.min_price,
        ask.max_price,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def create(db: Db, venue_id: int, fields: dict[str, Any]) -> int:
    """Write a new session and the counter of its places; answers its id."""
    created: int = await value(
        db,
        """
        WITH made AS (
            INSERT INTO sessions (venue_id, facilitator_id, room_id, kind, title, description, starts_at, ends_at,
                                  capacity, price, location, language, images)
            SELECT $1, n.facilitator_id, n.room_id, n.kind, n.title, n.description, n.starts_at, n.ends_at,
                   n.capacity, n.price, n.location, n.language, n.images
            FROM jsonb_populate_record(NULL::sessions, $2) AS n
            RETURNING id, capacity
        )
        INSERT INTO session_places (session_id, total) SELECT made.id, made.capacity FROM made
        RETURNING session_id
        """,
        venue_id,
        fields,
    )
    return created


async def change(db: Db, session_id: int, fields: dict[str, Any]) -> None:
    """Write the fields given; the others stay as they are."""
    await run(
        db,
        """
        UPDATE sessions AS s
        SET facilitator_id = n.facilitator_id, room_id = n.room_id, kind = n.kind, title = n.title,
            description = n.description, starts_at = n.starts_at, ends_at = n.ends_at, capacity = n.capacity,
            price = n.price, location = n.location, language = n.language, images = n.images,
            updated_at = clock_timestamp()
        FROM sessions AS o CROSS JOIN LATERAL jsonb_populate_record(o, $2) AS n
        WHERE o.id = $1 AND s.id = o.id
        """,
        session_id,
        fields,
    )


async def cancel(db: Db, session_id: int, reason: str) -> None:
    """Mark a session cancelled."""
    await run(
        db,
        """
        UPDATE sessions SET status = 'cancelled', cancel_reason = $2, updated_at = clock_timestamp() WHERE id = $1
        """,
        session_id,
        reason,
    )


async def delete(db: Db, session_id: int) -> None:
    """Mark a session deleted."""
    await run(
        db,
        "UPDATE sessions SET deleted_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1",
        session_id,
    )


async def lock_with_bookings(db: Db, session_id: int, also: Sequence[Claim]) -> None:
    """Lock, in the one order, a session's room and places, all its bookings have claimed, and what it is about to."""
    await run(
        db,
        """
        SELECT lock_claimed(ARRAY(
            SELECT ROW(1, 1, NULL, NULL, NULL, NULL, c.room_id, c.busy, c.room_type_id, c.night, c.place_session_id,
                       c.quantity, c.expires_at)::claim_ask
            FROM claims AS c
            WHERE c.session_id = $1 OR c.booking_id IN (
                SELECT i.booking_id FROM booking_items AS i WHERE i.session_id = $1)
        ) || ROW(1, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, $1, 1, NULL)::claim_ask || $2::claim_ask[])
        """,
        session_id,
        as_asks(also),
    )


async def lock_name(db: Db, session_id: int) -> None:
    """Let nobody rename who leads a session, and tell it under the new name as it was, before this work is done."""
    await run(
        db,
        "SELECT 1 FROM users WHERE id = (SELECT facilitator_id FROM sessions WHERE id = $1) FOR KEY SHARE",
        session_id,
    )


async def forget_expired(db: Db, session_id: int) -> None:
    """Free the places of a locked session whose holds have run out."""
    await run(
        db,
        """
        SELECT forget_expired(ARRAY[
            ROW(1, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, $1::bigint, 1, NULL)::claim_ask])
        """,
        session_id,
    )


async def places_taken(db: Db, session_id: int) -> int:
    """Count the places of a session that are taken or held."""
    taken: int = await value(db, "SELECT taken FROM session_places WHERE session_id = $1", session_id)
    return taken


async def set_places(db: Db, session_id: int, total: int) -> None:
    """Set how many places a session has; never fewer than are taken."""
    await run(db, "UPDATE session_places SET total = $2 WHERE session_id = $1 AND total <> $2", session_id, total)


async def may_lead(db: Db, venue_id: int, user_id: int) -> bool:
    """Tell whether an active person owns this venue or works there."""
    found: bool = await value(
        db,
        """
        SELECT EXISTS (SELECT 1 FROM venues AS v JOIN users AS u ON u.id = $2 AND u.status = 'active'
                       WHERE v.id = $1 AND (v.owner_id = $2 OR EXISTS (
                           SELECT 1 FROM venue_staff AS w WHERE w.venue_id = v.id AND w.user_id = $2)))
        """,
        venue_id,
        user_id,
    )
    return found


async def move_bookings(db: Db, session_id: int, booking_ids: Sequence[int], changed_by: int, reason: str) -> None:
    """Let these locked bookings follow a session to its new time, and write that into their history."""
    await run(
        db,
        """
        WITH target AS (
            SELECT id, starts_at, ends_at FROM sessions WHERE id = $1
        ), moved AS (
            UPDATE booking_items AS i SET starts_at = t.starts_at, ends_at = t.ends_at
            FROM target AS t WHERE i.session_id = t.id AND i.booking_id = ANY ($2::bigint[])
        )
        INSERT INTO booking_changes (booking_id, changed_by, reason, before, after)
        SELECT d.booking_id, $3, $4, d.items, after.items
        FROM (SELECT b.booking_id, (b.document -> 'items')::jsonb AS items
              FROM booking_documents($2, NULL) AS b) AS d
        CROSS JOIN target AS t
        CROSS JOIN LATERAL (
            SELECT jsonb_agg(CASE WHEN item.value -> 'session_id' = to_jsonb(t.id)
                                  THEN item.value || jsonb_build_object('starts_at', t.starts_at, 'ends_at', t.ends_at)
                                  ELSE item.value END ORDER BY item.place) AS items
            FROM jsonb_array_elements(d.items) WITH ORDINALITY AS item (value, place)
        ) AS after
        """,
        session_id,
        booking_ids,
        changed_by,
        reason,
    )
