"""The nearest things that could be had instead of what was refused; each is an item ready to be asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from hub.core import Hub
from hub.models.availability import SlotOffer
from hub.models.bookings import AskAddon, AskItem, AskPlace, AskSlot, AskStay
from hub.services import catalogue, items, judging, openings, pricing
from hub.services.items import AskMain
from storage import alternatives as nearby
from storage import availability
from storage import room_types as type_store

_MOST = 3
# How many days around a time are searched: first the nearest, more only if too little is free there.
_DAYS_AROUND = (1, 7)
_NIGHTS_AROUND = 14


async def near(hub: Hub, place: int, item: AskItem) -> list[dict[str, Any]]:
    """Find up to three alternatives for the item at `place` of a basket, the nearest first.

    When a crowd is refused the same thing at the same moment, one search serves them all.
    """
    search = hub.searches.get(item)
    if search is None:
        search = hub.searches[item] = asyncio.create_task(_search(hub, item))
        search.add_done_callback(lambda _: hub.searches.pop(item))
    return [{"for_item": place, **one} for one in await asyncio.shield(search)]


async def _search(hub: Hub, item: AskItem) -> list[dict[str, Any]]:
    if isinstance(item, AskStay):
        return await _stays(hub, item)
    if isinstance(item, AskSlot):
        return await _slots(hub, item)
    if isinstance(item, AskAddon):
        return []
    return await _places(hub, item)


async def _offer(hub: Hub, label: str, item: AskMain) -> dict[str, Any] | None:
    line = await items.line(hub, item)
    if line.reasons:
        return None
    asked = item.model_dump(mode="json", exclude_none=True)
    price, currency = pricing.alone(line.sold), line.fields["currency"]
    return {"kind": item.kind, "label": label, "item": asked, "price": price, "currency": currency}


async def _slots(hub: Hub, item: AskSlot) -> list[dict[str, Any]]:
    line = await items.line(hub, item)
    begin, end = line.fields["starts_at"], line.fields["ends_at"]
    offer = await catalogue.room(hub, item.room_id)
    free: list[SlotOffer] = []
    async with hub.reading() as db:
        siblings = await nearby.siblings(db, item.room_id)
        busy = await availability.busy(db, siblings, begin - timedelta(days=1), end + timedelta(days=1))
        for around in map(timedelta, _DAYS_AROUND):
            slots = await openings.room_slots(db, offer, begin - around, end + around, end - begin, hub.clock.now())
            free = [slot for slot in slots if slot.state == "free"]
            if len(free) >= _MOST:
                break
    free.sort(key=lambda slot: abs(slot.starts_at - begin))
    candidates: list[tuple[str, AskMain]] = []
    busy_from, busy_until = judging.buffered(offer.venue, begin, end)
    for room_id in siblings:
        if not any(one.room_id == room_id and one.starts_at < busy_until and busy_from < one.ends_at for one in busy):
            other = await catalogue.room(hub, room_id)
            candidates.append(
                (f"{other.room.number}, same time", _moved(item, begin, end).model_copy(update={"room_id": room_id}))
            )
            break
    candidates += [("same room, nearest time", _moved(item, slot.starts_at, slot.ends_at)) for slot in free[:_MOST]]
    return await _first_offers(hub, candidates)


def _moved(item: AskSlot, begin: datetime, end: datetime) -> AskSlot:
    return item.model_copy(update={"starts_at": begin, "ends_at": end})


async def _stays(hub: Hub, item: AskStay) -> list[dict[str, Any]]:
    if item.room_id is not None:
        room = await catalogue.room(hub, item.room_id)
        type_id, venue_id = room.room_type.id, room.venue.id
    else:
        assert item.room_type_id is not None
        type_id, venue_id = item.room_type_id, (await catalogue.room_type(hub, item.room_type_id)).venue.id
    asked = item.model_copy(update={"room_type_id": type_id, "room_id": None})
    nights = (item.check_out - item.check_in).days
    async with hub.reading() as db:
        types = [one.id for one in await type_store.of_venue(db, venue_id) if one.price_unit == "night"]
    # Whatever is not remembered is read here: who keeps one connection must not wait for a second.
    others = [await catalogue.room_type(hub, one) for one in types if one != item.room_type_id]
    offer = await catalogue.room_type(hub, type_id)
    first = item.check_in - timedelta(days=_NIGHTS_AROUND)
    async with hub.reading() as db:
        same_nights = [
            other.room_type
            for other in others
            if await openings.free_for_stay(db, other, item.check_in, item.check_out) >= item.quantity
        ]
        free = await openings.calendar(db, offer, first, item.check_out + timedelta(days=_NIGHTS_AROUND))
    candidates = [
        (f"{room_type.name}, same nights", asked.model_copy(update={"room_type_id": room_type.id}))
        for room_type in same_nights[: _MOST - 1]
    ]
    for shift in sorted(range(-_NIGHTS_AROUND, _NIGHTS_AROUND + 1), key=abs):
        begin = item.check_in + timedelta(days=shift)
        moved = asked.model_copy(update={"check_in": begin, "check_out": begin + timedelta(days=nights)})
        if shift and free(moved.check_in, moved.check_out) >= item.quantity:
            candidates.append(("nearest nights", moved))
    return await _first_offers(hub, candidates)


async def _first_offers(hub: Hub, candidates: Iterable[tuple[str, AskMain]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for label, item in candidates:
        offer = await _offer(hub, label, item)
        if offer is not None:
            found.append(offer)
        if len(found) == _MOST:
            break
    return found


async def _places(hub: Hub, item: AskPlace) -> list[dict[str, Any]]:
    async with hub.reading() as db:
        state = await availability.places(db, item.session_id)
        near_by = await nearby.sessions_with_places(db, item.session_id, item.quantity, _MOST)
    candidates: list[tuple[str, AskMain]] = []
    if state is not None and 0 < state.free < item.quantity:
        candidates.append((f"{state.free} places are left", item.model_copy(update={"quantity": state.free})))
    for session_id in near_by:
        other = await catalogue.session(hub, session_id)
        candidates.append((other.session.title, item.model_copy(update={"session_id": session_id})))
    return await _first_offers(hub, candidates)
