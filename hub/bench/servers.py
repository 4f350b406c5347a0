"""The servers that are measured: the hub, and what a team would pick instead."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson
import psutil

from hub.app import servers
from hub.batch import MicroBatcher
from hub.bench.crowd import Crowd
from hub.errors import HubError
from hub.live.publisher import Publisher
from hub.settings import Settings
from storage import bench as ground
from storage import event_log
from storage.pool import open_pool

PEERS = Path(__file__).parent / "peers"
# Bytes of an event as a client hears it, the envelope included.
EVENT_BYTES = 250
_FILLER = "x" * (EVENT_BYTES - 150)
_CONNECTIONS = 8
_SECONDS_TO_START = 60.0


class NoPeer(HubError):
    """A server to measure could not be started; the lines above say why."""

    code, status = "no_peer", 500


Tell = Callable[[], Awaitable[None]]


@dataclass
class Server:
    """A running server: its process, its port, and how it is made to tell an event to the venue's watchers."""

    port: int
    process: psutil.Process
    tell: Tell

    def cpu(self) -> float:
        """Answer the seconds of processor time it has used."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def kib(self) -> float:
        """Answer the memory it holds."""
        return float(self.process.memory_info().rss) / 1024


@asynccontextmanager
async def the_hub(settings: Settings) -> AsyncIterator[Server]:
    """Run the hub itself on a database of its own, and tell it events as any other worker would: by log and Redis."""
    async with servers(settings) as reached:
        assert reached.database_url
        assert reached.redis_url
        async with ground.scratch_database(reached.database_url) as url:
            pool = await open_pool(url, _CONNECTIONS)
            try:
                await ground.open_venue(pool)
                async with pool.acquire() as db:
                    epoch = await event_log.epoch(db)
                publisher = Publisher(reached.redis_url, pool, epoch)
                sending = asyncio.create_task(publisher.run())

                async def tell_all(fillers: Sequence[str]) -> Sequence[None]:
                    publisher.publish(await ground.tell(pool, 1, fillers))
                    return [None] * len(fillers)

                # A worker, too, writes in one transaction what it is asked at the same moment.
                telling = MicroBatcher(tell_all)

                async def tell() -> None:
                    await telling.ask(_FILLER)

                environment = {
                    "DATABASE_URL": url,
                    "REDIS_URL": reached.redis_url,
                    "HUB_ENV": "test",
                    "HUB_SAMPLE_DATA": "off",
                    "HUB_RATE_LIMITS": "off",
                    "HUB_DATA": str(settings.data),
                    "HUB_SECRET": settings.secret,
                }
                async with started([sys.executable, "-m", "hub", "serve"], environment, as_setting=True) as (
                    port,
                    process,
                ):
                    yield Server(port, process, tell)
                sending.cancel()
                await publisher.close()
            finally:
                await pool.close()


@asynccontextmanager
async def stock_peer() -> AsyncIterator[Server]:
    """Run python-socketio on aiohttp."""
    async with (
        started([sys.executable, str(PEERS / "stock.py")], {}) as (port, process),
        _told_by_a_client(port) as tell,
    ):
        yield Server(port, process, tell)


@asynccontextmanager
async def node_peer(data: Path) -> AsyncIterator[Server]:
    """Run Socket.IO on Node."""
    folder = await installed_node_peers(data)
    async with started(["node", str(folder / "server.mjs")], {}) as (port, process), _told_by_a_client(port) as tell:
        yield Server(port, process, tell)


@asynccontextmanager
async def _told_by_a_client(port: int) -> AsyncIterator[Tell]:
    """Tell by a client of its own, for a peer has no other door."""
    teller = Crowd(port)
    await teller.grow(1)
    version = 0

    async def tell() -> None:
        nonlocal version
        version += 1
        told = {
            "room": "venue:1",
            "epoch": "bench",
            "version": version,
            "name": "venue.changed",
            "at": "2026-01-01T00:00:00",
        }
        teller.clients[0].send(b"42" + orjson.dumps(["tell", told | {"data": {"filler": _FILLER}}]))

    yield tell
    teller.leave()


@asynccontextmanager
async def started(
    command: list[str], environment: dict[str, str], *, as_setting: bool = False, log: IO[bytes] | None = None
) -> AsyncIterator[tuple[int, psutil.Process]]:
    """Start a server on a free port, and stop it at the end; it logs to the terminal unless a file is given."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    if as_setting:
        environment = environment | {"HUB_PORT": str(port)}
    else:
        command = [*command, str(port)]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | environment,
        stdout=log or asyncio.subprocess.DEVNULL,
        stderr=log,
        start_new_session=True,
    )
    try:
        await _listening(port, process)
        yield port, psutil.Process(process.pid)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return
    raise NoPeer()


async def installed_node_peers(data: Path) -> Path:
    """Install the peers for Node where git does not look; answers their folder."""
    folder = data / "bench" / "node"
    wanted = (PEERS / "package.json").read_text()
    if not (folder / "installed.json").exists() or (folder / "installed.json").read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(PEERS / "package.json", folder)
        npm = await asyncio.create_subprocess_exec(
            "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=folder
        )
        if await npm.wait():
            raise NoPeer("npm could not install the peers; the lines above say why.")
        (folder / "installed.json").write_text(wanted)
    for peer in PEERS.glob("*.mjs"):
        shutil.copy(peer, folder)
    return folder
