"""The door at which payment providers tell what has happened."""

from __future__ import annotations

import asyncio

from aiohttp import web

from handlers.over_http import BASE, HUB
from hub.errors import Malformed, TooLarge
from hub.services import inbox

PATH = f"{BASE}/payments/events/{{gateway}}"
# No provider tells more at once; a body that drips in must not hold a connection for ever.
_LARGEST = 64 * 1024
_SECONDS_TO_SEND = 15.0


def add_inbox(app: web.Application) -> None:
    """Add the door for payment providers."""
    app.add_routes([web.post(PATH, _receive)])


async def _receive(request: web.Request) -> web.Response:
    """Take an event by a provider whose signature is right, and answer at once: what it is about is asked for later."""
    if (request.content_length or 0) > _LARGEST:
        raise TooLarge()
    try:
        async with asyncio.timeout(_SECONDS_TO_SEND):
            body = await request.read()
    except TimeoutError as error:
        raise Malformed("The body did not arrive in time.") from error
    if len(body) > _LARGEST:
        raise TooLarge()
    is_news = await inbox.receive(request.app[HUB], request.match_info["gateway"], request.headers, body)
    return web.json_response({"received": True, "known": not is_news})
