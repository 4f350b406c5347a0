"""What goes with a booking, to be fetched: receipt, invoice, calendar file and check-in code; and the calendar feed."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import hdrs, web
from pydantic import ValidationError

from handlers.documents import read_query
from handlers.over_http import BASE, HUB, REQUEST_ID, actor_of, address_of
from handlers.problems import invalid
from hub.core import Actor, Hub
from hub.errors import Forbidden, NotFound, Unauthenticated
from hub.models.bookings import NameBooking
from hub.models.paper import AskPaper
from hub.services import audit, calendars, check_ins, paper
from hub.services.paper import Fetched

Make = Callable[[Hub, Actor, NameBooking], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Download:
    """A file of a booking, as the description of the API tells it."""

    name: str
    path: str
    media_type: str
    sentence: str
    kind: Fetched
    make: Make

    @property
    def file(self) -> str:
        """Answer how the file is called."""
        return self.path.rpartition("/")[2]


async def _receipt(hub: Hub, actor: Actor, ask: NameBooking) -> bytes:
    return await paper.printed(hub, actor, ask, "receipt")


async def _invoice(hub: Hub, actor: Actor, ask: NameBooking) -> bytes:
    return await paper.printed(hub, actor, ask, "invoice")


DOWNLOADS = (
    Download(
        "papers.receipt",
        "/bookings/{booking_id}/receipt.pdf",
        "application/pdf",
        "Fetch the receipt of what was paid for a booking, numbered by each of its venues without gaps.",
        "receipt",
        _receipt,
    ),
    Download(
        "papers.invoice",
        "/bookings/{booking_id}/invoice.pdf",
        "application/pdf",
        "Fetch the invoice of a booking, numbered by each of its venues without gaps.",
        "invoice",
        _invoice,
    ),
    Download(
        "papers.calendar",
        "/bookings/{booking_id}/calendar.ics",
        "text/calendar",
        "Fetch a booking for a calendar, or its cancellation.",
        "calendar",
        calendars.of_booking,
    ),
    Download(
        "papers.code",
        "/bookings/{booking_id}/code.svg",
        "image/svg+xml",
        "Fetch the code that the guests of a booking show at the desk.",
        "code",
        check_ins.picture,
    ),
)
FEED = "/calendar/{token}.ics"
# A page shows a picture, a browser shows a PDF; neither can load, send or run anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'; base-uri 'none'"


def add_downloads(app: web.Application) -> None:
    """Add where files of bookings are fetched, and somebody's bookings by their calendar program."""
    for one in DOWNLOADS:
        path = one.path.replace("{booking_id}", "{booking_id:[1-9][0-9]{0,14}}")
        app.router.add_get(f"{BASE}{path}", _serving(one))
    app.router.add_get(f"{BASE}{FEED.replace('{token}', '{token:[A-Za-z0-9_-]{20,100}}')}", _feed)


def _serving(one: Download) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        hub, ask = request.app[HUB], NameBooking(booking_id=int(request.match_info["booking_id"]))
        actor = replace(await _who(request, one, ask.booking_id), asked=one.name)
        try:
            body = await one.make(hub, actor, ask)
        except (Forbidden, NotFound) as refusal:
            await audit.denied(hub, actor, "booking", ask.booking_id, refusal)
            raise
        return _file(request, body, one.media_type, f"{ask.booking_id}-{one.file}")

    return serve


async def _who(request: web.Request, one: Download, booking_id: int) -> Actor:
    """Tell who fetches: by an access token, or by a link that was signed for them."""
    asked: dict[str, Any] = read_query(AskPaper, request.query.items())
    try:
        ticket = AskPaper.model_validate(asked).ticket
    except ValidationError as error:
        raise invalid(error, asked) from error
    actor = await actor_of(request)
    if actor.user_id is None and ticket is not None:
        bearer = await paper.bearer(request.app[HUB], ticket, one.kind, booking_id)
        return replace(bearer, address=address_of(request), request_id=request.get(REQUEST_ID, ""))
    if actor.user_id is None:
        raise Unauthenticated()
    return actor


async def _feed(request: web.Request) -> web.Response:
    """Send somebody's bookings to their calendar program."""
    read_query(None, request.query.items())
    body = await calendars.feed(request.app[HUB], request.match_info["token"])
    return _file(request, body, "text/calendar", "bookings.ics")


def _file(request: web.Request, body: bytes, media_type: str, name: str) -> web.Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    # A calendar program takes it, a browser shows the others.
    disposition = "attachment" if media_type == "text/calendar" else "inline"
    response = web.Response(
        headers={
            hdrs.ETAG: tag,
            # Whoever logs out on a machine leaves no paper on it.
            hdrs.CACHE_CONTROL: "private, no-store",
            hdrs.CONTENT_DISPOSITION: f'{disposition}; filename="{name}"',
            "Content-Security-Policy": _POLICY,
        }
    )
    if tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        response.set_status(304)
        return response
    response.body, response.content_type = body, media_type
    if media_type == "text/calendar":
        response.charset = "utf-8"
    return response
