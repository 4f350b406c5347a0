"""The pages by which people come in: log in, register, verify, set a new password, accept an invitation."""

from __future__ import annotations

from aiohttp import web

from handlers.drawing import LANGUAGES, draw
from handlers.over_http import HUB
from hub.errors import HubError, Unauthenticated
from hub.services import identities
from hub.services.totp import SecondFactorNeeded, WrongSecondFactor

_ASKS_SECOND_FACTOR = (SecondFactorNeeded.code, WrongSecondFactor.code)


def add_entering(app: web.Application) -> None:
    """Add the pages by which people come in."""
    app.add_routes(
        [
            web.get("/login", _log_in),
            web.get("/register", _register),
            web.get("/verify", _verify),
            web.get("/forgot-password", _forgot),
            web.get("/reset-password", _reset),
            web.get("/invitation", _invitation),
        ]
    )


async def _log_in(request: web.Request) -> web.Response:
    offered = identities.socials(request.app[HUB]).items
    provider = next((one for one in offered if one.provider == request.query.get("provider")), None)
    refused = request.query.get("refused", "") if provider else ""
    return draw(
        "login.html",
        "enter",
        data={"provider": provider.provider if provider else None},
        providers=offered,
        provider=provider,
        asks_second_factor=refused in _ASKS_SECOND_FACTOR,
        sentence=sentence(refused),
    )


async def _register(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    return draw(
        "register.html",
        "register",
        providers=identities.socials(hub).items,
        may_offer=hub.settings.facilitator_signup,
        languages=LANGUAGES,
        language=_language(request.headers.get("Accept-Language", "")),
    )


def sentence(refused: str) -> str:
    """Say why a browser was led back here, by the code of the refusal."""
    if refused == Unauthenticated.code:
        return "That took too long, or was begun in another browser; begin again."
    waiting = HubError.__subclasses__()
    while waiting:
        refusal = waiting.pop()
        if refusal.code == refused:
            return refusal().sentence
        waiting.extend(refusal.__subclasses__())
    return ""


def _language(wanted: str) -> str:
    """Choose the first language of a browser's list in which the hub can write."""
    known = [code for code, _ in LANGUAGES]
    first = (one.partition(";")[0].strip().partition("-")[0].lower() for one in wanted.split(","))
    return next((code for code in first if code in known), known[0])


async def _verify(request: web.Request) -> web.Response:
    channel = "phone" if request.query.get("channel") == "phone" else "email"
    return draw("verify.html", "verify", channel=channel, has_outbox=request.app[HUB].settings.has_outbox_page)


async def _forgot(request: web.Request) -> web.Response:
    return draw("forgot.html", "forgot")


async def _reset(request: web.Request) -> web.Response:
    return draw("reset.html", "reset", has_outbox=request.app[HUB].settings.has_outbox_page)


async def _invitation(request: web.Request) -> web.Response:
    return draw("invitation.html", "invitation")
