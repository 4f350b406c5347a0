"""How often something was tried, counted so that no two attempts pass as one."""

from __future__ import annotations

from storage.query import Db, run, value


async def take(db: Db, kind: str, key: bytes, most: list[int], seconds: list[int]) -> float:
    """Count one more attempt unless there were too many; answers the seconds to wait, 0 when it counts."""
    wait: float = await value(db, "SELECT attempt($1, $2, $3::int[], $4::int[])", kind, key, most, seconds)
    return wait


async def give_back(db: Db, kind: str, key: bytes) -> int:
    """Take the last attempt out of the count, since it has succeeded."""
    return await run(
        db,
        """
        DELETE FROM attempts WHERE id = (
            SELECT id FROM attempts WHERE kind = $1 AND key = $2 ORDER BY at DESC LIMIT 1 FOR UPDATE SKIP LOCKED)
        """,
        kind,
        key,
    )


async def forget_old(db: Db, hours: int, at_most: int) -> int:
    """Forget attempts of so many hours ago."""
    return await run(
        db,
        """
        DELETE FROM attempts WHERE id IN (
            SELECT id FROM attempts WHERE at < clock_timestamp() - make_interval(hours => $1)
            LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        hours,
        at_most,
    )
