"""What a basket takes of offers, loyalty points, student discounts and add-ons is guarded as its places are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from hub.core import THE_HUB, Hub
from hub.errors import NoStudentLeft, NotAvailable, OfferUsedUp
from hub.models.addons import Addon, ChangeAddon
from hub.models.bookings import Booking, CancelBooking, MakeBooking, NameBooking, RescheduleBooking
from hub.models.offers import ChangeOffer, ListOffers, NameOffer
from hub.models.payments import StartPayment
from hub.services import addons, allowances, baskets, bookings, holds, offers, payments, quotes, settling
from hub.work import Repeat, Repeated
from storage import allowances as store
from storage.placing import Outcome
from storage.quotes import Content
from storage.soundness import MONEY, faults
from tests.builders import make_addon, make_offer
from tests.doors import ListeningHub
from tests.money.provider import provide
from tests.money.taking import asked, earn, kinds, placed, times
from tests.world import Item, World, refusal


def addon(one: Addon, quantity: int = 1) -> dict[str, Any]:
    """Ask for an add-on."""
    return {"kind": "addon", "addon_id": one.id, "quantity": quantity}


def said(outcome: Outcome) -> list[tuple[int, str]]:
    """Answer which items were refused, and why."""
    return [(one["item"], one["reason"]) for one in orjson.loads(outcome.document or "[]")]


async def ids(hub: Hub) -> list[int]:
    """Answer what was booked, in order."""
    async with hub.pool.acquire() as db:
        return [row["id"] for row in await db.fetch("SELECT id FROM bookings ORDER BY id")]


async def forget(hub: Hub) -> None:
    """Let nothing have been booked."""
    for booking_id in await ids(hub):
        await holds.release(hub, THE_HUB, NameBooking(booking_id=booking_id))


@pytest.mark.abuse("H9")
async def test_an_offer_is_used_as_often_as_it_may_be_and_what_is_given_back_can_be_used_again(
    hub: ListeningHub,
) -> None:
    world = await World.build(hub)
    offer = await make_offer(hub, world.owner, world.hall, total_limit=2)
    ask = await asked(hub, world.customer, world.place(), offer_id=offer.id)
    assert await kinds(hub, ask) == ["placed"]
    # In one batch the first to come has the last use; nobody else's basket suffers.
    plain = await asked(hub, world.rival, world.place())
    assert await kinds(hub, ask, ask, plain) == ["placed", "offer_used_up", "placed"]
    assert await kinds(hub, ask) == ["offer_used_up"]
    first, second, _ = await ids(hub)
    await bookings.cancel(hub, world.customer, CancelBooking(booking_id=first))
    assert await kinds(hub, ask, ask) == ["placed", "offer_used_up"]
    await world.run_out(await world.now(await bookings.read(hub, world.customer, NameBooking(booking_id=second))))
    assert await kinds(hub, ask, ask) == ["placed", "offer_used_up"]
    assert await faults(hub.pool) == {}


@pytest.mark.abuse("H9")
async def test_whoever_has_the_last_use_and_asks_again_with_the_same_key_is_answered_the_same(
    hub: ListeningHub,
) -> None:
    world = await World.build(hub)
    await make_offer(hub, world.owner, world.hall, total_limit=1)
    assert world.customer.user_id
    again = replace(world.customer, repeat=Repeat(world.customer.user_id, "holds.place", "one", b"{}"))
    held = await world.hold(world.place(), offer="AUTUMN", by=again)
    with pytest.raises(Repeated) as repeated:
        await world.hold(world.place(), offer="AUTUMN", by=again)
    assert orjson.loads(repeated.value.answer)["id"] == held.id
    assert isinstance(await refusal(world.hold(world.place(), offer="AUTUMN")), OfferUsedUp)


@pytest.mark.abuse("H9")
async def test_one_person_uses_an_offer_no_more_often_than_each_may(hub: ListeningHub) -> None:
    world = await World.build(hub)
    offer = await make_offer(hub, world.owner, world.hall, per_person_limit=1)
    mine, theirs = [await asked(hub, who, world.place(), offer_id=offer.id) for who in (world.customer, world.rival)]
    assert await kinds(hub, mine, mine, theirs) == ["placed", "offer_used_up", "placed"]
    assert await kinds(hub, theirs, mine) == ["offer_used_up"] * 2
    told = [(await offers.listed(hub, who, ListOffers())).items[0].uses for who in (world.clerk, world.customer)]
    assert told == [2, None]


@pytest.mark.abuse("H9")
async def test_who_lost_only_to_a_basket_that_came_to_nothing_is_told_to_ask_again(hub: ListeningHub) -> None:
    world = await World.build(hub)
    offer = await make_offer(hub, world.owner, world.hall, total_limit=1)
    await world.book(world.slot(10), by=world.stranger)
    blocked = await asked(hub, world.customer, world.slot(10), offer_id=offer.id)
    free = await asked(hub, world.rival, world.slot(12), offer_id=offer.id)
    assert await kinds(hub, blocked, free) == ["refused", "again"]
    assert await kinds(hub, free) == ["placed"]


@pytest.mark.abuse("H9")
async def test_an_offer_that_is_over_by_the_databases_clock_is_not_taken_anymore(hub: ListeningHub) -> None:
    world = await World.build(hub)
    offer = await make_offer(hub, world.owner, world.hall)
    ask = await asked(hub, world.customer, world.place(), offer_id=offer.id)
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE offers SET valid_until = clock_timestamp() WHERE id = $1", offer.id)
        assert await kinds(hub, ask) == ["offer_over"]
        later = datetime.now(UTC) + timedelta(days=1)
        await db.execute("UPDATE offers SET valid_until = NULL, valid_from = $2 WHERE id = $1", offer.id, later)
        assert await kinds(hub, ask) == ["offer_over"]
        await db.execute("UPDATE offers SET valid_from = NULL WHERE id = $1", offer.id)
    assert await kinds(hub, ask) == ["placed"]
    await offers.end(hub, world.owner, NameOffer(offer_id=offer.id))
    assert await kinds(hub, ask) == ["offer_over"]


async def test_points_are_used_once(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await earn(hub, world.customer, 100)
    ask = await asked(hub, world.customer, world.place(), points=40)
    assert await kinds(hub, *times(ask, 3)) == ["placed", "placed", "too_few_points"]
    assert await kinds(hub, await asked(hub, world.rival, world.place(), points=1)) == ["too_few_points"]
    async with hub.reading() as db:
        assert await store.points_left(db, ask.user_id) == 20
    await forget(hub)
    async with hub.reading() as db:
        assert await store.points_left(db, ask.user_id) == 100
    assert await faults(hub.pool) == {}


async def test_a_student_has_so_many_bookings_a_year_at_a_venue(hub: ListeningHub) -> None:
    world = await World.build(hub)
    ask = await asked(hub, world.customer, world.place(), student_limits={world.hall.id: 2})
    elsewhere = await asked(hub, world.customer, world.stay(), student_limits={world.hotel.id: 1})
    assert await kinds(hub, *times(ask, 3), elsewhere) == ["placed", "placed", "no_student_left", "placed"]
    assert await kinds(hub, elsewhere, ask) == ["no_student_left"] * 2
    async with hub.reading() as db:
        assert await store.student_bookings(db, ask.user_id, [world.hall.id, world.hotel.id]) == {
            world.hall.id: 2,
            world.hotel.id: 1,
        }
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE bookings SET created_at = created_at - interval '1 year'")
    assert await kinds(hub, ask) == ["placed"]


async def test_no_more_of_an_addon_is_in_use_at_once_than_there_is(hub: ListeningHub) -> None:
    world = await World.build(hub)
    cot = await make_addon(hub, world.owner, world.hotel, name="Cot", price=500, price_per="night", stock=2)
    early = await asked(hub, world.customer, world.stay(2, days=20), addon(cot))
    late = await asked(hub, world.rival, world.stay(2, days=24), addon(cot, 2))
    assert await kinds(hub, early, late) == ["placed", "placed"]
    # In between there is one for one night, and both for the night after.
    over_both = await asked(hub, world.stranger, world.stay(5, days=20), addon(cot))
    over_early = await asked(hub, world.stranger, world.stay(4, days=20), addon(cot))
    between = await asked(hub, world.stranger, world.stay(2, days=22), addon(cot, 2))
    (refused,) = await placed(hub, over_both)
    assert (refused.kind, said(refused)) == ("refused", [(1, "sold_out")])
    assert await kinds(hub, over_early, between) == ["placed", "again"]
    (refused,) = await placed(hub, between)
    assert said(refused) == [(1, "sold_out")]
    assert await faults(hub.pool) == {}


async def test_an_addon_that_ran_out_is_named_beside_what_else_is_taken(hub: ListeningHub) -> None:
    world = await World.build(hub)
    cot = await make_addon(hub, world.owner, world.hotel, stock=0)
    tea = await make_addon(hub, world.owner, world.hotel)
    ask = await asked(hub, world.customer, world.stay(), addon(tea, 1000), addon(cot))
    plain = await asked(hub, world.customer, world.stay(), addon(tea, 1000))
    outcomes = await placed(hub, ask, plain)
    assert [outcome.kind for outcome in outcomes] == ["refused", "placed"]
    assert said(outcomes[0]) == [(2, "sold_out")]
    await addons.change(hub, world.owner, ChangeAddon(addon_id=cot.id, stock=None))
    # The catalogue is another by now.
    assert await kinds(hub, ask) == ["stale"]
    hub.catalogue.clear()
    assert await kinds(hub, await asked(hub, world.customer, world.stay(), addon(cot, 7))) == ["placed"]


async def test_what_a_basket_takes_is_kept_with_it(hub: ListeningHub) -> None:
    world = await World.build(hub)
    offer = await make_offer(hub, world.owner, world.hall)
    cot = await make_addon(hub, world.owner, world.hall, stock=3)
    await earn(hub, world.customer, 9)
    agreed = Content.of("{}")
    ask = await asked(
        hub,
        world.customer,
        world.place(2),
        addon(cot, 2),
        offer_id=offer.id,
        points=9,
        quote=agreed,
        student_limits={world.hall.id: 1},
    )
    assert await kinds(hub, ask) == ["placed"]
    (booking_id,) = await ids(hub)
    async with hub.pool.acquire() as db:
        row = await db.fetchrow("SELECT quote_id, offer_id, points, as_student FROM bookings")
        assert row is not None
        assert tuple(row) == (agreed.id, offer.id, 9, True)
        taken = await store.of_booking(db, booking_id)
        assert (taken.offer_id, taken.points, [one.quantity for one in taken.addons]) == (offer.id, 9, [2])
        # What it has itself is not in its own way.
        assert await store.beyond(db, taken) == []
    item = (await bookings.read(hub, world.customer, NameBooking(booking_id=booking_id))).items[1]
    assert (item.kind, item.addon_id, item.quantity) == ("addon", cot.id, 2)


async def test_what_ran_out_is_not_had_again_when_others_have_it(hub: ListeningHub) -> None:
    world = await World.build(hub)
    offer = await make_offer(hub, world.owner, world.hall, total_limit=1)
    cot = await make_addon(hub, world.owner, world.hall, stock=1)
    for takes, item in (({"offer_id": offer.id}, []), ({}, [addon(cot)])):
        late = await asked(hub, world.customer, world.place(), *item, **takes)
        assert await kinds(hub, late) == ["placed"]
        booking_id = (await ids(hub))[-1]
        booking = await bookings.read(hub, world.customer, NameBooking(booking_id=booking_id))
        await world.run_out(booking)
        async with hub.work(THE_HUB) as work:
            await allowances.lock_again(work, booking_id)
            assert await allowances.can_be_taken_again(work, booking_id)
        assert await kinds(hub, await asked(hub, world.rival, world.place(), *item, **takes)) == ["placed"]
        async with hub.work(THE_HUB) as work:
            await allowances.lock_again(work, booking_id)
            assert not await allowances.can_be_taken_again(work, booking_id)


@pytest.mark.parametrize("is_taken", [False, True])
async def test_money_that_comes_late_has_the_last_use_of_an_offer_only_if_nobody_else_has(
    hub: ListeningHub, is_taken: bool
) -> None:
    world = await World.build(hub, confirmation="payment")
    await make_offer(hub, world.owner, world.hall, total_limit=1)
    (provider,) = provide(hub, "stripe")
    held = await world.hold(world.place(), offer="autumn")
    begun = await payments.start(hub, world.customer, StartPayment(booking_id=held.id, gateway="stripe"))
    ((provider_id, order),) = provider.books.items()
    assert order.order.amount == held.price == 2250
    provider.take(provider_id)
    await world.run_out(held)
    if is_taken:
        await world.hold(world.place(), offer="autumn", by=world.rival)
    await settling.settle(hub, begun.id)
    booking = await world.now(held)
    assert (booking.status, booking.payment_status) == (
        ("expired", "refunded") if is_taken else ("confirmed", "completed")
    )
    assert await faults(hub.pool, MONEY) == {}


async def moved(world: World, booking: Booking, *items: Item) -> Booking:
    """Move a booking as its guest."""
    ask = RescheduleBooking.model_validate({"booking_id": booking.id, "items": list(items)})
    return await bookings.reschedule(world.hub, world.customer, ask)


async def test_a_booking_that_moves_keeps_what_it_was_granted(hub: ListeningHub) -> None:
    world = await World.build(hub)
    offer = await make_offer(hub, world.owner, world.hall, total_limit=1)
    booking = await world.book(world.place(2), offer="AUTUMN")
    assert booking.price == 4500
    await offers.change(hub, world.owner, ChangeOffer(offer_id=offer.id, is_active=False))
    assert (await moved(world, booking, world.slot(10))).price == 5400
    # Elsewhere it is for nothing, and so it is free for somebody else; what was let go does not come back.
    assert (await moved(world, booking, world.stay(1))).price == 9000
    await offers.change(hub, world.owner, ChangeOffer(offer_id=offer.id, is_active=True))
    assert (await world.book(world.place(), offer="AUTUMN", by=world.rival)).price == 2250
    assert (await moved(world, booking, world.slot(10))).price == 6000
    assert await faults(hub.pool) == {}


async def test_a_booking_that_moves_has_its_addons_where_they_are_left(hub: ListeningHub) -> None:
    world = await World.build(hub)
    cot = await make_addon(hub, world.owner, world.hotel, stock=1)
    await world.book(world.stay(2, days=24), addon(cot), by=world.rival)
    booking = await world.book(world.stay(2), addon(cot))
    # What it has itself is not in its way.
    booking = await moved(world, booking, world.stay(2, days=21), addon(cot))
    refused = await refusal(moved(world, booking, world.stay(2, days=23), addon(cot)))
    assert isinstance(refused, NotAvailable)
    assert [(one["item"], one["reason"]) for one in refused.details["reasons"]] == [(1, "sold_out")]
    assert (await world.now(booking)).items[1].starts_at == booking.items[1].starts_at
    assert [item.kind for item in (await moved(world, booking, world.stay(2, days=23))).items] == ["stay"]
    await world.book(world.stay(2), addon(cot), by=world.rival)
    assert await faults(hub.pool) == {}


async def test_a_student_who_moves_to_another_venue_has_a_discount_left_there(hub: ListeningHub) -> None:
    world = await World.build(hub, terms={"student_percent": 10, "student_bookings_a_year": 1})
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE users SET is_student = true")
    booking = await world.book(world.place(), as_student=True)
    assert (await moved(world, booking, world.place(2))).price == 4500
    elsewhere = await world.book(world.stay(), as_student=True)
    async with hub.reading() as db:
        assert (await store.of_booking(db, booking.id)).student_limits == {world.hall.id: 1}
    assert isinstance(await refusal(moved(world, booking, world.stay(1))), NoStudentLeft)
    await bookings.cancel(hub, world.customer, CancelBooking(booking_id=elsewhere.id))
    assert (await moved(world, booking, world.stay(1))).price == 8100


async def test_what_a_booking_let_go_while_it_was_priced_anew_is_not_taken_back(hub: ListeningHub) -> None:
    world = await World.build(hub, terms={"point_value": 10})
    await earn(hub, world.customer, 100)
    booking = await world.book(world.place(), points=100)
    wish = await quotes.granted(hub, booking.id)
    items = MakeBooking.model_validate({"items": [world.place()]}).items
    again = (await quotes.agreed(hub, await baskets.made(hub, items), wish)).quote
    assert again is not None
    for points, is_granted in ((100, True), (99, False)):
        async with hub.work(THE_HUB) as work:
            await work.db.execute("UPDATE bookings SET points = $1", points)
            assert await quotes.is_still_granted(work, booking.id, again) == is_granted
