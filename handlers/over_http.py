"""The endpoint table spoken over HTTP under /api/v1."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import structlog
from aiohttp import hdrs, web
from pydantic import BaseModel

from handlers.calling import carry_out, judge, noting_denied, repeatable, replayed
from handlers.documents import canonical, read_ask, read_object, read_query, write
from handlers.endpoint import EVERYBODY, TABLE, Endpoint
from handlers.limits import Limits, Pace, Taken
from handlers.table import table
from hub.core import Actor, Hub
from hub.errors import Invalid, Malformed, NotFound, TooLarge, Unauthenticated, WrongMediaType
from hub.services import accounts
from hub.work import Repeated

BASE = "/api/v1"
Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
HUB = web.AppKey("hub", Hub)
ENDPOINT = web.RequestKey("endpoint", Endpoint)
REQUEST_ID = web.RequestKey("request_id", str)
LIMITS = web.AppKey("limits", Limits)
# What serves which endpoint; how often a request like this one may be made, and what was counted of it.
SERVED: web.AppKey[dict[Serve, Endpoint]] = web.AppKey("served")
PACE = web.RequestKey("pace", Pace)
TAKEN: web.RequestKey[list[Taken]] = web.RequestKey("taken", list)
ADDRESS = web.RequestKey("address", str)

# A body that drips in must not hold a connection for ever.
SECONDS_TO_SEND = 15.0

_HOP = re.compile(r"\[([0-9a-fA-F:.]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")
_PARAMETER = re.compile(r"{(\w+)}")
WITH_BODY = ("POST", "PUT", "PATCH")
_LONGEST_DEVICE = 200
# All that an admin may ask who still has to set up a second factor, where the operator requires one.
_SETTING_UP = frozenset(
    {
        "auth.logout",
        "auth.logout_everywhere",
        "me.confirm_second_factor",
        "me.read",
        "me.second_factor",
        "me.set_up_second_factor",
    }
)
# How a request follows a live room: by a stream, or by what it has waited for; else it goes on, as this actor.
Follow = Callable[[web.Request, Any, Actor, Any], Awaitable[web.StreamResponse | BaseModel | Actor]]
FOLLOW: web.AppKey[Follow] = web.AppKey("follow")
# Stands on requests that stay for as long as they like; how long that is says nothing of the hub.
FOLLOWED = web.RequestKey("followed", bool)


def add_routes(app: web.Application) -> None:
    """Make a route of every endpoint, with or without a slash at its end."""
    app[SERVED] = {}
    for endpoint in table().values():
        serve, path = _serving(endpoint), _route(endpoint)
        app[SERVED][serve] = endpoint
        for spelling in (path, f"{path}/"):
            app.router.add_route(endpoint.method, spelling, serve)
            if endpoint.method == "GET":
                app.router.add_route("HEAD", spelling, serve)


def _is_number(endpoint: Endpoint, parameter: str) -> bool:
    return endpoint.ask is not None and endpoint.ask.model_fields[parameter].annotation is int


def _route(endpoint: Endpoint) -> str:
    """Let only digits stand where a number is meant, so that anything else is not found."""

    def typed(found: re.Match[str]) -> str:
        return f"{{{found[1]}:[0-9]+}}" if _is_number(endpoint, found[1]) else found[0]

    return BASE + _PARAMETER.sub(typed, endpoint.path)


def _serving(endpoint: Endpoint) -> Serve:
    parameters = frozenset(_PARAMETER.findall(endpoint.path))

    async def serve(request: web.Request) -> web.StreamResponse:
        request[ENDPOINT] = endpoint
        hub = request.app[HUB]
        actor = await actor_of(request)
        async with noting_denied(endpoint, hub, actor, request.match_info):
            return await answered(request, hub, actor)

    async def answered(request: web.Request, hub: Hub, actor: Actor) -> web.StreamResponse:
        judge(endpoint, actor)
        named = _named(endpoint, request)
        if endpoint.method in WITH_BODY:
            asked = await _with_body(request, named)
            actor = repeatable(endpoint, actor, request.headers.get("Idempotency-Key"), canonical(asked))
        else:
            asked = _without(parameters, read_query(endpoint.ask, request.query.items())) | named
        ask = _ask(endpoint, asked, parameters)
        if hdrs.IF_MATCH in request.headers and endpoint.method in ("PUT", "PATCH", "DELETE"):
            actor = _expecting(request.headers[hdrs.IF_MATCH], endpoint, actor)
        if endpoint.follows is not None and request.method == hdrs.METH_GET:
            followed = await request.app[FOLLOW](request, endpoint.follows(actor, ask), actor, ask)
            if isinstance(followed, web.StreamResponse):
                return followed
            if isinstance(followed, BaseModel):
                return _answer(request, endpoint, followed)
            actor = followed
        try:
            answer = await carry_out(endpoint, hub, actor, ask)
        except Repeated as repeated:
            response = _json(replayed(endpoint, repeated), repeated.status)
            response.headers["Idempotent-Replayed"] = "true"
            return response
        return _answer(request, endpoint, answer)

    return serve


def _named(endpoint: Endpoint, request: web.Request) -> dict[str, Any]:
    """Read the parameters of the path."""
    named: dict[str, Any] = {}
    for name, text in request.match_info.items():
        if not _is_number(endpoint, name):
            named[name] = text
        elif len(text) > len(str(2**53)):
            raise NotFound()
        else:
            named[name] = int(text)
    return named


def _without(parameters: frozenset[str], asked: dict[str, Any]) -> dict[str, Any]:
    """Refuse fields that repeat what the path says already."""
    twice = sorted(parameters & asked.keys())
    if twice:
        raise Invalid(errors=[{"field": name, "message": "is named by the path already"} for name in twice])
    return asked


async def _with_body(request: web.Request, named: dict[str, Any]) -> dict[str, Any]:
    if request.query:
        read_query(None, request.query.items())
        raise Invalid(errors=[{"field": name, "message": "belongs into the body"} for name in sorted(request.query)])
    if hdrs.CONTENT_ENCODING in request.headers:
        # A kilobyte of it may be a gigabyte.
        raise WrongMediaType()
    try:
        # A short one has come with its head.
        async with contextlib.nullcontext() if request.content.is_eof() else asyncio.timeout(SECONDS_TO_SEND):
            text = await request.read() if request.can_read_body else b""
    except TimeoutError as error:
        raise Malformed("The body did not arrive in time.") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge() from error
    if not text:
        return named
    if request.content_type != "application/json":
        raise WrongMediaType()
    return _without(frozenset(named), read_object(text)) | named


def _ask(endpoint: Endpoint, asked: dict[str, Any], parameters: frozenset[str]) -> Any:
    try:
        return read_ask(endpoint, asked, strict=endpoint.method in WITH_BODY)
    except Invalid as error:
        # A path that cannot be is a thing that is not there.
        if any(one["field"] in parameters for one in error.details.get("errors", ())):
            raise NotFound() from error
        raise


async def actor_of(request: web.Request) -> Actor:
    """Tell who asks: whose access token the request bears, or a guest."""
    hub, header = request.app[HUB], request.headers.getall(hdrs.AUTHORIZATION, ())
    address, device = address_of(request), request.headers.get(hdrs.USER_AGENT, "")[:_LONGEST_DEVICE]
    endpoint = request.get(ENDPOINT)
    # Who logs in or refreshes proves it by the body; clients send their expired token along all the same.
    proves_it_by_body = endpoint is not None and (endpoint.subject, endpoint.may) == ("auth", EVERYBODY)
    about = {
        "address": address,
        "device": device,
        "request_id": request.get(REQUEST_ID, ""),
        "asked": "" if endpoint is None else endpoint.name,
    }
    if not header or proves_it_by_body:
        return Actor(**about)
    scheme, _, token = header[0].partition(" ")
    if len(header) > 1 or scheme.lower() != "bearer" or not token:
        raise Unauthenticated()
    setting_up = endpoint is not None and endpoint.name in _SETTING_UP
    actor = await accounts.actor_of(hub, token.strip(), setting_up=setting_up, **about)
    structlog.contextvars.bind_contextvars(user_id=actor.user_id)
    if PACE in request:
        taken = await request.app[LIMITS].by_person(request[PACE], actor.user_id)
        request[TAKEN] += [] if taken is None else [taken]
    return actor


def address_of(request: web.Request) -> str:
    """Tell the caller's address, believing only as many proxies as the operator has put in front."""
    if ADDRESS not in request:
        request[ADDRESS] = _address_of(request)
    return request[ADDRESS]


def _address_of(request: web.Request) -> str:
    trusted = request.app[HUB].settings.trusted_proxies
    hops = [hop.strip() for header in request.headers.getall("X-Forwarded-For", ()) for hop in header.split(",")]
    if trusted and len(hops) >= trusted:
        return _without_port(hops[-trusted]) or request.remote or ""
    return request.remote or ""


@functools.lru_cache(maxsize=10_000)
def _without_port(hop: str) -> str:
    """Read a hop as some proxies write it: 192.0.2.1:4711, or [2001:db8::1]:4711; empty when it is no address."""
    found = _HOP.fullmatch(hop)
    try:
        return str(ip_address(hop if found is None else found[1] or found[2]))
    except ValueError:
        return ""


def _answer(request: web.Request, endpoint: Endpoint, answer: Any) -> web.Response:
    if answer is None:
        return web.Response(status=204)
    body = write(answer)
    if endpoint.method != "GET":
        return _json(body, endpoint.status)
    tag = _tag(body)
    is_known = _names(request.headers.getall(hdrs.IF_NONE_MATCH, ()), tag)
    response = web.Response(status=304) if is_known else _json(body, endpoint.status)
    response.headers[hdrs.ETAG] = tag
    if endpoint.follows is not None:
        response.headers[hdrs.VARY] = hdrs.ACCEPT
    return response


def _json(body: bytes, status: int) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _names(headers: Any, tag: str) -> bool:
    """Tell whether a list of entity tags names this one; a proxy that compresses makes tags weak."""
    listed = [one.strip().removeprefix("W/") for header in headers for one in header.split(",")]
    return "*" in listed or tag in listed


def _expecting(expected: str, changing: Endpoint, actor: Actor) -> Actor:
    """Put on the actor what the caller has last read, where a unit of work compares it with what it has locked."""
    if not any((one.method, one.path) == ("GET", changing.path) for one in TABLE.values()):
        raise Invalid.field("If-Match", "is not offered here")
    return replace(actor, expects=lambda thing: _names([expected], _tag(write(thing))))
