"""Jobs are done after commit, once, by whoever is alive; what fails is tried again and then given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from hub.core import GUEST
from hub.gateways import Undeliverable
from hub.jobs import housekeeping, queue
from hub.jobs.queue import Lane
from storage import jobs
from storage.jobs import Job
from tests.doors import ListeningHub
from tests.world import another


async def enqueue(hub: ListeningHub, *numbers: int, **how: Any) -> None:
    async with hub.work(GUEST) as work:
        for number in numbers:
            await work.enqueue("count", {"number": number}, **how)


async def rows(hub: ListeningHub, columns: str = "*") -> list[Any]:
    async with hub.pool.acquire() as db:
        return [tuple(row) for row in await db.fetch(f"SELECT {columns} FROM jobs ORDER BY id")]  # noqa: S608


async def let_leases_end(hub: ListeningHub) -> None:
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE jobs SET due_at = clock_timestamp() WHERE done_at IS NULL AND failed_at IS NULL")


def lane(do: Callable[[Job], Awaitable[None]], **how: Any) -> Lane:
    return Lane(do, **how)


async def counted(hub: ListeningHub) -> list[int]:
    done: list[int] = []

    async def count(job: Job) -> None:
        done.append(job.data["number"])

    while await queue.work(hub, "count", lane(count)):
        pass
    return done


async def test_jobs_are_done_in_the_order_in_which_they_are_due_and_once(hub):
    await enqueue(hub, 1, 2)
    await enqueue(hub, 3, delay=60)
    assert await counted(hub) == [1, 2]
    assert await counted(hub) == []


async def test_what_can_wait_lets_everything_else_go_first(hub):
    await enqueue(hub, 1)
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE jobs SET can_wait = true")
    await enqueue(hub, 2)
    assert await counted(hub) == [2, 1]


async def test_a_job_of_a_change_that_did_not_happen_is_not_done(hub):
    async def fail() -> None:
        async with hub.work(GUEST) as work:
            await work.enqueue("count", {"number": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await counted(hub) == []


async def test_of_several_jobs_with_one_name_the_first_is_done(hub):
    await enqueue(hub, 1, 2, once="the same")
    await enqueue(hub, 3, once="the same")
    assert await counted(hub) == [1]
    await enqueue(hub, 4, once="the same")
    assert await counted(hub) == []


async def test_what_was_in_a_job_is_forgotten_with_its_doing(hub):
    await enqueue(hub, 7)
    await counted(hub)
    assert await rows(hub, "data, error, done_at IS NOT NULL") == [({}, None, True)]


async def test_two_workers_never_take_one_job(hub):
    await enqueue(hub, *range(100))
    done: list[int] = []

    async def count(job: Job) -> None:
        await asyncio.sleep(0.001)
        done.append(job.data["number"])

    async def work_all(worker: ListeningHub) -> None:
        while await queue.work(worker, "count", lane(count)):
            pass

    async with another(hub) as other:
        await asyncio.gather(*(work_all(worker) for worker in (hub, other, hub, other)))
    assert sorted(done) == list(range(100))


async def test_a_job_that_fails_is_tried_again_later_and_later_and_given_up(hub):
    await enqueue(hub, 1)

    async def fail(job: Job) -> None:
        raise ConnectionError("nobody there")

    pauses = []
    for attempt in range(1, queue.TRIES + 1):
        assert await queue.work(hub, "count", lane(fail))
        assert not await queue.work(hub, "count", lane(fail))
        async with hub.pool.acquire() as db:
            row = await db.fetchrow(
                "SELECT attempts, error, failed_at, extract(epoch FROM due_at - clock_timestamp()) AS pause FROM jobs"
            )
        assert (row["attempts"], row["error"]) == (attempt, "ConnectionError: nobody there")
        assert (row["failed_at"] is not None) == (attempt == queue.TRIES)
        pauses.append(float(row["pause"]))
        await let_leases_end(hub)
    waited = pauses[:-1]
    assert 3 < waited[0] < 7
    assert all(later > earlier * 1.2 for earlier, later in pairwise(waited) if later < 2500)
    assert max(waited) <= queue.LONGEST_PAUSE * 1.2
    async with hub.reading() as db:
        assert [one.model_dump() for one in await jobs.standings(db)] == [{"kind": "count", "waiting": 0, "failed": 1}]


async def test_what_is_refused_for_good_is_given_up_at_once_and_can_be_tried_again(hub):
    await enqueue(hub, 1)

    async def refuse(job: Job) -> None:
        raise Undeliverable("no such mailbox\x00")

    assert await queue.work(hub, "count", lane(refuse))
    assert await rows(hub, "error, failed_at IS NOT NULL") == [("Undeliverable: no such mailbox", True)]
    assert await counted(hub) == []
    assert await queue.retry(hub, "sms") == 0
    assert await queue.retry(hub, "count") == 1
    assert await counted(hub) == [1]


async def test_a_job_is_taken_again_when_its_worker_died(hub):
    await enqueue(hub, 1)
    async with hub.reading() as db:
        taken = await jobs.take(db, "count", 60)
    assert taken is not None
    assert await counted(hub) == []
    await let_leases_end(hub)
    assert await counted(hub) == [1]


@pytest.mark.abuse("P15")
@pytest.mark.abuse("K12")
async def test_a_worker_that_wakes_after_its_lease_can_say_nothing_about_the_job(hub):
    await enqueue(hub, 1)
    async with hub.reading() as db:
        zombie = await jobs.take(db, "count", 60)
        assert zombie is not None
        await let_leases_end(hub)
        fresh = await jobs.take(db, "count", 60)
        assert fresh is not None
        assert fresh.id == zombie.id
        assert not await jobs.done(db, zombie.id, zombie.lease)
        assert not await jobs.again(db, zombie.id, zombie.lease, "late", 0)
        assert not await jobs.fail(db, zombie.id, zombie.lease, "late")
        assert await jobs.done(db, fresh.id, fresh.lease)
        assert not await jobs.done(db, fresh.id, fresh.lease)


async def test_a_job_that_takes_longer_than_its_lease_is_stopped_before_somebody_else_takes_it(hub):
    await enqueue(hub, 1)

    async def sleep(job: Job) -> None:
        await asyncio.sleep(60)

    assert await queue.work(hub, "count", lane(sleep, lease=0.2))
    assert await rows(hub, "error, due_at > clock_timestamp()") == [("TimeoutError: ", True)]


async def test_a_job_that_kills_whoever_takes_it_is_given_up(hub):
    await enqueue(hub, 1)
    for _ in range(queue.TRIES):
        async with hub.reading() as db:
            assert await jobs.take(db, "count", 60)
        await let_leases_end(hub)
    assert await counted(hub) == []
    assert await rows(hub, "failed_at IS NOT NULL") == [(True,)]


async def test_the_queue_goes_on_when_the_database_was_away(hub, monkeypatch):
    monkeypatch.setattr(queue, "PAUSE", 0.01)
    done = asyncio.Event()

    async def count(job: Job) -> None:
        done.set()

    asked = 0
    take = jobs.take

    async def away(*args: Any) -> Job | None:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise queue.HubError
        return await take(*args)

    monkeypatch.setattr(jobs, "take", away)
    await enqueue(hub, 1)
    working = asyncio.create_task(queue._keep_working(hub, "count", lane(count)))
    await asyncio.wait_for(done.wait(), 10)
    working.cancel()


async def test_old_jobs_and_letters_are_forgotten(hub):
    async with hub.pool.acquire() as db:
        await db.execute(
            """
            INSERT INTO jobs (kind, data, made_at, done_at, failed_at, due_at)
            SELECT k.kind, '{}', now() - interval '40 days',
                   CASE WHEN k.kind LIKE 'done%' THEN now() - k.age END,
                   CASE WHEN k.kind LIKE 'failed%' THEN now() - k.age END, now() - interval '40 days'
            FROM (VALUES ('done long ago', interval '8 days'), ('done', interval '6 days'), ('waiting', NULL),
                         ('failed long ago', interval '31 days'), ('failed', interval '29 days')) AS k (kind, age)
            """
        )
        await db.execute(
            """
            INSERT INTO letters (job_id, channel, recipient, text, made_at)
            VALUES (1, 'mail', 'a@example.org', 'old', now() - interval '3 days'),
                   (2, 'mail', 'a@example.org', 'new', now() - interval '1 day')
            """
        )
        await housekeeping.forget(hub)
        assert await db.fetchval("SELECT array_agg(kind ORDER BY kind) FROM jobs") == ["done", "failed", "waiting"]
        assert await db.fetchval("SELECT array_agg(text) FROM letters") == ["new"]
