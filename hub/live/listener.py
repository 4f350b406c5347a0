"""The worker's ear on Redis: one channel for each live room that somebody here watches."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

log = logging.getLogger("hub.live")

# Seconds within which Redis must do what it is asked, and for which its silence is believed.
REDIS_SECONDS = 1.0
CANARY_EVERY = 2.0
CANARY_HEARD_WITHIN = 5.0
# Between two attempts to reconnect; jitter keeps many workers from arriving together.
RECONNECT_SECONDS = (0.2, 2.0)
# Channels named in one SUBSCRIBE.
_CHANNELS_AT_ONCE = 500

FAILURES = (RedisError, OSError, TimeoutError)


def redis_options(url: str) -> dict[str, Any]:
    """Answer how the hub reaches Redis: by URL, with short time-outs, and reconnecting by itself only."""
    # The older protocol: every reply to a subscriber is a plain list, and no maintenance notices mix in.
    return {
        "url": url.replace("valkey", "redis", 1) if url.startswith("valkey") else url,
        "protocol": 2,
        "socket_timeout": REDIS_SECONDS,
        "socket_connect_timeout": REDIS_SECONDS,
        "health_check_interval": 0,
    }


def stop_if_cancelled() -> None:
    """Stop a task that was cancelled while a library waited: on Python 3.11 `asyncio.wait_for` may swallow that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError()


class Listener:
    """Hears the rooms it is told to; says `changed` when the line breaks or is whole again: the log then knows more."""

    def __init__(
        self,
        url: str,
        epoch: str,
        hear: Callable[[str, bytes], None],
        changed: Callable[[], None],
        whistle: Callable[[str], None],
        obey: Callable[[bytes], None],
    ) -> None:
        self._pool = ConnectionPool.from_url(**redis_options(url))
        self._prefix = f"live:{epoch}:"
        self._hear, self._changed, self._whistle, self._obey = hear, changed, whistle, obey
        # The worker whistles into a channel of its own: what is not heard proves the line deaf, however open it looks.
        self._canary = f"{self._prefix}canary:{secrets.token_hex(6)}"
        self._heard_canary = 0.0
        # What every worker is to do at once, whatever is watched there.
        self.orders = f"{self._prefix}control"
        self._wanted: set[str] = set()
        self._waiting: defaultdict[str, deque[asyncio.Future[bool]]] = defaultdict(deque)
        self._connection: AbstractConnection | None = None
        self._sending = asyncio.Lock()
        self.up = False

    def channel(self, room: str) -> str:
        """Name a room's channel; the epoch keeps apart hubs that share a Redis."""
        return self._prefix + room

    async def subscribe(self, room: str) -> bool:
        """Hear a room from now on; True once Redis confirmed it, False while Redis is out of reach."""
        channel = self.channel(room)
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
            await self._hang_up()
            return False

    async def unsubscribe(self, room: str) -> None:
        """Hear a room no longer."""
        channel = self.channel(room)
        self._wanted.discard(channel)
        try:
            await self._send("UNSUBSCRIBE", [channel])
        except FAILURES:
            await self._hang_up()

    async def run(self) -> None:
        """Listen until cancelled, reconnecting as often as it takes."""
        while True:
            try:
                await self._listen()
            except FAILURES as failure:
                if self.up:
                    log.warning("Redis is out of reach, the log is read instead: %s", failure)
            finally:
                self.up = False
                self._changed()
                await self._hang_up()
            await asyncio.sleep(random.uniform(*RECONNECT_SECONDS))  # noqa: S311

    async def close(self) -> None:
        """Let go of Redis."""
        await self._hang_up()
        await self._pool.aclose()

    async def _listen(self) -> None:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            stop_if_cancelled()
            self._connection = connection
            self._heard_canary = time.monotonic()
            missing = {self._canary, self.orders, *self._wanted}
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
        left = self._heard_canary + CANARY_HEARD_WITHIN - time.monotonic()
        reply = await connection.read_response(timeout=left, disconnect_on_error=False) if left > 0 else None
        if reply is None:
            raise TimeoutError("Redis was silent for too long")
        kind, channel = reply[0], reply[1].decode()
        if kind == b"message":
            if channel == self._canary:
                self._heard_canary = time.monotonic()
            elif channel == self.orders:
                self._obey(reply[2])
            else:
                self._hear(channel.removeprefix(self._prefix), reply[2])
        elif kind == b"subscribe":
            missing.discard(channel)
            self._confirm(channel, True)
            if not missing and not self.up:
                self.up = True
                self._changed()

    async def _keep_whistling(self) -> None:
        while True:
            self._whistle(self._canary)
            await asyncio.sleep(CANARY_EVERY)

    async def _send(self, command: str, channels: Iterable[str]) -> None:
        names = list(channels)
        async with self._sending:
            for start in range(0, len(names), _CHANNELS_AT_ONCE):
                if self._connection is None:
                    return
                await self._connection.send_command(
                    command, *names[start : start + _CHANNELS_AT_ONCE], check_health=False
                )
                stop_if_cancelled()

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*FAILURES):
                await connection.disconnect(nowait=True)
        for channel in list(self._waiting):
            self._confirm(channel, False)

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
