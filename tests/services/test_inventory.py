"""What all changes of the inventory promise together: their events tell all of it, and their races end well."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from hub.core import Actor
from hub.errors import HubError
from hub.models.closures import ChangeClosure, NameClosure
from hub.models.room_types import ChangeRoomType, NameRoomType
from hub.models.rooms import ChangeRoom, ListRooms, NameRoom
from hub.models.sessions import CancelSession, ChangeSession, NameSession
from hub.models.venues import ChangeVenue, NameVenue, Venue
from hub.services import closures, room_types, rooms, sessions, venues
from storage import room_types as type_store
from storage import rooms as room_store
from storage import sessions as session_store
from storage import venues as venue_store
from tests.builders import (
    day_after,
    make_actor,
    make_booking,
    make_closure,
    make_hold,
    make_room,
    make_room_type,
    make_session,
    make_venue,
    place,
    slot,
    stay,
    tomorrow,
)
from tests.doors import ListeningHub
from tests.servers import waiting_for_locks

Json = dict[str, Any]


def key(change: Json) -> str:
    """Name the thing whose availability a change tells."""
    if change["kind"] == "room":
        return f"room:{change['room_id']}:{change['starts_at']}:{change['ends_at']}"
    if change["kind"] == "night":
        return f"night:{change['room_type_id']}:{change['night']}"
    return f"session:{change['session_id']}"


def says_nothing(change: Json) -> bool:
    """Tell whether a thing is as it is when nobody says anything of it."""
    if change["kind"] == "room":
        return bool(change["state"] == "free")
    return change["kind"] == "night" and change["taken"] == change["held"] == 0


class Picture:
    """What a watcher of a venue knows: a snapshot, and then whatever the events say."""

    def __init__(self, snapshot: Json) -> None:
        self.venue: Json | None = snapshot["venue"]
        self.things = {
            subject: {one["id"]: one for one in snapshot[subject]} for subject in ("room_type", "room", "session")
        }
        self.availability = {key(one): one for one in snapshot["availability"]}

    def hear(self, name: str, data: Json) -> None:
        subject, _, what = name.partition(".")
        if subject == "availability":
            for change in data["changes"]:
                self.availability.pop(key(change), None)
                if not says_nothing(change):
                    self.availability[key(change)] = change
        elif subject == "venue":
            self.venue = None if what == "deleted" else data
        elif what == "deleted":
            self.things[subject].pop(data["id"], None)
            self.availability.pop(f"{subject}:{data['id']}", None)
        else:
            self.things[subject][data["id"]] = data


async def snapshot(hub: ListeningHub, venue_id: int) -> Json:
    async with hub.one_moment() as db:
        venue = await venue_store.find(db, venue_id)
        things = {
            "room_type": await type_store.of_venue(db, venue_id),
            "room": await room_store.of_venue(db, venue_id),
            "session": await session_store.of_venue(db, venue_id),
        }
        availability = await db.fetchval("SELECT availability_now($1)", venue_id)
    return {
        "venue": venue and venue.model_dump(mode="json"),
        "availability": orjson.loads(availability),
        **{subject: [one.model_dump(mode="json") for one in several] for subject, several in things.items()},
    }


async def follow(hub: ListeningHub, venue: Venue, act: Awaitable[Any]) -> list[str]:
    """Act, and prove that who heard the events knows what a fresh snapshot says; answers the events' names."""
    picture = Picture(await snapshot(hub, venue.id))
    hub.told.clear()
    await act
    heard = [told for told in hub.told if told.room == f"venue:{venue.id}"]
    for told in heard:
        picture.hear(told.name, orjson.loads(told.data))
    fresh = Picture(await snapshot(hub, venue.id))
    assert picture.venue == fresh.venue
    assert picture.things == fresh.things
    assert picture.availability == fresh.availability
    return [told.name for told in heard]


async def test_the_events_of_every_change_lead_from_one_snapshot_to_the_next(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner, kind="hotel", buffer_after_minutes=30)

    async def act(awaitable: Awaitable[Any]) -> Any:
        kept: list[Any] = []

        async def keep() -> None:
            kept.append(await awaitable)

        assert await follow(hub, venue, keep())
        return kept[0]

    pool = await act(make_room_type(hub, owner, venue, total_rooms=3))
    halls = await act(make_room_type(hub, owner, venue, sold_as="room", price_unit="hour"))
    hall = await act(make_room(hub, owner, halls, "A"))
    attic = await act(make_room(hub, owner, pool, "Attic"))
    session = await act(make_session(hub, owner, venue, room_id=hall.id, starts_at=tomorrow(days=3)))
    await act(make_booking(hub, customer, stay(pool, day_after(3), 2), slot(hall, tomorrow()), place(session)))
    await act(make_hold(hub, customer, stay(pool, day_after(4))))
    await act(room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=6, name="Double")))
    await act(rooms.change(hub, owner, ChangeRoom(room_id=attic.id, status="maintenance")))
    await act(room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=3)))
    some = await act(
        make_closure(hub, owner, venue, room_type_id=pool.id, check_in=day_after(3), check_out=day_after(9))
    )
    await act(closures.change(hub, owner, ChangeClosure(closure_id=some.id, starts_at=tomorrow(15, days=5))))
    one = await act(
        make_closure(hub, owner, venue, room_id=hall.id, starts_at=tomorrow(days=7), ends_at=tomorrow(days=9))
    )
    whole = await act(make_closure(hub, owner, venue, starts_at=tomorrow(days=8), ends_at=tomorrow(days=10)))
    extra = await act(make_room(hub, owner, halls, "B"))
    await act(rooms.change(hub, owner, ChangeRoom(room_id=attic.id, status="available")))
    await act(rooms.delete(hub, owner, NameRoom(room_id=attic.id)))
    await act(room_types.change(hub, owner, ChangeRoomType(room_type_id=pool.id, total_rooms=4)))
    await act(closures.delete(hub, owner, NameClosure(closure_id=one.id)))
    await act(rooms.change(hub, owner, ChangeRoom(room_id=extra.id, number="C", is_active=False)))
    move = {"session_id": session.id, "starts_at": tomorrow(12, days=6), "ends_at": tomorrow(15, days=6)}
    await act(sessions.change(hub, owner, ChangeSession.model_validate(move | {"capacity": 4})))
    await act(sessions.change(hub, owner, ChangeSession(session_id=session.id, room_id=None)))
    await act(closures.delete(hub, owner, NameClosure(closure_id=whole.id)))
    await act(rooms.delete(hub, owner, NameRoom(room_id=extra.id)))
    await act(sessions.cancel(hub, owner, CancelSession(session_id=session.id)))
    await act(sessions.delete(hub, owner, NameSession(session_id=session.id)))
    idle = await act(make_room_type(hub, owner, venue, total_rooms=2))
    await act(make_closure(hub, owner, venue, room_type_id=idle.id, quantity=2))
    await act(room_types.delete(hub, owner, NameRoomType(room_type_id=idle.id)))
    await act(venues.change(hub, owner, ChangeVenue(venue_id=venue.id, name="Aurora", opening_hours={})))


async def test_a_change_of_currency_reaches_everything_that_has_a_price(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    await make_room_type(hub, owner, venue, total_rooms=2)
    await make_session(hub, owner, venue)
    await make_closure(hub, owner, venue, starts_at=tomorrow(11, days=5), ends_at=tomorrow(1, days=6))
    change = ChangeVenue(venue_id=venue.id, currency="JPY", timezone="Asia/Tokyo")
    assert "room_type.changed" in await follow(hub, venue, venues.change(hub, owner, change))


async def test_every_change_makes_remembered_judgements_stale(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    seen = []

    async def act(awaitable: Awaitable[Any]) -> Any:
        done = await awaitable
        async with hub.pool.acquire() as db:
            seen.append(await db.fetchval("SELECT catalogue_version FROM venues WHERE id = $1", venue.id))
        return done

    room_type = await act(make_room_type(hub, owner, venue))
    await act(room_types.change(hub, owner, ChangeRoomType(room_type_id=room_type.id, price=1)))
    room = await act(make_room(hub, owner, room_type))
    await act(rooms.change(hub, owner, ChangeRoom(room_id=room.id, floor=1)))
    session = await act(make_session(hub, owner, venue))
    await act(sessions.change(hub, owner, ChangeSession(session_id=session.id, price=1)))
    await act(sessions.cancel(hub, owner, CancelSession(session_id=session.id)))
    await act(sessions.delete(hub, owner, NameSession(session_id=session.id)))
    closure = await act(make_closure(hub, owner, venue))
    await act(closures.change(hub, owner, ChangeClosure(closure_id=closure.id, ends_at=tomorrow(days=3))))
    await act(closures.delete(hub, owner, NameClosure(closure_id=closure.id)))
    await act(rooms.delete(hub, owner, NameRoom(room_id=room.id)))
    await act(room_types.delete(hub, owner, NameRoomType(room_type_id=room_type.id)))
    await act(venues.change(hub, owner, ChangeVenue(venue_id=venue.id, lead_time_minutes=5)))
    await act(venues.delete(hub, owner, NameVenue(venue_id=venue.id)))
    assert seen == sorted(set(seen))


async def live_bookings(hub: ListeningHub, venue: Venue) -> int:
    async with hub.pool.acquire() as db:
        found: int = await db.fetchval(
            "SELECT count(*) FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id"
            " WHERE i.venue_id = $1 AND b.status IN ('held', 'pending', 'confirmed')",
            venue.id,
        )
    return found


async def refusal_of(awaitable: Awaitable[Any]) -> HubError | None:
    """Answer what was refused, if it was."""
    try:
        await awaitable
    except HubError as refused:
        return refused
    return None


async def waiting(hub: ListeningHub, count: int) -> None:
    """Wait until so many transactions wait for a lock."""
    async with asyncio.timeout(10):
        while await waiting_for_locks(hub.pool) < count:  # noqa: ASYNC110 - nothing tells a test of it
            await asyncio.sleep(0.005)


Race = Callable[[ListeningHub, Actor, Venue], Awaitable[tuple[Json, Callable[[], Awaitable[Any]]]]]


async def a_room_is_removed(hub: ListeningHub, owner: Actor, venue: Venue) -> tuple[Json, Callable[[], Awaitable[Any]]]:
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    return slot(room, tomorrow()), lambda: rooms.delete(hub, owner, NameRoom(room_id=room.id))


async def a_pool_is_withdrawn(
    hub: ListeningHub, owner: Actor, venue: Venue
) -> tuple[Json, Callable[[], Awaitable[Any]]]:
    pool = await make_room_type(hub, owner, venue, total_rooms=50)
    return stay(pool, day_after(3), 2), lambda: room_types.delete(hub, owner, NameRoomType(room_type_id=pool.id))


async def a_venue_is_deleted(
    hub: ListeningHub, owner: Actor, venue: Venue
) -> tuple[Json, Callable[[], Awaitable[Any]]]:
    session = await make_session(hub, owner, venue, capacity=50)
    return place(session), lambda: venues.delete(hub, owner, NameVenue(venue_id=venue.id))


async def a_session_is_deleted(
    hub: ListeningHub, owner: Actor, venue: Venue
) -> tuple[Json, Callable[[], Awaitable[Any]]]:
    session = await make_session(hub, owner, venue, capacity=50)
    return place(session), lambda: sessions.delete(hub, owner, NameSession(session_id=session.id))


async def a_session_is_cancelled(
    hub: ListeningHub, owner: Actor, venue: Venue
) -> tuple[Json, Callable[[], Awaitable[Any]]]:
    session = await make_session(hub, owner, venue, capacity=50)
    return place(session), lambda: sessions.cancel(hub, owner, CancelSession(session_id=session.id))


@pytest.mark.parametrize(
    "race", [a_room_is_removed, a_pool_is_withdrawn, a_venue_is_deleted, a_session_is_deleted, a_session_is_cancelled]
)
async def test_nothing_is_booked_that_is_gone_and_nothing_goes_that_is_booked(hub: ListeningHub, race: Race) -> None:
    owner = await make_actor(hub, "vendor")
    customers = [await make_actor(hub) for _ in range(6)]
    went = 0
    for _ in range(12):
        venue = await make_venue(hub, owner)
        item, remove = await race(hub, owner, venue)

        async def book(customer: Actor, wait: float, item: Json = item) -> HubError | None:
            await asyncio.sleep(wait)
            return await refusal_of(make_booking(hub, customer, item))

        async def go(remove: Callable[[], Awaitable[Any]] = remove) -> HubError | None:
            await asyncio.sleep(0.004)
            return await refusal_of(remove())

        # Staggered, so that some come before the removal, some during it and some after.
        *refused, kept = await asyncio.gather(*(book(one, n * 0.002) for n, one in enumerate(customers)), go())
        assert {one.status for one in [*refused, kept] if one is not None} <= {404, 409, 422}
        assert kept is not None or not await live_bookings(hub, venue)
        went += kept is None
    assert race is not a_session_is_cancelled or went == 12


@pytest.mark.parametrize(
    ("race", "locked"),
    [
        (a_room_is_removed, "SELECT 1 FROM rooms FOR NO KEY UPDATE"),
        (a_pool_is_withdrawn, "SELECT 1 FROM room_types FOR NO KEY UPDATE"),
        (a_session_is_deleted, "SELECT 1 FROM session_places FOR NO KEY UPDATE"),
        (a_session_is_cancelled, "SELECT 1 FROM session_places FOR NO KEY UPDATE"),
        (a_venue_is_deleted, "SELECT 1 FROM session_places FOR NO KEY UPDATE"),
    ],
)
async def test_who_waited_behind_a_removal_books_nothing(hub: ListeningHub, race: Race, locked: str) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    item, remove = await race(hub, owner, venue)
    async with asyncio.TaskGroup() as group, hub.pool.acquire() as db, db.transaction():
        await db.execute(locked)
        kept = group.create_task(refusal_of(remove()))
        await waiting(hub, 1)
        refused = group.create_task(refusal_of(make_booking(hub, customer, item)))
        await waiting(hub, 2)
    assert kept.result() is None
    assert refused.result() is not None
    assert await live_bookings(hub, venue) == 0


async def test_two_changes_of_a_venue_at_once_wait_for_each_other(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    pool = await make_room_type(hub, owner, venue, total_rooms=1)
    await asyncio.gather(*(make_room(hub, owner, pool, f"N{number}") for number in range(8)))
    assert (await room_types.read(hub, owner, NameRoomType(room_type_id=pool.id))).total_rooms == 9
    assert (await rooms.listed(hub, owner, ListRooms(room_type_id=pool.id))).meta.total_items == 9


async def test_two_first_sessions_at_once_share_one_studio(hub: ListeningHub) -> None:
    ana = await make_actor(hub, "facilitator")
    made = await asyncio.gather(*(make_session(hub, ana, starts_at=tomorrow(hour)) for hour in range(6)))
    assert len({session.venue_id for session in made}) == 1


async def test_closures_and_bookings_at_once_share_no_room_and_no_night(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    customers = [await make_actor(hub) for _ in range(8)]
    venue = await make_venue(hub, owner)
    hall = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    pool = await make_room_type(hub, owner, venue, total_rooms=4)

    for days in range(1, 9):
        span = {"starts_at": tomorrow(14, days=days), "ends_at": tomorrow(16, days=days)}
        items = [slot(hall, tomorrow(15, days=days)), stay(pool, day_after(days))]
        *refused, kept_open = await asyncio.gather(
            *(refusal_of(make_booking(hub, one, items[n % 2])) for n, one in enumerate(customers)),
            refusal_of(make_closure(hub, owner, venue, **span)),
        )
        assert {one.status for one in [*refused, kept_open] if one is not None} == {409}
        assert (kept_open is None) == all(refused)
    async with hub.pool.acquire() as db:
        wrong = await db.fetchval(
            "SELECT count(*) FROM pool_nights AS p WHERE p.taken <> coalesce((SELECT sum(c.quantity) FROM claims AS c"
            " WHERE c.room_type_id = p.room_type_id AND c.night = p.night), 0)"
        )
    assert wrong == 0
