"""One websocket: what is written leaves at once, and nothing that comes is decoded before it is found well-formed."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from contextlib import suppress

from aiohttp import WSMsgType, web

from hub.live.crowd import Place
from hub.live.frames import text_frame

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

PLACE = web.RequestKey("place", Place)
_PING = text_frame("2")
# What a client may send, one packet a frame: pong, close, connect, disconnect, event, acknowledgement.
_PACKET = re.compile(
    r"3|1|40(?:/[^,]{0,100},?)?(?:\{.*)?|41(?:/[^,]{0,100},?)?|42[0-9]{0,15}\[.*|43[0-9]{1,15}\[.*", re.DOTALL
)


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
    """The websocket of one client."""

    __slots__ = (
        *("_bucket", "_place", "_transport", "_websocket", "greetings", "id", "is_cut", "ping_at", "pinged_at"),
        *("request", "sid"),
    )

    def __init__(self, number: str, request: web.Request, *, limited: bool) -> None:
        self.id = number
        self.sid: str | None = None
        self.greetings = 0
        self.is_cut = False
        self.request = request
        # When the next ping is due, and since when its answer is waited for.
        self.ping_at, self.pinged_at = time.monotonic() + PING_SECONDS, 0.0
        self._place: Place = request[PLACE]
        self._bucket = Bucket() if limited else None
        self._transport: asyncio.Transport | None = None
        self._websocket = web.WebSocketResponse(
            max_msg_size=LARGEST_PACKET, compress=False, autoping=False, timeout=SECONDS_TO_LEAVE
        )

    async def open(self) -> web.WebSocketResponse:
        """Answer the handshake."""
        await self._websocket.prepare(self.request)
        self._transport = self.request.transport
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            if hasattr(socket, "TCP_USER_TIMEOUT") and sock is not None and sock.family != socket.AF_UNIX:
                # A peer that vanished is noticed even while there is something left to send it.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2 * PING_SECONDS * 1000)
            asyncio.get_running_loop().call_later(SECONDS_TO_GREET, self._cut_unless_let_in)
        return self._websocket

    async def next(self) -> str | None:
        """Wait for the next packet; None when the connection is over."""
        while True:
            message = await self._websocket.receive()
            if message.type is WSMsgType.TEXT:
                if self._bucket is not None and not self._bucket.take():
                    self.cut("sent too much")
                    return None
                packet: str = message.data
                if packet == "3":
                    self.pinged_at = 0.0
                elif _PACKET.fullmatch(packet):
                    return packet
                else:
                    self.cut("sent a malformed packet")
                    return None
            elif message.type in (WSMsgType.PING, WSMsgType.PONG):
                if self._bucket is not None and not self._bucket.take():
                    self.cut("sent too much")
                    return None
                if message.type is WSMsgType.PING:
                    await self._websocket.pong(message.data)
            else:
                if message.type is WSMsgType.BINARY:
                    self.cut("sent binary data")
                return None

    def write(self, framed: bytes) -> None:
        """Write websocket frames; never waits, and cuts a client for which too much waits already."""
        transport = self._transport
        if self.is_cut or transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MOST_WAITING_BYTES:
            self.cut("is too slow")
        else:
            transport.write(framed)

    def look_alive(self, now: float) -> None:
        """Ping the client when it is time, and cut it when it did not answer."""
        if self.pinged_at:
            if now - self.pinged_at > PING_SECONDS:
                self.cut("answers no ping")
        elif now >= self.ping_at:
            self.ping_at, self.pinged_at = now + PING_SECONDS, now
            self.write(_PING)

    def cut(self, reason: str) -> None:
        """End the connection at once, with one line in the log."""
        if self.is_cut:
            return
        log.info("a socket is cut: it %s", reason, extra={"address": self.request.remote})
        self.abort()

    def abort(self) -> None:
        """Drop the connection, whatever the peer does."""
        self.is_cut = True
        if self._transport is not None:
            self._transport.abort()

    def leave_soon(self, reason: str | None = None) -> None:
        """Drop the connection in a moment; what is written may still go out."""
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
        self._place.settle(user_id)

    def _cut_unless_let_in(self) -> None:
        if not self._place.is_settled:
            self.cut("was not let in in time")
