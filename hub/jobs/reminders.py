"""Reminds guests of what they have booked, a day before it begins."""

from __future__ import annotations

import asyncio

from hub.core import Hub
from storage import booking_letters

PAUSE = 60.0
HOURS = 24


async def run(hub: Hub) -> None:
    """Remind until cancelled; any number of workers may, each guest is reminded once."""
    while True:
        await remind(hub)
        await asyncio.sleep(PAUSE)


async def remind(hub: Hub) -> int:
    """Have those reminded who were not; answers how many letters that will be."""
    async with hub.reading() as db:
        return await booking_letters.enqueue_reminders(db, HOURS)
