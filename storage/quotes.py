"""Frozen quotes: what was agreed with bookings, each content kept once."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from hub.models.terms import Plan
from storage.query import Db, maybe, run


async def freeze(db: Db, hashes: Sequence[bytes], quotes: Sequence[str]) -> list[int]:
    """Keep quotes (JSON) under the hashes of their content; answers their ids in order, the known ones' too."""
    await run(
        db,
        """
        INSERT INTO frozen_quotes (hash, quote)
        SELECT DISTINCT ON (q.hash) q.hash, q.quote::jsonb FROM unnest($1::bytea[], $2::text[]) AS q (hash, quote)
        ORDER BY q.hash
        ON CONFLICT (hash) DO NOTHING
        """,
        hashes,
        quotes,
    )
    # A statement of its own, which sees what others have kept a moment ago.
    rows = await db.fetch("SELECT hash, id FROM frozen_quotes WHERE hash = ANY ($1::bytea[])", hashes)
    ids = {row["hash"]: row["id"] for row in rows}
    return [ids[one] for one in hashes]


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
