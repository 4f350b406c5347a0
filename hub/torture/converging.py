"""P8: a snapshot and the events after it make what a fresh snapshot says, for whoever may see it."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from hub.torture import state as states
from hub.torture.asking import Asker, Person
from hub.torture.follower import Crowd, Follower
from hub.torture.ground import Hall, hall, people, session, slot
from hub.torture.play import Play
from storage import torture

_SECONDS_TO_CONVERGE = 60.0
_HOURS = 40


class Mirror:
    """A follower with the state that it makes of what it is told."""

    def __init__(self, follower: Follower, snapshot_path: str, by: Person | None) -> None:
        self.follower, self.snapshot_path, self.by = follower, snapshot_path, by
        self.state: dict[str, Any] = {}
        follower.on_snapshot, follower.on_event = self._begin, self._apply

    def _begin(self, snapshot: dict[str, Any]) -> None:
        self.state = states.begin(snapshot)

    def _apply(self, envelope: dict[str, Any]) -> None:
        states.apply(self.state, envelope["name"], envelope["data"])

    async def differences(self, asker: Asker) -> list[str]:
        """List in which parts the state differs from a fresh snapshot."""
        fresh = (await asker.insist("GET", self.snapshot_path, by=self.by)).data
        if fresh["version"] != self.follower.version:
            return [f"{self.follower.room} is at {self.follower.version}, its snapshot at {fresh['version']}"]
        wanted = states.begin(fresh["snapshot"])
        wrong = []
        for part, expected in wanted.items():
            known = self.state.get(part)
            if known != expected:
                keys = (
                    sorted(key for key in {*known, *expected} if known.get(key) != expected.get(key)) if known else []
                )
                shown = [f"{key} is {known.get(key)}, not {expected.get(key)}" for key in keys[:2] if known]
                wrong.append(f"{self.follower.room} {part}: {shown}")
        return wrong


async def converge(play: Play) -> None:
    """Let many act at once on one venue, while guests, its desk and its customers follow and are cut off."""
    play.faults("clients cut")
    await play.start(2)
    async with Asker(play.ports, play.chance) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        venue = await hall(asker, owner, rooms=3, hold_seconds=2, hold_cap_seconds=6)
        await session(asker, venue, places=30)
        actors = await people(asker, play.many(20, 8, "actors"))
        crowd = Crowd(play.chance, play.ports)
        mirrors = [
            Mirror(crowd.add("venues", {"venue_id": venue.id}), f"/venues/{venue.id}/snapshot", None),
            Mirror(crowd.add("venues", {"venue_id": venue.id}, owner.token), f"/venues/{venue.id}/snapshot", owner),
            Mirror(crowd.add("desks", {"venue_id": venue.id}, owner.token), f"/venues/{venue.id}/desk/snapshot", owner),
            *(Mirror(crowd.add("me", {}, actor.token), "/me/snapshot", actor) for actor in actors[:4]),
        ]
        await crowd.settled(_SECONDS_TO_CONVERGE)
        acting = _Acting(asker, venue, actors, ways=8 if play.is_quick else 9)
        wrong: list[str] = []
        rounds = play.many(6, 2, "rounds of acts")
        for number in range(rounds):
            over = asyncio.Event()
            busy = [asyncio.create_task(acting.keep_acting(actor, number, over)) for actor in (*actors, owner)]
            for _ in range(3):
                await asyncio.sleep(3 if not play.is_quick else 1)
                play.bit("clients cut", crowd.cut(2))
            over.set()
            await asyncio.gather(*busy)
            # Holds of this round run out before anybody compares.
            await asyncio.sleep(3.5)
            rooms = [mirror.follower.room for mirror in mirrors]
            patience = 10.0 if play.control else _SECONDS_TO_CONVERGE
            if not await crowd.reach(await torture.versions(play.pool, rooms), patience):
                wrong.append("not everybody got to the end of the log")
            for mirror in mirrors:
                wrong += await mirror.differences(asker)
        await crowd.leave()
        faults = [f"{one.room} {fault}" for one in crowd.followers for fault in one.faults]
        play.must("what everybody knows is what a fresh snapshot says", not wrong, "; ".join(wrong[:5]))
        play.must("nobody met a gap or an event twice", not faults, "; ".join(faults[:5]))
        refused = {status: times for status, times in asker.statuses.items() if status >= 500 and status != 503}
        play.must("no request met a fault", not refused, refused or f"{sum(asker.statuses.values())} acts and looks")


class _Acting:
    """All kinds of acts, some of which are refused."""

    def __init__(self, asker: Asker, venue: Hall, actors: list[Person], ways: int) -> None:
        self.asker, self.venue, self.actors, self.ways = asker, venue, actors, ways
        self.own: dict[int, list[int]] = {}
        self.sessions: list[int] = []
        self.closures: list[int] = []

    async def keep_acting(self, actor: Person, number: int, over: asyncio.Event) -> None:
        """Do one thing after the other until it is over."""
        chance = Random(f"{actor.id} {number}")
        while not over.is_set():
            if actor is self.venue.owner:
                await self._run_the_venue(chance)
            else:
                await self._be_a_guest(actor, chance)
            await asyncio.sleep(chance.uniform(0, 0.1))

    async def _be_a_guest(self, actor: Person, chance: Random) -> None:
        own = self.own.setdefault(actor.id, [])
        wanted = [slot(chance.choice(self.venue.room_ids), chance.randrange(_HOURS), chance.randint(1, 2))]
        way = chance.randrange(self.ways)
        if way <= 2 or not own:
            path = "/bookings" if way == 0 else "/holds"
            answer = await self.asker.insist("POST", path, {"items": wanted}, actor)
            if answer.status == 201:
                own.append(answer.data["id"])
            return
        booking = chance.choice(own)
        if way == 3:
            await self.asker.insist("POST", f"/holds/{booking}/confirm", {}, actor)
        elif way == 4:
            await self.asker.insist("DELETE", f"/holds/{booking}", by=actor)
        elif way == 5:
            await self.asker.insist("POST", f"/bookings/{booking}/cancel", {"reason": "x"}, actor)
        elif way == 6:
            await self.asker.insist("POST", f"/bookings/{booking}/reschedule", {"items": wanted}, actor)
        elif way == 7:
            await self.asker.insist("POST", f"/holds/{booking}/renew", {}, actor)
        else:
            await self.asker.insist("PATCH", "/me", {"full_name": f"Called {chance.randrange(1000)}"}, actor)

    async def _run_the_venue(self, chance: Random) -> None:
        owner, venue = self.venue.owner, {"venue_id": self.venue.id}
        wanted = slot(chance.choice(self.venue.room_ids), _HOURS + chance.randrange(20))
        span = {name: wanted[name] for name in ("room_id", "starts_at", "ends_at")}
        way = chance.randrange(6)
        if way == 0:
            ask = {**venue, **span, "title": "Session", "capacity": 5}
            self._keep(self.sessions, await self.asker.insist("POST", "/sessions", ask, owner))
        elif way == 1:
            self._keep(self.closures, await self.asker.insist("POST", "/closures", {**venue, **span}, owner))
        elif way == 2 and self.sessions:
            gone = self.sessions.pop()
            await self.asker.insist("POST", f"/sessions/{gone}/cancel", {"reason": "x"}, owner)
        elif way == 3 and self.closures:
            await self.asker.insist("DELETE", f"/closures/{self.closures.pop()}", by=owner)
        elif way == 4 and self.sessions:
            ask = {"title": f"Session {chance.randrange(100)}", "capacity": chance.randint(3, 9)}
            await self.asker.insist("PATCH", f"/sessions/{self.sessions[-1]}", ask, owner)
        else:
            ask = {"description": f"As it is {chance.randrange(1000)}"}
            await self.asker.insist("PATCH", f"/venues/{self.venue.id}", ask, owner)

    def _keep(self, things: list[int], answer: Any) -> None:
        if answer.status == 201:
            things.append(answer.data["id"])
