"""A live room as server-sent events: the wire of whoever follows it over plain HTTP instead of a websocket."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import orjson

from hub.live.crowd import Place
from hub.live.frames import Frame
from hub.live.replay import Told
from hub.live.wire import MOST_WAITING_BYTES, Origin

log = logging.getLogger("hub.live.streams")

# A line that clients skip; it shows both sides, and the proxies between them, that the other is still there.
HEARTBEAT = b":\n\n"
# What is said about the connection itself, after which a follower hears nothing more.
_LAST_WORDS = frozenset({"auth_expired", "auth_revoked", "room.closed"})
_VERSION = re.compile(r'"version":([0-9]+)')


def written(data: str, *, name: str = "", number: str = "") -> bytes:
    """Write one server-sent event; one without a name is what clients call a message."""
    head = f"event: {name}\n" if name else ""
    if number:
        head += f"id: {number}\n"
    # Only JSON comes here: a line break in it stands between two tokens, and readers put it back.
    lines = data.replace("\n", "\ndata: ")
    return f"{head}data: {lines}\n\n".encode()


def numbered(epoch: str, version: int) -> str:
    """Write where a follower stands, as it says it when it comes back: its Last-Event-ID."""
    return f"{epoch}:{version}"


def opening(told: Told) -> bytes:
    """Write what a follower does not know yet: a snapshot, or the events that it has missed."""
    if told.events is None:
        return written(told.json().decode(), name="snapshot", number=numbered(told.epoch, told.version))
    return b"".join([written(event, number=numbered(told.epoch, _version(event))) for event in told.events])


def _version(envelope: str) -> int:
    found = _VERSION.search(envelope)
    assert found is not None
    return int(found[1])


class Stream:
    """What one request that follows a live room has yet to be sent; never waits, and is as good a wire as any."""

    def __init__(self, number: str, origin: Origin, place: Place, epoch: str, abort: Callable[[], None]) -> None:
        self.id, self.origin, self._place, self._epoch, self._abort = number, origin, place, epoch, abort
        self.client: Any = None
        self.is_cut = self.is_ending = False
        self._waiting: list[bytes] = []
        self._size = 0
        self._arrived = asyncio.Event()

    async def next(self, within: float) -> bytes:
        """Wait at most so many seconds for what is to be sent next; nothing when nothing came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._arrived.wait()
        waiting, self._waiting, self._size = self._waiting, [], 0
        if not self.is_ending:
            self._arrived.clear()
        return b"".join(waiting)

    def end(self) -> None:
        """Send what waits, and then nothing more."""
        self.is_ending = True
        self._arrived.set()

    def write(self, frames: Sequence[Frame], joined: bytes) -> None:
        """Send events."""
        for ready in frames:
            self._send(written(ready.envelope, number=numbered(self._epoch, ready.version)))

    def tell(self, name: str, data: Any) -> None:
        """Send a word about the stream itself; it ends with one that takes away the right to it."""
        self._send(written(orjson.dumps(data).decode(), name=name))
        if name in _LAST_WORDS:
            self.end()

    def answer(self, number: str, text: bytes) -> None:
        """Answer nothing, for nothing can be asked here."""

    def pause(self) -> None:
        """Read on: a request is read already."""

    def resume(self) -> None:
        """Read on."""

    def settle(self, user_id: int | None) -> None:
        """Count as a person's, or as a guest's; refused when there are too many."""
        self._place.settle(user_id)

    def cut(self, reason: str) -> None:
        """End it at once, with one line in the log."""
        if not self.is_cut:
            log.info("a follower is cut: it %s", reason, extra={"address": self.origin.address})
            self.abort()

    def abort(self) -> None:
        """Drop the connection, whatever the peer does."""
        self.is_cut = True
        self.end()
        self._abort()

    def leave_soon(self, reason: str | None = None) -> None:
        """End it once what is written is out."""
        if reason is not None:
            log.info("a follower is sent away: it %s", reason)
        self.end()

    async def go_away(self) -> None:
        """End it, so that the follower comes back elsewhere."""
        self.end()

    def _send(self, event: bytes) -> None:
        if self.is_ending:
            return
        self._waiting.append(event)
        self._size += len(event)
        if self._size > MOST_WAITING_BYTES:
            self.cut("is too slow")
        else:
            self._arrived.set()
