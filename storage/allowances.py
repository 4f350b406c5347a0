"""What bookings take of offers, loyalty points, student discounts and add-ons (SQL in 0020_placing_with_money.sql).

Nothing is counted down: what live bookings use is summed, so that whatever is cancelled or runs out gives it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from hub.models.terms import Terms
from storage.query import Db, many, one, run, value


class AddonUse(BaseModel):
    """An item of a basket that is an add-on: its place there, and how many of it are in use from when to when."""

    place: int
    addon_id: int
    starts_at: datetime
    ends_at: datetime
    quantity: int


@dataclass(frozen=True, slots=True)
class Allowances:
    """What one booking takes, or is to take."""

    booking_id: int
    user_id: int
    offer_id: int | None = None
    points: int = 0
    # By venue: how many student bookings there a person may have this year.
    student_limits: dict[int, int] = field(default_factory=dict)
    addons: list[AddonUse] = field(default_factory=list)

    @property
    def is_nothing(self) -> bool:
        """Tell whether the booking takes none of them."""
        return not (self.offer_id or self.points or self.student_limits or self.addons)

    def at_new_venues(self, venue_ids: Sequence[int]) -> Allowances:
        """Answer the same without the student discounts of venues where the booking is already."""
        limits = {venue_id: most for venue_id, most in self.student_limits.items() if venue_id not in venue_ids}
        return replace(self, student_limits=limits)


class Beyond(BaseModel):
    """What is lacking: offer_over, offer_used_up, too_few_points, no_student_left, or sold_out of an item."""

    item: int | None
    reason: str


class _Taken(BaseModel):
    user_id: int
    offer_id: int | None
    points: int
    student_terms: dict[int, Terms]


async def of_booking(db: Db, booking_id: int) -> Allowances:
    """Read what a booking takes, or took until it ran out; of student discounts its venues allow what they now do."""
    taken = await one(
        db,
        _Taken,
        """
        SELECT b.user_id, b.offer_id, b.points, (
            SELECT coalesce(jsonb_object_agg(v.id, v.terms), '{}') FROM venues AS v
            WHERE b.as_student AND v.id IN (SELECT i.venue_id FROM booking_items AS i WHERE i.booking_id = b.id)
        ) AS student_terms
        FROM bookings AS b WHERE b.id = $1
        """,
        booking_id,
    )
    addons = await many(
        db,
        AddonUse,
        """
        SELECT i.position - 1 AS place, i.addon_id, i.starts_at, i.ends_at, i.quantity
        FROM booking_items AS i WHERE i.booking_id = $1 AND i.addon_id IS NOT NULL ORDER BY i.position
        """,
        booking_id,
    )
    limits = {
        venue_id: terms.student_bookings_a_year
        for venue_id, terms in taken.student_terms.items()
        if terms.student_percent
    }
    return Allowances(booking_id, taken.user_id, taken.offer_id, taken.points, limits, addons)


async def lock(db: Db, wanted: Allowances) -> None:
    """Lock what these are summed by: the person, then the offer, then add-ons; before any room or booking is locked."""
    await run(
        db,
        "SELECT lock_allowances(ARRAY[$1::bigint], $2::bigint[], $3::bigint[])",
        wanted.user_id,
        [] if wanted.offer_id is None else [wanted.offer_id],
        [addon.addon_id for addon in wanted.addons],
    )


async def beyond(db: Db, wanted: Allowances) -> list[Beyond]:
    """List what a booking wants beyond what all others leave; once locked, that stays so until commit."""
    booking: dict[str, Any] = {
        "ask": 1,
        "id": wanted.booking_id,
        "user_id": wanted.user_id,
        "offer_id": wanted.offer_id,
        "points": wanted.points,
        "student_limits": {str(venue_id): most for venue_id, most in wanted.student_limits.items()} or None,
    }
    items = [{"ask": 1, **addon.model_dump(mode="json")} for addon in wanted.addons]
    return await many(
        db,
        Beyond,
        """
        SELECT b.item, b.reason
        FROM unnest(beyond_allowances(
            ARRAY[jsonb_populate_record(NULL::booking_ask, $1)],
            ARRAY(SELECT i FROM jsonb_populate_recordset(NULL::item_ask, $2) AS i), false)) AS b
        """,
        booking,
        items,
    )


async def points_left(db: Db, user_id: int) -> int:
    """Answer how many loyalty points a person can still use."""
    left: int = await value(db, "SELECT points_left($1)", user_id)
    return left


async def student_bookings(db: Db, user_id: int, venue_ids: Sequence[int]) -> dict[int, int]:
    """Count, by venue, the bookings somebody has made there as a student this year."""
    rows = await db.fetch(
        "SELECT v.id, student_bookings($1, v.id) AS made FROM unnest($2::bigint[]) AS v (id)", user_id, venue_ids
    )
    return {row["id"]: row["made"] for row in rows}
