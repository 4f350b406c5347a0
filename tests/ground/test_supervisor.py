"""Several workers on one port: one that dies is started again, all are replaced without a refusal, and none is left."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import socketio
from aiohttp import ClientError, ClientSession, ClientTimeout

from hub.settings import Settings

ROOT = Path(__file__).parents[2]


@dataclass
class Supervised:
    """A supervisor with its workers."""

    url: str
    process: asyncio.subprocess.Process

    def workers(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children()
            return [child for child in children if "--on" in child.cmdline()]
        return []

    async def until(self, pids: set[int], count: int, seconds: float = 40) -> list[psutil.Process]:
        """Wait until so many workers run, none of which is one of these."""
        async with asyncio.timeout(seconds):
            while True:
                workers = self.workers()
                if len(workers) == count and not pids & {worker.pid for worker in workers}:
                    return workers
                await asyncio.sleep(0.1)

    async def figure(self, name: str) -> float:
        """Ask whichever worker comes for a figure of all of them."""
        async with (
            ClientSession() as session,
            session.get(f"{self.url}/metrics", timeout=ClientTimeout(10)) as response,
        ):
            lines = (await response.text()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line))

    async def until_figure(self, name: str, wanted: float, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while await self.figure(name) != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


@asynccontextmanager
async def supervised(settings: Settings, workers: int = 2) -> AsyncIterator[Supervised]:
    assert settings.database_url
    assert settings.redis_url
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "HUB_ENV": "test",
        "HUB_DATA": str(settings.data),
        "HUB_PORT": str(port),
        "HUB_RATE_LIMITS": "off",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "serve", "--workers", str(workers)),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(90):
            greeting = await process.stdout.readline()
        assert greeting.startswith(b"The booking hub runs")
        yield Supervised(f"http://localhost:{port}", process)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def answers(session: ClientSession, url: str) -> bool:
    async with session.get(f"{url}/health", timeout=ClientTimeout(10)) as response:
        return response.status == 200


async def test_a_worker_that_dies_is_started_again_and_all_end_together(settings: Settings) -> None:
    async with supervised(settings) as hub, ClientSession() as session:
        first = await hub.until(set(), 2)
        assert await answers(session, hub.url)
        before = await hub.figure("hub_http_requests_total")
        first[0].kill()
        second = await hub.until({first[0].pid}, 2)
        # What the dead one counted is not forgotten.
        assert await hub.figure("hub_http_requests_total") >= before
        assert first[1].pid in {worker.pid for worker in second}
        assert await answers(session, hub.url)
        told: list[float] = []
        clients = [socketio.AsyncClient(reconnection=False) for _ in range(20)]
        for client in clients:
            client.on("going_away", lambda going: told.append(going["seconds"]))
            await client.connect(hub.url, transports=["websocket"])
        await hub.until_figure("hub_sockets", len(clients))
        hub.process.send_signal(signal.SIGTERM)
        # It takes 10 at most by itself; a busy machine may add to that.
        async with asyncio.timeout(20):
            assert await hub.process.wait() == 0
        for client in clients:
            await client.shutdown()
        assert len(told) == len(clients)
        assert [worker for worker in second if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE] == []


async def test_all_are_replaced_and_nobody_is_refused_meanwhile(settings: Settings) -> None:
    async with supervised(settings) as hub:
        first = {worker.pid for worker in await hub.until(set(), 2)}
        failures: list[str] = []
        asked = 0
        is_over = False

        async def keep_asking() -> None:
            nonlocal asked
            while not is_over:
                # A connection of its own each time: whoever comes new must be let in by somebody.
                async with ClientSession() as session:
                    try:
                        if not await answers(session, hub.url):
                            failures.append("refused")
                    except (ClientError, TimeoutError) as error:
                        failures.append(repr(error))
                asked += 1
                await asyncio.sleep(0.02)

        asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
        hub.process.send_signal(signal.SIGHUP)
        await hub.until(first, 2)
        is_over = True
        await asyncio.gather(*asking)
        assert failures == []
        assert asked > 20


async def test_workers_end_when_their_supervisor_is_killed(settings: Settings) -> None:
    async with supervised(settings) as hub:
        workers = await hub.until(set(), 2)
        hub.process.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, workers, 15)
        assert alive == []


async def test_a_taken_port_is_told_before_anything_is_started(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub", "serve", "--workers", "2", "--port", str(taken.getsockname()[1])),
            cwd=ROOT,
            env=os.environ | {"HUB_ENV": "test", "HUB_DATA": str(settings.data), "HUB_HOST": "127.0.0.1"},
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
    assert process.returncode == 1
    assert b"is taken" in said


@pytest.mark.parametrize("given", ["0", "65", "many"])
async def test_a_strange_number_of_workers_is_refused(given: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "serve", "--workers", given), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"a number of processes from 1 to 64" in said
