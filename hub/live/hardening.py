"""The socket server, hardened: reserved names reach nobody, and whatever is malformed ends the connection.

It speaks Engine.IO 4 and Socket.IO 5 as far as the hub needs them: websockets, the default namespace, events with
answers. What else a client of theirs may send is refused here, and only here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import Any, Protocol

import orjson
from aiohttp import hdrs, web

from hub.live.connection import Connection, Refused
from hub.live.crowd import Crowd
from hub.live.frames import framed, text_frame
from hub.live.takeover import TakenOver, accepted, take_over
from hub.live.wire import LARGEST_PACKET, PING_SECONDS, FastWire, Origin, Wire

log = logging.getLogger("hub.live.sockets")

DEEPEST_JSON = 20
PATH = "/socket.io/"
_TICK = 0.25
_TICKS_TO_PING = 4

RESERVED = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"})
_TOKENS_IN_QUERY = ("token", "access_token", "auth", "authorization")
# What a client is told at first, besides its id.
_MANNERS = {
    "upgrades": [],
    "pingInterval": PING_SECONDS * 1000,
    "pingTimeout": PING_SECONDS * 1000,
    "maxPayload": LARGEST_PACKET,
}


class Reception(Protocol):
    """What the server calls when a client comes, asks and goes."""

    def origin(self, request: web.Request) -> Origin:
        """Tell where a socket comes from."""

    def welcome(self, wire: Wire) -> Connection:
        """Let in a client that names nobody, or raise `Refused`."""

    async def connected(self, wire: Wire, token: Any) -> Connection:
        """Let a client in by its token, or raise `Refused`."""

    def asked(self, connection: Connection, name: str, arguments: list[Any], number: str) -> None:
        """Take an ask; `number` is what its answer is to be sent under, empty when none is wanted."""

    def gone(self, connection: Connection) -> None:
        """Forget a client."""


class SocketServer:
    """Opens websockets, lets their clients in, and hands on what they ask; no task waits for any of them."""

    def __init__(self, reception: Reception, allowed_origins: tuple[str, ...], limits: bool) -> None:
        self.reception, self.limits, self.allowed_origins = reception, limits, allowed_origins
        self.crowd = Crowd(is_limited=limits)
        self.wires: dict[str, FastWire] = {}
        # Those who were not let in yet, the first to come first.
        self._waiting: dict[FastWire, None] = {}
        self._greeting: set[asyncio.Task[None]] = set()

    def attach(self, app: web.Application) -> None:
        """Serve the sockets of an application."""
        app.router.add_route("*", PATH, self.handle_request)

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Open a websocket."""
        answer = accepted(request)
        wrong = what_is_wrong_with(request, self.allowed_origins) or ("This is no handshake." if answer is None else "")
        if wrong or answer is None:
            return web.Response(status=400, text=wrong)
        origin = self.reception.origin(request)
        place = self.crowd.come(origin.network)
        wire = FastWire(secrets.token_urlsafe(15), origin, place, self._take, self._lost, limited=self.limits)
        greeting = text_frame("0" + orjson.dumps({"sid": wire.id} | _MANNERS).decode())
        self.wires[wire.id] = wire
        self._waiting[wire] = None
        if not take_over(request, wire, answer + greeting):
            place.leave()
            self._lost(wire)
        return TakenOver()

    async def keep_pinging(self) -> None:
        """Ping every client when it is time, and cut who was not let in in time, until cancelled."""
        ticks = 0
        while True:
            await asyncio.sleep(_TICK)
            now, ticks = time.monotonic(), ticks + 1
            self._hurry(now)
            if ticks % _TICKS_TO_PING == 0:
                for wire in list(self.wires.values()):
                    wire.look_alive(now)

    async def send_away(self) -> None:
        """Tell every client that this server stops."""
        await asyncio.gather(*(wire.go_away() for wire in list(self.wires.values())))

    async def shutdown(self) -> None:
        """Let nobody in any more."""
        for task in self._greeting:
            task.cancel()
        if self._greeting:
            await asyncio.wait(self._greeting)

    def _hurry(self, now: float) -> None:
        while self._waiting:
            wire = next(iter(self._waiting))
            is_late = wire.is_late(now)
            if is_late is False:
                return
            if is_late:
                wire.cut("was not let in in time")
            del self._waiting[wire]

    def _take(self, wire: FastWire, packet: str) -> None:
        if wire.kept is not None:
            wire.kept.append(packet)
            return
        try:
            if packet.startswith("42"):
                self._hand_on(wire, packet)
            elif packet.startswith("40"):
                self._greet(wire, packet)
            elif packet == "1":
                wire.leave()
            elif packet.startswith("41"):
                self._leave(wire)
            # The hub asks clients nothing, so an acknowledgement acknowledges nothing.
        except (ValueError, RecursionError):
            wire.cut("sent a malformed packet")
        except Exception:
            log.exception("a packet failed")
            wire.cut("met a fault of the hub")

    def _hand_on(self, wire: FastWire, packet: str) -> None:
        begin = packet.index("[")
        arguments = orjson.loads(packet[begin:])
        # What has few brackets cannot be deep, and hardly anything has many.
        is_suspect = packet.count("[") + packet.count("{") > DEEPEST_JSON
        if not arguments or not isinstance(arguments[0], str) or (is_suspect and is_too_deep(arguments)):
            raise ValueError(packet[:20])
        name = arguments.pop(0)
        if name in RESERVED or wire.client is None:
            wire.cut("sent a reserved event, or one without connecting")
            return
        self.reception.asked(wire.client, name, arguments, packet[2:begin])

    def _greet(self, wire: FastWire, packet: str) -> None:
        wire.greetings += 1
        # One connection, one connect: a second one would make somebody else of it.
        if wire.greetings > 1:
            wire.cut("connected twice")
            return
        namespace, text = _read_greeting(packet[2:])
        auth = orjson.loads(text) if text else None
        if is_too_deep(auth):
            raise ValueError(packet[:20])
        if namespace not in ("", "/"):
            _refuse(wire, Refused("Unable to connect"), f"{namespace},")
            return
        token = auth.get("token") if isinstance(auth, dict) else None
        if token is None:
            try:
                self._let_in(wire, self.reception.welcome(wire))
            except Refused as refused:
                _refuse(wire, refused)
            return
        # What it sends from now on waits until it is known who it is.
        wire.kept = []
        wire.pause()
        task = asyncio.create_task(self._meet(wire, token))
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)

    async def _meet(self, wire: FastWire, token: Any) -> None:
        try:
            self._let_in(wire, await self.reception.connected(wire, token))
        except Refused as refused:
            _refuse(wire, refused)
        except Exception:
            log.exception("letting a client in failed")
            _refuse(wire, Refused("The hub failed; try again in a moment."))
        finally:
            kept, wire.kept = wire.kept or [], None
        for packet in kept:
            if not wire.is_cut:
                self._take(wire, packet)
        wire.resume()

    def _let_in(self, wire: FastWire, connection: Connection) -> None:
        if wire.id not in self.wires:
            # It left while it was let in.
            self.reception.gone(connection)
            return
        wire.client = connection
        wire.send(framed(f'0{{"sid":"{secrets.token_urlsafe(15)}"}}'))

    def _leave(self, wire: FastWire) -> None:
        connection, wire.client = wire.client, None
        if connection is not None:
            self.reception.gone(connection)
        wire.leave_soon()

    def _lost(self, wire: FastWire) -> None:
        self.wires.pop(wire.id, None)
        self._waiting.pop(wire, None)
        connection, wire.client = wire.client, None
        if connection is not None:
            self.reception.gone(connection)


def what_is_wrong_with(request: web.Request, allowed_origins: tuple[str, ...]) -> str:
    """Say why nobody may connect like this; empty when they may."""
    query = request.query
    if any(name in query for name in _TOKENS_IN_QUERY):
        return "A token belongs into the auth payload, never into an address."
    if query.get("transport") != "websocket" or request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
        return "Live events come over a websocket: connect with transports: ['websocket']."
    if query.get("EIO") != "4" or "sid" in query or request.method != hdrs.METH_GET:
        return "Connect with a client of Socket.IO 3 or later."
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin not in allowed_origins:
        return "Pages of this origin may not connect here."
    return ""


def _read_greeting(text: str) -> tuple[str, str]:
    """Part the namespace from what is said of oneself."""
    if not text.startswith("/"):
        return "", text
    namespace, _, rest = text.partition(",")
    return namespace.partition("?")[0], rest


def _refuse(wire: FastWire, refused: Refused, namespace: str = "") -> None:
    document = {"message": refused.sentence} | ({} if refused.document is None else {"data": refused.document})
    wire.send(framed(f"4{namespace}{orjson.dumps(document).decode()}"))
    wire.leave_soon()


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
