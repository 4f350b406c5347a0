"""Whether the hub can do its work."""

from __future__ import annotations

from hub.core import Hub
from hub.errors import HubError
from storage.migrate import pending


async def database_answers(hub: Hub) -> bool:
    """Tell whether the database takes questions."""
    try:
        async with hub.reading() as db:
            await hub.clock.synchronise(db)
    except HubError:
        return False
    return True


async def migrations_missing(hub: Hub) -> list[str]:
    """Name the migrations that this hub needs and its database lacks."""
    async with hub.reading() as db:
        return await pending(db)
