"""P19 and P26: clocks that leap change nothing of value, and the hub stays flat however long it runs."""

from __future__ import annotations

import asyncio
import signal
import statistics
import time
from collections.abc import Sequence

from hub.torture.asking import Asker, percentile
from hub.torture.follower import Crowd
from hub.torture.ground import hall, people
from hub.torture.holding import Holding
from hub.torture.judging import judge_followers
from hub.torture.outages import Pace, gathered, rooms_of
from hub.torture.play import Play
from storage import torture

_PATIENCE = 60.0
_LEAPS = 3
_MEGABYTE = 1024.0 * 1024


async def ignore_clocks(play: Play) -> None:
    """Let the workers' clocks leap by an hour forth and back and by 40 s, while holds run and people watch."""
    play.faults("clock leapt")
    await play.start(2, each=(("clock=0",),), access_minutes=15, pay_seconds=3)
    async with Asker(play.ports, play.chance) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        venue = await hall(asker, owner, rooms=20, hold_seconds=3, hold_cap_seconds=9)
        guests = await people(asker, play.many(40, 10, "clients"))
        crowd = await gathered(play, venue, play.many(100, 12, "followers"))
        holding = Holding(play, asker, venue, 6.0 if play.control else 12.0)
        holds = iter(range(play.many(600, 40, "holds of 3 s")))
        refused = 0

        async def keep_holding(guest: int) -> None:
            for number in holds:
                await holding.hold(guests[guest], guests[guest - 1], number)

        async def keep_reading() -> None:
            nonlocal refused
            while True:
                for guest in guests:
                    answer = await asker.insist("GET", "/me", by=guest)
                    refused += answer.status != 200
                    await asyncio.sleep(0.05)

        async def leap() -> None:
            for _ in range(_LEAPS):
                await asyncio.sleep(12 if not play.is_quick else 2)
                for worker in play.workers:
                    worker.signal(signal.SIGUSR1)
                    play.bit("clock leapt")

        reading = asyncio.create_task(keep_reading())
        leaping = asyncio.create_task(leap())
        await asyncio.gather(*(keep_holding(place) for place in range(len(guests))))
        await leaping
        reading.cancel()
        await holding.judge()
        play.must("no login ended", not refused, f"{refused} were refused" * bool(refused))
        patience = 10.0 if play.control else _PATIENCE
        known = await crowd.reach(await torture.versions(play.pool, rooms_of(venue)), patience)
        play.must("everybody knows everything in the end", known)
        twice = await torture.told_twice(play.pool, "booking.expired")
        play.must("every hold ended once", not twice, twice[:5] or "")
        await crowd.leave()
        await judge_followers(play, crowd)


async def stay_flat(play: Play) -> None:
    """Let clients come, watch, book and go for long, and look at what the workers keep of it."""
    play.faults("clients that came and went")
    minutes = play.scale.soak_minutes if not play.is_quick else 0.25
    play.loads.append(f"{minutes:g} min")
    await play.start(2)
    async with Asker(play.ports, play.chance) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        venue = await hall(asker, owner, rooms=5)
        guests = await people(asker, play.many(30, 8, "people"))
        crowd = await gathered(play, venue, play.many(300, 30, "followers, a tenth of whom comes anew every minute"))
        pace = Pace(play, asker, venue, guests, play.many(20, 6, "bookings a second"))
        keeping = asyncio.create_task(pace.keep())
        # What every worker learns once belongs to its base.
        await asyncio.sleep(minutes * 60 / 6)
        await _churn(play, crowd, 10)
        base, fds = _memory(play), _fds(play)
        memory: list[tuple[float, float]] = []
        began, restarted = time.monotonic(), time.monotonic()
        while time.monotonic() - began < minutes * 60:
            await _churn(play, crowd, max(1, len(crowd.followers) // 100 if not play.is_quick else 10))
            memory.append((time.monotonic() - began, _memory(play)))
            await asyncio.sleep(6 if not play.is_quick else 0.3)
            if not play.is_quick and time.monotonic() - restarted > 300:
                restarted = time.monotonic()
                await play.servers.valkey.kill()
                await play.servers.valkey.start()
        pace.over.set()
        await keeping
        await crowd.settled(_PATIENCE)
        came = play.bitten["clients that came and went"]
        grown = _memory(play) - base
        play.must("nothing is kept of who came and went", grown < max(40.0, 0.2 * came), f"{grown:.1f} MB after {came}")
        play.within("memory a minute", _slope(memory) * 60, 1, "MB")
        play.must("descriptors are back", _fds(play) <= fds + 20, f"{_fds(play)}, {fds} before")
        play.within("events, p99", percentile(crowd.delays, 0.99), 0.5)
        known = await crowd.reach(await torture.versions(play.pool, rooms_of(venue)), _PATIENCE)
        play.must("everybody knows everything in the end", known)
        await crowd.leave()
        await pace.judge()
        await judge_followers(play, crowd)


async def _churn(play: Play, crowd: Crowd, count: int) -> None:
    play.bit("clients that came and went", crowd.cut(count))
    await crowd.settled(_PATIENCE)


def _memory(play: Play) -> float:
    return sum(worker.kernel.memory_info().rss for worker in play.workers) / _MEGABYTE


def _fds(play: Play) -> int:
    return sum(worker.kernel.num_fds() for worker in play.workers)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Answer how fast the line through these points rises; the first third is left out."""
    late = points[len(points) // 3 :]
    if len(late) < 3:
        return 0.0
    return statistics.linear_regression([at for at, _ in late], [much for _, much in late]).slope
