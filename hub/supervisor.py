"""Several workers behind one port: started, watched, replaced one after the other, and stopped together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from hub import app, figures
from hub.errors import Unavailable
from hub.settings import Settings

log = logging.getLogger("hub.supervisor")

# Seconds that a worker may take to start, and to finish what it has begun.
SECONDS_TO_START = 60.0
SECONDS_TO_STOP = 10.0
# Seconds before a worker that died is started again; one that never gets going is tried more and more seldom.
PAUSES = (0.2, 1.0, 5.0, 15.0)
# A worker that lived so long has got going.
SECONDS_TO_PROVE = 30.0


class WorkerFailed(Unavailable):
    """A worker did not start; the lines above say why."""


@dataclass(eq=False, slots=True)
class Seat:
    """One worker's place: its listening socket and the folder of all figures, which outlive it, and its process now."""

    listening: socket.socket
    figures: str
    process: asyncio.subprocess.Process | None = None
    is_changing: bool = False


async def serve(settings: Settings, workers: int) -> None:
    """Serve with so many workers until cancelled; SIGHUP replaces them one by one without refusing anybody."""
    async with AsyncExitStack() as stack:
        # Exclusively at first, so that a port that another program has is told at once.
        app.listen(settings).close()
        folder = stack.enter_context(TemporaryDirectory(prefix="hub-figures-"))
        seats = [Seat(stack.enter_context(app.listen(settings, shared=True)), folder) for _ in range(workers)]
        reached, greeting = await stack.enter_async_context(app.prepared(settings))
        await stack.enter_async_context(_stopping(seats))
        for seat in seats:
            seat.process = await _started(seat, reached)
        roll = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, roll.set)
        print(greeting, flush=True)
        async with asyncio.TaskGroup() as group:
            for seat in seats:
                group.create_task(_keep_running(seat, reached))
            group.create_task(_keep_rolling(roll, seats, reached))


@asynccontextmanager
async def _stopping(seats: list[Seat]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.gather(*(_stopped(seat.process) for seat in seats if seat.process is not None))


async def _keep_running(seat: Seat, settings: Settings) -> None:
    """Start a worker again whenever it ends without having been asked to."""
    failures = 0
    while True:
        process, began = seat.process, time.monotonic()
        if process is not None:
            await process.wait()
            figures.forget(process.pid, seat.figures)
        if seat.is_changing or seat.process is not process:
            await asyncio.sleep(PAUSES[0])
            continue
        failures = 0 if time.monotonic() - began > SECONDS_TO_PROVE else failures + 1
        await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
        log.warning("a worker has ended and is started again")
        with suppress(WorkerFailed):
            seat.process = await _started(seat, settings)


async def _keep_rolling(roll: asyncio.Event, seats: list[Seat], settings: Settings) -> None:
    """Replace the workers, each only once its successor serves."""
    while True:
        await roll.wait()
        roll.clear()
        for seat in seats:
            seat.is_changing = True
            try:
                before, seat.process = seat.process, await _started(seat, settings)
            except WorkerFailed:
                log.warning("a successor did not start, so the workers stay as they are")
                break
            finally:
                seat.is_changing = False
            if before is not None:
                await _stopped(before)


async def _started(seat: Seat, settings: Settings) -> asyncio.subprocess.Process:
    """Start a worker on its seat's socket and wait until it serves; it ends when this process does."""
    assert settings.database_url
    assert settings.redis_url
    descriptor = seat.listening.fileno()
    own = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, figures.FOLDER: seat.figures}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "serve", "--on", str(descriptor)),
        env=os.environ | own,
        pass_fds=(descriptor,),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C is for this process, which stops the workers in its own way.
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS_TO_START):
            said = await process.stdout.readline()
    except TimeoutError:
        said = b""
    except asyncio.CancelledError:
        process.kill()
        raise
    if said.strip() != app.SERVING.encode():
        await _stopped(process)
        raise WorkerFailed()
    return process


async def _stopped(process: asyncio.subprocess.Process) -> None:
    """Ask a worker to finish, and end it if it does not."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(SECONDS_TO_STOP):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
