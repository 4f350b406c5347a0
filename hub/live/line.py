"""One line to Redis, on which a worker hears the channels that one server publishes; a canary proves that it does."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from redis.asyncio.connection import AbstractConnection

from hub.live.reach import FAILURES, RECONNECT_SECONDS, REDIS_SECONDS, Reach, Shard, stop_if_cancelled

log = logging.getLogger("hub.live")

CANARY_EVERY = 2.0
CANARY_HEARD_WITHIN = 5.0
# Channels named in one SUBSCRIBE.
_CHANNELS_AT_ONCE = 500


class Moved(OSError):
    """A channel is published elsewhere from now on: the map of the cluster has changed."""


class Line:
    """Hears channels of one server, reconnecting as often as it takes; says `changed` when it breaks or is whole."""

    def __init__(
        self,
        reach: Reach,
        shard: Shard,
        prefix: str,
        take: Callable[[str, bytes], None],
        changed: Callable[[], None],
        whistle: Callable[[str], None],
    ) -> None:
        self.shard = shard
        self._reach, self._take_message, self._changed, self._whistle = reach, take, changed, whistle
        # In a cluster a channel is published on the server of its slot only.
        self._kind = "" if shard.address is None else "S"
        self._message, self._subscribed = (
            f"{self._kind}message".lower().encode(),
            f"{self._kind}subscribe".lower().encode(),
        )
        # The worker whistles into a channel of its own: what is not heard proves the line deaf, however open it looks.
        self.canary = _canary(prefix, shard)
        self._canary_at = 0.0
        self._wanted = {self.canary}
        self._waiting: defaultdict[str, deque[asyncio.Future[bool]]] = defaultdict(deque)
        # How often it was asked to leave a channel out and has not answered yet.
        self._leaving: Counter[str] = Counter()
        self._connection: AbstractConnection | None = None
        self._sending = asyncio.Lock()
        # Whether Redis confirmed every channel, and whether the canary was heard since.
        self.up = self.is_heard = False

    def want(self, channel: str) -> None:
        """Hear a channel from the next connection on."""
        self._wanted.add(channel)

    async def subscribe(self, channel: str) -> bool:
        """Hear a channel from now on; True once Redis confirmed it, False while it is out of reach."""
        self._wanted.add(channel)
        if self._connection is None:
            return False
        confirmed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[channel].append(confirmed)
        try:
            await self._send("SUBSCRIBE", [channel])
            async with asyncio.timeout(REDIS_SECONDS):
                return await confirmed
        except FAILURES:
            await self.hang_up()
            return False

    async def unsubscribe(self, channel: str) -> None:
        """Hear a channel no longer."""
        self._wanted.discard(channel)
        if self._connection is None:
            return
        self._leaving[channel] += 1
        try:
            await self._send("UNSUBSCRIBE", [channel])
        except FAILURES:
            await self.hang_up()

    async def run(self) -> None:
        """Listen until cancelled, reconnecting as often as it takes."""
        while True:
            try:
                await self._listen()
            except FAILURES as failure:
                if self.up:
                    log.warning("Redis is out of reach, the log is read instead: %s", failure)
            finally:
                self.up = self.is_heard = False
                await self.hang_up()
                self._changed()
            await asyncio.sleep(random.uniform(*RECONNECT_SECONDS))  # noqa: S311

    async def hang_up(self) -> None:
        """End the connection; whoever waits for a channel does so no longer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*FAILURES):
                await connection.disconnect(nowait=True)
        for channel in list(self._waiting):
            self._confirm(channel, False)

    async def _listen(self) -> None:
        connection = self._reach.connection(self.shard)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            stop_if_cancelled()
            self._connection = connection
            self._canary_at = time.monotonic()
            self._leaving.clear()
            missing = set(self._wanted)
            await self._send("SUBSCRIBE", missing)
            whistling = asyncio.create_task(self._keep_whistling())
            try:
                while True:
                    await self._take(connection, missing)
            finally:
                whistling.cancel()
        finally:
            with suppress(*FAILURES):
                await connection.disconnect(nowait=True)

    async def _take(self, connection: AbstractConnection, missing: set[str]) -> None:
        left = self._canary_at + CANARY_HEARD_WITHIN - time.monotonic()
        reply = await connection.read_response(timeout=left, disconnect_on_error=False) if left > 0 else None
        if reply is None:
            raise TimeoutError("Redis was silent for too long")
        kind, channel = reply[0], reply[1].decode()
        if kind == self._message:
            if channel == self.canary:
                self._canary_at, self.is_heard = time.monotonic(), True
            else:
                self._take_message(channel, reply[2])
        elif kind == self._subscribed:
            missing.discard(channel)
            self._confirm(channel, True)
            if not missing and not self.up:
                self.up = True
                self._changed()
        elif channel not in self._leaving:
            raise Moved(f"{channel} is published elsewhere now")
        elif self._leaving[channel] > 1:
            self._leaving[channel] -= 1
        else:
            del self._leaving[channel]

    async def _keep_whistling(self) -> None:
        while True:
            self._whistle(self.canary)
            await asyncio.sleep(CANARY_EVERY)

    async def _send(self, command: str, channels: Iterable[str]) -> None:
        names = list(channels)
        # One command names channels of one slot only.
        at_once = 1 if self._kind else _CHANNELS_AT_ONCE
        async with self._sending:
            connection = self._connection
            if connection is None or not names:
                return
            commands = [
                (f"{self._kind}{command}", *names[start : start + at_once]) for start in range(0, len(names), at_once)
            ]
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            stop_if_cancelled()

    def _confirm(self, channel: str, heard: bool) -> None:
        waiting = self._waiting.get(channel)
        while waiting:
            confirmed = waiting.popleft()
            if not confirmed.done():
                confirmed.set_result(heard)
            if heard:
                break
        if not waiting:
            self._waiting.pop(channel, None)


def _canary(prefix: str, shard: Shard) -> str:
    """Name a channel that this server publishes, and that nobody else has."""
    while not shard.serves(canary := f"{prefix}canary:{secrets.token_hex(6)}"):
        pass
    return canary
