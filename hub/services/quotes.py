"""Quotes: what a basket comes to, promised for a while, and frozen when it is held."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.core import Actor, Hub
from hub.errors import Forbidden, Invalid, NoStudentLeft, NotFound, OfferRefused, QuoteExpired
from hub.models.bookings import PlaceHold
from hub.models.offers import Offer
from hub.models.quotes import AskQuote, FrozenQuote, PlanOffer, Quote
from hub.services import access, baskets, catalogue, curves, offers, pricing, schedules, tickets
from hub.services.baskets import Basket
from hub.services.pricing import Reduction
from hub.work import Work
from storage import allowances
from storage import dues as dues_store
from storage import offers as offer_store
from storage import quotes as store
from storage import users as user_store
from storage.quotes import Content

# For so long a price is promised, unless the venue changes it meanwhile.
GOOD_FOR = timedelta(minutes=15)
_PURPOSE = "quote"
# Minor units that no basket comes to by honest means.
_MOST = 10**15
_USUAL_ITEMS = 5
_FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be taken off a basket; `token` names the quote that was promised for it."""

    guest_id: int | None = None
    offer: Offer | None = None
    points: int = 0
    as_student: bool = False
    token: str | None = None
    # A booking that moves keeps what it has been granted; nobody looks whether it would be again.
    is_granted: bool = False


async def quote(hub: Hub, actor: Actor, ask: AskQuote) -> Quote:
    """Price a basket as it would be held at this moment; nothing is held, and nobody need be logged in."""
    await catalogue.forget_outdated(hub, ask.items)
    basket = await baskets.quoted(hub, ask.items)
    basket = await agreed(hub, basket, await wish(hub, actor, ask, actor.user_id))
    assert basket.quote is not None
    assert basket.content is not None
    token = tickets.issue(hub, _PURPOSE, {"content": basket.content.hash.hex()}, int(GOOD_FOR.total_seconds()))
    expires_at = hub.clock.now().replace(microsecond=0) + GOOD_FOR
    return Quote(**basket.quote.model_dump(), token=token, expires_at=expires_at)


async def wish(hub: Hub, actor: Actor, ask: AskQuote | PlaceHold, guest_id: int | None) -> Wish:
    """Judge who may have taken off what they name, for the guest whose booking it will be."""
    if (ask.points or ask.as_student) and guest_id is None:
        access.signed_in(actor)
    if ask.points and actor.user_id != guest_id:
        raise Forbidden("Only who has earned loyalty points can use them.")
    if ask.offer and ask.as_student:
        raise OfferRefused("An offer and the student discount do not go together; choose one.")
    if ask.as_student:
        assert guest_id is not None
        async with hub.reading() as db:
            guest = await user_store.find(db, guest_id)
        if guest is None or not guest.is_student:
            raise OfferRefused("Only students have this discount; say in the profile that you are one.")
    offer = await offers.named(hub, actor, ask.offer, guest_id=guest_id) if ask.offer else None
    token = ask.quote if isinstance(ask, PlaceHold) else None
    return Wish(guest_id, offer, ask.points, ask.as_student, token)


async def granted(hub: Hub, booking_id: int) -> Wish:
    """Answer what a booking has had taken off, to be taken off its next basket too."""
    async with hub.reading() as db:
        used = await store.used(db, booking_id)
        if used is None:
            raise NotFound()
        offer = None if used.offer_id is None else await offer_store.find(db, used.offer_id)
    return Wish(used.user_id, offer, used.points, used.as_student, is_granted=True)


async def is_still_granted(work: Work, booking_id: int, frozen: FrozenQuote) -> bool:
    """Tell whether a locked booking has itself what is agreed for its next basket, and has not moved meanwhile."""
    used = await store.used(work.db, booking_id)
    assert used is not None
    return (
        frozen.offer_id in (None, used.offer_id)
        and frozen.points <= used.points
        and (used.as_student or not frozen.as_student)
    )


async def agreed(hub: Hub, basket: Basket, wish: Wish) -> Basket:
    """Answer a basket with what is agreed for it, at its prices.

    Refuses an offer that is not for it, and with QuoteExpired what is no longer the quote that was promised.
    """
    now = hub.clock.now()
    key = _key(basket) if _is_usual(basket, wish) else None
    known: _Agreement | None = None if key is None else hub.agreements.get(key)
    if known is None or known.until <= now:
        known = await _agreement(hub, basket, wish, now)
        if key is not None:
            hub.remember_agreement(key, known)
    if wish.token is not None:
        said = tickets.read(hub, _PURPOSE, wish.token)
        if said is None or said.get("content") != known.content.hash.hex():
            raise QuoteExpired()
    return basket.at(known.quote, known.content, known.student_limits)


@dataclass(frozen=True, slots=True)
class _Agreement:
    """What is agreed for a basket, and until when it would be agreed again."""

    quote: FrozenQuote
    content: Content
    student_limits: dict[int, int]
    until: datetime


def _is_usual(basket: Basket, wish: Wish) -> bool:
    """Tell whether a crowd may want the same: places in a few sessions, with nothing taken off."""
    takes_nothing = wish.offer is None and not wish.points and not wish.as_student
    return (
        takes_nothing
        and len(basket.lines) <= _USUAL_ITEMS
        and all(line.fields["kind"] == "place" for line in basket.lines)
    )


def _key(basket: Basket) -> tuple[Any, ...]:
    """Name all that an agreement on places hangs on; prices and terms are those of their venues' versions."""
    named = ("venue_id", "catalogue_version", "session_id", "starts_at", "quantity", "price")
    return tuple(tuple(line.fields[name] for name in named) for line in basket.lines)


async def _agreement(hub: Hub, basket: Basket, wish: Wish, now: datetime) -> _Agreement:
    sold = [line.sold for line in basket.lines]
    points, offer = wish.points, wish.offer
    if offer is not None and not _fits(basket, offer, wish):
        offer = None
    if points and not wish.is_granted:
        assert wish.guest_id is not None
        async with hub.reading() as db:
            points = min(points, max(await allowances.points_left(db, wish.guest_id), 0))
    reduction = None
    if offer is not None:
        reduction = Reduction(offer.id, offer.code, offer.venue_id, offer.basis_points, offer.amount)
    priced = pricing.basket(sold, offer=reduction, as_student=wish.as_student, points=points)
    if priced.total > _MOST or any(abs(line.amount) > _MOST for line in priced.lines):
        raise Invalid.field("items", "come to more than any booking may")
    if priced.student_limits and not wish.is_granted:
        await _refuse_too_many(hub, wish, priced.student_limits)
    quote = FrozenQuote(
        currency=basket.currency,
        total=priced.total,
        lines=priced.lines,
        plans=schedules.plans(sold, priced, now),
        cancellation=curves.frozen(sold),
        instalment_terms=schedules.terms(sold),
        offer_id=offer.id if offer else None,
        points=priced.points,
        as_student=bool(priced.student_limits),
    )
    # What is due later would be due at once from then on.
    moments = (part.due_at for plan in quote.plans for part in plan.instalments if part.due_at is not None)
    return _Agreement(quote, _content(quote), priced.student_limits, min(moments, default=_FOR_EVER))


def _fits(basket: Basket, offer: Offer, wish: Wish) -> bool:
    """Tell whether a basket may have an offer; what was granted is lost without a word where it does not fit."""
    spent = pricing.eligible([line.sold for line in basket.lines], offer.venue_id)
    is_at_its_venue = offer.venue_id is None or offer.venue_id in basket.venue_ids
    try:
        offers.judge(offer, basket.currency, spent, is_at_its_venue=is_at_its_venue)
    except OfferRefused:
        if wish.is_granted:
            return False
        raise
    return True


async def _refuse_too_many(hub: Hub, wish: Wish, limits: dict[int, int]) -> None:
    assert wish.guest_id is not None
    async with hub.reading() as db:
        made = await allowances.student_bookings(db, wish.guest_id, sorted(limits))
    if any(made.get(venue_id, 0) >= limit for venue_id, limit in limits.items()):
        raise NoStudentLeft()


async def shrink(work: Work, booking_id: int, places: Collection[int]) -> None:
    """Let items leave what is agreed for a locked hold, after they have left it; the others keep their prices."""
    frozen = await dues_store.quote(work.db, booking_id)
    if frozen is None:
        return
    smaller = without(frozen, places)
    await store.number_items(work.db, booking_id)
    await put(work, booking_id, smaller)


async def freeze(work: Work, frozen: FrozenQuote) -> int:
    """Keep what is agreed, once for all that agree on the same, and answer its id."""
    content = _content(frozen)
    await store.keep(work.db, content)
    return content.id


async def refuse_parting(work: Work, booking_id: int) -> None:
    """Refuse to take items out of a basket whose price hangs on all of them."""
    frozen = await dues_store.quote(work.db, booking_id)
    if frozen is not None and (frozen.offer_id is not None or frozen.points):
        raise OfferRefused(
            "An offer or loyalty points count for the whole basket; give it back and hold what you want."
        )


async def put(work: Work, booking_id: int, frozen: FrozenQuote) -> None:
    """Let another agreement count for a locked booking whose items are already those that it is about.

    The plan that was chosen is kept if it is offered again; whoever has paid pays what remains.
    """
    used = await store.used(work.db, booking_id)
    await store.put(
        work.db,
        booking_id,
        await freeze(work, frozen),
        offer_id=frozen.offer_id,
        points=frozen.points,
        as_student=frozen.as_student,
    )
    plan = frozen.plan(used.plan) if used is not None and used.plan is not None else None
    if plan is not None:
        await _choose(work, booking_id, plan)


async def _choose(work: Work, booking_id: int, plan: PlanOffer) -> None:
    ids = await dues_store.item_ids(work.db, booking_id)
    await dues_store.price_items(work.db, booking_id, ids, plan.item_prices)
    due_at, amounts = [one.due_at for one in plan.instalments], [one.amount for one in plan.instalments]
    await dues_store.choose(work.db, booking_id, plan.plan, due_at, amounts)


def without(frozen: FrozenQuote, places: Collection[int]) -> FrozenQuote:
    """Answer what stays agreed when items leave a basket: each other item as it was, counted anew."""
    kept = [place for place in range(len(frozen.plans[0].item_prices)) if place not in places]
    anew = {place: nth for nth, place in enumerate(kept)}
    lines = [line.model_copy(update={"item": anew[line.item]}) for line in frozen.lines if line.item in anew]
    return frozen.model_copy(
        update={
            "lines": lines,
            "total": sum(line.amount for line in lines if not line.included),
            "plans": [schedules.shrunk(plan, kept) for plan in frozen.plans],
            "cancellation": [
                one.model_copy(update={"item": anew[one.item]}) for one in frozen.cancellation if one.item in anew
            ],
        }
    )


def _content(frozen: FrozenQuote) -> Content:
    return Content.of(frozen.model_dump_json())
