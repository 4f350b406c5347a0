"""P14 and P17: Redis is not needed for correctness, and an outage of the database is honest and short."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from random import Random

from hub.torture.asking import Answer, Asker, Person, Unknown, percentile
from hub.torture.follower import Crowd, until
from hub.torture.ground import Hall, hall, people, slot
from hub.torture.judging import judge_followers
from hub.torture.play import Play
from storage import torture
from storage.pool import ACQUIRE_SECONDS, COMMAND_SECONDS

_PATIENCE = 60.0
_MOST_HOURS = 8_000
# Wrong passwords that are judged for one account and network before it has to wait.
_MOST_GUESSES = 5


class Pace:
    """Bookings at a steady pace, each asked for once; every answer is kept with the time it took."""

    def __init__(self, play: Play, asker: Asker, venue: Hall, guests: list[Person], rate: float) -> None:
        self.play, self.asker, self.venue, self.guests, self.rate = play, asker, venue, guests, rate
        self.chance = Random(play.chance.random())
        self.over = asyncio.Event()
        self.acknowledged: list[int] = []
        self.statuses: Counter[int] = Counter()
        # When it was asked, how long it took, and what was answered; nothing when no answer came.
        self.history: list[tuple[float, float, int]] = []
        self.without_retry_after = 0
        self._asks: set[asyncio.Task[None]] = set()

    async def keep(self) -> None:
        """Ask at the pace, whatever becomes of the asks, until it is over."""
        while not self.over.is_set():
            self._asks.add(asyncio.create_task(self._ask()))
            await asyncio.sleep(self.chance.uniform(0.5, 1.5) / self.rate)
        await asyncio.gather(*self._asks)

    async def hurry(self) -> None:
        """Ask again as soon as there is an answer, so that something is always under way, until it is over."""
        while not self.over.is_set():
            await self._ask()

    async def _ask(self) -> None:
        body = {"items": [slot(self.chance.choice(self.venue.room_ids), self.chance.randrange(_MOST_HOURS))]}
        began = time.monotonic()
        try:
            answer = await self.asker.ask("POST", "/bookings", body, self.chance.choice(self.guests))
        except Unknown:
            self.history.append((began, time.monotonic() - began, 0))
            return
        self._note(answer)
        self.history.append((began, answer.seconds, answer.status))

    def _note(self, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        if answer.status == 201:
            self.acknowledged.append(answer.data["id"])
        if answer.status == 503 and "Retry-After" not in answer.headers:
            self.without_retry_after += 1

    def took(self, since: float, until_: float) -> list[float]:
        """List how long the asks of a time took."""
        return [seconds for began, seconds, _ in self.history if since <= began < until_]

    async def judge(self) -> None:
        """Judge that all that was acknowledged is there, and that no ask met a fault."""
        found = await torture.statuses(self.play.pool, self.acknowledged)
        lost = [one for one in self.acknowledged if found.get(one) != "confirmed"]
        said = f"{len(lost)} of {len(self.acknowledged)}"
        self.play.must("nothing acknowledged is lost", not lost and bool(self.acknowledged), said)
        faults = {status: times for status, times in self.statuses.items() if status >= 500 and status != 503}
        self.play.must("no request met a fault", not faults, faults or dict(self.statuses))


async def go_on_without_redis(play: Play) -> None:
    """Kill Redis for a minute, then freeze it, while people book, watch, and try passwords."""
    play.faults("Redis killed", "Redis frozen", "passwords tried")
    await play.start(2, rate_limits="on", trusted_proxies=1)
    async with Asker(play.ports, play.chance) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        venue = await hall(asker, owner, rooms=5)
        guests = await people(asker, play.many(60, 20, "people"))
        crowd = await gathered(play, venue, play.many(100, 12, "followers"))
        pace = Pace(play, asker, venue, guests, play.many(50, 8, "bookings a second"))
        keeping = asyncio.create_task(pace.keep())
        await asyncio.sleep(8 if not play.is_quick else 2)
        baseline, down_from = percentile(pace.took(0, time.monotonic()), 0.99), time.monotonic()
        await play.servers.valkey.kill()
        play.bit("Redis killed")
        judged = await _guess(play, asker, guests[0])
        crowd.delays.clear()
        await asyncio.sleep(play.lasts(60, 4))
        lag = percentile(crowd.delays, 0.99)
        await play.servers.valkey.start()
        down_until = time.monotonic()
        await asyncio.sleep(5 if not play.is_quick else 1)
        frozen_from = time.monotonic()
        play.servers.freeze_redis(frozen=True)
        await asyncio.sleep(20 if not play.is_quick else 3)
        play.servers.freeze_redis(frozen=False)
        play.bit("Redis frozen")
        frozen_until = time.monotonic()
        await asyncio.sleep(3 if not play.is_quick else 1)
        pace.over.set()
        await keeping
        began = time.monotonic()
        patience = 10.0 if play.control else _PATIENCE
        known = await crowd.reach(await torture.versions(play.pool, rooms_of(venue)), patience)
        play.must("everybody knows everything in the end", known)
        play.within("until everybody knows it", time.monotonic() - began, 3)
        play.must("passwords cannot be tried without limit", judged <= _MOST_GUESSES, f"{judged} were judged")
        down = percentile(pace.took(down_from, down_until), 0.99)
        frozen = percentile(pace.took(frozen_from, frozen_until), 0.99)
        play.within(f"bookings while Redis is down, p99 (before: {baseline:.3f} s)", down, baseline + 0.2)
        play.within("bookings while Redis is frozen, p99", frozen, baseline + 0.2)
        play.within("events while Redis is down, p99", lag, 2)
        sent = await until_sent(play)
        play.must("what Redis did not take was published in the end", sent)
        await crowd.leave()
        await pace.judge()
        await judge_followers(play, crowd)


def rooms_of(venue: Hall) -> list[str]:
    """Name the live rooms of a venue."""
    return [f"venue:{venue.id}", f"desk:{venue.id}"]


async def gathered(play: Play, venue: Hall, count: int) -> Crowd:
    """Gather followers of a venue, one in twelve of them at its desk, and wait until all are let in.

    The desk's are all its owner, who may have ten connections.
    """
    crowd = Crowd(play.chance, play.ports)
    for number in range(count):
        if number % 12:
            crowd.add("venues", {"venue_id": venue.id})
        else:
            crowd.add("desks", {"venue_id": venue.id}, venue.owner.token)
    play.must("everybody is let in", await crowd.settled(_PATIENCE))
    return crowd


async def until_sent(play: Play, seconds: float = 30.0) -> bool:
    """Wait until nothing waits to be published; tells whether that was in time."""
    deadline = time.monotonic() + (8.0 if play.control else seconds)
    while await torture.unsent(play.pool):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.2)
    return True


async def _guess(play: Play, asker: Asker, victim: Person) -> int:
    """Try many wrong passwords of one account from one address; answers how many were judged."""
    judged = 0
    for number in range(20):
        body = {"email": victim.email, "password": f"wrong password {number}"}
        answer = await asker.ask("POST", "/auth/login", body, victim)
        judged += answer.status == 401
        play.bit("passwords tried")
    return judged


async def fail_honestly(play: Play) -> None:
    """Cut, hang and kill PostgreSQL under load: whoever asks hears so at once, and it goes on by itself afterwards."""
    names = ("connections cut", "connections held up", "replies swallowed", "backends terminated", "PostgreSQL killed")
    play.faults(*names)
    pool_size = 10
    await play.start(2, through=("database",), pool_size=pool_size)
    async with Asker(play.ports, play.chance, patience=30.0) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        venue = await hall(asker, owner, rooms=5)
        guests = await people(asker, play.many(40, 12, "people"))
        crowd = await gathered(play, venue, play.many(50, 6, "followers"))
        pace = Pace(play, asker, venue, guests, play.many(50, 8, "bookings a second"))
        keeping = asyncio.create_task(pace.keep())
        await asyncio.sleep(2)
        back: list[float] = []
        not_ready = 0
        for fault in names:
            not_ready += await _break_database(play, asker, fault)
            back.append(await _again(pace))
        pace.over.set()
        await keeping
        unanswered = [seconds for _, seconds, status in pace.history if status == 0]
        play.must("every request is answered", not unanswered, f"{len(unanswered)} were not" * bool(unanswered))
        slowest = max(seconds for _, seconds, _ in pace.history)
        play.must("no request hangs", slowest < 20, f"{slowest:.1f} s was the longest")
        # Whoever was under way when the silence began waits as long as a command may take.
        play.within("requests, p95", percentile([seconds for _, seconds, _ in pace.history], 0.95), 2.5)
        play.within("the longest request", slowest, COMMAND_SECONDS + 2 * ACQUIRE_SECONDS)
        play.within("bookings go on after an outage", max(back), 5)
        play.must("who is refused is told when to ask again", not pace.without_retry_after)
        play.must("readiness follows", not_ready > 0, not_ready)
        await play.reconnect()
        counted = await torture.connections(play.pool)
        play.must("no transaction stays open", not counted.get("idle in transaction"), counted)
        patience = 10.0 if play.control else _PATIENCE
        known = await crowd.reach(await torture.versions(play.pool, rooms_of(venue)), patience)
        play.must("everybody knows everything in the end", known)
        await crowd.leave()
        await pace.judge()
        await judge_followers(play, crowd)


async def _break_database(play: Play, asker: Asker, fault: str) -> int:
    """Break the way to the database for a while; answers how often the hub said that it was not ready."""
    proxy, seconds = play.servers.database_proxy, 10.0 if not play.is_quick else 3.0
    not_ready = 0
    if fault == "connections cut":
        proxy.refuses = True
        play.bit(fault, proxy.cut())
    elif fault == "connections held up":
        proxy.hold()
    elif fault == "replies swallowed":
        proxy.swallows_replies = True
    elif fault == "backends terminated":
        for _ in range(5 if not play.is_quick else 2):
            play.bit(fault, await torture.terminate_clients(play.pool, play.database))
            await asyncio.sleep(1)
        return 0
    else:
        play.bit(fault, bool(await play.servers.kill_postgres()))
        await asyncio.sleep(1)
        await play.servers.postgres.start()
        await play.reconnect()
        return 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with suppress(Unknown):
            not_ready += (await asker.ready()).status == 503
        await asyncio.sleep(0.5)
    play.bit(fault, proxy.bitten["held up"] if fault == "connections held up" else 0)
    play.bit(fault, proxy.bitten["swallowed"] if fault == "replies swallowed" else 0)
    proxy.mend()
    return not_ready


async def _again(pace: Pace) -> float:
    """Wait until bookings are made again; answers how long that took."""
    began, before = time.monotonic(), len(pace.acknowledged)
    await until(lambda: len(pace.acknowledged) > before, 30)
    return time.monotonic() - began
