"""Rooms: added, renumbered, repaired and removed by those who run their venue."""

from __future__ import annotations

from collections.abc import Sequence

from hub.core import Actor, Hub
from hub.errors import Invalid, NotFound
from hub.events.room_types import RoomTypeChanged
from hub.events.rooms import RoomChanged, RoomCreated, RoomDeleted
from hub.models.base import Page
from hub.models.rooms import ChangeRoom, CreateRoom, ListRooms, NameRoom, Room
from hub.models.venues import Venue
from hub.services import access, inventory, room_types, zones
from hub.work import Work
from storage import closures as closure_store
from storage import inventory as obstacles
from storage import rooms as store
from storage.query import Db


async def listed(hub: Hub, actor: Actor, ask: ListRooms) -> Page[Room]:
    """List rooms of the venues one may see."""
    async with hub.reading() as db:
        rooms, total = await store.listed(db, ask, actor.user_id, sees_everything=inventory.sees_everything(actor))
    return Page[Room].model_validate(ask.of(rooms, total))


async def read(hub: Hub, actor: Actor, ask: NameRoom) -> Room:
    """Read one room."""
    async with hub.reading() as db:
        room = await _found(db, ask.room_id)
        await access.venue(db, actor, room.venue_id)
        return room


async def create(hub: Hub, actor: Actor, ask: CreateRoom) -> Room:
    """Add a room to a type; what closes the whole venue closes it too."""
    async with hub.work(actor) as work:
        venue, room_type = await room_types.managed(work.db, actor, ask.room_type_id)
        if ask.venue_id not in (None, venue.id):
            raise Invalid.field("venue_id", "is not the venue of this room type")
        await _lock(hub, work, venue, room_type.id, [])
        room_id = await store.create(work.db, venue.id, room_type.id, ask.model_dump(mode="json"))
        await inventory.close_rooms(work, await closure_store.of_venue(work.db, venue.id), [room_id])
        room = await _found(work.db, room_id)
        work.tell(RoomCreated(thing=room))
        await _count(hub, work, venue, room_type.id)
        return work.answer(room, 201)


async def change(hub: Hub, actor: Actor, ask: ChangeRoom) -> Room:
    """Change a room; while it waits for a repair or is not active it is not sold, and what is booked stands."""
    async with hub.work(actor) as work:
        venue, room = await _managed(work.db, actor, ask.room_id)
        work.expect(room)
        fields = inventory.named(ask, "room_id")
        if all(value == room.model_dump(mode="json")[name] for name, value in fields.items()):
            return work.answer(room)
        await _lock(hub, work, venue, room.room_type_id, [room.id])
        await store.change(work.db, room.id, fields)
        changed = await _found(work.db, room.id)
        work.tell(RoomChanged(thing=changed))
        await _count(hub, work, venue, room.room_type_id)
        return work.answer(changed)


async def delete(hub: Hub, actor: Actor, ask: NameRoom) -> None:
    """Remove a room in which nothing is booked and no session takes place any more."""
    async with hub.work(actor) as work:
        venue, room = await _managed(work.db, actor, ask.room_id)
        work.expect(room)
        await _lock(hub, work, venue, room.room_type_id, [room.id])
        inventory.refuse(
            await obstacles.bookings_of_rooms(work.db, venue.id, [room.id]),
            await obstacles.sessions_in_rooms(work.db, [room.id]),
        )
        await inventory.end_closures(work, venue, [], [room.id])
        await store.delete(work.db, [room.id])
        work.tell(RoomDeleted(thing=room))
        await _count(hub, work, venue, room.room_type_id)


async def _found(db: Db, room_id: int) -> Room:
    room = await store.find(db, room_id)
    if room is None:
        raise NotFound()
    return room


async def _managed(db: Db, actor: Actor, room_id: int) -> tuple[Venue, Room]:
    venue = await access.manage_venue(db, actor, (await _found(db, room_id)).venue_id, "room:update")
    return venue, await _found(db, room_id)


async def _lock(hub: Hub, work: Work, venue: Venue, room_type_id: int, room_ids: Sequence[int]) -> None:
    await obstacles.lock(work.db, room_ids, [room_type_id], zones.today(venue, hub.clock.now()))


async def _count(hub: Hub, work: Work, venue: Venue, room_type_id: int) -> None:
    for resized in await inventory.settle(work, venue, [room_type_id], hub.clock.now()):
        work.tell(RoomTypeChanged(thing=await room_types.found(work.db, resized)))
    await inventory.changed(work, venue.id)
