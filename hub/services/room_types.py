"""Room types: offered, priced, resized and withdrawn by those who run their venue."""

from __future__ import annotations

from hub.core import Actor, Hub
from hub.errors import Invalid, NotFound
from hub.events.room_types import RoomTypeChanged, RoomTypeCreated, RoomTypeDeleted
from hub.events.rooms import RoomCreated, RoomDeleted
from hub.models.base import Page
from hub.models.room_types import ChangeRoomType, CreateRoomType, ListRoomTypes, NameRoomType, RoomType
from hub.models.venues import Venue
from hub.services import access, inventory, zones
from hub.work import Work
from storage import closures as closure_store
from storage import inventory as obstacles
from storage import room_types as store
from storage import rooms as room_store
from storage.query import Db


async def listed(hub: Hub, actor: Actor, ask: ListRoomTypes) -> Page[RoomType]:
    """List room types of the venues one may see."""
    async with hub.reading() as db:
        types, total = await store.listed(db, ask, actor.user_id, sees_everything=inventory.sees_everything(actor))
    return Page[RoomType].model_validate(ask.of(types, total))


async def read(hub: Hub, actor: Actor, ask: NameRoomType) -> RoomType:
    """Read one room type."""
    async with hub.reading() as db:
        room_type = await found(db, ask.room_type_id)
        await access.venue(db, actor, room_type.venue_id)
        return room_type


async def found(db: Db, room_type_id: int) -> RoomType:
    """Find a room type, or refuse."""
    room_type = await store.find(db, room_type_id)
    if room_type is None:
        raise NotFound()
    return room_type


async def managed(db: Db, actor: Actor, room_type_id: int) -> tuple[Venue, RoomType]:
    """Find a room type for those who run its venue, whose inventory is locked from then on."""
    venue = await access.manage_venue(db, actor, (await found(db, room_type_id)).venue_id, "room:update")
    return venue, await found(db, room_type_id)


async def create(hub: Hub, actor: Actor, ask: CreateRoomType) -> RoomType:
    """Offer a new room type, and make its numbered rooms if it says how many."""
    async with hub.work(actor) as work:
        venue = await access.manage_venue(work.db, actor, ask.venue_id, "room:update")
        sold_as = ask.sold_as or ("pool" if ask.total_rooms else "room")
        by_night = sold_as == "pool" or venue.kind == "hotel"
        fields = ask.model_dump(mode="json") | {
            "sold_as": sold_as,
            "price_unit": ask.price_unit or ("night" if by_night else "hour"),
            "total_rooms": 0,
        }
        room_type_id = await store.create(work.db, venue.id, fields)
        room_ids = await room_store.create_numbered(work.db, venue.id, room_type_id, ask.total_rooms)
        await _count_new_rooms(hub, work, venue, room_type_id, room_ids)
        room_type = await found(work.db, room_type_id)
        work.tell(RoomTypeCreated(thing=room_type))
        await _tell_new_rooms(work, room_type_id, room_ids)
        await inventory.changed(work, venue.id)
        return work.answer(room_type, 201)


async def change(hub: Hub, actor: Actor, ask: ChangeRoomType) -> RoomType:
    """Change a room type; `total_rooms` adds rooms to a pool or takes the last ones away."""
    async with hub.work(actor) as work:
        venue, room_type = await managed(work.db, actor, ask.room_type_id)
        work.expect(room_type)
        fields = inventory.named(ask, "room_type_id")
        if all(value == room_type.model_dump(mode="json")[name] for name, value in fields.items()):
            return work.answer(room_type)
        if ask.total_rooms is not None and ask.total_rooms != room_type.total_rooms:
            await _resize(hub, work, venue, room_type, ask.total_rooms)
        await store.change(work.db, room_type.id, fields)
        await inventory.changed(work, venue.id)
        changed = await found(work.db, room_type.id)
        work.tell(RoomTypeChanged(thing=changed))
        return work.answer(changed)


async def _resize(hub: Hub, work: Work, venue: Venue, room_type: RoomType, total: int) -> None:
    if room_type.sold_as != "pool":
        raise Invalid.field("total_rooms", "add or delete the rooms themselves; each is sold by its number")
    more = total - room_type.total_rooms
    if more > 0:
        room_ids = await room_store.create_numbered(work.db, venue.id, room_type.id, more)
        await _count_new_rooms(hub, work, venue, room_type.id, room_ids)
        await _tell_new_rooms(work, room_type.id, room_ids)
    else:
        rooms = [room for room in await room_store.of_type(work.db, room_type.id) if room.sellable][more:]
        await _lock(hub, work, venue, room_type.id, [room.id for room in rooms])
        await inventory.end_closures(work, venue, [], [room.id for room in rooms])
        await room_store.delete(work.db, [room.id for room in rooms])
        await inventory.settle(work, venue, [room_type.id], hub.clock.now())
        work.tell(*[RoomDeleted(thing=room) for room in rooms])


async def delete(hub: Hub, actor: Actor, ask: NameRoomType) -> None:
    """Withdraw a room type and its rooms, if nothing of it is booked any more."""
    async with hub.work(actor) as work:
        venue, room_type = await managed(work.db, actor, ask.room_type_id)
        work.expect(room_type)
        rooms = await room_store.of_type(work.db, room_type.id)
        room_ids = [room.id for room in rooms]
        await _lock(hub, work, venue, room_type.id, room_ids)
        bookings = await obstacles.bookings_of_nights(work.db, venue.id, [room_type.id])
        bookings += await obstacles.bookings_of_rooms(work.db, venue.id, room_ids)
        inventory.refuse(
            list({booking.id: booking for booking in bookings}.values()),
            await obstacles.sessions_in_rooms(work.db, room_ids),
        )
        await inventory.end_closures(work, venue, [room_type.id], room_ids)
        await room_store.delete(work.db, room_ids)
        await inventory.settle(work, venue, [room_type.id], hub.clock.now())
        await store.delete(work.db, room_type.id)
        await inventory.changed(work, venue.id)
        work.tell(*[RoomDeleted(thing=room) for room in rooms], RoomTypeDeleted(thing=room_type))


async def _lock(hub: Hub, work: Work, venue: Venue, room_type_id: int, room_ids: list[int]) -> None:
    await obstacles.lock(work.db, room_ids, [room_type_id], zones.today(venue, hub.clock.now()))


async def _count_new_rooms(hub: Hub, work: Work, venue: Venue, room_type_id: int, room_ids: list[int]) -> None:
    await _lock(hub, work, venue, room_type_id, [])
    await inventory.close_rooms(work, await closure_store.of_venue(work.db, venue.id), room_ids)
    await inventory.settle(work, venue, [room_type_id], hub.clock.now())


async def _tell_new_rooms(work: Work, room_type_id: int, room_ids: list[int]) -> None:
    rooms = await room_store.of_type(work.db, room_type_id)
    work.tell(*[RoomCreated(thing=room) for room in rooms if room.id in set(room_ids)])
