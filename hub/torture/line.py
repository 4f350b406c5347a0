"""One websocket as plain as can be, so that it can be polite, rude or silent at will."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import time
from collections.abc import Callable
from typing import Any, Self, cast

import orjson

_UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost:{port}\r\nX-Forwarded-For: {address}\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
# An engine that hears no ping for so long gives the connection up: its interval and its time-out.
SECONDS_OF_SILENCE = 20.0
SECONDS_TO_OPEN = 5.0
SECONDS_TO_ANSWER = 10.0
_TEXT, _CLOSE, _PING = 0x1, 0x8, 0x9


class Hung(ConnectionError):
    """The hub hung up, or refused to be called."""


class Refusal(Exception):
    """The hub answered no; the document says why."""


class Line(asyncio.Protocol):
    """A Socket.IO connection: asks are answered, events are handed on as they come."""

    def __init__(self, port: int, hear: Callable[[bytes], None], address: str) -> None:
        self._port, self._hear, self._address = port, hear, address
        self._rest = b""
        self._answers: dict[str, tuple[asyncio.Future[Any], Callable[[Any], None]]] = {}
        self._numbers = 0
        self._transport: asyncio.Transport | None = None
        self.is_upgraded = False
        # Does not answer pings when off; a paused line does not even hear them.
        self.answers_pings = True
        self.status = ""
        self.heard_at = self.began_at = time.monotonic()
        # Seconds that it lasted.
        self.lived = 0.0
        self.sent = self.received = 0
        loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = loop.create_future()
        self.upgraded: asyncio.Future[None] = loop.create_future()
        self.greeted: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def call(
        cls,
        port: int,
        hear: Callable[[bytes], None] = lambda packet: None,
        address: str = "127.0.0.1",
        receive_buffer: int = 0,
    ) -> Self:
        """Open a websocket, and answer it once it is upgraded; a small buffer makes a client that is soon full."""
        async with asyncio.timeout(SECONDS_TO_OPEN):
            loop = asyncio.get_running_loop()
            end = socket.socket()
            end.setblocking(False)
            if receive_buffer:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            try:
                await loop.sock_connect(end, ("127.0.0.1", port))
                _, line = await loop.create_connection(lambda: cls(port, hear, address), sock=end)
            except BaseException:
                end.close()
                raise
            try:
                await line.upgraded
            except BaseException:
                line.abort()
                raise
        return line

    async def greet(self, token: str | None = None) -> None:
        """Say who this is, and wait until the hub lets it in."""
        self.send(b"40" + (b"" if token is None else orjson.dumps({"token": token})))
        async with asyncio.timeout(SECONDS_TO_OPEN):
            await self.greeted

    async def ask(self, name: str, payload: Any = None, take: Callable[[Any], None] = lambda data: None) -> Any:
        """Send a command and wait for its answer; raises `Refusal` when that is no.

        `take` is given the answer in the breath in which it comes: events may follow in the same.
        """
        if self.over.done():
            raise Hung("the line is dead")
        self._numbers += 1
        number = str(self._numbers)
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answered, take
        self.send(f"42{number}".encode() + orjson.dumps([name, payload]))
        async with asyncio.timeout(SECONDS_TO_ANSWER):
            answer = await answered
        if not answer["ok"]:
            raise Refusal(answer["error"])
        return answer["data"]

    def send(self, packet: bytes, opcode: int = _TEXT) -> None:
        """Send one packet; a mask of zeros masks nothing and costs nothing."""
        if self._transport is None or self._transport.is_closing():
            return
        size, head = len(packet), bytes((0x80 | opcode,))
        if size < 126:
            head += bytes((0x80 | size,))
        elif size < 65_536:
            head += b"\xfe" + size.to_bytes(2, "big")
        else:
            head += b"\xff" + size.to_bytes(8, "big")
        self.sent += 1
        self._transport.write(head + bytes(4) + packet)

    def write(self, data: bytes) -> None:
        """Send bytes as they are, whatever they mean."""
        if self._transport is not None:
            self._transport.write(data)

    def stop_reading(self) -> None:
        """Read no more, as a frozen client does; the connection stays."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def read_on(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        """Lose the connection without a word, as in a tunnel."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        # Another loop's transport is no subclass of this one.
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(_UPGRADE.format(port=self._port, key=key, address=self._address).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody wait any longer."""
        self.lived = time.monotonic() - self.began_at
        gone = Hung(str(exc or self.status or "the hub hung up"))
        for waiting in (self.upgraded, self.greeted, *(answered for answered, _ in self._answers.values())):
            if not waiting.done():
                waiting.set_exception(gone)
                # Perhaps nobody looks.
                waiting.exception()
        self._answers.clear()
        if not self.over.done():
            self.over.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take whatever whole frames have come."""
        self.heard_at = time.monotonic()
        data = self._rest + data if self._rest else data
        at = 0 if self.is_upgraded else self._take_head(data)
        end = len(data)
        while self.is_upgraded and end - at >= 2:
            length, begin = data[at + 1] & 0x7F, at + 2
            if length >= 126:
                begin += 2 if length == 126 else 8
                length = int.from_bytes(data[at + 2 : begin], "big")
            if end < begin + length:
                break
            self._take(data[at] & 0x0F, data[begin : begin + length])
            at = begin + length
        self._rest = data[at:]

    def _take_head(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        self.status = data[: data.find(b"\r\n")].decode(errors="replace")
        if b" 101 " not in data[:20]:
            self.abort()
            return end + 4
        self.is_upgraded = True
        self.upgraded.set_result(None)
        return end + 4

    def _take(self, opcode: int, packet: bytes) -> None:
        if opcode == _CLOSE:
            self.abort()
        elif packet.startswith(b"42"):
            self.received += 1
            self._hear(packet)
        elif packet == b"2":
            if self.answers_pings:
                self.send(b"3")
        elif packet.startswith(b"40"):
            if not self.greeted.done():
                self.greeted.set_result(None)
        elif packet.startswith(b"44") and not self.greeted.done():
            self.greeted.set_exception(Hung(packet.decode()))
        elif packet.startswith(b"43"):
            number, _, answer = packet[2:].partition(b"[")
            waiting = self._answers.pop(number.decode(), None)
            if waiting is not None and not waiting[0].done():
                document = orjson.loads(b"[" + answer)[0]
                if document["ok"]:
                    waiting[1](document["data"])
                waiting[0].set_result(document)
