"""From commit to Redis: never in the path of a request, never lost when it fails."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from hub import figures
from hub.errors import HubError
from hub.live.frames import Frame, frame
from hub.live.listener import BETWEEN
from hub.live.reach import FAILURES, RECONNECT_SECONDS, REDIS_SECONDS, Reach, stop_if_cancelled
from storage import event_log
from storage.event_log import Told
from storage.pool import Pool
from storage.transaction import reading

log = logging.getLogger("hub.live")

# Transactions that may wait for Redis. What does not fit stays in the outbox and is published again from there.
MOST_WAITING = 10_000
# Transactions sent in one go.
_AT_ONCE = 200

Message = tuple[str, str]


class Publisher:
    """Hands committed events to the sockets of this worker at once, and to those of all others through Redis."""

    def __init__(self, url: str, pool: Pool, epoch: str, deliver: Callable[[Frame], None] | None = None) -> None:
        reach = Reach(url)
        self._redis = reach.client(timed=False)
        # In a cluster a channel is published on the server of its slot, and on no other.
        self._command = "SPUBLISH" if reach.kind == "cluster" else "PUBLISH"
        self._pool = pool
        self.epoch = epoch
        self._deliver = deliver
        # One entry a transaction: its messages, the outbox rows that go once Redis took all of them, and since when.
        self._waiting: deque[tuple[list[Message], set[int], float]] = deque()
        # What no log repairs.
        self._orders: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self.up = True

    @property
    def depth(self) -> int:
        """Count the transactions that wait to be sent."""
        return len(self._waiting)

    def publish(self, told: Sequence[Told]) -> None:
        """Take the events of a committed transaction; answers at once and never fails."""
        try:
            frames = [frame(self.epoch, event) for event in told]
            # First the others, who would otherwise wait until all the sockets of this worker have been written to.
            self._queue([self._message(ready) for ready in frames], {event.outbox_id for event in told})
            if self._deliver is not None:
                for ready in frames:
                    self._deliver(ready)
        except Exception:
            # The transaction is committed, so nobody may hear of this as a failure; the outbox repairs it.
            log.exception("publishing failed")

    def whistle(self, channel: str) -> None:
        """Send an empty message, to see whether it comes back."""
        self._queue([(channel, "")], set())

    def order(self, channel: str, payload: str) -> None:
        """Send every worker an order, such as to look again at somebody's sockets; it waits until Redis takes it."""
        if len(self._orders) < MOST_WAITING:
            self._orders.append((channel, payload))
            self._arrived.set()

    async def send(self, frames: Iterable[Frame]) -> bool:
        """Send frames now; tells whether Redis took them all."""
        return await self._publish([self._message(ready) for ready in frames])

    async def run(self) -> None:
        """Send what waits until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting or self._orders:
                orders = list(self._orders)
                batch = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
                if await self._publish([*orders, *(message for messages, _, _ in batch for message in messages)]):
                    for _ in orders:
                        self._orders.popleft()
                    now = time.monotonic()
                    for _, outbox_ids, since in batch:
                        if outbox_ids:
                            figures.PUBLISH.observe(now - since)
                    await self._forget({outbox_id for _, outbox_ids, _ in batch for outbox_id in outbox_ids})
                else:
                    self._waiting.clear()
                    await asyncio.sleep(random.uniform(*RECONNECT_SECONDS))  # noqa: S311

    async def close(self) -> None:
        """Let go of Redis."""
        await self._redis.aclose()

    def _message(self, ready: Frame) -> Message:
        return f"live:{self.epoch}:{ready.room}", ready.payload()

    def _queue(self, messages: list[Message], outbox_ids: set[int]) -> None:
        if messages and len(self._waiting) < MOST_WAITING:
            self._waiting.append((messages, outbox_ids, time.monotonic()))
            self._arrived.set()

    async def _publish(self, messages: Sequence[Message]) -> bool:
        # What goes to the same channel goes as one.
        joined: dict[str, list[str]] = {}
        for channel, payload in messages:
            joined.setdefault(channel, []).append(payload)
        try:
            async with asyncio.timeout(REDIS_SECONDS), self._redis.pipeline(transaction=False) as pipeline:
                for channel, payloads in joined.items():
                    pipeline.execute_command(self._command, channel, BETWEEN.join(payloads))
                await pipeline.execute()
        except FAILURES as failure:
            if self.up:
                log.warning("Redis takes no events, they stay in the outbox: %s", failure)
            self.up = False
            return False
        finally:
            stop_if_cancelled()
        self.up = True
        return True

    async def _forget(self, outbox_ids: set[int]) -> None:
        if not outbox_ids:
            return
        try:
            async with reading(self._pool) as db:
                await event_log.forget_sent(db, sorted(outbox_ids))
        except HubError as error:
            log.info("the outbox keeps what was sent, it will be sent twice: %s", error)
