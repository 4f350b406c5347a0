"""Ending what nobody confirmed in time."""

from __future__ import annotations

from storage.event_log import Told
from storage.query import Db, value


async def expire(db: Db, at_most: int) -> list[Told]:
    """End the bookings whose time ran out, give back what they held, and answer what to publish."""
    rows = await db.fetch(
        """
        SELECT e.room, e.version, e.name, e.at, e.data, e.outbox_id
        FROM (SELECT set_config('hub.author', encode('{"asked": "expiry"}', 'hex'), true) AS author) AS said
        CROSS JOIN LATERAL expire_bookings(CASE WHEN said.author IS NOT NULL THEN $1::integer END) AS e
        """,
        at_most,
    )
    return [Told(*row) for row in rows]


async def seconds_to_next(db: Db) -> float | None:
    """Read how soon the next booking runs out; None when none waits."""
    seconds: float | None = await value(
        db,
        """
        SELECT extract(epoch FROM min(expires_at) - clock_timestamp())::float8 FROM bookings
        WHERE expires_at IS NOT NULL
        """,
    )
    return seconds
