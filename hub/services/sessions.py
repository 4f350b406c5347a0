"""Sessions: planned, moved and cancelled by those who lead them or run their venue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from hub.core import Actor, Hub
from hub.errors import Conflict, Forbidden, Invalid, NotFound
from hub.events.bookings import BookingRescheduled
from hub.events.sessions import SessionCancelled, SessionChanged, SessionCreated, SessionDeleted
from hub.models.base import Page
from hub.models.bookings import AskItem, AskSlot
from hub.models.sessions import CancelSession, ChangeSession, CreateSession, ListSessions, NameSession, Session
from hub.models.venues import Venue
from hub.services import access, bookings, inventory, judging, placing, reducing, studios, zones
from hub.work import Work
from storage import bookings as booking_store
from storage import claims
from storage import closures as closure_store
from storage import inventory as obstacles
from storage import room_types as type_store
from storage import rooms as room_store
from storage import sessions as store
from storage.claims import Claim
from storage.event_log import Touched
from storage.query import Db

_LONGEST = timedelta(days=366)


async def listed(hub: Hub, actor: Actor, ask: ListSessions) -> Page[Session]:
    """List sessions of the venues one may see."""
    if ask.mine:
        access.signed_in(actor)
    async with hub.reading() as db:
        zone = "UTC" if ask.venue_id is None else (await access.venue(db, actor, ask.venue_id)).timezone
        sessions, total = await store.listed(
            db,
            ask,
            actor.user_id,
            ask.from_ and zones.localise(ask.from_, zone, "from"),
            ask.to and zones.localise(ask.to, zone, "to"),
            sees_everything=inventory.sees_everything(actor),
        )
    return Page[Session].model_validate(ask.of(sessions, total))


async def read(hub: Hub, actor: Actor, ask: NameSession) -> Session:
    """Read one session."""
    async with hub.reading() as db:
        session = await _found(db, ask.session_id)
        await access.venue(db, actor, session.venue_id)
        return session


class _RoomTaken(Exception):
    """Somebody else has the room of a session at that time, or the venue is closed."""

    def __init__(self, session: Session, said: list[dict[str, Any]]) -> None:
        super().__init__("the room is taken")
        self.session, self.said = session, said


@asynccontextmanager
async def _planning(hub: Hub, actor: Actor) -> AsyncIterator[Work]:
    """Open a unit of work; if the room is taken, say when it or another one is free once the locks are gone."""
    try:
        async with hub.work(actor) as work:
            yield work
    except _RoomTaken as taken:
        raise await placing.unavailable(hub, _as_slots(taken.session), taken.said) from None


def _as_slots(session: Session) -> list[AskItem]:
    if session.room_id is None:
        return []
    return [AskSlot(kind="slot", room_id=session.room_id, starts_at=session.starts_at, ends_at=session.ends_at)]


async def create(hub: Hub, actor: Actor, ask: CreateSession) -> Session:
    """Plan a session at a venue one owns or works at, or in a studio of one's own; its room is taken for that time."""
    if not actor.may("session:create"):
        access.signed_in(actor)
        raise Forbidden("Only facilitators and vendors plan sessions.")
    async with _planning(hub, actor) as work:
        if ask.venue_id is None:
            venue = await studios.of_ones_own(hub, work, access.signed_in(actor), ask.timezone)
        elif ask.timezone is not None:
            raise Invalid.field("timezone", "is the venue's, if you name one")
        else:
            venue, _ = await access.workplace(work.db, actor, ask.venue_id, "session:update")
        begin, end = _judged_time(hub, venue, ask.starts_at, ask.ends_at)
        await _judge_room(work.db, venue, ask.room_id)
        fields = ask.model_dump(mode="json", exclude={"venue_id", "timezone"}) | {
            "starts_at": begin.isoformat(),
            "ends_at": end.isoformat(),
            "facilitator_id": await _facilitator(work.db, actor, venue, ask.facilitator_id),
        }
        session = await _found(work.db, await store.create(work.db, venue.id, fields))
        await _take_room(work, venue, session)
        work.touch(Touched(session_id=session.id))
        work.tell(SessionCreated(thing=session))
        await inventory.changed(work, venue.id)
        return work.answer(session, 201)


async def change(hub: Hub, actor: Actor, ask: ChangeSession) -> Session:
    """Change a session; who has booked moves with it, and it never has fewer places than are taken."""
    async with _planning(hub, actor) as work:
        venue, session = await _managed(work.db, actor, ask.session_id)
        work.expect(session)
        wanted = await _wanted(hub, work.db, actor, venue, session, ask)
        if wanted == session:
            return work.answer(session)
        moves = (wanted.starts_at, wanted.ends_at) != (session.starts_at, session.ends_at)
        await store.lock_with_bookings(work.db, session.id, _claims(venue, wanted))
        await _resize(work.db, session, wanted.capacity)
        if moves or wanted.room_id != session.room_id:
            await work.touch_claims(session_id=session.id)
            await claims.release_sessions(work.db, [session.id])
            await _take_room(work, venue, wanted)
        await store.change(work.db, session.id, wanted.model_dump(mode="json"))
        if moves:
            await _move_bookings(work, actor, session.id, wanted.starts_at - session.starts_at)
        changed = await _found(work.db, session.id)
        work.touch(Touched(session_id=session.id))
        work.tell(SessionChanged(thing=changed))
        await inventory.changed(work, venue.id)
        return work.answer(changed)


async def _wanted(hub: Hub, db: Db, actor: Actor, venue: Venue, session: Session, ask: ChangeSession) -> Session:
    """Judge a change and answer the session as it would be."""
    if session.status != "active":
        raise Conflict("A cancelled session stays as it is; plan a new one.")
    named = ask.model_fields_set - {"session_id"}
    wanted = session.model_copy(update={name: getattr(ask, name) for name in named})
    if named & {"starts_at", "ends_at"}:
        begin, end = _judged_time(hub, venue, wanted.starts_at, wanted.ends_at, was=session)
        wanted = wanted.model_copy(update={"starts_at": begin, "ends_at": end})
    if wanted.room_id != session.room_id:
        await _judge_room(db, venue, wanted.room_id)
    if wanted.facilitator_id != session.facilitator_id:
        await _facilitator(db, actor, venue, wanted.facilitator_id)
    return wanted


async def _move_bookings(work: Work, actor: Actor, session_id: int, later: timedelta) -> None:
    booking_ids = await booking_store.lock_live_of_session(work.db, session_id)
    await store.move_bookings(work.db, session_id, booking_ids, actor.user_id or 0, "The session has moved.")
    await reducing.put_off(work, booking_ids, session_id, later)
    work.tell(*[BookingRescheduled(booking_id=booking_id) for booking_id in booking_ids])


async def cancel(hub: Hub, actor: Actor, ask: CancelSession) -> Session:
    """Cancel a session with every booking of its places; cancelling it twice changes nothing more."""
    async with hub.work(actor) as work:
        venue, session = await _managed(work.db, actor, ask.session_id)
        if session.status == "cancelled":
            return work.answer(session)
        await store.lock_with_bookings(work.db, session.id, [])
        await bookings.cancel_for_session(work, session.id, ask.reason)
        await _give_back(work, session.id)
        await store.cancel(work.db, session.id, ask.reason)
        cancelled = await _found(work.db, session.id)
        work.touch(Touched(session_id=session.id))
        work.tell(SessionCancelled(thing=cancelled))
        await inventory.changed(work, venue.id)
        return work.answer(cancelled)


async def delete(hub: Hub, actor: Actor, ask: NameSession) -> None:
    """Delete a session in which nothing is booked any more."""
    async with hub.work(actor) as work:
        venue, session = await _managed(work.db, actor, ask.session_id)
        work.expect(session)
        await store.lock_with_bookings(work.db, session.id, [])
        inventory.refuse(await obstacles.bookings_of_session(work.db, session.id))
        await _give_back(work, session.id)
        await store.delete(work.db, session.id)
        work.tell(SessionDeleted(thing=session))
        await inventory.changed(work, venue.id)


async def _give_back(work: Work, session_id: int) -> None:
    await work.touch_claims(session_id=session_id)
    await claims.release_sessions(work.db, [session_id])
    # No place is left to whoever comes a moment too late, having judged the session as it was.
    await store.forget_expired(work.db, session_id)
    await store.set_places(work.db, session_id, await store.places_taken(work.db, session_id))


async def _managed(db: Db, actor: Actor, session_id: int) -> tuple[Venue, Session]:
    """Find a session for who leads it or manages its venue, whose inventory is locked from then on."""
    venue_id = (await _found(db, session_id)).venue_id
    venue, manages = await access.workplace(db, actor, venue_id, "session:update")
    await store.lock_name(db, session_id)
    session = await _found(db, session_id)
    if not manages and session.facilitator_id != actor.user_id:
        raise Forbidden("Only who leads a session, or manages its venue, can change it.")
    return venue, session


async def _found(db: Db, session_id: int) -> Session:
    session = await store.find(db, session_id)
    if session is None:
        raise NotFound()
    return session


def _judged_time(
    hub: Hub, venue: Venue, starts_at: datetime, ends_at: datetime, was: Session | None = None
) -> tuple[datetime, datetime]:
    begin = zones.localise(starts_at, venue.timezone, "starts_at")
    end = zones.localise(ends_at, venue.timezone, "ends_at")
    if end <= begin:
        raise Invalid.field("ends_at", "must be after starts_at")
    if end - begin > _LONGEST:
        raise Invalid.field("ends_at", f"must be within {_LONGEST.days} days of starts_at")
    if begin <= hub.clock.now() and (was is None or begin != was.starts_at):
        raise Invalid.field("starts_at", "must lie in the future")
    return begin, end


async def _judge_room(db: Db, venue: Venue, room_id: int | None) -> None:
    if room_id is None:
        return
    room = await room_store.find(db, room_id)
    if room is None or room.venue_id != venue.id:
        raise Invalid.field("room_id", "is no room of this venue")
    room_type = await type_store.find(db, room.room_type_id)
    if room_type is None or room_type.sold_as == "pool":
        raise Invalid.field("room_id", "is one of a pool, whose rooms are given to guests at check-in")
    if not room.sellable or not room_type.is_active:
        raise Invalid.field("room_id", "is out of service")


async def _facilitator(db: Db, actor: Actor, venue: Venue, asked: int | None) -> int:
    facilitator_id = asked or access.signed_in(actor)
    admins = asked is None and actor.may("session:update")
    if not admins and not await store.may_lead(db, venue.id, facilitator_id):
        raise Invalid.field("facilitator_id", "neither owns this venue nor works there")
    return facilitator_id


def _claims(venue: Venue, session: Session) -> Sequence[Claim]:
    if session.room_id is None:
        return []
    busy = judging.buffered(venue, session.starts_at, session.ends_at)
    return [Claim(session_id=session.id, room_id=session.room_id, busy=busy)]


async def _take_room(work: Work, venue: Venue, session: Session) -> None:
    wanted = _claims(venue, session)
    refused = [(one.reason, one.held_until) for one in await claims.acquire(work.db, wanted)] if wanted else []
    if not refused and await closure_store.whole_venue_is_closed(work.db, venue.id, session.starts_at, session.ends_at):
        refused = [("closed", None)]
    if refused:
        said = [{"item": 0, "reason": reason, "held_until": held_until} for reason, held_until in refused]
        raise _RoomTaken(session, said)
    work.touch(*[Touched(room_id=claim.room_id, busy=claim.busy) for claim in wanted])


async def _resize(db: Db, session: Session, capacity: int) -> None:
    if capacity == session.capacity:
        return
    await store.forget_expired(db, session.id)
    if capacity < await store.places_taken(db, session.id):
        inventory.refuse(
            await obstacles.bookings_of_session(db, session.id), sentence="More places are taken than would be left."
        )
        raise Conflict("More places are taken than would be left.")
    await store.set_places(db, session.id, capacity)
