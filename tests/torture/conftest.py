"""A proxy before the tests' PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import pytest

from hub.torture.proxy import FaultProxy, Streams


@pytest.fixture
async def database_proxy(database_url: str) -> AsyncIterator[FaultProxy]:
    """Stand between a test and its database."""
    parts = urlsplit(database_url)
    folder = unquote(parse_qs(parts.query).get("host", [""])[0])

    async def reach() -> Streams:
        if folder:
            return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{parse_qs(parts.query)['port'][0]}")
        return await asyncio.open_connection(parts.hostname, parts.port or 5432)

    async with FaultProxy(reach) as proxy:
        yield proxy


@pytest.fixture
def proxied_url(database_url: str, database_proxy: FaultProxy) -> str:
    """Name the test's database by way of the proxy."""
    parts = urlsplit(database_url)
    who = parts.netloc.rpartition("@")[0] or "postgres"
    return urlunsplit(parts._replace(netloc=f"{who}@127.0.0.1:{database_proxy.port}", query="sslmode=disable"))
