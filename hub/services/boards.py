"""What a venue's boards show at first paint: the same drawing as static/js/grid.js, and tested to be.

Times are milliseconds since 1970, as in the browser. A hold that has run out counts as free.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from hub.services import zones

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE = 60_000

Json: TypeAlias = dict[str, Any]


@dataclass
class State:
    """The changes of a snapshot, found by what they are about."""

    busy: defaultdict[int, list[Json]] = field(default_factory=lambda: defaultdict(list))
    nights: dict[tuple[int, str], Json] = field(default_factory=dict)
    places: dict[int, Json] = field(default_factory=dict)


def state_of(snapshot: Json, now: int) -> State:
    """Sort a snapshot's availability by room, night and session."""
    state = State()
    for change in snapshot["availability"]:
        until = None if change.get("held_until") is None else instant(change["held_until"])
        if change["kind"] == "room":
            if change["state"] == "free" or (change["state"] == "held" and (until or 0) <= now):
                continue
            times = {"from": instant(change["starts_at"]), "to": instant(change["ends_at"])}
            state.busy[change["room_id"]].append({**times, "state": change["state"], "until": until})
            continue
        back = 1 if change["held"] > 0 and until is not None and until <= now else 0
        held = change["held"] - back
        counts = {
            "total": change["total"],
            "free": change["free"] + back,
            "held": held,
            "until": until if held > 0 and not back else None,
        }
        if change["kind"] == "night":
            state.nights[change["room_type_id"], change["night"]] = counts
        else:
            state.places[change["session_id"]] = counts
    return state


def instant(text: str) -> int:
    """Read an RFC 3339 time as milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def at(day: str, minute: int, zone: str) -> int:
    """Answer the instant of a minute of a local day; a minute of 1440 or more lies on the next day."""
    later, rest = divmod(minute, 1440)
    found = zones.instant(date.fromisoformat(day) + timedelta(days=later), time(rest // 60, rest % 60), zone)
    return round(found.timestamp() * 1000)


def local_day(now: int, zone: str) -> str:
    """Answer the local day at an instant."""
    return datetime.fromtimestamp(now / 1000, ZoneInfo(zone)).date().isoformat()


def add_days(day: str, count: int) -> str:
    """Answer the day so many days later."""
    return (date.fromisoformat(day) + timedelta(days=count)).isoformat()


def rate_of(room_type: Json, day: str | None = None) -> int:
    """Answer what one night or hour costs, usually or on a local day, with the type's own discount; rounded half up."""
    price, rate = room_type["price"], _rated(room_type, day)
    if rate is not None:
        price = rate["price"] if rate["price"] is not None else (price * rate["percent"] * 2 + 100) // 200
    discount = round(room_type["discount_percentage"] * 100)
    return int((price * (10_000 - discount) + 5_000) // 10_000)


def _rated(room_type: Json, day: str | None) -> Json | None:
    """Find the rate that counts on a local day, which is the first that fits."""
    if day is None or not room_type.get("rates"):
        return None
    name = WEEK[date.fromisoformat(day).weekday()]
    return next(
        (
            rate
            for rate in room_type["rates"]
            if (rate["starts_on"] is None or rate["starts_on"] <= day)
            and (rate["ends_on"] is None or day <= rate["ends_on"])
            and (not rate["weekdays"] or name in rate["weekdays"])
        ),
        None,
    )


def slot_price(rate: int, minutes: int) -> int:
    """Answer what some minutes cost at an hourly rate; minor units, rounded half up."""
    return (rate * minutes * 2 + 60) // 120


def hours_price(room_type: Json, begin: int, end: int, zone: str) -> int:
    """Answer what a time costs by the rates of the local days that it lies on; rounded half up once."""
    if not room_type.get("rates"):
        return slot_price(rate_of(room_type), max(end - begin, 0) // MINUTE)
    total, day = 0, local_day(begin, zone)
    while begin < end:
        until = min(end, at(day, 1440, zone))
        if until > begin:
            total += rate_of(room_type, day) * ((until - begin) // MINUTE)
            begin = until
        day = add_days(day, 1)
    return slot_price(total, 1)


def types_by(snapshot: Json, unit: str) -> list[Json]:
    """List the types that are sold by this unit, the cheapest first."""
    types = [one for one in snapshot["room_types"] if one["price_unit"] == unit and one["is_active"]]
    return sorted(types, key=lambda one: (one["price"], one["id"]))


def rooms_of(snapshot: Json, types: list[Json]) -> list[Json]:
    """List the rooms of these types that can be sold."""
    ids = {one["id"] for one in types}
    sold = [
        room
        for room in snapshot["rooms"]
        if room["room_type_id"] in ids and room["is_active"] and room["status"] in ("available", "occupied")
    ]
    return sorted(sold, key=lambda room: int(room["id"]))


def minutes_of(clock: str) -> int:
    """Read a time of day as minutes."""
    return int(clock[:2]) * 60 + int(clock[3:5])


def _in_the_way(times: list[Json], begin: int, end: int) -> Json | None:
    met = [time for time in times if time["from"] < end and time["to"] > begin]
    firm = next((time for time in met if time["state"] != "held"), None)
    if firm is not None:
        return {"state": firm["state"], "until": None}
    return {"state": "held", "until": max(time["until"] for time in met)} if met else None


def _state_from(counts: Json) -> str:
    if counts["free"] > 0:
        return "free"
    return "held" if counts["held"] > 0 else "taken"


def night_board(snapshot: Json, first: str, count: int, now: int) -> Json:
    """Draw room types by nights: how many rooms are free in each."""
    venue, state = snapshot["venue"], state_of(snapshot, now)
    days = [add_days(first, n) for n in range(count)]
    lines = []
    for room_type in types_by(snapshot, "night"):
        rooms = rooms_of(snapshot, [room_type]) if room_type["sold_as"] == "room" else []
        cells = [
            {**_night_cell(venue, room_type, rooms, day, state, now), "rate": rate_of(room_type, day)} for day in days
        ]
        lines.append({"key": str(room_type["id"]), "type": room_type, "rate": rate_of(room_type), "cells": cells})
    return {"days": days, "lines": lines, "min": venue["min_nights"], "max": venue["max_nights"]}


def _night_cell(venue: Json, room_type: Json, rooms: list[Json], day: str, state: State, now: int) -> Json:
    zone = venue["timezone"]
    arrival = at(day, minutes_of(venue["check_in_time"]), zone)
    departure = at(add_days(day, 1), minutes_of(venue["check_out_time"]), zone)
    if room_type["sold_as"] == "pool":
        total = room_type["total_rooms"]
        untouched = {"total": total, "free": total, "held": 0, "until": None}
        counts = state.nights.get((room_type["id"], day), untouched)
    else:
        counts = _count_rooms(rooms, state, arrival, departure)
    ahead = (date.fromisoformat(day) - date.fromisoformat(local_day(now, zone))).days
    lead = venue["lead_time_minutes"]
    too_soon = lead > 0 and arrival < now + lead * MINUTE
    is_open = venue["is_active"] and 0 <= ahead < venue["advance_days"] and not too_soon and counts["total"] > 0
    return {"key": day, **counts, "state": _state_from(counts) if is_open else "closed"}


def _count_rooms(rooms: list[Json], state: State, begin: int, end: int) -> Json:
    met = [_in_the_way(state.busy[room["id"]], begin, end) for room in rooms]
    held = [one["until"] for one in met if one is not None and one["state"] == "held"]
    free = sum(1 for one in met if one is None)
    return {"total": len(rooms), "free": free, "held": len(held), "until": min(held, default=None)}


def windows_of(venue: Json) -> list[list[tuple[int, int]]]:
    """List each weekday's opening windows in minutes of the day; one past midnight ends after 1440."""
    if venue["opening_hours"] is None:
        return [[(0, 1440)] for _ in WEEK]
    week = []
    for name in WEEK:
        pairs = [(minutes_of(opens), minutes_of(closes)) for opens, closes in venue["opening_hours"].get(name, [])]
        week.append([(begin, end if end > begin else end + 1440) for begin, end in pairs])
    return week


def rows_of(venue: Json) -> tuple[list[int], int]:
    """Answer the minutes of the day at which the rows of the hour board begin, and how long each is."""
    windows = [window for day in windows_of(venue) for window in day]
    if not windows:
        return [], 60
    unit = venue["slot_step_minutes"]
    halves = any(begin % 60 or end % 60 for begin, end in windows) and 30 % unit == 0
    step = unit * -(-(30 if halves else 60) // unit)
    first = -(-min(begin for begin, _ in windows) // unit) * unit
    last = max(end for _, end in windows) - step
    starts = range(first, last + 1, step)
    return [m for m in starts if any(begin <= m and m + step <= end for begin, end in windows)], step


def hour_board(snapshot: Json, room: Json, first: str, count: int, now: int) -> Json:
    """Draw one room's hours by days."""
    venue, state = snapshot["venue"], state_of(snapshot, now)
    rows, step = rows_of(venue)
    room_type = next(one for one in snapshot["room_types"] if one["id"] == room["room_type_id"])
    rate, week, zone = rate_of(room_type), windows_of(venue), venue["timezone"]
    lines = []
    for n in range(count):
        day = add_days(first, n)
        windows = week[date.fromisoformat(day).weekday()]
        cells = []
        for minute in rows:
            begin, end = at(day, minute, zone), at(day, minute + step, zone)
            in_hours = any(opens <= minute and minute + step <= closes for opens, closes in windows)
            found = _hour_state(venue, state.busy[room["id"]], in_hours, begin, end, now)
            price = hours_price(room_type, begin, end, zone)
            cells.append({"key": begin, "from": begin, "to": end, "price": price, **found})
        lines.append({"key": day, "cells": cells})
    return {
        "rows": rows,
        "step": step,
        "lines": lines,
        "room": room,
        "type": room_type,
        "rate": rate,
        "min": max(1, -(-venue["min_slot_minutes"] // step)),
        "max": max(1, venue["max_slot_minutes"] // step),
    }


def _hour_state(venue: Json, times: list[Json], in_hours: bool, begin: int, end: int, now: int) -> Json:
    soonest = now + venue["lead_time_minutes"] * MINUTE
    latest = now + venue["advance_days"] * 1440 * MINUTE
    before, after = venue["buffer_before_minutes"] * MINUTE, venue["buffer_after_minutes"] * MINUTE
    met = _in_the_way(times, begin - before, end + after)
    if not venue["is_active"] or not in_hours or end <= begin or begin < soonest or end > latest:
        # What was taken stays readable as such; it just cannot be chosen any more.
        was_taken = met is not None and met["state"] == "taken" and in_hours and end > begin
        return {"state": "taken" if was_taken else "closed", "until": None}
    return met or {"state": "free", "until": None}


def session_rows(snapshot: Json, now: int) -> list[Json]:
    """List the sessions still to come, each with its places."""
    state = state_of(snapshot, now)
    coming = [one for one in snapshot["sessions"] if one["status"] == "active" and instant(one["starts_at"]) > now]
    rows = []
    for session in sorted(coming, key=lambda one: (instant(one["starts_at"]), one["id"])):
        untouched = {"total": session["capacity"], "free": session["capacity"], "held": 0, "until": None}
        counts = state.places.get(session["id"], untouched)
        taken = counts["total"] - counts["free"] - counts["held"]
        rows.append({"session": session, **counts, "taken": taken, "state": _state_from(counts)})
    return rows
