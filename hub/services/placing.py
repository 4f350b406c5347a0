"""Placing a basket: judge, price, take it whole or say why not; holds, bookings and imports all come through here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from hub.core import Actor, Hub
from hub.errors import (
    HubError,
    InFlight,
    Invalid,
    KeyReused,
    NotAvailable,
    TooManyHolds,
    Unavailable,
)
from hub.models.bookings import AskItem, Booking, PlaceHold
from hub.services import access, allowances, alternatives, baskets, catalogue, quotes
from hub.services.baskets import Basket, NoRoomLeft
from hub.services.quotes import Wish
from hub.work import Repeated, judge_repeat
from storage import repeats
from storage.placing import AskBooking, Outcome

# How often a basket is judged anew when the inventory moved, a room chosen for it went to somebody faster, or the holds
# asked for beside it came to nothing; each time something else got on, and most often nothing is left long before.
TRIES = 50

SENTENCES = {
    "held": "Somebody holds this; it may come back.",
    "taken": "This is taken.",
    "closed": "The venue has closed this for that time.",
    "sold_out": "There are not that many left for that time.",
}


async def place(hub: Hub, actor: Actor, ask: PlaceHold, *, at_once: bool) -> Booking:
    """Take the whole basket for a while (a hold) or, `at_once`, as a booking."""
    asker = actor.user_id if actor.is_hub and ask.user_id else access.signed_in(actor)
    user_id = ask.user_id or asker
    assert user_id is not None
    by_staff = False
    if ask.user_id is not None:
        # What repeats a request is noticed as the basket is taken; a desk may have lost its guest meanwhile.
        await refuse_repeated(hub, actor)
        by_staff = await _acts_for(hub, actor, ask.user_id, ask.items)
    wish = await _wish(hub, actor, ask, user_id)
    outcome, basket = None, None
    for attempt in range(TRIES):
        basket = await made(hub, actor, ask.items, wish, by_staff=by_staff, at_random=attempt > 0)
        outcome = await hub.placing.ask(_asked(hub, actor, ask, basket, user_id, at_once, by_staff))
        if outcome.kind == "placed":
            assert outcome.document is not None
            return Booking.model_validate_json(outcome.document)
        if outcome.kind == "stale":
            catalogue.forget(hub, basket.venue_ids)
        elif outcome.kind == "refused" and lost_a_choice(basket, orjson.loads(outcome.document or "[]")):
            continue
        elif outcome.kind != "again":
            break
    assert outcome is not None
    assert basket is not None
    raise await _refusal(hub, actor, ask, basket, outcome)


async def _wish(hub: Hub, actor: Actor, ask: PlaceHold, user_id: int) -> Wish:
    try:
        return await quotes.wish(hub, actor, ask, user_id)
    except HubError:
        # What was granted to this request before may be over by now.
        await refuse_repeated(hub, actor)
        raise


async def made(
    hub: Hub,
    actor: Actor,
    items: Sequence[AskItem],
    wish: Wish,
    *,
    by_staff: bool,
    at_random: bool = False,
    moving_booking_id: int | None = None,
) -> Basket:
    """Judge and price a basket on the inventory as it now is, and refuse it with what could be had instead."""
    while True:
        try:
            basket = await baskets.made(
                hub, items, by_staff=by_staff, at_random=at_random, moving_booking_id=moving_booking_id
            )
            return await quotes.agreed(hub, basket, wish)
        except (HubError, NoRoomLeft) as refused:
            if await catalogue.forget_outdated(hub, items):
                continue
            # It may stand in its own way: the same request, carried out elsewhere a moment ago.
            await refuse_repeated(hub, actor)
            if isinstance(refused, NoRoomLeft):
                raise await unavailable(hub, items, refused.said) from None
            raise


async def refuse_repeated(hub: Hub, actor: Actor) -> None:
    """Answer a request that was answered before, whatever its judgement would be by now."""
    if actor.repeat is None:
        return
    async with hub.reading() as db:
        known = await repeats.known(db, actor.repeat.user_id, actor.repeat.route, actor.repeat.key)
    if known is not None:
        raise judge_repeat(known, actor.repeat.body_hash)


def lost_a_choice(basket: Basket, said: Sequence[dict[str, Any]]) -> bool:
    """Tell whether all that stands in the way is rooms the hub itself chose, so that others may still be free."""
    return all(basket.chosen[one["item"]] for one in said)


async def _acts_for(hub: Hub, actor: Actor, user_id: int, items: Sequence[AskItem]) -> bool:
    venue_ids = await baskets.venue_ids(hub, items)
    async with hub.reading() as db:
        if not await access.serves_at_all(db, actor, venue_ids):
            raise access.not_staff()
        if not actor.is_hub and not await access.knows_guest(db, actor, user_id, venue_ids):
            raise Invalid.field("user_id", "is nobody who was a guest here before; name them in guest_details")
    return True


def _asked(
    hub: Hub,
    actor: Actor,
    ask: PlaceHold,
    basket: Basket,
    user_id: int,
    at_once: bool,
    by_staff: bool,
) -> AskBooking:
    assert basket.quote is not None
    status = "held"
    if at_once:
        status = "pending" if basket.needs_payment and not by_staff else "confirmed"
    waits = status != "confirmed"
    limited = waits and not by_staff
    repeat = actor.repeat
    return AskBooking(
        user_id=user_id,
        booked_by=actor.user_id or user_id,
        status=status,
        currency=basket.currency,
        price=basket.price,
        items=basket.items,
        expires_in=(basket.hold_cap_seconds if status == "pending" else basket.hold_seconds) if waits else None,
        ends_in=basket.hold_cap_seconds if waits else None,
        notes=ask.notes,
        guest_details=ask.guest_details.model_dump() if ask.guest_details else None,
        person_limit=hub.settings.holds_per_person if limited else None,
        venue_limit=hub.settings.holds_per_venue if limited else None,
        repeat_route=repeat.route if repeat else None,
        repeat_key=repeat.key if repeat else None,
        repeat_hash=repeat.body_hash.hex() if repeat else None,
        quote=basket.content,
        offer_id=basket.quote.offer_id,
        points=basket.quote.points,
        student_limits=basket.student_limits,
        author={
            "impersonator_id": actor.impersonator_id,
            "address": actor.address,
            "asked": actor.asked,
            "request_id": actor.request_id,
        },
    )


async def _refusal(hub: Hub, actor: Actor, ask: PlaceHold, basket: Basket, outcome: Outcome) -> HubError:
    if outcome.kind in ("stale", "again"):
        return Unavailable()
    if outcome.kind == "too_many_holds":
        return TooManyHolds()
    if outcome.kind == "in_flight":
        return InFlight(retry_after=1)
    lacking = allowances.refusal(outcome.kind)
    if lacking is not None:
        return lacking
    said = orjson.loads(outcome.document or "null")
    if outcome.kind == "repeated":
        assert actor.repeat is not None
        if said["hash"] != actor.repeat.body_hash.hex():
            return KeyReused()
        raise Repeated(said["status"], orjson.dumps(said["answer"]).decode())
    return await unavailable(hub, ask.items, as_asked(basket, said))


def as_asked(basket: Basket, said: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Speak of the items that were asked for, naming the worst that stands in the way of each."""
    worst: dict[int, dict[str, Any]] = {}
    for one in sorted(said, key=lambda one: (one["reason"] != "held", str(one["held_until"]))):
        place = basket.places[one["item"]]
        worst[place] = {**one, "item": place}
    return list(worst.values())


async def unavailable(hub: Hub, items: Sequence[AskItem], said: Sequence[dict[str, Any]]) -> NotAvailable:
    """Say why a basket cannot be had, [{item, reason, held_until}], and what could be had instead."""
    reasons = [{**one, "sentence": SENTENCES.get(one["reason"], "This cannot be had.")} for one in said]
    reasons.sort(key=lambda one: int(one["item"]))
    blocked = {int(one["item"]) for one in reasons} & set(range(len(items)))
    found = [found for place in sorted(blocked) for found in await alternatives.near(hub, place, items[place])]
    return NotAvailable(reasons=reasons, alternatives=found)
