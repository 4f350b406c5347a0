"""Studios: the venue of whoever leads sessions without one."""

from __future__ import annotations

from hub.core import Hub
from hub.errors import NotFound
from hub.models.money import CURRENCIES
from hub.models.venues import CreateVenue, Venue
from hub.services import venues
from hub.work import Work
from storage import access as ties
from storage import users as user_store
from storage import venues as store


async def of_ones_own(hub: Hub, work: Work, user_id: int, timezone: str | None) -> Venue:
    """Find and lock a person's first studio (in that time zone, if one is named), or open one."""
    # The lock keeps two first sessions at once from opening two studios.
    owner = await user_store.lock_profile(work.db, user_id)
    if owner is None:
        raise NotFound()
    studio_id = await store.studio_of(work.db, user_id, timezone)
    if studio_id is None:
        ask = CreateVenue(
            name=f"{owner.full_name[:150]}'s studio",
            kind="studio",
            timezone=timezone or "UTC",
            currency=owner.currency if owner.currency in CURRENCIES else "USD",
        )
        return await venues.opened(hub, work, user_id, ask)
    await ties.lock_venue(work.db, studio_id)
    studio = await store.find(work.db, studio_id)
    if studio is None:
        raise NotFound()
    return studio
