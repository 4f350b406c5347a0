"""Frozen quotes: what was agreed with bookings, each content kept once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel

from hub.models.terms import Plan
from storage.query import Db, maybe, run


@dataclass(frozen=True, slots=True)
class Content:
    """What was agreed, as JSON; the same is kept once, under an id that is the first 63 bits of its hash (SHA-256)."""

    text: str
    hash: bytes
    id: int

    @classmethod
    def of(cls, text: str) -> Content:
        """Name what was agreed by its hash."""
        named = hashlib.sha256(text.encode()).digest()
        return cls(text, named, int.from_bytes(named[:8], "big") >> 1)


Kept = tuple[list[int], list[bytes], list[str]]


def columns(contents: Iterable[Content]) -> Kept:
    """Put contents as keep_quotes() of 0028_quotes_by_content.sql takes them, each once."""
    once = {one.id: one for one in contents}
    return list(once), [one.hash for one in once.values()], [one.text for one in once.values()]


async def keep(db: Db, content: Content) -> None:
    """Keep what was agreed, unless it is known."""
    await run(db, "SELECT keep_quotes($1, $2, $3)", *columns([content]))


class Used(BaseModel):
    """What a booking uses of what is limited, and the plan by which it is paid."""

    user_id: int
    plan: Plan | None
    offer_id: int | None
    points: int
    as_student: bool


async def used(db: Db, booking_id: int) -> Used | None:
    """Read what a booking uses of offers, points and student discounts."""
    return await maybe(
        db, Used, "SELECT user_id, plan, offer_id, points, as_student FROM bookings WHERE id = $1", booking_id
    )


async def put(db: Db, booking_id: int, quote_id: int, *, offer_id: int | None, points: int, as_student: bool) -> None:
    """Note what is agreed with a booking from now on, and what it uses; a plan that was chosen is chosen anew."""
    await run(
        db,
        """
        UPDATE bookings SET quote_id = $2, offer_id = $3, points = $4, as_student = $5, plan = NULL,
               updated_at = clock_timestamp()
        WHERE id = $1
        """,
        booking_id,
        quote_id,
        offer_id,
        points,
        as_student,
    )


async def number_items(db: Db, booking_id: int) -> None:
    """Count a booking's items from 1 again, after some have left a basket whose quote names them; fees stay behind."""
    await run(
        db,
        """
        UPDATE booking_items AS i SET position = n.position
        FROM (SELECT k.id, row_number() OVER (ORDER BY k.position) AS position FROM booking_items AS k
              WHERE k.booking_id = $1 AND k.kind <> 'fee') AS n
        WHERE i.id = n.id AND i.position <> n.position
        """,
        booking_id,
    )
