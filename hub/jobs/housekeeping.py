"""Forgets what nobody can ask for any more, and keeps the hub's clock on the database's."""

from __future__ import annotations

import asyncio

from hub.core import Hub
from storage import logins, repeats, replay

CLOCK_SECONDS = 30.0
FORGET_SECONDS = 60.0
AT_ONCE = 10_000
# Ended logins stay that long, for whoever has to find out how an account was misused.
LOGINS_KEPT_DAYS = 30


async def keep_time(hub: Hub) -> None:
    """Synchronise the clock until cancelled; every worker does."""
    while True:
        async with hub.reading() as db:
            await hub.clock.synchronise(db)
        await asyncio.sleep(CLOCK_SECONDS)


async def run(hub: Hub) -> None:
    """Forget until cancelled; any number of workers may."""
    while True:
        await forget(hub)
        await asyncio.sleep(FORGET_SECONDS)


async def forget(hub: Hub) -> int:
    """Forget old events, the answers to old keys, and logins that ended long ago; answers how many events went."""
    gone = 0
    async with hub.reading() as db:
        await repeats.forget_old(db)
        await logins.forget_ended(db, LOGINS_KEPT_DAYS, AT_ONCE)
        for span in await replay.outdated(db, hub.settings.event_retention_hours):
            while forgotten := await replay.forget(db, span.room, span.last, AT_ONCE):
                gone += forgotten
    return gone
