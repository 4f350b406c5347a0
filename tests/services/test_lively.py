"""Sample customers on the boards: they hold, book and cancel, never break a rule of the hub, and go home when told."""

from __future__ import annotations

import asyncio
import time

import pytest

from hub.jobs import lively
from hub.services import samples
from tests.doors import ListeningHub

BUSY = {"seconds_between": (0.0, 0.01), "seconds_to_think": (0.0, 0.05)}
DEEDS = {"holds", "has", "gave", "walked", "cancelled"}


async def test_customers_hold_book_and_cancel_until_they_are_sent_home(hub: ListeningHub) -> None:
    await samples.load(hub)
    hub.told.clear()
    deeds: list[str] = []
    enough = asyncio.Event()

    def tell(line: str) -> None:
        deeds.append(line.split()[1])
        if len(deeds) >= 200 and set(deeds) >= DEEDS:
            enough.set()

    living = asyncio.create_task(lively.run(hub, None, tell, seed=7, **BUSY))
    async with asyncio.timeout(90):
        await enough.wait()
    living.cancel()
    with pytest.raises(asyncio.CancelledError):
        await living
    # What had left in a batch by then is still placed.
    await asyncio.sleep(1)
    quiet = len(hub.told)
    assert {"booking.held", "booking.confirmed", "booking.cancelled"} <= set(hub.names())
    async with hub.pool.acquire() as db:
        wrong = await db.fetchval(
            """
            SELECT (SELECT count(*) FROM session_places WHERE taken NOT BETWEEN 0 AND total)
                 + (SELECT count(*) FROM pool_nights WHERE taken NOT BETWEEN 0 AND total)
                 + (SELECT count(*) FROM claims AS a JOIN claims AS b
                    ON b.room_id = a.room_id AND b.busy && a.busy AND b.id > a.id)
            """
        )
    assert wrong == 0
    await asyncio.sleep(0.5)
    assert len(hub.told) == quiet


async def test_they_go_home_after_the_minutes_given(hub: ListeningHub) -> None:
    await samples.load(hub)
    said: list[str] = []
    begun = time.monotonic()
    await lively.run(hub, 0.02, said.append, seed=1, **BUSY)
    assert 1.2 <= time.monotonic() - begun < 20
    assert said[-1] == "The sample customers have gone home."
