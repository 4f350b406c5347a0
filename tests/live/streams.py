"""Reading server-sent events in tests, the way a browser does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

EVENT_STREAM = "text/event-stream"


@dataclass
class Sent:
    """One event as it was sent."""

    name: str
    number: str
    text: str

    @property
    def data(self) -> Any:
        """Read the event's JSON."""
        return orjson.loads(self.text)


@dataclass
class Reader:
    """One stream: what has come so far, and how it ended."""

    response: ClientResponse
    sent: list[Sent] = field(default_factory=list)
    beats: int = 0
    retry: int | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False

    @property
    def number(self) -> str:
        """Answer where this reader stands: the id of the last event that had one."""
        return next((one.number for one in reversed(self.sent) if one.number), "")

    def named(self, name: str = "message") -> list[Sent]:
        """List what came under a name; events have none of their own."""
        return [one for one in self.sent if one.name == name]

    @property
    def versions(self) -> list[int]:
        """List the versions of the events that came."""
        return [one.data["version"] for one in self.named()]

    async def read(self) -> None:
        """Read until the stream ends."""
        fields: dict[str, list[str]] = {}
        with contextlib.suppress(ClientError, ConnectionError):
            async for raw in self.response.content:
                line = raw.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(":")
                    fields.setdefault(name, []).append(value.removeprefix(" "))
                    continue
                self._take(fields)
                fields = {}
        self.is_over = True
        self.news.set()

    async def until(self, versions: int = 0, *, name: str = "", seconds: float = 15.0) -> None:
        """Wait until the reader stands at a version, or something came under a name."""

        def is_so() -> bool:
            at = int(self.number.rpartition(":")[2] or 0)
            return (at >= versions if versions else True) and (not name or bool(self.named(name)))

        await self.wait(is_so, seconds)

    async def wait(self, is_so: Any, seconds: float = 15.0) -> None:
        """Wait until something is so."""
        try:
            async with asyncio.timeout(seconds):
                while not is_so():
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s; it stands at {self.number}") from None

    async def ends(self, seconds: float = 15.0) -> None:
        """Wait until the stream is over."""
        await self.wait(lambda: self.is_over, seconds)

    def _take(self, fields: dict[str, list[str]]) -> None:
        if "" in fields:
            self.beats += 1
        if "retry" in fields:
            self.retry = int(fields["retry"][-1])
        if "data" in fields:
            name = fields.get("event", ["message"])[-1]
            self.sent.append(Sent(name, fields.get("id", [""])[-1], "\n".join(fields["data"])))
        self.news.set()


class Unopened(Exception):
    """A stream was refused; `problem` says why."""

    def __init__(self, status: int, problem: Any) -> None:
        super().__init__(status, problem)
        self.status, self.problem = status, problem


@contextlib.asynccontextmanager
async def streaming(
    url: str, path: str, token: str | None = None, last: str = "", **headers: str
) -> AsyncIterator[Reader]:
    """Open a stream of a hub, and read it all the while."""
    sent = {"Accept": EVENT_STREAM} | headers
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    if last:
        sent["Last-Event-ID"] = last
    async with ClientSession(timeout=ClientTimeout(total=None), read_bufsize=2**24, headers=sent) as session:
        response = await session.get(f"{url}/api/v1{path}")
        if response.status != 200:
            raise Unopened(response.status, await response.json(content_type=None))
        assert response.content_type == EVENT_STREAM
        reader = Reader(response)
        reading = asyncio.create_task(reader.read())
        try:
            yield reader
        finally:
            response.close()
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
