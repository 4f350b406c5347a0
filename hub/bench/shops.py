"""The shops that are measured, two processes each: the hub with everything on, and Fastify with pg and Socket.IO."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import parse_qs, unquote, urlsplit

import psutil

from hub import tokens
from hub.app import servers
from hub.bench.askers import ask
from hub.bench.servers import NoPeer, installed_node_peers, started
from hub.settings import Settings
from storage import bench as ground
from storage.pool import Pool, open_pool

WORKERS = 2
_SECONDS_TO_SERVE = 60.0
_CONNECTIONS = 4


@dataclass
class Shop:
    """A running shop: its port, its first process, and its database."""

    port: int
    process: psutil.Process
    url: str
    pool: Pool | None = field(default=None, repr=False)

    def cpu(self) -> float:
        """Answer the seconds of processor time that its processes have used."""
        return sum(map(_cpu, (self.process, *self.process.children(recursive=True))))

    async def database_cpu(self) -> dict[int, float]:
        """Answer the seconds that PostgreSQL has used for each connection; none if it is on another machine."""
        used = {}
        for pid in await ground.backends(self.url):
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if process.name().startswith("postgres"):
                    used[pid] = _cpu(process)
        return used


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


@dataclass(frozen=True)
class Person:
    """Somebody who books: their id, and the head of their requests but for its last lines."""

    user_id: int
    head: bytes


@asynccontextmanager
async def the_hub(
    settings: Settings, scarce_sessions: int, customers: int = 12_000
) -> AsyncIterator[tuple[Shop, list[Person]]]:
    """Run two workers on a database of their own; answers them and the people who are logged in there."""
    async with servers(settings) as reached:
        assert reached.database_url
        assert reached.redis_url
        async with ground.scratch_database(reached.database_url) as url:
            pool = await open_pool(url, _CONNECTIONS)
            try:
                await ground.fill(pool, customers)
                await ground.open_scarce_sessions(pool, scarce_sessions)
                people = await _logged_in(settings, pool, customers)
                environment = {
                    "DATABASE_URL": url,
                    "REDIS_URL": reached.redis_url,
                    # As for strangers: every request is counted, by person and by address, and written to the log.
                    "HUB_ENV": "test" if settings.env == "test" else "production",
                    "HUB_RATE_LIMITS": "on",
                    "HUB_SAMPLE_DATA": "off",
                    "HUB_TRUSTED_PROXIES": "1",
                    "HUB_DATA": str(settings.data),
                    "HUB_SECRET": settings.secret,
                }
                command = [sys.executable, "-m", "hub", "serve", f"--workers={WORKERS}"]
                with tempfile.TemporaryFile() as log:
                    async with started(command, environment, as_setting=True, log=log) as (port, process):
                        await _serving(port, process, log)
                        yield Shop(port, process, url, pool), people
            finally:
                await pool.close()


@asynccontextmanager
async def node_shop(settings: Settings, scarce_sessions: int) -> AsyncIterator[Shop]:
    """Run the peer on a database of its own on the same server."""
    folder = await installed_node_peers(settings.data)
    async with (
        servers(settings) as reached,
        ground.scratch_database(reached.database_url or "", is_migrated=False) as url,
    ):
        environment = _pg(url) | {
            "SECRET": tokens.signing_key(settings, tokens.KIND).hex(),
            "VENUES": str(ground.VENUES),
            "ROOMS_EACH": str(ground.ROOMS_EACH),
            "SESSIONS": str([1_000_000, *(ground.SCARCE_PLACES for _ in range(scarce_sessions))]),
        }
        async with started(["node", str(folder / "shop.mjs")], environment) as (port, process):
            await _serving(port, process)
            yield Shop(port, process, url)


async def _logged_in(settings: Settings, pool: Pool, customers: int) -> list[Person]:
    """Log people in, without the pages and passwords."""
    people = []
    now, logins = await ground.log_in(pool, customers)
    for user_id, login_id, version in logins:
        token, _ = tokens.issue_access(
            settings, now, user_id=user_id, login_id=login_id, version=version, roles=["customer"]
        )
        address = f"10.{user_id >> 16 & 255}.{user_id >> 8 & 255}.{user_id & 255}"
        head = f"Authorization: Bearer {token}\r\nX-Forwarded-For: {address}\r\nUser-Agent: bench\r\n"
        people.append(Person(user_id, head.encode()))
    return people


def _pg(url: str) -> dict[str, str]:
    """Name a database as libpq and pg do, in the environment."""
    parts = urlsplit(url)
    said = {name: values[0] for name, values in parse_qs(parts.query).items()}
    named = {
        "PGHOST": parts.hostname or said.get("host", "localhost"),
        "PGPORT": str(parts.port or said.get("port", 5432)),
        "PGUSER": unquote(parts.username or "") or said.get("user", "postgres"),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
    }
    return {name: value for name, value in named.items() if value}


async def _serving(port: int, process: psutil.Process, log: IO[bytes] | None = None) -> None:
    """Wait until every process answers: the kernel deals connections out to those who listen."""
    deadline = time.monotonic() + _SECONDS_TO_SERVE
    asked = b"GET /health HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port
    while time.monotonic() < deadline and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        with suppress(OSError):
            async with asyncio.timeout(5):
                if (await ask(port, 8, iter([asked] * 8))).statuses[200] == 8:
                    return
        await asyncio.sleep(0.2)
    if log is not None:
        log.seek(0)
        print(log.read().decode(), file=sys.stderr)
    raise NoPeer()
