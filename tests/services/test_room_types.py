from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from hub.core import GUEST
from hub.errors import Forbidden, HasBookings, Invalid, NotFound, Unauthenticated
from hub.models.room_types import ChangeRoomType, CreateRoomType, ListRoomTypes, NameRoomType, RoomType
from hub.models.rooms import ListRooms, NameRoom
from hub.services import room_types, rooms
from tests.builders import (
    day_after,
    make_actor,
    make_booking,
    make_hold,
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


async def nights(hub: ListeningHub, room_type: RoomType) -> list[tuple[int, int]]:
    async with hub.pool.acquire() as db:
        rows = await db.fetch(
            "SELECT total, taken FROM pool_nights WHERE room_type_id = $1 ORDER BY night", room_type.id
        )
    return [tuple(row) for row in rows]


async def numbers(hub: ListeningHub, room_type: RoomType) -> list[str]:
    found = await rooms.listed(hub, GUEST, ListRooms(room_type_id=room_type.id, per_page=100))
    return [room.number for room in found.items]


async def test_how_a_type_is_sold_follows_from_what_is_said(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    hall, hotel = await make_venue(hub, owner), await make_venue(hub, owner, kind="hotel")
    for venue, fields, sold_as, unit in [
        (hall, {}, "room", "hour"),
        (hall, {"total_rooms": 2}, "pool", "night"),
        (hotel, {}, "room", "night"),
        (hotel, {"sold_as": "pool"}, "pool", "night"),
        (hotel, {"sold_as": "room", "price_unit": "hour"}, "room", "hour"),
        (hotel, {"sold_as": "room", "total_rooms": 3}, "room", "night"),
    ]:
        made = await make_room_type(hub, owner, venue, **fields)
        assert (made.sold_as, made.price_unit) == (sold_as, unit)
        assert made.total_rooms == len(await numbers(hub, made)) == fields.get("total_rooms", 0)
        assert made.currency == venue.currency


async def test_a_pool_is_sold_by_the_night(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    with pytest.raises(Invalid) as refused:
        await make_room_type(hub, owner, venue, sold_as="pool", price_unit="hour")
    assert refused.value.details["errors"][0]["field"] == "price_unit"


async def test_a_pool_comes_with_its_numbered_rooms(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, kind="hotel")
    double = await make_room_type(hub, owner, venue, total_rooms=3)
    await make_room(hub, owner, double, "Attic")
    single = await make_room_type(hub, owner, venue, total_rooms=2)
    assert await numbers(hub, double) == ["101", "102", "103", "Attic"]
    assert await numbers(hub, single) == ["104", "105"]
    assert hub.names(f"venue:{venue.id}")[:5] == ["venue.created", "room_type.created", *["room.created"] * 3]
    assert (await room_types.read(hub, GUEST, NameRoomType(room_type_id=double.id))).total_rooms == 4


async def test_a_larger_pool_has_more_rooms_on_every_night(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    pool = await make_room_type(hub, owner, await make_venue(hub, owner), total_rooms=1)
    await make_booking(hub, customer, stay(pool, day_after(2), 2))
    hub.told.clear()
    changed = await room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=3, price=1))
    assert (changed.total_rooms, changed.price) == (3, 1)
    assert await nights(hub, pool) == [(3, 1), (3, 1)]
    assert await numbers(hub, pool) == ["101", "102", "103"]
    assert hub.names() == ["room.created", "room.created", "room_type.changed", "availability.changed"]
    assert '"free" : 2' in hub.told[-1].data
    await make_booking(hub, customer, stay(pool, day_after(2), 2, quantity=2))
    assert await nights(hub, pool) == [(3, 3), (3, 3)]


async def test_a_pool_shrinks_only_as_far_as_its_bookings_allow(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    pool = await make_room_type(hub, owner, await make_venue(hub, owner), total_rooms=4)
    booking = await make_booking(hub, customer, stay(pool, day_after(2), 2, quantity=2))
    hold = await make_hold(hub, customer, stay(pool, day_after(3)))
    with pytest.raises(HasBookings) as refused:
        await room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=2))
    assert [one["id"] for one in refused.value.details["bookings"]] == [booking.id, hold.id]
    assert refused.value.details["nights"] == [day_after(3).isoformat()]
    assert (await nights(hub, pool), await numbers(hub, pool)) == ([(4, 2), (4, 3)], ["101", "102", "103", "104"])

    changed = await room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=3))
    assert changed.total_rooms == 3
    assert (await nights(hub, pool), await numbers(hub, pool)) == ([(3, 2), (3, 3)], ["101", "102", "103"])
    assert "room.deleted" in hub.names()


async def test_an_expired_hold_does_not_keep_a_pool_from_shrinking(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    pool = await make_room_type(hub, owner, await make_venue(hub, owner), total_rooms=2)
    hold = await make_hold(hub, customer, stay(pool, day_after(2), quantity=2))
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE bookings SET expires_at = now() - interval '1 second' WHERE id = $1", hold.id)
        await db.execute("UPDATE claims SET expires_at = now() - interval '1 second' WHERE booking_id = $1", hold.id)
    changed = await room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=0))
    assert (changed.total_rooms, await nights(hub, pool)) == (0, [(0, 0)])


async def test_rooms_sold_by_number_are_not_counted_by_hand(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    room_type = await make_room_type(hub, owner, await make_venue(hub, owner))
    with pytest.raises(Invalid):
        await room_types.change(hub, owner, ChangeRoomType(room_type_id=room_type.id, total_rooms=2))


async def test_a_change_keeps_what_it_does_not_name(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    room_type = await make_room_type(
        hub, owner, await make_venue(hub, owner), bed_type="king", size_sqm=23.5, amenities=["desk"]
    )
    changed = await room_types.change(
        hub, owner, ChangeRoomType(room_type_id=room_type.id, bed_type=None, discount_percentage=12.5)
    )
    assert (changed.bed_type, changed.discount_percentage, changed.size_sqm) == (None, 12.5, 23.5)
    kept = {"bed_type", "discount_percentage", "updated_at"}
    assert changed.model_dump(exclude=kept) == room_type.model_dump(exclude=kept)
    told = len(hub.told)
    same = ChangeRoomType(room_type_id=room_type.id, size_sqm=23.5)
    assert await room_types.change(hub, owner, same) == changed
    assert len(hub.told) == told


async def test_room_types_are_found_by_what_they_offer(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    hall, hotel = await make_venue(hub, owner), await make_venue(hub, owner, kind="hotel")
    await make_room_type(hub, owner, hall, name="Auditorium", capacity=200, price=9000, amenities=["Piano"])
    await make_room_type(hub, owner, hotel, name="Double", capacity=2, price=7000, total_rooms=2)
    await make_room_type(hub, owner, hotel, name="Single", capacity=1, price=5000, is_active=False)

    async def names(**filters: Any) -> list[str]:
        return [one.name for one in (await room_types.listed(hub, GUEST, ListRoomTypes(**filters))).items]

    for filters, expected in [
        ({}, ["Auditorium", "Double", "Single"]),
        ({"venue_id": hotel.id}, ["Double", "Single"]),
        ({"q": "ou"}, ["Double"]),
        ({"sold_as": "pool"}, ["Double"]),
        ({"price_unit": "hour"}, ["Auditorium"]),
        ({"is_active": False}, ["Single"]),
        ({"guests": 2, "sort": "-capacity"}, ["Auditorium", "Double"]),
        ({"min_price": 7000, "sort": "price"}, ["Double", "Auditorium"]),
        ({"max_price": 7000, "sort": "-price"}, ["Double", "Single"]),
        ({"amenities": ["piano"]}, ["Auditorium"]),
        ({"sort": "newest"}, ["Single", "Double", "Auditorium"]),
    ]:
        assert await names(**filters) == expected, filters


async def test_only_those_who_run_the_venue_change_its_types(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    ask = ChangeRoomType(room_type_id=room_type.id, price=7)
    for actor in [await make_staff(hub, venue, "manager"), await make_actor(hub, "admin")]:
        assert await make_room_type(hub, actor, venue, name="Another")
        await room_types.change(hub, actor, ask)
    for actor, refusal in [
        (await make_staff(hub, venue, "desk"), Forbidden),
        (await make_actor(hub, "vendor"), NotFound),
        (GUEST, Unauthenticated),
    ]:
        for refused in [
            make_room_type(hub, actor, venue),
            room_types.change(hub, actor, ask),
            room_types.delete(hub, actor, NameRoomType(room_type_id=room_type.id)),
        ]:
            with pytest.raises(refusal):
                await refused


async def test_a_type_that_is_booked_or_in_use_is_not_withdrawn(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    pool = await make_room_type(hub, owner, venue, total_rooms=2)
    halls = await make_room_type(hub, owner, venue)
    hall = await make_room(hub, owner, halls)
    bookings = [
        await make_booking(hub, customer, stay(pool, day_after(2), 3)),
        await make_booking(hub, customer, slot(hall, tomorrow())),
    ]
    session = await make_session(hub, owner, venue, room_id=hall.id, starts_at=tomorrow(15))
    for room_type, booking, sessions in [(pool, bookings[0], []), (halls, bookings[1], [session.id])]:
        with pytest.raises(HasBookings) as refused:
            await room_types.delete(hub, owner, NameRoomType(room_type_id=room_type.id))
        assert [one["id"] for one in refused.value.details["bookings"]] == [booking.id]
        assert [one["id"] for one in refused.value.details["sessions"]] == sessions


async def test_a_withdrawn_type_is_gone_with_its_rooms(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    pool = await make_room_type(hub, owner, venue, total_rooms=2)
    room = (await rooms.listed(hub, GUEST, ListRooms(room_type_id=pool.id))).items[0]
    hub.told.clear()
    await room_types.delete(hub, owner, NameRoomType(room_type_id=pool.id))
    assert hub.names() == ["room.deleted", "room.deleted", "room_type.deleted"]
    assert (await room_types.listed(hub, owner, ListRoomTypes(venue_id=venue.id))).items == []
    for gone in [
        room_types.read(hub, owner, NameRoomType(room_type_id=pool.id)),
        room_types.delete(hub, owner, NameRoomType(room_type_id=pool.id)),
        rooms.read(hub, owner, NameRoom(room_id=room.id)),
        make_room(hub, owner, pool, "7"),
        make_booking(hub, await make_actor(hub), stay(pool, day_after(2))),
    ]:
        with pytest.raises(NotFound):
            await gone
    again = await make_room_type(hub, owner, venue, total_rooms=1)
    assert await numbers(hub, again) == ["101"]


async def test_a_stay_that_is_over_tomorrow_still_keeps_its_type(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    pool = await make_room_type(hub, owner, venue, total_rooms=1)
    booking = await make_booking(hub, customer, stay(pool, day_after(1)))
    async with hub.pool.acquire() as db:
        await db.execute(
            "UPDATE booking_items SET starts_at = now() - interval '2 days', ends_at = now() + interval '1 hour',"
            " check_in = check_in - 3, check_out = check_out - 2 WHERE booking_id = $1",
            booking.id,
        )
    with pytest.raises(HasBookings):
        await room_types.delete(hub, owner, NameRoomType(room_type_id=pool.id))
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE booking_items SET ends_at = now() WHERE booking_id = $1", booking.id)
        await db.execute("UPDATE claims SET night = night - 3 WHERE booking_id = $1", booking.id)
        await db.execute("UPDATE pool_nights SET night = night - 3 WHERE room_type_id = $1", pool.id)
    await room_types.delete(hub, owner, NameRoomType(room_type_id=pool.id))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("capacity", 0),
        ("price", -1),
        ("price", 10**13),
        ("price", 1.5),
        ("total_rooms", 5001),
        ("discount_percentage", 101),
        ("size_sqm", 0),
        ("sold_as", "bed"),
        ("amenities", ["x" * 61]),
        ("amenities", [""]),
        ("venue_id", 0),
    ],
)
def test_what_a_type_cannot_have_is_refused_by_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        CreateRoomType.model_validate({"venue_id": 1, "name": "Double", field: value})
    assert refused.value.errors()[0]["loc"][0] == field


async def test_a_night_made_by_the_first_booking_has_the_pools_size_at_that_time(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    pool = await make_room_type(hub, owner, await make_venue(hub, owner), total_rooms=2)
    await room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=5))
    await make_booking(hub, customer, stay(pool, day_after(9) + timedelta(days=1)))
    assert await nights(hub, pool) == [(5, 1)]
