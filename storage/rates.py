"""Rates of room types, as they stand in the database."""

from __future__ import annotations

from typing import Any

from hub.models.rates import ListRates, Rate
from storage.listing import page, part
from storage.query import Db, maybe, run, value


async def find(db: Db, rate_id: int) -> Rate | None:
    """Read a rate that is not deleted, nor its room type or venue."""
    return await maybe(
        db,
        Rate,
        """
        SELECT r.id, r.venue_id, r.room_type_id, r.name, r.starts_on, r.ends_on, r.weekdays, r.price, r.percent,
               v.currency, r.created_at, r.updated_at
        FROM rates AS r JOIN room_types AS t ON t.id = r.room_type_id JOIN venues AS v ON v.id = r.venue_id
        WHERE r.id = $1 AND r.deleted_at IS NULL AND t.deleted_at IS NULL AND v.deleted_at IS NULL
        """,
        rate_id,
    )


async def listed(db: Db, ask: ListRates, user_id: int | None, *, sees_everything: bool) -> tuple[list[Rate], int]:
    """List one page of the rates that this person may see."""
    return await page(
        db,
        Rate,
        """
        SELECT r.id, r.venue_id, r.room_type_id, r.name, r.starts_on, r.ends_on, r.weekdays, r.price, r.percent,
               v.currency, r.created_at, r.updated_at, count(*) OVER () AS total
        FROM rates AS r JOIN room_types AS t ON t.id = r.room_type_id JOIN venues AS v ON v.id = r.venue_id
        WHERE r.deleted_at IS NULL AND t.deleted_at IS NULL AND v.deleted_at IS NULL
          AND (v.is_active OR $2::boolean OR v.owner_id = $1::bigint
               OR EXISTS (SELECT 1 FROM venue_staff AS s WHERE s.venue_id = v.id AND s.user_id = $1))
          AND ($3::bigint IS NULL OR r.venue_id = $3)
          AND ($4::bigint IS NULL OR r.room_type_id = $4)
          AND ($5::text IS NULL OR r.name ILIKE $5)
          AND ($6::date IS NULL OR $6 BETWEEN coalesce(r.starts_on, '-infinity') AND coalesce(r.ends_on, 'infinity'))
        ORDER BY CASE WHEN $7::text = 'starts_on' THEN r.starts_on END NULLS FIRST,
                 CASE WHEN $7 = 'name' THEN lower(r.name) END,
                 CASE WHEN $7 = 'newest' THEN r.id END DESC,
                 r.id
        LIMIT $8 OFFSET $9
        """,
        user_id,
        sees_everything,
        ask.venue_id,
        ask.room_type_id,
        part(ask.q),
        ask.on,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def create(db: Db, venue_id: int, fields: dict[str, Any]) -> int:
    """Write a new rate; answers its id."""
    created: int = await value(
        db,
        """
        INSERT INTO rates (venue_id, room_type_id, name, starts_on, ends_on, weekdays, price, percent)
        SELECT $1, n.room_type_id, n.name, n.starts_on, n.ends_on, n.weekdays, n.price, n.percent
        FROM jsonb_populate_record(NULL::rates, $2) AS n
        RETURNING id
        """,
        venue_id,
        fields,
    )
    return created


async def change(db: Db, rate_id: int, fields: dict[str, Any]) -> None:
    """Write the fields given; the others stay as they are."""
    await run(
        db,
        """
        UPDATE rates AS r
        SET name = n.name, starts_on = n.starts_on, ends_on = n.ends_on, weekdays = n.weekdays, price = n.price,
            percent = n.percent, updated_at = clock_timestamp()
        FROM rates AS o CROSS JOIN LATERAL jsonb_populate_record(o, $2) AS n
        WHERE o.id = $1 AND r.id = o.id
        """,
        rate_id,
        fields,
    )


async def delete(db: Db, rate_id: int) -> None:
    """Mark a rate deleted."""
    await run(
        db, "UPDATE rates SET deleted_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1", rate_id
    )
