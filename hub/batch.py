"""A micro-batcher without a timer: whatever waits leaves together as soon as a flusher is free."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from hub.errors import Unavailable

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class MicroBatcher(Generic[Asked, Answered]):
    """Gathers asks while earlier ones are under way and sends them as one; each caller gets its own answer or error.

    A batch that raises is repeated ask by ask, so that one bad ask cannot spoil its neighbours; but not one that found
    the database unavailable, because it may have taken effect before the answer was lost.
    """

    def __init__(
        self, flush: Callable[[Sequence[Asked]], Awaitable[Sequence[Answered]]], flushers: int = 2, most: int = 1000
    ) -> None:
        self._flush = flush
        self._most = most
        self._free = flushers
        self._waiting: deque[tuple[Asked, asyncio.Future[Answered]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def depth(self) -> int:
        """Count the asks that wait for a flusher."""
        return len(self._waiting)

    async def ask(self, asked: Asked) -> Answered:
        """Send one ask with whatever else waits; answers in the order of arrival."""
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._free:
            self._free -= 1
            task = asyncio.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await answer

    async def _run(self) -> None:
        # One turn of the loop lets everybody who is already asking join the first batch.
        await asyncio.sleep(0)
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                # Who has left meanwhile wants nothing any more.
                await self._send([(asked, answer) for asked, answer in batch if not answer.done()])
        finally:
            self._free += 1

    async def _send(self, batch: list[tuple[Asked, asyncio.Future[Answered]]]) -> None:
        if not batch:
            return
        try:
            answers = await self._flush([asked for asked, _ in batch])
        except Exception as error:  # noqa: BLE001 - every caller gets the error of its own ask
            if len(batch) == 1 or isinstance(error, Unavailable):
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                return
            for single in batch:
                await self._send([single])
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
