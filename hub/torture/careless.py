"""A worker that differs from a real one: a guard is taken away, or its clock goes wrong.

`python -m hub.torture.careless no_bucket clock=3600 -- serve --port 8001`. Nothing of this is in the hub itself.
"""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

# Seconds by which the clock goes wrong next, each time the process is told to by SIGUSR1.
_LEAPS = (3600.0, -3600.0, 40.0)
_MEGABYTE = 1024 * 1024


def replace(module: str, path: str, instead: Any) -> Any:
    """Put something else in the place of a name, which must be there; answers what was there."""
    owner: Any = importlib.import_module(module)
    *steps, name = path.split(".")
    for step in steps:
        owner = getattr(owner, step)
    before = getattr(owner, name)
    setattr(owner, name, instead)
    return before


async def _nothing(*_: Any, **__: Any) -> None:
    return None


async def _for_ever(*_: Any, **__: Any) -> None:
    await asyncio.Event().wait()


def no_gap_repair() -> None:
    """Trust Redis alone: neither gaps nor outages are mended from the log."""

    async def mark_repaired(_: Any, __: str, room: Any) -> None:
        room.is_repairing = False

    replace("hub.live.fanout", "Fanout.catch_up", _nothing)
    replace("hub.live.fanout", "Fanout._repair", mark_repaired)


def no_repeats() -> None:
    """Forget the Idempotency-Key of every request."""
    instead = lambda endpoint, actor, key, body: actor  # noqa: E731
    replace("handlers.over_http", "repeatable", instead)


def no_sweeper() -> None:
    """End no hold that ran out."""
    replace("hub.jobs.sweeper", "run", _for_ever)


def no_telling() -> None:
    """Tell the public nothing of what sessions and closures take."""
    replace("hub.work", "Work.touch_claims", _nothing)


def no_sending_limit() -> None:
    """Keep for a slow client whatever it does not take."""
    replace("hub.live.wire", "MOST_WAITING_BYTES", 1 << 40)


def no_bucket() -> None:
    """Take as many packets as a client sends."""
    replace("hub.live.wire", "Bucket.take", lambda bucket: True)


def no_greeting_deadline() -> None:
    """Let sockets stay that never say who they are, as many as there may be."""
    replace("hub.live.wire", "SECONDS_TO_GREET", 3600)
    replace("hub.live.crowd", "MOST_WITHOUT_LOGIN", 1 << 30)


def no_time_to_finish() -> None:
    """Let the supervisor end workers without a warning."""

    async def ended(process: asyncio.subprocess.Process) -> None:
        process.kill()
        await process.wait()

    replace("hub.supervisor", "_stopped", ended)


def no_patience_limit() -> None:
    """Wait for a database that does not answer as long as it takes."""
    replace("storage.pool", "ACQUIRE_SECONDS", 3600.0)
    replace("storage.pool", "COMMAND_SECONDS", 3600.0)


def no_fence() -> None:
    """Believe whoever says that a job is done, even if somebody else has taken it since."""
    jobs = importlib.import_module("storage.jobs")

    async def unfenced(db: Any, job_id: int, _lease: Any) -> bool:
        statement = "UPDATE jobs SET done_at = clock_timestamp(), data = '{}', error = NULL WHERE id = $1"
        return bool(await jobs.run(db, statement, job_id) == 1)

    replace("storage.jobs", "done", unfenced)


def no_clock_of_the_database() -> None:
    """Judge time by the clock of the worker's machine."""
    core = importlib.import_module("hub.core")
    replace("hub.core", "DatabaseClock.now", lambda clock: core.datetime.now(UTC))


def no_resume() -> None:
    """Answer a client that comes back as if it had missed nothing."""
    real = importlib.import_module("storage.replay").since

    async def since(db: Any, room: str, version: int, at_most: int) -> Any:
        missed = await real(db, room, version, at_most)
        return missed[-1:]

    replace("storage.replay", "since", since)


def leak() -> None:
    """Keep something of every client that ever came."""
    kept: list[bytearray] = []
    before = replace("hub.live.server", "Live.gone", None)

    def gone(live: Any, sid: str) -> None:
        kept.append(bytearray(_MEGABYTE))
        before(live, sid)

    replace("hub.live.server", "Live.gone", gone)


def redis_in_the_request() -> None:
    """Wait within the request until Redis has taken its events, as a plain emit does."""
    before = replace("hub.core", "Hub._place", None)

    async def place(hub: Any, asks: Any) -> Any:
        outcomes = await before(hub, asks)
        publisher = hub.publish.__self__
        while not publisher.up:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.1)
        return outcomes

    replace("hub.core", "Hub._place", place)


def clock(leap: float = 0.0) -> None:
    """Let the wall clock be wrong by so many seconds from the start, and leap at each SIGUSR1."""
    importlib.import_module("hub.app")
    real_time, leaps = time.time, list(_LEAPS)
    wrong_by = leap

    def leap_on(*_: Any) -> None:
        nonlocal wrong_by
        if leaps:
            wrong_by += leaps.pop(0)

    class Askew(datetime):
        """The time of day by the wrong clock."""

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            """Tell the wrong time."""
            return datetime.now(tz) + timedelta(seconds=wrong_by)

    signal.signal(signal.SIGUSR1, leap_on)
    time.time = lambda: real_time() + wrong_by
    time.time_ns = lambda: int((real_time() + wrong_by) * 1e9)
    for name, module in list(sys.modules.items()):
        ours = name.partition(".")[0] in ("handlers", "hub", "storage") and name != __name__
        if ours and getattr(module, "datetime", None) is datetime:
            module.datetime = Askew  # type: ignore[attr-defined]


CHANGES: dict[str, Callable[..., None]] = {
    change.__name__: change
    for change in (
        *(no_gap_repair, no_repeats, no_sweeper, no_telling, no_sending_limit, no_bucket, no_greeting_deadline),
        *(
            no_time_to_finish,
            no_patience_limit,
            no_fence,
            no_clock_of_the_database,
            no_resume,
            leak,
            redis_in_the_request,
        ),
        clock,
    )
}


def main(words: list[str]) -> int:
    """Change what is named before the two dashes, and run the command after them."""
    at = words.index("--")
    for word in words[:at]:
        name, _, value = word.partition("=")
        CHANGES[name](*([float(value)] if value else []))
    return int(importlib.import_module("hub.__main__").main(words[at + 1 :]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
