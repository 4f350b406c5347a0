"""Who in this worker watches which live room, and how every one of them gets each event once and in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hub.errors import HubError
from hub.live.beginning import KEPT_SECONDS, Beginning
from hub.live.coalescing import TICK, is_state
from hub.live.frames import Frame, frame
from hub.live.listener import Listener
from hub.live.seats import Batch, Hearer, Seat
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
# So long a tick is for each watcher of a room, up to the longest: telling one takes a tenth of that.
_SECONDS_A_SEAT = 50e-6
# After all watchers of a room were written to, the next write waits for this part of the time that it took.
_PAUSE = 1.0


@dataclass(slots=True)
class LiveRoom:
    """A room that somebody here watches; `version` is the last one passed on, unknown until the log was asked."""

    seats: dict[Hearer, Seat] = field(default_factory=dict)
    version: int | None = None
    early: dict[int, Frame] = field(default_factory=dict)
    # What has come in and leaves as one write to each watcher, and when that is due.
    waiting: list[Frame] = field(default_factory=list)
    flush: asyncio.Handle | None = None
    flush_at: float = 0.0
    # Not before then is anything passed on again, and not before then a state.
    quiet_until: float = 0.0
    tick_until: float = 0.0
    beginning: Beginning | None = None
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

    def join_at_once(self, name: str, hearer: Hearer) -> tuple[Seat, Beginning] | None:
        """Seat a watcher where somebody has just begun, to begin in the same way; None when nobody has."""
        room = self._rooms.get(name)
        if room is None or room.beginning is None or hearer in room.seats:
            return None
        seat = room.seats[hearer] = Seat(hearer, kept=list(room.beginning.later))
        return seat, room.beginning

    def keep(self, name: str, seat: Seat, version: int, text: bytes) -> None:
        """Let others begin with what one begins with; its seat has kept what was told since."""
        room = self._rooms.get(name)
        if room is None or room.version is None or seat.known is not None:
            return
        beginning = Beginning(version, text)
        # What waits to be written was passed on already, though no seat has it yet.
        if all(beginning.note(ready) for ready in (*seat.kept, *room.waiting)):
            room.beginning = beginning
            asyncio.get_running_loop().call_later(KEPT_SECONDS, self._drop, room, beginning)

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
            room.version, room.beginning = ready.version - 1, None
        self._pass_on(room, ready)
        self._pass_on_early(room)

    def _pass_on(self, room: LiveRoom, ready: Frame) -> None:
        room.version = ready.version
        if room.beginning is not None and not room.beginning.note(ready):
            room.beginning = None
        room.waiting.append(ready)
        # The first one leaves with whatever else comes in this turn of the loop; what follows closely gathers.
        due = room.tick_until if is_state(ready) else room.quiet_until
        if room.flush is not None:
            if room.flush_at <= due:
                return
            room.flush.cancel()
        loop = asyncio.get_running_loop()
        is_due = due <= loop.time()
        room.flush = loop.call_soon(self._flush, room) if is_due else loop.call_at(due, self._flush, room)
        room.flush_at = due

    def _flush(self, room: LiveRoom) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        frames, room.waiting, room.flush = room.waiting, [], None
        batch = Batch(frames)
        for seat in list(room.seats.values()):
            seat.take(batch)
        # A crowd that takes long to reach is reached less often: the one thing that beats a write for every event.
        now = loop.time()
        room.quiet_until = now + (now - began) * _PAUSE
        room.tick_until = max(room.quiet_until, began + min(TICK, len(room.seats) * _SECONDS_A_SEAT))

    def _pass_on_early(self, room: LiveRoom) -> None:
        if not room.early or room.version is None:
            return
        while (ready := room.early.pop(room.version + 1, None)) is not None:
            self._pass_on(room, ready)
        if room.early:
            room.early = {version: kept for version, kept in room.early.items() if version > room.version}

    def _drop(self, room: LiveRoom, beginning: Beginning) -> None:
        if room.beginning is beginning:
            room.beginning = None

    async def _stop_hearing(self, name: str, listener: Listener) -> None:
        # Somebody may have come back before this ran.
        if name not in self._rooms:
            await listener.unsubscribe(name)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
