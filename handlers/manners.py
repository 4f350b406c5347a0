"""What every HTTP answer has in common: problem documents, security headers, a request id, a log line, a figure."""

from __future__ import annotations

import functools
import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
import structlog
from aiohttp import hdrs, web
from prometheus_client import Counter, Histogram

from handlers.over_http import ENDPOINT, FOLLOWED, HUB, REQUEST_ID
from handlers.problems import Fault, MethodNotAllowed, problem
from hub.errors import HubError, Malformed, NotFound, TooLarge, Unavailable

# Set by the pages: how a browser that follows a link sees a refusal.
RefusedPage = Callable[[web.Request, dict[str, Any]], Awaitable[web.Response]]
REFUSED_PAGE: web.AppKey[RefusedPage] = web.AppKey("refused_page")

# What pages may load, unless they say otherwise.
POLICY: web.AppKey[str] = web.AppKey("policy")

REQUESTS = Counter("hub_http_requests", "Requests answered.", ["method", "endpoint", "status"])
SECONDS = Histogram("hub_http_seconds", "Seconds from request to answer.", ["endpoint"])

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")
_ASKED_ACROSS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id"
_TOLD_ACROSS = "ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def content_policy(scripts: Iterable[str]) -> str:
    """Write the content security policy: nothing from elsewhere, nothing inline but the scripts of these hashes."""
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(("script-src 'self'", *(f"'{script}'" for script in scripts))),
            "style-src 'self'",
            "img-src 'self' data:",
            # Covers the websocket of the same host too.
            "connect-src 'self'",
            "font-src 'self'",
            "manifest-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        )
    )


def with_cards(policy: str) -> str:
    """Let a page load Stripe's own form for cards too, as https://docs.stripe.com/security/guide asks for."""
    forms = "https://js.stripe.com https://*.js.stripe.com"
    wider = policy.replace("script-src 'self'", f"script-src 'self' {forms}")
    wider = wider.replace("connect-src 'self'", "connect-src 'self' https://api.stripe.com")
    return f"{wider}; frame-src {forms} https://hooks.stripe.com"


def add_manners(app: web.Application, policy: str, *, over_tls: bool) -> None:
    """Give every answer of the app its manners."""
    app[POLICY] = policy
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
    if over_tls:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"

    async def finish(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        # aiohttp would name itself and its version, which help only those who look for holes.
        response.headers[hdrs.SERVER] = "booking-hub"
        response.headers["X-Request-Id"] = request.get(REQUEST_ID, "")
        is_read = request.method in ("GET", "HEAD")
        if not is_read or hdrs.AUTHORIZATION in request.headers or response.status >= 400:
            response.headers[hdrs.CACHE_CONTROL] = "no-store"
        else:
            response.headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")
        _share(request, response)

    app.middlewares.append(_mannered)
    app.on_response_prepare.append(finish)


def _share(request: web.Request, response: web.StreamResponse) -> None:
    """Let pages of the allowed origins read the answer."""
    response.headers.add(hdrs.VARY, "Origin, Authorization")
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin in request.app[HUB].settings.allowed_origins:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _TOLD_ACROSS


@web.middleware
async def _mannered(request: web.Request, handler: Handler) -> web.StreamResponse:
    given = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request[REQUEST_ID])
    started = time.perf_counter()
    response = await _answer(request, handler)
    if not request.path.startswith("/socket.io"):
        _count(request, response.status, time.perf_counter() - started)
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except HubError as error:
        return await refused(request, error)
    except web.HTTPMethodNotAllowed as error:
        if request.method == "OPTIONS":
            return _options(request, error.allowed_methods)
        return await refused(request, MethodNotAllowed(), allow=error.allowed_methods)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return await refused(request, _as_refusal(error))
    except ConnectionResetError:
        raise
    except Exception:
        log.exception("fault", method=request.method, path=request.path)
        return await refused(request, Fault())


def _as_refusal(error: web.HTTPException) -> HubError:
    if error.status in (404, 403):
        return NotFound("There is nothing at this address.")
    if error.status == 413:
        return TooLarge()
    return Malformed() if error.status < 500 else Unavailable()


async def refused(request: web.Request, error: HubError, allow: Iterable[str] = ()) -> web.Response:
    """Answer a refusal as a problem document, or as a page to a browser that follows a link."""
    document = problem(error, request.path, request[REQUEST_ID])
    page = request.app.get(REFUSED_PAGE)
    follows_link = "text/html" in request.headers.get(hdrs.ACCEPT, "") and not request.path.startswith("/api/")
    if page is not None and follows_link:
        response = await page(request, document)
    else:
        body = orjson.dumps(document, default=str)
        response = web.Response(body=body, content_type="application/problem+json")
    response.set_status(error.status)
    if error.retry_after is not None:
        response.headers[hdrs.RETRY_AFTER] = str(math.ceil(error.retry_after))
    if error.status == 401:
        invalid = ' error="invalid_token"' if hdrs.AUTHORIZATION in request.headers else ""
        response.headers[hdrs.WWW_AUTHENTICATE] = f'Bearer realm="booking-hub"{"," if invalid else ""}{invalid}'
    if allow:
        response.headers[hdrs.ALLOW] = ", ".join(sorted({*allow, "OPTIONS"}))
    return response


def _options(request: web.Request, methods: Iterable[str]) -> web.Response:
    """Answer which methods there are, and to a browser whether a page of another origin may use them."""
    allow = ", ".join(sorted({*methods, "OPTIONS"}))
    if hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
        return web.Response(status=204, headers={hdrs.ALLOW: allow})
    if request.headers.get(hdrs.ORIGIN) not in request.app[HUB].settings.allowed_origins:
        return web.Response(status=403)
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: allow,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _ASKED_ACROSS,
            hdrs.ACCESS_CONTROL_MAX_AGE: "600",
        },
    )


# To find a figure by its labels takes as long as to count by it.
@functools.lru_cache(maxsize=5000)
def _requests(method: str, name: str, status: int) -> Counter:
    return REQUESTS.labels(method, name, status)


@functools.lru_cache(maxsize=1000)
def _seconds(name: str) -> Histogram:
    return SECONDS.labels(name)


def _count(request: web.Request, status: int, seconds: float) -> None:
    endpoint = request.get(ENDPOINT)
    resource = request.match_info.route.resource
    name = endpoint.name if endpoint else resource.canonical if resource else "none"
    # A method that nobody knows must not make a figure of its own.
    method = request.method if request.method in hdrs.METH_ALL else "other"
    _requests(method, name, status).inc()
    if FOLLOWED not in request:
        _seconds(name).observe(seconds)
    milliseconds = round(seconds * 1000, 1)
    # Whoever knows such a path may read what is there, so the log says only of what kind it was.
    path = name if "token" in request.match_info else request.path
    log.info("request", method=request.method, path=path, asked=name, status=status, milliseconds=milliseconds)
