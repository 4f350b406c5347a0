"""The outbox at /dev/mail: mail and SMS that nobody sends, to be read by whoever tries the hub out."""

from __future__ import annotations

from aiohttp import hdrs, web

from handlers.drawing import draw
from handlers.manners import content_policy
from handlers.over_http import HUB
from hub.errors import NotFound
from storage import letters
from storage.letters import Kept

AT_ONCE = 200
# A letter may style itself, and a click in it may leave the frame; it may run, load and send nothing.
_LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-top-navigation-by-user-activation"
)
_PAGE_POLICY = f"{content_policy([])}; frame-src 'self'"


def add_outbox(app: web.Application) -> None:
    """Add the outbox, where the hub sends no mail and no stranger depends on it."""
    if app[HUB].settings.has_outbox_page:
        app.add_routes(
            [
                web.get("/dev/mail", _list),
                web.get(r"/dev/mail/{letter_id:\d{1,15}}", _read),
                web.get(r"/dev/mail/{letter_id:\d{1,15}}/html", _html),
                web.get(r"/dev/mail/{letter_id:\d{1,15}}/{position:\d{1,3}}", _attachment),
            ]
        )


async def _list(request: web.Request) -> web.Response:
    recipient = request.query.get("to", "").replace("\x00", "").strip().lower()
    async with request.app[HUB].reading() as db:
        found = await letters.newest(db, recipient or None, AT_ONCE)
    return _private(draw("outbox.html", letters=found, recipient=recipient, letter=None))


async def _read(request: web.Request) -> web.Response:
    letter = await _letter(request)
    async with request.app[HUB].reading() as db:
        attached = await letters.attached(db, letter.id)
    response = draw("outbox.html", letters=[], recipient=letter.recipient, letter=letter, attached=attached)
    response.headers["Content-Security-Policy"] = _PAGE_POLICY
    return _private(response)


async def _html(request: web.Request) -> web.Response:
    letter = await _letter(request)
    if letter.html is None:
        raise NotFound()
    # A link in the letter replaces the page around it.
    text = letter.html.replace("<head>", '<head><base target="_top">', 1)
    response = web.Response(text=text, content_type="text/html")
    response.headers["Content-Security-Policy"] = _LETTER_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return _private(response)


async def _attachment(request: web.Request) -> web.Response:
    async with request.app[HUB].reading() as db:
        found = await letters.attachment(db, *(int(request.match_info[part]) for part in ("letter_id", "position")))
    if found is None:
        raise NotFound()
    response = web.Response(body=found.body, headers={hdrs.CONTENT_TYPE: found.media_type})
    response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{found.name}"'
    return _private(response)


async def _letter(request: web.Request) -> Kept:
    async with request.app[HUB].reading() as db:
        letter = await letters.find(db, int(request.match_info["letter_id"]))
    if letter is None:
        raise NotFound()
    return letter


def _private(response: web.Response) -> web.Response:
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response
