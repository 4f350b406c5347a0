"""Wires everything; the only module that knows all others."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from handlers.connect import SocketDoors
from handlers.downloads import add_downloads
from handlers.files import add_files
from handlers.following import add_following
from handlers.guards import add_guards
from handlers.inbox import add_inbox
from handlers.limits import Limits
from handlers.manners import add_manners, content_policy
from handlers.outbox import add_outbox
from handlers.over_http import HUB, add_routes
from handlers.pages import IMPORT_MAP_HASH, LIVE, REDIS, add_pages
from handlers.patience import PatientRunner
from handlers.sandbox import add_sandbox
from handlers.site import add_site
from hub import logs
from hub.core import Hub
from hub.jobs import import_bookings as importing
from hub.jobs import lively, queue, runner
from hub.jobs.progress import Bar
from hub.live.reach import Client, Reach
from hub.live.server import Live
from hub.services import audit, founding, health, samples
from hub.services.samples import SampleLogin
from hub.settings import Settings, SettingsRefused
from storage.embedded import embedded_servers
from storage.migrate import migrate_database
from storage.pool import Pool, open_pool

# What a worker says once it serves.
SERVING = "serving"
LARGEST_BODY = 256 * 1024
# Ctrl-C ends everything within five seconds; the embedded servers, which stop last, need a part of them.
SECONDS_TO_FINISH = 1.5
# A worker with others beside it takes its time: clients leave it one after the other, and who keeps a connection open
# for requests is told to come back elsewhere. Alone, on the machine of whoever pressed Ctrl-C, it is quick.
SECONDS_TO_LEAVE = 5.0
SECONDS_TO_LEAVE_ALONE = 1.0


@dataclass
class Running:
    """A hub with everything it runs on."""

    hub: Hub
    live: Live
    redis: Client
    limits: Limits


@contextlib.asynccontextmanager
async def servers(settings: Settings, *, join: bool = True) -> AsyncIterator[Settings]:
    """Answer settings that name both servers, running the embedded ones where the operator named none."""
    if settings.database_url and settings.redis_url:
        yield settings
        return
    async with embedded_servers(settings.data, join=join) as urls:
        yield replace(
            settings,
            database_url=settings.database_url or urls.database,
            redis_url=settings.redis_url or urls.redis,
        )


@contextlib.asynccontextmanager
async def open_hub(settings: Settings) -> AsyncIterator[Running]:
    """Connect a hub to its servers, which the settings must name."""
    assert settings.database_url
    assert settings.redis_url
    async with contextlib.AsyncExitStack() as stack:
        pool = await open_pool(settings.database_url, settings.pool_size)
        stack.push_async_callback(_close, pool)
        redis = Reach(settings.redis_url).client()
        stack.push_async_callback(redis.aclose)
        live = await Live.open(settings, pool)
        hub = Hub(settings, pool, live.publisher.publish, live.revoke)
        stack.push_async_callback(hub.gateways_of_money.close)
        async with hub.reading() as db:
            await hub.clock.synchronise(db)
        limits = Limits(settings, hub.clock.now)
        stack.push_async_callback(limits.close)
        SocketDoors(hub, live, limits)
        await live.start()
        stack.push_async_callback(live.stop)
        yield Running(hub, live, redis, limits)


async def _close(pool: Pool) -> None:
    # A statement that still runs is cut off; what it had not committed never was.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS_TO_FINISH):
            await pool.close()


def build(running: Running) -> web.Application:
    """Make the web application of a running hub."""
    settings = running.hub.settings
    app = web.Application(client_max_size=LARGEST_BODY)
    app[HUB], app[REDIS], app[LIVE] = running.hub, running.redis, running.live
    add_manners(app, content_policy([IMPORT_MAP_HASH]), over_tls=settings.public_url.startswith("https://"))
    add_guards(app, settings, running.limits)
    add_routes(app)
    add_following(app, running.live)
    add_pages(app)
    add_files(app)
    add_downloads(app)
    add_site(app)
    add_outbox(app)
    add_inbox(app)
    add_sandbox(app)
    running.live.attach(app)
    return app


async def serve(settings: Settings) -> None:
    """Serve pages, the HTTP API and live events until cancelled."""
    with listen(settings) as listening:
        configure_logs(settings)
        async with _ready_hub(settings, join=False) as running:
            logins = await _load_samples(running.hub)
            await health.refuse_forgetful_database(running.hub)
            await _serve_on(listening, running, _greeting(running.hub.settings, logins))


async def serve_on(settings: Settings, descriptor: int) -> None:
    """Serve, until cancelled or orphaned, as one of several workers, on the socket that they were started with."""
    configure_logs(settings)
    with socket.socket(fileno=descriptor) as listening:
        async with open_hub(settings) as running, asyncio.TaskGroup() as group:
            serving = group.create_task(_serve_on(listening, running, SERVING, is_one_of_many=True))
            await _orphaned()
            serving.cancel()


async def _orphaned() -> None:
    """Wait until whoever started this process is gone: nothing is ever written to it, so its input ends only then."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


@contextlib.asynccontextmanager
async def prepared(settings: Settings) -> AsyncIterator[tuple[Settings, str]]:
    """Run the servers that several workers need, migrated and filled; answers where they are, and how to greet."""
    configure_logs(settings)
    async with servers(settings, join=False) as reached:
        await _migrate(reached)
        async with open_hub(reached) as running:
            logins = await _load_samples(running.hub)
            await health.refuse_forgetful_database(running.hub)
        yield reached, _greeting(reached, logins)


@contextlib.asynccontextmanager
async def _ready_hub(settings: Settings, *, join: bool = True) -> AsyncIterator[Running]:
    """Open a hub on a database of the newest schema."""
    async with servers(settings, join=join) as reached:
        await _migrate(reached)
        async with open_hub(reached) as running:
            yield running


async def _load_samples(hub: Hub) -> Sequence[SampleLogin]:
    if hub.settings.production and await samples.are_loaded(hub):
        raise SettingsRefused("This database has the sample accounts, whose passwords are public: take another one.")
    return await samples.load(hub) if hub.settings.sample_data else ()


async def _serve_on(listening: socket.socket, running: Running, greeting: str, *, is_one_of_many: bool = False) -> None:
    async with asyncio.TaskGroup() as group:
        # In production the jobs have processes of their own.
        settings = running.hub.settings
        working = group.create_task(runner.keep_time(running.hub) if settings.production else _jobs(running))
        serving = PatientRunner(build(running), shutdown_timeout=SECONDS_TO_FINISH)
        is_one_of_many = is_one_of_many or settings.production
        try:
            await serving.setup()
            site = web.SockSite(serving, listening)
            await site.start()
            _calm_the_collector()
            print(greeting, flush=True)
            try:
                await asyncio.Event().wait()
            finally:
                # From here on nobody new is let in; whoever asks meanwhile is answered.
                await site.stop()
                await _send_everybody_away(running.live, is_one_of_many=is_one_of_many)
        finally:
            await serving.cleanup()
            working.cancel()


async def _send_everybody_away(live: Live, *, is_one_of_many: bool) -> None:
    if not is_one_of_many:
        await live.send_away(SECONDS_TO_LEAVE_ALONE)
        return
    await asyncio.gather(live.send_away(SECONDS_TO_LEAVE), asyncio.sleep(SECONDS_TO_FINISH))


def _calm_the_collector() -> None:
    """Leave out of every collection what stays for good, and collect less often: alone 1.4-2 times the events."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _greeting(settings: Settings, logins: Sequence[SampleLogin]) -> str:
    url = settings.public_url
    lines = [
        f"The booking hub runs on {url} (Ctrl-C stops it).",
        f"  pages      {url}/  and  {url}/dashboard",
        f"  API        {url}/docs  and  {url}/docs/events",
    ]
    if settings.has_outbox_page:
        lines.append(f"  mail       {url}/dev/mail keeps what would be sent")
    return "\n".join([*lines, *_people(logins)])


def _people(logins: Sequence[SampleLogin]) -> list[str]:
    if not logins:
        return []
    width = max(len(login.email) for login in logins)
    listed = [f"  {login.email:{width}}  {login.password}  {login.about}" for login in logins]
    return ["Sample people, for this machine only:", *listed]


async def work(settings: Settings) -> None:
    """Run what time triggers until cancelled: expiry, publishing again, forgetting."""
    configure_logs(settings)
    async with _ready_hub(settings) as running:
        await health.refuse_forgetful_database(running.hub)
        print("The worker runs (Ctrl-C stops it).", flush=True)
        await _jobs(running)


def _jobs(running: Running) -> Coroutine[Any, Any, None]:
    return runner.run(running.hub, running.live.publisher)


async def seed(settings: Settings, *, live: bool = False, minutes: float | None = None) -> None:
    """Load the sample world, and let its customers live in it for a while if asked."""
    configure_logs(settings)
    async with _ready_hub(settings) as running:
        print("\n".join(_people(await samples.load(running.hub))), flush=True)
        if live:
            print("Sample customers hold, book and cancel (Ctrl-C sends them home).", flush=True)
            await lively.run(running.hub, minutes, partial(print, flush=True))


async def admin(settings: Settings, email: str, full_name: str, password: str | None, *, another: bool) -> None:
    """Make a super admin, the first one unless `another` is asked for."""
    configure_logs(settings)
    async with _ready_hub(settings) as running:
        user = await founding.make_super_admin(running.hub, email, full_name, password, another=another)
    print(f"{user.email} is a super admin.")


async def import_bookings(settings: Settings, kind: str, file: Path, options: argparse.Namespace) -> None:
    """Replay a file of real bookings; what is no booking is told line by line."""
    configure_logs(settings)
    async with _ready_hub(settings) as running:
        report = await importing.run(running.hub, file, options.pool_size, Bar(f"events of {kind}"))
    for line, cause in report.dirty:
        print(f"{file}, line {line}: {cause}", file=sys.stderr)
    print(report.sentence)


async def retry(settings: Settings, kind: str) -> None:
    """Have the jobs of a kind that were given up tried again by whatever worker runs."""
    configure_logs(settings)
    async with servers(settings) as reached, open_hub(reached) as running:
        print(f"{await queue.retry(running.hub, kind)} jobs of the kind {kind} are tried again.")


async def verify_audit(settings: Settings) -> None:
    """Follow the audit's seals to their end, and tell the first that does not hold."""
    configure_logs(settings)
    async with servers(settings) as reached, open_hub(reached) as running:
        found = await audit.verify_all(running.hub)
    if found.broken is not None:
        row = f", entry {found.broken.row}" if found.broken.row else ""
        raise audit.AuditBroken(f"The audit is broken at seal {found.broken.seal}{row}: {found.broken.reason}.")
    print(f"{found.entries} entries under {found.held_to} seals are as they were written.")
    print(f"{found.unsealed} wait to be sealed; the newest seal is {found.head or 'none'}.")


def _is_ours(record: logging.LogRecord) -> bool:
    """Leave out what is no HTTP, and who hangs up amid a request: anybody could fill the log with tracebacks."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError | ConnectionResetError)


async def migrate(settings: Settings) -> None:
    """Bring the database to the newest schema."""
    async with servers(settings) as reached:
        applied = await _migrate(reached)
    print("\n".join(f"applied {name}" for name in applied) or "The schema is the newest already.")


async def _migrate(settings: Settings) -> list[str]:
    assert settings.database_url
    return await migrate_database(settings.database_url)


def listen(settings: Settings, *, shared: bool = False) -> socket.socket:
    """Take the port before anything else is started, so that a taken one is told at once; workers may share it."""
    family, _, _, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return socket.create_server(address[:2], family=family, backlog=1024, reuse_port=shared)


def configure_logs(settings: Settings) -> None:
    """Write one JSON line for each thing worth knowing; in development only what went wrong."""
    logs.configure(logging.INFO if settings.production else logging.WARNING, sys.stderr)
    logging.getLogger("aiohttp.server").addFilter(_is_ours)
