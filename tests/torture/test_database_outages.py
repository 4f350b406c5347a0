"""What a request hears while the way to the database is cut or hangs, and that the next one finds it whole again."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from hub.errors import Unavailable
from hub.torture.proxy import FaultProxy
from storage import pool as pooling
from storage.pool import Pool, open_pool
from storage.transaction import reading, transaction

GOOD_BYE = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"


@pytest.fixture
async def pool(proxied_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    monkeypatch.setattr(pooling, "COMMAND_SECONDS", 1.0)
    monkeypatch.setattr(pooling, "ACQUIRE_SECONDS", 1.0)
    pool = await open_pool(proxied_url, 2)
    yield pool
    pool.terminate()


async def works(pool: Pool) -> bool:
    async with reading(pool) as db:
        return bool(await db.fetchval("SELECT true"))


@pytest.mark.parametrize("way", ["held up", "one way only"])
async def test_a_way_that_hangs_is_given_up_and_nothing_of_it_is_used_again(
    pool: Pool, database_proxy: FaultProxy, way: str
) -> None:
    assert await works(pool)
    if way == "held up":
        database_proxy.hold()
    else:
        database_proxy.swallows_replies = True
    for block in (reading, transaction):
        began = time.monotonic()
        with pytest.raises(Unavailable):
            async with block(pool) as db:
                await db.fetchval("SELECT true")
        # One command's patience, and no second one for taking back what nobody hears.
        assert time.monotonic() - began < 1.9
    database_proxy.mend()
    assert await works(pool)
    assert pool.get_size() <= 2


async def test_a_way_that_is_cut_or_refused_is_told_and_mended(pool: Pool, database_proxy: FaultProxy) -> None:
    assert await works(pool)
    database_proxy.refuses = True
    assert database_proxy.cut() > 0
    for _ in range(3):
        with pytest.raises(Unavailable):
            await works(pool)
    database_proxy.mend()
    assert await works(pool)


async def test_a_good_bye_that_came_in_between_is_no_fault(pool: Pool, database_proxy: FaultProxy) -> None:
    assert await works(pool)
    database_proxy.say(b"E" + (len(GOOD_BYE) + 4).to_bytes(4, "big") + GOOD_BYE)
    await asyncio.sleep(0.1)
    # The end of the connection follows later than the next request.
    database_proxy.hold()
    with pytest.raises(Unavailable):
        await works(pool)
    database_proxy.mend()
    database_proxy.cut()
    assert await again(pool)


async def again(pool: Pool) -> bool:
    """Work again, once whatever the pool had is known to be gone."""
    for _ in range(3):
        try:
            return await works(pool)
        except Unavailable:
            continue
    return False
