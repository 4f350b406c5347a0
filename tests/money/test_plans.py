"""The plan that is cheaper because all is paid at once is for those alone who do."""

from __future__ import annotations

from typing import Any

import pytest

from hub.errors import Invalid
from hub.models.folio import RecordCash
from hub.models.payments import NamePayment
from hub.models.venues import ChangeVenue
from hub.services import folio, payments, settling, venues
from tests.money.coming_in import filled
from tests.money.provider import provide
from tests.money.till import is_sound, named, paid, start
from tests.world import World, refusal


async def open_hotel(hub: Any, **policies: Any) -> World:
    """Open a hotel that offers five percent off to whoever pays all at once."""
    world = await World.build(hub, **policies)
    terms = {"plans": ["full", "deposit"], "deposit_percent": 50, "full_discount_percent": 5}
    await venues.change(hub, world.owner, ChangeVenue.model_validate({"venue_id": world.hotel.id, "terms": terms}))
    return world


@pytest.mark.parametrize("place", [World.book, World.hold])
async def test_whoever_pays_a_part_of_what_is_firm_without_it_has_no_discount(hub: Any, place: Any) -> None:
    world = await open_hotel(hub)
    (provider,) = provide(hub, "stripe")
    booked = await place(world, world.stay(2, days=40))
    assert isinstance(await refusal(start(world, booked.id, amount=1, plan="full")), Invalid)
    assert (await start(world, booked.id, amount=1)).plan == "deposit"
    # Also after somebody has begun to pay all of it.
    everything = await start(world, booked.id, plan="full")
    assert (everything.amount, (await world.now(booked)).price) == (17_100, 17_100)
    cash = await folio.record_cash(hub, world.clerk, RecordCash(booking_id=booked.id, amount=2000))
    now = await world.now(booked)
    assert (cash.plan, now.plan, now.price, now.paid) == ("deposit", "deposit", 18_000, 2000)
    provider.take(await named(world, everything))
    await settling.settle(hub, everything.id)
    assert ((await world.now(booked)).price, (await world.now(booked)).paid) == (18_000, 18_000)
    await is_sound(world)


async def test_a_part_that_comes_when_the_booking_is_firm_has_no_discount(hub: Any) -> None:
    world = await open_hotel(hub, confirmation="payment")
    (provider,) = provide(hub, "stripe")
    held = await world.hold(world.stay(2, days=40))
    part = await start(world, held.id, amount=1, plan="full")
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE venues SET confirmation = 'instant'")
    provider.take(await named(world, part))
    await settling.settle(hub, part.id)
    assert ((await world.now(held)).plan, (await world.now(held)).price) == ("deposit", 18_000)
    await is_sound(world)


async def test_whoever_pays_all_of_it_has_the_discount_in_parts_only_until_it_is_firm(hub: Any) -> None:
    world = await open_hotel(hub)
    await filled(hub, world.customer, 17_100)
    booked = await world.book(world.stay(2, days=40))
    assert (await start(world, booked.id, "wallet", amount=17_100, plan="full")).plan == "full"
    assert (await world.now(booked)).payment_status == "completed"
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE venues SET confirmation = 'payment'")
    (provider,) = provide(hub, "stripe")
    held = await world.hold(world.stay(2, days=40))
    for amount in (100, None):
        await paid(world, provider, held.id, amount=amount)
    now = await world.now(held)
    assert (now.status, now.price, now.paid) == ("confirmed", 17_100, 17_100)
    await is_sound(world, provider)


@pytest.mark.parametrize("ends", ["refused", "left"])
async def test_whoever_began_to_pay_all_and_did_not_keeps_no_discount(hub: Any, ends: str) -> None:
    world = await open_hotel(hub)
    (provider,) = provide(hub, "stripe")
    booked = await world.book(world.stay(2, days=40))
    begun = [await start(world, booked.id) for _ in range(2)]
    for payment in begun:
        assert (await world.now(booked)).price == 17_100
        if ends == "refused":
            provider.fail(await named(world, payment))
            await settling.settle(hub, payment.id)
        else:
            await payments.cancel(hub, world.customer, NamePayment(payment_id=payment.id))
    now = await world.now(booked)
    assert (now.price, now.plan) == (18_000, None)
    assert (await paid(world, provider, booked.id)).amount == 17_100
    await is_sound(world, provider)
