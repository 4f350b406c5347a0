"""Where to look for something nearby when what was asked for cannot be had."""

from __future__ import annotations

from storage.query import Db, column


async def siblings(db: Db, room_id: int) -> list[int]:
    """List the other rooms of a room's type."""
    return await column(
        db,
        """
        SELECT o.id FROM rooms AS r JOIN rooms AS o ON o.room_type_id = r.room_type_id AND o.id <> r.id
        WHERE r.id = $1 AND o.deleted_at IS NULL ORDER BY o.id LIMIT 20
        """,
        room_id,
    )


async def sessions_with_places(db: Db, session_id: int, quantity: int, most: int) -> list[int]:
    """List the sessions of the same venue that still have so many places, the nearest in time first."""
    return await column(
        db,
        """
        SELECT o.id FROM sessions AS s
        JOIN sessions AS o ON o.venue_id = s.venue_id AND o.id <> s.id
        JOIN session_places AS p ON p.session_id = o.id
        WHERE s.id = $1 AND o.deleted_at IS NULL AND o.status = 'active' AND o.starts_at > clock_timestamp()
          AND p.total - p.taken >= $2
        ORDER BY abs(extract(epoch FROM o.starts_at - s.starts_at)), o.id LIMIT $3
        """,
        session_id,
        quantity,
        most,
    )
