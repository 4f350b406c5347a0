"""Clients that ask over HTTP, as cheap as clients can be, so that the server is what is measured."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)\r\n")
_STATUS = slice(9, 12)
UNAVAILABLE = 503


@dataclass
class Answers:
    """What a crowd was answered: how often with which status, the seconds of each wait, and of all together."""

    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def placed(self) -> int:
        """Count what was carried out."""
        return self.statuses[201]

    @property
    def p99(self) -> float:
        """Answer the milliseconds within which 99 of 100 were answered."""
        return statistics.quantiles(self.waits, n=100)[98] * 1000


class Asker(asyncio.Protocol):
    """One connection that stays open and asks again as soon as it is answered, until there is nothing more to ask."""

    def __init__(self, asks: Iterator[bytes], answers: Answers) -> None:
        self._asks, self._answers = asks, answers
        self._rest = b""
        self._ask = b""
        self._asked = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait to be told to begin."""
        # Another loop's transport is no subclass of this one.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the server hung up before all was asked."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server hung up"))

    def begin(self) -> None:
        """Ask what comes next; hang up when nothing does."""
        assert self._transport is not None
        ask = None if self.done.done() else next(self._asks, None)
        if ask is None:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._ask, self._asked = ask, time.perf_counter()
        self._transport.write(ask)

    def data_received(self, data: bytes) -> None:
        """Take an answer, whose length a server tells in its head."""
        if self._rest:
            data = self._rest + data
        head = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, head + 2) if head >= 0 else None
        if length is None or len(data) < head + 4 + int(length[1]):
            self._rest = data
            return
        self._rest = b""
        status = int(data[_STATUS])
        self._answers.statuses[status] += 1
        if status == UNAVAILABLE and self._transport is not None:
            # Its Idempotency-Key makes it safe to ask again.
            self._transport.write(self._ask)
            return
        self._answers.waits.append(time.perf_counter() - self._asked)
        self.begin()


async def ask(port: int, connections: int, asks: Iterator[bytes]) -> Answers:
    """Ask all there is to ask, over so many connections at once, each with one ask on its way."""
    answers = Answers()
    loop = asyncio.get_running_loop()
    askers = []
    for _ in range(connections):
        _, asker = await loop.create_connection(lambda: Asker(asks, answers), "127.0.0.1", port)
        askers.append(asker)
    begun = time.perf_counter()
    for asker in askers:
        asker.begin()
    await asyncio.gather(*(asker.done for asker in askers))
    answers.seconds = time.perf_counter() - begun
    return answers
