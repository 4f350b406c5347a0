"""Crowds in processes of their own, for one process hears less in a second than a server can tell."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uvloop

from hub.bench.crowd import Crowd

PROCESSES = 2


class Crowds:
    """Watchers of one venue, dealt out to processes."""

    def __init__(self, processes: list[asyncio.subprocess.Process]) -> None:
        self._processes = processes
        self._waiting: list[dict[int, asyncio.Future[None]]] = [{} for _ in processes]

    async def reach(self, events: int) -> None:
        """Wait until every watcher has heard so many events, counted from the beginning."""
        reached = []
        for process, waiting in zip(self._processes, self._waiting, strict=True):
            assert process.stdin is not None
            waiting[events] = asyncio.get_running_loop().create_future()
            reached.append(waiting[events])
            process.stdin.write(f"{events}\n".encode())
        await asyncio.gather(*reached)

    async def listen(self) -> None:
        """Take what the processes say, until all have ended."""
        await asyncio.gather(*map(self._listen, self._processes, self._waiting))

    async def _listen(self, process: asyncio.subprocess.Process, waiting: dict[int, asyncio.Future[None]]) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            waiting.pop(int(line)).set_result(None)
        for unheard in waiting.values():
            unheard.set_exception(ConnectionResetError("a crowd has left"))


@asynccontextmanager
async def crowds(port: int, watchers: int, venue_id: int) -> AsyncIterator[Crowds]:
    """Have so many watch a venue of a server, half of them in each process."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, str(port), str(watchers // PROCESSES), str(venue_id)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    together = Crowds(processes)
    listening = asyncio.create_task(together.listen())
    try:
        # All watch from before the first event.
        await together.reach(0)
        yield together
    finally:
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        await listening
        for process in processes:
            await process.wait()


async def _watch(port: int, watchers: int, venue_id: int) -> None:
    """Be one of the crowds: watch, and say of every number of events that comes in when all have heard so many."""
    crowd, loop = Crowd(port), asyncio.get_running_loop()
    await crowd.grow(watchers)
    await crowd.watch(venue_id)
    asked = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    async for line in asked:
        events = int(line)
        crowd.reach(events * watchers).add_done_callback(partial(_say, events))


def _say(events: int, _reached: asyncio.Future[None]) -> None:
    print(events, flush=True)


if __name__ == "__main__":
    uvloop.run(_watch(*map(int, sys.argv[1:])))
