from typing import Any

import pytest
from pydantic import ValidationError

from hub.core import GUEST
from hub.errors import AlreadyExists, Forbidden, HasBookings, Invalid, NotFound, NotOffered, Unauthenticated
from hub.models.room_types import NameRoomType, RoomType
from hub.models.rooms import ChangeRoom, CreateRoom, ListRooms, NameRoom
from hub.services import room_types, rooms
from tests.builders import (
    day_after,
    make_actor,
    make_booking,
    make_room,
    make_room_type,
    make_session,
    make_staff,
    make_venue,
    slot,
    stay,
    tomorrow,
)
from tests.doors import ListeningHub


async def total(hub: ListeningHub, room_type: RoomType) -> int:
    return (await room_types.read(hub, GUEST, NameRoomType(room_type_id=room_type.id))).total_rooms


async def test_a_new_room_counts_in_its_type(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    hub.told.clear()
    room = await make_room(hub, owner, room_type, "12a", floor=-1)
    assert (room.venue_id, room.number, room.floor, room.status) == (venue.id, "12a", -1, "available")
    assert room == await rooms.read(hub, GUEST, NameRoom(room_id=room.id))
    assert await total(hub, room_type) == 1
    assert hub.names() == ["room.created", "room_type.changed"]
    await make_room(hub, owner, room_type, "13", status="maintenance")
    assert await total(hub, room_type) == 1


async def test_a_number_is_given_once_in_a_venue(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue, other = await make_venue(hub, owner), await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    room = await make_room(hub, owner, room_type, "1")
    second = await make_room(hub, owner, room_type, "2")
    await make_room(hub, owner, await make_room_type(hub, owner, other), "1")
    with pytest.raises(AlreadyExists):
        await make_room(hub, owner, room_type, "1")
    with pytest.raises(AlreadyExists):
        await rooms.change(hub, owner, ChangeRoom(room_id=second.id, number="1"))
    await rooms.delete(hub, owner, NameRoom(room_id=room.id))
    assert (await rooms.change(hub, owner, ChangeRoom(room_id=second.id, number="1"))).number == "1"


def test_a_number_may_be_written_as_a_number() -> None:
    assert CreateRoom.model_validate({"room_type_id": 1, "number": 101}).number == "101"
    for wrong in ["", " ", None, True, "a\nb", "x" * 41, 1.5]:
        with pytest.raises(ValidationError):
            CreateRoom.model_validate({"room_type_id": 1, "number": wrong})


async def test_a_room_belongs_to_the_venue_of_its_type(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue, other = await make_venue(hub, owner), await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    assert await make_room(hub, owner, room_type, venue_id=venue.id)
    with pytest.raises(Invalid):
        await make_room(hub, owner, room_type, "2", venue_id=other.id)


@pytest.mark.parametrize("fields", [{"is_active": False}, {"status": "maintenance"}, {"status": "out_of_service"}])
async def test_a_room_of_a_pool_that_waits_for_a_repair_is_missing_on_every_night(
    hub: ListeningHub, fields: dict[str, Any]
) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    pool = await make_room_type(hub, owner, await make_venue(hub, owner), total_rooms=2)
    booking = await make_booking(hub, customer, stay(pool, day_after(2)))
    first, second = (await rooms.listed(hub, GUEST, ListRooms(room_type_id=pool.id))).items
    hub.told.clear()
    await rooms.change(hub, owner, ChangeRoom.model_validate({"room_id": first.id} | fields))
    assert await total(hub, pool) == 1
    assert hub.names() == ["room.changed", "room_type.changed", "availability.changed"]
    assert '"total" : 1' in hub.told[-1].data
    with pytest.raises(HasBookings) as refused:
        await rooms.change(hub, owner, ChangeRoom.model_validate({"room_id": second.id} | fields))
    assert [one["id"] for one in refused.value.details["bookings"]] == [booking.id]
    with pytest.raises(HasBookings):
        await rooms.delete(hub, owner, NameRoom(room_id=second.id))
    back = ChangeRoom(room_id=first.id, status="occupied", is_active=True)
    await rooms.change(hub, owner, back)
    assert await total(hub, pool) == 2


async def test_a_numbered_room_in_maintenance_keeps_its_bookings_and_takes_no_more(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    room_type = await make_room_type(hub, owner, await make_venue(hub, owner))
    room = await make_room(hub, owner, room_type)
    booking = await make_booking(hub, customer, slot(room, tomorrow()))
    await rooms.change(hub, owner, ChangeRoom(room_id=room.id, status="maintenance"))
    assert booking.status == "confirmed"
    with pytest.raises(NotOffered):
        await make_booking(hub, customer, slot(room, tomorrow(15)))


async def test_a_room_that_is_booked_or_in_use_is_not_removed(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    booked, used = await make_room(hub, owner, room_type, "1"), await make_room(hub, owner, room_type, "2")
    booking = await make_booking(hub, customer, slot(booked, tomorrow()))
    session = await make_session(hub, owner, venue, room_id=used.id)
    for room, bookings, sessions in [(booked, [booking.id], []), (used, [], [session.id])]:
        with pytest.raises(HasBookings) as refused:
            await rooms.delete(hub, owner, NameRoom(room_id=room.id))
        assert [one["id"] for one in refused.value.details["bookings"]] == bookings
        assert [one["id"] for one in refused.value.details["sessions"]] == sessions


async def test_a_removed_room_is_gone(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    room_type = await make_room_type(hub, owner, await make_venue(hub, owner))
    room = await make_room(hub, owner, room_type)
    hub.told.clear()
    await rooms.delete(hub, owner, NameRoom(room_id=room.id))
    assert hub.names() == ["room.deleted", "room_type.changed"]
    assert await total(hub, room_type) == 0
    assert (await rooms.listed(hub, owner, ListRooms())).items == []
    for gone in [
        rooms.read(hub, owner, NameRoom(room_id=room.id)),
        rooms.change(hub, owner, ChangeRoom(room_id=room.id, floor=1)),
        rooms.delete(hub, owner, NameRoom(room_id=room.id)),
    ]:
        with pytest.raises(NotFound):
            await gone


async def test_a_change_of_nothing_changes_nothing(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    room = await make_room(hub, owner, await make_room_type(hub, owner, await make_venue(hub, owner)), floor=2)
    hub.told.clear()
    assert await rooms.change(hub, owner, ChangeRoom(room_id=room.id, floor=2, number="1")) == room
    assert hub.told == []
    assert (await rooms.change(hub, owner, ChangeRoom(room_id=room.id, floor=None))).floor is None
    assert hub.names() == ["room.changed"]


async def test_rooms_are_found_by_what_they_are(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue, other = await make_venue(hub, owner), await make_venue(hub, owner)
    large = await make_room_type(hub, owner, venue, capacity=50, price=9000, amenities=["Piano"])
    small = await make_room_type(hub, owner, venue, capacity=5, price=1000)
    for number, room_type, fields in [
        ("10", large, {"floor": 1}),
        ("9", small, {"floor": 0}),
        ("100", small, {"floor": 2, "status": "maintenance", "is_active": False}),
    ]:
        await make_room(hub, owner, room_type, number, **fields)
    await make_room(hub, owner, await make_room_type(hub, owner, other), "10")

    async def numbers(**filters: Any) -> list[str]:
        return [one.number for one in (await rooms.listed(hub, GUEST, ListRooms(venue_id=venue.id, **filters))).items]

    for filters, expected in [
        ({}, ["9", "10", "100"]),
        ({"sort": "-number"}, ["100", "10", "9"]),
        ({"sort": "floor"}, ["9", "10", "100"]),
        ({"sort": "-price"}, ["10", "9", "100"]),
        ({"sort": "newest"}, ["100", "9", "10"]),
        ({"number": "9"}, ["9"]),
        ({"number": 9}, ["9"]),
        ({"floor": 2}, ["100"]),
        ({"status": "maintenance"}, ["100"]),
        ({"is_active": True}, ["9", "10"]),
        ({"guests": 6}, ["10"]),
        ({"min_price": 1001}, ["10"]),
        ({"max_price": 1000}, ["9", "100"]),
        ({"amenities": "piano"}, ["10"]),
        ({"room_type_id": large.id}, ["10"]),
    ]:
        assert await numbers(**filters) == expected, filters
    assert (await rooms.listed(hub, GUEST, ListRooms())).meta.total_items == 4


async def test_only_those_who_run_the_venue_change_its_rooms(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    room = await make_room(hub, owner, room_type)
    manager, admin = await make_staff(hub, venue, "manager"), await make_actor(hub, "admin")
    for number, actor in [("2", manager), ("3", admin)]:
        made = await make_room(hub, actor, room_type, number)
        await rooms.change(hub, actor, ChangeRoom(room_id=made.id, floor=3))
        await rooms.delete(hub, actor, NameRoom(room_id=made.id))
    for actor, refusal in [
        (await make_staff(hub, venue, "desk"), Forbidden),
        (await make_actor(hub, "facilitator"), NotFound),
        (GUEST, Unauthenticated),
    ]:
        for refused in [
            make_room(hub, actor, room_type, "4"),
            rooms.change(hub, actor, ChangeRoom(room_id=room.id, floor=3)),
            rooms.delete(hub, actor, NameRoom(room_id=room.id)),
        ]:
            with pytest.raises(refusal):
                await refused
