"""A micro-batcher without a timer: whatever waits in a lane leaves together as soon as the batch before has arrived."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
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
    under_way: int = 0
    # How many of those under way take longer than anybody may wait behind them.
    late: int = 0


class MicroBatcher(Generic[Asked, Answered]):
    """Gathers asks while earlier ones are under way and sends them as one; each caller gets its own answer or error.

    Asks that `lane_of` gives the same number leave by the same lane: those that want the same thing would wait for
    its lock anyway, and by waiting here they make one large batch instead of two small ones. Only a full one does not
    wait: the database works on it while the answers to the one before are given out. A batch that raises is
    repeated ask by ask, so that one bad ask cannot spoil its neighbours; but not one that found the database
    unavailable, because it may have taken effect before the answer was lost. Nobody waits long behind a batch that
    gets no answer: what has not been sent is refused, as is whoever comes while it lasts.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Asked]], Awaitable[Sequence[Answered]]],
        lane_of: Callable[[Asked], int] = lambda asked: 0,
        lanes: int = 1,
        full: int = 250,
    ) -> None:
        self._flush = flush
        self._lane_of = lane_of
        self._full = full
        self._lanes: list[_Lane[Asked, Answered]] = [_Lane() for _ in range(lanes)]
        self._running: set[asyncio.Task[None]] = set()

    @property
    def depth(self) -> int:
        """Count the asks that wait for a flusher."""
        return sum(len(lane.waiting) for lane in self._lanes)

    async def ask(self, asked: Asked) -> Answered:
        """Send one ask with whatever else waits in its lane; answers in the order of arrival."""
        lane = self._lanes[self._lane_of(asked) % len(self._lanes)]
        if lane.late:
            raise Unavailable()
        answer: asyncio.Future[Answered] = asyncio.Future()
        lane.waiting.append((asked, answer))
        if not lane.under_way or (lane.under_way == 1 and len(lane.waiting) == self._full):
            lane.under_way += 1
            task = asyncio.create_task(self._run(lane))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await answer

    async def _run(self, lane: _Lane[Asked, Answered]) -> None:
        # One turn of the loop lets everybody who is already asking join the first batch.
        await asyncio.sleep(0)
        try:
            while lane.waiting and (lane.under_way == 1 or len(lane.waiting) >= self._full):
                batch = [lane.waiting.popleft() for _ in range(min(self._full, len(lane.waiting)))]
                with self._refusing_who_waits_long(lane):
                    # Who has left meanwhile wants nothing any more.
                    await self._send([(asked, answer) for asked, answer in batch if not answer.done()])
        finally:
            lane.under_way -= 1

    @contextmanager
    def _refusing_who_waits_long(self, lane: _Lane[Asked, Answered]) -> Iterator[None]:
        is_late = False

        def refuse() -> None:
            nonlocal is_late
            is_late = True
            lane.late += 1
            while lane.waiting:
                _, answer = lane.waiting.popleft()
                if not answer.done():
                    answer.set_exception(Unavailable())

        late = asyncio.get_running_loop().call_later(pool.ACQUIRE_SECONDS, refuse)
        try:
            yield
        finally:
            late.cancel()
            lane.late -= is_late

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
