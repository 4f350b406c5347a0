"""A micro-batcher without a timer: whatever waits in a lane leaves together as soon as the one before has arrived."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from hub.errors import Unavailable
from storage import pool

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


@dataclass
class _Lane(Generic[Asked, Answered]):
    """What waits for one flusher."""

    waiting: deque[tuple[Asked, asyncio.Future[Answered]]] = field(default_factory=deque)
    is_under_way: bool = False
    # What is under way takes longer than anybody may wait behind it.
    is_late: bool = False


class MicroBatcher(Generic[Asked, Answered]):
    """Gathers asks while earlier ones are under way and sends them as one; each caller gets its own answer or error.

    Asks that `lane_of` gives the same number leave by the same lane: those that want the same thing would wait for
    its lock anyway, and by waiting here they make one large batch instead of two small ones. A batch that raises is
    repeated ask by ask, so that one bad ask cannot spoil its neighbours; but not one that found the database
    unavailable, because it may have taken effect before the answer was lost. Nobody waits long behind a batch that
    gets no answer: what has not been sent is refused, as is whoever comes while it lasts.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Asked]], Awaitable[Sequence[Answered]]],
        lane_of: Callable[[Asked], int] = lambda asked: 0,
        lanes: int = 1,
        most: int = 1000,
    ) -> None:
        self._flush = flush
        self._lane_of = lane_of
        self._most = most
        self._lanes: list[_Lane[Asked, Answered]] = [_Lane() for _ in range(lanes)]
        self._running: set[asyncio.Task[None]] = set()

    @property
    def depth(self) -> int:
        """Count the asks that wait for a flusher."""
        return sum(len(lane.waiting) for lane in self._lanes)

    async def ask(self, asked: Asked) -> Answered:
        """Send one ask with whatever else waits in its lane; answers in the order of arrival."""
        lane = self._lanes[self._lane_of(asked) % len(self._lanes)]
        if lane.is_late:
            raise Unavailable()
        answer: asyncio.Future[Answered] = asyncio.Future()
        lane.waiting.append((asked, answer))
        if not lane.is_under_way:
            lane.is_under_way = True
            task = asyncio.create_task(self._run(lane))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await answer

    async def _run(self, lane: _Lane[Asked, Answered]) -> None:
        # One turn of the loop lets everybody who is already asking join the first batch.
        await asyncio.sleep(0)
        try:
            while lane.waiting:
                batch = [lane.waiting.popleft() for _ in range(min(self._most, len(lane.waiting)))]
                late = asyncio.get_running_loop().call_later(pool.ACQUIRE_SECONDS, self._refuse_waiting, lane)
                try:
                    # Who has left meanwhile wants nothing any more.
                    await self._send([(asked, answer) for asked, answer in batch if not answer.done()])
                finally:
                    late.cancel()
                    lane.is_late = False
        finally:
            lane.is_under_way = False

    def _refuse_waiting(self, lane: _Lane[Asked, Answered]) -> None:
        lane.is_late = True
        while lane.waiting:
            _, answer = lane.waiting.popleft()
            if not answer.done():
                answer.set_exception(Unavailable())

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
