"""Workers, watchers and a Redis that may be killed."""

import asyncio
import contextlib
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from handlers.patience import PatientRunner
from hub import rooms
from hub.app import build, open_hub
from hub.core import Hub
from hub.jobs import runner
from hub.settings import Settings
from storage import event_log
from storage.embedded_server import Valkey
from tests.doors import AppServer, People
from tests.live.client import Watcher

Start = Callable[..., Awaitable[AppServer]]
Watch = Callable[..., Awaitable[Watcher]]


@contextlib.asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[AppServer]:
    """Run one worker on a port of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listening.close)
        reached = replace(settings, port=port, public_url=url, allowed_origins=(url,))
        running = await stack.enter_async_context(open_hub(reached))
        serving = PatientRunner(build(running), shutdown_timeout=1)
        stack.push_async_callback(serving.cleanup)
        await serving.setup()
        await web.SockSite(serving, listening).start()
        yield AppServer(url, running)


@contextlib.asynccontextmanager
async def jobs(worker: AppServer) -> AsyncIterator[None]:
    """Run the jobs beside a worker."""
    task = asyncio.create_task(runner.run(worker.hub, worker.running.live.publisher))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def start(settings: Settings) -> AsyncIterator[Start]:
    """Start workers on the test's database; all end with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def one(changed: Settings = settings, *, with_jobs: bool = False) -> AppServer:
            worker = await stack.enter_async_context(working(changed))
            if with_jobs:
                await stack.enter_async_context(jobs(worker))
            return worker

        yield one


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    """Connect watchers to workers; all leave with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def one(worker: AppServer, token: str | None = None) -> Watcher:
            return await stack.enter_async_context(Watcher(worker.url, token))

        yield one


@pytest.fixture
async def valkey() -> AsyncIterator[Valkey]:
    """Run a Valkey of this test's own, which it may kill and start again."""
    with tempfile.TemporaryDirectory(prefix="hub-") as folder:
        sockets = Path(folder) / "sockets"
        sockets.mkdir()
        server = Valkey(Path(folder) / "valkey", sockets)
        await server.start()
        yield server
        await server.stop()


async def tell(hub: Hub, room: str, count: int = 1, *, publish: bool = True, name: str = "venue.changed") -> list[int]:
    """Tell a room something, a fact unless another name is given, each in a transaction; answers the versions."""
    versions = []
    for _ in range(count):
        mark = secrets.token_hex(4)
        async with hub.pool.acquire() as db, db.transaction():
            told = await event_log.tell(db, [room], [name], [f'{{"changes":[],"mark":"{mark}"}}'], [], [], [])
        if publish:
            hub.publish(told)
        versions.append(told[0].version)
    return versions


async def make_venue(hub: Hub, people: People | None = None, **columns: Any) -> tuple[int, Any]:
    """Make a hall with its owner; answers both."""
    owner = await (people or People(hub)).vendor()
    fields = {"kind": "hall", "name": "Sala Norte", **columns}
    names = ", ".join(fields)
    places = ", ".join(f"${place}" for place in range(2, len(fields) + 2))
    async with hub.pool.acquire() as db:
        venue_id = await db.fetchval(
            f"INSERT INTO venues (owner_id, {names}) VALUES ($1, {places}) RETURNING id",  # noqa: S608
            owner.id,
            *fields.values(),
        )
    return venue_id, owner


async def make_room(hub: Hub, venue_id: int) -> int:
    """Make a room that is sold by the hour; answers its id."""
    async with hub.pool.acquire() as db:
        type_id = await db.fetchval(
            """
            INSERT INTO room_types (venue_id, name, capacity, sold_as, price, price_unit, total_rooms)
            VALUES ($1, 'Hall', 100, 'room', 5000, 'hour', 1) RETURNING id
            """,
            venue_id,
        )
        room_id: int = await db.fetchval(
            "INSERT INTO rooms (venue_id, room_type_id, number) VALUES ($1, $2, '1') RETURNING id", venue_id, type_id
        )
        await db.execute("UPDATE venues SET catalogue_version = catalogue_version + 1 WHERE id = $1", venue_id)
    return room_id


def slot(room_id: int, hours_from_now: int = 24, hours: int = 1) -> dict[str, Any]:
    """Name an hour of a room, on the hour."""
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours_from_now)
    end = begin + timedelta(hours=hours)
    return {"kind": "slot", "room_id": room_id, "starts_at": begin.isoformat(), "ends_at": end.isoformat()}


@pytest.fixture
def venue_room() -> Callable[[int], str]:
    """Spell the live room of a venue."""
    return rooms.venue
