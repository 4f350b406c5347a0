"""One promise under torture: what it is played with, what must hold, and which faults must have bitten."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from hub.torture.postbox import Postbox
from hub.torture.proxy import Fate, FaultProxy, Streams
from hub.torture.servers import Servers, Worker, ports_of
from storage import soundness, torture
from storage.pool import Pool, open_pool
from storage.torture import Rewriting

log = logging.getLogger("hub.torture")

# A line that a worker must not write, whatever is done to it: a fault of the hub, not a refusal.
_FAULT = re.compile(r'"level": ?"(error|critical)"|^Traceback')
_MOST_FAULTS_SHOWN = 3
# What does not hold when the play itself failed, which proves nothing about the promise.
CAME_TO_ITS_END = "the play came to its end"


@dataclass(frozen=True, slots=True)
class Control:
    """How the guard of a promise is taken away, to see that the promise is then found broken."""

    # The changes of hub.torture.careless with which every worker starts.
    changes: tuple[str, ...] = ()
    rewriting: Rewriting = field(default_factory=dict)
    without_constraints: bool = False
    postgres: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Promise:
    """One row of the table."""

    id: str
    sentence: str
    play: Callable[[Play], Awaitable[None]]
    control: Control


@dataclass(frozen=True, slots=True)
class Scale:
    """How hard and how long a run is: the whole load or a share of it, or the short version of the tests."""

    load: float = 1.0
    is_quick: bool = False
    soak_minutes: float = 5.0


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that had to hold, and whether it did; a mark of speed counts in a full run only."""

    what: str
    held: bool
    said: str
    counts: bool = True
    is_speed: bool = False


@dataclass
class Play:
    """What a promise is played with; everything is drawn from one chance."""

    servers: Servers
    database: str
    pool: Pool
    chance: Random
    scale: Scale
    control: Control | None
    marks: list[Mark] = field(default_factory=list)
    bitten: Counter[str] = field(default_factory=Counter)
    loads: list[str] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    _errands: set[asyncio.Task[Any]] = field(default_factory=set)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def is_quick(self) -> bool:
        """Tell whether this is the short version."""
        return self.scale.is_quick

    def many(self, full: int, quick: int, what: str = "") -> int:
        """Answer how many, and note it as part of the load."""
        count = max(1, round((quick if self.is_quick else full) * self.scale.load))
        if what:
            self.loads.append(f"{count} {what}")
        return count

    def lasts(self, full: float, quick: float) -> float:
        """Answer how many seconds, and note it as part of the load."""
        seconds = quick if self.is_quick else full
        self.loads.append(f"{seconds:g} s")
        return seconds

    def faults(self, *names: str) -> None:
        """Name the faults of this play; each must have bitten in the end."""
        for name in names:
            self.bitten[name] += 0

    def bit(self, fault: str, times: int = 1) -> None:
        """Note that a fault has bitten."""
        self.bitten[fault] += times

    def must(self, what: str, held: bool, said: object = "") -> None:
        """Judge something that must hold on any machine, however slow."""
        self.marks.append(Mark(what, held, str(said)))

    def within(self, what: str, value: float, most: float, unit: str = "s") -> None:
        """Judge a speed, which counts in a full run only."""
        self.marks.append(
            Mark(what, value <= most, f"{value:.4g} of {most:g} {unit}", counts=not self.is_quick, is_speed=True)
        )

    async def start(
        self, count: int = 2, *, through: tuple[str, ...] = (), each: Sequence[tuple[str, ...]] = ((),), **settings: Any
    ) -> list[Worker]:
        """Start so many workers side by side, which end with the play; `each` says how they differ from real ones."""
        careless = self.control.changes if self.control else ()
        self.workers = [
            self.servers.worker(
                number, self.database, (*careless, *each[number % len(each)]), frozenset(through), **settings
            )
            for number in range(1, count + 1)
        ]
        self._stack.push_async_callback(self._stop_workers)
        await asyncio.gather(*(worker.start() for worker in self.workers))
        return self.workers

    async def start_supervised(self, count: int, **settings: Any) -> Worker:
        """Start one supervisor with so many workers behind one port; it ends with the play."""
        careless = self.control.changes if self.control else ()
        worker = self.servers.worker(1, self.database, careless, frozenset(), **settings)
        worker.words = ("--workers", str(count))
        self.workers = [worker]
        self._stack.push_async_callback(worker.stop)
        await worker.start()
        return worker

    async def postbox(self) -> Postbox:
        """Open a mail server of the play's own."""
        return await self._stack.enter_async_context(Postbox())

    def ports(self) -> list[int]:
        """List where workers may be reached; one that was frozen just now looks like any other."""
        return ports_of(self.workers)

    async def front(self, fate: Callable[[], Fate]) -> FaultProxy:
        """Put a proxy before the workers, which draws what becomes of each connection."""

        async def reach() -> Streams:
            return await asyncio.open_connection("127.0.0.1", self.chance.choice(self.ports()))

        front = FaultProxy(reach)
        front.fate = fate
        return await self._stack.enter_async_context(front)

    async def reconnect(self) -> None:
        """Make sure that the play's own pool reaches a PostgreSQL that was killed meanwhile."""
        await self.pool.expire_connections()

    async def kill_a_worker(self, worker: Worker | None = None, *, start_again: bool = True) -> None:
        """Kill a worker, one drawn by lot if none is named, and start it again as a supervisor would."""
        worker = worker or self.chance.choice([one for one in self.workers if one.is_up])
        if worker.is_up:
            await worker.kill()
            self.bit("worker killed")
        if start_again:
            await worker.start()

    def send(self, errand: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Have something done beside the play, which waits for it in the end."""
        task = asyncio.create_task(errand)
        self._errands.add(task)
        return task

    async def errands_done(self) -> None:
        """Wait until all that was sent is done; a failure of it is a failure of the play."""
        while self._errands:
            done, self._errands = self._errands, set()
            await asyncio.gather(*done)

    async def end(self) -> None:
        """Stop what still runs, whatever happened."""
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)
        await self._stack.aclose()

    def logged(self, words: str) -> int:
        """Count the lines of the workers' logs that have these words."""
        return sum(worker.log.read_text(errors="replace").count(words) for worker in self.workers)

    async def judge_servers(self) -> None:
        """Judge what must hold of every play: the database is sound, and no worker met a fault of its own."""
        found = await soundness.faults(self.pool)
        self.must("the database is sound", not found, "; ".join(f"{what}: {rows[:2]}" for what, rows in found.items()))
        lines = [
            line
            for worker in self.workers
            for line in worker.log.read_text(errors="replace").splitlines()
            if _FAULT.search(line)
        ]
        self.must("no worker met a fault", not lines, "; ".join(map(_shown, lines[:_MOST_FAULTS_SHOWN])))

    async def _stop_workers(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self.workers))


def _shown(line: str) -> str:
    """Show of a fault what it was, and where it came from: the end of its traceback."""
    try:
        told = orjson.loads(line)
    except ValueError:
        return line[:300]
    return f"{told.get('event')}: {str(told.get('exception', ''))[-600:]}"


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a promise."""

    promise: Promise
    load: str
    bitten: Counter[str]
    marks: list[Mark]
    seconds: float

    @property
    def broken(self) -> list[Mark]:
        """List what did not hold although it counts."""
        return [mark for mark in self.marks if mark.counts and not mark.held]

    @property
    def is_only_slow(self) -> bool:
        """Tell whether nothing is wrong but that something took too long, as on a machine that has much else to do."""
        return bool(self.broken) and not self.toothless and all(mark.is_speed for mark in self.broken)

    @property
    def toothless(self) -> list[str]:
        """List the faults that never bit, for then nothing was proven."""
        return sorted(fault for fault, times in self.bitten.items() if not times)

    @property
    def holds(self) -> bool:
        """Tell whether the promise held although every fault bit."""
        return not self.broken and not self.toothless


async def play(promise: Promise, servers: Servers, template: str, seed: str, scale: Scale, *, controlled: bool) -> Row:
    """Play one promise on a database and workers of its own."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    control = promise.control if controlled else None
    for log_file in servers.folder.glob("worker-*.log"):
        log_file.unlink()
    async with (
        torture.copy_of(servers.postgres.url, template) as database,
        _pool(servers.database_url(database)) as pool,
    ):
        playing = Play(servers, database, pool, Random(f"{seed} {promise.id}"), scale, control)
        try:
            if control is not None:
                if control.without_constraints:
                    await torture.drop_constraints(pool)
                await torture.rewrite(pool, control.rewriting)
            await promise.play(playing)
            await playing.errands_done()
            await playing.judge_servers()
        except Exception as error:
            log.exception("a play failed")
            playing.must(CAME_TO_ITS_END, False, f"{type(error).__name__}: {error}"[:500])
        finally:
            servers.database_proxy.mend()
            servers.redis_proxy.mend()
            await playing.end()
    return Row(promise, ", ".join(playing.loads), playing.bitten, playing.marks, loop.time() - began)


@asynccontextmanager
async def _pool(url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(url, 4)
    try:
        yield pool
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await pool.close()
