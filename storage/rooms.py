"""Rooms, as they stand in the database."""

from __future__ import annotations

from typing import Any

from hub.models.rooms import ListRooms, Room
from storage.listing import page
from storage.query import Db, column, many, maybe, run, value


async def find(db: Db, room_id: int) -> Room | None:
    """Read a room that is not deleted, nor its venue."""
    return await maybe(
        db,
        Room,
        """
        SELECT r.id, r.venue_id, r.room_type_id, r.number, r.floor, r.images, r.status, r.is_active,
               r.created_at, r.updated_at
        FROM rooms AS r JOIN venues AS v ON v.id = r.venue_id
        WHERE r.id = $1 AND r.deleted_at IS NULL AND v.deleted_at IS NULL
        """,
        room_id,
    )


async def of_type(db: Db, room_type_id: int) -> list[Room]:
    """Read all rooms of a type, in the order of their numbers."""
    return await many(
        db,
        Room,
        """
        SELECT id, venue_id, room_type_id, number, floor, images, status, is_active, created_at, updated_at
        FROM rooms WHERE room_type_id = $1 AND deleted_at IS NULL
        ORDER BY length(number), number, id
        """,
        room_type_id,
    )


async def of_venue(db: Db, venue_id: int) -> list[Room]:
    """Read all rooms of a venue."""
    return await many(
        db,
        Room,
        """
        SELECT id, venue_id, room_type_id, number, floor, images, status, is_active, created_at, updated_at
        FROM rooms WHERE venue_id = $1 AND deleted_at IS NULL
        ORDER BY id
        """,
        venue_id,
    )


async def listed(db: Db, ask: ListRooms, user_id: int | None, *, sees_everything: bool) -> tuple[list[Room], int]:
    """List one page of the rooms that this person may see."""
    return await page(
        db,
        Room,
        """
        SELECT r.id, r.venue_id, r.room_type_id, r.number, r.floor, r.images, r.status, r.is_active,
               r.created_at, r.updated_at, count(*) OVER () AS total
        FROM rooms AS r JOIN venues AS v ON v.id = r.venue_id JOIN room_types AS t ON t.id = r.room_type_id
        WHERE r.deleted_at IS NULL AND v.deleted_at IS NULL
          AND (v.is_active OR $2::boolean OR v.owner_id = $1::bigint
               OR EXISTS (SELECT 1 FROM venue_staff AS s WHERE s.venue_id = v.id AND s.user_id = $1))
          AND ($3::bigint IS NULL OR r.venue_id = $3)
          AND ($4::bigint IS NULL OR r.room_type_id = $4)
          AND ($5::text IS NULL OR r.number = $5)
          AND ($6::integer IS NULL OR r.floor = $6)
          AND ($7::text IS NULL OR r.status = $7)
          AND ($8::boolean IS NULL OR r.is_active = $8)
          AND ($9::integer IS NULL OR t.capacity >= $9)
          AND ($10::bigint IS NULL OR t.price >= $10)
          AND ($11::bigint IS NULL OR t.price <= $11)
          AND lower($12::text[]::text)::text[] <@ lower(t.amenities::text)::text[]
        ORDER BY CASE WHEN $13::text = 'number' THEN length(r.number) END,
                 CASE WHEN $13 = 'number' THEN r.number END,
                 CASE WHEN $13 = '-number' THEN length(r.number) END DESC,
                 CASE WHEN $13 = '-number' THEN r.number END DESC,
                 CASE WHEN $13 = 'floor' THEN r.floor END,
                 CASE WHEN $13 = 'price' THEN t.price END,
                 CASE WHEN $13 = '-price' THEN t.price END DESC,
                 CASE WHEN $13 = 'newest' THEN r.id END DESC,
                 r.id
        LIMIT $14 OFFSET $15
        """,
        user_id,
        sees_everything,
        ask.venue_id,
        ask.room_type_id,
        ask.number,
        ask.floor,
        ask.status,
        ask.is_active,
        ask.guests,
        ask.min_price,
        ask.max_price,
        ask.amenities,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def create(db: Db, venue_id: int, room_type_id: int, fields: dict[str, Any]) -> int:
    """Write a new room; answers its id."""
    created: int = await value(
        db,
        """
        INSERT INTO rooms (venue_id, room_type_id, number, floor, images, status, is_active)
        SELECT $1, $2, n.number, n.floor, n.images, n.status, n.is_active
        FROM jsonb_populate_record(NULL::rooms, $3) AS n
        RETURNING id
        """,
        venue_id,
        room_type_id,
        fields,
    )
    return created


async def create_numbered(db: Db, venue_id: int, room_type_id: int, quantity: int) -> list[int]:
    """Write so many new rooms, numbered on from the venue's highest number, or from 101; answers their ids."""
    return await column(
        db,
        """
        INSERT INTO rooms (venue_id, room_type_id, number)
        SELECT $1, $2, highest.number + n
        FROM (SELECT coalesce(max(r.number::bigint), 100) AS number FROM rooms AS r
              WHERE r.venue_id = $1 AND r.deleted_at IS NULL AND r.number ~ '^[0-9]{1,12}$') AS highest,
             generate_series(1, $3) AS n
        RETURNING id
        """,
        venue_id,
        room_type_id,
        quantity,
    )


async def change(db: Db, room_id: int, fields: dict[str, Any]) -> None:
    """Write the fields given; the others stay as they are."""
    await run(
        db,
        """
        UPDATE rooms AS r
        SET number = n.number, floor = n.floor, images = n.images, status = n.status, is_active = n.is_active,
            updated_at = clock_timestamp()
        FROM rooms AS o CROSS JOIN LATERAL jsonb_populate_record(o, $2) AS n
        WHERE o.id = $1 AND r.id = o.id
        """,
        room_id,
        fields,
    )


async def delete(db: Db, room_ids: list[int]) -> None:
    """Mark rooms deleted; their numbers can be given again."""
    await run(
        db,
        "UPDATE rooms SET deleted_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = ANY ($1::bigint[])",
        room_ids,
    )
