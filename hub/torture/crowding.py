"""P9 and P20: a slow client slows nobody and costs little, and all clients may come back at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from hub.torture.asking import Asker, percentile
from hub.torture.follower import Crowd, until
from hub.torture.ground import Hall, hall, people
from hub.torture.judging import judge_followers
from hub.torture.line import Line
from hub.torture.play import Play
from hub.torture.servers import Worker
from storage import torture

_PATIENCE = 60.0
_KIB = 1024
_MEGABYTE = 1024.0 * 1024
# What a stalled client takes before the hub has to keep something for it.
_SMALLEST_BUFFER = 4096
_EVENT_BYTES = 8_000


async def tolerate_the_slow(play: Play) -> None:
    """Let some clients stop reading, with and without answering pings, and some read slowly, while others follow."""
    play.faults("clients that stop reading", "clients that stop reading but answer pings", "clients that read slowly")
    await play.start(2)
    async with Asker(play.ports, play.chance) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        venue = await hall(asker, owner)
        crowd = Crowd(play.chance, play.ports)
        for _ in range(play.many(200, 20, "healthy followers")):
            crowd.add("venues", {"venue_id": venue.id})
        play.must("everybody is let in", await crowd.settled(_PATIENCE))
        seconds = play.lasts(30, 3)
        rate = play.many(20, 12, f"events of {_EVENT_BYTES // 1000} kB a second, then the same beside slow clients")
        await _tell(asker, venue, rate, seconds)
        await _known(play, crowd, venue)
        baseline = percentile(crowd.delays, 0.95)
        crowd.delays.clear()
        fds, memory = _fds(play.workers), _memory(play.workers)
        stalled = [await _stall(play, venue) for _ in range(play.many(20, 4, "that stop reading"))]
        blind = [await _stall(play, venue) for _ in range(play.many(10, 4, "that answer pings"))]
        slow = [await _stall(play, venue) for _ in range(play.many(10, 2, "that read slowly"))]
        play.bit("clients that stop reading", len(stalled))
        play.bit("clients that stop reading but answer pings", len(blind))
        play.bit("clients that read slowly", len(slow))
        ponging = asyncio.create_task(_answer_blindly(blind))
        sipping = asyncio.create_task(_sip(slow))
        most = _Most(play.workers)
        watching = asyncio.create_task(most.watch())
        await _tell(asker, venue, rate, 2 * seconds)
        # As fast as the hub takes it: far more than waits for a client that is cut.
        began = time.monotonic()
        await _tell(asker, venue, 10 * rate, seconds / 3, least=400)
        is_gone = await until(lambda: _fds(play.workers) <= fds + 2, 8.0 if play.control else 40.0)
        play.must(
            "what stalled is cut and its sockets are gone", is_gone, f"{_fds(play.workers)} descriptors, {fds} before"
        )
        play.within("seconds from the burst until they are gone", time.monotonic() - began - seconds / 3, 15)
        await _known(play, crowd, venue)
        for task in (ponging, sipping, watching):
            task.cancel()
        for line in (*stalled, *blind, *slow):
            line.abort()
        play.within("workers' memory grew by", (most.memory - memory) / _MEGABYTE, 50, "MB")
        steady = percentile(crowd.delays, 0.95)
        play.within("delay of the healthy beside the baseline, p95", steady, max(1.2 * baseline, 0.15))
        await crowd.leave()
        await judge_followers(play, crowd)


async def _tell(asker: Asker, venue: Hall, rate: float, seconds: float, least: int = 0) -> None:
    """Change the venue so often a second, which tells its watchers a large event each time."""
    ends, pause = time.monotonic() + seconds, 4 / rate
    told = 0

    async def keep_telling() -> None:
        nonlocal told
        while time.monotonic() < ends or told < least:
            told += 1
            text = f"{told} {'x' * _EVENT_BYTES}"
            began = time.monotonic()
            await asker.insist("PATCH", f"/venues/{venue.id}", {"description": text}, venue.owner)
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))

    await asyncio.gather(*(keep_telling() for _ in range(4)))


async def _known(play: Play, crowd: Crowd, venue: Hall) -> None:
    at_last = await torture.versions(play.pool, [f"venue:{venue.id}"])
    known = await crowd.reach(at_last, 15.0 if play.control else _PATIENCE)
    play.must("the healthy know everything", known)


async def _stall(play: Play, venue: Hall) -> Line:
    """Connect a client that watches and reads no more from then on."""
    line = await Line.call(play.chance.choice(play.ports()), receive_buffer=_SMALLEST_BUFFER)
    await line.greet()
    await line.ask("venues.watch", {"venue_id": venue.id})
    line.stop_reading()
    return line


async def _answer_blindly(lines: Sequence[Line]) -> None:
    while True:
        for line in lines:
            line.send(b"3")
        await asyncio.sleep(5)


async def _sip(lines: Sequence[Line]) -> None:
    """Read about two kilobytes a second."""
    while True:
        for line in lines:
            line.read_on()
        await asyncio.sleep(0.01)
        for line in lines:
            line.stop_reading()
        await asyncio.sleep(2)


def _fds(workers: Sequence[Worker]) -> int:
    return sum(worker.kernel.num_fds() for worker in workers)


def _memory(workers: Sequence[Worker]) -> int:
    return sum(worker.kernel.memory_info().rss for worker in workers)


class _Most:
    """The most memory that the workers ever had."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers, self.memory = workers, _memory(workers)

    async def watch(self) -> None:
        """Look now and then until cancelled."""
        while True:
            self.memory = max(self.memory, _memory(self.workers))
            await asyncio.sleep(0.5)


async def survive_the_storm(play: Play) -> None:
    """Cut everybody at once, tell them something while they are away, and let them come back while others book."""
    play.faults("clients cut")
    pool_size = 10
    await play.start(2, pool_size=pool_size)
    async with Asker(play.ports, play.chance) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        venue = await hall(asker, owner)
        crowd = Crowd(play.chance, play.ports)
        count = play.many(1_000, 60, "followers cut at once")
        for _ in range(count):
            crowd.add("venues", {"venue_id": venue.id})
        play.must("everybody is let in", await crowd.settled(_PATIENCE))
        asker.seconds.clear()
        most = 0
        over = asyncio.Event()

        async def keep_telling() -> None:
            number = 0
            while not over.is_set():
                number += 1
                body = {"description": f"Storm {number}"}
                await asker.insist("PATCH", f"/venues/{venue.id}", body, owner)
                await asyncio.sleep(0.05)

        async def keep_counting() -> None:
            nonlocal most
            while not over.is_set():
                counted = await torture.connections(play.pool)
                most = max(most, sum(counted.values()))
                await asyncio.sleep(0.1)

        telling = asyncio.gather(keep_telling(), keep_counting())
        began = time.monotonic()
        play.bit("clients cut", crowd.cut(count))
        await asyncio.sleep(0.1)
        is_back = await crowd.settled(20.0 if play.control else 2 * _PATIENCE)
        took = time.monotonic() - began
        over.set()
        await telling
        at_last = await torture.versions(play.pool, [f"venue:{venue.id}"])
        is_back = is_back and await crowd.reach(at_last, 10.0 if play.control else _PATIENCE)
        play.must("everybody comes back and knows everything", is_back)
        play.within("until the last was back", took, 20)
        play.within("back, p95", percentile(crowd.resumed, 0.95), 8)
        play.within("requests meanwhile, p99", percentile(asker.seconds, 0.99), 1)
        # The play's own pool of four looks on.
        own, listeners = 4, 4
        play.must("PostgreSQL has no more connections than the pools", most <= 2 * pool_size + own + listeners, most)
        await crowd.leave()
        await judge_followers(play, crowd)
