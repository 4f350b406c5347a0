"""The few true HTTP things: files, documentation, health and figures."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import Metric

from handlers import describe
from handlers.assets import send
from handlers.over_http import HUB
from hub import figures
from hub.core import Hub
from hub.errors import HubError, NotFound, Unavailable
from hub.live.reach import FAILURES, REDIS_SECONDS, Client, stop_if_cancelled
from hub.live.server import Live
from hub.services import health
from storage.jobs import Standing

STATIC = Path(__file__).parent.parent / "static"
# The only third-party files that a page may load, by their name under /lib.
LIBRARY: dict[str, str] = orjson.loads((STATIC / "lib.json").read_bytes())
# Stands in pages exactly as it is written here, because the content policy names its hash.
IMPORT_MAP = (STATIC / "importmap.json").read_text(encoding="utf-8").strip()
IMPORT_MAP_HASH = f"sha256-{base64.b64encode(hashlib.sha256(IMPORT_MAP.encode()).digest()).decode()}"

REDIS: web.AppKey[Client] = web.AppKey("redis")
LIVE = web.AppKey("live", Live)

SECONDS_BETWEEN_MEASURES = 0.5

_OWN_FOLDERS = ("css", "js", "api", "img")


def add_pages(app: web.Application) -> None:
    """Add what is neither an endpoint nor a page of the site."""
    routes = [
        web.get("/health", _health),
        web.get("/health/ready", _ready),
        web.get("/metrics", _metrics),
        web.get("/openapi.json", _openapi),
        web.get("/asyncapi.json", _asyncapi),
        web.get("/docs", _docs),
        web.get("/docs/events", _docs_events),
        web.get("/lib/{name}", _library),
        # One folder deep, so that no path can lead out of it.
        web.get(rf"/static/{{folder:{'|'.join(_OWN_FOLDERS)}}}/{{name:\w[\w.-]*}}", _own_file),
        web.get("/favicon.ico", _favicon),
    ]
    app.add_routes(routes)
    app.cleanup_ctx.append(_keep_measuring)


def _json(thing: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(thing), status=status, content_type="application/json", charset="utf-8")


async def _health(request: web.Request) -> web.Response:
    """Tell that this process lives, and whether it reaches its database."""
    hub = request.app[HUB]
    state = "connected" if await health.database_answers(hub) else "unreachable"
    return _json({"status": "ok", "service": "booking-hub", "timestamp": datetime.now(UTC), "database": state})


async def _ready(request: web.Request) -> web.Response:
    """Tell whether requests may be sent here: database, schema, Redis, and whether this worker hears itself by it."""
    hub, live = request.app[HUB], request.app[LIVE]
    database = await health.database_answers(hub)
    missing = await health.migrations_missing(hub) if database else []
    checks = {
        "database": database,
        "migrations": database and not missing,
        "redis": await _redis_answers(request),
        "listener": live.listener.is_heard,
        "stays": not live.is_leaving,
    }
    ready = all(checks.values())
    document: dict[str, Any] = {"status": "ready" if ready else "not_ready", "checks": checks}
    if checks["migrations"]:
        # No reason to send requests elsewhere, but one to look.
        document["jobs"] = {one.kind: {"waiting": one.waiting, "failed": one.failed} for one in await _jobs(hub)}
    return _json(document, 200 if ready else 503)


async def _jobs(hub: Hub) -> Sequence[Standing]:
    try:
        return await health.jobs_standing(hub)
    except HubError:
        return ()


async def _redis_answers(request: web.Request) -> bool:
    try:
        async with asyncio.timeout(2 * REDIS_SECONDS):
            return bool(await request.app[REDIS].ping())
    except FAILURES:
        return False
    finally:
        stop_if_cancelled()


async def _metrics(request: web.Request) -> web.Response:
    _measure(request.app)
    written = figures.written(await _asked(request.app[HUB]))
    return web.Response(body=written, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _asked(hub: Hub) -> list[Metric]:
    """Ask the database for the figures that are the same whichever worker is asked."""
    try:
        unsent, backlog = await health.events_unsent(hub), await health.webhooks_unsent(hub)
    except HubError:
        return []
    jobs = await _jobs(hub)
    return [
        figures.gauge(
            "hub_outbox_waiting", "Transactions whose events Redis has not taken.", {"": unsent.transactions}
        ),
        figures.gauge("hub_outbox_seconds", "Seconds that the oldest of them has waited.", {"": unsent.seconds}),
        figures.gauge("hub_jobs_waiting", "Jobs not done yet.", {one.kind: one.waiting for one in jobs}, "kind"),
        figures.gauge("hub_jobs_failed", "Jobs that were given up.", {one.kind: one.failed for one in jobs}, "kind"),
        figures.gauge("hub_webhooks_waiting", "Messages not sent to webhooks yet.", {"": backlog.waiting}),
        figures.gauge("hub_webhooks_failing", "Webhooks whose receivers take nothing now.", {"": backlog.failing}),
        figures.gauge(
            "hub_webhooks_seconds",
            "Seconds the oldest message has waited for a receiver that is well.",
            {"": backlog.seconds},
        ),
    ]


def _measure(app: web.Application) -> None:
    hub, live = app[HUB], app[LIVE]
    figures.SOCKETS.set(sum(1 for _ in live.connections))
    figures.ROOMS.set(live.listener.rooms)
    figures.PLACING.set(hub.placing.depth)
    figures.IDLE.set(hub.pool.get_idle_size())
    figures.PUBLISHING.set(live.publisher.depth)
    figures.HEARD.set(live.listener.is_heard)
    figures.measure_process()


async def _keep_measuring(app: web.Application) -> AsyncIterator[None]:
    """Measure this worker again and again, for another may be asked, and see by how much each time is late."""

    async def keep() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + SECONDS_BETWEEN_MEASURES
            await asyncio.sleep(SECONDS_BETWEEN_MEASURES)
            figures.LAG.observe(max(0.0, loop.time() - due))
            _measure(app)

    measuring = asyncio.create_task(keep())
    yield
    measuring.cancel()


@functools.cache
def _described(describing: Callable[[], dict[str, Any]]) -> bytes:
    return orjson.dumps(describing())


def _document(describing: Callable[[], dict[str, Any]]) -> web.Response:
    response = web.Response(body=_described(describing), content_type="application/json", charset="utf-8")
    response.enable_compression()
    return response


async def _openapi(request: web.Request) -> web.Response:
    return _document(describe.openapi)


async def _asyncapi(request: web.Request) -> web.Response:
    return _document(describe.asyncapi)


async def _docs(request: web.Request) -> web.Response:
    # Swagger UI is a script of the old kind, which runs before the module that uses it.
    library = '<script defer src="/lib/swagger-ui.js"></script>'
    return _page("Booking hub: HTTP API", ("/lib/swagger-ui.css", "/static/css/docs-http.css"), "docs.js", library)


async def _docs_events(request: web.Request) -> web.Response:
    styles = ("/static/css/base.css", "/static/css/docs-events.css")
    return _page("Booking hub: live API", styles, "docs-events.js")


def _page(title: str, styles: Sequence[str], script: str, library: str = "") -> web.Response:
    links = "".join(f'<link rel="stylesheet" href="{style}">' for style in styles)
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/favicon.ico">
{links}
<script type="importmap">{IMPORT_MAP}</script>
{library}
<script type="module" src="/static/js/{script}"></script>
</head>
<body>
<main id="docs"></main>
<noscript>This page needs scripts; the same is in /openapi.json, /asyncapi.json and /static/api/endpoints.md.</noscript>
</body>
</html>
"""
    return web.Response(text=text, content_type="text/html")


async def _library(request: web.Request) -> web.Response:
    file = LIBRARY.get(request.match_info["name"])
    if file is None:
        raise NotFound()
    path = STATIC / "node_modules" / file
    if not path.is_file():
        raise Unavailable("What the pages need is not installed; run make run.")
    return await send(request, path)


async def _own_file(request: web.Request) -> web.Response:
    path = STATIC / request.match_info["folder"] / request.match_info["name"]
    return await send(request, path)


async def _favicon(request: web.Request) -> web.Response:
    return web.Response(text=_ICON, content_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})


_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0a6b5e"/>'
    '<path d="M9 16.5l5 5 9-11" fill="none" stroke="#fff" stroke-width="3.5" stroke-linecap="round"/></svg>'
)
