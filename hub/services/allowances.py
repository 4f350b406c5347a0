"""Allowances: what a basket takes of offers, loyalty points, student discounts and add-ons, and why it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.errors import HubError, NoStudentLeft, OfferRefused, OfferUsedUp, TooFewPoints
from hub.work import Work
from storage import allowances as store
from storage.allowances import Allowances


def refusal(reason: str) -> HubError | None:
    """Answer what a reason of place_bookings() means to a person; None when it is none of an allowance."""
    return {
        "offer_over": OfferRefused("This offer is over."),
        "offer_used_up": OfferUsedUp(),
        "too_few_points": TooFewPoints(),
        "no_student_left": NoStudentLeft(),
    }.get(reason)


async def lock_moving(
    work: Work, booking_id: int, items: Sequence[dict[str, Any]], student_limits: dict[int, int]
) -> Allowances:
    """Let nobody take until commit of what a booking is to take with other items, before it is locked itself.

    The items are as place_bookings() takes them. The offer and the points a booking has it has taken already.
    """
    addons = [
        store.AddonUse.model_validate({"place": place, **item})
        for place, item in enumerate(items)
        if item["kind"] == "addon"
    ]
    taken = await store.of_booking(work.db, booking_id)
    wanted = Allowances(booking_id, taken.user_id, student_limits=student_limits, addons=addons)
    await _lock(work, wanted)
    return wanted


async def judge(work: Work, taken: Allowances) -> list[dict[str, Any]]:
    """Refuse what a booking cannot take any more; answers the add-ons that have run out, as claims are refused."""
    lacking = [] if taken.is_nothing else await store.beyond(work.db, taken)
    for one in lacking:
        refused = refusal(one.reason)
        if refused is not None:
            raise refused
    return [{"item": one.item, "reason": one.reason, "held_until": None} for one in lacking]


async def lock_again(work: Work, booking_id: int) -> None:
    """Let nobody take until commit what a booking took, should it run out and come back."""
    await _lock(work, await store.of_booking(work.db, booking_id))


async def can_be_taken_again(work: Work, booking_id: int) -> bool:
    """Tell whether a booking that ran out can have again what it took; it is locked."""
    taken = await store.of_booking(work.db, booking_id)
    return taken.is_nothing or not await store.beyond(work.db, taken)


async def _lock(work: Work, taken: Allowances) -> None:
    if not taken.is_nothing:
        await store.lock(work.db, taken)
