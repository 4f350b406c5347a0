"""Bookings: read, cancelled, moved and ended by who may, and every step the same however often it is sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from hub.core import GUEST, THE_HUB, Actor
from hub.errors import (
    Forbidden,
    HubError,
    InFlight,
    KeyReused,
    MixedCurrencies,
    NotAvailable,
    NotFound,
    NotOffered,
    Unauthenticated,
    WrongState,
)
from hub.models.bookings import (
    Booking,
    CancelBooking,
    ListBookings,
    NameBooking,
    PlaceHold,
    RescheduleBooking,
)
from hub.models.room_types import ChangeRoomType
from hub.services import bookings, holds, placing, room_types
from hub.work import Repeat, Repeated
from tests import builders
from tests.doors import ListeningHub
from tests.races.checking import faults
from tests.world import Item, World, another, refusal


def name(booking: Booking) -> NameBooking:
    return NameBooking(booking_id=booking.id)


def away(booking: Booking, **how: Any) -> CancelBooking:
    return CancelBooking(booking_id=booking.id, **how)


def to(booking: Booking, *items: Item, reason: str = "") -> RescheduleBooking:
    return RescheduleBooking.model_validate({"booking_id": booking.id, "items": items, "reason": reason})


def ids(page: Any) -> list[int]:
    return [booking.id for booking in page.items]


# Reading


async def test_the_customer_sees_all_of_a_booking_and_each_desk_its_own_part(hub: ListeningHub) -> None:
    world = await World.build(hub)
    half = await builders.make_staff(hub, world.hall)
    booked = await world.book(world.slot(), world.stay(), world.place(), notes="for my mother")
    whole = await bookings.read(hub, world.customer, name(booked))
    assert whole == booked
    part = await bookings.read(hub, half, name(booked))
    assert {item.venue_id for item in part.items} == {world.hall.id}
    assert part.price == booked.items[0].price + booked.items[2].price
    assert part.guest.email == booked.guest.email
    for who in (world.rival, world.stranger, GUEST):
        assert isinstance(await refusal(bookings.read(hub, who, name(booked))), NotFound)


async def test_lists_hold_ones_own_bookings_and_a_desks_those_of_its_venue(hub: ListeningHub) -> None:
    world = await World.build(hub)
    half = await builders.make_staff(hub, world.hall)
    both = await world.book(world.slot(), world.stay())
    mine = await world.book(world.slot(12))
    other = await world.book(world.stay(), by=world.rival)
    held = await world.hold(world.slot(14), by=world.rival)

    async def listed(who: Actor, **ask: Any) -> list[int]:
        return ids(await bookings.listed(hub, who, ListBookings.model_validate(ask)))

    assert await listed(world.customer) == [mine.id, both.id]
    assert await listed(world.customer, sort="oldest") == [both.id, mine.id]
    assert await listed(world.rival, status="held") == [held.id]
    assert await listed(world.customer, user_id=world.rival.user_id) == []
    assert await listed(half, venue_id=world.hall.id) == [held.id, mine.id, both.id]
    assert await listed(world.clerk, venue_id=world.hotel.id) == [other.id, both.id]
    assert await listed(world.clerk, venue_id=world.hall.id, user_id=world.rival.user_id) == [held.id]
    assert await listed(world.clerk, venue_id=world.hall.id, q="reis") == [mine.id, both.id]
    assert await listed(world.clerk, venue_id=world.hall.id, q=held.reference.lower()) == [held.id]
    assert await listed(world.clerk, venue_id=world.hall.id, sort="starts_at") == [both.id, mine.id, held.id]
    assert await listed(world.clerk, venue_id=world.hall.id, **{"from": world.at(11), "to": world.at(14)}) == [mine.id]
    page = await bookings.listed(hub, half, ListBookings(venue_id=world.hall.id, per_page=2, page=2))
    assert (ids(page), page.meta.total_items, page.meta.total_pages) == ([both.id], 3, 2)
    assert {item.venue_id for item in page.items[0].items} == {world.hall.id}
    for who in (half, world.stranger):
        assert isinstance(await refusal(listed(who, venue_id=world.hotel.id)), NotFound)
    assert isinstance(await refusal(listed(GUEST)), Unauthenticated)


# Cancelling


async def test_cancelling_frees_everything_and_keeps_the_reason(hub: ListeningHub) -> None:
    world = await World.build(hub)
    basket = (world.slot(), world.stay(2, 3), world.place(10))
    booked = await world.book(*basket)
    hub.told.clear()
    gone = await bookings.cancel(hub, world.customer, away(booked, reason="Rain", reason_code="weather"))
    assert (gone.status, gone.cancel_reason, gone.cancel_reason_code) == ("cancelled", "Rain", "weather")
    assert gone.cancelled_at is not None
    assert Counter(hub.names()) == {"booking.cancelled": 3, "availability.changed": 2}
    assert isinstance(await refusal(bookings.cancel(hub, world.customer, away(booked))), WrongState)
    assert (await world.book(*basket, by=world.rival)).status == "confirmed"
    assert await faults(hub.pool) == {}


async def test_only_its_customer_or_who_works_at_all_its_venues_cancels_a_booking(hub: ListeningHub) -> None:
    world = await World.build(hub)
    half = await builders.make_staff(hub, world.hall)
    booked = await world.book(world.slot(), world.stay())
    for who, refused in ((world.stranger, NotFound), (GUEST, NotFound), (half, Forbidden)):
        assert isinstance(await refusal(bookings.cancel(hub, who, away(booked))), refused)
    assert (await bookings.cancel(hub, world.clerk, away(booked))).status == "cancelled"
    assert isinstance(await refusal(bookings.cancel(hub, world.customer, CancelBooking(booking_id=10**9))), NotFound)


async def test_what_has_begun_only_the_venue_cancels_or_moves(hub: ListeningHub) -> None:
    world = await World.build(hub)
    booked = await world.book(world.slot())
    await world.begin(booked)
    assert isinstance(await refusal(bookings.cancel(hub, world.customer, away(booked))), WrongState)
    moved = bookings.reschedule(hub, world.customer, to(booked, world.slot(12)))
    assert isinstance(await refusal(moved), WrongState)
    assert (await bookings.reschedule(hub, world.clerk, to(booked, world.slot(12)))).status == "confirmed"
    await world.begin(booked)
    assert (await bookings.cancel(hub, world.clerk, away(booked))).status == "cancelled"


# Moving


async def test_a_moved_booking_has_new_places_a_new_price_and_a_history(hub: ListeningHub) -> None:
    world = await World.build(hub)
    booked = await world.book(world.slot(10), world.place(2))
    await room_types.change(hub, world.owner, ChangeRoomType(room_type_id=world.hall_type.id, price=7000))
    hub.told.clear()
    moved = await bookings.reschedule(
        hub, world.customer, to(booked, world.slot(15, 2), world.stay(), reason="My train is late")
    )
    assert (moved.id, moved.reference, moved.status) == (booked.id, booked.reference, "confirmed")
    assert moved.price == 2 * 7000 + 2 * 9000
    assert moved.confirmed_at == booked.confirmed_at
    assert Counter(hub.names()) == {"booking.rescheduled": 3, "availability.changed": 2}
    assert (await world.book(world.slot(10), world.place(10), by=world.rival)).status == "confirmed"
    again = await bookings.reschedule(hub, world.clerk, to(booked, world.stay(1)))
    first, second = await bookings.history(hub, world.customer, name(booked))
    assert (first.reason, first.changed_by, second.changed_by) == (
        "My train is late",
        world.customer.user_id,
        world.clerk.user_id,
    )
    assert [item["id"] for item in first.before] == [item.id for item in booked.items]
    assert first.after == second.before
    assert [item["id"] for item in second.after] == [item.id for item in again.items]
    assert await faults(hub.pool) == {}


async def test_a_booking_that_cannot_move_keeps_what_it_has(hub: ListeningHub) -> None:
    world = await World.build(hub)
    booked = await world.book(world.slot(10), world.stay(2, 1))
    await world.book(world.slot(12), by=world.rival)
    await world.book(world.stay(2, 2), by=world.rival)
    hub.told.clear()
    refused = await refusal(bookings.reschedule(hub, world.customer, to(booked, world.stay(2, 2), world.slot(12))))
    assert isinstance(refused, NotAvailable)
    assert [(one["item"], one["reason"]) for one in refused.details["reasons"]] == [(0, "taken"), (1, "taken")]
    assert {one["for_item"] for one in refused.details["alternatives"]} == {0, 1}
    off_step = to(booked, world.slot(12, 0.1))
    assert isinstance(await refusal(bookings.reschedule(hub, world.customer, off_step)), NotOffered)
    assert await world.now(booked) == booked
    assert hub.told == []
    assert await bookings.history(hub, world.customer, name(booked)) == []
    assert await faults(hub.pool) == {}


async def test_a_booking_moves_over_its_own_places(hub: ListeningHub) -> None:
    world = await World.build(hub)
    booked = await world.book(world.slot(10, 2), world.stay(2, 3), world.suite_stay(2, quantity=2), world.place(10))
    moved = await bookings.reschedule(
        hub,
        world.customer,
        to(booked, world.slot(11, 2), world.stay(3, 3, days=21), world.suite_stay(3, quantity=2), world.place(9)),
    )
    assert {item.room_id for item in moved.items[2:4]} == {item.room_id for item in booked.items[2:4]}
    longer = await bookings.reschedule(hub, world.customer, to(booked, world.suite_stay(5)))
    assert longer.items[0].room_id in {item.room_id for item in booked.items[2:4]}
    assert await faults(hub.pool) == {}


async def test_a_guest_who_stays_longer_keeps_the_room(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await world.book(world.suite_stay(2), by=world.rival)
    booked = await world.book(world.suite_stay(2))
    assert booked.items[0].room_id != world.suite.id
    await bookings.cancel(hub, world.rival, away((await bookings.listed(hub, world.rival, ListBookings())).items[0]))
    longer = await bookings.reschedule(hub, world.customer, to(booked, world.suite_stay(4)))
    assert longer.items[0].room_id == booked.items[0].room_id


async def test_a_moved_hold_keeps_its_clock(hub: ListeningHub) -> None:
    world = await World.build(hub)
    held = await world.hold(world.slot(10))
    moved = await bookings.reschedule(hub, world.customer, to(held, world.stay(), world.place()))
    assert (moved.status, moved.expires_at, moved.hold_ends_at) == ("held", held.expires_at, held.hold_ends_at)
    assert await faults(hub.pool) == {}


async def test_a_booking_that_leaves_a_venue_is_withdrawn_from_its_desk(hub: ListeningHub) -> None:
    world = await World.build(hub)
    booked = await world.book(world.slot(10), world.stay())
    hub.told.clear()
    await bookings.reschedule(hub, world.customer, to(booked, world.stay(3)))
    assert "booking.withdrawn" in hub.names(f"desk:{world.hall.id}")
    assert "booking.rescheduled" not in hub.names(f"desk:{world.hall.id}")
    assert hub.names(f"desk:{world.hotel.id}") == ["booking.rescheduled"]
    assert hub.names(f"user:{world.customer.user_id}") == ["booking.rescheduled"]


async def test_a_booking_keeps_its_currency(hub: ListeningHub) -> None:
    world = await World.build(hub)
    abroad = await builders.make_venue(hub, world.owner, currency="USD")
    session = await builders.make_session(hub, world.owner, abroad)
    booked = await world.book(world.slot(10))
    moved = bookings.reschedule(hub, world.customer, to(booked, builders.place(session)))
    assert isinstance(await refusal(moved), MixedCurrencies)


async def test_only_who_may_cancel_a_booking_may_move_it(hub: ListeningHub) -> None:
    world = await World.build(hub)
    booked = await world.book(world.slot(10))
    for who in (world.stranger, GUEST):
        assert isinstance(await refusal(bookings.reschedule(hub, who, to(booked, world.slot(12)))), NotFound)
    half = await builders.make_staff(hub, world.hall)
    assert (await bookings.reschedule(hub, half, to(booked, world.slot(12)))).status == "confirmed"
    # Whoever works only here does not place a guest next door.
    assert isinstance(await refusal(bookings.reschedule(hub, half, to(booked, world.stay()))), Forbidden)


# The end


@pytest.mark.parametrize(("end", "status"), [(bookings.complete, "completed"), (bookings.no_show, "no_show")])
async def test_the_desk_says_how_a_booking_ended_once_it_has_begun(
    hub: ListeningHub, end: Callable[..., Awaitable[Booking]], status: str
) -> None:
    world = await World.build(hub)
    booked = await world.book(world.slot(10))
    assert isinstance(await refusal(end(hub, world.clerk, name(booked))), WrongState)
    await world.begin(booked)
    assert isinstance(await refusal(end(hub, world.customer, name(booked))), Forbidden)
    assert isinstance(await refusal(end(hub, world.stranger, name(booked))), NotFound)
    assert (await end(hub, world.clerk, name(booked))).status == status
    for again in (end(hub, world.clerk, name(booked)), bookings.cancel(hub, world.clerk, away(booked))):
        assert isinstance(await refusal(again), WrongState)
    assert await faults(hub.pool) == {}


async def test_what_is_only_held_does_not_end_that_way(hub: ListeningHub) -> None:
    world = await World.build(hub)
    held = await world.hold(world.slot(10))
    await world.begin(held)
    assert isinstance(await refusal(bookings.complete(hub, world.clerk, name(held))), WrongState)


# Sent again


class Step:
    """Something a person does, and what they would send instead under the same key."""

    def __init__(self, route: str, status: int, act: Callable[..., Awaitable[Any]], body: Any, other: Any) -> None:
        self.route, self.status, self.act, self.body, self.other = route, status, act, body, other

    async def send(self, hub: ListeningHub, who: Actor, body: Any, key: str = "key-1") -> tuple[int, Any]:
        """Send it with a key, as a door does; answers what the caller sees."""
        assert who.user_id is not None
        sent = replace(who, repeat=Repeat(who.user_id, self.route, key, body.model_dump_json().encode()))
        try:
            answer = await self.act(hub, sent, body)
        except Repeated as repeated:
            return repeated.status, orjson.loads(repeated.answer)
        return self.status, orjson.loads(answer.model_dump_json())


async def hold(hub: ListeningHub, actor: Actor, ask: PlaceHold) -> Booking:
    return await placing.place(hub, actor, ask, at_once=False)


async def book(hub: ListeningHub, actor: Actor, ask: PlaceHold) -> Booking:
    return await placing.place(hub, actor, ask, at_once=True)


STEPS = ["place", "make", "renew", "confirm", "cancel", "reschedule", "complete", "no_show"]


async def prepare(world: World, which: str) -> tuple[Actor, Step]:
    """Bring a booking to where a step can be taken."""
    ask = PlaceHold.model_validate({"items": [world.suite_stay(2), world.slot(10)]})
    more = PlaceHold.model_validate({"items": [world.slot(15)]})
    match which:
        case "place":
            return world.customer, Step("holds.place", 201, hold, ask, more)
        case "make":
            return world.customer, Step("bookings.make", 201, book, ask, more)
        case "renew" | "confirm":
            one, other = [await world.hold(world.slot(hour)) for hour in (10, 12)]
            act = holds.renew if which == "renew" else holds.confirm
            return world.customer, Step(f"holds.{which}", 200, act, name(one), name(other))
        case "cancel":
            booked = await world.book(world.slot(10))
            return world.customer, Step("bookings.cancel", 200, bookings.cancel, away(booked), away(booked, reason="x"))
        case "reschedule":
            booked = await world.book(world.suite_stay(2))
            wanted, else_ = to(booked, world.suite_stay(3, quantity=2)), to(booked, world.slot(10))
            return world.customer, Step("bookings.reschedule", 200, bookings.reschedule, wanted, else_)
        case _:
            one, other = [await world.book(world.slot(hour)) for hour in (10, 12)]
            await world.begin(one)
            act = bookings.complete if which == "complete" else bookings.no_show
            return world.clerk, Step(f"bookings.{which}", 200, act, name(one), name(other))


def same(one: tuple[int, Any], other: tuple[int, Any]) -> bool:
    """Tell whether two answers say the same; times may be written with other zeros at their end."""
    return one[0] == other[0] and Booking.model_validate(one[1]) == Booking.model_validate(other[1])


@pytest.mark.parametrize("which", STEPS)
async def test_a_step_sent_again_under_its_key_is_answered_again_and_done_once(hub: ListeningHub, which: str) -> None:
    world = await World.build(hub)
    who, step = await prepare(world, which)
    first = await step.send(hub, who, step.body)
    hub.told.clear()
    async with hub.pool.acquire() as db:
        count = await db.fetchval("SELECT count(*) FROM bookings")
    for _ in range(2):
        assert same(await step.send(hub, who, step.body), first)
    async with another(hub) as other:
        assert same(await step.send(other, who, step.body), first)
        assert other.told == []
    refused = await refusal(step.send(hub, who, step.other))
    assert isinstance(refused, KeyReused)
    assert (refused.status, refused.code) == (422, "idempotency_key_reused")
    assert hub.told == []
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM bookings") == count
    assert await faults(hub.pool) == {}


@pytest.mark.parametrize("which", STEPS)
async def test_a_step_sent_ten_times_at_once_is_done_once(hub: ListeningHub, which: str) -> None:
    world = await World.build(hub)
    who, step = await prepare(world, which)
    hub.told.clear()

    async def send(worker: ListeningHub) -> tuple[int, Any] | None:
        try:
            return await step.send(worker, who, step.body)
        except InFlight:
            return None

    async with another(hub) as other:
        answers = [one for one in await asyncio.gather(*(send((hub, other)[n % 2]) for n in range(10))) if one]
        assert answers
        assert all(same(one, answers[0]) for one in answers)
        facts = Counter(one.name for one in [*hub.told, *other.told] if one.room.startswith("user:"))
    assert list(facts.values()) == [1]
    assert same(await step.send(hub, who, step.body), answers[0])
    assert await faults(hub.pool) == {}


async def test_a_key_belongs_to_one_person_and_one_kind_of_step(hub: ListeningHub) -> None:
    world = await World.build(hub)
    asks = [PlaceHold.model_validate({"items": [world.slot(hour)]}) for hour in (10, 11, 12)]
    place, make = (Step(route, 201, act, None, None) for route, act in (("holds.place", hold), ("bookings.make", book)))
    _, first = await place.send(hub, world.customer, asks[0])
    _, second = await place.send(hub, world.rival, asks[1])
    _, third = await make.send(hub, world.customer, asks[2])
    assert len({first["id"], second["id"], third["id"]}) == 3


async def test_a_refused_step_keeps_nothing_under_its_key(hub: ListeningHub) -> None:
    world = await World.build(hub)
    theirs = await world.book(world.slot(10), by=world.rival)
    step = Step("bookings.make", 201, book, PlaceHold.model_validate({"items": [world.slot(10)]}), None)
    assert isinstance(await refusal(step.send(hub, world.customer, step.body)), NotAvailable)
    await bookings.cancel(hub, world.rival, away(theirs))
    assert (await step.send(hub, world.customer, step.body))[0] == 201


async def test_a_repeated_request_is_answered_though_it_would_be_refused_by_now(hub: ListeningHub) -> None:
    world = await World.build(hub)
    step = Step(
        "bookings.make", 201, book, PlaceHold.model_validate({"items": [world.suite_stay(2, quantity=2)]}), None
    )
    first = await step.send(hub, world.customer, step.body)
    await room_types.change(hub, world.owner, ChangeRoomType(room_type_id=world.suites.id, is_active=False))
    assert same(await step.send(hub, world.customer, step.body), first)


async def test_who_sends_one_ask_among_many_under_the_same_key_spoils_nobody_elses(hub: ListeningHub) -> None:
    world = await World.build(hub)
    step = Step("holds.place", 201, hold, PlaceHold.model_validate({"items": [world.slot(10)]}), None)

    async def other(hour: int) -> str:
        try:
            return (await world.hold(world.slot(hour), by=world.rival)).status
        except HubError as error:
            return error.code

    same_twice = [step.send(hub, world.customer, step.body) for _ in range(2)]
    *answers, one, two, three = await asyncio.gather(
        *same_twice, other(12), other(13), other(14), return_exceptions=True
    )
    assert (one, two, three) == ("held", "held", "held")
    done = [answer for answer in answers if isinstance(answer, tuple)]
    assert done
    assert all(same(answer, done[0]) for answer in done)
    assert all(isinstance(answer, tuple | InFlight) for answer in answers)


async def test_the_hub_cancels_on_its_own_account(hub: ListeningHub) -> None:
    world = await World.build(hub)
    booked = await world.book(world.slot(10))
    assert (await bookings.cancel(hub, THE_HUB, away(booked, reason_code="venue"))).status == "cancelled"


def test_a_reason_code_is_one_of_those_that_can_be_counted() -> None:
    with pytest.raises(ValueError, match="reason_code"):
        CancelBooking.model_validate({"booking_id": 1, "reason_code": "because"})
