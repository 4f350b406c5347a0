"""The reconciler lives through outages: what it has begun to ask about is not given up."""

import asyncio
from typing import Any

import pytest

from hub.errors import Unavailable
from hub.jobs import reconciler
from storage import payments
from storage.payments import Due
from tests.doors import ListeningHub


async def test_an_outage_of_the_database_ends_nothing_that_is_under_way(
    hub: ListeningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, away, settled = asyncio.Event(), asyncio.Event(), asyncio.Event()
    looks = 0

    async def take_due(*_: Any) -> list[Due]:
        nonlocal looks
        looks += 1
        if looks == 1:
            return [Due(id=1, gateway="sandbox")]
        away.set()
        raise Unavailable()

    async def settle(*_: Any) -> None:
        await answered.wait()
        settled.set()

    monkeypatch.setattr(payments, "take_due", take_due)
    monkeypatch.setattr(reconciler, "_settle", settle)
    running = asyncio.create_task(reconciler.run(hub))
    async with asyncio.timeout(30):
        await away.wait()
        answered.set()
        await settled.wait()
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
