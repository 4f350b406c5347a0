"""Sealing the audit to its end: a transaction of another test on the same server may hold it up for a moment."""

from __future__ import annotations

import asyncio

from hub.core import Hub
from hub.services import audit
from tests.servers import PATIENCE


async def seal_all(hub: Hub) -> None:
    """Seal every entry that was written."""
    async with asyncio.timeout(PATIENCE):
        while await _unsealed(hub):
            if not await audit.seal(hub):
                await asyncio.sleep(0.02)


async def _unsealed(hub: Hub) -> int:
    async with hub.pool.acquire() as db:
        count: int = await db.fetchval(
            """
            SELECT count(*) FROM audit WHERE id > coalesce(
                (SELECT s.ids[cardinality(s.ids)] FROM audit_seals AS s ORDER BY s.id DESC LIMIT 1), 0)
            """
        )
        return count
