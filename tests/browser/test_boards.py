"""What the server draws first is what the browser draws then, cell for cell."""

import random
from datetime import datetime, timedelta
from typing import Any

import orjson
from playwright.async_api import Browser

from hub.services import boards
from tests.doors import AppServer

ZONES = ("Europe/Lisbon", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "UTC")
JUMPS = ("2027-03-12", "2027-03-26", "2027-10-29", "2027-06-01")
SEASONS: tuple[dict[str, Any], ...] = (
    {"starts_on": "2027-03-13", "ends_on": "2027-10-30", "weekdays": [], "price": 7_777, "percent": None},
    {"starts_on": None, "ends_on": None, "weekdays": ["fri", "sat"], "price": None, "percent": 133},
    {"starts_on": "2027-03-27", "ends_on": None, "weekdays": ["sun"], "price": 1, "percent": None},
)
WINDOWS = (
    [["09:00", "22:00"]],
    [["08:30", "12:00"], ["13:00", "18:30"]],
    [["18:00", "02:00"]],
    [["00:00", "24:00"]],
    [],
)
DRAW = """async (cases) => {
  const grid = await import("/static/js/grid.js");
  return cases.map(({ snapshot, first, now }) => JSON.stringify({
    nights: grid.nightBoard(snapshot, first, 14, now),
    hours: grid.hourRooms(snapshot).map((room) => grid.hourBoard(snapshot, room, first, 7, now)),
    sessions: grid.sessionRows(snapshot, now),
  }));
}"""


def written(moment: datetime) -> str:
    """Write a moment as the database does."""
    return moment.isoformat()


def a_snapshot(chance: random.Random, now: datetime) -> dict[str, Any]:
    """Make up a venue with rooms of every sort and whatever may stand in their way."""
    week = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    hours = None if chance.random() < 0.3 else {day: chance.choice(WINDOWS) for day in chance.sample(week, 5)}
    venue = {
        "id": 1,
        "timezone": chance.choice(ZONES),
        "is_active": chance.random() < 0.95,
        "opening_hours": hours,
        "check_in_time": chance.choice(("15:00:00", "14:30:00", "02:30:00")),
        "check_out_time": chance.choice(("11:00:00", "02:00:00")),
        "slot_step_minutes": chance.choice((15, 30, 60, 45, 90, 7)),
        "min_slot_minutes": chance.choice((15, 60, 120)),
        "max_slot_minutes": chance.choice((240, 1440)),
        "buffer_before_minutes": chance.choice((0, 10)),
        "buffer_after_minutes": chance.choice((0, 15)),
        "min_nights": chance.choice((1, 2)),
        "max_nights": 30,
        "lead_time_minutes": chance.choice((0, 0, 180)),
        "advance_days": chance.choice((5, 730)),
        "hold_seconds": 600,
    }
    kinds = (("pool", "night"), ("room", "night"), ("room", "hour"))
    types = [
        {
            "id": n,
            "name": f"Type {n}",
            "sold_as": sold_as,
            "price_unit": unit,
            "price": chance.randrange(0, 50_000),
            "discount_percentage": chance.choice((0, 0, 12.5, 33.33, 100)),
            "rates": chance.sample(SEASONS, chance.randrange(0, 3)),
            "is_active": chance.random() < 0.9,
            "capacity": 2,
            "total_rooms": chance.randrange(0, 5),
        }
        for n, (sold_as, unit) in enumerate(chance.choices(kinds, k=4), start=1)
    ]
    statuses = ("available", "available", "occupied", "maintenance")
    rooms = [
        {"id": 10 * one["id"] + n, "room_type_id": one["id"], "number": str(n), "status": chance.choice(statuses)}
        | {"is_active": chance.random() < 0.9}
        for one in types
        if one["sold_as"] == "room"
        for n in range(2)
    ]
    sessions = [
        {"id": n, "status": chance.choice(("active", "active", "cancelled")), "capacity": 6}
        | {"starts_at": written(now + timedelta(hours=chance.randrange(-24, 200)))}
        for n in range(5)
    ]
    changes = [a_change(chance, now, types, rooms, sessions) for _ in range(40)]
    changes = [change for change in changes if change is not None]
    return {"venue": venue, "room_types": types, "rooms": rooms, "sessions": sessions, "availability": changes}


def a_change(chance: random.Random, now: datetime, types: Any, rooms: Any, sessions: Any) -> dict[str, Any] | None:
    """Make up the state of one thing."""
    until = written(now + timedelta(seconds=chance.choice((-30, 0, 45, 600))))
    held = chance.randrange(0, 3)
    taken, free = chance.randrange(0, 4), chance.randrange(0, 3)
    counts = {"total": held + taken + free, "taken": taken, "held": held, "free": free}
    counts["held_until"] = until if held else None
    kind = chance.choice(("room", "night", "session"))
    if kind == "room" and rooms:
        begin = now + timedelta(minutes=15 * chance.randrange(-40, 800))
        state = chance.choice(("held", "taken", "closed", "free"))
        end = begin + timedelta(minutes=15 * chance.randrange(1, 200))
        return {
            "kind": "room",
            "room_id": chance.choice(rooms)["id"],
            "starts_at": written(begin),
            "ends_at": written(end),
            "state": state,
            "held_until": until if state == "held" else None,
        }
    if kind == "night":
        night = (now + timedelta(days=chance.randrange(-1, 14))).date().isoformat()
        return {"kind": "night", "room_type_id": chance.choice(types)["id"], "night": night, **counts}
    if kind == "session":
        return {"kind": "session", "session_id": chance.choice(sessions)["id"], **counts}
    return None


async def test_the_first_paint_and_the_live_boards_draw_the_same(app_server: AppServer, browser: Browser) -> None:
    chance = random.Random(20261120)
    cases = []
    for _ in range(60):
        # Around the days on which clocks change, and an ordinary one.
        day = datetime.fromisoformat(f"{chance.choice(JUMPS)}T00:00:00+00:00")
        now = day + timedelta(minutes=chance.randrange(0, 3_000))
        snapshot = a_snapshot(chance, now)
        first = boards.local_day(round(now.timestamp() * 1000), snapshot["venue"]["timezone"])
        cases.append({"snapshot": snapshot, "first": first, "now": round(now.timestamp() * 1000)})
    page = await browser.new_page()
    await page.goto(f"{app_server.url}/login")
    drawn = await page.evaluate(DRAW, cases)
    await page.close()
    for case, text in zip(cases, drawn, strict=True):
        snapshot, first, now_at = case["snapshot"], case["first"], case["now"]
        rooms = boards.rooms_of(snapshot, boards.types_by(snapshot, "hour"))
        assert orjson.loads(text) == orjson.loads(
            orjson.dumps(
                {
                    "nights": boards.night_board(snapshot, first, 14, now_at),
                    "hours": [boards.hour_board(snapshot, room, first, 7, now_at) for room in rooms],
                    "sessions": boards.session_rows(snapshot, now_at),
                }
            )
        )
