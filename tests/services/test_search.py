"""Find counts what the commit would take, and gives up as few filters as it can."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.models.bookings import MakeBooking, PlaceHold
from hub.models.room_types import CreateRoomType
from hub.models.rooms import CreateRoom
from hub.models.search import Findings, Search
from hub.models.sessions import CreateSession
from hub.models.venues import CreateVenue
from hub.services import bookings, holds, room_types, rooms, search, sessions, venues
from tests.doors import ListeningHub, People

LISBON = ZoneInfo("Europe/Lisbon")


@pytest.fixture
def today(hub: ListeningHub) -> date:
    """Answer the day on the venues' calendar."""
    return hub.clock.now().astimezone(LISBON).date()


def on(day: date, hour: int) -> datetime:
    """Answer an hour of a day on the venues' clock."""
    return datetime.combine(day, time(hour), LISBON)


async def a_hotel(hub: ListeningHub, people: People, **more: Any) -> Any:
    """Open a hotel of three rooms in Lisbon."""
    vera = await people.vendor()
    fields = {"name": "Aurora", "kind": "hotel", "city": "Lisbon", "timezone": "Europe/Lisbon", "currency": "EUR"}
    hotel = await venues.create(hub, vera.actor, CreateVenue.model_validate(fields | more))
    ask = CreateRoomType(venue_id=hotel.id, name="Double", capacity=2, price=9_000, total_rooms=3)
    return vera, hotel, await room_types.create(hub, vera.actor, ask)


async def a_hall(hub: ListeningHub, people: People, **more: Any) -> Any:
    """Open a hall in Porto, from nine to twelve."""
    vera = await people.vendor()
    every_day = {day: [("09:00", "12:00")] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    fields = {"name": "Norte", "kind": "hall", "city": "Porto", "timezone": "Europe/Lisbon", "currency": "EUR"}
    hall = await venues.create(
        hub,
        vera.actor,
        CreateVenue.model_validate(fields | {"opening_hours": every_day, "min_slot_minutes": 60} | more),
    )
    kind = await room_types.create(
        hub, vera.actor, CreateRoomType(venue_id=hall.id, name="Hall", capacity=40, price=5_000, price_unit="hour")
    )
    return vera, hall, await rooms.create(hub, vera.actor, CreateRoom(room_type_id=kind.id, number="Main"))


async def find(hub: ListeningHub, **ask: Any) -> Findings:
    """Search as a guest."""
    return await search.find(hub, (await People(hub).customer()).actor, Search.model_validate(ask))


def stay(room_type_id: int, check_in: date, nights: int, quantity: int = 1) -> dict[str, Any]:
    """Ask for nights in a pool."""
    until = check_in + timedelta(days=nights)
    return {
        "kind": "stay",
        "room_type_id": room_type_id,
        "check_in": check_in.isoformat(),
        "check_out": until.isoformat(),
        "quantity": quantity,
    }


async def test_a_hotel_counts_the_rooms_free_for_all_nights(hub: ListeningHub, people: People, today: date) -> None:
    _, hotel, double = await a_hotel(hub, people)
    guest = (await people.customer()).actor
    day = today + timedelta(days=3)
    await bookings.make(
        hub, guest, MakeBooking.model_validate({"items": [stay(double.id, day + timedelta(days=1), 1, 2)]})
    )
    found = await find(hub, check_in=day, check_out=day + timedelta(days=3))
    assert [(one.venue.id, one.kind, one.free, one.total, one.from_price) for one in found.items] == [
        (hotel.id, "nights", 1, 3, 9_000)
    ]
    assert found.relaxed == []


async def test_a_full_hotel_tells_its_next_free_night(hub: ListeningHub, people: People, today: date) -> None:
    _, hotel, double = await a_hotel(hub, people)
    guest = (await people.customer()).actor
    await bookings.make(hub, guest, MakeBooking.model_validate({"items": [stay(double.id, today, 2, 3)]}))
    [one] = (await find(hub)).items
    assert (one.free, one.next_free) == (0, on(today + timedelta(days=2), 15))
    assert one.venue.id == hotel.id


async def test_a_hall_lists_the_hours_left_of_a_day(hub: ListeningHub, people: People, today: date) -> None:
    _, hall, room = await a_hall(hub, people)
    guest = (await people.customer()).actor
    day = today + timedelta(days=2)
    item = {
        "kind": "slot",
        "room_id": room.id,
        "starts_at": on(day, 10).isoformat(),
        "ends_at": on(day, 11).isoformat(),
    }
    await holds.place(hub, guest, PlaceHold.model_validate({"items": [item]}))
    [one] = (await find(hub, date=day, kind="hall")).items
    assert one.venue.id == hall.id
    assert [(window.starts_at, window.ends_at) for window in one.windows] == [
        (on(day, 9), on(day, 10)),
        (on(day, 11), on(day, 12)),
    ]


async def test_buffers_and_the_shortest_slot_leave_less(hub: ListeningHub, people: People, today: date) -> None:
    _, _, room = await a_hall(hub, people, buffer_after_minutes=15, min_slot_minutes=60, slot_step_minutes=30)
    guest = (await people.customer()).actor
    day = today + timedelta(days=2)
    item = {"kind": "slot", "room_id": room.id, "starts_at": on(day, 9).isoformat(), "ends_at": on(day, 10).isoformat()}
    await bookings.make(hub, guest, MakeBooking.model_validate({"items": [item]}))
    [one] = (await find(hub, date=day, kind="hall")).items
    assert [(window.starts_at, window.ends_at) for window in one.windows] == [
        (on(day, 10) + timedelta(minutes=30), on(day, 12))
    ]


async def test_a_session_counts_its_places_held_and_free(hub: ListeningHub, people: People, today: date) -> None:
    bruno = await people.facilitator()
    day = today + timedelta(days=1)
    ask = CreateSession(title="Flow", starts_at=on(day, 9), ends_at=on(day, 10), capacity=5, timezone="Europe/Lisbon")
    session = await sessions.create(hub, bruno.actor, ask)
    guest = (await people.customer()).actor
    await holds.place(
        hub, guest, PlaceHold.model_validate({"items": [{"kind": "place", "session_id": session.id, "quantity": 2}]})
    )
    [one] = (await find(hub, date=day, guests=3)).items
    assert (one.free, one.held, one.total) == (3, 2, 5)
    assert one.held_until is not None
    assert one.session is not None
    assert one.session.facilitator_name == "Bruno Dias"


@pytest.mark.parametrize(
    ("filters", "relaxed"),
    [
        ({"place": "lisb"}, []),
        ({"place": "lisb", "kind": "tour"}, ["kind"]),
        ({"place": "lisb", "max_price": 5}, ["price"]),
        ({"place": "lisb", "guests": 9, "kind": "hall"}, ["kind", "guests"]),
        ({"place": "nowhere"}, ["place"]),
        ({"place": "100%"}, ["place"]),
    ],
)
async def test_when_nothing_matches_as_few_filters_as_possible_are_given_up(
    hub: ListeningHub, people: People, filters: dict[str, Any], relaxed: list[str]
) -> None:
    await a_hotel(hub, people)
    found = await find(hub, **filters)
    assert found.meta.total_items == 1
    assert found.relaxed == relaxed


async def test_nothing_offered_is_nothing_found_and_no_filter_blamed(hub: ListeningHub) -> None:
    found = await find(hub, place="Lisbon", guests=2)
    assert (found.items, found.relaxed, found.meta.total_items) == ([], [], 0)


async def test_prices_compare_by_value_whatever_digits_a_currency_has(hub: ListeningHub, people: People) -> None:
    vera = await people.vendor()
    hotel = await venues.create(hub, vera.actor, CreateVenue(name="Sakura", kind="hotel", currency="JPY"))
    await room_types.create(hub, vera.actor, CreateRoomType(venue_id=hotel.id, name="Room", price=8_000, total_rooms=1))
    assert (await find(hub, max_price=800_000)).relaxed == []
    assert (await find(hub, max_price=799_999)).relaxed == ["price"]


async def test_what_a_rule_forbids_is_not_offered(hub: ListeningHub, people: People, today: date) -> None:
    await a_hotel(hub, people, min_nights=3, advance_days=30)
    day = today + timedelta(days=5)
    assert (await find(hub, check_in=day, check_out=day + timedelta(days=2))).relaxed == ["dates"]
    assert (await find(hub, check_in=day, check_out=day + timedelta(days=3))).relaxed == []
    assert (await find(hub, check_in=day + timedelta(days=30), check_out=day + timedelta(days=33))).relaxed == ["dates"]
    assert (await find(hub, check_in=today - timedelta(days=4))).relaxed == ["dates"]


async def test_pages_show_each_sort_first_and_never_the_same_twice(
    hub: ListeningHub, people: People, today: date
) -> None:
    await a_hotel(hub, people)
    await a_hall(hub, people)
    bruno = await people.facilitator()
    day = today + timedelta(days=1)
    for hour in (9, 12, 15):
        ask = CreateSession(title=f"At {hour}", starts_at=on(day, hour), ends_at=on(day, hour + 1))
        await sessions.create(hub, bruno.actor, ask)
    first = await find(hub, per_page=3)
    second = await find(hub, per_page=3, page=2)
    assert [one.kind for one in first.items] == ["nights", "hours", "places"]
    assert [one.session.title for one in second.items if one.session] == ["At 12", "At 15"]
    assert first.meta.total_items == 5
