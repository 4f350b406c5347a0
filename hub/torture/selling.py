"""P1: nothing is sold twice, whatever the path."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

from hub.torture.asking import Answer, Asker, Person
from hub.torture.ground import Hall, hall, people, slot
from hub.torture.importing import import_beside_guests
from hub.torture.play import Play
from hub.torture.proxy import Fate
from storage import torture

_LOST_REPLIES = 0.05
# Hours that are fought over in the first part; the slots of the second lie behind them.
_HOURS = 48
_SLOTS_BEGIN = 200


async def sell_once(play: Play) -> None:
    """Let many want the same hours by every path there is, import among them, then let crowds meet at one slot each."""
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
        await import_beside_guests(play, calm, guests)
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
