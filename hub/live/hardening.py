"""The socket server, hardened; the only place that leans on private names of python-socketio.

It is pinned to a minor release, and tests/live/test_hardening.py notices when one of these names changes.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Any, Protocol

import orjson
import socketio
from aiohttp import hdrs, web

from hub.live.crowd import Crowd
from hub.live.frames import framed, text_frame
from hub.live.wire import LARGEST_PACKET, PING_SECONDS, PLACE, Wire

log = logging.getLogger("hub.live.sockets")

DEEPEST_JSON = 20
_PING_TICK = 1.0

RESERVED = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"})
_TOKENS_IN_QUERY = ("token", "access_token", "auth", "authorization")
_EVENT = re.compile(r"2([0-9]*)")
# What a client is told at first, besides its id.
_MANNERS = {
    "upgrades": [],
    "pingInterval": PING_SECONDS * 1000,
    "pingTimeout": PING_SECONDS * 1000,
    "maxPayload": LARGEST_PACKET,
}


class JSON:
    """The JSON of the packets."""

    loads = staticmethod(orjson.loads)

    @staticmethod
    def dumps(thing: Any, **_: Any) -> str:
        """Write JSON text."""
        return orjson.dumps(thing).decode()


class SocketPacket(socketio.packet.Packet):  # type: ignore[misc]
    """A Socket.IO packet with a JSON of its own; the library's default belongs to the whole process."""

    uses_binary_events = False
    json = JSON


class Table(socketio.AsyncManager):  # type: ignore[misc]
    """Who is connected; the hub keeps its live rooms elsewhere, so of the library's rooms a client is in two only."""

    def basic_disconnect(self, sid: str, namespace: str, **_: Any) -> None:
        """Forget a client, without a look through the rooms of all others."""
        self.basic_leave_room(sid, namespace, None)
        self.basic_leave_room(sid, namespace, sid)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, ()):
                pending[namespace].remove(sid)
                if not pending[namespace]:
                    del pending[namespace]


class Reception(Protocol):
    """What the server calls when a client comes, asks and goes."""

    def network(self, request: web.Request) -> str:
        """Name the network that a socket comes from."""

    async def connected(self, sid: str, wire: Wire, auth: Any) -> None:
        """Let a client in, or raise `socketio.exceptions.ConnectionRefusedError`."""

    async def asked(self, sid: str, name: str, arguments: list[Any], number: str) -> None:
        """Take an ask; `number` is what its answer is to be sent under, empty when none is wanted."""

    def gone(self, sid: str) -> None:
        """Forget a client."""


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """The Socket.IO server: reserved names never reach a handler, and whatever is malformed ends the connection.

    Of the library it keeps the manners of connecting and the tables of who is connected. The engine below is the
    hub's own, for websockets only: one task a connection, one for all pings, and writes that wait for nobody.
    """

    def __init__(self, reception: Reception, allowed_origins: tuple[str, ...], limits: bool) -> None:
        quiet = logging.getLogger("hub.live.engine")
        quiet.setLevel(logging.ERROR)
        super().__init__(
            client_manager=Table(),
            async_mode="aiohttp",
            async_handlers=False,
            serializer=SocketPacket,
            logger=quiet,
            engineio_logger=quiet,
        )
        self.reception, self.limits, self.allowed_origins = reception, limits, allowed_origins
        self.crowd = Crowd(is_limited=limits)
        self.wires: dict[str, Wire] = {}
        self.on("connect", self._connected)
        self.on("disconnect", self._disconnected)

    def attach(self, app: web.Application, socketio_path: str = "/socket.io/") -> None:
        """Serve the sockets of an application."""
        app.router.add_route("*", socketio_path, self.handle_request)

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Speak with a client until one of the two leaves."""
        if wrong := self._what_is_wrong_with(request):
            return web.Response(status=400, text=wrong)
        request[PLACE] = place = self.crowd.come(self.reception.network(request))
        try:
            wire = Wire(self.eio.generate_id(), request, limited=self.limits)
            return await self._speak(wire)
        finally:
            place.leave()

    async def keep_pinging(self) -> None:
        """Ping every client when it is time, until cancelled."""
        while True:
            await asyncio.sleep(_PING_TICK)
            now = time.monotonic()
            for wire in list(self.wires.values()):
                wire.look_alive(now)

    def _what_is_wrong_with(self, request: web.Request) -> str | None:
        query = request.query
        if any(name in query for name in _TOKENS_IN_QUERY):
            return "A token belongs into the auth payload, never into an address."
        if query.get("transport") != "websocket" or request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            return "Live events come over a websocket: connect with transports: ['websocket']."
        if query.get("EIO") != "4" or "sid" in query or request.method != hdrs.METH_GET:
            return "Connect with a client of Socket.IO 3 or later."
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and origin not in self.allowed_origins:
            return "Pages of this origin may not connect here."
        return None

    async def _speak(self, wire: Wire) -> web.StreamResponse:
        response = await wire.open()
        self.wires[wire.id] = wire
        await self._handle_eio_connect(wire.id, {})
        wire.write(text_frame("0" + JSON.dumps({"sid": wire.id} | _MANNERS)))
        try:
            while (packet := await wire.next()) is not None and packet != "1":
                await self._handle_eio_message(wire.id, packet[1:])
        finally:
            await self._handle_eio_disconnect(wire.id, self.reason.TRANSPORT_CLOSE)
        return response

    async def _send_packet(self, eio_sid: str, pkt: SocketPacket) -> None:
        wire = self.wires.get(eio_sid)
        if wire is not None:
            wire.write(framed(pkt.encode()))

    async def _connected(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        wire = self.wires[self.manager.eio_sid_from_sid(sid, "/")]
        wire.sid = sid
        try:
            await self.reception.connected(sid, wire, auth)
        except socketio.exceptions.ConnectionRefusedError:
            raise
        except Exception as error:
            # The library would call a handler that raised TypeError once more, with other arguments.
            log.exception("letting a client in failed")
            raise socketio.exceptions.ConnectionRefusedError("The hub failed; try again in a moment.") from error

    async def _disconnected(self, sid: str, _reason: str) -> None:
        self.reception.gone(sid)

    async def _handle_eio_message(self, eio_sid: str, data: str) -> None:
        wire = self.wires.get(eio_sid)
        if wire is None or wire.is_cut:
            return
        try:
            if data[0] == "0":
                await self._greet(wire, data)
            elif data[0] == "1":
                await self._handle_disconnect(eio_sid, None)
                wire.leave_soon()
            elif data[0] == "2":
                await self._take(wire, data)
            # The hub asks clients nothing, so an acknowledgement acknowledges nothing.
        except (ValueError, RecursionError):
            wire.cut("sent a malformed packet")
        except Exception:
            log.exception("a packet failed")
            wire.cut("met a fault of the hub")

    async def _greet(self, wire: Wire, data: str) -> None:
        wire.greetings += 1
        # One connection, one connect: a second one would run the handler with what the client likes.
        if wire.greetings > 1:
            wire.cut("connected twice")
            return
        packet = SocketPacket(encoded_packet=data)
        if packet.attachment_count or is_too_deep(packet.data):
            raise ValueError(data[:20])
        await self._handle_connect(wire.id, packet.namespace, packet.data)
        if self.manager.sid_from_eio_sid(wire.id, "/") is None:
            wire.leave_soon()

    async def _take(self, wire: Wire, data: str) -> None:
        head = _EVENT.match(data)
        assert head is not None
        arguments = orjson.loads(data[head.end() :])
        if not arguments or not isinstance(arguments[0], str) or is_too_deep(arguments):
            raise ValueError(data[:20])
        sid = self.manager.sid_from_eio_sid(wire.id, "/")
        if arguments[0] in RESERVED or not self.manager.is_connected(sid, "/"):
            wire.cut("sent a reserved event, or one without connecting")
            return
        await self.reception.asked(sid, arguments[0], arguments[1:], head[1])

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        await super()._handle_eio_disconnect(eio_sid, reason)
        wire = self.wires.pop(eio_sid, None)
        if wire is None:
            return
        # The engine forgets the client here; without this a peer that stays would keep its connection for ever.
        wire.leave_soon()
        if wire.sid is not None:
            # A client that left while it was let in was never said to be connected, nor to have gone.
            self.reception.gone(wire.sid)
            await self.manager.disconnect(wire.sid, "/", ignore_queue=True)


def is_too_deep(thing: Any) -> bool:
    """Tell whether lists and objects are nested deeper than anything the hub understands."""
    level = [thing]
    for _ in range(DEEPEST_JSON):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
