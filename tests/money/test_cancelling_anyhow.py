"""Whatever was agreed and paid: cancelling gives back what its preview shows, and everything goes on adding up."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Invalid, NotAvailable
from hub.models.bookings import AskCancellation, Booking, CancelBooking, RescheduleBooking
from hub.models.cancellations import CancellationPreview
from hub.models.quotes import FrozenQuote, InstalmentTerms, LineKind, PlanOffer, QuoteLine
from hub.models.refunds import DecideRefund
from hub.models.terms import CancellationStep, Tax, Terms
from hub.models.venues import ChangeVenue
from hub.services import bookings, dues, refunds, shrinking, venues
from hub.services.fees import lowered
from storage import bookings as booking_store
from storage import dues as due_store
from tests import builders
from tests.doors import ListeningHub
from tests.money.coming_in import paid
from tests.races.checking import faults
from tests.world import World

AMOUNTS = st.integers(0, 10**12)


@given(st.lists(AMOUNTS, min_size=1, max_size=4), AMOUNTS, AMOUNTS, AMOUNTS)
def test_instalments_add_up_to_whatever_is_left(amounts: list[int], before: int, left: int, fees: int) -> None:
    laid = lowered(amounts, before, left + fees, fees)
    assert sum(laid) == left + fees
    assert min(laid) >= 0
    assert laid[0] >= fees


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(-(10**6), 10**9)), min_size=1, max_size=5), st.integers(1, 9))
def test_a_quote_of_which_less_is_wanted_adds_up(parts: list[tuple[int, int]], units: int) -> None:
    kinds: list[LineKind] = ["place", "discount", "offer", "tax", "points"]
    lines = [
        QuoteLine(kind=kind, item=0, venue_id=1, title="", quantity=count, unit_amount=each, amount=count * each)
        for kind, (count, each) in zip(kinds, parts, strict=False)
    ]
    total = sum(line.amount for line in lines)
    if total < 0:
        return
    plan = PlanOffer(plan="full", total=total, item_prices=[total], instalments=[{"due_at": None, "amount": total}])  # type: ignore[list-item]
    terms = InstalmentTerms(remind_days=1, grace_hours=1, missed="tell")
    quote = FrozenQuote(currency="EUR", total=total, lines=lines, plans=[plan], cancellation=[], instalment_terms=terms)
    for given_up in range(1, units):
        less = shrinking.lessened(quote, 0, given_up, units - given_up)
        assert less.total == less.item_prices[0] == less.plans[0].total == less.plans[0].item_prices[0]
        assert sum(one.amount for one in less.plans[0].instalments) == less.total
        assert all(line.amount == line.quantity * line.unit_amount for line in less.lines)


def any_terms(chance: Random) -> Terms:
    hours = sorted(chance.sample(range(1, 600), 3), reverse=True)
    shares = sorted((chance.randint(0, 100) for _ in hours), reverse=True)
    return Terms(
        plans=chance.choice([["full"], ["deposit"], ["milestone", "full"], ["deposit", "milestone"]]),
        taxes=[Tax(basis_points=chance.randint(0, 2500), inclusive=chance.random() < 0.5)],
        cancellation_steps=[
            CancellationStep(hours_before=before, refund_percent=share)
            for before, share in zip(hours, shares, strict=True)
        ],
        refund_to=chance.choice(["original", "wallet"]),
        refund_approval_above=chance.choice([None, None, 0, 10_000]),
    )


async def pay(world: World, booking: Booking, chance: Random) -> None:
    """Choose a plan, and pay some or all in up to three parts."""
    async with world.hub.reading() as db:
        row = await booking_store.find(db, booking.id)
        assert row is not None
        await dues.choose(db, row, None)
    left = (await world.now(booking)).price
    for _ in range(chance.randint(0, 3)):
        part = chance.randint(1, left) if left else 0
        if part:
            gateway = chance.choice(["stripe", "paypal", "bakong", "cash"])
            await paid(world.hub, booking, part, gateway)
            left -= part


async def adds_up(world: World, booking: Booking) -> Booking:
    now = await world.now(booking)
    assert now.price == sum(item.price for item in now.items)
    assert all(item.price >= 0 for item in now.items)
    async with world.hub.reading() as db:
        instalments = await due_store.instalments(db, booking.id)
        waiting = sum((await refunds.there(db, booking.id)).values())
        quote = await due_store.quote(db, booking.id)
    assert quote is not None
    if now.status == "confirmed":
        assert 0 <= waiting <= now.price
        assert not instalments or sum(one.amount for one in instalments) == now.price
        assert len(quote.item_prices) == len([item for item in now.items if item.kind != "fee"])
    return now


def as_shown(shown: CancellationPreview, done: Any) -> None:
    assert [(one.payment_id, one.target, one.amount) for one in shown.refunds] == [
        (one.payment_id, one.target, one.amount) for one in done.refunds
    ]
    assert all((one.status == "pending") == shown.needs_approval for one in done.refunds)
    assert (shown.gives_back, shown.is_whole) == (sum(one.amount for one in done.refunds), done.status == "cancelled")
    assert all(0 <= part.gives_back <= part.paid <= part.price for part in shown.items)


async def step(world: World, booking: Booking, chance: Random) -> None:
    """Cancel some of a booking, decide about a refund, or move it."""
    real = [item for item in booking.items if item.kind != "fee"]
    move = chance.random()
    if move < 0.2:
        items = [world.slot(chance.randint(1, 20), chance.choice([1, 2, 3]), days=chance.randint(2, 40))]
        items += [world.place(chance.randint(1, 3))] if chance.random() < 0.5 else []
        ask = RescheduleBooking.model_validate({"booking_id": booking.id, "items": items})
        await bookings.reschedule(world.hub, world.customer, ask)
        return
    what: dict[str, Any] = {"booking_id": booking.id}
    if move < 0.9:
        item = chance.choice(real)
        what["item_ids"] = [item.id]
        if chance.random() < 0.6:
            what["guests"] = chance.randint(1, max(item.quantity, item.guests))
    shown = await bookings.cancellation(world.hub, world.customer, AskCancellation(**what))
    as_shown(shown, await bookings.cancel(world.hub, world.customer, CancelBooking(**what)))


async def decide(world: World, chance: Random) -> None:
    async with world.hub.pool.acquire() as db:
        waiting = await db.fetchval("SELECT min(id) FROM refunds WHERE status = 'pending'")
    if waiting is not None:
        choice = refunds.approve if chance.random() < 0.5 else refunds.reject
        await choice(world.hub, world.owner, DecideRefund(refund_id=waiting, reason="As we agreed."))


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 60))])
async def test_whatever_is_cancelled_gives_back_what_was_shown(hub: ListeningHub, seed: int) -> None:
    world, chance = await World.build(hub), Random(seed)
    breakfast = await builders.make_addon(hub, world.owner, world.hotel, price=777, price_per="guest")
    extra = {"kind": "addon", "addon_id": breakfast.id, "quantity": 2}
    for _ in range(3):
        for venue in (world.hall, world.hotel):
            ask = ChangeVenue(venue_id=venue.id, terms=any_terms(chance))
            await venues.change(hub, world.owner, ask)
        rooms = chance.randint(1, 2)
        wanted = [
            world.slot(chance.randint(1, 20), chance.choice([1, 2]), days=chance.randint(2, 30), guests=4),
            world.place(chance.randint(1, 4)),
            world.stay(2, rooms, days=chance.randint(2, 30), guests=2 * rooms),
            extra,
        ]
        booked = await world.book(*wanted)
        await pay(world, booked, chance)
        for venue in (world.hall, world.hotel):
            ask = ChangeVenue(venue_id=venue.id, terms=any_terms(chance))
            await venues.change(hub, world.owner, ask)
        for _ in range(6):
            now = await adds_up(world, booked)
            if now.status != "confirmed":
                break
            try:
                await step(world, now, chance)
            except (Invalid, NotAvailable):
                # Fewer are there than were to go, or somebody else is where it was to move.
                continue
            await decide(world, chance)
        await adds_up(world, booked)
        if (await world.now(booked)).status == "confirmed":
            await bookings.cancel(hub, world.customer, CancelBooking(booking_id=booked.id))
    assert await faults(hub.pool) == {}
