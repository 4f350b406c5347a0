"""Browsers that log in with Google or Facebook: sent there, received back, and led on."""

from __future__ import annotations

import re
from typing import Any, get_args
from urllib.parse import urlencode

from aiohttp import hdrs, web
from pydantic import ValidationError

from handlers.over_http import HUB, actor_of
from handlers.problems import invalid
from handlers.session import keep, logged_in, read_own, visitor
from hub.errors import HubError, Unauthenticated
from hub.models.identities import AskToLink, Provider, SocialLogIn, SocialSecondFactor
from hub.services import access, identities, social_journeys

# Goes along from the start to the way back, so that no browser can be made to finish what another began.
COOKIE = "hub_journey"
_PATH = "/auth"
# A path of this site: one slash, and nothing that a browser would read as another.
_WITHIN = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}")
_ENTRANCE, _SECURITY = "/login", "/account/security"


def add_social(app: web.Application) -> None:
    """Add what browsers log in by with accounts elsewhere."""
    provider = f"{{provider:{'|'.join(get_args(Provider))}}}"
    app.add_routes(
        [
            web.get(f"/auth/{provider}/start", _start),
            web.get(f"/auth/{provider}/callback", _come_back),
            web.post(f"/auth/{provider}/link", _link),
            web.post(f"/auth/{provider}/second-factor", _second_factor),
        ]
    )


async def _start(request: web.Request) -> web.Response:
    """Send a browser to the provider, to come back logged in."""
    said = {"next": _within(request.query.get("next", "/"))}
    try:
        ticket, url = await social_journeys.begin(request.app[HUB], _provider(request), said)
    except HubError as refusal:
        return _led(_ENTRANCE, request, refusal)
    response = _redirect(url)
    _take_along(request, response, ticket, social_journeys.SECONDS)
    return response


async def _link(request: web.Request) -> web.Response:
    """Answer where a page goes to link an account elsewhere, once its person has proved who they are."""
    hub, actor = request.app[HUB], await actor_of(request)
    access.signed_in(actor)
    asked = await read_own(request)
    try:
        ask = AskToLink.model_validate(asked)
    except ValidationError as error:
        raise invalid(error, asked) from error
    user_id = await identities.prove(hub, actor, ask.password, ask.totp_code)
    said = {"next": _SECURITY, "user_id": user_id, "login_id": actor.login_id}
    ticket, url = await social_journeys.begin(hub, _provider(request), said)
    response = web.json_response({"url": url}, headers={hdrs.CACHE_CONTROL: "no-store"})
    _take_along(request, response, ticket, social_journeys.SECONDS)
    return response


async def _come_back(request: web.Request) -> web.Response:
    """Receive a browser that comes back from the provider with a code, and log it in or link the account."""
    hub, provider = request.app[HUB], _provider(request)
    said = social_journeys.said(hub, provider, request.cookies.get(COOKIE, ""), request.query.get("state", ""))
    if said is None:
        return _led(_ENTRANCE, request, Unauthenticated())
    entrance = _SECURITY if "user_id" in said else _ENTRANCE
    code = request.query.get("code", "")
    if not 1 <= len(code) <= social_journeys.LONGEST_CODE:
        # Whoever changes their mind at the provider comes back with an error instead.
        return _led(entrance, request, social_journeys.NotAllowed())
    try:
        ask = social_journeys.ask(hub, provider, said, code)
        if "user_id" in said:
            return await _linked(request, said, ask)
        response = _redirect(said["next"])
        keep(request, response, await identities.log_in(hub, visitor(request, "auth.social"), ask))
    except HubError as refusal:
        return _led(entrance, request, refusal, said["next"])
    _forget(response)
    return response


async def _linked(request: web.Request, said: dict[str, Any], ask: SocialLogIn) -> web.Response:
    hub, provider = request.app[HUB], _provider(request)
    actor = await social_journeys.traveller(hub, visitor(request, "me.link"), said)
    await identities.link_proved(hub, actor, ask)
    response = _redirect(f"{_SECURITY}?{urlencode({'linked': provider})}")
    _forget(response)
    return response


async def _second_factor(request: web.Request) -> web.Response:
    """Take the code of the second factor from the page that a browser was led to for it."""
    asked = await read_own(request)
    try:
        ask = SocialSecondFactor.model_validate(
            {**asked, "provider": _provider(request), "challenge": request.cookies.get(COOKIE, "")}
        )
    except ValidationError as error:
        raise invalid(error, asked) from error
    tokens = await identities.second_factor(request.app[HUB], visitor(request, "auth.social_second_factor"), ask)
    response = logged_in(request, tokens)
    _forget(response)
    return response


def _led(entrance: str, request: web.Request, refusal: HubError, then: str = "/") -> web.Response:
    """Lead a browser that was refused to where its person can do something about it."""
    told = {"provider": _provider(request), "refused": refusal.code}
    if then != "/" and entrance == _ENTRANCE:
        told["next"] = then
    response = _redirect(f"{entrance}?{urlencode(told)}")
    challenge = refusal.details.get("challenge")
    if challenge is None:
        _forget(response)
    else:
        _take_along(request, response, challenge, identities.CHALLENGE_SECONDS)
    return response


def _redirect(url: str) -> web.Response:
    return web.Response(status=303, headers={hdrs.LOCATION: url, hdrs.CACHE_CONTROL: "no-store"})


def _provider(request: web.Request) -> Provider:
    found: Provider = next(one for one in get_args(Provider) if one == request.match_info["provider"])
    return found


def _within(path: str) -> str:
    """Answer a path of this site to go on to, or its beginning."""
    return path if _WITHIN.fullmatch(path) else "/"


def _take_along(request: web.Request, response: web.Response, ticket: str, seconds: int) -> None:
    over_tls = request.app[HUB].settings.public_url.startswith("https://")
    # Lax, since a browser comes back by following a link of another site.
    response.set_cookie(COOKIE, ticket, max_age=seconds, path=_PATH, secure=over_tls, httponly=True, samesite="Lax")


def _forget(response: web.Response) -> None:
    response.del_cookie(COOKIE, path=_PATH, httponly=True, samesite="Lax")
