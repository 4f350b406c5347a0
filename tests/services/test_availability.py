"""Availability: what it offers, the commit takes at that price; what it does not offer, the commit refuses."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from random import Random
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from hub.core import THE_HUB, Actor
from hub.errors import HubError, Invalid, NotAvailable, NotFound, NotOffered
from hub.models.availability import (
    AskPlaceAvailability,
    AskRoomAvailability,
    AskStayAvailability,
    AskVenueAvailability,
    SlotOffer,
    StayAvailability,
)
from hub.models.bookings import Booking, CancelBooking, NameBooking
from hub.models.rooms import ChangeRoom, Room
from hub.models.venues import ChangeVenue
from hub.services import availability, bookings, holds, rooms, venues
from hub.services.zones import WEEKDAYS
from tests import builders
from tests.doors import ListeningHub
from tests.races.checking import faults
from tests.world import Item, World, refusal

ZONES = ["Europe/Lisbon", "Asia/Kathmandu", "America/New_York"]


async def slots(
    hub: ListeningHub, room: Room, begin: datetime, end: datetime, who: Actor = THE_HUB, **ask: Any
) -> list[SlotOffer]:
    asked = AskRoomAvailability.model_validate({"room_id": room.id, "from": begin, "to": end} | ask)
    return (await availability.of_room(hub, who, asked)).slots


async def stays(hub: ListeningHub, type_id: int, check_in: date, nights: int, **ask: Any) -> StayAvailability:
    asked = {"room_type_id": type_id, "check_in": check_in, "check_out": check_in + timedelta(days=nights)}
    return await availability.of_type(hub, THE_HUB, AskStayAvailability.model_validate(asked | ask))


def clock_changes(zone: str, now: datetime) -> list[date]:
    """List the days within two years on which a zone's clocks change."""
    tz = ZoneInfo(zone)
    days = [now.date() + timedelta(days=n) for n in range(10, 700)]
    offsets = [(day, datetime.combine(day, time(12), tz).utcoffset()) for day in days]
    return [day for (_, before), (day, after) in pairwise(offsets) if before != after]


# One by one


async def test_a_rooms_day_is_drawn_in_slots_that_are_free_held_taken_or_closed(hub: ListeningHub) -> None:
    hours = {day: [("09:00", "13:00")] for day in WEEKDAYS}
    world = await World.build(hub, slot_step_minutes=60, min_slot_minutes=60, opening_hours=hours)
    held = await world.hold(world.slot(10), by=world.rival)
    await world.book(world.slot(11), by=world.rival)
    await builders.make_closure(
        hub, world.owner, world.hall, room_id=world.room.id, starts_at=world.at(12), ends_at=world.at(13)
    )
    found = await slots(hub, world.room, world.at(0), world.at(0, days=11))
    assert [(one.starts_at.hour, one.state) for one in found] == [
        (9, "free"),
        (10, "held"),
        (11, "taken"),
        (12, "closed"),
    ]
    assert [one.held_until for one in found] == [None, held.expires_at, None, None]
    assert {(one.price, one.currency) for one in found} == {(6000, "EUR")}
    await world.run_out(held)
    assert [one.state for one in await slots(hub, world.room, world.at(0), world.at(0, days=11))][:2] == ["free"] * 2


async def test_longer_slots_are_offered_at_every_step_at_which_they_fit(hub: ListeningHub) -> None:
    world = await World.build(hub, slot_step_minutes=30, min_slot_minutes=60)
    await world.book(world.slot(10), by=world.rival)
    found = await slots(hub, world.room, world.at(8), world.at(13), minutes=90)
    states = {one.starts_at.strftime("%H:%M"): one.state for one in found}
    assert states == {
        "08:00": "free", "08:30": "free", "09:00": "taken", "09:30": "taken", "10:00": "taken", "10:30": "taken",
        "11:00": "free", "11:30": "free",
    }  # fmt: skip
    assert {one.price for one in found} == {9000}


async def test_buffers_keep_a_distance_to_what_is_taken(hub: ListeningHub) -> None:
    world = await World.build(
        hub, slot_step_minutes=30, min_slot_minutes=30, buffer_before_minutes=15, buffer_after_minutes=30
    )
    await world.book(world.slot(10), by=world.rival)
    found = await slots(hub, world.room, world.at(8), world.at(13))
    free = [one.starts_at.strftime("%H:%M") for one in found if one.state == "free"]
    # The booking keeps 9:45 to 11:30; a slot of half an hour needs 15 minutes before it and 30 after.
    assert free == ["08:00", "08:30", "12:00", "12:30"]
    for one in found:
        item = builders.slot(world.room, one.starts_at, 0.5)
        if one.state == "free":
            await holds.release(hub, world.customer, NameBooking(booking_id=(await world.hold(item)).id))
        else:
            assert isinstance(await refusal(world.hold(item)), NotAvailable)


async def test_a_room_sold_by_the_night_is_drawn_in_nights(hub: ListeningHub) -> None:
    world = await World.build(hub, min_nights=2)
    await world.book(builders.stay(world.suite, world.day(21), 2), by=world.rival)
    found = await slots(hub, world.suite, world.at(12, days=20), world.at(12, days=24))
    assert [(one.starts_at.date(), one.state) for one in found] == [
        (world.day(20), "free"),
        (world.day(21), "taken"),
        (world.day(22), "taken"),
        (world.day(23), "free"),
        (world.day(24), "free"),
    ]
    assert {one.price for one in found} == {20_000}


@pytest.mark.parametrize("sold_as", ["pool", "room"])
async def test_a_stay_is_counted_night_by_night(hub: ListeningHub, sold_as: str) -> None:
    world = await World.build(hub)
    if sold_as == "room":
        await builders.make_room(hub, world.owner, world.suites, "S3")
    kind = world.pool if sold_as == "pool" else world.suites
    held = await world.hold(builders.stay(kind, world.day(20), 2), by=world.rival)
    await world.book(builders.stay(kind, world.day(21), 2), by=world.rival)
    found = await stays(hub, kind.id, world.day(20), 4)
    assert [(one.total, one.taken, one.held, one.free) for one in found.nights] == [
        (3, 0, 1, 2),
        (3, 1, 1, 1),
        (3, 1, 0, 2),
        (3, 0, 0, 3),
    ]
    assert [one.held_until for one in found.nights] == [held.expires_at, held.expires_at, None, None]
    assert (found.available, found.available_count, found.total_rooms) == (True, 1, 3)
    assert found.price == 4 * kind.price
    two = await stays(hub, kind.id, world.day(20), 4, quantity=2)
    assert (two.available, two.available_count, [one.reason for one in two.reasons]) == (False, 1, ["held"])
    three = await stays(hub, kind.id, world.day(21), 2, quantity=3)
    assert [one.reason for one in three.reasons] == ["taken"]


async def test_rules_in_the_way_of_a_stay_are_named_and_leave_none(hub: ListeningHub) -> None:
    world = await World.build(hub, min_nights=3)
    found = await stays(hub, world.pool.id, world.day(20), 2, guests=99)
    assert (found.available, found.available_count) == (False, 0)
    assert [one.reason for one in found.reasons] == ["min_stay", "capacity"]


async def test_places_are_counted(hub: ListeningHub) -> None:
    world = await World.build(hub)
    held = await world.hold(world.place(3), by=world.rival)
    await world.book(world.place(4), by=world.rival)

    async def asked(quantity: int) -> Any:
        return await availability.of_session(
            hub, THE_HUB, AskPlaceAvailability(session_id=world.session.id, quantity=quantity)
        )

    found = await asked(3)
    assert (found.total, found.taken, found.held, found.free, found.available) == (10, 4, 3, 3, True)
    assert (found.price, found.held_until) == (7500, held.expires_at)
    assert [one.reason for one in (await asked(5)).reasons] == ["held"]
    assert [one.reason for one in (await asked(7)).reasons] == ["taken"]
    assert {one.reason for one in (await asked(11)).reasons} == {"taken", "capacity"}


async def test_a_venue_shows_all_it_offers_at_once(hub: ListeningHub) -> None:
    world = await World.build(hub)
    ask = {"check_in": world.day(20), "check_out": world.day(22), "from": world.at(9), "to": world.at(11)}
    hotel = await availability.of_venue(
        hub, THE_HUB, AskVenueAvailability.model_validate({"venue_id": world.hotel.id} | ask)
    )
    assert [(one.name, one.available) for one in hotel.stays] == [("Double", True), ("Suite", True)]
    assert (hotel.rooms, hotel.sessions) == ([], [])
    hall = await availability.of_venue(
        hub, THE_HUB, AskVenueAvailability.model_validate({"venue_id": world.hall.id, "minutes": 60} | ask)
    )
    assert [one.number for one in hall.rooms] == ["1", "2"]
    assert [len(one.slots) for one in hall.rooms] == [5, 5]
    assert hall.stays == []
    later = AskVenueAvailability.model_validate({"venue_id": world.hall.id})
    assert [one.session_id for one in (await availability.of_venue(hub, THE_HUB, later)).sessions] == [world.session.id]


async def test_what_makes_no_sense_is_refused_by_its_field(hub: ListeningHub) -> None:
    world = await World.build(hub)

    async def fields(act: Awaitable[Any]) -> list[str]:
        refused = await refusal(act)
        assert isinstance(refused, Invalid)
        return [one["field"] for one in refused.details["errors"]]

    assert await fields(slots(hub, world.room, world.at(10), world.at(10))) == ["to"]
    assert await fields(slots(hub, world.room, world.at(10), world.at(10, days=50))) == ["to"]
    assert await fields(stays(hub, world.pool.id, world.day(), 0)) == ["check_out"]
    assert await fields(stays(hub, world.pool.id, world.day(), 400)) == ["check_out"]
    half = AskVenueAvailability(venue_id=world.hall.id, check_in=world.day())
    assert await fields(availability.of_venue(hub, THE_HUB, half)) == ["check_out"]


async def test_an_inactive_venue_shows_nothing_to_those_who_do_not_work_there(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await venues.change(hub, world.owner, ChangeVenue(venue_id=world.hall.id, is_active=False))
    refused = await refusal(slots(hub, world.room, world.at(9), world.at(11), who=world.customer))
    assert isinstance(refused, NotFound)
    assert await slots(hub, world.room, world.at(9), world.at(11), who=world.clerk) == []


async def test_what_is_out_of_service_is_not_offered(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await rooms.change(hub, world.owner, ChangeRoom(room_id=world.room.id, status="out_of_service"))
    assert await slots(hub, world.room, world.at(9), world.at(11)) == []
    await rooms.change(hub, world.owner, ChangeRoom(room_id=world.suite.id, status="maintenance"))
    found = await stays(hub, world.suites.id, world.day(), 2)
    assert (found.available_count, [one.total for one in found.nights]) == (1, [1, 1])


async def test_a_month_of_quarter_hours_is_answered_quickly(hub: ListeningHub) -> None:
    hours = {day: [("08:00", "22:00")] for day in WEEKDAYS}
    world = await World.build(hub, timezone="Europe/Lisbon", opening_hours=hours)
    started = process_time()
    found = await slots(hub, world.room, world.at(0), world.at(0, days=40))
    # Everybody else waits meanwhile, for it is drawn in one go. What other programs do meanwhile does not count.
    assert process_time() - started < 1.5
    assert len(found) == 30 * 14 * 4


# Any venue, any bookings: what is offered is taken, what is not is refused.


hours_of_a_day = st.lists(
    st.tuples(st.integers(0, 23), st.integers(1, 24))
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: (f"{pair[0]:02}:00", f"{pair[1]:02}:00")),
    max_size=2,
)
policies = st.fixed_dictionaries(
    {
        "timezone": st.sampled_from(ZONES),
        "slot_step_minutes": st.sampled_from([15, 30, 45, 60, 90]),
        "buffer_before_minutes": st.sampled_from([0, 0, 10, 30]),
        "buffer_after_minutes": st.sampled_from([0, 0, 15, 60]),
        "min_slot_minutes": st.sampled_from([15, 30, 60]),
        "max_slot_minutes": st.sampled_from([60, 120, 240, 1440]),
        "min_nights": st.integers(1, 3),
        "max_nights": st.integers(3, 10),
        "lead_time_minutes": st.sampled_from([0, 0, 60, 10_000]),
        "opening_hours": st.none() | st.fixed_dictionaries(dict.fromkeys(WEEKDAYS, hours_of_a_day)),
        "check_in_time": st.sampled_from(["15:00", "01:30", "12:00"]),
        "check_out_time": st.sampled_from(["11:00", "01:30", "00:00"]),
    }
).filter(lambda one: one["check_out_time"] <= one["check_in_time"])

# Each example opens its venue on the database of the one test.
SOME = settings(
    max_examples=25,
    deadline=None,
    database=None,
    # To shrink what took seconds takes minutes; the seed brings it back as it is.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANY = settings(SOME, max_examples=300)


class Ground:
    """A hub on which examples are tried, which says nothing when one fails."""

    def __init__(self, hub: ListeningHub) -> None:
        self.hub = hub

    def __repr__(self) -> str:
        return "the ground"


@pytest.fixture
def ground(hub: ListeningHub) -> Ground:
    return Ground(hub)


async def outcome(act: Awaitable[Booking]) -> Booking | HubError:
    try:
        return await act
    except HubError as refused:
        return refused


class Stage:
    """A venue as one example draws it, with what others have booked already."""

    def __init__(self, hub: ListeningHub, day: date, zone: str) -> None:
        self.hub, self.day, self.zone = hub, day, ZoneInfo(zone)

    def at(self, minutes: int) -> datetime:
        """Answer an instant so many real minutes after the midnight before the day."""
        begin = datetime.combine(self.day - timedelta(days=1), time(0), self.zone).astimezone(UTC)
        return begin + timedelta(minutes=minutes)

    async def takes(self, item: Item, price: int) -> None:
        """Hold what was offered, at the price it was offered at, and give it back."""
        [guest] = [await builders.make_actor(self.hub)]
        held = await outcome(builders.make_hold(self.hub, guest, item))
        assert isinstance(held, Booking), (item, held, held.details)
        assert held.price == price, item
        await holds.release(self.hub, guest, NameBooking(booking_id=held.id))

    async def refuses(self, item: Item) -> HubError:
        """Be refused what was not offered, and have every alternative."""
        [guest] = [await builders.make_actor(self.hub)]
        refused = await outcome(builders.make_hold(self.hub, guest, item))
        assert isinstance(refused, NotAvailable | NotOffered), (item, refused)
        assert refused.details["reasons"]
        for one in refused.details.get("alternatives", ()):
            await self.takes(one["item"], one["price"])
        return refused


async def book_some(hub: ListeningHub, owner: Actor, items: list[Item]) -> None:
    """Let the owner have some of it, on the desk's word where the rules would not; some of it only held."""
    for n, item in enumerate(items):
        make = builders.make_hold if n % 3 == 2 else builders.make_booking
        await outcome(make(hub, owner, item, user_id=owner.user_id))


SLOTS = given(
    policy=policies,
    which=st.integers(0, 3),
    busy=st.lists(st.tuples(st.integers(0, 190), st.integers(1, 16)), max_size=8),
    minutes=st.sampled_from([None, None, 60, 90, 120]),
    others=st.lists(st.integers(0, 2880), min_size=6, max_size=6),
)


@seed(20261120)
@SOME
@SLOTS
async def test_every_slot_that_is_offered_is_taken_and_no_other(ground: Ground, **drawn: Any) -> None:
    await try_slots(ground, **drawn)


@pytest.mark.slow
@pytest.mark.timeout(900)
@MANY
@SLOTS
async def test_many_more_slots(ground: Ground, **drawn: Any) -> None:
    await try_slots(ground, **drawn)


async def try_slots(
    ground: Ground,
    policy: dict[str, Any],
    which: int,
    busy: list[tuple[int, int]],
    minutes: int | None,
    others: list[int],
) -> None:
    hub = ground.hub
    changes = clock_changes(policy["timezone"], hub.clock.now()) or [hub.clock.now().date() + timedelta(days=30)]
    stage = Stage(hub, changes[which % len(changes)], policy["timezone"])
    owner = await builders.make_actor(hub, "vendor")
    venue = await builders.make_venue(hub, owner, **policy)
    kind = await builders.make_room_type(hub, owner, venue, price=4999, discount_percentage=12.5)
    room = await builders.make_room(hub, owner, kind)
    await builders.make_room(hub, owner, kind, "2")
    await book_some(hub, owner, [builders.slot(room, stage.at(15 * begin), length / 4) for begin, length in busy])
    found = await slots(hub, room, stage.at(0), stage.at(48 * 60), minutes=minutes)
    free = {one.starts_at for one in found if one.state == "free"}
    assert len(found) == len({one.starts_at for one in found})
    for one in Random(len(found)).sample(found, min(14, len(found))):
        item = builders.slot(room, one.starts_at, (one.ends_at - one.starts_at).total_seconds() / 3600)
        if one.state == "free":
            await stage.takes(item, one.price)
        else:
            assert isinstance(await stage.refuses(item), NotAvailable)
    shortest = -(-venue.min_slot_minutes // venue.slot_step_minutes) * venue.slot_step_minutes
    length = timedelta(minutes=minutes or shortest)
    for begin in others:
        if stage.at(begin) not in free and stage.at(begin) + length <= stage.at(48 * 60):
            await stage.refuses(builders.slot(room, stage.at(begin), length.total_seconds() / 3600))
    assert await faults(hub.pool) == {}


STAYS = given(
    policy=policies,
    which=st.integers(0, 3),
    pool=st.integers(0, 3),
    busy=st.lists(st.tuples(st.integers(0, 7), st.integers(1, 4), st.integers(1, 2)), max_size=6),
    asked=st.lists(
        st.tuples(st.integers(0, 8), st.integers(1, 5), st.integers(1, 2), st.integers(1, 5)), min_size=5, max_size=5
    ),
)


@seed(20261120)
@SOME
@STAYS
async def test_every_stay_that_is_offered_is_taken_and_no_other(ground: Ground, **drawn: Any) -> None:
    await try_stays(ground, **drawn)


@pytest.mark.slow
@pytest.mark.timeout(900)
@MANY
@STAYS
async def test_many_more_stays(ground: Ground, **drawn: Any) -> None:
    await try_stays(ground, **drawn)


async def try_stays(
    ground: Ground,
    policy: dict[str, Any],
    which: int,
    pool: int,
    busy: list[tuple[int, int, int]],
    asked: list[tuple[int, int, int, int]],
) -> None:
    hub = ground.hub
    changes = clock_changes(policy["timezone"], hub.clock.now()) or [hub.clock.now().date() + timedelta(days=30)]
    stage = Stage(hub, changes[which % len(changes)], policy["timezone"])
    first = stage.day - timedelta(days=4)
    owner = await builders.make_actor(hub, "vendor")
    venue = await builders.make_venue(hub, owner, kind="hotel", **policy)
    counted = await builders.make_room_type(hub, owner, venue, price=8999, sold_as="pool", total_rooms=pool)
    numbered = await builders.make_room_type(hub, owner, venue, price=12_345, sold_as="room", discount_percentage=3.33)
    for number in ("A", "B"):
        await builders.make_room(hub, owner, numbered, number)
    for kind in (counted, numbered):
        taken = [
            builders.stay(kind, first + timedelta(days=begin), max(nights, venue.min_nights), quantity=count)
            for begin, nights, count in busy
        ]
        await book_some(hub, owner, taken)
        for begin, nights, count, guests in asked:
            check_in = first + timedelta(days=begin)
            offer = await stays(hub, kind.id, check_in, nights, quantity=count, guests=guests)
            item = builders.stay(kind, check_in, nights, quantity=count, guests=guests)
            if offer.available:
                await stage.takes(item, offer.price)
                more = item | {"quantity": offer.available_count + 1, "guests": 1}
                assert isinstance(await stage.refuses(more), NotAvailable)
            else:
                refused = await stage.refuses(item)
                rules = {one.reason for one in offer.reasons} - {"held", "taken"}
                said = {one["reason"] for one in refused.details["reasons"]}
                assert said == (rules or {one.reason for one in offer.reasons})
    assert await faults(hub.pool) == {}


PLACES = given(
    policy=policies,
    capacity=st.integers(1, 12),
    parties=st.lists(st.integers(1, 4), max_size=6),
    asked=st.lists(st.integers(1, 13), min_size=4, max_size=4),
    hours=st.integers(1, 300),
)


@seed(20261120)
@SOME
@PLACES
async def test_every_place_that_is_offered_is_taken_and_no_other(ground: Ground, **drawn: Any) -> None:
    await try_places(ground, **drawn)


@pytest.mark.slow
@pytest.mark.timeout(900)
@MANY
@PLACES
async def test_many_more_places(ground: Ground, **drawn: Any) -> None:
    await try_places(ground, **drawn)


async def try_places(
    ground: Ground, policy: dict[str, Any], capacity: int, parties: list[int], asked: list[int], hours: int
) -> None:
    hub = ground.hub
    owner = await builders.make_actor(hub, "vendor")
    venue = await builders.make_venue(hub, owner, **policy)
    begin = hub.clock.now() + timedelta(hours=hours)
    session, other = [
        await builders.make_session(
            hub, owner, venue, starts_at=begin + timedelta(days=n), capacity=capacity, price=999
        )
        for n in range(2)
    ]
    await book_some(hub, owner, [builders.place(session, party) for party in parties])
    stage = Stage(hub, begin.date(), policy["timezone"])
    for quantity in asked:
        for one in (session, other):
            ask = AskPlaceAvailability(session_id=one.id, quantity=quantity)
            offer = await availability.of_session(hub, THE_HUB, ask)
            if offer.available:
                await stage.takes(builders.place(one, quantity), offer.price)
            else:
                await stage.refuses(builders.place(one, quantity))
    assert await faults(hub.pool) == {}


async def test_what_was_cancelled_is_offered_again(hub: ListeningHub) -> None:
    world = await World.build(hub)
    booked = await world.book(world.slot(10), world.stay(2, 3), world.place(10))
    assert not (await stays(hub, world.pool.id, world.day(), 2)).available
    await bookings.cancel(hub, world.customer, CancelBooking(booking_id=booked.id))
    assert (await stays(hub, world.pool.id, world.day(), 2)).available_count == 3
    assert {one.state for one in await slots(hub, world.room, world.at(9), world.at(12))} == {"free"}
