"""P3 and P4: what was acknowledged is never lost, and what is asked again takes effect once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial
from random import Random

from hub.torture.asking import Answer, Asker, Person, Unknown
from hub.torture.follower import until
from hub.torture.ground import Hall, hall, people, session, slot
from hub.torture.play import Play
from hub.torture.proxy import Fate
from storage import torture

_LOST_REQUESTS, _LOST_REPLIES, _DOUBLED = 0.2, 0.2, 0.1
_SECONDS_BACK = 5.0


async def keep_what_was_acknowledged(play: Play) -> None:
    """Let writers book while PostgreSQL is killed with all its processes, and frozen, and a worker is killed."""
    play.faults("PostgreSQL killed", "PostgreSQL frozen", "worker killed")
    seconds = play.lasts(60, 8)
    await play.start(2)
    async with Asker(play.ports, play.chance) as asker:
        owners = await people(asker, play.many(20, 8, "writers"), "vendor")
        venues = [await hall(asker, owner) for owner in owners]
        acknowledged: dict[int, str] = {}
        back: list[float] = []
        over = asyncio.Event()

        async def write(venue: Hall, number: int) -> None:
            hour = 0
            while not over.is_set():
                hour += 1
                mark = f"{number}-{hour}"
                body = {"items": [slot(venue.room_ids[0], hour)], "notes": mark}
                answer = await asker.insist("POST", "/bookings", body, venue.owner, mark)
                if answer.status == 201:
                    acknowledged[answer.data["id"]] = mark

        writing = [asyncio.create_task(write(venue, number)) for number, venue in enumerate(venues)]
        for number in range(3 if not play.is_quick else 2):
            await asyncio.sleep(seconds / 6)
            play.bit("PostgreSQL killed", bool(await play.servers.kill_postgres()))
            began = time.monotonic()
            await play.servers.postgres.start()
            await until(partial(_has_more, acknowledged, len(acknowledged)), 30)
            back.append(time.monotonic() - began)
            if number == 0:
                await play.kill_a_worker()
        play.servers.freeze_postgres(frozen=True)
        await asyncio.sleep(5 if not play.is_quick else 1)
        play.servers.freeze_postgres(frozen=False)
        play.bit("PostgreSQL frozen")
        await asyncio.sleep(seconds / 6)
        over.set()
        await asyncio.gather(*writing)
        await play.reconnect()
        found = await torture.statuses(play.pool, list(acknowledged))
        lost = [booking for booking in acknowledged if found.get(booking) != "confirmed"]
        play.must(
            "nothing acknowledged is lost",
            not lost and bool(acknowledged),
            f"{len(lost)} of {len(acknowledged)} acknowledged, {asker.unknown} unknown and asked again",
        )
        doubled = [mark for mark, times in (await torture.marked(play.pool)).items() if times > 1]
        play.must("nothing unknown took effect twice", not doubled, doubled[:5] or "")
        play.within("bookings go on after PostgreSQL is killed", max(back), _SECONDS_BACK)


async def ask_again(play: Play) -> None:
    """Let a network lose requests and answers, let clients ask twice at once, and workers die: each key counts once."""
    play.faults("worker killed", Fate.LOSES_REQUEST.value, Fate.LOSES_REPLY.value, "asked twice at once")
    await play.start(2)
    front = await play.front(lambda: _fate(play.chance))
    async with (
        Asker(play.ports, play.chance) as calm,
        Asker(lambda: [front.port], play.chance, connects_anew=True) as asker,
    ):
        owner = (await people(calm, 1, "vendor"))[0]
        venue = await hall(calm, owner)
        # Places of one large session: whatever is carried out twice takes two of them.
        crowded = await session(calm, venue, places=100_000)
        guests = await people(calm, play.many(40, 12, "clients"))
        count = play.many(2_000, 120, "bookings")
        repeating = _Repeating(play, asker, crowded)
        left = iter(range(count))

        async def keep_booking(guest: Person) -> None:
            for number in left:
                if number in {count // 4, count // 2, count * 3 // 4} and (not play.is_quick or number == count // 2):
                    play.send(play.kill_a_worker())
                await repeating.book(guest, number)

        await asyncio.gather(*(keep_booking(guest) for guest in guests))
        await play.errands_done()
        for fate in (Fate.LOSES_REQUEST, Fate.LOSES_REPLY):
            play.bit(fate.value, front.bitten[fate.value])
        await repeating.judge(count)
        await _judge_keys(play, calm, venue, guests)


def _has_more(acknowledged: dict[int, str], before: int) -> bool:
    return len(acknowledged) > before


def _fate(chance: Random) -> Fate:
    return chance.choices(
        (Fate.LOSES_REQUEST, Fate.LOSES_REPLY, Fate.PASSES),
        (_LOST_REQUESTS, _LOST_REPLIES, 1 - _LOST_REQUESTS - _LOST_REPLIES),
    )[0]


class _Repeating:
    """Bookings that are asked for until they are answered, and every answer there was."""

    def __init__(self, play: Play, asker: Asker, session_id: int) -> None:
        self.play, self.asker, self.session_id = play, asker, session_id
        self.chance = Random(play.chance.random())
        self.answers: dict[str, list[Answer]] = {}

    async def book(self, guest: Person, number: int) -> None:
        """Book one place under one key, and ask once more when it is done."""
        mark = f"{guest.id}-{number}"
        body = {"items": [{"kind": "place", "session_id": self.session_id}], "notes": mark}
        asks = [self.asker.insist("POST", "/bookings", body, guest, mark)]
        if self.chance.random() < _DOUBLED:
            asks.append(self.asker.insist("POST", "/bookings", body, guest, mark))
            self.play.bit("asked twice at once")
        answers = list(await asyncio.gather(*asks))
        answers.append(await self.asker.insist("POST", "/bookings", body, guest, mark))
        self.answers[mark] = answers

    async def judge(self, count: int) -> None:
        """Judge that each key took effect once, and was answered alike whenever it was answered."""
        found = await torture.marked(self.play.pool)
        wrong = [mark for mark in self.answers if found.get(mark) != 1]
        self.play.must(
            "each key took effect once", not wrong, f"{len(wrong)} of {count} did not: {wrong[:5]}" * bool(wrong)
        )
        unlike = [
            mark
            for mark, answers in self.answers.items()
            if {answer.status for answer in answers} != {201} or len({answer.body for answer in answers}) != 1
        ]
        self.play.must("the same key is answered alike", not unlike, unlike[:5] or "")
        last = [answers[-1] for answers in self.answers.values()]
        silent = sum(answer.headers.get("Idempotent-Replayed") != "true" for answer in last)
        self.play.must("a repeated answer says that it is one", not silent, f"{silent} did not" if silent else "")


async def _judge_keys(play: Play, asker: Asker, venue: Hall, guests: list[Person]) -> None:
    """Judge what a key is not: another body's, or another person's."""
    one, other = guests[:2]
    hour = 2_000
    body = {"items": [slot(venue.room_ids[0], hour)]}
    first = await asker.insist("POST", "/bookings", body, one, "shared")
    changed = await asker.insist("POST", "/bookings", {"items": [slot(venue.room_ids[0], hour + 1)]}, one, "shared")
    theirs = await asker.insist("POST", "/bookings", {"items": [slot(venue.room_ids[0], hour + 2)]}, other, "shared")
    statuses = Counter((first.status, changed.status, theirs.status))
    play.must(
        "a key with another body is refused, and another person's is another key",
        (first.status, changed.status, theirs.status) == (201, 422, 201),
        dict(statuses),
    )
    body = {"items": [slot(venue.room_ids[0], hour + 3)]}
    asked = await asyncio.gather(
        *(asker.ask("POST", "/bookings", body, one, "at once") for _ in range(10)), return_exceptions=True
    )
    answered = [answer for answer in asked if isinstance(answer, Answer)]
    failed = [error for error in asked if isinstance(error, BaseException) and not isinstance(error, Unknown)]
    ids = {answer.data["id"] for answer in answered if answer.status == 201}
    alike = len(ids) == 1 and all(
        answer.status == 201 or answer.data["code"] == "in_flight" for answer in answered if answer.status != 503
    )
    play.must(
        "of ten at once one is carried out, the others are told", alike and not failed, [a.status for a in answered]
    )
