"""Releases escrow to venues some time after what it was paid for is over."""

from __future__ import annotations

import asyncio
import logging

from hub.core import Hub
from hub.errors import HubError
from hub.services import escrow

log = logging.getLogger("hub.jobs")

SECONDS = 60.0


async def run(hub: Hub) -> None:
    """Release until cancelled; any number of workers may, and each sum is released once."""
    while True:
        await release(hub)
        await asyncio.sleep(SECONDS)


async def release(hub: Hub) -> int:
    """Release what is due by now; answers how many times money was released. One that cannot be holds up no other."""
    released = 0
    for due in await escrow.due(hub):
        try:
            released += await escrow.release(hub, due)
        except HubError as error:
            log.warning("escrow of booking %s has to wait: %s", due.booking_id, error)
        except Exception:
            log.exception("escrow of booking %s could not be released", due.booking_id)
    return released
