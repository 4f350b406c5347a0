"""Whether the hub can do its work."""

from __future__ import annotations

from hub.core import Hub
from hub.errors import HubError
from hub.settings import SettingsRefused
from storage import durability, event_log, jobs, webhook_lanes
from storage.event_log import Unsent
from storage.jobs import Standing
from storage.migrate import pending
from storage.webhook_lanes import Backlog


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


async def refuse_forgetful_database(hub: Hub) -> None:
    """Refuse to work on a database that may lose what it has acknowledged; a test's has nothing to lose."""
    if hub.settings.env == "test":
        return
    async with hub.reading() as db:
        off = await durability.switched_off(db)
    if off:
        raise SettingsRefused(
            f"The database of DATABASE_URL has {' and '.join(off)} off, so a power cut may take back what people were "
            "told is theirs: switch it on."
        )


async def jobs_standing(hub: Hub) -> list[Standing]:
    """Count the jobs that wait and those that were given up, by kind."""
    async with hub.reading() as db:
        return await jobs.standings(db)


async def events_unsent(hub: Hub) -> Unsent:
    """Count the transactions whose events Redis has not taken yet."""
    async with hub.reading() as db:
        return await event_log.unsent(db)


async def webhooks_unsent(hub: Hub) -> Backlog:
    """Count the messages that webhooks have not been sent yet."""
    async with hub.reading() as db:
        return await webhook_lanes.backlog(db)
