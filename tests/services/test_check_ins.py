"""Checking in: a code that only the hub can have made, read once, by a desk of the booking, on the day."""

from __future__ import annotations

import asyncio

import pytest

from hub.errors import Conflict, Invalid, NotFound, WrongState
from hub.models.bookings import Booking, CancelBooking, NameBooking
from hub.models.check_ins import CheckIn
from hub.services import bookings, check_ins
from hub.services.check_ins import AlreadyCheckedIn
from storage.check_ins import Known
from tests import builders
from tests.doors import ListeningHub
from tests.world import World, refusal


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub)


def code(world: World, booking: Booking) -> str:
    return check_ins.code(world.hub, Known(id=booking.id, reference=booking.reference))


async def begun(world: World, hour: int = 10) -> Booking:
    booked = await world.book(world.slot(hour))
    await world.begin(booked)
    return booked


async def test_a_desk_reads_a_code_and_desk_and_guest_hear_of_it(world):
    booked = await begun(world)
    world.hub.told.clear()
    answer = await check_ins.check_in(world.hub, world.clerk, CheckIn(code=f" {code(world, booked).lower()} "))
    assert answer.id == booked.id
    assert answer.checked_in_at is not None
    told = {(one.room, one.name) for one in world.hub.told}
    assert told >= {(f"desk:{world.hall.id}", "booking.checked_in"), (f"user:{booked.user_id}", "booking.checked_in")}
    assert (await world.now(booked)).checked_in_at == answer.checked_in_at


@pytest.mark.abuse("I4")
async def test_a_code_is_good_once_however_many_desks_read_it_at_the_same_moment(world):
    booked = await begun(world)
    ask = CheckIn(code=code(world, booked))
    tries = [check_ins.check_in(world.hub, who, ask) for who in (world.clerk, world.owner) * 5]
    told = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Booking) for one in told) == 1
    assert sum(isinstance(one, AlreadyCheckedIn) for one in told) == 9
    async with world.hub.reading() as db:
        assert await db.fetchval("SELECT count(*) FROM check_ins WHERE booking_id = $1", booked.id) == 1


async def test_a_code_that_the_hub_has_not_made_is_of_nothing(world):
    mine, other = await begun(world), await world.book(world.slot(12))
    right = code(world, mine)
    reference, number, mac = right.split(".")
    for forged in (
        f"{reference}.{number}.{mac[:-1]}{'A' if mac[-1] != 'A' else 'B'}",
        f"{reference}.{other.id}.{mac}",
        f"{other.reference}.{other.id}.{mac}",
        f"{reference}.{number}",
        "hello",
        "\u0661" * 30,
    ):
        refused = await refusal(check_ins.check_in(world.hub, world.clerk, CheckIn(code=forged)))
        assert isinstance(refused, NotFound), forged


async def test_the_desk_of_another_venue_learns_no_more_of_a_code_than_of_a_forged_one(world):
    booked = await begun(world)
    elsewhere = await builders.make_staff(world.hub, world.hotel)
    forged = await refusal(check_ins.check_in(world.hub, elsewhere, CheckIn(code="ABCDEFG.7." + "A" * 26)))
    for ask in (CheckIn(code=code(world, booked)), CheckIn(code=code(world, booked), venue_id=world.hotel.id)):
        for who in (elsewhere, world.customer, world.stranger):
            refused = await refusal(check_ins.check_in(world.hub, who, ask))
            assert (type(refused), refused.sentence) == (type(forged), forged.sentence)


async def test_a_booking_of_two_venues_checks_in_at_each_by_itself(world):
    booked = await world.book(world.slot(10), world.stay())
    await world.begin(booked)
    ask = CheckIn(code=code(world, booked))
    assert isinstance(await refusal(check_ins.check_in(world.hub, world.clerk, ask)), Invalid)
    desk = await builders.make_staff(world.hub, world.hotel)
    at_hotel = await check_ins.check_in(world.hub, desk, ask)
    assert {item.venue_id for item in at_hotel.items} == {world.hotel.id}
    at_hall = CheckIn(code=code(world, booked), venue_id=world.hall.id)
    assert (await check_ins.check_in(world.hub, world.clerk, at_hall)).checked_in_at is not None
    assert isinstance(await refusal(check_ins.check_in(world.hub, world.clerk, at_hall)), AlreadyCheckedIn)


async def test_nobody_comes_before_the_day_nor_after_the_end_nor_without_a_firm_booking(world):
    early = await world.book(world.slot(10))
    assert (
        "later day"
        in (await refusal(check_ins.check_in(world.hub, world.clerk, CheckIn(code=code(world, early))))).sentence
    )
    over = await begun(world, 18)
    async with world.hub.pool.acquire() as db:
        await db.execute(
            "UPDATE booking_items SET ends_at = clock_timestamp() - interval '1 minute' WHERE booking_id = $1", over.id
        )
    held, cancelled = await world.hold(world.slot(14)), await world.book(world.slot(16))
    await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=cancelled.id))
    for one in (over, held, cancelled):
        refused = await refusal(check_ins.check_in(world.hub, world.clerk, CheckIn(code=code(world, one))))
        assert isinstance(refused, WrongState), one.status


@pytest.mark.abuse("H8", "I4")
async def test_who_has_checked_in_neither_cancels_nor_stays_away(world):
    booked = await begun(world)
    async with world.hub.pool.acquire() as db:
        # In the morning of a stay that begins in the afternoon.
        await db.execute(
            "UPDATE booking_items SET starts_at = clock_timestamp() + interval '1 second' WHERE booking_id = $1",
            booked.id,
        )
        await db.execute("INSERT INTO check_ins (booking_id, venue_id) VALUES ($1, $2)", booked.id, world.hall.id)
    cancel = CancelBooking(booking_id=booked.id)
    assert isinstance(await refusal(bookings.cancel(world.hub, world.customer, cancel)), WrongState)
    no_show = bookings.no_show(world.hub, world.clerk, NameBooking(booking_id=booked.id))
    assert isinstance(await refusal(no_show), WrongState)
    assert (await bookings.complete(world.hub, world.clerk, NameBooking(booking_id=booked.id))).status == "completed"


@pytest.mark.abuse("H8")
async def test_checking_in_and_cancelling_at_the_same_moment_end_in_one_of_the_two(world):
    for hour in range(8, 14):
        booked = await world.book(world.slot(hour))
        async with world.hub.pool.acquire() as db:
            await db.execute(
                "UPDATE booking_items SET starts_at = clock_timestamp() + interval '1 second' WHERE booking_id = $1",
                booked.id,
            )
            zone = "date_trunc('day', clock_timestamp()) < date_trunc('day', clock_timestamp() + interval '1 second')"
            if await db.fetchval(f"SELECT {zone}"):
                continue
        came, left = await asyncio.gather(
            check_ins.check_in(world.hub, world.clerk, CheckIn(code=code(world, booked))),
            bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=booked.id)),
            return_exceptions=True,
        )
        assert isinstance(came, Conflict) != isinstance(left, Conflict), (came, left)
        now = await world.now(booked)
        assert (now.status == "cancelled") == (now.checked_in_at is None)


async def test_the_code_is_drawn_for_whoever_may_read_the_booking_and_as_long_as_it_stands(world):
    booked, ask = await world.book(world.slot(10)), None
    ask = NameBooking(booking_id=booked.id)
    assert (await check_ins.picture(world.hub, world.customer, ask)).lstrip().startswith(b"<?xml")
    assert b"<script" not in await check_ins.picture(world.hub, world.clerk, ask)
    assert isinstance(await refusal(check_ins.picture(world.hub, world.stranger, ask)), NotFound)
    await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=booked.id))
    assert isinstance(await refusal(check_ins.picture(world.hub, world.customer, ask)), WrongState)
