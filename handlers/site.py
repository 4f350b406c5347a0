"""The pages of the site, drawn here first with their data in them; scripts then keep them alive."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web
from pydantic import ValidationError

from handlers.documents import read_query
from handlers.drawing import draw
from handlers.entering import add_entering
from handlers.manners import REFUSED_PAGE
from handlers.over_http import HUB
from handlers.paying import add_paying
from handlers.personal import add_personal
from handlers.problems import invalid
from handlers.session import add_session
from handlers.social import add_social
from hub import rooms
from hub.core import GUEST, Hub
from hub.errors import HubError
from hub.live import replay
from hub.models.search import Findings, Search
from hub.services import access, boards, search
from storage import event_log
from storage.replay import position

_DAYS, _NIGHTS = 7, 14


def add_site(app: web.Application) -> None:
    """Add the pages and what they log in by."""
    app[REFUSED_PAGE] = _refused
    app.add_routes(
        [
            web.get("/", _find),
            web.get(r"/venues/{venue_id:\d{1,15}}", _venue),
        ]
    )
    add_entering(app)
    add_personal(app)
    add_paying(app)
    add_session(app)
    add_social(app)


async def _refused(request: web.Request, problem: dict[str, Any]) -> web.Response:
    return draw("refused.html", problem=problem)


async def _find(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    typed = {name: value.strip() for name, value in request.query.items() if value.strip()}
    wrong: dict[str, str] = {}
    try:
        ask = _search(typed)
    except HubError as refusal:
        wrong = {error["field"] or "check_in": error["message"] for error in refusal.details.get("errors", ())}
        ask = Search()
    async with hub.reading() as db:
        epoch = await event_log.epoch(db)
    found = await search.find(hub, GUEST, ask)
    versions = await _versions(hub, found)
    data = {
        "ask": ask.model_dump(mode="json", exclude_none=True),
        "found": found.model_dump(mode="json"),
        "epoch": epoch,
        "versions": versions,
    }
    pages = {n: _address(typed, n) for n in (ask.page - 1, ask.page + 1) if 1 <= n <= found.meta.total_pages}
    return draw("find.html", "find", typed=typed, wrong=wrong, found=data["found"], data=data, pages=pages, ask=ask)


def _search(typed: dict[str, str]) -> Search:
    """Read the form: a price is typed in whole units of money, everything else as the search takes it."""
    asked: dict[str, Any] = read_query(None, typed.items())
    for name in ("min_price", "max_price"):
        if name in asked and str(asked[name]).isascii() and str(asked[name]).isdigit():
            asked[name] = int(asked[name]) * 100
    try:
        return Search.model_validate(asked)
    except ValidationError as error:
        raise invalid(error, asked) from error


async def _versions(hub: Hub, found: Findings) -> dict[int, int]:
    """Tell where each venue's live room stands, so that a watcher is told only what is new."""
    async with hub.reading() as db:
        ids = sorted({one.venue.id for one in found.items})
        return {venue_id: (await position(db, rooms.venue(venue_id))).version for venue_id in ids}


def _address(typed: dict[str, str], page: int) -> str:
    return "/?" + urlencode(typed | {"page": str(page)})


async def _venue(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    venue_id = int(request.match_info["venue_id"])
    async with hub.one_moment() as db:
        await access.venue(db, GUEST, venue_id)
        snapshot = orjson.loads(orjson.dumps(await replay.venue(db, venue_id)))
    now = round(hub.clock.now().timestamp() * 1000)
    venue = snapshot["venue"]
    today = boards.local_day(now, venue["timezone"])
    first = _first_day(request.query.get("check_in", ""), today, venue["advance_days"])
    hour_rooms = boards.rooms_of(snapshot, boards.types_by(snapshot, "hour"))
    room_id = request.query.get("room", "")
    room = next((one for one in hour_rooms if str(one["id"]) == room_id), hour_rooms[0] if hour_rooms else None)
    return draw(
        "venue.html",
        "venue",
        venue=venue,
        first=first,
        today=today,
        nights=boards.night_board(snapshot, first, _NIGHTS, now),
        rooms=hour_rooms,
        room=room,
        hours=boards.hour_board(snapshot, room, first, _DAYS, now) if room else None,
        sessions=boards.session_rows(snapshot, now),
        data={"venue_id": venue_id, "first": first, "room_id": room["id"] if room else None},
    )


def _first_day(wanted: str, today: str, advance_days: int) -> str:
    """Begin the boards with the day asked for, where it can be booked at all; else today."""
    try:
        day = date.fromisoformat(wanted).isoformat()
    except ValueError:
        return today
    return day if today <= day <= boards.add_days(today, advance_days) else today
