"""What is on offer, remembered by this worker; a hold judged on an outdated memory is stale and judged again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.core import Hub
from hub.errors import NotFound
from hub.models.addons import Addon
from hub.models.bookings import AskAddon, AskItem, AskSlot, AskStay
from hub.models.room_types import RoomType
from hub.models.rooms import Room
from hub.models.sessions import Session
from hub.models.venues import Venue
from storage import addons as addon_store
from storage import catalogue as versions
from storage import room_types as type_store
from storage import rooms as room_store
from storage import sessions as session_store
from storage import venues as venue_store
from storage.query import Db


@dataclass(frozen=True, slots=True)
class RoomOffer:
    """A numbered room with its type and venue, as of a version of the venue's catalogue."""

    version: int
    venue: Venue
    room_type: RoomType
    room: Room


@dataclass(frozen=True, slots=True)
class TypeOffer:
    """A room type with its venue, as of a version of the venue's catalogue."""

    version: int
    venue: Venue
    room_type: RoomType


@dataclass(frozen=True, slots=True)
class SessionOffer:
    """A session with its venue, as of a version of the venue's catalogue."""

    version: int
    venue: Venue
    session: Session


@dataclass(frozen=True, slots=True)
class AddonOffer:
    """An add-on with its venue, as of a version of the venue's catalogue."""

    version: int
    venue: Venue
    addon: Addon


async def read_room(db: Db, room_id: int) -> RoomOffer:
    """Read a room's offer from the database; the version first, so that it can only be too old."""
    version = await versions.of_room(db, room_id)
    room = await room_store.find(db, room_id)
    if version is None or room is None:
        raise NotFound()
    offer = await read_type(db, room.room_type_id)
    return RoomOffer(version, offer.venue, offer.room_type, room)


async def read_type(db: Db, room_type_id: int) -> TypeOffer:
    """Read a room type's offer from the database."""
    version = await versions.of_type(db, room_type_id)
    room_type = await type_store.find(db, room_type_id)
    venue = None if room_type is None else await venue_store.find(db, room_type.venue_id)
    if version is None or room_type is None or venue is None:
        raise NotFound()
    return TypeOffer(version, venue, room_type)


async def read_session(db: Db, session_id: int) -> SessionOffer:
    """Read a session's offer from the database."""
    version = await versions.of_session(db, session_id)
    session = await session_store.find(db, session_id)
    venue = None if session is None else await venue_store.find(db, session.venue_id)
    if version is None or session is None or venue is None:
        raise NotFound()
    return SessionOffer(version, venue, session)


async def read_addon(db: Db, addon_id: int) -> AddonOffer:
    """Read an add-on's offer from the database."""
    version = await versions.of_addon(db, addon_id)
    addon = await addon_store.find(db, addon_id)
    venue = None if addon is None else await venue_store.find(db, addon.venue_id)
    if version is None or addon is None or venue is None:
        raise NotFound()
    return AddonOffer(version, venue, addon)


async def room(hub: Hub, room_id: int) -> RoomOffer:
    """Answer a room's offer from memory, reading it at first sight."""
    found: RoomOffer | None = hub.catalogue.get(("room", room_id))
    if found is None:
        async with hub.reading() as db:
            found = await read_room(db, room_id)
        hub.remember(("room", room_id), found)
    return found


async def room_type(hub: Hub, room_type_id: int) -> TypeOffer:
    """Answer a room type's offer from memory, reading it at first sight."""
    found: TypeOffer | None = hub.catalogue.get(("type", room_type_id))
    if found is None:
        async with hub.reading() as db:
            found = await read_type(db, room_type_id)
        hub.remember(("type", room_type_id), found)
    return found


async def session(hub: Hub, session_id: int) -> SessionOffer:
    """Answer a session's offer from memory, reading it at first sight."""
    found: SessionOffer | None = hub.catalogue.get(("session", session_id))
    if found is None:
        async with hub.reading() as db:
            found = await read_session(db, session_id)
        hub.remember(("session", session_id), found)
    return found


async def addon(hub: Hub, addon_id: int) -> AddonOffer:
    """Answer an add-on's offer from memory, reading it at first sight."""
    found: AddonOffer | None = hub.catalogue.get(("addon", addon_id))
    if found is None:
        async with hub.reading() as db:
            found = await read_addon(db, addon_id)
        hub.remember(("addon", addon_id), found)
    return found


def forget(hub: Hub, venue_ids: set[int]) -> None:
    """Forget what is remembered of these venues, because it has changed."""
    for key in [key for key, offer in hub.catalogue.items() if offer.venue.id in venue_ids]:
        del hub.catalogue[key]


async def forget_outdated(hub: Hub, items: Sequence[AskItem]) -> bool:
    """Forget what is remembered of the items' venues if it has changed since; tells whether it had.

    A refusal never reaches the database, which would notice; so it is checked before anybody is refused.
    """
    keys = [key for item in items for key in _keys(item)]
    known = {offer.venue.id: offer.version for key in keys if (offer := hub.catalogue.get(key)) is not None}
    async with hub.reading() as db:
        current = await versions.of_venues(db, sorted(known))
    outdated = {venue_id for venue_id, version in known.items() if current.get(venue_id) != version}
    forget(hub, outdated)
    return bool(outdated)


def _keys(item: AskItem) -> list[tuple[str, int | None]]:
    if isinstance(item, AskStay):
        return [("room", item.room_id), ("type", item.room_type_id)]
    if isinstance(item, AskAddon):
        return [("addon", item.addon_id)]
    return [("room", item.room_id)] if isinstance(item, AskSlot) else [("session", item.session_id)]
