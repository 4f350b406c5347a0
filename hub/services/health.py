"""Whether the hub can do its work."""

from __future__ import annotations

from hub.core import Hub
from hub.errors import HubError
from storage import jobs
from storage.jobs import Standing
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


async def jobs_standing(hub: Hub) -> list[Standing]:
    """Count the jobs that wait and those that were given up, by kind."""
    async with hub.reading() as db:
        return await jobs.standings(db)
