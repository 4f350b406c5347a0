"""Calendars: what is booked is found there, whatever its title says, under a name that stays and nobody guesses."""

from __future__ import annotations

import re

import pytest
from icalendar import Calendar, Event

from hub.core import Actor
from hub.errors import NotFound, WrongState
from hub.models.bookings import Booking, CancelBooking, NameBooking, RescheduleBooking
from hub.models.people import NamePerson
from hub.models.venues import ChangeVenue
from hub.services import bookings, calendars, erasure, venues
from tests import builders
from tests.doors import ListeningHub
from tests.world import World, refusal


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub)


async def file_of(world: World, booking: Booking, by: Actor | None = None) -> bytes:
    return await calendars.of_booking(world.hub, by or world.customer, NameBooking(booking_id=booking.id))


def events(file: bytes) -> list[Event]:
    return list(Calendar.from_ical(file).walk("VEVENT"))


async def secret_of(world: World) -> str:
    address = await calendars.subscribe(world.hub, world.customer)
    assert address.url.startswith(f"{world.hub.settings.public_url}/api/v1/calendar/")
    return address.url.rpartition("/")[2].removesuffix(".ics")


async def test_hours_are_moments_and_nights_are_days(world):
    booked = await world.book(world.slot(10, 2), world.stay(2), world.place(3))
    file = await file_of(world, booked)
    assert b"METHOD:PUBLISH" in file
    slot, place, stay = events(file)
    assert (slot["DTSTART"].dt, slot["DTEND"].dt) == (world.at(10), world.at(12))
    assert str(place["SUMMARY"]) == "3 × Morning flow, Sala Norte"  # noqa: RUF001
    assert (stay["DTSTART"].dt, stay["DTEND"].dt) == (world.day(20), world.day(22))
    assert {str(one["STATUS"]) for one in (slot, place, stay)} == {"CONFIRMED"}


async def test_a_booking_keeps_its_name_as_it_moves_and_until_it_is_cancelled(world):
    booked = await world.book(world.slot(10))
    (first,) = events(await file_of(world, booked))
    ask = RescheduleBooking.model_validate({"booking_id": booked.id, "items": [world.slot(15)]})
    await bookings.reschedule(world.hub, world.customer, ask)
    (moved,) = events(await file_of(world, booked))
    assert moved["UID"] == first["UID"]
    assert moved["SEQUENCE"] > first["SEQUENCE"]
    assert moved["DTSTART"].dt == world.at(15)
    await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=booked.id))
    file = await file_of(world, booked)
    (gone,) = events(file)
    assert b"METHOD:CANCEL" in file
    assert (gone["UID"], str(gone["STATUS"])) == (first["UID"], "CANCELLED")
    assert gone["SEQUENCE"] > moved["SEQUENCE"]


async def test_what_leaves_a_booking_is_taken_out_of_the_calendars_that_were_shown_it(world):
    booked = await world.book(world.slot(10), world.slot(14), world.stay())
    known = {str(event["UID"]) for event in events(await file_of(world, booked))}
    ask = CancelBooking(booking_id=booked.id, item_ids=[booked.items[0].id])
    await bookings.cancel(world.hub, world.customer, ask)
    states = {str(event["UID"]): str(event["STATUS"]) for event in events(await file_of(world, booked))}
    assert states.keys() == known
    assert sorted(states.values()) == ["CANCELLED", "CONFIRMED", "CONFIRMED"]
    # A desk was never shown what is elsewhere, and a feed says it all anew.
    assert len(events(await file_of(world, booked, await builders.make_staff(world.hub, world.hotel)))) == 1
    assert len(events(await calendars.feed(world.hub, await secret_of(world)))) == 2


@pytest.mark.abuse("J13")
async def test_no_title_can_write_lines_of_its_own_into_a_calendar(world):
    evil = "Flow; a,b\\n END:VEVENT BEGIN:VALARM X-EVIL:1 " + "ភ្នំពេញ " * 15
    session = await builders.make_session(
        world.hub, world.owner, world.hall, title=evil, starts_at=world.at(8, days=3), ends_at=world.at(9, days=3)
    )
    async with world.hub.pool.acquire() as db:
        # Written by something that judges less than our own doors.
        await db.execute(
            "UPDATE sessions SET title = $2 WHERE id = $1",
            session.id,
            evil + "\r\nEND:VEVENT\r\nX-EVIL:2\x0b\x00".strip("\x00"),
        )
    world.hub.catalogue.clear()
    booked = await world.book(builders.place(session))
    async with world.hub.pool.acquire() as db:
        await db.execute(
            "UPDATE booking_items SET title = $2 WHERE booking_id = $1",
            booked.id,
            evil + "\r\nEND:VEVENT\r\nX-EVIL:2\x0b",
        )
    file = await file_of(world, booked)
    lines = file.split(b"\r\n")
    assert all(len(line) <= 75 for line in lines)
    assert b"\n" not in file.replace(b"\r\n", b"")
    unfolded = file.replace(b"\r\n ", b"").decode().split("\r\n")
    names = [re.split("[:;]", line, maxsplit=1)[0] for line in unfolded if line]
    assert names.count("BEGIN") == names.count("END") == 2
    assert not any(name.startswith("X-") for name in names)
    (event,) = events(file)
    assert str(event["SUMMARY"]).startswith(evil.strip())


@pytest.mark.abuse("J13")
async def test_names_of_entries_are_drawn_at_random(world):
    booked = [await world.book(world.slot(hour)) for hour in (8, 10)]
    uids = [str(event["UID"]) for one in booked for event in events(await file_of(world, one))]
    drawn = {uid[:36] for uid in uids}
    assert len(drawn) == 2
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in drawn
    )


async def test_only_what_is_booked_stands_in_a_calendar_and_a_desk_sees_its_part(world):
    held = await world.hold(world.slot(8))
    assert isinstance(await refusal(file_of(world, held)), WrongState)
    booked = await world.book(world.slot(10), world.stay())
    desk = await builders.make_staff(world.hub, world.hotel)
    (stay,) = events(await file_of(world, booked, desk))
    assert str(stay["LOCATION"]).startswith("Hotel Aurora")
    assert isinstance(await refusal(file_of(world, booked, world.stranger)), NotFound)


async def test_a_feed_follows_what_is_booked_moved_and_cancelled(world):
    secret = await secret_of(world)
    assert events(await calendars.feed(world.hub, secret)) == []
    stays, goes = await world.book(world.slot(10)), await world.book(world.slot(12))
    await world.hold(world.slot(14))
    await world.book(world.slot(16), by=world.rival)
    assert len(events(await calendars.feed(world.hub, secret))) == 2
    await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=goes.id))
    await venues.change(world.hub, world.owner, ChangeVenue(venue_id=world.hall.id, address="Rua Nova 1"))
    (event,) = events(await calendars.feed(world.hub, secret))
    assert event["UID"] == events(await file_of(world, stays))[0]["UID"]
    assert "Rua Nova 1" in str(event["LOCATION"])


async def test_an_address_is_told_once_and_ends_with_the_next_one_or_its_owner(world):
    assert not (await calendars.state(world.hub, world.customer)).is_on
    first = await secret_of(world)
    second = await secret_of(world)
    assert (await calendars.state(world.hub, world.customer)).is_on
    assert isinstance(await refusal(calendars.feed(world.hub, first)), NotFound)
    async with world.hub.reading() as db:
        kept = await db.fetchval("SELECT string_agg(t::text, '') FROM calendar_feeds AS t")
    assert second not in kept
    await calendars.feed(world.hub, second)
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE users SET status = 'suspended' WHERE id = $1", world.customer.user_id)
    assert isinstance(await refusal(calendars.feed(world.hub, second)), NotFound)
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE users SET status = 'active' WHERE id = $1", world.customer.user_id)
    await calendars.feed(world.hub, second)
    await calendars.delete(world.hub, world.customer)
    assert isinstance(await refusal(calendars.feed(world.hub, second)), NotFound)
    third = await secret_of(world)
    user_id = NamePerson(user_id=world.customer.user_id).user_id
    async with world.hub.work(world.customer) as work:
        await erasure.erase(work, user_id)
    assert isinstance(await refusal(calendars.feed(world.hub, third)), NotFound)
