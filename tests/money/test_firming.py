"""Where only what is paid is firm, a basket that comes to cost no more than was paid is firm as well."""

from __future__ import annotations

from typing import Any

import pytest

from hub.models.bookings import Booking, CancelBooking, NameBooking, ReleaseItem, RescheduleBooking
from hub.services import bookings, holds
from tests import builders
from tests.doors import ListeningHub
from tests.money.coming_in import paid
from tests.money.provider import provide
from tests.money.till import is_sound
from tests.money.till import paid as paid_at
from tests.races.checking import faults
from tests.world import World, refusal


@pytest.fixture
async def shop(hub: ListeningHub) -> World:
    """Open venues that confirm only what is paid."""
    return await World.build(hub, confirmation="payment")


async def is_firm(world: World, booking: Booking) -> bool:
    """Tell whether a booking is confirmed and paid, and keeps its places for good."""
    left = await world.now(booking)
    async with world.hub.pool.acquire() as db:
        for_good = await db.fetchval(
            "SELECT bool_and(expires_at IS NULL) FROM claims WHERE booking_id = $1", booking.id
        )
    assert await faults(world.hub.pool) == {}
    told = world.hub.names(f"user:{world.customer.user_id}").count("booking.confirmed")
    return left.status == "confirmed" and left.payment_status == "completed" and for_good and told == 1


async def test_by_leaving_out_what_is_not_paid(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot(10, 2), shop.slot(14))
    await paid_at(shop, provider, held.id, amount=12_000)
    ask = ReleaseItem(booking_id=held.id, item_id=held.items[1].id)
    assert (await holds.release_item(shop.hub, shop.customer, ask)).status == "confirmed"
    assert await is_firm(shop, held)
    await is_sound(shop, provider)


@pytest.mark.parametrize("waits", [True, False])
async def test_by_moving_to_what_costs_less(shop: World, waits: bool) -> None:
    held = await shop.hold(shop.slot(10, 3))
    if waits:
        await holds.confirm(shop.hub, shop.customer, NameBooking(booking_id=held.id))
    await paid(shop.hub, held, 13_000)
    ask: Any = {"booking_id": held.id, "items": [shop.slot(10, 2)]}
    moved = await bookings.reschedule(shop.hub, shop.customer, RescheduleBooking.model_validate(ask))
    assert (moved.status, moved.paid) == ("confirmed", 12_000)
    assert "booking.rescheduled" in shop.hub.names(f"user:{shop.customer.user_id}")
    assert await is_firm(shop, held)


async def test_by_giving_up_all_that_costs_something(shop: World) -> None:
    free = await builders.make_session(shop.hub, shop.owner, shop.hall, price=0)
    held = await shop.hold(shop.slot(), builders.place(free))
    await holds.confirm(shop.hub, shop.customer, NameBooking(booking_id=held.id))
    ask = CancelBooking(booking_id=held.id, item_ids=[held.items[0].id])
    assert (await bookings.cancel(shop.hub, shop.customer, ask)).status == "confirmed"
    assert await is_firm(shop, held)


async def test_by_saying_so_once_enough_is_paid(shop: World) -> None:
    held, waiting = await shop.hold(shop.slot(10)), await shop.hold(shop.slot(12))
    await holds.confirm(shop.hub, shop.customer, NameBooking(booking_id=waiting.id))
    for one in (held, waiting):
        name = NameBooking(booking_id=one.id)
        shop.hub.told.clear()
        await paid(shop.hub, one)
        assert (await holds.confirm(shop.hub, shop.customer, name)).status == "confirmed"
        assert await is_firm(shop, one)
        assert await refusal(holds.confirm(shop.hub, shop.customer, name))


async def test_not_as_long_as_less_is_paid(shop: World) -> None:
    held = await shop.hold(shop.slot(10, 2), shop.slot(14))
    await paid(shop.hub, held, 11_000)
    ask = ReleaseItem(booking_id=held.id, item_id=held.items[1].id)
    assert (await holds.release_item(shop.hub, shop.customer, ask)).status == "held"
    name = NameBooking(booking_id=held.id)
    assert (await holds.confirm(shop.hub, shop.customer, name)).status == "pending"
    assert await refusal(holds.confirm(shop.hub, shop.customer, name))
