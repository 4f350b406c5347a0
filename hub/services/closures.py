"""Closures: what those who run a venue take out of sale for a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hub.core import Actor, Hub
from hub.errors import Invalid, NotFound
from hub.events.closures import ClosureChanged, ClosureCreated, ClosureDeleted
from hub.models.base import Page
from hub.models.closures import ChangeClosure, Closure, CreateClosure, ListClosures, NameClosure
from hub.models.venues import Venue
from hub.services import access, inventory, zones
from hub.work import Work
from storage import claims
from storage import closures as store
from storage import inventory as obstacles
from storage import room_types as type_store
from storage import rooms as room_store
from storage.query import Db

_LONGEST = timedelta(days=731)


async def listed(hub: Hub, actor: Actor, ask: ListClosures) -> Page[Closure]:
    """List closures of the venues whose desk one may see."""
    access.signed_in(actor)
    async with hub.reading() as db:
        zone = "UTC" if ask.venue_id is None else (await access.desk(db, actor, ask.venue_id)).timezone
        closures, total = await store.listed(
            db,
            ask,
            actor.user_id,
            ask.from_ and zones.localise(ask.from_, zone, "from"),
            ask.to and zones.localise(ask.to, zone, "to"),
            sees_everything=inventory.sees_everything(actor),
        )
    return Page[Closure].model_validate(ask.of(closures, total))


async def read(hub: Hub, actor: Actor, ask: NameClosure) -> Closure:
    """Read one closure of a venue whose desk one may see."""
    async with hub.reading() as db:
        closure = await _found(db, ask.closure_id)
        await access.desk(db, actor, closure.venue_id)
        return closure


async def create(hub: Hub, actor: Actor, ask: CreateClosure) -> Closure:
    """Close a room, some rooms of a pool or the whole venue, unless bookings or sessions stand in the way."""
    async with hub.work(actor) as work:
        venue = await access.manage_venue(work.db, actor, ask.venue_id, "room:update")
        if ask.check_in is not None and ask.check_out is not None:
            begin, end = zones.stay(venue, ask.check_in, ask.check_out)
        else:
            assert ask.starts_at is not None
            assert ask.ends_at is not None
            begin = zones.localise(ask.starts_at, venue.timezone, "starts_at")
            end = zones.localise(ask.ends_at, venue.timezone, "ends_at")
        _judge_time(hub, begin, end)
        await _judge_thing(work.db, venue, ask.room_id, ask.room_type_id)
        fields = ask.model_dump(mode="json") | {
            "quantity": None if ask.room_type_id is None else ask.quantity or 1,
            "starts_at": begin.isoformat(),
            "ends_at": end.isoformat(),
        }
        await inventory.lock_all(work, venue, zones.today(venue, hub.clock.now()))
        closure = await _found(work.db, await store.create(work.db, venue.id, fields))
        await _judge_extent(work.db, venue, closure)
        await _claim(hub, work, venue, closure)
        work.tell(ClosureCreated(thing=closure))
        return work.answer(closure, 201)


async def change(hub: Hub, actor: Actor, ask: ChangeClosure) -> Closure:
    """Move a closure, or let it take another number of rooms; all of it or nothing."""
    async with hub.work(actor) as work:
        venue, closure = await _managed(work.db, actor, ask.closure_id)
        work.expect(closure)
        wanted = closure.model_copy(
            update={name: _as_meant(venue, ask, name) for name in ask.model_fields_set - {"closure_id"}}
        )
        if wanted == closure:
            return work.answer(closure)
        if wanted.quantity is not None and closure.room_type_id is None:
            raise Invalid.field("quantity", "goes with the closure of a pool")
        moves = wanted != closure.model_copy(update={"reason": wanted.reason})
        if moves:
            _judge_time(hub, wanted.starts_at, wanted.ends_at)
            await _judge_extent(work.db, venue, wanted)
            await inventory.lock_all(work, venue, zones.today(venue, hub.clock.now()))
            await _release(work, closure)
        await store.change(work.db, closure.id, wanted.model_dump(mode="json"))
        changed = await _found(work.db, closure.id)
        if moves:
            await _claim(hub, work, venue, changed)
        work.tell(ClosureChanged(thing=changed))
        return work.answer(changed)


def _as_meant(venue: Venue, ask: ChangeClosure, name: str) -> Any:
    value = getattr(ask, name)
    return zones.localise(value, venue.timezone, name) if isinstance(value, datetime) else value


async def delete(hub: Hub, actor: Actor, ask: NameClosure) -> None:
    """Open again what was closed, but for what another closure still closes."""
    async with hub.work(actor) as work:
        venue, closure = await _managed(work.db, actor, ask.closure_id)
        work.expect(closure)
        await inventory.lock_all(work, venue, zones.today(venue, hub.clock.now()))
        await _release(work, closure)
        await store.delete(work.db, closure.id)
        await _complete(hub, work, venue)
        work.tell(ClosureDeleted(thing=closure))


def _judge_time(hub: Hub, begin: datetime, end: datetime) -> None:
    if end <= begin:
        raise Invalid.field("ends_at", "must be after starts_at")
    if end <= hub.clock.now():
        raise Invalid.field("ends_at", "must lie in the future")
    if end - begin > _LONGEST:
        raise Invalid.field("ends_at", f"must be within {_LONGEST.days} days of starts_at; or make it inactive")


async def _judge_thing(db: Db, venue: Venue, room_id: int | None, room_type_id: int | None) -> None:
    if room_id is not None:
        room = await room_store.find(db, room_id)
        if room is None or room.venue_id != venue.id:
            raise Invalid.field("room_id", "is no room of this venue")
    if room_type_id is not None:
        room_type = await type_store.find(db, room_type_id)
        if room_type is None or room_type.venue_id != venue.id:
            raise Invalid.field("room_type_id", "is no room type of this venue")
        if room_type.sold_as != "pool":
            raise Invalid.field("room_type_id", "is sold by the room; close its rooms one by one")


async def _judge_extent(db: Db, venue: Venue, closure: Closure) -> None:
    if closure.room_type_id is None or closure.quantity is None:
        return
    pool = await type_store.find(db, closure.room_type_id)
    if pool is not None and closure.quantity > pool.total_rooms:
        raise Invalid.field("quantity", f"must not exceed the pool's {pool.total_rooms} rooms")
    if not zones.nights_within(venue, closure.starts_at, closure.ends_at):
        raise Invalid.field("ends_at", "leaves no night closed: it begins after check-out and ends before check-in")


async def _claim(hub: Hub, work: Work, venue: Venue, closure: Closure) -> None:
    span = (closure.starts_at, closure.ends_at)
    if closure.of_whole_venue:
        inventory.refuse(
            await obstacles.bookings_of_venue(work.db, venue.id, *span),
            await obstacles.sessions_of_venue(work.db, venue.id, *span),
        )
    await inventory.close_rooms(work, [closure])
    await _complete(hub, work, venue)


async def _complete(hub: Hub, work: Work, venue: Venue) -> None:
    # Closures may overlap; each time has one claim, so what one gives back another may have to take.
    closures = await store.of_venue(work.db, venue.id)
    await inventory.close_rooms(work, closures)
    types = await type_store.of_venue(work.db, venue.id)
    await inventory.settle(work, venue, [one.id for one in types if one.sold_as == "pool"], hub.clock.now())
    await inventory.changed(work, venue.id)


async def _release(work: Work, closure: Closure) -> None:
    await work.touch_claims(closure_id=closure.id)
    await claims.release_closures(work.db, [closure.id])


async def _found(db: Db, closure_id: int) -> Closure:
    closure = await store.find(db, closure_id)
    if closure is None:
        raise NotFound()
    return closure


async def _managed(db: Db, actor: Actor, closure_id: int) -> tuple[Venue, Closure]:
    venue = await access.manage_venue(db, actor, (await _found(db, closure_id)).venue_id, "room:update")
    return venue, await _found(db, closure_id)
