"""A crowd of socket clients in one process, as cheap as clients can be, so that the server is what is measured."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from typing import Any, cast

import orjson

_UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
    # Each from an address of its own, for whoever counts by address and believes the proxy in front.
    "X-Forwarded-For: 10.{address[0]}.{address[1]}.{address[2]}\r\n\r\n"
)
_AT_ONCE = 100


class Client(asyncio.Protocol):
    """One websocket that greets, asks, and tells its crowd of every event it hears."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._rest = b""
        self._is_upgraded = False
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._numbers = 0
        self._repeated = b""
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        # Another loop's transport is no subclass of this one.
        self.transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(_UPGRADE.format(port=self._crowd.port, key=key, address=os.urandom(3)).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the server hung up, unless the crowd is leaving."""
        self._crowd.lost += 1
        if not self.greeted.done():
            self.greeted.set_exception(exc or ConnectionResetError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        """Take whatever whole frames have come."""
        if data == self._crowd.usual and not self._rest and self._crowd.note is None:
            # What the one before has just got, byte for byte: no need to count it anew.
            self._crowd.heard(self._crowd.usual_events)
            return
        if self._rest:
            data, self._rest = self._rest + data, b""
        at = 0
        if not self._is_upgraded:
            at = data.find(b"\r\n\r\n") + 4
            if at == 3:
                self._rest = data
                return
            self._is_upgraded = True
        at = self._take_frames(data, at)
        if at < len(data):
            self._rest = data[at:]

    def _take_frames(self, data: bytes, at: int) -> int:
        """Take the frames from `at` on, which a server never masks; answers where the first unfinished one begins."""
        heard, frames, end, note = 0, 0, len(data), self._crowd.note
        while end - at >= 2:
            length, begin = data[at + 1], at + 2
            if length >= 126:
                begin += 2 if length == 126 else 8
                length = int.from_bytes(data[at + 2 : begin], "big")
            if end < begin + length:
                break
            frames += 1
            # An event, "42...", is only counted: there are hundreds of thousands of them.
            if data.startswith(b"42", begin):
                heard += 1
                if note is not None:
                    note(data, begin, begin + length)
            else:
                self._take(data[begin : begin + length])
            at = begin + length
        if heard:
            if heard == frames and at == end and note is None:
                self._crowd.usual, self._crowd.usual_events = data, heard
            self._crowd.heard(heard)
        return at

    def ask(self, name: str, payload: Any) -> asyncio.Future[Any]:
        """Send a command; answers what will be acknowledged."""
        self._numbers += 1
        number = str(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self.send(f"42{number}".encode() + orjson.dumps([name, payload]))
        return answer

    def repeat(self, name: str, payload: Any) -> None:
        """Send a command again and again, each time that it is answered, until the crowd has enough."""
        self._repeated = _frame(b"420" + orjson.dumps([name, payload]))
        assert self.transport is not None
        self.transport.write(self._repeated)

    def send(self, packet: bytes) -> None:
        """Send one packet."""
        assert self.transport is not None
        self.transport.write(_frame(packet))

    def _take(self, packet: bytes) -> None:
        if packet.startswith(b'430[{"ok":true'):
            self._crowd.answers += 1
            if self._crowd.is_asking and self.transport is not None:
                self.transport.write(self._repeated)
        elif packet == b"2":
            self.send(b"3")
        elif packet.startswith(b"0"):
            self.send(b"40")
        elif packet.startswith(b"40"):
            self.greeted.set_result(None)
        elif packet.startswith(b"43"):
            number, _, answer = packet[2:].partition(b"[")
            self._answers.pop(number.decode()).set_result(orjson.loads(b"[" + answer)[0])


def _frame(packet: bytes) -> bytes:
    """Write one packet for the wire; a mask of zeros masks nothing and costs nothing."""
    size = len(packet)
    head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2, "big")
    return head + bytes(4) + packet


class Crowd:
    """Clients of one server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.clients: list[Client] = []
        self.lost = 0
        self.deliveries = 0
        self.answers = 0
        self.is_asking = False
        # Called with how many events one client has just heard.
        self.heard: Callable[[int], None] = self._count
        # Called with every event, and where in what has come it begins and ends.
        self.note: Callable[[bytes, int, int], None] | None = None
        # What came last and held whole events and nothing else, and how many.
        self.usual, self.usual_events = b"", 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def grow(self, count: int) -> float:
        """Connect so many more clients and greet them; answers the seconds it took."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one() -> None:
            async with turns:
                _, client = await asyncio.get_running_loop().create_connection(
                    lambda: Client(self), "127.0.0.1", self.port
                )
                await client.greeted
                self.clients.append(client)

        begun = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return time.perf_counter() - begun

    async def watch(self, venue_id: int) -> None:
        """Have every client watch a venue."""
        for start in range(0, len(self.clients), _AT_ONCE):
            asks = [
                client.ask("venues.watch", {"venue_id": venue_id}) for client in self.clients[start : start + _AT_ONCE]
            ]
            for answer in await asyncio.gather(*asks):
                if not answer["ok"]:
                    raise ConnectionError(f"a client may not watch: {answer}")

    async def keep_asking(self, clients: int, name: str, payload: Any, seconds: float) -> float:
        """Have some clients ask, each again as soon as it is answered; says how many answers came in a second."""
        first, self.is_asking, begun = self.answers, True, time.perf_counter()
        for client in self.clients[:clients]:
            client.repeat(name, payload)
        await asyncio.sleep(seconds)
        self.is_asking = False
        return (self.answers - first) / (time.perf_counter() - begun)

    def leave(self) -> None:
        """Drop all connections at the same moment."""
        for client in self.clients:
            if client.transport is not None:
                client.transport.abort()
        self.clients.clear()

    def reach(self, deliveries: int) -> asyncio.Future[None]:
        """Answer what is done once the crowd has heard so many events, counted over all clients."""
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.deliveries >= deliveries:
            reached.set_result(None)
        else:
            self._waiting.append((deliveries, reached))
        return reached

    def _count(self, events: int) -> None:
        self.deliveries += events
        while self._waiting and self._waiting[0][0] <= self.deliveries:
            _, reached = self._waiting.pop(0)
            if not reached.done():
                reached.set_result(None)
