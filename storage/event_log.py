"""The event log: append as the last act of a transaction, read back, and what still waits to be published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from storage.query import Db, run, span, value


class Told(NamedTuple):
    """One event as it stands in the log; `data` is JSON text."""

    room: str
    version: int
    name: str
    at: datetime
    data: str
    outbox_id: int


@dataclass(frozen=True, slots=True)
class Touched:
    """Something whose availability may have changed: a room for a time, a pool's night, or a session."""

    room_id: int | None = None
    busy: Any = None  # a pair of instants, or the range as it was read
    room_type_id: int | None = None
    night: Any = None
    session_id: int | None = None

    def row(self) -> tuple[Any, ...]:
        """Answer the fields in the order of the database's type `touched`."""
        busy = span(*self.busy) if isinstance(self.busy, tuple) else self.busy
        return (self.room_id, busy, self.room_type_id, self.night, self.session_id)


async def tell(
    db: Db,
    rooms: Sequence[str],
    names: Sequence[str],
    data: Sequence[str],
    booking_ids: Sequence[int],
    facts: Sequence[str],
    touched: Sequence[Touched],
) -> list[Told]:
    """Append events, one fact for each booking named, and what became of the things touched; last before commit."""
    rows = await db.fetch(
        """
        SELECT room, version, name, at, data, outbox_id
        FROM tell($1::text[], $2::text[], $3::json[], $4::bigint[], $5::text[],
                  $6::touched[] || touched_by_bookings($4::bigint[]))
        """,
        rooms,
        names,
        data,
        booking_ids,
        facts,
        [thing.row() for thing in touched],
    )
    return [Told(*row) for row in rows]


async def touched_by_bookings(db: Db, booking_ids: Sequence[int]) -> list[Touched]:
    """List what these bookings' items touch as they now are; a reschedule asks before it changes them."""
    rows = await db.fetch(
        "SELECT room_id, busy, room_type_id, night, session_id FROM unnest(touched_by_bookings($1::bigint[]))",
        booking_ids,
    )
    return [Touched(*row) for row in rows]


async def touched_by_claims(db: Db, session_ids: Sequence[int], closure_ids: Sequence[int]) -> list[Touched]:
    """List what the claims of these sessions and closures touch."""
    rows = await db.fetch(
        """
        SELECT room_id, busy, room_type_id, night, NULL::bigint AS session_id FROM claims
        WHERE session_id = ANY ($1::bigint[]) OR closure_id = ANY ($2::bigint[])
        """,
        session_ids,
        closure_ids,
    )
    return [Touched(*row) for row in rows]


async def epoch(db: Db) -> str:
    """Read the epoch; when it changes every version a client knows is void."""
    return str(await value(db, "SELECT epoch FROM live_epoch"))


class Unsent(NamedTuple):
    """How many transactions' events Redis has not taken yet, and for how many seconds the oldest has waited."""

    transactions: int
    seconds: float


async def unsent(db: Db) -> Unsent:
    """Count what waits for Redis, whichever worker has to send it."""
    row = await db.fetchrow(
        "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 FROM outbox"
    )
    assert row is not None
    return Unsent(*row)


async def forget_sent(db: Db, outbox_ids: Sequence[int]) -> int:
    """Note that Redis took these transactions' events."""
    return await run(db, "DELETE FROM outbox WHERE id = ANY ($1::bigint[])", outbox_ids)
