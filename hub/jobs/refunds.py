"""Sends refunds to their providers, and asks about those that are under way."""

from __future__ import annotations

import asyncio
import logging

from hub.core import Hub
from hub.services import refunds as services
from hub.services import sending_back
from storage import refunds
from storage.jobs import Job

log = logging.getLogger("hub.jobs")

# Seconds between two looks when nothing is due, and until whoever took a refund is taken for dead.
PAUSE = 0.5
LEASE = 60.0
AT_ONCE = 20


async def run(hub: Hub) -> None:
    """Send until cancelled; any number of workers may, each takes others."""
    while True:
        if not await send(hub):
            await asyncio.sleep(PAUSE)


async def work_off(hub: Hub) -> int:
    """Send all that is due by now; answers how many refunds that were, whatever became of them."""
    sent = 0
    while taken := await send(hub):
        sent += taken
    return sent


async def send(hub: Hub) -> int:
    """Take some that are due and send them side by side; one that cannot be sent holds up no other."""
    async with hub.reading() as db:
        due = await refunds.take_due(db, AT_ONCE, LEASE)
    await asyncio.gather(*(_send(hub, refund_id) for refund_id in due))
    return len(due)


async def give_back_expired(hub: Hub, job: Job) -> None:
    """Give back what was paid for a booking that ran out."""
    await services.give_back_expired(hub, job.data["booking_id"])


async def _send(hub: Hub, refund_id: int) -> None:
    try:
        # Done before the lease is over, or not at all: then somebody else takes it.
        async with asyncio.timeout(LEASE * 0.75):
            await sending_back.send(hub, refund_id)
    except Exception as error:  # noqa: BLE001 - whatever it is, the refund is sent again when its lease is over
        log.warning("refund %s has to wait: %s", refund_id, type(error).__name__)
