"""A fee for what was cancelled costs, and is no reason to believe that anything takes place."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.errors import NotFound, WrongState
from hub.models.bookings import Booking, CancelBooking, RescheduleBooking
from hub.models.check_ins import CheckIn
from hub.models.venues import Cancellation
from hub.services import bookings, check_ins
from storage import booking_letters
from storage import bookings as store
from storage.check_ins import Known
from tests import builders
from tests.doors import ListeningHub
from tests.money.coming_in import paid
from tests.world import Item, World, refusal


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub, cancellation=Cancellation(free_until_hours=48, refund_percent_after=50))


async def with_fee(world: World, *left: Item) -> Booking:
    """Book an hour of tomorrow and something else, and cancel that hour: half of it is kept."""
    begin = world.hub.clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=26)
    booked = await world.book(builders.slot(world.room, begin), *left)
    await paid(world.hub, booked)
    ask = CancelBooking(booking_id=booked.id, item_ids=[booked.items[0].id])
    done = await bookings.cancel(world.hub, world.customer, ask)
    assert [item.kind for item in done.items][-1] == "fee"
    return done


async def ended(world: World, booking: Booking, kind: str) -> None:
    """Let an item have begun two hours ago, and end in an hour."""
    async with world.hub.pool.acquire() as db:
        await db.execute(
            """
            UPDATE booking_items SET starts_at = clock_timestamp() - interval '2 hours',
                ends_at = clock_timestamp() + interval '1 hour'
            WHERE booking_id = $1 AND kind = $2
            """,
            booking.id,
            kind,
        )


def code(world: World, booking: Booking) -> CheckIn:
    return CheckIn(code=check_ins.code(world.hub, Known(id=booking.id, reference=booking.reference)))


async def test_it_moves_with_its_booking(world: World) -> None:
    booked = await with_fee(world, world.slot(12, days=3))
    ask: Any = {"booking_id": booked.id, "items": [world.slot(9, 2), world.stay()]}
    moved = await bookings.reschedule(world.hub, world.customer, RescheduleBooking.model_validate(ask))
    when: list[tuple[datetime, datetime]] = [(item.starts_at, item.ends_at) for item in moved.items]
    assert [item.kind for item in moved.items] == ["slot", "stay", "fee"]
    assert when[2] == when[1]


async def test_a_booking_has_not_begun_by_it(world: World) -> None:
    booked = await with_fee(world, world.slot())
    await ended(world, booked, "fee")
    async with world.hub.reading() as db:
        row = await store.find(db, booked.id)
    assert row is not None
    assert (row.has_begun, row.starts_at) == (False, booked.items[0].starts_at)
    assert "later day" in (await refusal(check_ins.check_in(world.hub, world.clerk, code(world, booked)))).sentence
    done = await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=booked.id))
    assert done.status == "cancelled"


async def test_nobody_is_reminded_of_it_and_everybody_of_the_rest(world: World) -> None:
    booked = await with_fee(world, world.slot())
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE bookings SET confirmed_at = clock_timestamp() - interval '30 days'")
        when = "UPDATE booking_items SET starts_at = clock_timestamp() + $2 WHERE booking_id = $1 AND kind = $3"
        await db.execute(when, booked.id, timedelta(hours=1), "fee")
        assert await booking_letters.enqueue_reminders(db, 24) == 0
        await db.execute(when, booked.id, timedelta(hours=-1), "fee")
        await db.execute(when, booked.id, timedelta(hours=2), "slot")
        assert await booking_letters.enqueue_reminders(db, 24) == 1


async def test_no_desk_lets_anybody_in_for_it(world: World) -> None:
    booked = await with_fee(world, world.stay())
    for kind in ("stay", "fee"):
        await ended(world, booked, kind)
    only_a_fee, at_hotel = await builders.make_staff(world.hub, world.hall), world.hotel.id
    refused = await refusal(check_ins.check_in(world.hub, only_a_fee, code(world, booked)))
    assert isinstance(refused, NotFound)
    ask = code(world, booked).model_copy(update={"venue_id": at_hotel})
    assert (await check_ins.check_in(world.hub, world.clerk, ask)).checked_in_at is not None
    cancelled = bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=booked.id))
    assert isinstance(await refusal(cancelled), WrongState)
