"""What people were written: the queue is worked off, and the outbox read."""

from __future__ import annotations

import re

from hub.core import Hub
from hub.jobs import queue
from storage import letters
from storage.letters import Kept


async def letters_to(hub: Hub, recipient: str | None = None) -> list[Kept]:
    """Have everything written that is due, and list what one person got, or everybody, newest first."""
    await queue.work_off(hub)
    async with hub.reading() as db:
        return await letters.newest(db, recipient, 1000)


async def code_for(hub: Hub, recipient: str) -> str:
    """Answer the code in the newest letter to this address or number."""
    for letter in await letters_to(hub, recipient):
        if found := re.search(r"\b[0-9]{6}\b", letter.text):
            return found[0]
    raise AssertionError(f"{recipient} was sent no code")


async def link_for(hub: Hub, recipient: str) -> str:
    """Answer the link in the newest letter to this address that has one of the hub's own pages."""
    for letter in await letters_to(hub, recipient):
        for found in re.findall(rf"{re.escape(hub.settings.public_url)}/\S+", letter.text):
            return str(found)
    raise AssertionError(f"{recipient} was sent no link")
