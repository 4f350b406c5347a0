"""A small Socket.IO client for tests: it writes down everything in the order in which it arrived."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

import socketio

Envelope = dict[str, Any]


class Refusal(Exception):
    """The hub refused a command; `problem` is its document."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem)
        self.problem = problem
        self.code = problem["code"]


class Late(AssertionError):
    """What was promised has come, but not in time."""


def again_when_late(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Give a test three tries at being in time, for the machine may be busy; whatever else is wrong fails at once."""

    @functools.wraps(test)
    async def tried(**fixtures: Any) -> None:
        for _ in range(2):
            with contextlib.suppress(Late):
                return await test(**fixtures)
        return await test(**fixtures)

    return tried


async def soon(is_so: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until something is so, and fail if it is not in time."""
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 - nothing tells a test of it
            await asyncio.sleep(0.01)


def is_state(envelope: Envelope) -> bool:
    """Tell whether an event may stand for several versions at once."""
    return bool(envelope["name"] == "availability.changed")


class Watcher:
    """One stock client: what it was answered and told, and the state it makes of both."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url, self.token = url, token
        self.told: list[Envelope] = []
        self.notes: list[tuple[str, Any]] = []
        self.snapshots: dict[str, Any] = {}
        self.versions: dict[str, int] = {}
        self.faults: list[str] = []
        self.refused: Any = None
        self.closed = asyncio.Event()
        self.socket = self._fresh()

    def _fresh(self) -> socketio.AsyncClient:
        self.closed.clear()
        socket = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        socket.on("*", self._hear)
        socket.on("disconnect", self._leave)
        socket.on("connect_error", self._refuse)
        return socket

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def connect(self, url: str | None = None) -> None:
        """Connect, to another worker if one is named."""
        self.url = url or self.url
        self.socket = self._fresh()
        auth = None if self.token is None else {"token": self.token}
        await self.socket.connect(self.url, auth=auth, transports=["websocket"], wait_timeout=5)

    async def leave(self) -> None:
        """Say good-bye."""
        if self.socket.connected:
            await self.socket.disconnect()
        await self.socket.shutdown()

    async def cut(self) -> None:
        """Lose the connection without a word, as in a tunnel."""
        self.socket.eio.ws._response.connection.transport.abort()
        await asyncio.wait_for(self.closed.wait(), 5)
        await self.socket.shutdown()

    async def ask(self, name: str, payload: Any = None) -> Any:
        """Send a command and wait for its answer."""
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def note(answer: Any) -> None:
            # Written down here and not where it is awaited: events may follow in the same breath.
            if answer["ok"]:
                self._begin(answer["data"])
            answered.set_result(answer)

        await self.socket.emit(name, payload, callback=note)
        answer = await asyncio.wait_for(answered, 10)
        if not answer["ok"]:
            raise Refusal(answer["error"])
        return answer["data"]

    async def resume(self, name: str, room: str, **payload: Any) -> list[Envelope]:
        """Watch again from what is known; answers what was missed."""
        before = len(self.told)
        while True:
            news = await self.ask(name, {**payload, "since": self.versions[room]})
            if not news.get("more"):
                return self.told[before:]

    def versions_of(self, room: str) -> list[int]:
        """List the versions a room has brought, in their order."""
        return [envelope["version"] for envelope in self.told if envelope["room"] == room]

    async def until(self, is_so: Callable[[], bool], seconds: float = 5.0) -> float:
        """Wait until something is so; answers how long it took, and fails after so many seconds."""
        started = time.monotonic()
        while not is_so():
            if time.monotonic() - started > seconds:
                raise AssertionError(f"not within {seconds} s; versions known: {self.versions}")
            await asyncio.sleep(0.005)
        return time.monotonic() - started

    async def reach(self, room: str, version: int, seconds: float = 5.0) -> float:
        """Wait until a room stands at a version."""
        return await self.until(lambda: self.versions.get(room, 0) >= version, seconds)

    async def hear(self, room: str, version: int, *, within: float) -> None:
        """Wait until a room stands at a version, which has to be in time."""
        took = await self.reach(room, version)
        if took >= within:
            raise Late(f"{room} stood at {version} after {took:.2f} s, not within {within} s")

    def _begin(self, data: Any) -> None:
        if not isinstance(data, dict) or "room" not in data or "version" not in data:
            return
        if "snapshot" in data:
            self.snapshots[data["room"]] = data["snapshot"]
            self.versions[data["room"]] = data["version"]
        for envelope in data.get("events", ()):
            self._take(envelope)
        self.versions.setdefault(data["room"], data["version"])

    async def _hear(self, name: str, data: Any) -> None:
        if isinstance(data, dict) and "envelope" not in data and "version" in data:
            if name != data["name"]:
                self.faults.append(f"{name} is not {data['name']}")
            self._take(data)
        else:
            self.notes.append((name, data))

    def _take(self, envelope: Envelope) -> None:
        known = self.versions.get(envelope["room"])
        first = envelope.get("first_version", envelope["version"])
        if known is None or first != known + 1 or (first < envelope["version"] and not is_state(envelope)):
            self.faults.append(f"{envelope['room']} went from {known} to {first}")
        self.versions[envelope["room"]] = envelope["version"]
        self.told.append(envelope)

    async def _leave(self, *_: Any) -> None:
        self.closed.set()

    async def _refuse(self, data: Any) -> None:
        self.refused = data
