"""P2: a hold keeps its place exactly as long as it says, and what is paid too late is given back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import datetime
from random import Random
from typing import Any

from hub.torture.asking import Asker, Person, percentile
from hub.torture.ground import Hall, hall, people, slot
from hub.torture.play import Play
from storage import torture

_SLOTS_BEGIN = 200
_SECONDS_FREED_WITHIN = 1.0
# After so long nobody believes any more that a place comes free.
_SECONDS_STUCK = 12.0
_PAID_LATE = "paid too late"
_SECONDS_TO_GIVE_BACK = 10.0
_TIMES_PRESSED = 50
# Whoever had taken a refund to send it may have been killed; a minute later somebody else takes it.
_SECONDS_TO_SEND = 100


async def hold_in_time(play: Play) -> None:
    """Let holds be confirmed or paid early, at the last moment, late or never, while somebody else wants the place."""
    play.faults("worker killed", "worker's clock wrong", _PAID_LATE)
    lasts = 3
    # Workers whose clocks are an hour ahead and an hour behind: only the database's counts.
    await play.start(2, each=(("clock=3600",), ("clock=-3600",)), pay_seconds=lasts)
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
        play.bit(_PAID_LATE, await holding.judge())


class Holding:
    """Holds, what became of them, and how soon their places came free."""

    def __init__(self, play: Play, asker: Asker, venue: Hall, patience: float) -> None:
        self.play, self.asker, self.venue, self.patience = play, asker, venue, patience
        # By booking: in which states it may end by what was acknowledged.
        self.ended: dict[int, set[str]] = {}
        self.paid: list[int] = []
        self.freed: list[float] = []
        self.faults: list[str] = []
        self.ways: Counter[str] = Counter()

    async def hold(self, guest: Person, rival: Person, number: int) -> None:
        """Hold a place and confirm or pay it in time, at the last moment, too late or never; a rival wants it too."""
        chance = Random(f"{self.play.chance.random()} {number}")
        wanted = {"items": [slot(self.venue.room_ids[number % 20], _SLOTS_BEGIN + number // 20)]}
        held = await self.asker.insist("POST", "/holds", wanted, guest, f"hold-{number}")
        if held.status != 201:
            self.faults.append(f"a free place was refused: {held.body[:200]!r}")
            return
        booking, until = held.data["id"], _moment(held.data["expires_at"])
        way = chance.choices(("in time", "at the last moment", "too late", "never"), (30, 30, 20, 20))[0]
        payment = None
        if way != "never" and chance.random() < 0.5:
            payment, until = await self._begin(guest, booking, number)
        left = until - time.time()
        waits = {
            "in time": left * chance.uniform(0, 0.5),
            "at the last moment": left + chance.uniform(-0.1, 0.05),
            "too late": left + chance.uniform(0.05, 1.0),
        }
        confirming = None
        if payment is not None:
            confirming = self._pay(guest, booking, payment, until, max(waits[way], 0))
            way = f"paid {way}"
        elif way in waits:
            confirming = self._confirm(guest, booking, until, max(waits[way], 0), number)
        # Whoever came before a payment stays, so that it comes for nothing.
        rivalling = self._want(rival, wanted, until, number, "/holds" if payment is None else "/bookings")
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

    async def judge(self) -> int:
        """Judge that holds ended as was said, places came free in time, and who paid too late has their money back.

        Answers how many had paid too late.
        """
        found = await torture.statuses(self.play.pool, list(self.ended))
        wrong = [f"{one} is {found.get(one)}" for one, may in self.ended.items() if found.get(one) not in may]
        self.play.must("each hold ended as was said", not wrong, "; ".join(wrong[:5]) or dict(self.ways))
        self.play.must("no place was sold too early or stayed taken", not self.faults, "; ".join(self.faults[:5]))
        self.play.within("a place is free after its hold, p99", percentile(self.freed, 0.99), _SECONDS_FREED_WITHIN)
        lost: list[int] = []
        for _ in range(_SECONDS_TO_SEND * 5):
            lost = await torture.neither_booked_nor_refunded(self.play.pool, self.paid)
            if not lost:
                break
            await asyncio.sleep(0.2)
        self.play.must("who has paid has the place or the money", not lost, lost[:5] or f"{len(self.paid)} paid")
        # What the provider took and we took for cancelled would show here.
        theirs, ours = await torture.books_of_sandbox(self.play.pool)
        self.play.must("the provider's books are ours", theirs == ours, f"{theirs} there, {ours} here")
        waits = await torture.seconds_to_refund(self.play.pool, self.paid)
        self.play.within("the money is back, p95", percentile(waits, 0.95), _SECONDS_TO_GIVE_BACK)
        return len(waits)

    async def _begin(self, guest: Person, booking: int, number: int) -> tuple[tuple[int, str], float]:
        """Begin to pay; answers the payment with its page, and until when the place is kept for it."""
        body = {"booking_id": booking, "gateway": "sandbox"}
        began = (await self.asker.insist("POST", "/payments", body, guest, f"pay-{number}")).data
        page = began["pay_at"]["redirect_url"]
        held = (await self.asker.insist("GET", f"/bookings/{booking}", by=guest)).data
        return (began["id"], page[page.index("/sandbox/") :]), _moment(held["expires_at"])

    async def _pay(self, guest: Person, booking: int, payment: tuple[int, str], until: float, wait: float) -> bool:
        """Pay before the hold ends, and have the hub learn of it after so long; tells whether it is firm then."""
        payment_id, page = payment
        hears_at = time.time() + wait
        await asyncio.sleep(max(min(wait, until - time.time() - 0.3), 0))
        # Asked again by whoever got no answer, as by a person who presses once more.
        for _ in range(_TIMES_PRESSED):
            if await self.asker.press(page, "lost"):
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(max(hears_at - time.time(), 0))
        looked = await self.asker.insist("POST", f"/payments/{payment_id}/check", {}, guest)
        became = looked.data.get("status")
        # Who was kept from pressing until the hold was over has paid nothing.
        if became not in ("completed", "cancelled"):
            self.faults.append(f"payment {payment_id} was answered {looked.status}: {looked.body[:200]!r}")
        if became == "completed":
            self.paid.append(booking)
        found = (await self.asker.insist("GET", f"/bookings/{booking}", by=guest)).data["status"]
        self.ended[booking] = {"confirmed"} if found == "confirmed" else {"expired"}
        return bool(found == "confirmed")

    async def _confirm(self, guest: Person, booking: int, until: float, wait: float, number: int) -> bool:
        await asyncio.sleep(wait)
        answer = await self.asker.insist("POST", f"/holds/{booking}/confirm", {}, guest, f"confirm-{number}")
        self.ended[booking] = {"confirmed"} if answer.status == 200 else {"expired"}
        # Whoever was answered late may have asked late: the worker that was asked first was killed.
        is_late = time.time() > until
        if answer.status not in (200, 410) or (answer.status == 410 and not is_late):
            self.faults.append(f"confirming {booking} was answered {answer.status}: {answer.body[:200]!r}")
        return answer.status == 200

    async def _want(self, rival: Person, wanted: dict[str, Any], until: float, number: int, path: str) -> bool:
        """Try to get the place from shortly before the hold ends; tells whether it was had."""
        await asyncio.sleep(max(until - time.time() - 0.2, 0))
        deadline = time.time() + self.patience
        tries = 0
        while time.time() < max(deadline, until + self.patience):
            tries += 1
            answer = await self.asker.insist("POST", path, wanted, rival, f"want-{number}-{tries}")
            if answer.status == 201:
                # An ask may begin before the hold ends, and have the place when it is its turn.
                self.freed.append(_moment(answer.data["created_at"]) - until)
                if time.time() < until:
                    self.faults.append(f"a held place was sold {until - time.time():.3f} s before its hold ended")
                if answer.data["status"] == "held":
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
