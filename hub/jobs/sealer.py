"""Seals the audit as it grows; any number of workers may, one at a time does."""

from __future__ import annotations

import asyncio

from hub.core import Hub
from hub.services import audit

SEAL_SECONDS = 10.0


async def run(hub: Hub) -> None:
    """Seal until cancelled."""
    while True:
        await audit.seal(hub)
        await asyncio.sleep(SEAL_SECONDS)
