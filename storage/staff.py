"""Who works at a venue."""

from __future__ import annotations

from hub.models.staff import Colleague
from storage.listing import page
from storage.query import Db, maybe, run, value


async def listed(db: Db, venue_id: int, limit: int, offset: int) -> tuple[list[Colleague], int]:
    """List one page of those who work at a venue: its owner, then managers, then the desk."""
    return await page(
        db,
        Colleague,
        """
        SELECT w.venue_id, w.user_id, u.full_name, u.email::text AS email, w.role, w.since, count(*) OVER () AS total
        FROM (
            SELECT v.id AS venue_id, v.owner_id AS user_id, 'owner' AS role, v.created_at AS since FROM venues AS v
            WHERE v.id = $1
            UNION ALL
            SELECT s.venue_id, s.user_id, s.role, s.created_at FROM venue_staff AS s
            JOIN venues AS v ON v.id = s.venue_id
            WHERE s.venue_id = $1 AND s.user_id <> v.owner_id
        ) AS w JOIN users AS u ON u.id = w.user_id
        WHERE u.status <> 'deleted'
        ORDER BY array_position(ARRAY['owner', 'manager', 'desk'], w.role), lower(u.full_name), w.user_id
        LIMIT $2 OFFSET $3
        """,
        venue_id,
        limit=limit,
        offset=offset,
    )


async def find(db: Db, venue_id: int, user_id: int) -> Colleague | None:
    """Find somebody who works at a venue, its owner not among them."""
    return await maybe(
        db,
        Colleague,
        """
        SELECT s.venue_id, s.user_id, u.full_name, u.email::text AS email, s.role, s.created_at AS since
        FROM venue_staff AS s JOIN users AS u ON u.id = s.user_id
        WHERE s.venue_id = $1 AND s.user_id = $2 AND u.status <> 'deleted'
        """,
        venue_id,
        user_id,
    )


async def put(db: Db, venue_id: int, user_id: int, role: str) -> None:
    """Let somebody work at a venue, so far."""
    await run(
        db,
        """
        INSERT INTO venue_staff (venue_id, user_id, role) VALUES ($1, $2, $3)
        ON CONFLICT (venue_id, user_id) DO UPDATE SET role = excluded.role
        """,
        venue_id,
        user_id,
        role,
    )


async def remove(db: Db, venue_id: int, user_id: int) -> int:
    """Let somebody work at a venue no longer."""
    return await run(db, "DELETE FROM venue_staff WHERE venue_id = $1 AND user_id = $2", venue_id, user_id)


async def owner_of(db: Db, venue_id: int) -> int | None:
    """Tell who owns a venue."""
    owner_id: int | None = await value(db, "SELECT owner_id FROM venues WHERE id = $1", venue_id)
    return owner_id


async def tie_of_email(db: Db, venue_id: int, email: str) -> str | None:
    """Tell what ties whoever has an e-mail address to a venue already: owner, manager, desk, or nothing."""
    found: str | None = await value(
        db,
        """
        SELECT CASE WHEN v.owner_id = u.id THEN 'owner' ELSE s.role END
        FROM users AS u CROSS JOIN venues AS v
        LEFT JOIN venue_staff AS s ON s.venue_id = v.id AND s.user_id = u.id
        WHERE u.email = $2::text::citext AND v.id = $1
        """,
        venue_id,
        email,
    )
    return found
