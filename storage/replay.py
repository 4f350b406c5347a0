"""The event log read back: what a follower missed, what still waits to be published, and what is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from storage.event_log import Told
from storage.query import Db, column, many, one, value


class Position(BaseModel):
    """How far a room's log reaches: its epoch, its newest version, and up to which one it is forgotten."""

    epoch: str
    version: int
    floor: int


class Span(BaseModel):
    """The versions of one room up to which its events may be forgotten."""

    room: str
    last: int


@dataclass(frozen=True, slots=True)
class Unsent:
    """One transaction whose events Redis has not taken: per room the first and last version."""

    outbox_id: int
    rooms: list[str]
    firsts: list[int]
    lasts: list[int]


async def position(db: Db, room: str) -> Position:
    """Read where a room's log stands; a room of which nothing was told yet stands at zero."""
    return await one(
        db,
        Position,
        """
        SELECT e.epoch, coalesce(r.version, 0) AS version, coalesce(r.floor, 0) AS floor
        FROM live_epoch AS e LEFT JOIN live_rooms AS r ON r.room = $1
        """,
        room,
    )


async def since(db: Db, room: str, version: int, at_most: int) -> list[Told]:
    """Read a room's events after a version, in order."""
    rows = await db.fetch(
        """
        SELECT room, version, name, at, data::text, 0 AS outbox_id FROM events
        WHERE room = $1 AND version > $2 ORDER BY version LIMIT $3
        """,
        room,
        version,
        at_most,
    )
    return [Told(*row) for row in rows]


async def since_each(db: Db, rooms: Sequence[str], versions: Sequence[int], at_most: int) -> list[Told]:
    """Read the events of each room after its version, in order, `at_most` of each."""
    rows = await db.fetch(
        """
        SELECT missed.room, missed.version, missed.name, missed.at, missed.data::text, 0 AS outbox_id
        FROM unnest($1::text[], $2::bigint[]) AS known (room, version)
        CROSS JOIN LATERAL (
            SELECT e.room, e.version, e.name, e.at, e.data FROM events AS e
            WHERE e.room = known.room AND e.version > known.version ORDER BY e.version LIMIT $3
        ) AS missed
        ORDER BY missed.room, missed.version
        """,
        rooms,
        versions,
        at_most,
    )
    return [Told(*row) for row in rows]


async def lock_unsent(db: Db, older_than: float, at_most: int) -> list[Unsent]:
    """Lock transactions told at least so many seconds ago that Redis has not taken; another worker's are left to it."""
    rows = await db.fetch(
        """
        SELECT id, rooms, firsts, lasts FROM outbox
        WHERE at <= clock_timestamp() - make_interval(secs => $1)
        ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
        """,
        older_than,
        at_most,
    )
    return [Unsent(*row) for row in rows]


async def told_in(db: Db, rooms: Sequence[str], firsts: Sequence[int], lasts: Sequence[int]) -> list[Told]:
    """Read the events of these spans of versions; one that is forgotten already is left out."""
    rows = await db.fetch(
        """
        SELECT e.room, e.version, e.name, e.at, e.data::text, 0 AS outbox_id
        FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS span (room, first, last)
        JOIN events AS e ON e.room = span.room AND e.version BETWEEN span.first AND span.last
        ORDER BY e.room, e.version
        """,
        rooms,
        firsts,
        lasts,
    )
    return [Told(*row) for row in rows]


async def outdated(db: Db, hours: float) -> list[Span]:
    """List the rooms that have events older than so many hours, and up to which version."""
    return await many(
        db,
        Span,
        """
        SELECT room, max(version) AS last FROM events
        WHERE at < clock_timestamp() - make_interval(secs => $1 * 3600) GROUP BY room ORDER BY room
        """,
        hours,
    )


async def forget(db: Db, room: str, last: int, at_most: int) -> int:
    """Forget a room's oldest events up to a version and raise its floor; one room a statement, so only one lock."""
    return int(
        await value(
            db,
            """
            WITH raised AS (
                UPDATE live_rooms SET floor = least($2, floor + $3) WHERE room = $1 AND floor < $2 RETURNING floor
            ), gone AS (
                DELETE FROM events AS e USING raised WHERE e.room = $1 AND e.version <= raised.floor RETURNING 1
            )
            SELECT count(*) FROM gone
            """,
            room,
            last,
            at_most,
        )
    )


async def bookings_of_desk(db: Db, venue_id: int, at_most: int) -> list[str]:
    """Read, newest first, the bookings a desk works with: live and not over since a day, or changed lately."""
    return await column(
        db,
        """
        WITH recent AS (
            SELECT b.id FROM booking_items AS i JOIN bookings AS b ON b.id = i.booking_id
            WHERE i.venue_id = $1
              AND ((b.status IN ('held', 'pending', 'confirmed') AND i.ends_at > clock_timestamp() - interval '1 day')
                   OR b.updated_at > clock_timestamp() - interval '24 hours')
            GROUP BY b.id ORDER BY b.id DESC LIMIT $2
        )
        SELECT d.document::text FROM booking_documents(ARRAY(SELECT r.id FROM recent AS r), $1) AS d
        ORDER BY d.booking_id DESC
        """,
        venue_id,
        at_most,
    )


async def bookings_of_user(db: Db, user_id: int, at_most: int) -> list[str]:
    """Read, newest first, a person's bookings that are live or changed within the last 30 days."""
    return await column(
        db,
        """
        WITH recent AS (
            SELECT b.id FROM bookings AS b
            WHERE b.user_id = $1 AND (b.status IN ('held', 'pending', 'confirmed')
                                      OR b.updated_at > clock_timestamp() - interval '30 days')
            ORDER BY b.id DESC LIMIT $2
        )
        SELECT d.document::text FROM booking_documents(ARRAY(SELECT r.id FROM recent AS r), NULL) AS d
        ORDER BY d.booking_id DESC
        """,
        user_id,
        at_most,
    )


async def availability_now(db: Db, venue_id: int) -> str:
    """Read, as JSON text, the state of everything at a venue that is not simply free."""
    return str(await value(db, "SELECT availability_now($1)::text", venue_id))
