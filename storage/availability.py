"""What is free, held or taken right now, by the database's clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel

from hub.models.availability import SessionState
from storage.query import Db, column, many, maybe


class Busy(BaseModel):
    """A time a room is not free, buffers included."""

    room_id: int
    starts_at: datetime
    ends_at: datetime
    state: Literal["held", "taken", "closed"]
    held_until: datetime | None


class Night(BaseModel):
    """A pool's counts for one night."""

    night: date
    total: int
    taken: int
    held: int
    free: int
    held_until: datetime | None


async def busy(db: Db, room_ids: Sequence[int], begin: datetime, end: datetime) -> list[Busy]:
    """List the times these rooms are not free between two instants, in order."""
    return await many(
        db,
        Busy,
        """
        SELECT c.room_id, lower(c.busy) AS starts_at, upper(c.busy) AS ends_at,
               CASE WHEN c.closure_id IS NOT NULL THEN 'closed' WHEN c.expires_at IS NULL THEN 'taken' ELSE 'held' END
                   AS state,
               c.expires_at AS held_until
        FROM claims AS c
        WHERE c.room_id = ANY ($1::bigint[]) AND c.busy && tstzrange($2, $3)
          AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())
        ORDER BY c.room_id, lower(c.busy)
        """,
        room_ids,
        begin,
        end,
    )


async def rooms_on_sale(db: Db, room_type_id: int) -> list[int]:
    """List the rooms of a type that can be sold at all."""
    return await column(
        db,
        """
        SELECT id FROM rooms
        WHERE room_type_id = $1 AND deleted_at IS NULL AND is_active AND status NOT IN ('maintenance', 'out_of_service')
        ORDER BY id
        """,
        room_type_id,
    )


async def free_rooms(
    db: Db, room_type_id: int, begin: datetime, end: datetime, moving_booking_id: int | None = None
) -> list[int]:
    """List the rooms of a type that nobody has claimed between two instants.

    A booking that is about to move is no obstacle to itself, and comes first to the room it has.
    """
    return await column(
        db,
        """
        SELECT r.id FROM rooms AS r
        WHERE r.room_type_id = $1 AND r.deleted_at IS NULL AND r.is_active
          AND r.status NOT IN ('maintenance', 'out_of_service')
          AND NOT EXISTS (
              SELECT 1 FROM claims AS c WHERE c.room_id = r.id AND c.busy && tstzrange($2, $3)
              AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())
              AND c.booking_id IS DISTINCT FROM $4::bigint)
        ORDER BY EXISTS (SELECT 1 FROM claims AS c WHERE c.room_id = r.id AND c.booking_id = $4) DESC, r.id
        """,
        room_type_id,
        begin,
        end,
        moving_booking_id,
    )


async def nights(db: Db, room_type_id: int, first: date, after: date) -> list[Night]:
    """Count a pool's rooms for each night from `first` until before `after`; a night nobody asked for is all free."""
    return await many(
        db,
        Night,
        """
        SELECT n.night::date AS night, coalesce(p.total, t.total_rooms) AS total,
               coalesce(p.taken - p.held, 0) AS taken, coalesce(p.held - w.expired, 0) AS held,
               coalesce(p.total - p.taken + w.expired, t.total_rooms) AS free, w.held_until
        FROM room_types AS t
        CROSS JOIN generate_series($2::date, $3::date - 1, interval '1 day') AS n (night)
        LEFT JOIN pool_nights AS p ON p.room_type_id = t.id AND p.night = n.night::date
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(c.quantity) FILTER (WHERE c.expires_at <= clock_timestamp()), 0) AS expired,
                   min(c.expires_at) FILTER (WHERE c.expires_at > clock_timestamp()) AS held_until
            FROM claims AS c
            WHERE p.held > 0 AND c.room_type_id = p.room_type_id AND c.night = p.night AND c.expires_at IS NOT NULL
        ) AS w ON true
        WHERE t.id = $1
        ORDER BY n.night
        """,
        room_type_id,
        first,
        after,
    )


async def places(db: Db, session_id: int) -> SessionState | None:
    """Count a session's places."""
    return await maybe(
        db,
        SessionState,
        """
        SELECT 'session' AS kind, p.session_id, p.total, p.taken - p.held AS taken, p.held - w.expired AS held,
               p.total - p.taken + w.expired AS free, w.held_until
        FROM session_places AS p
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT sum(c.quantity) FROM claims AS c
                             WHERE c.place_session_id = p.session_id AND c.expires_at <= clock_timestamp()), 0)
                       AS expired,
                   (SELECT min(c.expires_at) FROM claims AS c
                    WHERE c.place_session_id = p.session_id AND c.expires_at > clock_timestamp()) AS held_until
        ) AS w
        WHERE p.session_id = $1
        """,
        session_id,
    )
