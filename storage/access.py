"""Who works where: the look-ups behind every judgement of rights."""

from __future__ import annotations

from typing import Literal

from storage.query import Db, column, run, value

Tie = Literal["owner", "manager", "desk"]


async def tie(db: Db, venue_id: int, user_id: int) -> Tie | None:
    """Tell what ties a person to a venue: owner, manager, desk, or nothing."""
    found: Tie | None = await value(
        db,
        """
        SELECT CASE WHEN v.owner_id = $2 THEN 'owner' ELSE s.role END
        FROM venues AS v LEFT JOIN venue_staff AS s ON s.venue_id = v.id AND s.user_id = $2
        WHERE v.id = $1 AND v.deleted_at IS NULL
        """,
        venue_id,
        user_id,
    )
    return found


async def lock_venue(db: Db, venue_id: int) -> None:
    """Let nobody else change this venue's inventory until commit; bookings go on."""
    await run(db, "SELECT 1 FROM venues WHERE id = $1 FOR NO KEY UPDATE", venue_id)


async def venues_of(db: Db, user_id: int) -> list[int]:
    """List the venues a person owns or works at."""
    return await column(
        db,
        """
        SELECT v.id FROM venues AS v
        WHERE v.deleted_at IS NULL AND (v.owner_id = $1
              OR EXISTS (SELECT 1 FROM venue_staff AS s WHERE s.venue_id = v.id AND s.user_id = $1))
        ORDER BY v.id
        """,
        user_id,
    )


async def venues_of_booking(db: Db, booking_id: int) -> list[int]:
    """List the venues a booking has items at."""
    return await column(
        db, "SELECT DISTINCT venue_id FROM booking_items WHERE booking_id = $1 ORDER BY venue_id", booking_id
    )
