"""The queue: jobs that are enqueued with the change that causes them, and done after its commit."""

from __future__ import annotations

from typing import Any

from storage.query import Db, run


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
