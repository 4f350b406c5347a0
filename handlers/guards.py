"""What is refused before anybody looks at it: foreign names, compressed bodies, and more than somebody may ask."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from handlers.limits import BY_PATH, PAGES, UPLOADING, WRITING, Limits, Pace, Taken, pace_of, policies, standings
from handlers.over_http import BASE, HUB, LIMITS, PACE, SERVED, TAKEN, address_of
from hub.errors import HubError, Malformed, WrongMediaType
from hub.settings import Settings

NAMES: web.AppKey[frozenset[str]] = web.AppKey("names")

# Asked by those who look after this process, by whatever name they know it; nothing here depends on the name.
_SERVICE = frozenset({"/health", "/health/ready", "/metrics"})
_FILES = ("/static/", "/lib/", "/favicon.ico")
# Who has proved the password and is asked for more has not guessed wrong.
_NOT_COUNTED = frozenset({"second_factor_needed"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Misdirected(HubError):
    """The hub is not known by this name; use its public address, or list the name in HUB_ALLOWED_HOSTS."""

    code, status = "misdirected", 421


def add_guards(app: web.Application, settings: Settings, limits: Limits) -> None:
    """Guard every address of the app."""
    app[NAMES] = names(settings)
    app[LIMITS] = limits
    app.middlewares.append(_guarded)
    app.on_response_prepare.append(_tell_what_is_left)


def names(settings: Settings) -> frozenset[str]:
    """List the names under which the hub may be asked."""
    own = urlsplit(settings.public_url).hostname or ""
    return frozenset({own, *settings.allowed_hosts, *(() if settings.production else ("localhost",))})


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[TAKEN] = taken = []
    if request.path in _SERVICE:
        return await handler(request)
    _judge_name(request)
    if hdrs.CONTENT_ENCODING in request.headers:
        # A kilobyte of it may be a gigabyte.
        raise WrongMediaType("Send the body as it is, without compressing it.")
    limits, pace = request.app[LIMITS], _pace(request)
    if pace is not None:
        request[PACE] = pace
    counted = None if pace is None else await limits.by_address(pace, address_of(request))
    if counted is not None:
        taken.append(counted)
    try:
        response = await handler(request)
    except HubError as error:
        if error.status >= 500 or error.code in _NOT_COUNTED:
            await _give_back(limits, counted)
        raise
    if response.status < 400:
        await _give_back(limits, counted)
    return response


async def _give_back(limits: Limits, counted: Taken | None) -> None:
    if counted is not None and counted.pace.counts_refusals_only:
        await limits.give_back(counted)


def _judge_name(request: web.Request) -> None:
    """Refuse a request that was meant for somebody else, or is to make the hub believe it is somebody else."""
    if len(request.headers.getall(hdrs.HOST, ())) > 1:
        raise Malformed("Name the host once.")
    given = [request.host]
    if request.rel_url.absolute:
        given.append(request.rel_url.raw_authority)
    for one in given:
        if not _is_ours(one, request.app[NAMES], is_open=not request.app[HUB].settings.production):
            raise Misdirected()


@functools.lru_cache(maxsize=1000)
def _is_ours(host: str, own: frozenset[str], *, is_open: bool) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        name = (parts.hostname or "").rstrip(".")
        # Refuses a port that is none.
        _ = parts.port
    except ValueError:
        return False
    if parts.netloc != host or "@" in host or parts.path:
        return False
    return name in own or (is_open and _is_address(name))


def _is_address(name: str) -> bool:
    """Tell an address from a name: only a name can be made to lead here from a foreign page."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _pace(request: web.Request) -> Pace | None:
    endpoint = request.app[SERVED].get(request.match_info.handler)
    if endpoint is not None:
        return pace_of(endpoint)
    resource = request.match_info.route.resource
    path = "" if resource is None else resource.canonical
    if path.startswith(_FILES):
        return None
    if path in BY_PATH:
        return BY_PATH[path]
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return PAGES
    # What is sent to the API and is no endpoint of its table is a picture.
    return UPLOADING if path.startswith(BASE) else WRITING


async def _tell_what_is_left(request: web.Request, response: web.StreamResponse) -> None:
    taken = request.get(TAKEN)
    if taken:
        response.headers["RateLimit-Policy"] = policies(taken)
        response.headers["RateLimit"] = standings(taken)
