"""Add-ons, as they stand in the database."""

from __future__ import annotations

from typing import Any

from hub.models.addons import Addon, ListAddons
from storage.listing import page, part
from storage.query import Db, maybe, run, value


async def find(db: Db, addon_id: int) -> Addon | None:
    """Read an add-on that is not deleted, nor its venue."""
    return await maybe(
        db,
        Addon,
        """
        SELECT a.id, a.venue_id, a.name, a.description, a.price, a.price_per, v.currency, a.stock, a.is_active,
               a.created_at, a.updated_at
        FROM addons AS a JOIN venues AS v ON v.id = a.venue_id
        WHERE a.id = $1 AND a.deleted_at IS NULL AND v.deleted_at IS NULL
        """,
        addon_id,
    )


async def listed(db: Db, ask: ListAddons, user_id: int | None, *, sees_everything: bool) -> tuple[list[Addon], int]:
    """List one page of the add-ons that this person may see."""
    return await page(
        db,
        Addon,
        """
        SELECT a.id, a.venue_id, a.name, a.description, a.price, a.price_per, v.currency, a.stock, a.is_active,
               a.created_at, a.updated_at, count(*) OVER () AS total
        FROM addons AS a JOIN venues AS v ON v.id = a.venue_id
        WHERE a.deleted_at IS NULL AND v.deleted_at IS NULL
          AND (v.is_active OR $2::boolean OR v.owner_id = $1::bigint
               OR EXISTS (SELECT 1 FROM venue_staff AS s WHERE s.venue_id = v.id AND s.user_id = $1))
          AND ($3::bigint IS NULL OR a.venue_id = $3)
          AND ($4::text IS NULL OR a.name ILIKE $4 OR a.description ILIKE $4)
          AND ($5::text IS NULL OR a.price_per = $5)
          AND ($6::boolean IS NULL OR a.is_active = $6)
        ORDER BY CASE WHEN $7::text = 'name' THEN lower(a.name) END,
                 CASE WHEN $7 = 'price' THEN a.price END,
                 CASE WHEN $7 = '-price' THEN a.price END DESC,
                 CASE WHEN $7 = 'newest' THEN a.id END DESC,
                 a.id
        LIMIT $8 OFFSET $9
        """,
        user_id,
        sees_everything,
        ask.venue_id,
        part(ask.q),
        ask.price_per,
        ask.is_active,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def create(db: Db, venue_id: int, fields: dict[str, Any]) -> int:
    """Write a new add-on; answers its id."""
    created: int = await value(
        db,
        """
        INSERT INTO addons (venue_id, name, description, price, price_per, stock, is_active)
        SELECT $1, n.name, n.description, n.price, n.price_per, n.stock, n.is_active
        FROM jsonb_populate_record(NULL::addons, $2) AS n
        RETURNING id
        """,
        venue_id,
        fields,
    )
    return created


async def change(db: Db, addon_id: int, fields: dict[str, Any]) -> None:
    """Write the fields given; the others stay as they are."""
    await run(
        db,
        """
        UPDATE addons AS a
        SET name = n.name, description = n.description, price = n.price, price_per = n.price_per,
            stock = n.stock, is_active = n.is_active, updated_at = clock_timestamp()
        FROM addons AS o CROSS JOIN LATERAL jsonb_populate_record(o, $2) AS n
        WHERE o.id = $1 AND a.id = o.id
        """,
        addon_id,
        fields,
    )


async def delete(db: Db, addon_id: int) -> None:
    """Mark an add-on deleted."""
    await run(
        db, "UPDATE addons SET deleted_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1", addon_id
    )
