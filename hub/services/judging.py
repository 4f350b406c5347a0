"""May it be asked for at all? Pure rules over policies and the clock; the same make the offer and judge the ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.models.room_types import RoomType
from hub.models.rooms import Room
from hub.models.sessions import Session
from hub.models.venues import Venue
from hub.services import zones


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item cannot be had: a stable code, a sentence, the field to change, and until when it is only held."""

    code: str
    sentence: str
    field: str = ""
    held_until: datetime | None = None


def buffered(venue: Venue, starts_at: datetime, ends_at: datetime) -> tuple[datetime, datetime]:
    """Answer how long a slot keeps its room busy, with the venue's buffers around it."""
    before = timedelta(minutes=venue.buffer_before_minutes)
    return starts_at - before, ends_at + timedelta(minutes=venue.buffer_after_minutes)


def judge_stay(
    venue: Venue,
    room_type: RoomType,
    room: Room | None,
    check_in: date,
    check_out: date,
    guests: int,
    quantity: int,
    now: datetime,
) -> list[Reason]:
    """Judge a stay by everything but who else wants it."""
    reasons = _judge_room(venue, room_type, room, "night")
    nights = (check_out - check_in).days
    today = now.astimezone(ZoneInfo(venue.timezone)).date()
    if check_in < today:
        reasons.append(Reason("in_past", "The first night has passed.", "check_in"))
    else:
        reasons += _judge_notice(venue, zones.stay(venue, check_in, check_out)[0], now, "check_in")
    if nights < venue.min_nights:
        reasons.append(Reason("min_stay", f"Stay {venue.min_nights} nights or more.", "check_out"))
    if nights > venue.max_nights:
        reasons.append(Reason("max_stay", f"Stay {venue.max_nights} nights at most.", "check_out"))
    if (check_out - today).days > venue.advance_days:
        reasons.append(Reason("too_far", f"Bookings open {venue.advance_days} days ahead.", "check_out"))
    if guests > room_type.capacity * quantity:
        reasons.append(Reason("capacity", f"There is room for {room_type.capacity} guests in one.", "guests"))
    if room_type.sold_as == "pool" and room is not None:
        reasons.append(Reason("sold_as_pool", "This room's number is assigned later; ask for its type.", "room_id"))
    return reasons


def judge_slot(
    venue: Venue,
    room_type: RoomType,
    room: Room,
    starts_at: datetime,
    ends_at: datetime,
    guests: int,
    now: datetime,
    windows: Sequence[zones.Window] | None = None,
) -> list[Reason]:
    """Judge a slot by everything but who else wants it; who judges many brings the opening windows around them."""
    reasons = _judge_room(venue, room_type, room, "hour")
    minutes = (ends_at - starts_at).total_seconds() / 60
    if minutes <= 0:
        return [*reasons, Reason("reversed", "The end must be after the start.", "ends_at")]
    if starts_at < now:
        reasons.append(Reason("in_past", "This time has passed.", "starts_at"))
    else:
        reasons += _judge_notice(venue, starts_at, now, "starts_at")
    if ends_at > now + timedelta(days=venue.advance_days):
        reasons.append(Reason("too_far", f"Bookings open {venue.advance_days} days ahead.", "ends_at"))
        return reasons
    if minutes < venue.min_slot_minutes:
        reasons.append(Reason("too_short", f"Book {venue.min_slot_minutes} minutes or more.", "ends_at"))
    if minutes > venue.max_slot_minutes:
        reasons.append(Reason("too_long", f"Book {venue.max_slot_minutes} minutes at most.", "ends_at"))
        return reasons
    if windows is None:
        windows = zones.open_windows(venue, starts_at - timedelta(days=1), ends_at + timedelta(days=1))
    window = next((w for w in windows if w[0] <= starts_at and ends_at <= w[1]), None)
    if window is None:
        reasons.append(Reason("closed", "The venue is closed for all or part of this time.", "starts_at"))
    if not on_step(venue, starts_at) or minutes % venue.slot_step_minutes:
        reasons.append(
            Reason("off_step", f"Times go in steps of {venue.slot_step_minutes} minutes from midnight.", "starts_at")
        )
    if guests > room_type.capacity:
        reasons.append(Reason("capacity", f"There is room for {room_type.capacity} guests.", "guests"))
    return reasons


def on_step(venue: Venue, starts_at: datetime) -> bool:
    """Tell whether a start falls on the venue's steps, counted on the local clock from midnight."""
    local = starts_at.astimezone(ZoneInfo(venue.timezone))
    return (local.hour * 60 + local.minute) % venue.slot_step_minutes == 0 and local.second == local.microsecond == 0


def judge_place(venue: Venue, session: Session, quantity: int, now: datetime) -> list[Reason]:
    """Judge places in a session by everything but who else wants them."""
    reasons = []
    if not venue.is_active:
        reasons.append(Reason("not_offered", "This venue takes no bookings at present.", "session_id"))
    if session.status != "active":
        reasons.append(Reason("session_cancelled", "This session has been cancelled.", "session_id"))
    if session.starts_at <= now:
        reasons.append(Reason("in_past", "This session has begun.", "session_id"))
    else:
        reasons += _judge_notice(venue, session.starts_at, now, "session_id")
    if quantity > session.capacity:
        reasons.append(Reason("capacity", f"There are {session.capacity} places in all.", "quantity"))
    return reasons


def _judge_room(venue: Venue, room_type: RoomType, room: Room | None, unit: str) -> list[Reason]:
    field = "room_type_id" if room is None else "room_id"
    if not venue.is_active or not room_type.is_active or (room is not None and not room.is_active):
        return [Reason("not_offered", "This is not offered at present.", field)]
    if room is not None and room.status in ("maintenance", "out_of_service"):
        return [Reason("out_of_service", "This room is out of service.", field)]
    if room_type.price_unit != unit:
        return [Reason("wrong_unit", f"This is sold by the {room_type.price_unit}.", field)]
    return []


def _judge_notice(venue: Venue, starts_at: datetime, now: datetime, field: str) -> list[Reason]:
    if venue.lead_time_minutes and starts_at < now + timedelta(minutes=venue.lead_time_minutes):
        return [Reason("too_soon", f"Book {venue.lead_time_minutes} minutes ahead or more.", field)]
    return []
