"""What is on offer and free: the policies' rules and the claims as they stand, drawn as slots, nights and places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

from hub.models.availability import (
    NightOffer,
    PlaceAvailability,
    SlotOffer,
    State,
    StayAvailability,
    Verdict,
)
from hub.services import judging, pricing, rating, zones
from hub.services.catalogue import RoomOffer, SessionOffer, TypeOffer
from hub.services.judging import Reason
from storage import availability
from storage.query import Db

# No answer lists more candidate slots than this; a narrower range shows the rest.
_MOST_SLOTS = 2_000


def slot_starts(offer: RoomOffer, begin: datetime, end: datetime, length: timedelta) -> Iterator[datetime]:
    """List where a slot of this length may start between two instants by the venue's hours and steps, DST-correct."""
    step = timedelta(minutes=offer.venue.slot_step_minutes)
    minute = timedelta(minutes=1)
    for opens, closes in zones.open_windows(offer.venue, begin, end):
        start = max(opens, begin).astimezone(UTC).replace(second=0, microsecond=0)
        while start < max(opens, begin) or not judging.on_step(offer.venue, start):
            start += minute
            if start + length > closes:
                break
        while start + length <= min(closes, end):
            if judging.on_step(offer.venue, start):
                yield start
                start += step
            else:
                start += minute


async def room_slots(
    db: Db, offer: RoomOffer, begin: datetime, end: datetime, length: timedelta, now: datetime
) -> list[SlotOffer]:
    """List the slots of a room between two instants, each free, held, taken or closed, with its price."""
    venue = offer.venue
    reach = timedelta(minutes=venue.buffer_before_minutes + venue.buffer_after_minutes) + length
    busy = await availability.busy(db, [offer.room.id], begin - reach, end + reach)
    windows = zones.open_windows(venue, begin - length, end + length)
    slots: list[SlotOffer] = []
    for start in slot_starts(offer, max(begin, now), end, length):
        stop = start + length
        if judging.judge_slot(venue, offer.room_type, offer.room, start, stop, 1, now, windows):
            continue
        busy_from, busy_until = judging.buffered(venue, start, stop)
        blocks = [one for one in busy if one.starts_at < busy_until and busy_from < one.ends_at]
        state, until = worst(blocks)
        slots.append(
            SlotOffer(
                starts_at=start,
                ends_at=stop,
                state=state,
                held_until=until,
                price=pricing.alone(rating.sold_slot(venue, offer.room_type, offer.room.number, start, stop)),
                currency=venue.currency,
            )
        )
        if len(slots) >= _MOST_SLOTS:
            break
    return slots


def worst(blocks: list[availability.Busy]) -> tuple[State, datetime | None]:
    """Sum up what stands in the way of a time: closed before taken before held; held names when it may be free."""
    states = {one.state for one in blocks}
    if not states:
        return "free", None
    if "closed" in states:
        return "closed", None
    if "taken" in states:
        return "taken", None
    return "held", max(one.held_until for one in blocks if one.held_until is not None)


async def free_for_stay(db: Db, offer: TypeOffer, check_in: date, check_out: date) -> int:
    """Count the rooms of a type that are free for all nights of a stay."""
    return (await calendar(db, offer, check_in, check_out))(check_in, check_out)


async def calendar(db: Db, offer: TypeOffer, first: date, after: date) -> Callable[[date, date], int]:
    """Read a type's nights once, to count the rooms that are free for any stay among them."""
    if offer.room_type.sold_as == "pool":
        free = {night.night: night.free for night in await availability.nights(db, offer.room_type.id, first, after)}
        return lambda check_in, check_out: max(min(free[night] for night in zones.nights(check_in, check_out)), 0)
    rooms = await availability.rooms_on_sale(db, offer.room_type.id)
    busy = await availability.busy(db, rooms, *zones.stay(offer.venue, first, after))

    def count(check_in: date, check_out: date) -> int:
        begin, end = zones.stay(offer.venue, check_in, check_out)
        return len(set(rooms) - {one.room_id for one in busy if one.starts_at < end and begin < one.ends_at})

    return count


async def stay(
    db: Db, offer: TypeOffer, check_in: date, check_out: date, guests: int, quantity: int, now: datetime
) -> StayAvailability:
    """Answer whether a stay in a room of this type can be had, night by night, with its price."""
    room_type, venue = offer.room_type, offer.venue
    reasons = judging.judge_stay(venue, room_type, None, check_in, check_out, guests, quantity, now)
    free = await free_for_stay(db, offer, check_in, check_out)
    nights = await _nights(db, offer, check_in, check_out)
    until = max((night.held_until for night in nights if night.held_until and night.free < quantity), default=None)
    if free < quantity:
        full = [night for night in nights if night.free < quantity]
        code = "held" if full and all(night.free + night.held >= quantity for night in full) else "taken"
        reasons.append(
            Reason(code, "There are not that many rooms left for all nights.", "", until if code == "held" else None)
        )
    return StayAvailability(
        room_type_id=room_type.id,
        venue_id=venue.id,
        name=room_type.name,
        check_in=check_in,
        check_out=check_out,
        guests=guests,
        quantity=quantity,
        total_rooms=room_type.total_rooms,
        available_count=0 if _rules(reasons) else free,
        available=not reasons,
        reasons=verdicts(reasons),
        nights=nights,
        unit_price=rating.rate(room_type, check_in),
        price=pricing.alone(rating.sold_stay(venue, room_type, check_in, check_out, quantity)),
        currency=venue.currency,
    )


def _rules(reasons: list[Reason]) -> bool:
    return any(reason.code not in ("held", "taken") for reason in reasons)


async def _nights(db: Db, offer: TypeOffer, check_in: date, check_out: date) -> list[NightOffer]:
    if offer.room_type.sold_as == "pool":
        counted = await availability.nights(db, offer.room_type.id, check_in, check_out)
        return [NightOffer(**night.model_dump(), price=rating.rate(offer.room_type, night.night)) for night in counted]
    rooms = await availability.rooms_on_sale(db, offer.room_type.id)
    spans = [
        (night, *zones.stay(offer.venue, night, night + timedelta(days=1)))
        for night in zones.nights(check_in, check_out)
    ]
    busy = await availability.busy(db, rooms, spans[0][1], spans[-1][2])
    nights = []
    for night, begin, end in spans:
        blocks = [one for one in busy if one.starts_at < end and begin < one.ends_at]
        states = [worst([one for one in blocks if one.room_id == room_id]) for room_id in rooms]
        free = sum(state == "free" for state, _ in states)
        held = [until for state, until in states if state == "held"]
        nights.append(
            NightOffer(
                night=night,
                total=len(rooms),
                taken=len(rooms) - free - len(held),
                held=len(held),
                free=free,
                held_until=min((until for until in held if until is not None), default=None),
                price=rating.rate(offer.room_type, night),
            )
        )
    return nights


async def places(db: Db, offer: SessionOffer, quantity: int, now: datetime) -> PlaceAvailability:
    """Answer whether places in a session can be had, with their price."""
    session, venue = offer.session, offer.venue
    reasons = judging.judge_place(venue, session, quantity, now)
    state = await availability.places(db, session.id)
    assert state is not None
    if state.free < quantity:
        code = "held" if state.free + state.held >= quantity else "taken"
        until = state.held_until if code == "held" else None
        reasons.append(Reason(code, "There are not that many places left.", "quantity", until))
    return PlaceAvailability(
        session_id=session.id,
        venue_id=venue.id,
        title=session.title,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        total=state.total,
        taken=state.taken,
        held=state.held,
        free=state.free,
        held_until=state.held_until,
        quantity=quantity,
        available=not reasons,
        reasons=verdicts(reasons),
        unit_price=session.price,
        price=pricing.alone(rating.sold_places(venue, session.title, session.starts_at, session.price, quantity)),
        currency=venue.currency,
    )


def verdicts(reasons: list[Reason]) -> list[Verdict]:
    """Write reasons as the public reads them."""
    return [Verdict(reason=one.code, sentence=one.sentence, held_until=one.held_until) for one in reasons]
