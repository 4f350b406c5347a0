"""A mail server that keeps what it takes, and can hold a sender up in the middle of handing over."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

import psutil

from hub.torture.servers import Worker

_NUMBER = re.compile(rb"^Message-ID:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_STEP = 0.05


class Postbox:
    """Speaks just enough SMTP; what was taken is kept by its number."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        # While on, a mail that was taken is not confirmed.
        self.holds = False
        # The ports of the senders that wait for it.
        self.held: list[int] = []
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.holds = False

    @property
    def url(self) -> str:
        """Tell where it takes mail."""
        assert self._server is not None
        return f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def whose(self, workers: Sequence[Worker]) -> Worker | None:
        """Find the worker whose mail is held up."""
        for worker in workers:
            with suppress(psutil.Error):
                ports = {one.laddr.port for one in worker.kernel.net_connections("tcp")}
                if ports & set(self.held):
                    return worker
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            writer.write(b"220 postbox\r\n")
            while line := await reader.readline():
                command = line[:4].upper().strip()
                if command == b"DATA":
                    writer.write(b"354 go on\r\n")
                    await self._take(await reader.readuntil(b"\r\n.\r\n"), writer)
                elif command == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 fine\r\n")
                await writer.drain()
        writer.close()

    async def _take(self, mail: bytes, writer: asyncio.StreamWriter) -> None:
        found = _NUMBER.search(mail)
        self.taken.append("" if found is None else found[1].decode())
        if self.holds:
            self.held.append(writer.get_extra_info("peername")[1])
        while self.holds:  # noqa: ASYNC110 - told by setting it
            await asyncio.sleep(_STEP)
        writer.write(b"250 taken\r\n")
