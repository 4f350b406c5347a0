"""Room types and their pools' nights, as they stand in the database."""

from __future__ import annotations

from datetime import date
from typing import Any

from hub.models.room_types import ListRoomTypes, RoomType
from storage.listing import page, part
from storage.query import Db, column, many, maybe, run, value


async def find(db: Db, room_type_id: int) -> RoomType | None:
    """Read a room type that is not deleted, nor its venue."""
    return await maybe(
        db,
        RoomType,
        """
        SELECT t.id, t.venue_id, t.name, t.description, t.capacity, t.sold_as, t.price, t.price_unit, v.currency,
               t.discount_percentage, rates_of_type(t.id) AS rates, t.bed_type, t.size_sqm, t.amenities, t.images,
               t.is_active, t.total_rooms, t.created_at, t.updated_at
        FROM room_types AS t JOIN venues AS v ON v.id = t.venue_id
        WHERE t.id = $1 AND t.deleted_at IS NULL AND v.deleted_at IS NULL
        """,
        room_type_id,
    )


async def of_venue(db: Db, venue_id: int) -> list[RoomType]:
    """Read all room types of a venue."""
    return await many(
        db,
        RoomType,
        """
        SELECT t.id, t.venue_id, t.name, t.description, t.capacity, t.sold_as, t.price, t.price_unit, v.currency,
               t.discount_percentage, rates_of_type(t.id) AS rates, t.bed_type, t.size_sqm, t.amenities, t.images,
               t.is_active, t.total_rooms, t.created_at, t.updated_at
        FROM room_types AS t JOIN venues AS v ON v.id = t.venue_id
        WHERE t.venue_id = $1 AND t.deleted_at IS NULL AND v.deleted_at IS NULL
        ORDER BY t.id
        """,
        venue_id,
    )


async def listed(
    db: Db, ask: ListRoomTypes, user_id: int | None, *, sees_everything: bool
) -> tuple[list[RoomType], int]:
    """List one page of the room types that this person may see."""
    return await page(
        db,
        RoomType,
        """
        SELECT t.id, t.venue_id, t.name, t.description, t.capacity, t.sold_as, t.price, t.price_unit, v.currency,
               t.discount_percentage, rates_of_type(t.id) AS rates, t.bed_type, t.size_sqm, t.amenities, t.images,
               t.is_active, t.total_rooms, t.created_at, t.updated_at, count(*) OVER () AS total
        FROM room_types AS t JOIN venues AS v ON v.id = t.venue_id
        WHERE t.deleted_at IS NULL AND v.deleted_at IS NULL
          AND (v.is_active OR $2::boolean OR v.owner_id = $1::bigint
               OR EXISTS (SELECT 1 FROM venue_staff AS s WHERE s.venue_id = v.id AND s.user_id = $1))
          AND ($3::bigint IS NULL OR t.venue_id = $3)
          AND ($4::text IS NULL OR t.name ILIKE $4 OR t.description ILIKE $4)
          AND ($5::text IS NULL OR t.sold_as = $5)
          AND ($6::text IS NULL OR t.price_unit = $6)
          AND ($7::boolean IS NULL OR t.is_active = $7)
          AND ($8::integer IS NULL OR t.capacity >= $8)
          AND ($9::bigint IS NULL OR t.price >= $9)
          AND ($10::bigint IS NULL OR t.price <= $10)
          AND lower($11::text[]::text)::text[] <@ lower(t.amenities::text)::text[]
        ORDER BY CASE WHEN $12::text = 'name' THEN lower(t.name) END,
                 CASE WHEN $12 = 'price' THEN t.price END,
                 CASE WHEN $12 = '-price' THEN t.price END DESC,
                 CASE WHEN $12 = 'capacity' THEN t.capacity END,
                 CASE WHEN $12 = '-capacity' THEN t.capacity END DESC,
                 CASE WHEN $12 = 'newest' THEN t.id END DESC,
                 t.id
        LIMIT $13 OFFSET $14
        """,
        user_id,
        sees_everything,
        ask.venue_id,
        part(ask.q),
        ask.sold_as,
        ask.price_unit,
        ask.is_active,
        ask.guests,
        ask.min_price,
        ask.max_price,
        ask.amenities,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def create(db: Db, venue_id: int, fields: dict[str, Any]) -> int:
    """Write a new room type; answers its id."""
    created: int = await value(
        db,
        """
        INSERT INTO room_types (venue_id, name, description, capacity, sold_as, price, price_unit, discount_percentage,
                                bed_type, size_sqm, amenities, images, is_active, total_rooms)
        SELECT $1, n.name, n.description, n.capacity, n.sold_as, n.price, n.price_unit, n.discount_percentage,
               n.bed_type, n.size_sqm, n.amenities, n.images, n.is_active, n.total_rooms
        FROM jsonb_populate_record(NULL::room_types, $2) AS n
        RETURNING id
        """,
        venue_id,
        fields,
    )
    return created


async def change(db: Db, room_type_id: int, fields: dict[str, Any]) -> None:
    """Write the fields given; the others, and the number of rooms, stay as they are."""
    await run(
        db,
        """
        UPDATE room_types AS t
        SET name = n.name, description = n.description, capacity = n.capacity, price = n.price,
            price_unit = n.price_unit, discount_percentage = n.discount_percentage, bed_type = n.bed_type,
            size_sqm = n.size_sqm, amenities = n.amenities, images = n.images, is_active = n.is_active,
            updated_at = clock_timestamp()
        FROM room_types AS o CROSS JOIN LATERAL jsonb_populate_record(o, $2) AS n
        WHERE o.id = $1 AND t.id = o.id
        """,
        room_type_id,
        fields,
    )


async def delete(db: Db, room_type_id: int) -> None:
    """Mark a room type deleted."""
    await run(
        db,
        "UPDATE room_types SET deleted_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1",
        room_type_id,
    )


async def count_rooms(db: Db, room_type_id: int) -> int:
    """Count the rooms of a type that can be sold."""
    counted: int = await value(
        db,
        """
        SELECT count(*) FROM rooms
        WHERE room_type_id = $1 AND deleted_at IS NULL AND is_active AND status IN ('available', 'occupied')
        """,
        room_type_id,
    )
    return counted


async def oversold_nights(db: Db, room_type_id: int, from_night: date, total: int) -> list[date]:
    """List the nights of a locked pool on which more than `total` rooms are taken."""
    return await column(
        db,
        "SELECT night FROM pool_nights WHERE room_type_id = $1 AND night >= $2 AND taken > $3 ORDER BY night",
        room_type_id,
        from_night,
        total,
    )


async def resize(db: Db, room_type_id: int, from_night: date, total: int) -> bool:
    """Set how many rooms of a locked type there are from a night on; tells whether that is another number."""
    resized = await run(
        db,
        "UPDATE room_types SET total_rooms = $2, updated_at = clock_timestamp() WHERE id = $1 AND total_rooms <> $2",
        room_type_id,
        total,
    )
    await run(
        db,
        "UPDATE pool_nights SET total = $3 WHERE room_type_id = $1 AND night >= $2 AND total <> $3",
        room_type_id,
        from_night,
        total,
    )
    return resized > 0
