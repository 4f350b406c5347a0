"""The micro-batcher: order, an answer or error of one's own, no timer, and no second effect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from hub.batch import MicroBatcher
from hub.errors import Unavailable
from storage import pool


class Database:
    """Stands where the database would: notes every batch, and can be made to wait."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def flush(self, asks: Sequence[int]) -> Sequence[str]:
        self.batches.append(list(asks))
        await self.open.wait()
        if any(ask < 0 for ask in asks):
            raise ValueError(f"bad ask among {len(asks)}")
        return [f"answer {ask}" for ask in asks]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_each_asker_gets_the_answer_of_its_own_ask() -> None:
    database = Database()
    batcher = MicroBatcher(database.flush)
    answers = await asyncio.gather(*(batcher.ask(number) for number in range(100)))
    assert answers == [f"answer {number}" for number in range(100)]


async def test_all_who_ask_in_one_turn_leave_together_in_the_order_they_came() -> None:
    database = Database()
    batcher = MicroBatcher(database.flush)
    await asyncio.gather(*(batcher.ask(number) for number in range(64)))
    assert database.batches == [list(range(64))]


async def test_who_comes_while_a_batch_is_under_way_leaves_with_all_who_wait() -> None:
    database = Database()
    batcher = MicroBatcher(database.flush)
    database.open.clear()
    first = asyncio.create_task(batcher.ask(1))
    await turns()
    waiting = [asyncio.create_task(batcher.ask(number)) for number in range(2, 30)]
    await turns()
    assert database.batches == [[1]]
    assert batcher.depth == 28
    database.open.set()
    await asyncio.gather(first, *waiting)
    assert database.batches == [[1], list(range(2, 30))]
    assert batcher.depth == 0


async def test_who_wants_something_else_waits_in_another_lane() -> None:
    database = Database()
    batcher = MicroBatcher(database.flush, lambda number: number, lanes=2)
    database.open.clear()
    odd = [asyncio.create_task(batcher.ask(number)) for number in (1, 3)]
    await turns()
    late = [asyncio.create_task(batcher.ask(number)) for number in (5, 4, 7, 6)]
    await turns()
    assert database.batches == [[1, 3], [4, 6]]
    assert batcher.depth == 2
    database.open.set()
    await asyncio.gather(*odd, *late)
    assert database.batches == [[1, 3], [4, 6], [5, 7]]


async def test_a_lone_ask_waits_for_no_timer() -> None:
    batcher = MicroBatcher(Database().flush)
    started = time.perf_counter()
    for number in range(500):
        await batcher.ask(number)
    # A timer of even one millisecond would need half a second for these.
    assert time.perf_counter() - started < 0.25


async def test_a_batch_is_never_larger_than_what_one_round_trip_bears() -> None:
    database = Database()
    batcher = MicroBatcher(database.flush, full=10)
    await asyncio.gather(*(batcher.ask(number) for number in range(35)))
    assert [len(batch) for batch in database.batches] == [10, 10, 10, 5]


async def test_a_full_batch_leaves_beside_the_one_before_and_no_third_does() -> None:
    database = Database()
    batcher = MicroBatcher(database.flush, full=10)
    database.open.clear()
    first = asyncio.create_task(batcher.ask(0))
    await turns()
    waiting = [asyncio.create_task(batcher.ask(number)) for number in range(1, 10)]
    await turns()
    assert [len(batch) for batch in database.batches] == [1]
    waiting += [asyncio.create_task(batcher.ask(number)) for number in range(10, 35)]
    await turns()
    assert [len(batch) for batch in database.batches] == [1, 10]
    database.open.set()
    await asyncio.gather(first, *waiting)
    assert [len(batch) for batch in database.batches] == [1, 10, 10, 10, 4]
    assert [ask for batch in database.batches for ask in batch] == list(range(35))


async def test_a_bad_ask_fails_alone() -> None:
    database = Database()
    batcher = MicroBatcher(database.flush)
    answers = await asyncio.gather(*(batcher.ask(ask) for ask in (1, -2, 3)), return_exceptions=True)
    assert (answers[0], answers[2]) == ("answer 1", "answer 3")
    assert isinstance(answers[1], ValueError)
    assert database.batches == [[1, -2, 3], [1], [-2], [3]]


async def test_a_batch_whose_outcome_is_unknown_is_not_sent_again() -> None:
    sent = 0

    async def lost(asks: Sequence[int]) -> Sequence[str]:
        nonlocal sent
        sent += len(asks)
        raise Unavailable()

    batcher = MicroBatcher(lost)
    answers = await asyncio.gather(*(batcher.ask(number) for number in range(10)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert sent == 10


async def test_an_asker_who_leaves_changes_nothing_for_the_others() -> None:
    database = Database()
    batcher = MicroBatcher(database.flush)
    database.open.clear()
    asked = [asyncio.create_task(batcher.ask(number)) for number in range(3)]
    await turns()
    asked[1].cancel()
    await turns()
    database.open.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert (answers[0], answers[2]) == ("answer 0", "answer 2")
    assert isinstance(answers[1], asyncio.CancelledError)


async def test_an_asker_who_leaves_before_the_batch_does_is_not_sent() -> None:
    database = Database()
    batcher = MicroBatcher(database.flush)
    database.open.clear()
    first = asyncio.create_task(batcher.ask(1))
    await turns()
    gone, stays = asyncio.create_task(batcher.ask(2)), asyncio.create_task(batcher.ask(3))
    await turns()
    gone.cancel()
    await turns()
    database.open.set()
    assert (await first, await stays) == ("answer 1", "answer 3")
    assert database.batches == [[1], [3]]


async def test_a_lane_goes_on_after_a_failure() -> None:
    database = Database()
    batcher = MicroBatcher(database.flush)
    with pytest.raises(ValueError, match="bad ask"):
        await batcher.ask(-1)
    assert await batcher.ask(1) == "answer 1"


async def test_nobody_waits_long_behind_a_batch_that_gets_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ACQUIRE_SECONDS", 0.05)
    database = Database()
    batcher = MicroBatcher(database.flush)
    database.open.clear()
    first = asyncio.create_task(batcher.ask(1))
    await turns()
    waiting = [asyncio.create_task(batcher.ask(number)) for number in range(2, 30)]
    async with asyncio.timeout(5):
        refused = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) and answer.retry_after for answer in refused)
    # Whoever comes meanwhile hears so at once; nothing of theirs was sent.
    with pytest.raises(Unavailable):
        await batcher.ask(30)
    assert database.batches == [[1]]
    assert not first.done()
    database.open.set()
    assert await first == "answer 1"
    assert await batcher.ask(31) == "answer 31"
    assert await batcher.ask(31) == "answer 31"
