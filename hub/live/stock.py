"""The stock path: python-socketio and python-engineio as they come, behind the same doors.

It is there to compare with: what a standard client sees on the hub's own path must be what it sees here. It knows
neither the limits of a packet nor reserved names, so production refuses it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import socketio
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as NotLetIn

from hub.live.connection import Refused
from hub.live.crowd import Crowd, Place
from hub.live.frames import Frame
from hub.live.hardening import PATH, Reception, what_is_wrong_with
from hub.live.wire import (
    LARGEST_PACKET,
    MOST_WAITING_BYTES,
    PING_SECONDS,
    SECONDS_TO_GREET,
    SECONDS_TO_LEAVE,
    Origin,
)

log = logging.getLogger("hub.live.sockets")

# Bytes that a transport holds before no more is handed to the library, whose own queue has no end; and how often to
# look whether they have gone.
_HIGH_WATER = 64 * 1024
_LOOK_EVERY = 0.02


@dataclass(slots=True)
class Visit:
    """One client's coming and going."""

    origin: Origin
    place: Place
    is_over: bool = False


_VISIT = web.RequestKey("visit", Visit)


class StockWire:
    """The connection of one client, by the library's public names only."""

    def __init__(self, server: StockServer, sid: str, request: web.Request, visit: Visit) -> None:
        self.id, self.origin, self.is_cut = sid, visit.origin, False
        self.client: Any = None
        self._server, self._request, self._place = server, request, visit.place
        # Answers and events in their order: the number of an ask and its answer, or a name and what it tells.
        self._waiting: deque[tuple[str, bytes | Any]] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._asked: dict[str, asyncio.Future[bytes | None]] = {}
        self._sending = asyncio.create_task(self._keep_sending())

    async def ask(self, name: str, arguments: list[Any]) -> bytes | None:
        """Hand on an ask; answers what is acknowledged, or nothing when the client is gone."""
        number = str(len(self._asked))
        answered: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = answered
        self._server.reception.asked(self.client, name, arguments, number)
        try:
            return await answered
        finally:
            del self._asked[number]

    def answer(self, number: str, text: bytes) -> None:
        """Acknowledge an ask, with JSON text."""
        self._queue(number, text)

    def tell(self, name: str, data: Any) -> None:
        """Send an event to this client only, outside of any room."""
        self._queue(name, data)

    def write(self, frames: Sequence[Frame], joined: bytes) -> None:
        """Send events; cuts a client for which too much waits already."""
        for ready in frames:
            name, envelope = orjson.loads(ready.text[1:])
            self._queue(name, envelope)
        self._bytes += len(joined)
        if self._bytes > MOST_WAITING_BYTES:
            self.cut("is too slow")

    def pause(self) -> None:
        """Nothing to do: the library reads no further before an ask is answered."""

    def resume(self) -> None:
        """Nothing to do, either."""

    def settle(self, user_id: int | None) -> None:
        """Count as a person's socket, or as a guest's; refused when there are too many."""
        self._place.settle(user_id)

    def cut(self, reason: str) -> None:
        """End the connection at once, with one line in the log."""
        if not self.is_cut:
            log.info("a socket is cut: it %s", reason, extra={"address": self.origin.address})
            self.abort()

    def abort(self) -> None:
        """Drop the connection, whatever the peer does."""
        self.end()
        if self._request.transport is not None:
            self._request.transport.abort()

    def end(self) -> None:
        """Send nothing more, and answer nothing."""
        self.is_cut = True
        self._sending.cancel()
        for answered in self._asked.values():
            if not answered.done():
                answered.set_result(None)

    def leave_soon(self, reason: str | None = None) -> None:
        """Drop the connection in a moment; what is written may still go out."""
        if reason is not None:
            log.info("a socket is sent away: it %s", reason)
        asyncio.get_running_loop().call_later(SECONDS_TO_LEAVE, self.abort)

    async def go_away(self) -> None:
        """Close the connection, so that the client reconnects elsewhere."""
        self.abort()

    def _queue(self, what: str, data: Any) -> None:
        if not self.is_cut:
            self._waiting.append((what, data))
            self._news.set()

    async def _keep_sending(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                what, data = self._waiting.popleft()
                answered = self._asked.get(what)
                if answered is not None and not answered.done():
                    answered.set_result(data)
                    # The answer is on its way before this goes on: whoever waits for it was woken first.
                    await asyncio.sleep(0)
                else:
                    await self._server.stock.emit(what, data, to=self.id)
                await self._until_there_is_room()
            self._bytes = 0

    async def _until_there_is_room(self) -> None:
        # A transport tells its protocol only, which is the library's.
        while (line := self._request.transport) is not None and line.get_write_buffer_size() > _HIGH_WATER:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY)


class StockServer:
    """The server as its documentation shows it, which lets in, asks and forgets by the same reception."""

    def __init__(self, reception: Reception, allowed_origins: tuple[str, ...], limits: bool) -> None:
        self.reception, self.allowed_origins = reception, allowed_origins
        self.crowd = Crowd(is_limited=limits)
        self.wires: dict[str, StockWire] = {}
        self.stock = socketio.AsyncServer(
            async_mode="aiohttp",
            # One ask after the other, as they came.
            async_handlers=False,
            transports=["websocket"],
            # Judged before the library is asked.
            cors_allowed_origins="*",
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            max_http_buffer_size=LARGEST_PACKET,
        )
        self.stock.on("connect", self._connected)
        self.stock.on("disconnect", self._disconnected)
        self.stock.on("*", self._asked)

    def attach(self, app: web.Application) -> None:
        """Serve the sockets of an application."""
        app.router.add_route("*", PATH, self.handle_request)

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Speak with a client until one of the two leaves."""
        if wrong := what_is_wrong_with(request, self.allowed_origins):
            return web.Response(status=400, text=wrong)
        origin = self.reception.origin(request)
        place = self.crowd.come(origin.network)
        request[_VISIT] = visit = Visit(origin, place)
        late = asyncio.get_running_loop().call_later(SECONDS_TO_GREET, _hurry, request, place)
        try:
            response: web.StreamResponse = await self.stock.handle_request(request)
            return response
        finally:
            late.cancel()
            place.leave()
            visit.is_over = True

    async def keep_pinging(self) -> None:
        """Wait: the library pings by itself."""
        await asyncio.Event().wait()

    async def send_away(self) -> None:
        """Tell every client that this server stops."""
        await asyncio.gather(*(wire.go_away() for wire in list(self.wires.values())))

    async def shutdown(self) -> None:
        """End what the library runs."""
        await self.stock.shutdown()

    async def _connected(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        request: web.Request = environ["aiohttp.request"]
        visit = request[_VISIT]
        wire = self.wires[sid] = StockWire(self, sid, request, visit)
        token = auth.get("token") if isinstance(auth, dict) else None
        try:
            if token is None:
                wire.client = self.reception.welcome(wire)
            else:
                wire.client = await self.reception.connected(wire, token)
        except Refused as refused:
            self._forget(sid)
            raise NotLetIn(refused.sentence, refused.document) from refused
        if visit.is_over:
            # It left while it was let in.
            self._forget(sid)

    async def _disconnected(self, sid: str, _reason: str) -> None:
        self._forget(sid)

    async def _asked(self, name: str, sid: str, *arguments: Any) -> Any:
        wire = self.wires.get(sid)
        answer = None if wire is None else await wire.ask(name, list(arguments))
        return None if answer is None else orjson.loads(answer)

    def _forget(self, sid: str) -> None:
        wire = self.wires.pop(sid, None)
        if wire is None:
            return
        wire.end()
        if wire.client is not None:
            self.reception.gone(wire.client)


def _hurry(request: web.Request, place: Place) -> None:
    if not place.is_settled and request.transport is not None:
        request.transport.abort()
