"""One item of a basket: judged by its venue's rules, and priced by its rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any, TypeAlias

from hub.core import Hub
from hub.models.bookings import AskAddon, AskPlace, AskSlot, AskStay
from hub.models.venues import Venue
from hub.services import beside, catalogue, judging, rating, zones
from hub.services.judging import Reason
from hub.services.rating import Sold

AskMain: TypeAlias = AskStay | AskSlot | AskPlace


@dataclass(frozen=True, slots=True)
class Line:
    """One item of a basket as the database takes it (see 0009_placing.sql), with the venue it is at."""

    venue: Venue
    sold: Sold
    fields: dict[str, Any]
    reasons: list[Reason]


async def line(hub: Hub, item: AskMain) -> Line:
    """Judge and price one item on what is on offer; its price is that of its rates."""
    if isinstance(item, AskStay):
        return await _stay(hub, item)
    if isinstance(item, AskSlot):
        return await _slot(hub, item)
    return await _place(hub, item)


async def _stay(hub: Hub, item: AskStay) -> Line:
    offer: catalogue.RoomOffer | catalogue.TypeOffer
    if item.room_id is not None:
        offer = await catalogue.room(hub, item.room_id)
        room = offer.room
    else:
        assert item.room_type_id is not None
        offer, room = await catalogue.room_type(hub, item.room_type_id), None
    venue, room_type = offer.venue, offer.room_type
    now = hub.clock.now()
    reasons = judging.judge_stay(venue, room_type, room, item.check_in, item.check_out, item.guests, item.quantity, now)
    begin, end = zones.stay(venue, item.check_in, item.check_out)
    # What is longer than a venue takes is refused, and nobody counts its nights.
    last = min(item.check_out, item.check_in + timedelta(days=venue.max_nights))
    sold = rating.sold_stay(venue, room_type, item.check_in, last, item.quantity)
    fields = {
        "kind": "stay",
        "venue_id": venue.id,
        "catalogue_version": offer.version,
        "room_type_id": room_type.id,
        "room_id": item.room_id,
        "title": f"{venue.name}: {room_type.name}" + (f" {room.number}" if room else ""),
        "starts_at": begin,
        "ends_at": end,
        "busy_from": begin,
        "busy_until": end,
        "check_in": item.check_in,
        "check_out": item.check_out,
        "guests": item.guests,
        "quantity": item.quantity,
        "unit_price": sold.unit_price,
        "price": sold.price,
        "currency": venue.currency,
    }
    return Line(venue, sold, fields, reasons)


async def _slot(hub: Hub, item: AskSlot) -> Line:
    offer = await catalogue.room(hub, item.room_id)
    venue, room_type = offer.venue, offer.room_type
    begin = zones.localise(item.starts_at, venue.timezone, "starts_at").astimezone(UTC)
    end = zones.localise(item.ends_at, venue.timezone, "ends_at").astimezone(UTC)
    reasons = judging.judge_slot(venue, room_type, offer.room, begin, end, item.guests, hub.clock.now())
    busy_from, busy_until = judging.buffered(venue, begin, end)
    last = min(end, begin + timedelta(minutes=venue.max_slot_minutes))
    sold = rating.sold_slot(venue, room_type, offer.room.number, begin, last)
    fields = {
        "kind": "slot",
        "venue_id": venue.id,
        "catalogue_version": offer.version,
        "room_type_id": room_type.id,
        "room_id": item.room_id,
        "title": f"{venue.name}: {offer.room.number}",
        "starts_at": begin,
        "ends_at": end,
        "busy_from": busy_from,
        "busy_until": busy_until,
        "guests": item.guests,
        "quantity": 1,
        "unit_price": sold.unit_price,
        "price": sold.price,
        "currency": venue.currency,
    }
    return Line(venue, sold, fields, reasons)


async def _place(hub: Hub, item: AskPlace) -> Line:
    offer = await catalogue.session(hub, item.session_id)
    venue, session = offer.venue, offer.session
    sold = rating.sold_places(venue, session.title, session.starts_at, session.price, item.quantity)
    fields = {
        "kind": "place",
        "venue_id": venue.id,
        "catalogue_version": offer.version,
        "session_id": session.id,
        "title": session.title,
        "starts_at": session.starts_at,
        "ends_at": session.ends_at,
        "guests": item.quantity,
        "quantity": item.quantity,
        "unit_price": session.price,
        "price": sold.price,
        "currency": venue.currency,
    }
    return Line(venue, sold, fields, judging.judge_place(venue, session, item.quantity, hub.clock.now()))


async def addon(hub: Hub, item: AskAddon, company: Mapping[int, beside.Company]) -> Line:
    """Judge and price an add-on beside what else a basket has at its venue."""
    offer = await catalogue.addon(hub, item.addon_id)
    venue, sold_beside = offer.venue, offer.addon
    with_it = company.get(venue.id)
    reasons = beside.judge(venue, sold_beside, with_it)
    with_it = with_it or beside.nobody(hub.clock.now())
    # Of what is for each guest there are as many in use at the same time as there are guests.
    guests = max(with_it.guests, 1) if sold_beside.price_per == "guest" else 1
    quantity = item.quantity * guests
    sold = rating.sold_addon(venue, sold_beside, with_it.starts_at, quantity, with_it.nights, with_it.minutes)
    fields = {
        "kind": "addon",
        "venue_id": venue.id,
        "catalogue_version": offer.version,
        "addon_id": sold_beside.id,
        "title": sold.title,
        "starts_at": with_it.starts_at,
        "ends_at": with_it.ends_at,
        "guests": guests,
        "quantity": quantity,
        "unit_price": sold.unit_price,
        "price": sold.price,
        "currency": venue.currency,
    }
    return Line(venue, sold, fields, reasons)
