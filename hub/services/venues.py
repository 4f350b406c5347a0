"""Venues: opened, found, changed and closed for good by those who own them."""

from __future__ import annotations

from typing import Any

from hub.core import Actor, Hub
from hub.errors import Forbidden, NotFound
from hub.events.room_types import RoomTypeChanged
from hub.events.sessions import SessionChanged
from hub.events.venues import VenueChanged, VenueCreated, VenueDeleted
from hub.models.base import Page
from hub.models.venues import ChangeVenue, CreateVenue, ListVenues, NameVenue, Venue
from hub.services import access, inventory, zones
from hub.work import Work
from storage import inventory as obstacles
from storage import room_types as type_store
from storage import sessions as session_store
from storage import venues as store
from storage.query import Db

# What is booked keeps its instants and its currency, so these stand still while something is.
_FIXED_BY_BOOKINGS = frozenset({"timezone", "currency"})
_MOVES_NIGHTS = frozenset({"timezone", "check_in_time", "check_out_time"})


async def listed(hub: Hub, actor: Actor, ask: ListVenues) -> Page[Venue]:
    """List venues; those that are not active only to who runs them."""
    if ask.mine:
        access.signed_in(actor)
    async with hub.reading() as db:
        venues, total = await store.listed(db, ask, actor.user_id, sees_everything=inventory.sees_everything(actor))
    return Page[Venue].model_validate(ask.of(venues, total))


async def read(hub: Hub, actor: Actor, ask: NameVenue) -> Venue:
    """Read one venue."""
    async with hub.reading() as db:
        return await access.venue(db, actor, ask.venue_id)


async def create(hub: Hub, actor: Actor, ask: CreateVenue) -> Venue:
    """Open a venue of one's own."""
    owner_id = access.signed_in(actor)
    if not actor.may("venue:create"):
        raise Forbidden("Only facilitators and vendors open venues.")
    async with hub.work(actor) as work:
        return work.answer(await opened(hub, work, owner_id, ask), 201)


async def opened(hub: Hub, work: Work, owner_id: int, ask: CreateVenue) -> Venue:
    """Write and tell a new venue, within somebody's work."""
    usual = {"hold_seconds": hub.settings.hold_seconds, "hold_cap_seconds": hub.settings.hold_cap_seconds}
    fields: dict[str, Any] = ask.model_dump(mode="json")
    if ask.hold_seconds is None:
        fields["hold_seconds"] = min(usual["hold_seconds"], ask.hold_cap_seconds or usual["hold_seconds"])
    if ask.hold_cap_seconds is None:
        fields["hold_cap_seconds"] = max(usual["hold_cap_seconds"], fields["hold_seconds"])
    venue = await _read_back(work.db, await store.create(work.db, owner_id, fields))
    work.tell(VenueCreated(thing=venue))
    return venue


async def change(hub: Hub, actor: Actor, ask: ChangeVenue) -> Venue:
    """Change a venue; its zone and its currency only while nothing is booked."""
    async with hub.work(actor) as work:
        venue = await access.manage_venue(work.db, actor, ask.venue_id, "venue:update")
        work.expect(venue)
        fields = inventory.named(ask, "venue_id")
        changing = {name for name, value in fields.items() if value != venue.model_dump(mode="json")[name]}
        if not changing:
            return work.answer(venue)
        if changing & _FIXED_BY_BOOKINGS:
            inventory.refuse(
                await obstacles.bookings_of_venue(work.db, venue.id),
                sentence="The time zone and the currency stay as they are while something is booked.",
            )
        await store.change(work.db, venue.id, fields)
        await inventory.changed(work, venue.id)
        changed = await _read_back(work.db, venue.id)
        if changing & _MOVES_NIGHTS:
            await _settle_nights(hub, work, changed)
        work.tell(VenueChanged(thing=changed))
        if changing & _FIXED_BY_BOOKINGS:
            await _tell_contents(work, changed.id)
        return work.answer(changed)


async def _settle_nights(hub: Hub, work: Work, venue: Venue) -> None:
    # A closure says when; which nights that is depends on the zone and on check-in and check-out.
    now = hub.clock.now()
    await inventory.lock_all(work, venue, zones.today(venue, now))
    types = await type_store.of_venue(work.db, venue.id)
    await inventory.settle(work, venue, [room_type.id for room_type in types], now)


async def _tell_contents(work: Work, venue_id: int) -> None:
    await store.renew_contents(work.db, venue_id)
    work.tell(*[RoomTypeChanged(thing=one) for one in await type_store.of_venue(work.db, venue_id)])
    work.tell(*[SessionChanged(thing=one) for one in await session_store.of_venue(work.db, venue_id)])


async def delete(hub: Hub, actor: Actor, ask: NameVenue) -> None:
    """Delete a venue of which nothing is booked any more."""
    async with hub.work(actor) as work:
        venue = await access.manage_venue(work.db, actor, ask.venue_id, "venue:delete")
        work.expect(venue)
        await inventory.lock_all(work, venue, zones.today(venue, hub.clock.now()))
        await obstacles.lock_places(work.db, venue.id)
        inventory.refuse(await obstacles.bookings_of_venue(work.db, venue.id))
        await inventory.changed(work, venue.id)
        await store.delete(work.db, venue.id)
        work.tell(VenueDeleted(thing=venue))


async def _read_back(db: Db, venue_id: int) -> Venue:
    venue = await store.find(db, venue_id)
    if venue is None:
        raise NotFound()
    return venue
