"""The served process: it starts, says where it is, and ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import socketio
from aiohttp import ClientSession

from hub.settings import Settings
from storage import durability
from storage.embedded import embedded_servers
from tests.doors import ListeningHub

SECRET = "Zq7v1mB3xK9wT5rY2nL8pD4sF6gH0jQc"


def environment(settings: Settings, tmp_path: Path, **others: str) -> dict[str, str]:
    assert settings.database_url
    assert settings.redis_url
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "HUB_ENV": "test",
        "HUB_DATA": str(tmp_path),
        "HUB_SECRET": SECRET,
        "HUB_SAMPLE_DATA": "off",
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        **others,
    }


def free_port() -> int:
    # Below those that a system hands out by itself, so that nobody is given it in between.
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextlib.asynccontextmanager
async def hub_process(command: str, env: dict[str, str], folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", command, cwd=folder, env=env, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode()


async def is_ready(session: ClientSession, url: str) -> bool:
    async with session.get(f"{url}/health/ready") as response:
        return response.status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_hub_with_open_sockets_ends_within_five_seconds(
    number: signal.Signals, settings: Settings, tmp_path: Path
) -> None:
    env = environment(settings, tmp_path, HUB_PORT=str(free_port()))
    async with hub_process("serve", env, tmp_path) as process:
        url = "http://127.0.0.1:" + env["HUB_PORT"]
        assert re.search(r"runs on http://localhost:\d+ ", await line_of(process))
        clients = [socketio.AsyncClient(reconnection=False) for _ in range(3)]
        for client in clients:
            await client.connect(url, transports=["websocket"])
        async with ClientSession() as session:
            async with asyncio.timeout(20):
                while not await is_ready(session, url):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            begun = time.monotonic()
            process.send_signal(number)
            assert await asyncio.wait_for(process.wait(), 10) == 0
            assert time.monotonic() - begun < 5
        assert process.stderr
        assert (await process.stderr.read()).decode() == ""
        for client in clients:
            await client.shutdown()


async def test_a_hub_in_development_writes_its_mail_and_shows_it(settings: Settings, tmp_path: Path) -> None:
    env = environment(settings, tmp_path, HUB_PORT=str(free_port()))
    url = "http://127.0.0.1:" + env["HUB_PORT"]
    async with hub_process("serve", env, tmp_path) as process, ClientSession() as session:
        await line_of(process)
        person = {"email": "ana@example.org", "password": "correct horse battery staple", "full_name": "Ana Reis"}
        async with session.post(f"{url}/api/v1/auth/register", json=person) as response:
            assert response.status == 201
        shown = ""
        async with asyncio.timeout(20):
            while "mail to ana@example.org" not in shown:
                await asyncio.sleep(0.2)
                async with session.get(f"{url}/dev/mail") as response:
                    shown = await response.text()


@pytest.fixture
async def lasting(settings: Settings) -> AsyncIterator[Settings]:
    """Name servers of this test's own, whose database keeps what it has acknowledged."""
    with tempfile.TemporaryDirectory(prefix="hub-lasting-") as folder:
        async with embedded_servers(Path(folder)) as urls:
            yield replace(settings, database_url=urls.database, redis_url=urls.redis)


async def test_production_serves_with_a_log_of_json_lines(lasting: Settings, tmp_path: Path) -> None:
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    env = environment(lasting, tmp_path, HUB_ENV="production", HUB_PORT=port, HUB_PUBLIC_URL="https://hub.example.org")
    async with hub_process("serve", env, tmp_path) as process:
        assert "https://hub.example.org" in await line_of(process)
        # As a proxy passes it on; by its plain address strangers cannot ask a hub in production.
        public = {"Host": "hub.example.org"}
        async with ClientSession() as session, session.get(f"{url}/api/v1/venues") as response:
            assert response.status == 421
        async with ClientSession() as session, session.get(f"{url}/health") as response:
            assert response.status == 200
        async with ClientSession() as session, session.get(f"{url}/api/v1/venues", headers=public) as response:
            assert response.status == 200
            assert "max-age" in response.headers["Strict-Transport-Security"]
            request_id = response.headers["X-Request-Id"]
        # What is no HTTP is answered and leaves no traceback.
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()
        process.terminate()
        _, logged = await process.communicate()
    lines = [json.loads(line) for line in logged.decode().splitlines()]
    assert [line["path"] for line in lines if line.get("request_id") == request_id] == ["/api/v1/venues"]
    assert "Traceback" not in logged.decode()


async def test_production_refuses_a_database_with_sample_accounts(
    settings: Settings, hub: ListeningHub, tmp_path: Path
) -> None:
    env = environment(settings, tmp_path, HUB_ENV="development", HUB_PORT=str(free_port()))
    async with hub_process("seed", env, tmp_path) as process:
        assert await asyncio.wait_for(process.wait(), 60) == 0
    production = env | {"HUB_ENV": "production", "HUB_PUBLIC_URL": "https://hub.example.org"}
    async with hub_process("serve", production, tmp_path) as process:
        _, said = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 1
        assert "sample accounts" in said.decode()
        assert "Traceback" not in said.decode()


@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_a_database_that_may_lose_what_it_acknowledged_is_refused(
    command: str, settings: Settings, tmp_path: Path
) -> None:
    env = environment(settings, tmp_path, HUB_ENV="production", HUB_PORT=str(free_port()))
    async with hub_process(command, env, tmp_path) as process:
        _, said = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 1
        assert "has fsync and full_page_writes off" in said.decode()
        assert "Traceback" not in said.decode()


async def test_a_commit_that_does_not_wait_for_the_disk_is_noticed_too(hub: ListeningHub) -> None:
    async with hub.reading() as db, db.transaction():
        before = await durability.switched_off(db)
        await db.execute("SET LOCAL synchronous_commit = off")
        assert await durability.switched_off(db) == [*before, "synchronous_commit"]


async def test_a_worker_needs_no_web_server_and_ends_when_told(settings: Settings, tmp_path: Path) -> None:
    async with hub_process("worker", environment(settings, tmp_path), tmp_path) as process:
        assert "The worker runs" in await line_of(process)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 5) == 0
