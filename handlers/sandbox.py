"""The sandbox's page, where whoever tries the hub out chooses what becomes of a payment."""

from __future__ import annotations

from typing import cast

from aiohttp import hdrs, web

from handlers.drawing import draw
from handlers.manners import content_policy
from handlers.over_http import HUB
from hub.errors import NotFound
from hub.gateways.sandbox import SandboxGateway
from hub.services import sandbox
from hub.services.sandbox import PRESSES, Button

PATH = r"/sandbox/pay/{provider_id:[\w-]{1,60}}"


def add_sandbox(app: web.Application) -> None:
    """Add the page, where there is a sandbox."""
    if SandboxGateway.name in app[HUB].gateways_of_money:
        app.add_routes([web.get(PATH, _show), web.post(PATH, _press)])


async def _show(request: web.Request) -> web.Response:
    payment = await sandbox.show(request.app[HUB], request.match_info["provider_id"])
    response = draw("sandbox.html", payment=payment, presses=PRESSES)
    response.headers["Content-Security-Policy"] = content_policy([])
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


async def _press(request: web.Request) -> web.Response:
    button = (await request.post()).get("button")
    if button != "dispute" and button not in PRESSES:
        raise NotFound("There is no such button.")
    payment = await sandbox.press(request.app[HUB], request.match_info["provider_id"], cast("Button", button))
    return web.Response(status=303, headers={hdrs.LOCATION: payment.return_url, hdrs.CACHE_CONTROL: "no-store"})
