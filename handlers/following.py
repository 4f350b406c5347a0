"""Live rooms over plain HTTP: answers that wait until there is something to tell, and streams of server-sent events."""

from __future__ import annotations

import asyncio
import random
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import hdrs, web

from handlers.connect import SocketDoors
from handlers.followed import Followed
from handlers.over_http import FOLLOW, FOLLOWED, HUB
from handlers.patience import PatientHandler
from hub.core import Actor, Hub
from hub.errors import HubError, Invalid, Unavailable
from hub.live import replay
from hub.live.connection import Connection, Refused
from hub.live.replay import News, Told
from hub.live.server import Live
from hub.live.stream import HEARTBEAT, Stream, opening
from hub.live.wire import notice_the_dead
from hub.models.live import Follow
from hub.services import accounts

EVENT_STREAM = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"
# Proxies give up a connection on which nothing came for a minute.
HEARTBEAT_SECONDS = 15.0
# Milliseconds before a follower comes back; jitter keeps those of a worker that stops from arriving together.
COME_BACK = (1000, 4000)
# Followers that are looked up at the same time; a crowd that comes back at once waits here, and leaves the database to
# others.
LOOKING_AT_ONCE = 4

STANDS_AT = re.compile(r"([0-9A-Za-z-]{1,40}):([0-9]{1,16})")
_HEADERS = {
    hdrs.CONTENT_TYPE: f"{EVENT_STREAM}; charset=utf-8",
    hdrs.CACHE_CONTROL: "no-store",
    hdrs.VARY: hdrs.ACCEPT,
    # Asks nginx not to keep events back until there is more of them.
    "X-Accel-Buffering": "no",
}


def add_following(app: web.Application, live: Live) -> None:
    """Let the live rooms of an application be followed over plain HTTP."""
    app[FOLLOW] = Following(live).follow


class Following:
    """Lets in those who follow, each as a connection like that of a socket: counted, looked at, sent away."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._turns = asyncio.Semaphore(LOOKING_AT_ONCE)
        # What is being read at this moment: a crowd that waited for the same is answered by one look into the log.
        self._reads: dict[tuple[str, int | None, str | None], asyncio.Task[News]] = {}

    async def follow(
        self, request: web.Request, followed: Followed[Any], actor: Actor, ask: Follow
    ) -> web.StreamResponse | News | Actor:
        """Answer with a stream where one is asked for, or with what was waited for; else tell as whom to go on."""
        if _takes_stream(request):
            return await self._stream(request, followed, _known(request, ask))
        if ask.wait and ask.since is not None:
            return await self._wait(request, followed, actor, ask, ask.since)
        return actor

    async def _wait(
        self, request: web.Request, followed: Followed[Any], actor: Actor, ask: Follow, since: int
    ) -> News | Actor:
        hub = request.app[HUB]
        # Nobody learns by the length of a wait that something happened where they may not look.
        if not await self._is_up_to_date(hub, followed, actor, ask):
            return actor
        request[FOLLOWED] = True
        async with self._connected(request) as (stream, connection):
            # First seated, then asked again: what happens in between is told by one of the two.
            seat = await self._live.enter(connection, followed.room)
            if await self._is_up_to_date(hub, followed, connection.caller.actor, ask):
                seat.begin(since)
                if await stream.next(ask.wait) and not stream.is_ending:
                    return await self._read(hub, followed, ask)
        token = _token(request)
        if token is None:
            return actor
        # Nothing came, or a right has gone.
        now = await accounts.actor_of(hub, token, address=actor.address, device=actor.device)
        return replace(now, asked=actor.asked, request_id=actor.request_id)

    async def _is_up_to_date(self, hub: Hub, followed: Followed[Any], actor: Actor, ask: Follow) -> bool:
        async with self._turns, hub.reading() as db:
            await followed.judge(db, actor)
            return await replay.is_newest(db, followed.room, ask.since, ask.epoch)

    async def _read(self, hub: Hub, followed: Followed[Any], ask: Follow) -> News:
        key = (followed.room, ask.since, ask.epoch)
        if key not in self._reads:
            self._reads[key] = reading = asyncio.create_task(followed.news(hub, ask))
            reading.add_done_callback(lambda _: self._reads.pop(key))
        return await asyncio.shield(self._reads[key])

    async def _stream(self, request: web.Request, followed: Followed[Any], ask: Follow) -> web.StreamResponse:
        request[FOLLOWED] = True
        async with self._connected(request) as (stream, connection):
            told, begin = await self._enter(connection, followed, ask)
            response = web.StreamResponse(headers=_HEADERS)
            response.force_close()
            # A client that goes is no fault; and one that is refused from here on comes back, and is told why.
            with suppress(ConnectionError, HubError):
                await response.prepare(request)
                await response.write(f"retry: {random.randint(*COME_BACK)}\n\n".encode())  # noqa: S311
                while begin is None:
                    await response.write(opening(told))
                    ask = ask.model_copy(update={"since": told.version, "epoch": told.epoch})
                    told, begin = await self._enter(connection, followed, ask)
                await response.write(opening(told) or HEARTBEAT)
                begin()
                while not stream.is_ending:
                    await response.write(await stream.next(HEARTBEAT_SECONDS) or HEARTBEAT)
                if last_word := await stream.next(0):
                    await response.write(last_word)
        return response

    async def _enter(
        self, connection: Connection, followed: Followed[Any], ask: Follow
    ) -> tuple[Told, Callable[[], None] | None]:
        """Take a seat; tells what is not known yet, and how the seat begins, which it does not while there is more."""
        doors = self._live.doors
        assert isinstance(doors, SocketDoors)

        async def judge() -> None:
            async with doors.hub.reading() as db:
                await followed.judge(db, connection.caller.actor)

        async with self._turns:
            return await doors.enter(connection, followed.room, followed.about, followed.snapshot, ask, judge)

    @asynccontextmanager
    async def _connected(self, request: web.Request) -> AsyncIterator[tuple[Stream, Connection]]:
        """Let a follower in as a socket is: counted, and looked at again for as long as it stays."""
        origin = self._live.origin(request)
        place = self._live.sockets.crowd.come(origin.network)
        stream = Stream(secrets.token_urlsafe(15), origin, place, self._live.epoch, partial(_abort, request))
        connection = None
        try:
            connection = await self._let_in(stream, _token(request))
            if self._live.is_leaving:
                # It came too late to be sent away with the others.
                raise Unavailable("This worker is about to stop; come back in a moment.")
            with _noticing_loss(request, stream):
                yield stream, connection
        finally:
            place.leave()
            if connection is not None:
                self._live.gone(connection)

    async def _let_in(self, stream: Stream, token: str | None) -> Connection:
        try:
            return self._live.welcome(stream) if token is None else await self._live.connected(stream, token)
        except Refused as refused:
            if isinstance(refused.__cause__, HubError):
                raise refused.__cause__ from refused
            raise Unavailable(refused.sentence) from refused


def _token(request: web.Request) -> str | None:
    """Read the token again by which it is known who asks."""
    return request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")[2].strip() or None


def _takes_stream(request: web.Request) -> bool:
    """Tell whether a stream is asked for, which browsers do by naming it alone."""
    kinds = [one.partition(";")[0].strip().lower() for one in request.headers.get(hdrs.ACCEPT, "").split(",")]
    return EVENT_STREAM in kinds and "application/json" not in kinds


def _known(request: web.Request, ask: Follow) -> Follow:
    """Begin where a follower says it stands; that is newer than what the address of the stream still says."""
    given = request.headers.getall(LAST_EVENT_ID, [""])
    if given == [""]:
        return ask
    found = STANDS_AT.fullmatch(given[0])
    if len(given) > 1 or found is None or int(found[2]) > 2**53:
        raise Invalid.field(LAST_EVENT_ID, "must be the id of an event of this stream")
    return ask.model_copy(update={"since": int(found[2]), "epoch": found[1]})


@contextmanager
def _noticing_loss(request: web.Request, stream: Stream) -> Iterator[None]:
    """End the stream at once when its client goes; else that shows at the next heartbeat only."""
    protocol = request.protocol
    assert isinstance(protocol, PatientHandler)
    transport = request.transport
    if transport is None or transport.is_closing():
        stream.end()
    else:
        notice_the_dead(transport)
    protocol.when_lost = stream.end
    try:
        yield
    finally:
        protocol.when_lost = None


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
