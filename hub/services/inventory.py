"""What every change of the inventory shares: pools counted anew, closures made whole, and who stands in the way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from hub.core import Actor
from hub.errors import HasBookings
from hub.events.closures import ClosureDeleted
from hub.models.base import Ask
from hub.models.closures import Closure
from hub.models.venues import Venue
from hub.services import zones
from hub.work import Work
from storage import claims
from storage import closures as closure_store
from storage import inventory as store
from storage import room_types as type_store
from storage import rooms as room_store
from storage import venues as venue_store
from storage.claims import Claim
from storage.event_log import Touched
from storage.inventory import BookingInTheWay, SessionInTheWay


def sees_everything(actor: Actor) -> bool:
    """Tell whether a role lets this person see what venues do not show the public."""
    return actor.may("booking:read")


def named(ask: Ask, *keys: str) -> dict[str, Any]:
    """Answer the fields that a change names, as the database reads them, without those that name the thing."""
    return ask.model_dump(mode="json", include=set(ask.model_fields_set) - set(keys))


def refuse(
    bookings: Sequence[BookingInTheWay], sessions: Sequence[SessionInTheWay] = (), sentence: str | None = None
) -> None:
    """Refuse what bookings or sessions stand in the way of, and name them."""
    if bookings or sessions:
        raise HasBookings(
            sentence,
            bookings=[booking.model_dump(mode="json") for booking in bookings],
            sessions=[session.model_dump(mode="json") for session in sessions],
        )


async def changed(work: Work, venue_id: int) -> None:
    """Count a change of the venue's inventory, so that what was judged before is judged again."""
    await venue_store.grow_catalogue(work.db, venue_id)


async def lock_all(work: Work, venue: Venue, from_night: date) -> None:
    """Let nobody claim any room of this venue until commit."""
    rooms = await room_store.of_venue(work.db, venue.id)
    types = await type_store.of_venue(work.db, venue.id)
    await store.lock(work.db, [room.id for room in rooms], [room_type.id for room_type in types], from_night)


async def settle(work: Work, venue: Venue, room_type_ids: Sequence[int], now: datetime) -> list[int]:
    """Count the rooms of these locked types anew, and let closures take from them what they close.

    Answers the types that have another number of rooms now; refuses when more are booked than would be left.
    """
    db, today = work.db, zones.today(venue, now)
    before = await closure_store.counters(db, room_type_ids, today)
    await closure_store.release_nights(db, room_type_ids, today)
    resized = []
    for room_type_id in room_type_ids:
        total = await type_store.count_rooms(db, room_type_id)
        oversold = await type_store.oversold_nights(db, room_type_id, today, total)
        if oversold:
            await _refuse_nights(work, venue, room_type_id, oversold)
        if await type_store.resize(db, room_type_id, today, total):
            resized.append(room_type_id)
    pools = {one.id for one in await type_store.of_venue(db, venue.id) if one.sold_as == "pool"} & set(room_type_ids)
    for closure in await closure_store.of_venue(db, venue.id):
        await _close_nights(work, venue, closure, pools, today)
    after = await closure_store.counters(db, room_type_ids, today)
    work.touch(*(Touched(room_type_id=one.room_type_id, night=one.night) for one in _differing(before, after)))
    return resized


def _differing(
    before: Sequence[closure_store.Night], after: Sequence[closure_store.Night]
) -> Sequence[closure_store.Night]:
    """Pick the nights whose counts the public must hear of; an untouched night says no more than its type."""
    known = {(one.room_type_id, one.night): one for one in before}
    pairs = [(one, known.get((one.room_type_id, one.night))) for one in after]
    return [one for one, was in pairs if one != was and (one.taken or (was and was.taken))]


async def _close_nights(work: Work, venue: Venue, closure: Closure, pools: set[int], today: date) -> None:
    nights = [night for night in zones.nights_within(venue, closure.starts_at, closure.ends_at) if night >= today]
    wanted: list[Claim] = []
    if closure.of_whole_venue:
        wanted = [
            Claim(closure_id=closure.id, room_type_id=one.room_type_id, night=one.night, quantity=one.total - one.taken)
            for one in await closure_store.rooms_left(work.db, sorted(pools), nights)
        ]
    elif closure.room_type_id in pools:
        wanted = [
            Claim(closure_id=closure.id, room_type_id=closure.room_type_id, night=night, quantity=closure.quantity or 1)
            for night in nights
        ]
    elif closure.room_id is not None:
        room = await room_store.find(work.db, closure.room_id)
        if room is not None and room.room_type_id in pools and room.sellable:
            wanted = [Claim(closure_id=closure.id, room_type_id=room.room_type_id, night=night) for night in nights]
    refusals = await claims.acquire(work.db, wanted) if wanted else []
    if refusals:
        refused = [wanted[refusal.item] for refusal in refusals]
        room_type_id = refused[0].room_type_id
        assert room_type_id is not None
        await _refuse_nights(work, venue, room_type_id, [one.night for one in refused if one.night is not None])


async def _refuse_nights(work: Work, venue: Venue, room_type_id: int, nights: Sequence[date]) -> None:
    in_the_way = await store.bookings_of_nights(work.db, venue.id, [room_type_id], nights)
    raise HasBookings(
        "More rooms are booked or closed on some nights than would be left.",
        bookings=[booking.model_dump(mode="json") for booking in in_the_way],
        sessions=[],
        nights=[night.isoformat() for night in nights],
    )


async def close_rooms(work: Work, closures: Sequence[Closure], room_ids: Sequence[int] | None = None) -> None:
    """Let closures claim the times of their numbered rooms (of these only) that no closure has claimed yet."""
    for closure in closures:
        gaps = await closure_store.open_times(work.db, closure.id, room_ids)
        wanted = [Claim(closure_id=closure.id, room_id=gap.room_id, busy=(gap.begin, gap.end)) for gap in gaps]
        refusals = await claims.acquire(work.db, wanted) if wanted else []
        if refusals:
            refused = [gap.room_id for gap in (gaps[refusal.item] for refusal in refusals)]
            span = (closure.starts_at, closure.ends_at)
            raise HasBookings(
                bookings=[
                    booking.model_dump(mode="json")
                    for booking in await store.bookings_of_rooms(work.db, closure.venue_id, refused, *span)
                ],
                sessions=[
                    session.model_dump(mode="json")
                    for session in await store.sessions_in_rooms(work.db, refused, *span)
                ],
            )
        work.touch(*(Touched(room_id=claim.room_id, busy=claim.busy) for claim in wanted))


async def end_closures(work: Work, venue: Venue, room_type_ids: Sequence[int], room_ids: Sequence[int]) -> None:
    """End the closures of locked types and rooms that are about to go."""
    for closure in await closure_store.of_venue(work.db, venue.id):
        if closure.room_type_id in room_type_ids or closure.room_id in room_ids:
            await work.touch_claims(closure_id=closure.id)
            await claims.release_closures(work.db, [closure.id])
            await closure_store.delete(work.db, closure.id)
            work.tell(ClosureDeleted(thing=closure))
