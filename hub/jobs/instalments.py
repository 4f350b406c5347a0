"""Reminds guests of instalments that are due soon, and deals with those that were missed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hub.core import Hub
from hub.errors import HubError
from hub.services import instalments
from storage import instalments as store
from storage.instalments import Open

log = logging.getLogger("hub.jobs")

SECONDS = 60.0
AT_ONCE = 200


async def run(hub: Hub) -> None:
    """Look after instalments until cancelled; any number of workers may, each is dealt with once."""
    while True:
        await look(hub)
        await asyncio.sleep(SECONDS)


async def look(hub: Hub) -> int:
    """Remind of what is due soon and note what was missed by now; answers how many instalments those were."""
    async with hub.reading() as db:
        soon, missed = await store.to_remind(db, AT_ONCE), await store.missed(db, AT_ONCE)
    return await _each(hub, instalments.remind, soon) + await _each(hub, instalments.miss, missed)


async def _each(hub: Hub, deal: Callable[[Hub, Open], Awaitable[bool]], found: list[Open]) -> int:
    dealt = 0
    for one in found:
        try:
            dealt += await deal(hub, one)
        except HubError as error:
            log.warning("an instalment of booking %s has to wait: %s", one.booking_id, error)
        except Exception:
            log.exception("an instalment of booking %s could not be dealt with", one.booking_id)
    return dealt
