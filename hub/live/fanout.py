"""Who in this worker watches which live room, and how every one of them gets each event once and in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.errors import HubError
from hub.live.frames import Frame, frame
from hub.live.listener import Listener
from storage import replay
from storage.pool import Pool
from storage.transaction import reading

log = logging.getLogger("hub.live")

# Seconds that an event may be overtaken by a later one before the log is asked for it.
BLINK = 0.05
# Seconds between two looks into the log: while Redis fails it is the only news, else a net below the rope.
POLL_WITHOUT_REDIS = 1.0
POLL_WITH_REDIS = 5.0
# Events of one room that may wait for an earlier one; the log has the others.
MOST_EARLY = 500
# Events of one room read from the log at once.
_PAGE = 500


def join(frames: Sequence[Frame]) -> bytes:
    """Write events one after the other."""
    return frames[0].framed if len(frames) == 1 else b"".join([ready.framed for ready in frames])


class Hearer(Protocol):
    """Somebody who watches: a connection."""

    def hear(self, frames: Sequence[Frame], joined: bytes) -> None:
        """Take events, and all of them as they are written to a websocket; never waits, never raises."""

    def cut(self, reason: str) -> None:
        """Go away at once; whoever it was comes back and resumes."""


@dataclass(slots=True)
class Seat:
    """One watcher in one room; until its snapshot is on the way, what happens is kept for it."""

    hearer: Hearer
    after: int | None = None
    kept: list[Frame] = field(default_factory=list)

    def take(self, frames: Sequence[Frame], joined: bytes) -> None:
        """Pass events on, unless the watcher knows them already; `joined` are all of them, as most watchers need."""
        if self.after is None:
            self.kept.extend(frames)
        elif frames[0].version > self.after:
            self.hearer.hear(frames, joined)
        elif new := [ready for ready in frames if ready.version > self.after]:
            self.hearer.hear(new, join(new))

    def begin(self, version: int) -> None:
        """Pass on everything after this version, from what was kept and from now on."""
        self.after = version
        kept, self.kept = self.kept, []
        if kept:
            self.take(kept, join(kept))


@dataclass(slots=True)
class LiveRoom:
    """A room that somebody here watches; `version` is the last one passed on, unknown until the log was asked."""

    seats: dict[Hearer, Seat] = field(default_factory=dict)
    version: int | None = None
    early: dict[int, Frame] = field(default_factory=dict)
    # What has come in this turn of the loop; it leaves as one write to each watcher.
    turn: list[Frame] = field(default_factory=list)
    opened: asyncio.Future[None] | None = None
    is_repairing: bool = False


class Fanout:
    """Puts events in order by version, repairs gaps from the log, and hands each to the seats of its room."""

    def __init__(self, pool: Pool, epoch: str) -> None:
        self._pool = pool
        self._epoch = epoch
        self._rooms: dict[str, LiveRoom] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._look = asyncio.Event()
        self._turn: list[LiveRoom] = []
        self.listener: Listener | None = None

    def hear(self, channel_room: str, payload: bytes) -> None:
        """Take what Redis brought."""
        self.deliver(Frame.of_payload(channel_room, payload))

    def deliver(self, ready: Frame) -> None:
        """Pass an event on in its turn: the next one now, an older one never, a later one once the gap is closed."""
        room = self._rooms.get(ready.room)
        if room is None:
            return
        if room.version is None:
            room.early[ready.version] = ready
        elif ready.version == room.version + 1:
            self._pass_on(room, ready)
            self._pass_on_early(room)
        elif ready.version > room.version:
            if len(room.early) < MOST_EARLY:
                room.early[ready.version] = ready
            if not room.is_repairing:
                room.is_repairing = True
                self._start(self._repair(ready.room, room))

    async def join(self, name: str, hearer: Hearer) -> Seat:
        """Seat a watcher; its events are kept until the seat begins."""
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = LiveRoom()
        seat = room.seats[hearer] = Seat(hearer)
        try:
            if room.version is None:
                await self._open(name, room)
        except BaseException:
            self.leave(name, hearer)
            raise
        return seat

    def leave(self, name: str, hearer: Hearer) -> None:
        """Take a watcher's seat away; a room without watchers is heard no longer."""
        room = self._rooms.get(name)
        if room is None or room.seats.pop(hearer, None) is None or room.seats:
            return
        del self._rooms[name]
        if self.listener is not None:
            self._start(self._stop_hearing(name, self.listener))

    def members(self, name: str) -> list[Hearer]:
        """List who watches a room here."""
        room = self._rooms.get(name)
        return [] if room is None else list(room.seats)

    def look_soon(self) -> None:
        """Look into the log at the next opportunity: something may have been missed."""
        self._look.set()

    async def run(self, is_redis_up: Callable[[], bool]) -> None:
        """Look into the log until cancelled: often while Redis fails, else now and then."""
        looked = 0.0
        while True:
            with suppress(TimeoutError):
                # Not wait_for, which loses a cancellation that comes in the same turn as the event (until Python 3.12).
                async with asyncio.timeout(POLL_WITHOUT_REDIS):
                    await self._look.wait()
            if is_redis_up() and not self._look.is_set() and time.monotonic() - looked < POLL_WITH_REDIS:
                continue
            self._look.clear()
            looked = time.monotonic()
            try:
                await self.catch_up()
            except HubError as error:
                log.info("the log cannot be read now: %s", error)
            except Exception:
                log.exception("looking into the log failed")

    async def catch_up(self) -> None:
        """Pass on whatever the log has and this worker's rooms do not."""
        versions = {name: room.version for name, room in self._rooms.items() if room.version is not None}
        while versions:
            async with reading(self._pool) as db:
                missed = await replay.since_each(db, list(versions), list(versions.values()), _PAGE)
            counts: dict[str, int] = {}
            for told in missed:
                counts[told.room] = counts.get(told.room, 0) + 1
                self._from_log(frame(self._epoch, told))
            # Only a room that filled its page may have more.
            versions = {
                name: room.version
                for name, count in counts.items()
                if count >= _PAGE and (room := self._rooms.get(name)) is not None and room.version is not None
            }

    async def _open(self, name: str, room: LiveRoom) -> None:
        if room.opened is not None:
            await asyncio.shield(room.opened)
            return
        room.opened = asyncio.get_running_loop().create_future()
        try:
            # Heard first, asked second: whatever is told in between arrives by one of the two.
            if self.listener is not None:
                await self.listener.subscribe(name)
            async with reading(self._pool) as db:
                room.version = (await replay.position(db, name)).version
        except BaseException as error:
            failed, room.opened = room.opened, None
            failed.set_exception(error if isinstance(error, Exception) else ConnectionAbortedError())
            # Others may be waiting for it, or nobody.
            failed.exception()
            raise
        room.opened.set_result(None)
        self._pass_on_early(room)

    async def _repair(self, name: str, room: LiveRoom) -> None:
        try:
            await asyncio.sleep(BLINK)
            while room.early and self._rooms.get(name) is room and room.version is not None:
                async with reading(self._pool) as db:
                    missed = await replay.since(db, name, room.version, _PAGE)
                for told in missed:
                    self._from_log(frame(self._epoch, told))
                if len(missed) < _PAGE:
                    break
        except HubError as error:
            # The next look into the log finds it.
            log.info("a gap stays open for now: %s", error)
        finally:
            room.is_repairing = False

    def _from_log(self, ready: Frame) -> None:
        room = self._rooms.get(ready.room)
        if room is None or room.version is None or ready.version <= room.version:
            return
        if ready.version > room.version + 1:
            # The log is gapless, so what lies between is forgotten already: this worker slept too long.
            for hearer in list(room.seats):
                hearer.cut("fell behind the log")
            room.version = ready.version - 1
        self._pass_on(room, ready)
        self._pass_on_early(room)

    def _pass_on(self, room: LiveRoom, ready: Frame) -> None:
        room.version = ready.version
        if not room.turn:
            if not self._turn:
                asyncio.get_running_loop().call_soon(self._end_turn)
            self._turn.append(room)
        room.turn.append(ready)

    def _end_turn(self) -> None:
        rooms, self._turn = self._turn, []
        for room in rooms:
            frames, room.turn = room.turn, []
            joined = join(frames)
            for seat in list(room.seats.values()):
                seat.take(frames, joined)

    def _pass_on_early(self, room: LiveRoom) -> None:
        if not room.early or room.version is None:
            return
        while (ready := room.early.pop(room.version + 1, None)) is not None:
            self._pass_on(room, ready)
        if room.early:
            room.early = {version: kept for version, kept in room.early.items() if version > room.version}

    async def _stop_hearing(self, name: str, listener: Listener) -> None:
        # Somebody may have come back before this ran.
        if name not in self._rooms:
            await listener.unsubscribe(name)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
