"""For every write: a snapshot, brought up to date by what was told, is what a fresh snapshot shows; for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from handlers.calling import carry_out
from handlers.table import table
from hub.core import Actor
from hub.errors import HubError, Unavailable
from hub.jobs import sweeper
from hub.models.bookings import Booking, CancelBooking, MakeBooking, NameBooking, RescheduleBooking
from hub.models.closures import CreateClosure, NameClosure
from hub.models.room_types import ChangeRoomType
from hub.models.rooms import ChangeRoom
from hub.models.sessions import ChangeSession
from hub.services import bookings, closures, holds, placing, room_types, rooms, sessions
from tests.doors import ListeningHub
from tests.equality.acts import ACTS, GUEST, NOTES
from tests.equality.watching import Watch, Watcher, differences, watchers
from tests.live.following import Reducer, reducing
from tests.races.checking import faults
from tests.world import World, another

SECRETS = (NOTES, *GUEST.values(), "Ana Reis", "Ana Maria", "Rui Rival")


@pytest.fixture
async def reduce() -> AsyncIterator[Reducer]:
    """Run the reducer that the pages use."""
    async with reducing() as reduce:
        yield reduce


async def test_after_every_act_everybody_knows_what_a_fresh_look_shows(hub: ListeningHub, reduce: Reducer) -> None:
    done: set[str] = set()
    wrong: list[str] = []
    for act, carry in ACTS.items():
        world = await World.build(hub)
        watch = Watch(hub, watchers(world), reduce, SECRETS)

        async def do(name: str, actor: Actor, /, act: str = act, watch: Watch = watch, **ask: Any) -> Any:
            endpoint = table()[name]
            if not watch.known:
                await watch.begin()
            await watch.mark()
            asked = None if endpoint.ask is None else endpoint.ask.model_validate(ask)
            answer = await carry_out(endpoint, hub, actor, asked)
            told = await watch.compare(f"{act} ({name})")
            done.add(name)
            if not told and name not in ("venues.create", "sessions.create", "auth.register"):
                watch.wrong.append(f"{act} ({name}): nobody was told")
            watch.wrong += [f"{act} ({name}): told {one}" for one in watch.names - set(endpoint.tells)]
            return answer

        async def sweep(*late: Booking, act: str = act, watch: Watch = watch, world: World = world) -> None:
            if not watch.known:
                await watch.begin()
            await world.run_out(*late)
            await sweeper.sweep(hub)
            await watch.compare(f"{act} (sweep)")

        await carry(world, do, sweep)
        wrong += watch.wrong
    assert wrong == []
    assert {name for name, endpoint in table().items() if endpoint.tells} - done == set()
    assert await faults(hub.pool) == {}


class Crowd:
    """Ten who do whatever comes to their minds, all at once, on two workers."""

    def __init__(self, world: World, hubs: list[ListeningHub], seed: int) -> None:
        self.world, self.hubs, self.chance = world, hubs, Random(seed)
        self.mine: list[tuple[int, Actor]] = []

    def item(self) -> Any:
        """Want something scarce."""
        world, chance = self.world, self.chance
        room = chance.choice((world.room, world.other_room))
        return chance.choice(
            (
                lambda: world.slot(chance.randint(8, 20), chance.choice((1, 2)), room=room),
                lambda: world.stay(chance.randint(1, 3), chance.randint(1, 2), days=20 + chance.randrange(3)),
                lambda: world.suite_stay(chance.randint(1, 2), days=20 + chance.randrange(3)),
                lambda: world.place(chance.randint(1, 3)),
            )
        )()

    async def guest(self, actor: Actor) -> None:
        """Hold, book, move, confirm, cancel."""
        for _ in range(8):
            hub = self.chance.choice(self.hubs)
            ask = MakeBooking.model_validate({"items": [self.item() for _ in range(self.chance.randint(1, 3))]})
            placed = await self.tried(placing.place(hub, actor, ask, at_once=self.chance.random() < 0.4))
            if placed is None:
                continue
            await self.tried(self.goes_on(self.chance.choice(self.hubs), actor, placed))

    async def goes_on(self, hub: ListeningHub, actor: Actor, placed: Booking) -> Any:
        """Do something with what was placed."""
        name = NameBooking(booking_id=placed.id)
        match self.chance.randrange(6):
            case 0:
                return await holds.confirm(hub, actor, name)
            case 1:
                return await holds.renew(hub, actor, name)
            case 2:
                return await holds.release(hub, actor, name)
            case 3:
                wanted = {"booking_id": placed.id, "items": [self.item()]}
                return await bookings.reschedule(hub, actor, RescheduleBooking.model_validate(wanted))
            case 4:
                return await bookings.cancel(hub, actor, CancelBooking(booking_id=placed.id))
            case _:
                return await self.run_out(placed)

    async def run_out(self, placed: Booking) -> None:
        """Let a hold run out and be swept, or be taken over first."""
        if placed.status == "held":
            await self.world.run_out(placed)
            await asyncio.sleep(self.chance.random() * 0.05)
            await sweeper.sweep(self.chance.choice(self.hubs))

    async def landlord(self) -> None:
        """Close and open, resize and rename, all the while."""
        world, chance = self.world, self.chance
        for n in range(8):
            hub = chance.choice(self.hubs)
            span = {"starts_at": world.at(8 + n), "ends_at": world.at(9 + n)}
            close = CreateClosure(venue_id=world.hall.id, room_id=world.other_room.id, **span)
            closed = await self.tried(closures.create(hub, world.owner, close))
            price = ChangeRoomType(room_type_id=world.pool.id, price=9000 + n, total_rooms=3 + n % 3)
            await self.tried(room_types.change(hub, world.owner, price))
            title = ChangeSession(session_id=world.session.id, title=f"Flow {n}", capacity=10 + n % 4)
            await self.tried(sessions.change(hub, world.owner, title))
            status = "maintenance" if n % 2 else "available"
            await self.tried(rooms.change(hub, world.owner, ChangeRoom(room_id=world.suite.id, status=status)))
            if closed is not None and n % 2:
                await self.tried(closures.delete(hub, world.owner, NameClosure(closure_id=closed.id)))

    @staticmethod
    async def tried(act: Any) -> Any:
        """Forgive a refusal, but not a fault."""
        try:
            return await act
        except Unavailable as error:
            if not isinstance(error.__cause__, TimeoutError):
                raise
            return None
        except HubError:
            return None


async def test_followers_who_begin_at_any_moment_of_a_crowd_end_where_a_fresh_look_is(
    hub: ListeningHub, reduce: Reducer
) -> None:
    world = await World.build(hub)
    begun: list[tuple[Watcher, Any]] = []

    async def look_in() -> None:
        while True:
            begun.extend([(watcher, await watcher.look(hub)) for watcher in watchers(world)])
            await asyncio.sleep(0.1)

    async with another(hub, holds_per_person=100, holds_per_venue=100) as one, another(hub) as other:
        crowd = Crowd(world, [one, other], seed=4)
        looking = asyncio.create_task(look_in())
        guests = [world.customer, world.rival, world.clerk] * 3
        await asyncio.gather(*(crowd.guest(actor) for actor in guests), crowd.landlord())
        looking.cancel()
    await sweeper.sweep(hub)
    assert await faults(hub.pool) == {}
    assert len(begun) > len(watchers(world)) * 3
    wrong = []
    for watcher, known in begun:
        events = await watcher.since(hub, known)
        fresh = await watcher.look(hub)
        found = differences(await reduce(known["snapshot"], events), await reduce(fresh["snapshot"], []))
        wrong += [f"{watcher.who}, from {known['version']} to {fresh['version']}: {one}" for one in found]
    assert wrong == []


@pytest.mark.parametrize("lost", ["booking.confirmed", "availability.changed"])
async def test_control_an_event_that_is_lost_is_missed(hub: ListeningHub, reduce: Reducer, lost: str) -> None:
    world = await World.build(hub)
    watch = Watch(hub, watchers(world), reduce)
    await watch.begin()
    await world.book(world.slot(10))
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE events SET name = 'session.unheard', data = '{}' WHERE name = $1", lost)
    found = []
    for watcher in watch.watching:
        known, fresh = watch.known[watcher.room], await watcher.look(hub)
        heard = [event for event in await watcher.since(hub, known) if event["data"]]
        found += differences(await reduce(known["snapshot"], heard), await reduce(fresh["snapshot"], []))
    assert found
