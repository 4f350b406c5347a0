"""The queue: jobs that are enqueued with the change that causes them, and done after its commit."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from storage.query import Db, many, maybe, run


class Job(BaseModel):
    """A job that was taken, under a lease without which nobody may say how it ended."""

    id: int
    kind: str
    data: dict[str, Any]
    attempts: int
    lease: UUID
    made_at: datetime


class Standing(BaseModel):
    """How many jobs of a kind wait, and how many failed for good."""

    kind: str
    waiting: int
    failed: int


async def enqueue(db: Db, kind: str, data: dict[str, Any], *, once: str | None, delay: float) -> bool:
    """Enqueue a job, due in `delay` seconds; tells whether it is the first of its `once`."""
    return (
        await run(
            db,
            """
            INSERT INTO jobs (kind, data, once, due_at)
            VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 second')
            ON CONFLICT DO NOTHING
            """,
            kind,
            data,
            once,
            delay,
        )
        == 1
    )


async def take(db: Db, kind: str, seconds: float) -> Job | None:
    """Take what has been due the longest, what can wait last; it is due again after a lease of so many seconds."""
    return await maybe(
        db,
        Job,
        """
        UPDATE jobs SET attempts = attempts + 1, lease = gen_random_uuid(),
               due_at = clock_timestamp() + $2 * interval '1 second'
        WHERE id = (
            SELECT id FROM jobs
            WHERE kind = $1 AND done_at IS NULL AND failed_at IS NULL AND due_at <= clock_timestamp()
            ORDER BY can_wait, due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id, kind, data, attempts, lease, made_at
        """,
        kind,
        seconds,
    )


async def done(db: Db, job_id: int, lease: UUID) -> bool:
    """Mark a job done and forget what was in it; false when somebody else has taken it since."""
    return (
        await run(
            db,
            """
            UPDATE jobs SET done_at = clock_timestamp(), data = '{}', error = NULL
            WHERE id = $1 AND lease = $2 AND done_at IS NULL AND failed_at IS NULL
            """,
            job_id,
            lease,
        )
        == 1
    )


async def again(db: Db, job_id: int, lease: UUID, error: str, pause: float) -> bool:
    """Have a job tried again in `pause` seconds; false when somebody else has taken it since."""
    return (
        await run(
            db,
            """
            UPDATE jobs SET due_at = clock_timestamp() + $4 * interval '1 second', error = $3
            WHERE id = $1 AND lease = $2 AND done_at IS NULL AND failed_at IS NULL
            """,
            job_id,
            lease,
            error,
            pause,
        )
        == 1
    )


async def fail(db: Db, job_id: int, lease: UUID, error: str) -> bool:
    """Give a job up; false when somebody else has taken it since."""
    return (
        await run(
            db,
            """
            UPDATE jobs SET failed_at = clock_timestamp(), error = $3
            WHERE id = $1 AND lease = $2 AND done_at IS NULL AND failed_at IS NULL
            """,
            job_id,
            lease,
            error,
        )
        == 1
    )


async def retry_failed(db: Db, kind: str) -> int:
    """Try again all of a kind that was given up; answers how many."""
    return await run(
        db,
        """
        UPDATE jobs SET failed_at = NULL, attempts = 0, due_at = clock_timestamp()
        WHERE kind = $1 AND failed_at IS NOT NULL
        """,
        kind,
    )


async def standings(db: Db) -> list[Standing]:
    """Count what waits and what failed, by kind."""
    return await many(
        db,
        Standing,
        """
        SELECT kind, sum(waiting)::bigint AS waiting, sum(failed)::bigint AS failed
        FROM (SELECT kind, count(*) AS waiting, 0 AS failed FROM jobs
              WHERE done_at IS NULL AND failed_at IS NULL GROUP BY kind
              UNION ALL
              SELECT kind, 0, count(*) FROM jobs WHERE failed_at IS NOT NULL GROUP BY kind) AS counted
        GROUP BY kind ORDER BY kind
        """,
    )


async def forget_ended(db: Db, done_days: int, failed_days: int, at_once: int) -> int:
    """Forget jobs done or given up so many days ago; answers how many."""
    return await run(
        db,
        """
        DELETE FROM jobs WHERE id = ANY (ARRAY(
            SELECT id FROM jobs
            WHERE (done_at IS NOT NULL OR failed_at IS NOT NULL)
              AND coalesce(done_at, failed_at) < clock_timestamp() - interval '1 day' *
                  CASE WHEN failed_at IS NULL THEN $1::integer ELSE $2::integer END
            LIMIT $3 FOR UPDATE SKIP LOCKED))
        """,
        done_days,
        failed_days,
        at_once,
    )
