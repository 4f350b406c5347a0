"""Ends holds that ran out and tells it within a second; nothing but the telling depends on it."""

from __future__ import annotations

import asyncio

from hub.core import Hub
from storage import expiry

# Seconds between two sweeps at most, and at least, when the next hold runs out sooner.
LONGEST_PAUSE = 0.5
SHORTEST_PAUSE = 0.02
AT_ONCE = 500


async def run(hub: Hub) -> None:
    """Sweep until cancelled; any number of workers may, and each hold is ended once."""
    while True:
        pause = await sweep(hub)
        await asyncio.sleep(pause)


async def sweep(hub: Hub) -> float:
    """End all that ran out by now; answers how long to sleep."""
    while True:
        async with hub.reading() as db:
            told = await expiry.expire(db, AT_ONCE)
            hub.publish(told)
            if told:
                continue
            next_one = await expiry.seconds_to_next(db)
        return LONGEST_PAUSE if next_one is None else min(max(next_one, SHORTEST_PAUSE), LONGEST_PAUSE)
