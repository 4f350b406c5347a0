from typing import Any

import pytest
from pydantic import ValidationError

from hub.core import GUEST, THE_HUB
from hub.errors import Forbidden, HasBookings, Invalid, NotFound, Unauthenticated
from hub.models.money import CURRENCIES
from hub.models.room_types import NameRoomType
from hub.models.rooms import NameRoom
from hub.models.sessions import NameSession
from hub.models.venues import ChangeVenue, CreateVenue, ListVenues, NameVenue, Venue
from hub.services import room_types, rooms, sessions, venues
from tests.builders import (
    day_after,
    make_actor,
    make_booking,
    make_closure,
    make_hold,
    make_room,
    make_room_type,
    make_session,
    make_staff,
    make_venue,
    place,
    slot,
    stay,
    tomorrow,
)
from tests.doors import ListeningHub


async def version(hub: ListeningHub, venue: Venue) -> int:
    async with hub.pool.acquire() as db:
        found: int = await db.fetchval("SELECT catalogue_version FROM venues WHERE id = $1", venue.id)
    return found


async def names_of(hub: ListeningHub, actor: Any = GUEST, **filters: Any) -> list[str]:
    return [venue.name for venue in (await venues.listed(hub, actor, ListVenues(**filters))).items]


async def test_a_venue_needs_no_more_than_a_name(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await venues.create(hub, owner, CreateVenue(name="Sala Norte"))
    assert venue.owner_id == owner.user_id
    assert (venue.timezone, venue.currency, venue.confirmation, venue.opening_hours) == ("UTC", "USD", "instant", None)
    assert (venue.hold_seconds, venue.hold_cap_seconds) == (hub.settings.hold_seconds, hub.settings.hold_cap_seconds)
    assert venue == await venues.read(hub, GUEST, NameVenue(venue_id=venue.id))
    assert hub.names(f"venue:{venue.id}") == ["venue.created"]


async def test_a_venue_keeps_everything_it_was_told(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    asked = {
        "name": "Hotel Aurora",
        "kind": "hotel",
        "timezone": "Asia/Kathmandu",
        "currency": "NPR",
        "latitude": 27.7,
        "star_rating": 4.5,
        "amenities": ["Wi-Fi", "Pool", "wi-fi"],
        "images": [{"url": "https://example.org/a.jpg", "alt": "The house"}],
        "cancellation": {"free_until_hours": 48, "refund_percent_after": 50},
        "opening_hours": {"fri": [["18:00", "02:00"]], "sat": []},
        "check_in_time": "14:30",
        "contact_email": "desk@example.org",
        "hold_seconds": 7200,
    }
    venue = await venues.create(hub, owner, CreateVenue.model_validate(asked))
    told = venue.model_dump(mode="json")
    kept = asked | {"amenities": ["Wi-Fi", "Pool"], "check_in_time": "14:30:00"}
    assert {name: told[name] for name in kept} == kept
    assert venue.hold_cap_seconds == 7200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Mars/Olympus"),
        ("timezone", "europe/lisbon"),
        ("timezone", "Factory"),
        ("currency", "XXX"),
        ("currency", "eur"),
        ("name", " "),
        ("name", "a\nb"),
        ("name", "a\x00b"),
        ("kind", "barn"),
        ("latitude", 91),
        ("latitude", float("nan")),
        ("star_rating", 6),
        ("opening_hours", {"mon": [["09:00", "09:00"]]}),
        ("opening_hours", {"mon": [["9:00", "18:00"]]}),
        ("opening_hours", {"mon": [["24:00", "18:00"]]}),
        ("opening_hours", {"monday": []}),
        ("check_in_time", 54000),
        ("check_in_time", "15:00+01:00"),
        ("images", [{"url": "javascript:alert(1)"}]),
        ("images", [{"url": "//elsewhere.example"}]),
        ("contact_website", "example.org"),
        ("contact_email", "desk"),
        ("min_nights", 0),
        ("advance_days", 2000),
        ("owner_id", 3),
    ],
)
def test_what_a_venue_cannot_have_is_refused_by_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        CreateVenue.model_validate({"name": "Sala", field: value})
    assert refused.value.errors()[0]["loc"][0] == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"min_nights": 5, "max_nights": 2}, "min_nights"),
        ({"min_slot_minutes": 90, "max_slot_minutes": 60}, "min_slot_minutes"),
        ({"check_in_time": "10:00", "check_out_time": "12:00"}, "check_out_time"),
        ({"hold_seconds": 600, "hold_cap_seconds": 60}, "hold_seconds"),
    ],
)
async def test_policies_that_contradict_each_other_are_refused(
    hub: ListeningHub, fields: dict[str, Any], field: str
) -> None:
    owner = await make_actor(hub, "vendor")
    with pytest.raises(Invalid) as refused:
        await venues.create(hub, owner, CreateVenue.model_validate({"name": "Sala"} | fields))
    assert refused.value.details["errors"][0]["field"] == field
    venue = await make_venue(hub, owner)
    with pytest.raises(Invalid):
        await venues.change(hub, owner, ChangeVenue.model_validate({"venue_id": venue.id} | fields))
    assert venue == await venues.read(hub, owner, NameVenue(venue_id=venue.id))


async def test_only_facilitators_and_vendors_open_venues(hub: ListeningHub) -> None:
    with pytest.raises(Forbidden):
        await make_venue(hub, await make_actor(hub, "customer"))
    with pytest.raises(Unauthenticated):
        await make_venue(hub, GUEST)
    assert await make_venue(hub, await make_actor(hub, "facilitator"))


async def test_a_change_touches_what_it_names_and_nothing_else(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, opening_hours={"mon": [("09:00", "18:00")]}, star_rating=4)
    before = await version(hub, venue)
    changed = await venues.change(
        hub, owner, ChangeVenue(venue_id=venue.id, name="Sala Sul", opening_hours=None, amenities=["piano"])
    )
    assert changed.opening_hours is None
    assert changed.updated_at > venue.updated_at
    kept = {"name", "opening_hours", "amenities", "updated_at"}
    assert changed.model_dump(exclude=kept) == venue.model_dump(exclude=kept)
    assert await version(hub, venue) > before
    assert hub.names()[-1] == "venue.changed"


async def test_a_change_of_nothing_changes_nothing(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    before, told = await version(hub, venue), len(hub.told)
    assert await venues.change(hub, owner, ChangeVenue(venue_id=venue.id, name=venue.name)) == venue
    assert await venues.change(hub, owner, ChangeVenue(venue_id=venue.id)) == venue
    assert (await version(hub, venue), len(hub.told)) == (before, told)


@pytest.mark.parametrize("field", ["name", "timezone", "is_active", "amenities", "cancellation", "check_in_time"])
def test_null_is_refused_where_a_venue_needs_a_value(field: str) -> None:
    with pytest.raises(ValidationError, match="must not be null"):
        ChangeVenue.model_validate({"venue_id": 1, field: None})
    assert "null" not in str(ChangeVenue.model_json_schema()["properties"][field].get("anyOf", ""))


async def test_a_venue_is_changed_by_its_owner_a_manager_and_an_admin(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    for actor in [owner, await make_staff(hub, venue, "manager"), await make_actor(hub, "admin"), THE_HUB]:
        assert await venues.change(hub, actor, ChangeVenue(venue_id=venue.id, city=f"City {actor.user_id}"))
    with pytest.raises(Forbidden):
        await venues.change(hub, await make_staff(hub, venue, "desk"), ChangeVenue(venue_id=venue.id, city="Porto"))
    for stranger in [await make_actor(hub, "vendor"), await make_actor(hub, "customer")]:
        with pytest.raises(NotFound):
            await venues.change(hub, stranger, ChangeVenue(venue_id=venue.id, city="Porto"))
        with pytest.raises(NotFound):
            await venues.delete(hub, stranger, NameVenue(venue_id=venue.id))
    with pytest.raises(Unauthenticated):
        await venues.change(hub, GUEST, ChangeVenue(venue_id=venue.id, city="Porto"))


async def test_an_inactive_venue_is_seen_only_by_those_who_run_it(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, is_active=False)
    room_type = await make_room_type(hub, owner, venue)
    room = await make_room(hub, owner, room_type)
    session = await make_session(hub, owner, venue)
    for actor in [owner, await make_staff(hub, venue), await make_actor(hub, "admin")]:
        assert await venues.read(hub, actor, NameVenue(venue_id=venue.id)) == venue
        assert await names_of(hub, actor) == [venue.name]
        assert await rooms.read(hub, actor, NameRoom(room_id=room.id)) == room
    for stranger in [GUEST, await make_actor(hub, "vendor")]:
        assert await names_of(hub, stranger) == []
        with pytest.raises(NotFound):
            await venues.read(hub, stranger, NameVenue(venue_id=venue.id))
        with pytest.raises(NotFound):
            await room_types.read(hub, stranger, NameRoomType(room_type_id=room_type.id))
        with pytest.raises(NotFound):
            await rooms.read(hub, stranger, NameRoom(room_id=room.id))
        with pytest.raises(NotFound):
            await sessions.read(hub, stranger, NameSession(session_id=session.id))


async def test_venues_are_found_by_what_they_are_and_where(hub: ListeningHub) -> None:
    ana, bruno = await make_actor(hub, "vendor"), await make_actor(hub, "vendor")
    aurora = await make_venue(
        hub, ana, name="Aurora", kind="hotel", city="Lisbon", star_rating=4.5, amenities=["Pool", "Wi-Fi"]
    )
    norte = await make_venue(hub, bruno, name="norte 100%", city="Porto", country="Portugal", description="a big hall")
    await make_room_type(hub, ana, aurora, price=9000, capacity=2)
    await make_room_type(hub, bruno, norte, price=5000, capacity=100)
    await make_staff(hub, norte)
    both = ["Aurora", "norte 100%"]
    for filters, expected in [
        ({}, both),
        ({"q": "BIG"}, ["norte 100%"]),
        ({"q": "100%"}, ["norte 100%"]),
        ({"q": "1_0"}, []),
        ({"q": "\\"}, []),
        ({"place": "port"}, ["norte 100%"]),
        ({"place": "lisb"}, ["Aurora"]),
        ({"city": "lisbon"}, ["Aurora"]),
        ({"city": "lis"}, []),
        ({"kind": "hall"}, ["norte 100%"]),
        ({"owner_id": ana.user_id}, ["Aurora"]),
        ({"amenities": ["wi-fi", "POOL"]}, ["Aurora"]),
        ({"amenities": "wi-fi,pool"}, ["Aurora"]),
        ({"amenities": ["wi-fi", "sauna"]}, []),
        ({"amenities": ['"},{']}, []),
        ({"min_stars": 4.5}, ["Aurora"]),
        ({"min_stars": 4.6}, []),
        ({"guests": 3}, ["norte 100%"]),
        ({"max_price": 5000}, ["norte 100%"]),
        ({"min_price": 5001}, ["Aurora"]),
        ({"guests": 3, "min_price": 5001}, []),
        ({"sort": "-name"}, both[::-1]),
        ({"sort": "newest"}, both[::-1]),
        ({"sort": "oldest"}, both),
        ({"sort": "-stars"}, both),
        ({"sort": "stars"}, both),
        ({"is_active": False}, []),
    ]:
        assert await names_of(hub, **filters) == expected, filters
    assert await names_of(hub, bruno, mine=True) == ["norte 100%"]
    assert await names_of(hub, await make_staff(hub, aurora), mine=True) == ["Aurora"]
    with pytest.raises(Unauthenticated):
        await names_of(hub, mine=True)


async def test_lists_come_in_pages_that_know_their_number(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    for number in range(5):
        await make_venue(hub, owner, name=f"Hall {number}")
    second = await venues.listed(hub, GUEST, ListVenues(page=2, per_page=2))
    assert [venue.name for venue in second.items] == ["Hall 2", "Hall 3"]
    assert second.meta.model_dump() == {"page": 2, "per_page": 2, "total_items": 5, "total_pages": 3}
    beyond = await venues.listed(hub, GUEST, ListVenues(page=9, per_page=2))
    assert (beyond.items, beyond.meta.total_items) == ([], 5)
    nothing = await venues.listed(hub, GUEST, ListVenues(q="nowhere"))
    assert (nothing.items, nothing.meta.total_items, nothing.meta.total_pages) == ([], 0, 0)


async def test_zone_and_currency_stand_still_while_something_is_booked(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    session = await make_session(hub, owner, venue)
    changed = await venues.change(hub, owner, ChangeVenue(venue_id=venue.id, timezone="Asia/Tokyo", currency="JPY"))
    assert (changed.timezone, changed.currency) == ("Asia/Tokyo", "JPY")
    assert hub.names()[-3:] == ["venue.changed", "room_type.changed", "session.changed"]
    assert (await room_types.read(hub, GUEST, NameRoomType(room_type_id=room_type.id))).currency == "JPY"
    assert (await sessions.read(hub, GUEST, NameSession(session_id=session.id))).timezone == "Asia/Tokyo"

    booking = await make_booking(hub, customer, place(session))
    with pytest.raises(HasBookings) as refused:
        await venues.change(hub, owner, ChangeVenue(venue_id=venue.id, timezone="UTC"))
    assert [one["id"] for one in refused.value.details["bookings"]] == [booking.id]
    same_zone = ChangeVenue(venue_id=venue.id, timezone="Asia/Tokyo", name="Sala Sul")
    assert (await venues.change(hub, owner, same_zone)).name == "Sala Sul"


async def test_what_has_live_bookings_is_not_deleted(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    hall = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    pool = await make_room_type(hub, owner, venue, total_rooms=3)
    session = await make_session(hub, owner, venue)
    made = [
        await make_booking(hub, customer, slot(hall, tomorrow())),
        await make_hold(hub, customer, stay(pool, day_after(2))),
        await make_booking(hub, customer, place(session, 2)),
    ]
    with pytest.raises(HasBookings) as refused:
        await venues.delete(hub, owner, NameVenue(venue_id=venue.id))
    assert refused.value.status == 409
    listed = refused.value.details["bookings"]
    assert {one["id"] for one in listed} == {booking.id for booking in made}
    assert {one["status"] for one in listed} == {"confirmed", "held"}
    assert set(listed[0]) == {"id", "reference", "status", "starts_at"}
    assert await venues.read(hub, GUEST, NameVenue(venue_id=venue.id))


async def test_a_deleted_venue_is_gone_with_all_it_had(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    room = await make_room(hub, owner, room_type)
    session = await make_session(hub, owner, venue)
    await make_closure(hub, owner, venue, starts_at=tomorrow(0, days=5), ends_at=tomorrow(0, days=6))
    await venues.delete(hub, owner, NameVenue(venue_id=venue.id))
    assert hub.names()[-1] == "venue.deleted"
    assert await names_of(hub, owner, mine=True) == []
    for gone in [
        venues.read(hub, owner, NameVenue(venue_id=venue.id)),
        venues.delete(hub, owner, NameVenue(venue_id=venue.id)),
        venues.change(hub, owner, ChangeVenue(venue_id=venue.id, name="Back")),
        room_types.read(hub, owner, NameRoomType(room_type_id=room_type.id)),
        rooms.read(hub, owner, NameRoom(room_id=room.id)),
        sessions.read(hub, owner, NameSession(session_id=session.id)),
        make_room_type(hub, owner, venue),
        make_room(hub, owner, room_type, "2"),
        make_session(hub, owner, venue),
    ]:
        with pytest.raises(NotFound):
            await gone


async def test_an_expired_hold_keeps_nothing_from_being_deleted(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    hold = await make_hold(hub, customer, place(await make_session(hub, owner, venue)))
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE bookings SET expires_at = now() - interval '1 second' WHERE id = $1", hold.id)
        await db.execute("UPDATE claims SET expires_at = now() - interval '1 second' WHERE booking_id = $1", hold.id)
    await venues.delete(hub, owner, NameVenue(venue_id=venue.id))


def test_the_table_of_currencies_knows_how_many_digits_each_has() -> None:
    known = {"EUR": 2, "USD": 2, "JPY": 0, "KHR": 0, "KWD": 3, "TND": 3, "HUF": 2}
    assert {code: CURRENCIES[code] for code in known} == known
    assert len(CURRENCIES) > 150
