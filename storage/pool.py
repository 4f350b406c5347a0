"""The connection pool: its codecs, time-outs and session settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import orjson

from hub.errors import Unavailable

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

# Seconds a request waits for a connection before it is told to come back: an honest 503 beats a hang.
ACQUIRE_SECONDS = 2.0
# Reads and writes what it must, and can alter neither the schema nor the audit; migrations make it (0015_audit.sql).
APPLICATION = "hub_app"
# Longer than any statement may take: whoever says nothing for so long is out of reach, and does not say that either.
COMMAND_SECONDS = 6.0
TIMEOUTS = {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s"}


async def prepare(connection: Connection) -> None:
    """Teach a connection the hub's JSON: jsonb comes as Python objects, json stays the text it is."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda thing: orjson.dumps(thing).decode(), decoder=orjson.loads
    )


async def _nothing_to_reset(connection: Any) -> None:
    # Nothing here changes session state, and the usual RESET ALL costs a round trip per request (0.66 -> 0.78x).
    return None


async def open_pool(url: str, size: int) -> Pool:
    """Open `size` connections at most, with the application's few rights and time-outs that keep an outage short."""
    pool: Pool = await asyncpg.create_pool(
        url,
        min_size=min(2, size),
        max_size=size,
        init=prepare,
        reset=_nothing_to_reset,
        command_timeout=COMMAND_SECONDS,
        server_settings={"role": APPLICATION, "application_name": "hub", "timezone": "UTC", "jit": "off", **TIMEOUTS},
    )
    return pool


@asynccontextmanager
async def as_owner(pool: Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]:
    """Lend a connection with the rights of whoever migrates, for the bench and the tests; the application has fewer."""
    async with pool.acquire() as db:
        await db.execute("SET ROLE NONE")
        try:
            yield db
        finally:
            await db.execute("RESET ROLE")


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]:
    """Lend a connection, or refuse with `unavailable` when none comes free in time."""
    try:
        db = await pool.acquire(timeout=ACQUIRE_SECONDS)
    except (TimeoutError, OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
        raise Unavailable() from error
    try:
        yield db
    except (TimeoutError, asyncpg.InternalClientError):
        # Nobody knows what is still under way on it, and asking to cancel that would take as long again; or the server
        # has said good-bye in between, and the driver heard it when something else was expected.
        db.terminate()
        raise
    finally:
        await pool.release(db)
