"""Real servers for the tests: one PostgreSQL and one Valkey for all, a database of its own for each test."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from playwright.async_api import Browser, async_playwright, expect
from redis.asyncio import Redis

from hub.settings import Settings
from storage import embedded_server, pool
from storage.embedded import Urls, embedded_servers
from storage.migrate import migrate
from tests.browser_binary import ARGUMENTS, browser_binary

# Tests empty this one before they start, so it is not the one that a hub uses by default.
# Those who run tests side by side on one server each have their own.
REDIS_DATABASE = 9 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# What the tests write need not outlive a power cut; those who test that start servers of their own.
QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    # Nobody follows this server, so it need not write down what only followers read.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # No database lives long enough to be tidied.
    "autovacuum": "off",
}
# Every test has a database of its own, 10 MB each: in memory, where there is plenty, it is made in a fifth of the time.
MEMORY = Path("/dev/shm")  # noqa: S108
PLENTY = 4 * 1024**3
# Seconds that a browser is waited for: a machine may be busy, and a test that passes waits no longer than it must.
PATIENCE = 30


def url_of(server: str, database: str) -> str:
    """Point the address of a PostgreSQL server at another of its databases."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{database}"))


def _roomy_memory() -> Path | None:
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > PLENTY else None


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Urls]:
    """Lend the servers named by TEST_DATABASE_URL and TEST_REDIS_URL, or embedded ones on a temporary folder."""
    database, redis = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    async with AsyncExitStack() as stack:
        if not (database and redis):
            # Not pytest's own folder: each run of pytest closes that to everybody but root, also to this PostgreSQL.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-tests-", dir=_roomy_memory()))
            with pytest.MonkeyPatch.context() as quick:
                for name, value in QUICK.items():
                    quick.setitem(embedded_server.POSTGRES_SETTINGS, name, value)
                embedded = await stack.enter_async_context(embedded_servers(Path(folder)))
            database, redis = database or embedded.database, redis or embedded.redis
        yield Urls(database, redis)


@pytest.fixture(scope="session")
async def template(servers: Urls) -> AsyncIterator[str]:
    """Name a migrated database that nobody changes, of which each test gets a copy."""
    name = f"hub_template_{secrets.token_hex(4)}"
    server = await asyncpg.connect(servers.database)
    try:
        await server.execute(f'CREATE DATABASE "{name}"')
        connection = await asyncpg.connect(url_of(servers.database, name))
        try:
            await migrate(connection)
        finally:
            # A database can be copied only while nobody is connected to it.
            await connection.close()
        yield name
        await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await server.close()


class Copies:
    """Databases made from the template: the next is made, and the last removed, while a test runs."""

    def __init__(self, server: pool.Connection, template: str) -> None:
        self._server, self._template = server, template
        # A connection does one thing at a time.
        self._one_at_a_time = asyncio.Lock()
        self._next = asyncio.create_task(self._make())
        self._removing: set[asyncio.Task[None]] = set()

    async def take(self) -> str:
        """Answer the name of a migrated, empty database that nobody else has."""
        name = await self._next
        self._next = asyncio.create_task(self._make())
        return name

    def give_back(self, name: str) -> None:
        """Remove a database soon, whoever is still connected to it."""
        removing = asyncio.create_task(self._remove(name))
        self._removing.add(removing)

    async def close(self) -> None:
        """Remove what is left; raises what went wrong on the way."""
        self.give_back(await self._next)
        await asyncio.gather(*self._removing)

    async def _make(self) -> str:
        name = f"hub_test_{secrets.token_hex(4)}"
        async with self._one_at_a_time:
            await self._server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}" STRATEGY FILE_COPY')
        return name

    async def _remove(self, name: str) -> None:
        async with self._one_at_a_time:
            await self._server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
async def copies(servers: Urls, template: str) -> AsyncIterator[Copies]:
    """Keep a copy of the template ready for whichever test comes next."""
    server = await asyncpg.connect(servers.database)
    try:
        copies = Copies(server, template)
        yield copies
        await copies.close()
    finally:
        await server.close()


@pytest.fixture
async def database_url(servers: Urls, copies: Copies) -> AsyncIterator[str]:
    """Give a test a migrated, empty database of its own."""
    name = await copies.take()
    yield url_of(servers.database, name)
    copies.give_back(name)


@pytest.fixture(scope="session")
async def numbered(servers: Urls) -> AsyncIterator[tuple[str, Redis]]:
    """Name the numbered database of this worker, and stay connected to it."""
    url = f"{servers.redis}{'&' if '?' in servers.redis else '?'}db={REDIS_DATABASE}"
    async with Redis.from_url(url) as redis:
        yield url, redis


@pytest.fixture
async def redis_url(numbered: tuple[str, Redis]) -> str:
    """Give a test an empty numbered database; channels are shared, but each database has its own."""
    url, redis = numbered
    await redis.flushdb()
    return url


@pytest.fixture(scope="session")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name a folder in which the fonts of papers are made ready once for all tests."""
    return tmp_path_factory.mktemp("fonts")


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path, fonts: Path) -> Settings:
    """Give a test the settings of a hub on its own data, quick at passwords and without rate limits."""
    (tmp_path / "fonts").symlink_to(fonts)
    return Settings(
        data=tmp_path,
        secret="only-for-tests-" + "x" * 32,
        env="test",
        database_url=database_url,
        redis_url=redis_url,
        rate_limits=False,
        password_memory_kb=64,
    )


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send nobody away for having waited long: the machine may be busy, and a test judge something else."""
    monkeypatch.setattr(pool, "ACQUIRE_SECONDS", 20.0)
    monkeypatch.setitem(pool.TIMEOUTS, "statement_timeout", "20s")
    monkeypatch.setitem(pool.TIMEOUTS, "lock_timeout", "20s")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Open the browser that all tests share; each opens a context of its own in it."""
    expect.set_options(timeout=PATIENCE * 1000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_binary(), args=list(ARGUMENTS))
        yield browser
        await browser.close()


async def waiting_for_locks(of: pool.Pool) -> int:
    """Count those who wait for a lock in this pool's database, which the application's role may not see."""
    async with of.acquire() as db, db.transaction():
        await db.execute("SET LOCAL ROLE NONE")
        count: int = await db.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return count
