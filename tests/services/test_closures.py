from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from hub.core import GUEST
from hub.errors import Forbidden, HasBookings, Invalid, NotAvailable, NotFound, Unauthenticated
from hub.models.closures import ChangeClosure, CreateClosure, ListClosures, NameClosure
from hub.models.room_types import ChangeRoomType, NameRoomType, RoomType
from hub.models.rooms import ChangeRoom, ListRooms, NameRoom, Room
from hub.models.venues import ChangeVenue
from hub.services import closures, room_types, rooms, venues
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
    slot,
    stay,
    tomorrow,
)
from tests.doors import ListeningHub


async def closed_times(hub: ListeningHub, room: Room) -> list[tuple[datetime, datetime]]:
    async with hub.pool.acquire() as db:
        rows = await db.fetch(
            "SELECT lower(t) AS begin, upper(t) AS end FROM unnest((SELECT range_agg(busy) FROM claims"
            " WHERE room_id = $1 AND closure_id IS NOT NULL)) AS t ORDER BY t",
            room.id,
        )
    return [tuple(row) for row in rows]


async def nights(hub: ListeningHub, pool: RoomType) -> dict[date, tuple[int, int]]:
    """Read total and taken of each night that is not untouched."""
    async with hub.pool.acquire() as db:
        rows = await db.fetch(
            "SELECT night, total, taken FROM pool_nights WHERE room_type_id = $1 AND taken > 0", pool.id
        )
        for row in rows:
            counted = await db.fetchval(
                "SELECT sum(quantity) FROM claims WHERE room_type_id = $1 AND night = $2", pool.id, row["night"]
            )
            assert counted == row["taken"]
    return {row["night"]: (row["total"], row["taken"]) for row in rows}


async def first_room(hub: ListeningHub, pool: RoomType) -> Room:
    return (await rooms.listed(hub, GUEST, ListRooms(room_type_id=pool.id))).items[0]


def told(hub: ListeningHub, kind: str) -> list[dict[str, Any]]:
    several = [orjson.loads(one.data)["changes"] for one in hub.told if one.name == "availability.changed"]
    return [change for changes in several for change in changes if change["kind"] == kind]


async def test_a_closed_room_is_closed_to_everybody_and_only_the_desk_knows_why(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    hub.told.clear()
    closure = await make_closure(hub, owner, venue, room_id=room.id, reason="The piano is tuned.")
    assert await closed_times(hub, room) == [(closure.starts_at, closure.ends_at)]
    assert [one["state"] for one in told(hub, "room")] == ["closed"]
    assert hub.names(f"desk:{venue.id}") == ["closure.created"]
    assert hub.names(f"venue:{venue.id}") == ["availability.changed"]
    assert "piano" not in "".join(one.data for one in hub.told if one.room.startswith("venue:"))
    with pytest.raises(NotAvailable) as refused:
        await make_booking(hub, customer, slot(room, tomorrow()))
    assert refused.value.details["reasons"][0]["reason"] == "closed"

    hub.told.clear()
    await closures.delete(hub, owner, NameClosure(closure_id=closure.id))
    assert [one["state"] for one in told(hub, "room")] == ["free"]
    assert hub.names(f"desk:{venue.id}") == ["closure.deleted"]
    assert await closed_times(hub, room) == []
    await make_booking(hub, customer, slot(room, tomorrow()))


async def test_a_number_of_a_pools_rooms_is_closed_by_night(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner, kind="hotel")
    pool = await make_room_type(hub, owner, venue, total_rooms=3)
    closure = await make_closure(
        hub, owner, venue, room_type_id=pool.id, quantity=2, check_in=day_after(2), check_out=day_after(4)
    )
    assert (closure.starts_at, closure.ends_at) == (tomorrow(15, days=2), tomorrow(11, days=4))
    assert await nights(hub, pool) == {day_after(2): (3, 2), day_after(3): (3, 2)}
    assert [one["free"] for one in told(hub, "night")] == [1, 1]
    await make_booking(hub, customer, stay(pool, day_after(3)))
    with pytest.raises(NotAvailable):
        await make_booking(hub, customer, stay(pool, day_after(3)))
    with pytest.raises(HasBookings) as refused:
        await closures.change(hub, owner, ChangeClosure(closure_id=closure.id, quantity=3))
    assert len(refused.value.details["bookings"]) == 1
    assert await nights(hub, pool) == {day_after(2): (3, 2), day_after(3): (3, 3)}
    await closures.change(hub, owner, ChangeClosure(closure_id=closure.id, quantity=1))
    assert await nights(hub, pool) == {day_after(2): (3, 1), day_after(3): (3, 2)}
    assert (await make_closure(hub, owner, venue, room_type_id=pool.id)).quantity == 1


async def test_a_closure_by_the_clock_takes_every_night_it_reaches_into(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, timezone="Asia/Kathmandu")
    pool = await make_room_type(hub, owner, venue, total_rooms=1)
    begin, end = f"{day_after(3)}T10:59", f"{day_after(4)}T15:00"
    await make_closure(hub, owner, venue, room_type_id=pool.id, starts_at=begin, ends_at=end)
    assert set(await nights(hub, pool)) == {day_after(2), day_after(3)}
    with pytest.raises(Invalid) as refused:
        await make_closure(
            hub,
            owner,
            venue,
            room_type_id=pool.id,
            starts_at=f"{day_after(6)}T11:00",
            ends_at=f"{day_after(6)}T15:00",
        )
    assert "no night" in str(refused.value.details["errors"])


async def test_a_room_of_a_pool_is_closed_by_its_number(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, kind="hotel")
    pool = await make_room_type(hub, owner, venue, total_rooms=2)
    room = await first_room(hub, pool)
    closure = await make_closure(hub, owner, venue, room_id=room.id, check_in=day_after(2), check_out=day_after(3))
    assert await nights(hub, pool) == {day_after(2): (2, 1)}
    assert await closed_times(hub, room) == [(closure.starts_at, closure.ends_at)]
    # Out of service it is no longer one of the pool's rooms, so that closing it takes nothing more.
    await rooms.change(hub, owner, ChangeRoom(room_id=room.id, status="out_of_service"))
    assert await nights(hub, pool) == {}
    await rooms.change(hub, owner, ChangeRoom(room_id=room.id, status="available"))
    assert await nights(hub, pool) == {day_after(2): (2, 1)}
    await rooms.delete(hub, owner, NameRoom(room_id=room.id))
    assert await nights(hub, pool) == {}
    assert hub.names(f"desk:{venue.id}")[-1] == "closure.deleted"
    with pytest.raises(NotFound):
        await closures.delete(hub, owner, NameClosure(closure_id=closure.id))


async def test_what_is_booked_or_in_use_is_not_closed(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner, buffer_after_minutes=60)
    halls = await make_room_type(hub, owner, venue)
    booked, used = await make_room(hub, owner, halls, "1"), await make_room(hub, owner, halls, "2")
    pool = await make_room_type(hub, owner, venue, total_rooms=2)
    slot_booking = await make_booking(hub, customer, slot(booked, tomorrow()))
    session = await make_session(hub, owner, venue, room_id=used.id)
    hold = await make_hold(hub, customer, stay(pool, day_after(1), quantity=2))
    hub.told.clear()
    for fields, bookings, sessions in [
        ({"room_id": booked.id}, [slot_booking.id], []),
        ({"room_id": used.id}, [], [session.id]),
        ({"room_type_id": pool.id}, [hold.id], []),
        ({}, [slot_booking.id, hold.id], [session.id]),
        ({"starts_at": tomorrow(13, 59), "ends_at": tomorrow(14, 30)}, [slot_booking.id], []),
    ]:
        with pytest.raises(HasBookings) as refused:
            await make_closure(hub, owner, venue, **fields)
        assert [one["id"] for one in refused.value.details["bookings"]] == bookings, fields
        assert [one["id"] for one in refused.value.details["sessions"]] == sessions, fields
    assert hub.told == []
    assert (await closures.listed(hub, owner, ListClosures())).meta.total_items == 0
    assert await make_closure(hub, owner, venue, starts_at=tomorrow(14), ends_at=tomorrow(14, 30))


async def test_a_closed_venue_has_nothing_left_to_sell(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner, kind="hotel")
    pool = await make_room_type(hub, owner, venue, total_rooms=2)
    halls = await make_room_type(hub, owner, venue, sold_as="room", price_unit="hour")
    hall = await make_room(hub, owner, halls, "A")
    closure = await make_closure(hub, owner, venue)
    wanted = [slot(hall, tomorrow()), stay(pool, day_after(1)), stay(pool, day_after(0), 2)]
    for item in wanted:
        with pytest.raises(NotAvailable):
            await make_booking(hub, customer, item)
    await make_booking(hub, customer, stay(pool, day_after(2), 2), slot(hall, tomorrow(0, days=2)))
    await closures.delete(hub, owner, NameClosure(closure_id=closure.id))
    for item in wanted:
        await make_booking(hub, customer, item)


async def test_what_is_added_while_the_venue_is_closed_is_closed_too(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    pool = await make_room_type(hub, owner, venue, total_rooms=1)
    closure = await make_closure(hub, owner, venue)
    span = [(closure.starts_at, closure.ends_at)]
    hall = await make_room(hub, owner, await make_room_type(hub, owner, venue), "A")
    await make_room(hub, owner, pool, "B")
    await room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=4))
    more = await make_room_type(hub, owner, venue, total_rooms=2)
    assert await closed_times(hub, hall) == span
    assert await closed_times(hub, await first_room(hub, more)) == span
    assert set((await nights(hub, pool)).values()) == {(4, 4)}
    assert set((await nights(hub, more)).values()) == {(2, 2)}
    for item in [slot(hall, tomorrow()), stay(pool, day_after(1)), stay(more, day_after(1))]:
        with pytest.raises(NotAvailable):
            await make_booking(hub, customer, item)
    await room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=1))
    assert set((await nights(hub, pool)).values()) == {(1, 1)}
    await room_types.delete(hub, owner, NameRoomType(room_type_id=more.id))
    assert await nights(hub, more) == {}
    await closures.delete(hub, owner, NameClosure(closure_id=closure.id))
    assert (await nights(hub, pool), await closed_times(hub, hall)) == ({}, [])


async def test_closures_may_overlap_and_each_opens_only_what_no_other_closes(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, kind="hotel")
    pool = await make_room_type(hub, owner, venue, total_rooms=3)
    halls = await make_room_type(hub, owner, venue, sold_as="room")
    hall = await make_room(hub, owner, halls, "A")
    some = await make_closure(
        hub, owner, venue, room_type_id=pool.id, quantity=1, check_in=day_after(2), check_out=day_after(4)
    )
    room = await make_closure(
        hub, owner, venue, room_id=hall.id, starts_at=tomorrow(12, days=2), ends_at=tomorrow(12, days=4)
    )
    first = await make_closure(hub, owner, venue, starts_at=tomorrow(12, days=3), ends_at=tomorrow(12, days=6))
    second = await make_closure(hub, owner, venue, starts_at=tomorrow(12, days=5), ends_at=tomorrow(12, days=7))
    more = await make_closure(
        hub, owner, venue, room_type_id=pool.id, quantity=2, check_in=day_after(6), check_out=day_after(8)
    )

    def full(*days: int) -> dict[date, tuple[int, int]]:
        return {day_after(day): (3, 3) for day in days}

    assert await closed_times(hub, hall) == [(tomorrow(12, days=2), tomorrow(12, days=7))]
    assert await nights(hub, pool) == {day_after(2): (3, 1), day_after(7): (3, 2)} | full(3, 4, 5, 6)
    await closures.delete(hub, owner, NameClosure(closure_id=first.id))
    assert await closed_times(hub, hall) == [
        (tomorrow(12, days=2), tomorrow(12, days=4)),
        (tomorrow(12, days=5), tomorrow(12, days=7)),
    ]
    assert await nights(hub, pool) == {day_after(2): (3, 1), day_after(3): (3, 1), day_after(7): (3, 2)} | full(5, 6)
    await closures.delete(hub, owner, NameClosure(closure_id=room.id))
    await closures.delete(hub, owner, NameClosure(closure_id=more.id))
    assert await closed_times(hub, hall) == [(tomorrow(12, days=5), tomorrow(12, days=7))]
    assert await nights(hub, pool) == {day_after(2): (3, 1), day_after(3): (3, 1)} | full(5, 6)
    for closure in [second, some]:
        await closures.delete(hub, owner, NameClosure(closure_id=closure.id))
    assert (await closed_times(hub, hall), await nights(hub, pool)) == ([], {})


async def test_a_moved_closure_leaves_the_old_time_and_takes_the_new(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    closure = await make_closure(hub, owner, venue, room_id=room.id)
    await make_booking(hub, customer, slot(room, tomorrow(12, days=4)))
    hub.told.clear()
    move = ChangeClosure(closure_id=closure.id, starts_at=tomorrow(0, days=2), ends_at=tomorrow(0, days=3))
    changed = await closures.change(hub, owner, move)
    assert await closed_times(hub, room) == [(changed.starts_at, changed.ends_at)]
    assert {(one["starts_at"][:10], one["state"]) for one in told(hub, "room")} == {
        (day_after(1).isoformat(), "free"),
        (day_after(2).isoformat(), "closed"),
    }
    assert hub.names(f"desk:{venue.id}") == ["closure.changed"]
    with pytest.raises(HasBookings):
        await closures.change(hub, owner, ChangeClosure(closure_id=closure.id, ends_at=tomorrow(13, days=4)))
    assert await closed_times(hub, room) == [(changed.starts_at, changed.ends_at)]
    hub.told.clear()
    assert await closures.change(hub, owner, move) == changed
    assert hub.told == []
    renamed = await closures.change(hub, owner, ChangeClosure(closure_id=closure.id, reason="A leak"))
    assert (renamed.reason, hub.names()) == ("A leak", ["closure.changed"])
    with pytest.raises(Invalid):
        await closures.change(hub, owner, ChangeClosure(closure_id=closure.id, quantity=2))


async def test_an_expired_hold_does_not_keep_a_room_or_a_night_open(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    pool = await make_room_type(hub, owner, venue, total_rooms=1)
    hold = await make_hold(hub, customer, slot(room, tomorrow()), stay(pool, day_after(1)))
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE bookings SET expires_at = now() - interval '1 second' WHERE id = $1", hold.id)
        await db.execute("UPDATE claims SET expires_at = now() - interval '1 second' WHERE booking_id = $1", hold.id)
    closure = await make_closure(hub, owner, venue)
    assert await closed_times(hub, room) == [(closure.starts_at, closure.ends_at)]
    assert (await nights(hub, pool))[day_after(1)] == (1, 1)


async def test_another_check_in_time_moves_the_nights_a_closure_takes(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    pool = await make_room_type(hub, owner, venue, total_rooms=1)
    await make_closure(hub, owner, venue, starts_at=tomorrow(11, days=2), ends_at=tomorrow(14, days=3))
    assert set(await nights(hub, pool)) == {day_after(2)}
    await venues.change(hub, owner, ChangeVenue.model_validate({"venue_id": venue.id, "check_in_time": "13:00"}))
    assert set(await nights(hub, pool)) == {day_after(2), day_after(3)}
    await venues.change(hub, owner, ChangeVenue.model_validate({"venue_id": venue.id, "timezone": "Asia/Tokyo"}))
    assert set(await nights(hub, pool)) == {day_after(2), day_after(3)}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"starts_at": tomorrow(), "ends_at": tomorrow()}, "ends_at"),
        ({"starts_at": datetime(2020, 1, 1, tzinfo=UTC), "ends_at": datetime(2020, 1, 2, tzinfo=UTC)}, "ends_at"),
        ({"starts_at": tomorrow(), "ends_at": tomorrow(days=800)}, "ends_at"),
        ({"room_id": 99}, "room_id"),
        ({"room_type_id": 99}, "room_type_id"),
    ],
)
async def test_a_closure_that_cannot_be_is_refused_by_its_field(
    hub: ListeningHub, fields: dict[str, Any], field: str
) -> None:
    owner = await make_actor(hub, "vendor")
    with pytest.raises(Invalid) as refused:
        await make_closure(hub, owner, await make_venue(hub, owner), **fields)
    assert refused.value.details["errors"][0]["field"] == field


async def test_only_as_many_rooms_of_a_pool_are_closed_as_there_are(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    pool, halls = await make_room_type(hub, owner, venue, total_rooms=2), await make_room_type(hub, owner, venue)
    with pytest.raises(Invalid):
        await make_closure(hub, owner, venue, room_type_id=pool.id, quantity=3)
    with pytest.raises(Invalid):
        await make_closure(hub, owner, venue, room_type_id=halls.id)
    await make_closure(hub, owner, venue, room_type_id=pool.id, quantity=2)
    with pytest.raises(HasBookings):
        await room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=1))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"starts_at": "2027-01-01T00:00:00Z"},
        {"check_in": "2027-01-01"},
        {"starts_at": "2027-01-01T00:00:00Z", "check_out": "2027-01-03"},
        {"check_in": "2027-01-02", "check_out": "2027-01-02"},
        {"check_in": "2027-01-02", "check_out": "2027-01-03", "room_id": 1, "room_type_id": 1},
        {"check_in": "2027-01-02", "check_out": "2027-01-03", "quantity": 1},
        {"check_in": "2027-01-02", "check_out": "2027-01-03", "room_type_id": 1, "quantity": 0},
        {"check_in": 20270102, "check_out": "2027-01-03"},
    ],
)
def test_a_closure_says_what_and_when(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CreateClosure.model_validate({"venue_id": 1} | fields)


async def test_closures_are_seen_by_the_desk_and_changed_by_those_who_run_the_venue(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue, other = await make_venue(hub, owner), await make_venue(hub, await make_actor(hub, "vendor"))
    closure = await make_closure(hub, owner, venue)
    desk, manager, admin = (
        await make_staff(hub, venue, "desk"),
        await make_staff(hub, venue, "manager"),
        await make_actor(hub, "admin"),
    )
    for actor in [owner, desk, manager, admin]:
        assert await closures.read(hub, actor, NameClosure(closure_id=closure.id)) == closure
        assert (await closures.listed(hub, actor, ListClosures(venue_id=venue.id))).items == [closure]
        assert (await closures.listed(hub, actor, ListClosures())).items == [closure]
    stranger = await make_actor(hub, "vendor")
    assert (await closures.listed(hub, stranger, ListClosures())).items == []
    for actor, refusal in [(stranger, NotFound), (desk, Forbidden), (GUEST, Unauthenticated)]:
        for refused in [
            make_closure(hub, actor, venue),
            closures.change(hub, actor, ChangeClosure(closure_id=closure.id, reason="No")),
            closures.delete(hub, actor, NameClosure(closure_id=closure.id)),
        ]:
            with pytest.raises(refusal):
                await refused
    for actor in [stranger, GUEST]:
        with pytest.raises(NotFound):
            await closures.read(hub, actor, NameClosure(closure_id=closure.id))
    with pytest.raises(NotFound):
        await closures.listed(hub, stranger, ListClosures(venue_id=venue.id))
    with pytest.raises(Unauthenticated):
        await closures.listed(hub, GUEST, ListClosures())
    with pytest.raises(NotFound):
        await make_closure(hub, owner, other)
    for actor in [manager, admin]:
        reason = f"By {actor.user_id}"
        changed = await closures.change(hub, actor, ChangeClosure(closure_id=closure.id, reason=reason))
        assert changed.reason == reason


async def test_closures_are_found_by_what_and_when(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    pool = await make_room_type(hub, owner, venue, total_rooms=2)
    later = await make_closure(hub, owner, venue, starts_at=tomorrow(days=9), ends_at=tomorrow(days=10))
    of_room = await make_closure(hub, owner, venue, room_id=room.id)
    of_pool = await make_closure(hub, owner, venue, room_type_id=pool.id, starts_at=tomorrow(1), ends_at=tomorrow(16))
    for filters, expected in [
        ({}, [of_room, of_pool, later]),
        ({"sort": "-starts_at"}, [later, of_pool, of_room]),
        ({"sort": "newest"}, [of_pool, of_room, later]),
        ({"room_id": room.id}, [of_room]),
        ({"room_type_id": pool.id}, [of_pool]),
        ({"from": (tomorrow(days=5)).isoformat()}, [later]),
        ({"to": tomorrow(1).isoformat()}, [of_room]),
        ({"from": tomorrow(16).isoformat(), "to": tomorrow(days=2).isoformat()}, [of_room]),
    ]:
        found = await closures.listed(hub, owner, ListClosures.model_validate(filters))
        assert [one.id for one in found.items] == [one.id for one in expected], filters
    begun = ChangeClosure(closure_id=of_room.id, starts_at=datetime.now(UTC) - timedelta(days=2))
    assert (await closures.change(hub, owner, begun)).starts_at < datetime.now(UTC)
