"""Those who book meet those who change what there is to book: nobody is left with a booking of nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from hub.core import Actor, Hub
from hub.errors import HubError, Unavailable
from hub.models.bookings import CancelBooking, MakeBooking, NameBooking, RescheduleBooking
from hub.models.room_types import ChangeRoomType, NameRoomType
from hub.models.rooms import ChangeRoom, NameRoom
from hub.models.sessions import CancelSession, ChangeSession, NameSession
from hub.models.venues import ChangeVenue, NameVenue
from hub.services import bookings, holds, placing, room_types, rooms, sessions, venues
from hub.services.quotes import Wish
from storage import expiry
from storage.pool import Pool
from tests.doors import ListeningHub
from tests.races import stage
from tests.races.checking import deadlocks, faults
from tests.servers import waiting_for_locks

Change = Callable[[Hub, stage.House], Awaitable[Any]]


async def tried(act: Awaitable[Any]) -> Any:
    """Answer what was answered, or None when it was refused; a fault is not a refusal."""
    try:
        return await act
    except Unavailable:
        raise
    except HubError:
        return None


def wanted(house: stage.House, what: str) -> stage.Item:
    match what:
        case "hall":
            return stage.slot(house.halls[0], 3)
        case "room":
            return stage.stay(1, 2, room_id=house.rooms[0])
        case "room of a type":
            return stage.stay(1, 2, room_type_id=house.room_type)
        case "pool":
            return stage.stay(1, 2, room_type_id=house.pool_type)
        case _:
            return stage.place(house.sessions[0])


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("hall", lambda hub, house: rooms.delete(hub, house.owner, NameRoom(room_id=house.halls[0]))),
        ("room", lambda hub, house: rooms.delete(hub, house.owner, NameRoom(room_id=house.rooms[0]))),
        (
            "room of a type",
            lambda hub, house: room_types.delete(hub, house.owner, NameRoomType(room_type_id=house.room_type)),
        ),
        ("pool", lambda hub, house: room_types.delete(hub, house.owner, NameRoomType(room_type_id=house.pool_type))),
        (
            "pool",
            lambda hub, house: room_types.change(
                hub, house.owner, ChangeRoomType(room_type_id=house.pool_type, total_rooms=0)
            ),
        ),
        ("session", lambda hub, house: sessions.delete(hub, house.owner, NameSession(session_id=house.sessions[0]))),
        ("session", lambda hub, house: sessions.cancel(hub, house.owner, CancelSession(session_id=house.sessions[0]))),
        (
            "session",
            lambda hub, house: sessions.change(
                hub, house.owner, ChangeSession(session_id=house.sessions[0], capacity=1)
            ),
        ),
        ("hall", lambda hub, house: venues.delete(hub, house.owner, NameVenue(venue_id=house.venue_id))),
        ("pool", lambda hub, house: venues.delete(hub, house.owner, NameVenue(venue_id=house.venue_id))),
        ("session", lambda hub, house: venues.delete(hub, house.owner, NameVenue(venue_id=house.venue_id))),
    ],
    ids=[
        "a hall is deleted",
        "a room is deleted",
        "a type is deleted",
        "a pool is deleted",
        "a pool is emptied",
        "a session is deleted",
        "a session is cancelled",
        "a session has fewer places",
        "the venue of a hall is deleted",
        "the venue of a pool is deleted",
        "the venue of a session is deleted",
    ],
)
async def test_what_goes_while_it_is_booked_goes_without_bookings_or_stays(
    hubs: list[ListeningHub], what: str, change: Change
) -> None:
    pool = hubs[0].pool
    who = await stage.people(pool, 4)
    before = await deadlocks(pool)
    outcomes: set[tuple[bool, bool]] = set()
    for turn in range(60):
        # Sometimes the one comes first and sometimes the other, or it would be no race.
        if turn >= 12 and len(outcomes) > 1:
            break
        house = await stage.house(pool, halls=1, rooms=1, pool_size=3)
        await house.session(3)
        ask = MakeBooking.model_validate({"items": [wanted(house, what)]})
        # Both workers remember the inventory already, so that what they remember can be outdated.
        for hub in hubs:
            await tried(placing.made(hub, house.owner, ask.items, Wish(), by_staff=False))

        async def book(number: int, actor: Actor, ask: MakeBooking = ask, turn: int = turn) -> Any:
            # A change takes several round trips; whoever books arrives before, in the middle or after it.
            await asyncio.sleep(Random(f"{turn} {number}").random() * 0.04)
            return await tried(placing.place(hubs[number % 2], actor, ask, at_once=number % 2 == 0))

        done, *booked = await asyncio.gather(
            tried(_done(change(hubs[turn % 2], house), after=turn % 4 * 0.01)),
            *(book(number, actor) for number, actor in enumerate(who)),
        )
        outcomes.add((bool(done), any(booked)))
        assert await faults(pool) == {}, f"in round {turn}"
    assert await deadlocks(pool) == before
    assert len(outcomes) > 1, outcomes


async def _done(act: Awaitable[Any], after: float) -> bool:
    await asyncio.sleep(after)
    await act
    return True


async def test_one_booking_is_changed_by_many_at_once(hubs: list[ListeningHub]) -> None:
    pool = hubs[0].pool
    before = await deadlocks(pool)
    house = await stage.house(pool, halls=2, rooms=2, pool_size=2)
    await house.session(3)
    [guest] = await stage.people(pool, 1)
    chance = Random(5)

    def items() -> list[stage.Item]:
        return [
            stage.slot(chance.choice(house.halls), chance.randrange(24)),
            stage.stay(chance.randrange(4), chance.randint(1, 3), room_type_id=house.pool_type),
            stage.stay(chance.randrange(4), chance.randint(1, 3), room_id=chance.choice(house.rooms)),
            stage.place(house.sessions[0]),
        ][: chance.randint(1, 4)]

    for turn in range(20):
        held = await placing.place(
            hubs[0], guest, MakeBooking.model_validate({"items": items()}), at_once=turn % 2 == 0
        )
        name = NameBooking(booking_id=held.id)

        def move(hub: Hub, who: Actor, held_id: int = held.id) -> Awaitable[Any]:
            return bookings.reschedule(
                hub, who, RescheduleBooking.model_validate({"booking_id": held_id, "items": items()})
            )

        def cancel(hub: Hub, who: Actor, held_id: int = held.id) -> Awaitable[Any]:
            return bookings.cancel(hub, who, CancelBooking(booking_id=held_id))

        one, other = hubs
        acts = [
            move(one, guest),
            move(other, guest),
            move(one, house.owner),
            cancel(other, guest),
            move(other, house.owner),
            cancel(one, house.owner),
            holds.confirm(one, guest, name),
            holds.renew(other, guest, name),
            holds.release(one, guest, name),
        ]
        chance.shuffle(acts)
        await asyncio.gather(*(tried(act) for act in acts))
        assert await faults(pool) == {}
        await tried(cancel(one, guest))
    assert await deadlocks(pool) == before


async def test_an_expiry_in_the_same_moment_as_everything_else(hubs: list[ListeningHub]) -> None:
    pool = hubs[0].pool
    house = await stage.house(pool, halls=1, pool_size=1, hold_seconds=1, hold_cap_seconds=1)
    who = await stage.people(pool, 8)
    before = await deadlocks(pool)
    for turn in range(3):
        items = [stage.slot(house.halls[0], turn), stage.stay(turn * 2, 2, room_type_id=house.pool_type)]
        ask = MakeBooking.model_validate({"items": items})
        held = await placing.place(hubs[0], who[0], ask, at_once=False)
        async with pool.acquire() as db:
            await db.execute("SELECT pg_sleep_until($1::timestamptz - interval '20 milliseconds')", held.expires_at)

        async def around_the_moment(number: int, held_id: int = held.id, ask: MakeBooking = ask) -> Any:
            await asyncio.sleep(number * 0.005)
            name, hub = NameBooking(booking_id=held_id), hubs[number % 2]
            match number % 4:
                case 0:
                    return await tried(holds.confirm(hub, who[0], name))
                case 1:
                    return await tried(placing.place(hub, who[1 + number % 7], ask, at_once=True))
                case 2:
                    async with hub.reading() as db:
                        await expiry.expire(db, 10)
                    return None
                case _:
                    return await tried(holds.renew(hub, who[0], name))

        answers = await asyncio.gather(*(around_the_moment(number) for number in range(16)))
        got = {answer.id for answer in answers if answer is not None and answer.status == "confirmed"}
        assert len(got) <= 1
        assert await faults(pool) == {}
    assert await deadlocks(pool) == before


async def test_a_price_that_changed_elsewhere_is_the_price_that_is_locked(hubs: list[ListeningHub]) -> None:
    one, other = hubs
    house = await stage.house(one.pool, halls=1)
    [guest] = await stage.people(one.pool, 1)
    first, second, third = (MakeBooking.model_validate({"items": [stage.slot(house.halls[0], n)]}) for n in range(3))
    booked = await placing.place(other, guest, first, at_once=True)
    await room_types.change(one, house.owner, ChangeRoomType(room_type_id=house.hall_type, price=7700))
    assert (await placing.place(other, guest, second, at_once=True)).price == 7700
    await room_types.change(one, house.owner, ChangeRoomType(room_type_id=house.hall_type, price=8800))
    moved = await bookings.reschedule(other, guest, RescheduleBooking(booking_id=booked.id, items=third.items))
    assert moved.price == 8800


async def test_what_was_not_offered_until_a_moment_ago_can_be_had_from_every_worker(hubs: list[ListeningHub]) -> None:
    one, other = hubs
    house = await stage.house(one.pool, halls=1, advance_days=5)
    [guest] = await stage.people(one.pool, 1)
    ask = MakeBooking.model_validate({"items": [stage.slot(house.halls[0], 0)]})
    for hub in hubs:
        assert await tried(placing.place(hub, guest, ask, at_once=True)) is None
    await venues.change(one, house.owner, ChangeVenue(venue_id=house.venue_id, advance_days=300))
    booked = await placing.place(other, guest, ask, at_once=True)
    await rooms.change(one, house.owner, ChangeRoom(room_id=house.halls[0], status="maintenance"))
    move = RescheduleBooking.model_validate({"booking_id": booked.id, "items": [stage.slot(house.halls[0], 1)]})
    assert await tried(bookings.reschedule(other, guest, move)) is None
    await rooms.change(one, house.owner, ChangeRoom(room_id=house.halls[0], status="available"))
    assert await tried(bookings.reschedule(other, guest, move)) is not None


async def test_a_crowd_that_is_refused_at_a_cold_start_is_refused_and_not_sent_away(hubs: list[ListeningHub]) -> None:
    """Whoever is refused reads what is nearby; nobody may keep one connection while waiting for another."""
    pool = hubs[0].pool
    house = await stage.house(pool, rooms=2, pool_size=1)
    who = await stage.people(pool, 60)
    for number, room in enumerate(house.rooms):
        await placing.place(
            hubs[0], who[number], MakeBooking.model_validate({"items": [stage.stay(0, 2, room_id=room)]}), at_once=True
        )
    first = stage.stay(0, 2, room_type_id=house.pool_type)
    await placing.place(hubs[0], who[2], MakeBooking.model_validate({"items": [first]}), at_once=True)
    cold = replace(hubs[1])
    asks: Sequence[stage.Item] = [first, stage.stay(0, 2, room_type_id=house.room_type)]

    async def one(number: int, actor: Actor) -> str:
        try:
            ask = MakeBooking.model_validate({"items": [asks[number % 2]]})
            await placing.place(cold, actor, ask, at_once=False)
        except HubError as error:
            return error.code
        return "placed"

    assert set(await asyncio.gather(*(one(n, actor) for n, actor in enumerate(who)))) == {"not_available"}


async def test_a_booking_that_moves_while_it_is_waited_for_is_looked_at_again(hubs: list[ListeningHub]) -> None:
    """Whoever waited must not go on to lock, out of order, the place it has moved to."""
    pool = hubs[0].pool
    before = await deadlocks(pool)
    house = await stage.house(pool, pool_size=2)
    [guest] = await stage.people(pool, 1)
    first, second = (stage.stay(n, 1, room_type_id=house.pool_type) for n in (5, 3))
    ask = MakeBooking.model_validate({"items": [first]})
    booked = await placing.place(hubs[0], guest, ask, at_once=True)
    # The other night has to have a counter before it can be locked.
    other = await placing.place(hubs[0], guest, MakeBooking.model_validate({"items": [second]}), at_once=True)
    nights = [item.check_in for item in (booked.items[0], other.items[0])]
    lock = "SELECT 1 FROM pool_nights WHERE room_type_id = $1 AND night = $2 FOR NO KEY UPDATE"

    await patient(hubs[1].pool)
    async with pool.acquire() as mover, pool.acquire() as late:
        await late.execute("SET lock_timeout = 0")
        moving, cancelling = mover.transaction(), late.transaction()
        await moving.start()
        for night in sorted(night for night in nights if night):
            await mover.execute(lock, house.pool_type, night)
        cancelled = asyncio.create_task(bookings.cancel(hubs[1], guest, CancelBooking(booking_id=booked.id)))
        await waiting(pool, 1)
        await cancelling.start()
        begun = asyncio.create_task(late.execute(lock, house.pool_type, nights[1]))
        await waiting(pool, 2)
        for night, more in ((nights[0], -1), (nights[1], 1)):
            await mover.execute(
                "UPDATE pool_nights SET taken = taken + $3 WHERE room_type_id = $1 AND night = $2",
                house.pool_type,
                night,
                more,
            )
        await mover.execute("UPDATE claims SET night = $2 WHERE booking_id = $1", booked.id, nights[1])
        await moving.commit()
        await begun
        # Whoever cancels has seen the move and waits behind the late one, or was quicker than that one.
        await waiting(pool, 1, cancelled)
        await late.execute("SELECT 1 FROM bookings WHERE id = $1 FOR UPDATE", booked.id)
        await cancelling.commit()
    assert (await cancelled).status == "cancelled"
    assert await deadlocks(pool) == before
    assert await faults(pool) == {}


async def patient(pool: Pool) -> None:
    """Let nobody on this pool give up waiting for a lock, however slow the machine is."""
    connections = [await pool.acquire() for _ in range(pool.get_max_size())]
    for db in connections:
        await db.execute("SET lock_timeout = 0")
        await pool.release(db)


async def waiting(pool: Pool, count: int, done: asyncio.Task[Any] | None = None) -> None:
    """Wait until so many wait for locks, or something is done that might have."""
    async with asyncio.timeout(20):
        while await waiting_for_locks(pool) < count and not (done is not None and done.done()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
