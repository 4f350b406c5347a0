"""How a websocket leaves aiohttp behind; the only place that leans on private names of aiohttp.

tests/live/test_hardening.py notices when one of these names changes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any

from aiohttp import hdrs, web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.http import WebSocketError

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Take = Callable[[Any], None]


class Handover(WebSocketDataQueue):
    """Hands every message on in the moment in which it is read, instead of keeping it for a task to fetch."""

    def __init__(self, take: Take, fail: Callable[[int], None]) -> None:
        super().__init__(None, 0, loop=None)  # type: ignore[arg-type]
        self._take, self._fail = take, fail

    def feed_data(self, data: Any, size: int) -> None:
        """Pass a message on."""
        self._take(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Tell that what came is no websocket, by the code to close with."""
        self._fail(int(exc.code) if isinstance(exc, WebSocketError) else 1002)


def reader(take: Take, fail: Callable[[int], None], largest: int) -> Callable[[bytes], Any]:
    """Make what reads the frames of one client; compressed ones are none."""
    feed: Callable[[bytes], Any] = WebSocketReader(
        Handover(take, fail), largest, compress=False, decode_text=True
    ).feed_data
    return feed


class TakenOver(web.StreamResponse):
    """What aiohttp believes to be the answer; the handshake was answered already, and the connection is not its own."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Send nothing."""


def accepted(request: web.Request) -> bytes | None:
    """Write the answer to a handshake (RFC 6455, 4.2.2); None when it is none."""
    key = request.headers.get(hdrs.SEC_WEBSOCKET_KEY, "")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        is_key = False
    is_upgrade = "upgrade" in request.headers.get(hdrs.CONNECTION, "").lower()
    if not is_key or not is_upgrade or request.headers.get(hdrs.SEC_WEBSOCKET_VERSION) != "13":
        return None
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"Server: booking-hub\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def take_over(request: web.Request, protocol: asyncio.Protocol, answer: bytes) -> bool:
    """Answer the handshake, and make a protocol of the hub's own the one that hears this connection from now on.

    aiohttp forgets it, and what it cost. False when the client has left already.
    """
    handler = request.protocol
    transport = handler.transport
    if transport is None or transport.is_closing():
        return False
    # What was sent right behind the handshake.
    early = handler._message_tail
    # Without a transport aiohttp closes none when it lets go.
    handler.transport = None
    handler.connection_lost(None)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.write(answer)
    if early:
        protocol.data_received(early)
    return True
