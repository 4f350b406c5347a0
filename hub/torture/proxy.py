"""A small TCP proxy that does to connections what networks do: cut them, hold them up, let only one way through."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from typing import Self

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CHUNK = 65_536


class Fate(Enum):
    """What becomes of a connection."""

    PASSES = "passes"
    # What was asked never arrives.
    LOSES_REQUEST = "loses its request"
    # It arrives and is carried out, but nobody hears the answer.
    LOSES_REPLY = "loses its reply"


class FaultProxy:
    """Stands in front of one server; each fault counts how often it has bitten."""

    def __init__(self, reach: Callable[[], Awaitable[Streams]]) -> None:
        self._reach = reach
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        # One way only: what the server says is swallowed, and what the client says still arrives.
        self.swallows_replies = False
        # New connections are refused as soon as they are made.
        self.refuses = False
        # Draws what becomes of the next connection.
        self.fate: Callable[[], Fate] = lambda: Fate.PASSES
        self.bitten: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.mend()
        self.cut()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    @property
    def port(self) -> int:
        """Tell where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> int:
        """Reset every connection at once; answers how many there were."""
        cut = list(self._open)
        for writer in cut:
            _reset(writer)
        self.bitten["cut"] += len(cut) // 2
        return len(cut) // 2

    def say(self, data: bytes) -> None:
        """Say to every client what the server has not said, or not yet."""
        for writer in self._clients:
            writer.write(data)

    def hold(self) -> None:
        """Hold up everything that is under way, both ways, until it is mended; nobody is told."""
        self._flows.clear()

    def mend(self) -> None:
        """Let everything through again; what was held up goes on its way."""
        self.swallows_replies = self.refuses = False
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            self.bitten["refused"] += 1
            _reset(writer)
            return
        fate = self.fate()
        if fate is Fate.LOSES_REQUEST:
            with suppress(OSError):
                await reader.read(_CHUNK)
            self.bitten[fate.value] += 1
            _reset(writer)
            return
        try:
            far_reader, far_writer = await self._reach()
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, far_writer}
        self._clients.add(writer)
        there = self._start(self._pump(reader, far_writer, is_reply=False))
        back = self._start(self._pump(far_reader, writer, is_reply=True, fate=fate))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        # Whoever closes, the other side hears of it only once what was held up has gone through.
        for other in (there, back):
            other.cancel()
        self._clients.discard(writer)
        for end in (writer, far_writer):
            self._open.discard(end)
            end.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_reply: bool,
        fate: Fate = Fate.PASSES,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if not self._flows.is_set():
                    self.bitten["held up"] += 1
                    await self._flows.wait()
                if is_reply and self.swallows_replies:
                    self.bitten["swallowed"] += 1
                    continue
                if is_reply and fate is Fate.LOSES_REPLY:
                    self.bitten[fate.value] += 1
                    _reset(writer)
                    return
                writer.write(data)
                await writer.drain()

    def _start(self, pumping: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(pumping)
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)
        return task


def _reset(writer: asyncio.StreamWriter) -> None:
    """Hang up as a cut line does: with a reset, and without sending what still waits."""
    end = writer.get_extra_info("socket")
    if end is not None and end.family != socket.AF_UNIX:
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
