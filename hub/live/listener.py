"""The worker's ear on Redis: one channel for each live room that somebody here watches."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from hub.live.line import Line
from hub.live.reach import FAILURES, RECONNECT_SECONDS, Reach, Shard, slot_of

log = logging.getLogger("hub.live")

# Stands between the messages that were sent as one; JSON text never contains it.
BETWEEN = "\x1e"
_BETWEEN = BETWEEN.encode()


class Listener:
    """Hears the rooms it is told to; says `changed` when the line breaks or is whole again: the log then knows more.

    Of a cluster it listens to every server, to each for the rooms that are published there.
    """

    def __init__(
        self,
        url: str,
        epoch: str,
        hear: Callable[[str, bytes], None],
        changed: Callable[[], None],
        whistle: Callable[[str], None],
        obey: Callable[[bytes], None],
    ) -> None:
        self._reach = Reach(url)
        self._prefix = f"live:{epoch}:"
        self._hear, self._line_changed, self._whistle, self._obey = hear, changed, whistle, obey
        # What every worker is to do at once, whatever is watched there.
        self.orders = f"{self._prefix}control"
        self._wanted = {self.orders}
        self._lines: list[Line] = []
        # Of a cluster: which line a slot belongs to.
        self._line_of_slot: dict[int, Line] = {}
        self._listening: list[asyncio.Task[None]] = []
        self._look = asyncio.Event()

    @property
    def up(self) -> bool:
        """Tell whether Redis has confirmed every channel."""
        return bool(self._lines) and all(line.up for line in self._lines)

    @property
    def is_heard(self) -> bool:
        """Tell whether what this worker whistles comes back to it, from every server."""
        return self.up and all(line.is_heard for line in self._lines)

    @property
    def rooms(self) -> int:
        """Count the rooms that are heard here."""
        return len(self._wanted) - 1

    def channel(self, room: str) -> str:
        """Name a room's channel; the epoch keeps apart hubs that share a Redis."""
        return self._prefix + room

    async def subscribe(self, room: str) -> bool:
        """Hear a room from now on; True once Redis confirmed it, False while Redis is out of reach."""
        channel = self.channel(room)
        self._wanted.add(channel)
        line = self._line_of(channel)
        return line is not None and await line.subscribe(channel)

    async def unsubscribe(self, room: str) -> None:
        """Hear a room no longer."""
        channel = self.channel(room)
        self._wanted.discard(channel)
        line = self._line_of(channel)
        if line is not None:
            await line.unsubscribe(channel)

    async def run(self) -> None:
        """Listen until cancelled, on as many lines as Redis has servers that publish."""
        try:
            while True:
                self._look.clear()
                try:
                    shards = await self._reach.shards()
                except FAILURES as failure:
                    log.info("the map of the cluster cannot be read now: %s", failure)
                    self._look.set()
                else:
                    if shards != [line.shard for line in self._lines]:
                        await self._draw(shards)
                # One server never changes; of a cluster a line that breaks may mean that the map has changed.
                await self._look.wait()
                for task in self._listening:
                    if task.done():
                        task.result()
                await asyncio.sleep(random.uniform(*RECONNECT_SECONDS))  # noqa: S311
        finally:
            await self._draw([])

    async def close(self) -> None:
        """Let go of Redis."""
        for line in self._lines:
            await line.hang_up()
        await self._reach.close()

    async def _draw(self, shards: Sequence[Shard]) -> None:
        """Listen to these servers from now on, and to no others."""
        listening, self._listening = self._listening, []
        for task in listening:
            task.cancel()
        if listening:
            await asyncio.wait(listening)
        self._lines = [
            Line(self._reach, shard, self._prefix, self._take, self._changed, self._whistle) for shard in shards
        ]
        self._line_of_slot = {slot: line for line in self._lines for slot in line.shard.slots}
        for channel in self._wanted:
            line = self._line_of(channel)
            if line is not None:
                line.want(channel)
        self._listening = [asyncio.create_task(line.run()) for line in self._lines]
        for task in self._listening:
            task.add_done_callback(lambda _: self._look.set())
        self._changed()

    def _line_of(self, channel: str) -> Line | None:
        if self._line_of_slot:
            return self._line_of_slot.get(slot_of(channel))
        return self._lines[0] if self._lines else None

    def _take(self, channel: str, payload: bytes) -> None:
        for message in payload.split(_BETWEEN) if _BETWEEN in payload else (payload,):
            if channel == self.orders:
                self._obey(message)
            else:
                self._hear(channel.removeprefix(self._prefix), message)

    def _changed(self) -> None:
        if self._line_of_slot and not self.up:
            self._look.set()
        self._line_changed()
