"""The same truth through four doors: a socket, a stream, requests that wait, and plain GET with an ETag."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from hub import rooms
from hub.live.frames import Frame
from hub.live.stream import Stream
from tests.doors import AppServer, Http, People, Person
from tests.live.client import Watcher
from tests.live.conftest import Start, make_room, make_venue, slot
from tests.live.following import Reducer, reducing
from tests.live.streams import streaming

ACTS, CUSTOMERS = 8, 3


@dataclass
class Follower:
    """Somebody who follows one live room by one door: the snapshot it began with, and all it was told since."""

    door: str
    room: str
    path: str
    person: Person | None
    snapshot: Any = None
    epoch: str = ""
    version: int = 0
    events: list[Any] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def token(self) -> str | None:
        """Answer by which token it follows."""
        return self.person and self.person.token

    def begin(self, news: Any) -> None:
        """Begin with a snapshot, or begin again."""
        self.snapshot, self.events = news["snapshot"], []
        self.epoch, self.version = news["epoch"], news["version"]

    def take(self, event: Any) -> None:
        """Take one event, which has to be the next."""
        first = event.get("first_version") or event["version"]
        if first != self.version + 1 or event["room"] != self.room:
            self.faults.append(f"{self.door} went from {self.version} to {first} of {event['room']}")
        self.version = event["version"]
        self.events.append(event)

    async def state(self, reduce: Reducer) -> bytes:
        """Write what it now believes, in one way."""
        return orjson.dumps(await reduce(self.snapshot, self.events), option=orjson.OPT_SORT_KEYS)


class Stage:
    """Two workers, a hall and people; everybody follows what they may, by every door and over both workers."""

    def __init__(self, workers: list[AppServer], session: ClientSession, reduce: Reducer) -> None:
        self.workers, self.reduce = workers, reduce
        self.doors = [Http(session, worker.url) for worker in workers]
        self.followers: list[Follower] = []
        self.is_over = False
        self.keeps_cutting = True

    async def build(self) -> None:
        """Open the hall."""
        hub = self.workers[0].hub
        self.people = People(hub)
        self.venue_id, self.owner = await make_venue(hub, self.people)
        self.room_id = await make_room(hub, self.venue_id)
        self.customers = [await self.people.customer() for _ in range(CUSTOMERS)]

    def views(self) -> list[tuple[str, str, str, Person | None]]:
        """List who follows what: the command of the socket, the path over HTTP, the room, the person."""
        venue, me = f"/venues/{self.venue_id}", self.customers[0]
        return [
            ("venues.watch", venue, rooms.venue(self.venue_id), None),
            ("desks.watch", f"{venue}/desk", rooms.desk(self.venue_id), self.owner),
            ("me.watch", "/me", rooms.user(me.id), me),
        ]

    def door(self, follower: Follower) -> Http:
        """Ask one worker, then the other."""
        return self.doors[len(follower.events) % 2]

    async def by_stream(self, one: Follower, chance: Random) -> None:
        """Read a stream, cut again and again, and resumed at the other worker."""
        turn = 0
        while not self.is_over:
            turn += 1
            last = f"{one.epoch}:{one.version}" if one.snapshot is not None else ""
            async with streaming(self.workers[turn % 2].url, f"{one.path}/events", one.token, last) as stream:
                seen, until = 0, asyncio.get_running_loop().time() + chance.uniform(0.1, 0.5)
                while not self.is_over and not (self.keeps_cutting and asyncio.get_running_loop().time() > until):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await stream.news.wait()
                    stream.news.clear()
                    for sent in stream.sent[seen:]:
                        (one.begin if sent.name == "snapshot" else one.take)(sent.data)
                    seen = len(stream.sent)

    async def by_waiting(self, one: Follower, _: Random) -> None:
        """Ask what is new, and wait for it."""
        one.begin((await self.door(one).get(f"{one.path}/snapshot", as_=one.person)).data)
        while not self.is_over:
            asked = {"since": one.version, "epoch": one.epoch, "wait": 1}
            news = (await self.door(one).get(f"{one.path}/events", as_=one.person, query=asked)).data
            if news["snapshot"] is not None:
                one.faults.append("was told to reload")
            for event in news["events"]:
                one.take(event)

    async def by_asking(self, one: Follower, _: Random) -> None:
        """Read the whole of it again and again, unless it is as it was."""
        tag = ""
        while not self.is_over:
            answer = await self.door(one).get(f"{one.path}/snapshot", as_=one.person, headers={"If-None-Match": tag})
            if answer.status == 200:
                tag = answer.headers["ETag"]
                one.begin(answer.data)
            await asyncio.sleep(0.15)

    async def act(self, number: int, person: Person, chance: Random) -> None:
        """Hold, book, change one's mind; every now and then the owner changes something, too."""
        for turn in range(ACTS):
            http = chance.choice(self.doors)
            wanted = {"items": [slot(self.room_id, 24 + chance.randrange(12))]}
            placed = await http.post(chance.choice(("/holds", "/bookings")), wanted, as_=person)
            if placed.status == 201 and (undo := chance.choice(("keep", "confirm", "cancel", "release"))) != "keep":
                kind = "bookings" if undo == "cancel" else "holds"
                how, path = ("DELETE", "") if undo == "release" else ("POST", f"/{undo}")
                await http.ask(how, f"/{kind}/{placed.data['id']}{path}", as_=person)
            if turn % CUSTOMERS == number:
                named = {"name": f"Sala {number} {turn}"}
                assert (await http.patch(f"/venues/{self.venue_id}", named, as_=self.owner)).status == 200

    async def play(self, crowd: Callable[[], Awaitable[object]]) -> None:
        """Let everybody follow while the crowd acts, and until all stand where the log ends."""
        watchers: list[tuple[Watcher, Follower]] = []
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for number, (command, path, room, person) in enumerate(self.views()):
                doors = {"stream": self.by_stream, "waiting": self.by_waiting, "GET": self.by_asking}
                for door, follow in doors.items():
                    one = Follower(door, room, path, person)
                    self.followers.append(one)
                    group.create_task(follow(one, Random(number)))
                watcher = await stack.enter_async_context(
                    Watcher(self.workers[number % 2].url, person and person.token)
                )
                asked = {} if command == "me.watch" else {"venue_id": self.venue_id}
                one = Follower("socket", room, path, person)
                one.begin(await watcher.ask(command, asked))
                self.followers.append(one)
                watchers.append((watcher, one))
            async with asyncio.timeout(60):
                while any(one.snapshot is None for one in self.followers):  # noqa: ASYNC110 - the same
                    await asyncio.sleep(0.01)
                await crowd()
                while not await self.is_even(watchers):  # noqa: ASYNC110 - nothing tells a test of it
                    await asyncio.sleep(0.05)
            self.is_over = True
        for watcher, one in watchers:
            one.faults += watcher.faults

    async def is_even(self, watchers: Sequence[tuple[Watcher, Follower]]) -> bool:
        """Tell whether every follower stands where the log does."""
        for watcher, one in watchers:
            for event in watcher.told[len(one.events) :]:
                one.take(event)
        async with self.workers[0].hub.pool.acquire() as db:
            reached = dict(await db.fetch("SELECT room, version FROM live_rooms"))
        return all(one.version == reached.get(one.room, 0) for one in self.followers)

    async def states(self, room: str) -> dict[str, bytes]:
        """Answer what those who follow a room believe, by their doors."""
        return {one.door: await one.state(self.reduce) for one in self.followers if one.room == room}


@pytest.fixture
async def stage(start: Start, patient: None) -> AsyncIterator[Stage]:
    """Start two workers."""
    workers = [await start(), await start()]
    async with ClientSession() as session, reducing() as reduce:
        stage = Stage(workers, session, reduce)
        await stage.build()
        yield stage


async def test_followers_by_four_doors_end_with_the_same_bytes(stage: Stage) -> None:
    async def crowd() -> None:
        acting = (stage.act(number, person, Random(number)) for number, person in enumerate(stage.customers))
        await asyncio.gather(*acting)

    await stage.play(crowd)
    assert [fault for one in stage.followers for fault in one.faults] == []
    for _, _, room, _ in stage.views():
        states = await stage.states(room)
        assert set(states) == {"socket", "stream", "waiting", "GET"}
        assert len(set(states.values())) == 1, {door: state[:300] for door, state in states.items()}
    told = {one.door: len(one.events) for one in stage.followers if one.room == rooms.desk(stage.venue_id)}
    assert told.pop("GET") == 0
    assert min(told.values()) > ACTS


async def test_control_a_follower_that_is_not_told_one_thing_ends_elsewhere(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.keeps_cutting = False
    write = Stream.write

    def forgetful(self: Stream, frames: Sequence[Frame], joined: bytes) -> None:
        write(self, [ready for ready in frames if '"venue.changed"' not in ready.text], joined)

    monkeypatch.setattr(Stream, "write", forgetful)

    async def crowd() -> None:
        venue = f"/venues/{stage.venue_id}"
        assert (await stage.doors[0].patch(venue, {"name": "Sala Sul"}, as_=stage.owner)).status == 200
        held = await stage.doors[1].post("/holds", {"items": [slot(stage.room_id)]}, as_=stage.customers[0])
        assert held.status == 201

    await stage.play(crowd)
    states = await stage.states(rooms.venue(stage.venue_id))
    assert states["socket"] == states["waiting"] == states["GET"] != states["stream"]
    assert [fault for one in stage.followers for fault in one.faults if one.door != "stream"] == []
    assert next(one.faults for one in stage.followers if one.door == "stream") != []
