"""The socket server, hardened; the only place that leans on private names of python-socketio and python-engineio.

Both are pinned to a minor release, and tests/live/test_hardening.py notices when one of these names changes.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import engineio
import orjson
import socketio
from aiohttp import WSMsgType, web
from engineio.packet import MESSAGE, Packet

from hub.live.crowd import Crowd, Place
from hub.live.frames import Frame

log = logging.getLogger("hub.live.sockets")

LARGEST_PACKET = 32 * 1024
PING_SECONDS = 10
# A client that is slower than this is cut; it comes back and resumes.
MOST_QUEUED = 500
MOST_QUEUED_BYTES = 1024 * 1024
# Packets a client may send at once, and each second from then on.
BURST = 50
PER_SECOND = 20
DEEPEST_JSON = 20
# Seconds from the upgrade until a client is let in, with the token it promised, and from a good-bye to the end.
SECONDS_TO_GREET = 5
SECONDS_TO_LEAVE = 0.5

RESERVED = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"})
_TOKENS_IN_QUERY = ("token", "access_token", "auth", "authorization")

# What a client may send, one packet a frame: pong, close, connect, disconnect, event, acknowledgement.
_PACKET = re.compile(
    r"3|1|40(?:/[^,]{0,100},?)?(?:\{.*)?|41(?:/[^,]{0,100},?)?|42[0-9]{0,15}\[.*|43[0-9]{1,15}\[.*", re.DOTALL
)
PLACE = web.RequestKey("place", Place)
_EVENT = re.compile(r"2([0-9]*)")
_IGNORED = (WSMsgType.PING, WSMsgType.PONG)


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


class Queue(asyncio.Queue[Packet | None]):
    """What waits for one client, counted in packets and bytes; too much of it cuts the client."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.overflow: Callable[[], None] = lambda: None

    def _put(self, item: Packet | None) -> None:
        too_much = self.qsize() >= MOST_QUEUED or self.bytes > MOST_QUEUED_BYTES
        super()._put(item)
        if item is not None:
            self.bytes += len(item.encode())
            if too_much:
                self.overflow()

    def _get(self) -> Packet | None:
        item = super()._get()
        if item is not None:
            self.bytes -= len(item.encode())
        return item


class Bucket:
    """How many packets a client may still send."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left, self._at = float(BURST), time.monotonic()

    def take(self) -> bool:
        """Take one; False when there is none left."""
        now = time.monotonic()
        self._left = min(float(BURST), self._left + (now - self._at) * PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Wire:
    """One websocket, as the engine drives it; nothing a client sends is decoded before it is found well-formed."""

    def __init__(self, server: SocketServer, handler: Any, _engine: Any) -> None:
        self._server, self._handler = server, handler
        self._socket = handler.__self__
        self._socket.queue.overflow = lambda: self.cut("is too slow")
        self._bucket = Bucket() if server.limits else None
        self._websocket = web.WebSocketResponse(
            max_msg_size=LARGEST_PACKET, compress=False, autoping=False, timeout=SECONDS_TO_LEAVE
        )
        self._transport: asyncio.Transport | None = None
        self.id: str = self._socket.sid
        self.sid: str | None = None
        self.greetings = 0
        self.is_cut = False
        self.request: web.Request | None = None
        self._place: Place | None = None
        server.wires[self.id] = self

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        """Speak with the client until one of the two leaves."""
        request: web.Request = environ["aiohttp.request"]
        await self._websocket.prepare(request)
        self.request, self._place = request, request[PLACE]
        self._transport = request.transport
        if self._transport is None:
            return self._websocket
        sock = self._transport.get_extra_info("socket")
        if hasattr(socket, "TCP_USER_TIMEOUT") and sock is not None and sock.family != socket.AF_UNIX:
            # A peer that vanished is noticed even while there is something left to send it.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2 * PING_SECONDS * 1000)
        asyncio.get_running_loop().call_later(SECONDS_TO_GREET, self._cut_unless_let_in)
        await self._handler(self)
        return self._websocket

    async def wait(self) -> str | None:
        """Wait for the next packet; None when the connection is over."""
        while True:
            message = await self._websocket.receive()
            if message.type is not WSMsgType.TEXT and message.type not in _IGNORED:
                if message.type is WSMsgType.BINARY:
                    self.cut("sent binary data")
                return None
            if self._bucket is not None and not self._bucket.take():
                self.cut("sent too much")
                return None
            if message.type is WSMsgType.PING:
                await self._websocket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                if _PACKET.fullmatch(message.data):
                    return str(message.data)
                self.cut("sent a malformed packet")
                return None

    async def send(self, packet: str) -> None:
        """Send one packet; waits while the client is slow."""
        await self._websocket.send_str(packet)

    async def close(self) -> None:
        """Say good-bye."""
        await self._websocket.close()

    def put(self, packet: Packet) -> None:
        """Queue a packet; never waits."""
        if not self.is_cut and not self._socket.closed:
            self._socket.queue.put_nowait(packet)

    def cut(self, reason: str) -> None:
        """End the connection at once, with one line in the log."""
        if self.is_cut:
            return
        self.is_cut = True
        address = None if self.request is None else self.request.remote
        log.info("a socket is cut: it %s", reason, extra={"address": address})
        self.abort()

    def abort(self) -> None:
        """Drop the connection, whatever the peer does."""
        self.is_cut = True
        if self._transport is not None:
            self._transport.abort()

    def leave_soon(self, reason: str | None = None) -> None:
        """Drop the connection in a moment; what is queued may still go out."""
        if reason is not None:
            log.info("a socket is sent away: it %s", reason)
        asyncio.get_running_loop().call_later(SECONDS_TO_LEAVE, self.abort)

    async def go_away(self) -> None:
        """Tell the client that this server stops, so that it reconnects elsewhere."""
        with suppress(TimeoutError, ConnectionError, RuntimeError):
            await asyncio.wait_for(self._websocket.close(code=1001), SECONDS_TO_LEAVE)
        self.abort()

    def settle(self, user_id: int | None) -> None:
        """Count as a person's socket, or as a guest's; refused when there are too many."""
        if self._place is not None:
            self._place.settle(user_id)

    def _cut_unless_let_in(self) -> None:
        if self._place is None or not self._place.is_settled:
            self.cut("was not let in in time")


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """The Engine.IO server, with bounded queues, so many sockets and no more, and no token in an address."""

    come: Callable[[web.Request], Place]

    def create_queue(self, *_: Any, **__: Any) -> Queue:
        """Make the queue of one client."""
        return Queue()

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Answer the handshake."""
        if any(name in request.query for name in _TOKENS_IN_QUERY):
            return web.Response(status=400, text="A token belongs into the auth payload, never into an address.")
        request[PLACE] = place = self.come(request)
        try:
            # Of a websocket this is the whole life.
            response: web.StreamResponse = await super().handle_request(request)
        finally:
            place.leave()
        return response


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
    """The Socket.IO server: reserved names never reach a handler, and whatever is malformed ends the connection."""

    def __init__(self, reception: Reception, allowed_origins: tuple[str, ...], limits: bool) -> None:
        quiet = logging.getLogger("hub.live.engine")
        quiet.setLevel(logging.ERROR)
        super().__init__(
            async_mode="aiohttp",
            async_handlers=False,
            serializer=SocketPacket,
            transports=["websocket"],
            allow_upgrades=False,
            max_http_buffer_size=LARGEST_PACKET,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            # A function, because an empty list would switch the check off.
            cors_allowed_origins=lambda origin, _environ: origin in allowed_origins,
            logger=quiet,
            engineio_logger=quiet,
        )
        self.reception, self.limits = reception, limits
        self.crowd = Crowd(is_limited=limits)
        self.eio.come = lambda request: self.crowd.come(reception.network(request))
        self.wires: dict[str, Wire] = {}
        self.eio._async = {**self.eio._async, "websocket": functools.partial(Wire, self)}
        self.on("connect", self._connected)
        self.on("disconnect", self._disconnected)

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

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


def packet_of(ready: Frame) -> Packet:
    """Make the packet that every hearer of a frame is sent, encoded once."""
    if ready.packet is None:
        ready.packet = packet(ready.text)
    return ready.packet


def packet(text: str) -> Packet:
    """Make a packet of a Socket.IO text."""
    return Packet(MESSAGE, data=text)
