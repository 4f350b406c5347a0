"""One websocket: what is written leaves at once, and nothing that comes is decoded before it is found well-formed."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

import orjson
from aiohttp import WSMsgType

from hub.live.crowd import Place
from hub.live.frames import Frame, acknowledgement, close_frame, framed, pong_frame, text_frame
from hub.live.takeover import reader

log = logging.getLogger("hub.live.sockets")

LARGEST_PACKET = 32 * 1024
PING_SECONDS = 10
# A client for which more than this waits is cut; it comes back and resumes.
MOST_WAITING_BYTES = 1024 * 1024
# Packets a client may send at once, and each second from then on.
BURST = 50
PER_SECOND = 20
# Seconds from the upgrade until a client is let in, with the token it promised, and from a good-bye to the end.
SECONDS_TO_GREET = 5
SECONDS_TO_LEAVE = 0.5

_PING = text_frame("2")
_TEXT, _PINGED, _PONGED, _CLOSED = WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
# What a client may send besides events, one packet a frame: close, connect, disconnect, acknowledgement.
_PACKET = re.compile(r"1|40(?:/[^,]{0,100},?)?(?:\{.*)?|41(?:/[^,]{0,100},?)?|43[0-9]{1,15}\[.*", re.DOTALL)
_EVENT = re.compile(r"42[0-9]{0,15}\[")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a socket comes from: its address, the network that is part of, and the device as it names itself."""

    address: str
    network: str
    device: str


class Wire(Protocol):
    """The connection of one client, whichever path it takes."""

    id: str
    origin: Origin
    is_cut: bool
    # Whoever is let in at this wire: a `Connection`.
    client: Any

    def write(self, frames: Sequence[Frame], joined: bytes) -> None:
        """Send events, `joined` being all of them as they are written to a websocket; never waits, never raises."""

    def answer(self, number: str, text: bytes) -> None:
        """Acknowledge an ask, with JSON text."""

    def tell(self, name: str, data: Any) -> None:
        """Send an event to this client only, outside of any room."""

    def pause(self) -> None:
        """Read no more from this client for now."""

    def resume(self) -> None:
        """Read on."""

    def settle(self, user_id: int | None) -> None:
        """Count as a person's socket, or as a guest's; refused when there are too many."""

    def cut(self, reason: str) -> None:
        """End the connection at once, with one line in the log."""

    def abort(self) -> None:
        """Drop the connection, whatever the peer does."""

    def leave_soon(self, reason: str | None = None) -> None:
        """Drop the connection in a moment; what is written may still go out."""

    async def go_away(self) -> None:
        """Tell the client that this server stops, so that it reconnects elsewhere."""


def notice_the_dead(transport: asyncio.BaseTransport) -> None:
    """Let a peer that vanished be noticed even while there is something left to send it."""
    sock = transport.get_extra_info("socket")
    if hasattr(socket, "TCP_USER_TIMEOUT") and sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2 * PING_SECONDS * 1000)


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


class FastWire(asyncio.Protocol):
    """The websocket of one client on the hub's own path: no task, no queue, no buffer of its own."""

    __slots__ = (
        *("_bucket", "_feed", "_gone", "_is_gone", "_lost", "_place", "_take", "_transport"),
        *("client", "greetings", "id", "is_cut", "kept", "opened_at", "origin", "ping_at", "pinged_at"),
    )

    def __init__(
        self,
        number: str,
        origin: Origin,
        place: Place,
        take: Callable[[FastWire, str], None],
        lost: Callable[[FastWire], None],
        *,
        limited: bool,
    ) -> None:
        self.id, self.origin, self._place, self._take, self._lost = number, origin, place, take, lost
        self.client: Any = None
        self.greetings = 0
        self.is_cut = False
        # While the client is being let in, what it sends meanwhile.
        self.kept: list[str] | None = None
        # When the next ping is due, and since when its answer is waited for.
        self.opened_at = time.monotonic()
        self.ping_at, self.pinged_at = self.opened_at + PING_SECONDS, 0.0
        self._bucket = Bucket() if limited else None
        self._feed = reader(self._hear, self._fail, LARGEST_PACKET)
        self._transport: asyncio.Transport | None = None
        self._is_gone = False
        self._gone: asyncio.Future[None] | None = None

    def is_late(self, now: float) -> bool | None:
        """Tell whether the client should have been let in by now; None when it was, or has gone."""
        if self.is_cut or self._place.is_settled:
            return None
        return now - self.opened_at >= SECONDS_TO_GREET

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to hear the client."""
        # Another loop's transport is no subclass of this one.
        self._transport = cast("asyncio.Transport", transport)
        notice_the_dead(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the client is gone."""
        self.is_cut = self._is_gone = True
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        self._place.leave()
        self._lost(self)
        # They know each other, and nobody else knows them: without a collector's help they go at once.
        self._feed = _deaf

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if not self.is_cut:
            self._feed(data)

    def eof_received(self) -> None:
        """Close, for a client that sends no more hears no more."""

    def answer(self, number: str, text: bytes) -> None:
        """Acknowledge an ask, with JSON text."""
        self.write((), acknowledgement(number, text))

    def tell(self, name: str, data: Any) -> None:
        """Send an event to this client only, outside of any room."""
        self.send(framed("2" + orjson.dumps([name, data]).decode()))

    def send(self, framed: bytes) -> None:
        """Write websocket frames."""
        self.write((), framed)

    def write(self, frames: Sequence[Frame], joined: bytes) -> None:
        """Send events to this client; never waits, and cuts a client for which too much waits already."""
        transport = self._transport
        if self.is_cut or transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MOST_WAITING_BYTES:
            self.cut("is too slow")
        else:
            transport.write(joined)

    def pause(self) -> None:
        """Read no more from this client for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def look_alive(self, now: float) -> None:
        """Ping the client when it is time, and cut it when it did not answer."""
        if self.pinged_at:
            if now - self.pinged_at > PING_SECONDS:
                self.cut("answers no ping")
        elif now >= self.ping_at:
            self.ping_at, self.pinged_at = now + PING_SECONDS, now
            self.send(_PING)

    def settle(self, user_id: int | None) -> None:
        """Count as a person's socket, or as a guest's; refused when there are too many."""
        self._place.settle(user_id)

    def cut(self, reason: str) -> None:
        """End the connection at once, with one line in the log."""
        if self.is_cut:
            return
        log.info("a socket is cut: it %s", reason, extra={"address": self.origin.address})
        self.abort()

    def abort(self) -> None:
        """Drop the connection, whatever the peer does."""
        self.is_cut = True
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Part from a client that has said good-bye."""
        self.send(close_frame(1000))
        self.is_cut = True
        if self._transport is not None:
            self._transport.close()

    def leave_soon(self, reason: str | None = None) -> None:
        """Drop the connection in a moment; what is written may still go out."""
        if reason is not None:
            log.info("a socket is sent away: it %s", reason)
        asyncio.get_running_loop().call_later(SECONDS_TO_LEAVE, self.abort)

    async def go_away(self) -> None:
        """Tell the client that this server stops, so that it reconnects elsewhere."""
        self._close(1001)
        if not self._is_gone:
            self._gone = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(SECONDS_TO_LEAVE):
                    await self._gone
        self.abort()

    def _hear(self, message: Any) -> None:
        """Take one message; what follows in the same breath as one that ended the connection is not heard."""
        if self.is_cut:
            return
        kind = message.type
        if kind is _CLOSED:
            self.leave()
            return
        if self._bucket is not None and not self._bucket.take():
            self.cut("sent too much")
        elif kind is _TEXT:
            packet: str = message.data
            if packet == "3":
                self.pinged_at = 0.0
            elif _EVENT.match(packet) or _PACKET.fullmatch(packet):
                self._take(self, packet)
            else:
                self.cut("sent a malformed packet")
        elif kind is _PINGED:
            self.send(pong_frame(message.data))
        elif kind is not _PONGED:
            self.cut("sent binary data")

    def _fail(self, code: int) -> None:
        if not self.is_cut:
            log.info("a socket is closed with %s", code, extra={"address": self.origin.address})
            self._close(code)

    def _close(self, code: int) -> None:
        """Say good-bye by a code; the client may still read it, and is not heard any more."""
        self.send(close_frame(code))
        self.is_cut = True
        self.leave_soon()


def _deaf(_: bytes) -> None:
    """Hear nothing."""
