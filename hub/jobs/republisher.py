"""Publishes again what a worker could not: it crashed after its commit, or Redis did not take the events."""

from __future__ import annotations

import asyncio
from itertools import chain

from hub.core import Hub
from hub.live.frames import frame
from hub.live.publisher import Publisher
from storage import event_log, replay
from storage.transaction import transaction

# Seconds between two looks, and for which a worker is given the time to publish by itself.
PAUSE = 1.0
PATIENCE = 1.0
AT_ONCE = 200


async def run(hub: Hub, publisher: Publisher) -> None:
    """Publish again until cancelled; any number of workers may, each takes other rows."""
    while True:
        if await republish(hub, publisher) < AT_ONCE:
            await asyncio.sleep(PAUSE)


async def republish(hub: Hub, publisher: Publisher) -> int:
    """Publish one batch of what was left in the outbox; answers how many transactions it took."""
    async with transaction(hub.pool) as db:
        unsent = await replay.lock_unsent(db, PATIENCE, AT_ONCE)
        if not unsent:
            return 0
        told = await replay.told_in(
            db,
            list(chain.from_iterable(one.rooms for one in unsent)),
            list(chain.from_iterable(one.firsts for one in unsent)),
            list(chain.from_iterable(one.lasts for one in unsent)),
        )
        if not await publisher.send([frame(publisher.epoch, event) for event in told]):
            return 0
        return await event_log.forget_sent(db, [one.outbox_id for one in unsent])
