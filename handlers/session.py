"""The pages' log-in: the refresh token in a cookie no script can read, the access token in the page's memory."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from handlers.calling import judge, noting_denied
from handlers.documents import read_ask, read_object
from handlers.endpoint import TABLE
from handlers.over_http import HUB, REQUEST_ID, actor_of, address_of
from hub.core import Actor
from hub.errors import Forbidden, HubError, TooLarge, Unauthenticated, WrongMediaType
from hub.models.credentials import ChangePassword
from hub.models.people import NamePerson
from hub.models.users import LogIn, Refresh, Register, Tokens, User
from hub.services import accounts, credentials, impersonation, logins

COOKIE = "hub_session"
# Changes with every answer and says nothing: a page knows by it whether the answer to an earlier page has arrived,
# and never spends a refresh token twice.
TURN = "hub_turn"
# While a super admin acts for somebody, the token they do it by; their own login waits beside it.
ACTING = "hub_acting"
_PATH = "/session"
_LONGEST_DEVICE = 200
# What a browser says of a page of the very same origin; old ones say nothing.
_OWN_FETCHES = (None, "same-origin")


def add_session(app: web.Application) -> None:
    """Add the small wrappers around the accounts that pages log in by."""
    app.add_routes(
        [
            web.post("/session/login", _log_in),
            web.post("/session/register", _register),
            web.post("/session/refresh", _refresh),
            web.post("/session/logout", _log_out),
            web.post("/session/password", _change_password),
            web.post("/session/impersonation", _act),
            web.post("/session/impersonation/end", _act_no_longer),
        ]
    )


async def _log_in(request: web.Request) -> web.Response:
    ask = read_ask(TABLE["auth.login"], await read_own(request), strict=True)
    assert isinstance(ask, LogIn)
    tokens = await accounts.log_in(request.app[HUB], visitor(request, "auth.login"), ask)
    await _end_earlier(request)
    return logged_in(request, tokens)


async def _register(request: web.Request) -> web.Response:
    ask = read_ask(TABLE["auth.register"], await read_own(request), strict=True)
    assert isinstance(ask, Register)
    tokens = await accounts.register(request.app[HUB], visitor(request, "auth.register"), ask)
    await _end_earlier(request)
    return logged_in(request, tokens, 201)


async def _end_earlier(request: web.Request) -> None:
    """End the login that this browser was kept in before, for nobody will ever come back to it."""
    token = _kept(request)
    if token:
        await logins.log_out(request.app[HUB], visitor(request, "auth.logout"), token)


async def _refresh(request: web.Request) -> web.Response:
    await read_own(request)
    token = _kept(request)
    if not token:
        return _forget(request, Unauthenticated())
    acting = await _acts_on(request)
    if acting is not None:
        return acting
    try:
        ask = Refresh.model_validate({"refresh_token": token[:500]})
        return logged_in(request, await logins.refresh(request.app[HUB], visitor(request, "auth.refresh"), ask))
    except Unauthenticated as refusal:
        return _forget(request, refusal)


async def _log_out(request: web.Request) -> web.Response:
    await read_own(request)
    token = _kept(request)
    if token:
        await logins.log_out(request.app[HUB], visitor(request, "auth.logout"), token)
    response = web.Response(status=204)
    _clear(request, response)
    return response


async def _change_password(request: web.Request) -> web.Response:
    ask = read_ask(TABLE["me.change_password"], await read_own(request), strict=True)
    assert isinstance(ask, ChangePassword)
    actor = replace(await actor_of(request), asked="me.change_password")
    return logged_in(request, await credentials.change_password(request.app[HUB], actor, ask))


async def _act(request: web.Request) -> web.Response:
    hub, endpoint, actor = request.app[HUB], TABLE["users.impersonate"], await actor_of(request)
    ask = read_ask(endpoint, await read_own(request), strict=True)
    assert isinstance(ask, NamePerson)
    async with noting_denied(endpoint, hub, actor, {"user_id": ask.user_id}):
        judge(endpoint, actor)
        acting = await impersonation.begin(hub, replace(actor, asked=endpoint.name), ask)
    response = _acting(request, acting.access_token, acting.expires_in, acting.user)
    response.set_cookie(
        ACTING,
        acting.access_token,
        max_age=acting.expires_in,
        path=_PATH,
        secure=_over_tls(request),
        httponly=True,
        samesite="Strict",
    )
    return response


async def _acts_on(request: web.Request) -> web.Response | None:
    """Answer by which token somebody is acted for, as long as it is good."""
    hub, token = request.app[HUB], request.cookies.get(ACTING)
    if not token:
        return None
    try:
        actor = await accounts.actor_of(hub, token)
        user = await accounts.me(hub, actor)
    except HubError:
        return None
    if actor.token_expires_at is None:
        return None
    return _acting(request, token, int((actor.token_expires_at - hub.clock.now()).total_seconds()), user)


def _acting(request: web.Request, token: str, lasts: int, user: User) -> web.Response:
    told = {"access_token": token, "expires_in": lasts, "user": user.model_dump(mode="json"), "is_acting": True}
    response = web.json_response(told, headers={hdrs.CACHE_CONTROL: "no-store"})
    _turn(request, response)
    return response


async def _act_no_longer(request: web.Request) -> web.Response:
    await read_own(request)
    hub, token = request.app[HUB], request.cookies.get(ACTING)
    if token:
        with contextlib.suppress(HubError):
            await logins.log_out(hub, await accounts.actor_of(hub, token))
    response = web.Response(status=204)
    response.del_cookie(ACTING, secure=_over_tls(request), path=_PATH, httponly=True, samesite="Strict")
    return response


async def read_own(request: web.Request) -> dict[str, Any]:
    """Read a body that only a page of this site can have sent: JSON, and from our own origin."""
    if request.content_type != "application/json":
        raise WrongMediaType()
    if not _is_own_page(request):
        raise Forbidden("Log in from a page of this site.")
    try:
        return read_object(await request.read())
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge() from error


def _is_own_page(request: web.Request) -> bool:
    """Tell whether a page of this site asks: by the name it is asked by, which is one of the hub's own."""
    settings = request.app[HUB].settings
    # While trying out, pages may come in the clear from a hub whose public address is reached by TLS.
    schemes = {urlsplit(settings.public_url).scheme, *(() if settings.production else ("http",))}
    origins = {f"{scheme}://{request.host}" for scheme in schemes}
    return request.headers.get(hdrs.ORIGIN) in origins and request.headers.get("Sec-Fetch-Site") in _OWN_FETCHES


def visitor(request: web.Request, asked: str) -> Actor:
    """Answer who asks before they are logged in: nobody, at some address, with some device, by some endpoint."""
    device = request.headers.get(hdrs.USER_AGENT, "")[:_LONGEST_DEVICE]
    return Actor(address=address_of(request), device=device, asked=asked, request_id=request.get(REQUEST_ID, ""))


def logged_in(request: web.Request, tokens: Tokens, status: int = 200) -> web.Response:
    """Answer a page that somebody is logged in now."""
    told = tokens.model_dump(mode="json", include={"access_token", "expires_in", "user"})
    response = web.json_response(told, status=status, headers={hdrs.CACHE_CONTROL: "no-store"})
    keep(request, response, tokens)
    return response


def keep(request: web.Request, response: web.Response, tokens: Tokens) -> None:
    """Let the browser keep a login."""
    age = request.app[HUB].settings.refresh_days * 86_400
    over_tls = _over_tls(request)
    response.set_cookie(
        _name(request), tokens.refresh_token, max_age=age, path=_PATH, secure=over_tls, httponly=True, samesite="Lax"
    )
    response.del_cookie(ACTING, secure=over_tls, path=_PATH, httponly=True, samesite="Strict")
    _turn(request, response)


def _turn(request: web.Request, response: web.Response) -> None:
    age = request.app[HUB].settings.refresh_days * 86_400
    response.set_cookie(TURN, secrets.token_hex(4), max_age=age, path="/", secure=_over_tls(request), samesite="Lax")


def _forget(request: web.Request, refusal: HubError) -> web.Response:
    """Answer that nobody is logged in any more, and take the cookies back."""
    document = {"status": refusal.status, "code": refusal.code, "detail": refusal.sentence, "instance": request.path}
    response = web.json_response(document, status=refusal.status, content_type="application/problem+json")
    _clear(request, response)
    return response


def _kept(request: web.Request) -> str | None:
    return request.cookies.get(_name(request))


def _name(request: web.Request) -> str:
    # By this prefix browsers refuse the cookie from whoever has no TLS, so that nobody in between can plant one.
    return f"__Secure-{COOKIE}" if _over_tls(request) else COOKIE


def _over_tls(request: web.Request) -> bool:
    return request.app[HUB].settings.public_url.startswith("https://")


def _clear(request: web.Request, response: web.Response) -> None:
    over_tls = _over_tls(request)
    response.del_cookie(_name(request), secure=over_tls, path=_PATH, httponly=True, samesite="Lax")
    response.del_cookie(ACTING, secure=over_tls, path=_PATH, httponly=True, samesite="Strict")
    response.del_cookie(TURN, secure=over_tls, path="/", samesite="Lax")
