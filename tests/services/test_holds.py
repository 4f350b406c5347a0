"""Holds: their two clocks, who takes over when they run out, and how many one person may have."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.errors import HoldExpired, HubError, NotAvailable, NotFound, TooManyHolds, WrongState
from hub.models.bookings import (
    Booking,
    CancelBooking,
    ListBookings,
    NameBooking,
    ReleaseItem,
    RescheduleBooking,
)
from hub.models.room_types import ChangeRoomType
from hub.models.venues import ChangeVenue
from hub.services import bookings, holds, room_types, venues
from hub.services.holds import HoldCapReached
from storage import expiry, placing
from tests.doors import ListeningHub
from tests.races.checking import faults
from tests.world import World, another, refusal

SECONDS = timedelta(seconds=1)


def name(booking: Booking) -> NameBooking:
    return NameBooking(booking_id=booking.id)


def about(left: datetime | None, right: datetime) -> bool:
    return left is not None and abs(left - right) < 5 * SECONDS


async def sweep(hub: ListeningHub) -> list[str]:
    async with hub.reading() as db:
        told = await expiry.expire(db, 100)
    return [one.name for one in told if not one.room.startswith("venue:")]


# The clocks


async def test_a_hold_lives_as_long_as_the_strictest_venue_of_its_basket_allows(hub: ListeningHub) -> None:
    world = await World.build(hub)
    change = ChangeVenue(venue_id=world.hotel.id, hold_seconds=90, hold_cap_seconds=240)
    await venues.change(hub, world.owner, change)
    held = await world.hold(world.slot(), world.stay())
    assert held.status == "held"
    assert about(held.expires_at, held.created_at + 90 * SECONDS)
    assert about(held.hold_ends_at, held.created_at + 240 * SECONDS)
    assert held.confirmed_at is None
    alone = await world.hold(world.slot(12))
    assert about(alone.expires_at, alone.created_at + 600 * SECONDS)
    assert about(alone.hold_ends_at, alone.created_at + 1800 * SECONDS)


async def test_renewing_starts_the_clock_again_up_to_the_cap(hub: ListeningHub) -> None:
    world = await World.build(hub, hold_seconds=60, hold_cap_seconds=100)
    held = await world.hold(world.slot())
    assert isinstance(await refusal(holds.renew(hub, world.stranger, name(held))), NotFound)
    for earlier, left in ((30, 60), (50, 50), (80, 20)):
        async with hub.pool.acquire() as db:
            await db.execute(
                """
                UPDATE bookings SET expires_at = clock_timestamp() + interval '5 seconds',
                       hold_ends_at = clock_timestamp() + make_interval(secs => 100 - $2) WHERE id = $1
                """,
                held.id,
                float(earlier),
            )
        renewed = await holds.renew(hub, world.customer, name(held))
        assert about(renewed.expires_at, datetime.now(UTC) + left * SECONDS)
        assert renewed.hold_ends_at is not None
        assert renewed.expires_at is not None
        assert renewed.expires_at <= renewed.hold_ends_at
    assert isinstance(await refusal(holds.renew(hub, world.customer, name(held))), HoldCapReached)
    assert await faults(hub.pool) == {}


async def test_when_a_hold_has_run_out_a_rival_has_its_places_at_once_though_nobody_sweeps(hub: ListeningHub) -> None:
    world = await World.build(hub, hold_seconds=2, hold_cap_seconds=4)
    everything = (world.slot(), world.stay(2, 3), world.place(10), world.suite_stay(), world.suite_stay())
    held = [await world.hold(item) for item in everything[:3]]
    suites = await world.hold(*everything[3:], by=world.stranger)
    assert len({item.room_id for item in suites.items}) == 2

    for item, hold in zip(everything, [*held, suites, suites], strict=True):
        refused = await refusal(world.book(item, by=world.rival))
        assert isinstance(refused, NotAvailable)
        [reason] = refused.details["reasons"]
        assert (reason["item"], reason["reason"]) == (0, "held")
        assert str(reason["held_until"])[:10] == str(hold.expires_at)[:10]

    latest = max(hold.expires_at for hold in [*held, suites] if hold.expires_at)
    await world.until(latest)
    booked = [await world.book(item, by=world.rival) for item in everything[:3]]
    booked.append(await world.book(*everything[3:], by=world.rival))
    assert [one.status for one in booked] == ["confirmed"] * 4

    for hold in held:
        assert (await world.now(hold)).status == "expired"
        assert isinstance(await refusal(holds.confirm(hub, world.customer, name(hold))), HoldExpired)
    assert await faults(hub.pool) == {}
    # The sweeper only tidies up and tells; what the rival has stays the rival's.
    assert Counter(await sweep(hub)) == {"booking.expired": 2 * 4}
    assert await sweep(hub) == []
    assert [(await world.now(one)).status for one in booked] == ["confirmed"] * 4
    assert await faults(hub.pool) == {}


async def test_what_has_run_out_can_neither_be_confirmed_nor_renewed_nor_moved_even_if_nobody_took_it(
    hub: ListeningHub,
) -> None:
    world = await World.build(hub)
    held = await world.hold(world.slot(), world.stay(), world.place())
    await world.run_out(held)
    move = RescheduleBooking.model_validate({"booking_id": held.id, "items": [world.slot(15)]})
    for swept in (False, True):
        if swept:
            assert await sweep(hub) == ["booking.expired"] * 3
        late = [
            holds.confirm(hub, world.customer, name(held)),
            holds.renew(hub, world.customer, name(held)),
            holds.release_item(hub, world.customer, ReleaseItem(booking_id=held.id, item_id=held.items[0].id)),
            bookings.cancel(hub, world.customer, CancelBooking(booking_id=held.id)),
            bookings.reschedule(hub, world.customer, move),
        ]
        for act in late:
            refused = await refusal(act)
            assert isinstance(refused, HoldExpired)
            assert (refused.status, refused.code) == (410, "hold_expired")
        # There is nothing to give back any more, which is fine.
        await holds.release(hub, world.customer, name(held))
        assert (await world.now(held)).status == "expired"
    assert await faults(hub.pool) == {}


async def test_a_hold_that_ran_out_is_listed_as_expired_before_anybody_swept(hub: ListeningHub) -> None:
    world = await World.build(hub)
    gone, held = await world.hold(world.slot()), await world.hold(world.slot(12))
    await world.run_out(gone)
    for status, booking in (("expired", gone), ("held", held)):
        listed = await bookings.listed(hub, world.customer, ListBookings(status=status))
        assert [one.id for one in listed.items] == [booking.id]
        assert listed.items[0].status == status


async def test_a_worker_whose_clock_is_an_hour_off_holds_neither_shorter_nor_longer(hub: ListeningHub) -> None:
    world = await World.build(hub, hold_seconds=60, hold_cap_seconds=100)
    for n, off in enumerate((timedelta(hours=1), timedelta(hours=-1))):
        async with another(hub) as wrong:
            wrong.clock._anchor += off
            theirs = World(**vars(world) | {"hub": wrong})
            held = await theirs.hold(theirs.slot(10 + n))
            assert about(held.expires_at, datetime.now(UTC) + 60 * SECONDS)
            renewed = await holds.renew(wrong, world.customer, name(held))
            assert about(renewed.expires_at, datetime.now(UTC) + 60 * SECONDS)
            assert isinstance(await refusal(theirs.book(theirs.slot(10 + n), by=world.rival)), NotAvailable)
            await world.run_out(held)
            assert isinstance(await refusal(holds.confirm(wrong, world.customer, name(held))), HoldExpired)
            assert (await theirs.book(theirs.slot(10 + n), by=world.rival)).status == "confirmed"
            kept = await theirs.hold(theirs.slot(14 + n))
            assert (await holds.confirm(wrong, world.customer, name(kept))).status == "confirmed"
    assert await faults(hub.pool) == {}


async def test_four_sweepers_at_once_end_each_hold_once(hub: ListeningHub) -> None:
    world = await World.build(hub)
    held = []
    for who, hours in ((world.customer, (8, 9, 10)), (world.rival, (11, 12, 13)), (world.stranger, (14, 15, 16))):
        held += [await world.hold(world.slot(hour), by=who) for hour in hours]
    await world.run_out(*held)
    async with another(hub) as other:
        told = await asyncio.gather(*(sweep(one) for one in (hub, other, hub, other)))
    names = [one for names in told for one in names]
    # One fact for the desk and one for the guest, of each hold.
    assert names == ["booking.expired"] * 2 * len(held)
    async with hub.pool.acquire() as db:
        each = await db.fetch(
            "SELECT room, data ->> 'id', count(*) AS n FROM events WHERE name = 'booking.expired' GROUP BY 1, 2"
        )
        assert await db.fetchval("SELECT count(*) FROM claims") == 0
    assert {row["n"] for row in each} == {1}
    assert await faults(hub.pool) == {}


# From hold to booking


async def test_a_confirmed_hold_is_a_booking_at_the_price_that_was_locked(hub: ListeningHub) -> None:
    world = await World.build(hub)
    held = await world.hold(world.slot(hours=2), world.stay(2, 2), world.place(3), notes="by the window")
    assert held.price == 2 * 6000 + 4 * 9000 + 3 * 2500
    await room_types.change(hub, world.owner, ChangeRoomType(room_type_id=world.hall_type.id, price=99_999))
    firm = await holds.confirm(hub, world.customer, name(held))
    assert (firm.status, firm.price, firm.reference) == ("confirmed", held.price, held.reference)
    assert (firm.expires_at, firm.notes) == (None, "by the window")
    assert firm.confirmed_at is not None
    assert isinstance(await refusal(holds.confirm(hub, world.customer, name(held))), WrongState)
    assert isinstance(await refusal(holds.renew(hub, world.customer, name(held))), WrongState)
    assert isinstance(await refusal(holds.release(hub, world.customer, name(held))), WrongState)
    assert await sweep(hub) == []
    assert await faults(hub.pool) == {}


async def test_where_payment_confirms_a_hold_waits_for_it_as_long_as_the_cap_allows(hub: ListeningHub) -> None:
    world = await World.build(hub, confirmation="payment")
    held = await world.hold(world.slot(), world.place())
    pending = await holds.confirm(hub, world.customer, name(held))
    assert (pending.status, pending.expires_at) == ("pending", held.hold_ends_at)
    assert isinstance(await refusal(holds.confirm(hub, world.customer, name(held))), WrongState)
    assert isinstance(await refusal(holds.renew(hub, world.customer, name(held))), WrongState)
    assert isinstance(await refusal(world.book(world.slot(), by=world.rival)), NotAvailable)
    # Who takes the money at the desk says so.
    assert (await holds.confirm(hub, world.clerk, name(held))).status == "confirmed"
    late = await world.book(world.slot(15))
    assert late.status == "pending"
    await world.run_out(late)
    assert await sweep(hub) == ["booking.expired"] * 2
    assert await faults(hub.pool) == {}


async def test_what_costs_nothing_needs_no_payment(hub: ListeningHub) -> None:
    world = await World.build(hub, confirmation="payment")
    await room_types.change(hub, world.owner, ChangeRoomType(room_type_id=world.hall_type.id, price=0))
    assert (await holds.confirm(hub, world.customer, name(await world.hold(world.slot())))).status == "confirmed"


async def test_what_is_given_back_is_free_at_once(hub: ListeningHub) -> None:
    world = await World.build(hub)
    basket = (world.slot(), world.stay(2, 3), world.place(10))
    held = await world.hold(*basket)
    assert isinstance(await refusal(holds.release(hub, world.stranger, name(held))), NotFound)
    await holds.release(hub, world.customer, name(held))
    await holds.release(hub, world.customer, name(held))
    assert (await world.now(held)).status == "cancelled"
    assert (await world.book(*basket, by=world.rival)).status == "confirmed"
    assert await faults(hub.pool) == {}


async def test_items_leave_a_held_basket_one_by_one_and_with_the_last_the_hold_is_given_back(hub: ListeningHub) -> None:
    world = await World.build(hub)
    held = await world.hold(world.slot(), world.stay(2, 3), world.place(10))
    slot, stay, place = held.items

    async def leave(item_id: int) -> Booking:
        return await holds.release_item(hub, world.customer, ReleaseItem(booking_id=held.id, item_id=item_id))

    left = await leave(stay.id)
    assert ([item.id for item in left.items], left.price) == ([slot.id, place.id], slot.price + place.price)
    assert (await world.book(world.stay(2, 3), by=world.rival)).status == "confirmed"
    assert isinstance(await refusal(leave(stay.id)), NotFound)
    assert (await leave(place.id)).status == "held"
    assert (await leave(slot.id)).status == "cancelled"
    assert isinstance(await refusal(leave(slot.id)), WrongState)
    assert await faults(hub.pool) == {}


# Nobody can hoard


async def test_one_person_holds_so_much_at_a_venue_and_so_much_in_all(hub: ListeningHub) -> None:
    world = await World.build(hub)
    at_hall = [await world.hold(world.slot(hour)) for hour in (8, 9, 10)]
    refused = await refusal(world.hold(world.slot(11)))
    assert isinstance(refused, TooManyHolds)
    assert (refused.status, refused.code) == (409, "too_many_holds")
    at_hotel = [await world.hold(world.stay(days=30 + n)) for n in range(2)]
    assert isinstance(await refusal(world.hold(world.stay(days=40))), TooManyHolds)
    # A basket at both venues counts at both.
    assert isinstance(await refusal(world.hold(world.slot(12), world.stay(days=41))), TooManyHolds)
    # Others are not concerned, nor is what is booked at once.
    assert (await world.hold(world.slot(11), by=world.rival)).status == "held"
    assert (await world.book(world.slot(12))).status == "confirmed"
    # What is confirmed, given back or run out counts no longer.
    await holds.confirm(hub, world.customer, name(at_hall[0]))
    assert (await world.hold(world.slot(13))).status == "held"
    await holds.release(hub, world.customer, name(at_hotel[0]))
    assert (await world.hold(world.stay(days=42))).status == "held"
    await world.run_out(at_hall[1])
    assert (await world.hold(world.slot(14))).status == "held"
    assert isinstance(await refusal(world.hold(world.slot(15))), TooManyHolds)


async def test_the_desk_holds_for_a_guest_beyond_the_caps(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await world.book(world.place())
    for hour in range(8, 14):
        held = await world.hold(world.slot(hour), by=world.clerk, user_id=world.customer.user_id)
        assert (held.user_id, held.booked_by) == (world.customer.user_id, world.clerk.user_id)


@pytest.mark.parametrize("where", ["at one venue", "in all"])
async def test_ten_holds_of_one_person_in_the_same_moment_are_no_more_than_allowed(
    hub: ListeningHub, where: str
) -> None:
    world = await World.build(hub)
    async with another(hub) as other:
        elsewhere = World(**vars(world) | {"hub": other})

        def item(n: int) -> Any:
            return world.stay(days=30 + n) if n % 2 and where == "in all" else world.slot(8 + n)

        async def one(n: int) -> str:
            try:
                return (await (world, elsewhere)[n % 4 // 2].hold(item(n))).status
            except HubError as error:
                return error.code

        got = Counter(await asyncio.gather(*(one(n) for n in range(10))))
    most = 3 if where == "at one venue" else 5
    assert got == {"held": most, "too_many_holds": 10 - most}
    assert await faults(hub.pool) == {}


async def test_what_is_refused_in_the_same_batch_counts_for_nothing(hub: ListeningHub) -> None:
    world = await World.build(hub)
    customer, rival = world.customer.user_id, world.rival.user_id
    rivals = [await world.ask(world.slot(hour), user_id=rival) for hour in (8, 9, 10)]
    wanted = [await world.ask(world.slot(hour), user_id=customer) for hour in (8, 9, 10, 11, 12)]
    async with hub.reading() as db:
        outcomes, told = await placing.place(db, [*rivals, *wanted])
        hub.publish(told)
        assert [one.kind for one in outcomes] == ["placed"] * 3 + ["refused"] * 3 + ["again"] * 2
        # asked for again, with as many as may be held
        wanted = [await world.ask(world.slot(hour), user_id=customer) for hour in (11, 12, 13, 14)]
        outcomes, told = await placing.place(db, wanted)
        hub.publish(told)
    assert [one.kind for one in outcomes] == ["placed"] * 3 + ["too_many_holds"]
    assert await faults(hub.pool) == {}


async def test_beside_holds_that_come_to_nothing_one_gets_what_one_may_have(hub: ListeningHub) -> None:
    world = await World.build(hub)

    async def one(hour: int, by: Any) -> str:
        try:
            return (await world.hold(world.slot(hour), by=by)).status
        except HubError as error:
            return error.code

    rivals = [one(hour, world.rival) for hour in (8, 9, 10)]
    got = await asyncio.gather(*rivals, *(one(hour, world.customer) for hour in range(8, 14)))
    assert Counter(got[3:])["held"] == 3
    assert await faults(hub.pool) == {}
