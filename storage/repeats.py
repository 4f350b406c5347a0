"""What was answered to an Idempotency-Key."""

from __future__ import annotations

from pydantic import BaseModel

from storage.query import Db, maybe, run, value


class Known(BaseModel):
    """An earlier answer: the hash of its request, its status and its JSON text."""

    body_hash: bytes
    status: int
    answer: str


async def alone(db: Db, user_id: int, route: str, key: str) -> bool:
    """Take the key for this transaction; False when the same request is being carried out elsewhere."""
    return bool(
        await value(
            db,
            "SELECT pg_try_advisory_xact_lock(hashtextextended($1::bigint || ' ' || $2::text || ' ' || $3::text, 0))",
            user_id,
            route,
            key,
        )
    )


async def known(db: Db, user_id: int, route: str, key: str) -> Known | None:
    """Find the answer kept under this key."""
    return await maybe(
        db,
        Known,
        "SELECT body_hash, status, answer FROM repeat_keys WHERE user_id = $1 AND route = $2 AND key = $3",
        user_id,
        route,
        key,
    )


async def keep(db: Db, user_id: int, route: str, key: str, body_hash: bytes, status: int, answer: str) -> None:
    """Keep an answer in the transaction of its effect."""
    await run(
        db,
        """
        INSERT INTO repeat_keys (user_id, route, key, body_hash, status, answer) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        user_id,
        route,
        key,
        body_hash,
        status,
        answer,
    )


async def forget_old(db: Db) -> int:
    """Forget answers older than a day; a key is promised that long."""
    return await run(db, "DELETE FROM repeat_keys WHERE created_at < clock_timestamp() - interval '24 hours'")
