"""The servers of a run: a PostgreSQL and a Valkey of its own, which may be killed, and workers, which may be too."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from hub.errors import HubError
from hub.torture.proxy import FaultProxy, Streams
from storage.embedded_server import Identity, Postgres, Valkey

_SECONDS_TO_START = 90.0
SECONDS_TO_STOP = 10.0
# After so long a balancer sends nobody to a worker that does not answer.
_SECONDS_TO_MISS = 5.0


class NoWorker(HubError):
    """A worker did not start; its log says why."""

    code, status = "no_worker", 500


class ChangedPostgres(Postgres):
    """The embedded PostgreSQL, with some settings changed: how a control takes its durability away."""

    changes: dict[str, str]

    def prepare(self) -> tuple[list[str], Identity]:
        """Say the changes last, so that they count."""
        command, identity = super().prepare()
        return [
            *command,
            *(word for name, value in self.changes.items() for word in ("-c", f"{name}={value}")),
        ], identity


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass
class Worker:
    """One process of the hub on a port of its own, which it keeps when it is started again."""

    environment: dict[str, str]
    log: Path
    # A guard that is taken away, a clock that goes wrong: how this worker differs from a real one.
    changes: tuple[str, ...] = ()
    # Further words of the command, such as how many processes serve.
    words: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None
    frozen_at: float | None = None
    # As a balancer before it would know: nobody is sent to one that is only starting.
    is_up: bool = False

    async def start(self) -> None:
        """Start, and return once it serves."""
        module = ["hub.torture.careless", *self.changes, "--"] if self.changes else ["hub"]
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *module, "serve", "--port", str(self.port), *self.words),
                env=os.environ | self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(_SECONDS_TO_START):
                said = await self.process.stdout.readline()
        except BaseException:
            self.process.kill()
            raise
        if not said:
            raise NoWorker(f"A worker did not start: {self.log.read_text(errors='replace')[-2000:]}")
        self.is_up = True

    @property
    def kernel(self) -> psutil.Process:
        """Answer the process as the system sees it."""
        assert self.process is not None
        return psutil.Process(self.process.pid)

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def kill(self) -> None:
        """End it without a warning."""
        self.is_up = False
        self.signal(signal.SIGKILL)
        await self._ended()

    async def stop(self, patience: float = SECONDS_TO_STOP) -> float:
        """Ask it to finish and end it if it does not; answers how many seconds it took."""
        began = time.monotonic()
        self.is_up = False
        if self.frozen_at is not None:
            self.thaw()
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(patience):
                await self._ended()
        except TimeoutError:
            await self.kill()
        return time.monotonic() - began

    def freeze(self) -> None:
        """Stop the process where it stands, as an overloaded machine does."""
        self.signal(signal.SIGSTOP)
        self.frozen_at = time.monotonic()

    def thaw(self) -> None:
        """Let the process go on."""
        self.signal(signal.SIGCONT)
        self.frozen_at = None

    async def _ended(self) -> None:
        if self.process is not None:
            await self.process.wait()
            self.process = None


def _variable(setting: str) -> str:
    return setting.upper() if setting == "smtp_url" else f"HUB_{setting.upper()}"


@dataclass
class Servers:
    """PostgreSQL, Valkey, and a proxy before each; workers are started for each promise."""

    folder: Path
    postgres: Postgres
    valkey: Valkey
    database_proxy: FaultProxy
    redis_proxy: FaultProxy
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def database_url(self, name: str, *, by_proxy: bool = False) -> str:
        """Tell where a database is reached, past the proxy or through it."""
        if by_proxy:
            return f"postgresql://postgres@127.0.0.1:{self.database_proxy.port}/{name}?sslmode=disable"
        return self.postgres.url_of(name)

    def redis_url(self, *, by_proxy: bool = False) -> str:
        """Tell where Redis is reached, past the proxy or through it."""
        return f"redis://127.0.0.1:{self.redis_proxy.port}" if by_proxy else self.valkey.url

    async def kill_postgres(self) -> int:
        """End PostgreSQL with all its processes as a crash of the machine would; answers how many there were."""
        assert self.postgres.process is not None
        head = psutil.Process(self.postgres.process.pid)
        processes = [head, *head.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await self.postgres.kill()
        return len(processes)

    def freeze_postgres(self, *, frozen: bool) -> None:
        """Stop all of PostgreSQL's processes where they stand, or let them go on."""
        assert self.postgres.process is not None
        head = psutil.Process(self.postgres.process.pid)
        for process in (head, *head.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def freeze_redis(self, *, frozen: bool) -> None:
        """Stop Valkey where it stands, or let it go on."""
        assert self.valkey.process is not None
        self.valkey.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    async def kill_listeners(self) -> int:
        """Have Valkey drop every connection that listens; answers how many there were."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.valkey.socket)
            writer.write(b"CLIENT KILL TYPE pubsub\r\n")
            async with asyncio.timeout(1):
                said = await reader.readline()
            writer.close()
        except (OSError, TimeoutError):
            return 0
        return int(said[1:]) if said.startswith(b":") else 0

    def worker(
        self, number: int, database: str, changes: tuple[str, ...], through: frozenset[str], **settings: Any
    ) -> Worker:
        """Make a worker ready to be started; `through` names the servers that it reaches through the proxies."""
        environment = {
            "DATABASE_URL": self.database_url(database, by_proxy="database" in through),
            "REDIS_URL": self.redis_url(by_proxy="redis" in through),
            "HUB_DATA": str(self.folder / "data"),
            "HUB_SECRET": self.secret,
            "HUB_ENV": "test",
            "HUB_SAMPLE_DATA": "off",
            "HUB_RATE_LIMITS": "off",
            "HUB_PASSWORD_MEMORY_KB": "64",
            "HUB_ACCESS_MINUTES": "1440",
            "HUB_HOLDS_PER_PERSON": "1000",
            "HUB_HOLDS_PER_VENUE": "1000",
            **{_variable(name): str(value) for name, value in settings.items()},
        }
        return Worker(environment, self.folder / f"worker-{number}.log", changes)


@asynccontextmanager
async def run_servers(folder: Path, changes: dict[str, str] | None = None) -> AsyncIterator[Servers]:
    """Run PostgreSQL and Valkey, as durable as in production, on a folder that is thrown away."""
    sockets = folder / "sockets"
    sockets.mkdir(mode=0o700)
    (folder / "data").mkdir()
    postgres, valkey = ChangedPostgres(folder / "postgres", sockets), Valkey(folder / "valkey", sockets)
    postgres.changes = changes or {}

    async def database() -> Streams:
        return await asyncio.open_unix_connection(sockets / ".s.PGSQL.5432")

    async def redis() -> Streams:
        return await asyncio.open_unix_connection(valkey.socket)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(valkey.stop)
        await valkey.start()
        stack.push_async_callback(postgres.stop)
        await postgres.start()
        database_proxy = await stack.enter_async_context(FaultProxy(database))
        redis_proxy = await stack.enter_async_context(FaultProxy(redis))
        yield Servers(folder, postgres, valkey, database_proxy, redis_proxy)


def ports_of(workers: Sequence[Worker]) -> list[int]:
    """List the ports to which a balancer sends; all of them when none serves, for somebody will come back."""
    missed_since = time.monotonic() - _SECONDS_TO_MISS
    serving = [one for one in workers if one.is_up and (one.frozen_at is None or one.frozen_at > missed_since)]
    return [worker.port for worker in serving or workers]
