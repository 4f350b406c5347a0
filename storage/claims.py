"""Claims: what makes an item, a session or a closure exclusive (SQL in 0005_claims.sql and 0008_releasing.sql)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from storage.query import Db, run, span


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing to be claimed: a room for a time, a pool's night, or places in a session; by one owner."""

    booking_id: int | None = None
    item_id: int | None = None
    session_id: int | None = None
    closure_id: int | None = None
    room_id: int | None = None
    busy: tuple[datetime, datetime] | None = None
    room_type_id: int | None = None
    night: date | None = None
    place_session_id: int | None = None
    quantity: int = 1
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A claim that cannot be had: which of those asked (from 0), why, and until when it is only held."""

    item: int
    reason: str
    held_until: datetime | None


def as_asks(claims: Sequence[Claim]) -> list[tuple[Any, ...]]:
    """Write claims in the order of the database's type `claim_ask`, as one ask."""
    return [
        (
            1,
            place,
            claim.booking_id,
            claim.item_id,
            claim.session_id,
            claim.closure_id,
            claim.room_id,
            claim.busy and span(*claim.busy),
            claim.room_type_id,
            claim.night,
            claim.place_session_id,
            claim.quantity,
            claim.expires_at,
        )
        for place, claim in enumerate(claims)
    ]


async def acquire(db: Db, claims: Sequence[Claim]) -> list[Refusal]:
    """Claim all of these or, answering why, none; locks what they name in the one order."""
    rows = await db.fetch("SELECT item, reason, held_until FROM acquire($1::claim_ask[])", as_asks(claims))
    return [Refusal(*row) for row in rows]


async def lock(db: Db, claims: Sequence[Claim]) -> None:
    """Lock what these name, in the one order, before old claims are given back for them."""
    await run(db, "SELECT lock_claimed($1::claim_ask[])", as_asks(claims))


async def lock_owned(db: Db, session_ids: Sequence[int], closure_ids: Sequence[int]) -> None:
    """Lock, in the one order, what these sessions and closures have claimed."""
    await run(
        db,
        """
        SELECT lock_claimed(ARRAY(
            SELECT ROW(1, 1, NULL, NULL, NULL, NULL, c.room_id, c.busy, c.room_type_id, c.night, c.place_session_id,
                       c.quantity, c.expires_at)::claim_ask
            FROM claims AS c WHERE c.session_id = ANY ($1::bigint[]) OR c.closure_id = ANY ($2::bigint[])))
        """,
        session_ids,
        closure_ids,
    )


async def release_bookings(db: Db, booking_ids: Sequence[int]) -> None:
    """Give back what these locked bookings have claimed."""
    await run(db, "SELECT release_claims($1::bigint[], '{}', '{}')", booking_ids)


async def release_items(db: Db, booking_id: int, item_ids: Sequence[int]) -> None:
    """Give back what these items of a locked booking have claimed."""
    await run(db, "SELECT release_claims(ARRAY[$1::bigint], '{}', '{}', $2::bigint[])", booking_id, item_ids)


async def release_sessions(db: Db, session_ids: Sequence[int]) -> None:
    """Give back the rooms these sessions occupy."""
    await run(db, "SELECT release_claims('{}', $1::bigint[], '{}')", session_ids)


async def release_closures(db: Db, closure_ids: Sequence[int]) -> None:
    """Give back what these closures close."""
    await run(db, "SELECT release_claims('{}', '{}', $1::bigint[])", closure_ids)


async def extend(db: Db, booking_id: int, until: datetime | None) -> None:
    """Let a locked booking's claims live until then; None makes them firm."""
    await run(db, "SELECT extend_claims($1, $2)", booking_id, until)
