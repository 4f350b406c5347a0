"""P1 and P2: nothing is sold twice, whatever the path; a hold keeps its place exactly as long as it says."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import datetime
from random import Random
from typing import Any

from hub.torture.asking import Answer, Asker, Person, percentile
from hub.torture.ground import Hall, hall, people, slot
from hub.torture.play import Play
from hub.torture.proxy import Fate
from storage import torture

_LOST_REPLIES = 0.05
# Hours that are fought over in the first part; the slots of the second lie behind them.
_HOURS = 48
_SLOTS_BEGIN = 200
_SECONDS_FREED_WITHIN = 1.0
# After so long nobody believes any more that a place comes free.
_SECONDS_STUCK = 12.0


async def sell_once(play: Play) -> None:
    """Let many want the same hours by every path there is, then let crowds meet at one slot each."""
    play.faults("worker killed", Fate.LOSES_REPLY.value)
    await play.start(2)
    front = await play.front(lambda: Fate.LOSES_REPLY if play.chance.random() < _LOST_REPLIES else Fate.PASSES)
    async with Asker(play.ports, play.chance) as calm:
        owner = (await people(calm, 1, "vendor"))[0]
        venue = await hall(calm, owner, rooms=5)
        guests = await people(calm, play.many(50, 20, "clients"))
        # A desk books for those whom it knows.
        for number, guest in enumerate(guests[:5]):
            await calm.insist("POST", "/bookings", {"items": [slot(venue.room_ids[number], 150)]}, guest)
        async with Asker(lambda: [front.port], play.chance, connects_anew=True) as asker:
            await _fight(play, asker, venue, guests)
        play.bit(Fate.LOSES_REPLY.value, front.bitten[Fate.LOSES_REPLY.value])
        await _meet(play, calm, venue, guests)


async def _fight(play: Play, asker: Asker, venue: Hall, guests: list[Person]) -> None:
    attempts = play.many(8_000, 300, "attempts by book, confirm, move, staff, session, closure")
    fighting = _Fighting(play, asker, venue, guests)
    left = iter(range(attempts))

    async def keep_trying(guest: Person) -> None:
        for number in left:
            if number == attempts // 2:
                play.send(play.kill_a_worker())
            await fighting.attempt(guest, number)

    await asyncio.gather(*(keep_trying(guest) for guest in guests[:40]))
    await play.errands_done()
    fighting.judge(await torture.statuses(play.pool, list(fighting.acknowledged)))


class _Fighting:
    """Attempts at the same few hours, and what was acknowledged."""

    def __init__(self, play: Play, asker: Asker, venue: Hall, guests: list[Person]) -> None:
        self.play, self.asker, self.venue, self.guests = play, asker, venue, guests
        self.chance = Random(play.chance.random())
        # By booking: in which states it may be by what was acknowledged last.
        self.acknowledged: dict[int, set[str]] = {}
        self.own: dict[int, list[int]] = {}
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []

    async def attempt(self, guest: Person, number: int) -> None:
        """Try one way, drawn by lot; now and then give something back, so that there is something to want."""
        ways = [self._book, self._confirm, self._move, self._staff, self._session, self._closure, self._cancel]
        way = self.chance.choices(ways, (6, 5, 3, 2, 1, 1, 6))[0]
        answer = await way(guest, f"{guest.id}-{number}")
        if answer is not None:
            self.done[f"{way.__name__.strip('_')} {answer.status}"] += 1
            if answer.status >= 500:
                self.faults.append(f"{way.__name__} {answer.status} {answer.body[:200]!r}")

    def judge(self, found: dict[int, str]) -> None:
        """Judge that what was acknowledged is there, and that there was something to fight for."""
        missing = {
            booking: (found.get(booking), expected)
            for booking, expected in self.acknowledged.items()
            if found.get(booking) not in expected
        }
        self.play.must("every acknowledged booking is there", not missing, dict(list(missing.items())[:5]) or "")
        self.play.must("no request met a fault", not self.faults, "; ".join(self.faults[:3]))
        won = {way.partition(" ")[0] for way in self.done if way.endswith((" 200", " 201"))}
        lost = sum(times for way, times in self.done.items() if way.endswith(" 409"))
        self.play.must("every path has won, and somebody lost", len(won) >= 6 and lost > 0, dict(self.done))

    def _slot(self) -> dict[str, Any]:
        return slot(self.chance.choice(self.venue.room_ids), self.chance.randrange(_HOURS), self.chance.randint(1, 3))

    async def _book(self, guest: Person, key: str) -> Answer:
        answer = await self.asker.insist("POST", "/bookings", {"items": [self._slot()]}, guest, key)
        self._note(answer, guest, "confirmed")
        return answer

    async def _confirm(self, guest: Person, key: str) -> Answer:
        held = await self.asker.insist("POST", "/holds", {"items": [self._slot()]}, guest, key)
        if held.status != 201:
            return held
        answer = await self.asker.insist("POST", f"/holds/{held.data['id']}/confirm", {}, guest, key)
        self._note(answer, guest, "confirmed")
        return answer

    async def _move(self, guest: Person, key: str) -> Answer | None:
        if not self.own.get(guest.id):
            return None
        booking = self.chance.choice(self.own[guest.id])
        body = {"items": [self._slot()]}
        return await self.asker.insist("POST", f"/bookings/{booking}/reschedule", body, guest, key)

    async def _staff(self, guest: Person, key: str) -> Answer:
        known = self.chance.choice(self.guests[:5])
        body = {"items": [self._slot()], "user_id": known.id}
        answer = await self.asker.insist("POST", "/bookings", body, self.venue.owner, key)
        self._note(answer, known, "confirmed")
        return answer

    async def _session(self, guest: Person, key: str) -> Answer:
        wanted = self._slot()
        body = {name: wanted[name] for name in ("room_id", "starts_at", "ends_at")}
        # It is no repeatable ask, so whoever asks again may find their own session in the way.
        made = await self.asker.insist(
            "POST", "/sessions", {"venue_id": self.venue.id, "title": key, "capacity": 5, **body}, self.venue.owner
        )
        if made.status == 201 and self.chance.random() < 0.9:
            await self.asker.insist("POST", f"/sessions/{made.data['id']}/cancel", {"reason": "x"}, self.venue.owner)
        return made

    async def _closure(self, guest: Person, key: str) -> Answer:
        wanted = self._slot()
        body = {name: wanted[name] for name in ("room_id", "starts_at", "ends_at")}
        made = await self.asker.insist("POST", "/closures", {"venue_id": self.venue.id, **body}, self.venue.owner)
        if made.status == 201:
            await self.asker.insist("DELETE", f"/closures/{made.data['id']}", by=self.venue.owner)
        return made

    async def _cancel(self, guest: Person, key: str) -> Answer | None:
        if not self.own.get(guest.id):
            return None
        booking = self.own[guest.id].pop(self.chance.randrange(len(self.own[guest.id])))
        self.acknowledged[booking] = {"confirmed", "cancelled"}
        answer = await self.asker.insist("POST", f"/bookings/{booking}/cancel", {"reason": "x"}, guest, key)
        if answer.status == 200:
            self.acknowledged[booking] = {"cancelled"}
        return answer

    def _note(self, answer: Answer, guest: Person, status: str) -> None:
        if answer.status in (200, 201):
            self.acknowledged[answer.data["id"]] = {status}
            self.own.setdefault(guest.id, []).append(answer.data["id"])


async def _meet(play: Play, asker: Asker, venue: Hall, guests: list[Person]) -> None:
    """Let everybody want one slot at the same moment, again and again."""
    rounds = play.many(400, 8, f"times {len(guests)} at one slot")
    wrong: list[str] = []
    for number in range(rounds):
        wanted = slot(venue.room_ids[number % len(venue.room_ids)], _SLOTS_BEGIN + number // len(venue.room_ids))
        answers = await asyncio.gather(
            *(asker.ask("POST", "/bookings", {"items": [wanted]}, guest) for guest in guests)
        )
        statuses = Counter(answer.status for answer in answers)
        if statuses != {201: 1, 409: len(guests) - 1}:
            wrong.append(str(dict(statuses)))
    play.must("one has it, all others hear that it is taken", not wrong, "; ".join(wrong[:5]))


async def hold_in_time(play: Play) -> None:
    """Let holds be confirmed early, at the last moment, late or never, while somebody else waits for the place."""
    play.faults("worker killed", "worker's clock wrong")
    lasts = 3
    # Workers whose clocks are an hour ahead and an hour behind: only the database's counts.
    await play.start(2, each=(("clock=3600",), ("clock=-3600",)))
    play.bit("worker's clock wrong", 2)
    async with Asker(play.ports, play.chance) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        venue = await hall(asker, owner, rooms=20, hold_seconds=lasts, hold_cap_seconds=3 * lasts)
        guests = await people(asker, play.many(100, 16, "clients"))
        holds = iter(range(play.many(2_000, 60, f"holds of {lasts} s")))
        holding = Holding(play, asker, venue, 5.0 if play.control else _SECONDS_STUCK)

        async def keep_holding(guest: Person, rival: Person) -> None:
            for number in holds:
                await holding.hold(guest, rival, number)

        async def kill_twice() -> None:
            for worker in play.workers:
                await asyncio.sleep(20 if not play.is_quick else 3)
                await play.kill_a_worker(worker)

        play.send(kill_twice())
        await asyncio.gather(*(keep_holding(guest, guests[place - 1]) for place, guest in enumerate(guests)))
        await holding.renew_to_the_end(guests[0], _SLOTS_BEGIN + 1_000)
        await play.errands_done()
        holding.judge(await torture.statuses(play.pool, list(holding.ended)))


class Holding:
    """Holds, what became of them, and how soon their places came free."""

    def __init__(self, play: Play, asker: Asker, venue: Hall, patience: float) -> None:
        self.play, self.asker, self.venue, self.patience = play, asker, venue, patience
        # By booking: in which states it may end by what was acknowledged.
        self.ended: dict[int, set[str]] = {}
        self.freed: list[float] = []
        self.faults: list[str] = []
        self.ways: Counter[str] = Counter()

    async def hold(self, guest: Person, rival: Person, number: int) -> None:
        """Hold a place and confirm it in time, at the last moment, too late or never; a rival wants it from then on."""
        chance = Random(f"{self.play.chance.random()} {number}")
        wanted = {"items": [slot(self.venue.room_ids[number % 20], _SLOTS_BEGIN + number // 20)]}
        held = await self.asker.insist("POST", "/holds", wanted, guest, f"hold-{number}")
        if held.status != 201:
            self.faults.append(f"a free place was refused: {held.body[:200]!r}")
            return
        booking, until = held.data["id"], _moment(held.data["expires_at"])
        way = chance.choices(("in time", "at the last moment", "too late", "never"), (30, 30, 20, 20))[0]
        left = until - time.time()
        waits = {
            "in time": left * chance.uniform(0, 0.5),
            "at the last moment": left + chance.uniform(-0.1, 0.05),
            "too late": left + chance.uniform(0.05, 1.0),
        }
        confirming = None
        if way in waits:
            confirming = self._confirm(guest, booking, until, max(waits[way], 0), number)
        rivalling = self._want(rival, wanted, until, number)
        if confirming is None:
            self.ended[booking], freed = {"expired"}, await rivalling
        else:
            confirmed, freed = await asyncio.gather(confirming, rivalling)
            way = f"{way}: {'firm' if confirmed else 'gone'}"
            if confirmed and freed:
                self.faults.append(f"booking {booking} was confirmed, and its place sold to somebody else")
            if not confirmed and not freed:
                self.faults.append(f"booking {booking} ran out, and its place stayed taken")
        if confirming is None and not freed:
            self.faults.append(f"hold {booking} ran out, and its place stayed taken")
        self.ways[way] += 1

    async def renew_to_the_end(self, guest: Person, hour: int) -> None:
        """Renew a hold until the hub refuses, which is no later than its cap."""
        wanted = {"items": [slot(self.venue.room_ids[0], hour)]}
        held = (await self.asker.insist("POST", "/holds", wanted, guest)).data
        made, cap = _moment(held["created_at"]), _moment(held["hold_ends_at"])
        until = _moment(held["expires_at"])
        while True:
            await asyncio.sleep(0.5)
            renewed = await self.asker.insist("POST", f"/holds/{held['id']}/renew", {}, guest)
            if renewed.status != 200:
                break
            until = _moment(renewed.data["expires_at"])
        within = until <= cap + 0.001 and cap - made <= 9.1
        self.play.must("no hold is renewed beyond its cap", within, f"{until - made:.1f} s of {cap - made:.1f} s")

    def judge(self, found: dict[int, str]) -> None:
        """Judge that each hold ended as it was said, and its place came free in time."""
        wrong = [f"{one} is {found.get(one)}" for one, may in self.ended.items() if found.get(one) not in may]
        self.play.must("each hold ended as was said", not wrong, "; ".join(wrong[:5]) or dict(self.ways))
        self.play.must("no place was sold too early or stayed taken", not self.faults, "; ".join(self.faults[:5]))
        self.play.within("a place is free after its hold, p99", percentile(self.freed, 0.99), _SECONDS_FREED_WITHIN)

    async def _confirm(self, guest: Person, booking: int, until: float, wait: float, number: int) -> bool:
        await asyncio.sleep(wait)
        answer = await self.asker.insist("POST", f"/holds/{booking}/confirm", {}, guest, f"confirm-{number}")
        self.ended[booking] = {"confirmed"} if answer.status == 200 else {"expired"}
        # Whoever was answered late may have asked late: the worker that was asked first was killed.
        is_late = time.time() > until
        if answer.status not in (200, 410) or (answer.status == 410 and not is_late):
            self.faults.append(f"confirming {booking} was answered {answer.status}: {answer.body[:200]!r}")
        return answer.status == 200

    async def _want(self, rival: Person, wanted: dict[str, Any], until: float, number: int) -> bool:
        """Try to get the place from shortly before the hold ends; tells whether it was had."""
        await asyncio.sleep(max(until - time.time() - 0.2, 0))
        deadline = time.time() + self.patience
        tries = 0
        while time.time() < max(deadline, until + self.patience):
            tries += 1
            answer = await self.asker.insist("POST", "/holds", wanted, rival, f"want-{number}-{tries}")
            if answer.status == 201:
                # An ask may begin before the hold ends, and have the place when it is its turn.
                self.freed.append(_moment(answer.data["created_at"]) - until)
                if time.time() < until:
                    self.faults.append(f"a held place was sold {until - time.time():.3f} s before its hold ended")
                await self.asker.insist("DELETE", f"/holds/{answer.data['id']}", by=rival)
                return True
            if answer.status != 409:
                self.faults.append(f"wanting was answered {answer.status}: {answer.body[:200]!r}")
                return False
            if answer.data["reasons"][0]["reason"] == "taken":
                return False
            await asyncio.sleep(0.1)
        return False


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
