"""One venue with very many watchers and very many writes: how soon they know, and what it costs each worker."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import psutil

from hub.bench.crowd import Crowd
from hub.bench.shops import WORKERS, Person, Shop, the_hub
from hub.settings import Settings
from storage import bench as ground
from storage.pool import Pool

Ask = Callable[[bytes, Person, bytes], Awaitable[tuple[int, Any]]]

VENUE = 1
# Goals: milliseconds until 95 of 100 watchers know of a write, the part of a core that a worker uses, and by how much
# of what it held after the first half minute it may have grown at the end.
P95, CORE, GROWTH = 250, 1.0, 1.05
# Below this part of the writes that were asked for, the rest says nothing.
RATE = 0.95
# Enough people that nobody asks more often than one may.
_CONNECTIONS = 120
_SECONDS_TO_WARM = 30.0
_NAME = b'"name"'


@dataclass(frozen=True)
class Pace:
    """How many watch, how many writes there are a second, and for how long."""

    minutes: float = 5.0
    watchers: int = 5000
    writes: int = 200


@dataclass
class Measured:
    """What came of it."""

    # Milliseconds from commit until a watcher knew, and how many of them had to wait that long.
    waits: Counter[int] = field(default_factory=Counter)
    writes: int = 0
    # Answered with 503: the database had too much to do.
    put_off: int = 0
    seconds: float = 0.0
    frames: int = 0
    lost: int = 0
    # Of each worker: the part of a core it used, and the MiB that it held once warm and at the end.
    cores: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    end: list[float] = field(default_factory=list)

    def quantile(self, part: float) -> int:
        """Answer the milliseconds within which this part of all watchers knew."""
        due = self.waits.total() * part
        for milliseconds in sorted(self.waits):
            due -= self.waits[milliseconds]
            if due <= 0:
                return milliseconds
        return 0


async def run(settings: Settings, pace: Pace = Pace()) -> None:
    """Measure and print what was reached beside the goals."""
    print(
        f"{os.cpu_count()} cores; {WORKERS} workers, one venue, {pace.watchers:,} watchers, {pace.writes} writes/s over"
        f" HTTP for {pace.minutes:g} minutes",
        flush=True,
    )
    print(report(await measure(settings, pace), pace.writes), flush=True)


async def measure(settings: Settings, pace: Pace) -> Measured:
    """Let the crowd watch while people hold and give back hours of the venue's rooms."""
    # Nobody's token runs out meanwhile.
    lasting = replace(settings, access_minutes=int(pace.minutes) + settings.access_minutes)
    async with the_hub(lasting, 1) as (shop, people):
        assert shop.pool is not None
        heard, crowd = Heard(), Crowd(shop.port)
        await crowd.grow(pace.watchers)
        await crowd.watch(VENUE)
        crowd.note = heard.note
        workers = shop.process.children() or [shop.process]
        begun, used = time.perf_counter(), [_cpu(worker) for worker in workers]
        warm = asyncio.create_task(_warm(workers, min(_SECONDS_TO_WARM, pace.minutes * 30)))
        writes, put_off = await _write(shop, people, pace)
        await _quiet(shop.pool, heard)
        seconds = time.perf_counter() - begun
        cores = [(_cpu(worker) - before) / seconds for worker, before in zip(workers, used, strict=True)]
        held, lost = [_mib(worker) for worker in workers], crowd.lost
        crowd.leave()
        measured = await judged(shop.pool, VENUE, heard, pace.watchers, lost)
        measured.writes, measured.put_off, measured.seconds, measured.lost = writes, put_off, seconds, lost
        measured.cores, measured.warm, measured.end = cores, await warm, held
        return measured


class Heard:
    """What the crowd heard: of each event, by the versions it stands for, in which millisecond how many knew it."""

    def __init__(self) -> None:
        self.at: dict[tuple[int, int], Counter[int]] = {}
        self.newest = 0
        self._known: dict[bytes, Counter[int]] = {}

    def note(self, data: bytes, begin: int, end: int) -> None:
        """Note an event of one client as it came; by its first bytes, for each is heard thousands of times."""
        head = data[begin : data.find(_NAME, begin, end)]
        known = self._known.get(head)
        if known is None:
            envelope = orjson.loads(data[begin + 2 : end])[1]
            version = envelope.get("version")
            if version is None:
                # About the connection itself, as that its worker is about to stop.
                return
            known = self._known[head] = self.at.setdefault((envelope.get("first_version", version), version), Counter())
            self.newest = max(self.newest, version)
        known[int(time.time() * 1000)] += 1


async def _write(shop: Shop, people: list[Person], pace: Pace) -> tuple[int, int]:
    """Hold and give back hours at a steady pace; answers how many writes were carried out, and how many put off."""
    begun, numbers, slots = time.perf_counter(), count(), count()
    end = begun + pace.minutes * 60
    done = put_off = 0

    async def keep_writing(person: Person) -> None:
        nonlocal done, put_off
        async with _line(shop.port) as ask:
            held = 0
            while (due := begun + next(numbers) / pace.writes) < end:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if held:
                    status, _ = await ask(b"DELETE /api/v1/holds/%d" % held, person, b"")
                    held = held if status == 503 else 0
                else:
                    body = orjson.dumps({"items": [_slot(next(slots))]})
                    status, answer = await ask(b"POST /api/v1/holds", person, body)
                    held = answer["id"] if status == 201 else 0
                if status not in (200, 201, 204, 503):
                    raise AssertionError(f"a write was answered with {status}")
                done += status != 503
                put_off += status == 503

    await asyncio.gather(*(keep_writing(person) for person in people[:_CONNECTIONS]))
    return done, put_off


@asynccontextmanager
async def _line(port: int) -> AsyncIterator[Ask]:
    """Open a connection that stays open; lends what asks over it and reads the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(what: bytes, person: Person, body: bytes) -> tuple[int, Any]:
        writer.write(
            b"%b HTTP/1.1\r\nHost: localhost:%d\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (what, port, person.head, len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((line for line in head.split("\r\n") if line.lower().startswith("content-length:")), ":0")
        answer = await reader.readexactly(int(length.partition(":")[2]))
        return int(head[9:12]), orjson.loads(answer) if answer else None

    try:
        yield ask
    finally:
        writer.close()


def _slot(number: int) -> dict[str, object]:
    """Name an hour that nobody else asks for while it is held."""
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    begin = tomorrow + timedelta(hours=number // ground.ROOMS_EACH % 10_000)
    return {
        "kind": "slot",
        "room_id": 1 + number % ground.ROOMS_EACH,
        "starts_at": begin.isoformat(),
        "ends_at": (begin + timedelta(hours=1)).isoformat(),
    }


async def _warm(workers: list[psutil.Process], seconds: float) -> list[float]:
    await asyncio.sleep(seconds)
    return [_mib(worker) for worker in workers]


async def _quiet(pool: Pool, heard: Heard) -> None:
    """Wait until the last write is known."""
    last = max(await ground.told_at(pool, VENUE), default=0)
    async with asyncio.timeout(30):
        while heard.newest < last:  # noqa: ASYNC110 - thousands of clients would have to say so
            await asyncio.sleep(0.05)
    await asyncio.sleep(1)


async def judged(pool: Pool, venue_id: int, heard: Heard, came: int, lost: int = 0) -> Measured:
    """Set what was heard beside the log: each write must have been told to every watcher that stayed, and once."""
    told, into = await ground.told_at(pool, venue_id), Measured()
    covered: Counter[int] = Counter()
    for (first, version), known in heard.at.items():
        into.frames += known.total()
        for one in range(first, version + 1):
            covered[one] += known.total()
            for millisecond, many in known.items():
                into.waits[max(0, round(millisecond - told[one] * 1000))] += many
    wrong = sum(not came - lost <= covered[one] <= came for one in told)
    if wrong:
        raise AssertionError(f"{wrong} of {len(told)} writes were not told to every watcher once")
    return into


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def _mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


def report(one: Measured, asked: int) -> str:
    """Write what was reached beside the goals, with so many writes a second asked for."""
    growth = max((end / warm for warm, end in zip(one.warm, one.end, strict=True)), default=1.0)
    heard = f"{one.frames / one.seconds:,.0f} events/s heard, {one.waits.total() / one.seconds:,.0f} states/s known"
    lines = [
        f"{one.writes / one.seconds:.0f} writes/s, {one.put_off} put off; {heard}, {one.lost} watchers lost",
        f"p50 {one.quantile(0.5)} ms, p99 {one.quantile(0.99)} ms; workers "
        + ", ".join(
            f"{core:.2f} cores {warm:.0f} to {end:.0f} MiB"
            for core, warm, end in zip(one.cores, one.warm, one.end, strict=True)
        ),
        "",
    ]

    def judge(what: str, reached: float, goal: float) -> None:
        lines.append(f"{what:58}{reached:8.2f}  goal <= {goal:<6}{'met' if reached <= goal else 'missed'}")

    rate = one.writes / one.seconds / asked
    verdict = "met" if rate >= RATE else "missed"
    lines.append(f"{'writes/s beside those asked for':58}{rate:8.2f}  goal >= {RATE:<6}{verdict}")
    judge("p95 ms from commit to a watcher", one.quantile(0.95), P95)
    judge("cores of the busiest worker", max(one.cores, default=0.0), CORE)
    judge("memory at the end beside that when warm", growth, GROWTH)
    return "\n".join(lines)
