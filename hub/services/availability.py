"""Availability, for anybody to ask: what is free, at what price, and why the rest is not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.core import Actor, Hub
from hub.errors import Invalid
from hub.models.availability import (
    AskPlaceAvailability,
    AskRoomAvailability,
    AskStayAvailability,
    AskVenueAvailability,
    PlaceAvailability,
    RoomAvailability,
    SlotOffer,
    StayAvailability,
    VenueAvailability,
)
from hub.models.venues import Venue
from hub.services import access, catalogue, judging, openings, pricing, rating, zones
from hub.services.catalogue import RoomOffer
from storage import availability
from storage import room_types as type_store
from storage import rooms as room_store
from storage import sessions as session_store
from storage.query import Db

_LONGEST = timedelta(days=31)
_MOST_NIGHTS = 366


async def of_room(hub: Hub, actor: Actor, ask: AskRoomAvailability) -> RoomAvailability:
    """List a room's slots (or nights) between two instants, 31 days at most."""
    async with hub.reading() as db:
        offer = await catalogue.read_room(db, ask.room_id)
        await access.venue(db, actor, offer.venue.id)
        begin, end = _range(offer.venue, ask.from_, ask.to, hub.clock.now())
        return await _room(db, offer, begin, end, ask.minutes, hub.clock.now())


async def of_type(hub: Hub, actor: Actor, ask: AskStayAvailability) -> StayAvailability:
    """Tell whether a room of a type can be had for all nights of a stay."""
    _judge_nights(ask.check_in, ask.check_out)
    async with hub.reading() as db:
        offer = await catalogue.read_type(db, ask.room_type_id)
        await access.venue(db, actor, offer.venue.id)
        return await openings.stay(db, offer, ask.check_in, ask.check_out, ask.guests, ask.quantity, hub.clock.now())


async def of_session(hub: Hub, actor: Actor, ask: AskPlaceAvailability) -> PlaceAvailability:
    """Tell whether places in a session can be had."""
    async with hub.reading() as db:
        offer = await catalogue.read_session(db, ask.session_id)
        await access.venue(db, actor, offer.venue.id)
        return await openings.places(db, offer, ask.quantity, hub.clock.now())


async def of_venue(hub: Hub, actor: Actor, ask: AskVenueAvailability) -> VenueAvailability:
    """List what a venue offers: stays for the nights named, slots between the instants, and the sessions in reach."""
    if (ask.check_in is None) != (ask.check_out is None):
        raise Invalid.field("check_out", "name both check_in and check_out, or neither")
    now = hub.clock.now()
    async with hub.reading() as db:
        venue = await access.venue(db, actor, ask.venue_id)
        stays = []
        if ask.check_in is not None and ask.check_out is not None:
            _judge_nights(ask.check_in, ask.check_out)
            for room_type in await type_store.of_venue(db, venue.id):
                if room_type.price_unit == "night":
                    offer = await catalogue.read_type(db, room_type.id)
                    stay = await openings.stay(db, offer, ask.check_in, ask.check_out, ask.guests, 1, now)
                    stays.append(stay)
        begin, end = _range(venue, ask.from_, ask.to, now)
        rooms = []
        for room in await room_store.of_venue(db, venue.id):
            room_offer = await catalogue.read_room(db, room.id)
            if room_offer.room_type.price_unit == "hour":
                rooms.append(await _room(db, room_offer, begin, end, ask.minutes, now))
        reach = end if ask.to is not None else now + timedelta(days=venue.advance_days)
        sessions = [
            await openings.places(db, await catalogue.read_session(db, session.id), 1, now)
            for session in await session_store.of_venue(db, venue.id)
            if session.status == "active" and begin <= session.ends_at and session.starts_at <= reach
        ]
    return VenueAvailability(
        venue_id=venue.id, timezone=venue.timezone, currency=venue.currency, stays=stays, rooms=rooms, sessions=sessions
    )


async def _room(
    db: Db, offer: RoomOffer, begin: datetime, end: datetime, minutes: int | None, now: datetime
) -> RoomAvailability:
    venue = offer.venue
    if offer.room_type.price_unit == "hour":
        shortest = -(-venue.min_slot_minutes // venue.slot_step_minutes) * venue.slot_step_minutes
        slots = await openings.room_slots(db, offer, begin, end, timedelta(minutes=minutes or shortest), now)
    elif offer.room_type.sold_as == "room":
        slots = await _room_nights(db, offer, begin, end, now)
    else:
        slots = []
    return RoomAvailability(
        room_id=offer.room.id,
        venue_id=venue.id,
        room_type_id=offer.room_type.id,
        number=offer.room.number,
        timezone=venue.timezone,
        slots=slots,
    )


async def _room_nights(db: Db, offer: RoomOffer, begin: datetime, end: datetime, now: datetime) -> list[SlotOffer]:
    venue = offer.venue
    busy = await availability.busy(db, [offer.room.id], begin - timedelta(days=2), end + timedelta(days=2))
    zone = ZoneInfo(venue.timezone)
    night, last = begin.astimezone(zone).date(), end.astimezone(zone).date()
    slots = []
    while night <= last:
        following = night + timedelta(days=1)
        starts_at, ends_at = zones.stay(venue, night, following)
        rules = judging.judge_stay(venue, offer.room_type, offer.room, night, following, 1, 1, now)
        if not [reason for reason in rules if reason.code != "min_stay"]:
            state, until = openings.worst([one for one in busy if one.starts_at < ends_at and starts_at < one.ends_at])
            price = pricing.alone(rating.sold_stay(venue, offer.room_type, night, following, 1))
            slots.append(
                SlotOffer(
                    starts_at=starts_at, ends_at=ends_at, state=state, held_until=until, price=price,
                    currency=venue.currency,
                )
            )  # fmt: skip
        night = following
    return slots


def _judge_nights(check_in: date, check_out: date) -> None:
    if check_out <= check_in:
        raise Invalid.field("check_out", "must be after check_in")
    if (check_out - check_in).days > _MOST_NIGHTS:
        raise Invalid.field("check_out", f"ask for {_MOST_NIGHTS} nights at most")


def _range(venue: Venue, begin: datetime | None, end: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    starts = now if begin is None else zones.localise(begin, venue.timezone).astimezone(UTC)
    ends = starts + timedelta(days=1) if end is None else zones.localise(end, venue.timezone).astimezone(UTC)
    if ends <= starts:
        raise Invalid.field("to", "must be after from")
    if ends - starts > _LONGEST:
        raise Invalid.field("to", "ask for 31 days at most")
    return starts, ends
