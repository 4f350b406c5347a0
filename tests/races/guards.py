"""Taking the guards away, on the database of one test, to show that the race they stand against is real."""

from __future__ import annotations

from storage.pool import Pool, as_owner

CONSTRAINTS = {
    "room_already_claimed": "claims",
    "pool_night_sold_out": "pool_nights",
    "session_sold_out": "session_places",
}


async def rewrite(pool: Pool, function: str, *changes: tuple[str, str]) -> None:
    """Replace a database function by its own text with some words changed; each must occur in it."""
    async with as_owner(pool) as db:
        text = await db.fetchval("SELECT pg_get_functiondef($1::regproc)", function)
        for before, after in changes:
            assert before in text, f"{function} has no {before!r} any more"
            text = text.replace(before, after)
        await db.execute(text)


async def without_locks(pool: Pool) -> None:
    """Let claims be taken without locking what they claim."""
    await rewrite(pool, "lock_claimed", (" FOR NO KEY UPDATE OF p", ""), (" FOR NO KEY UPDATE", ""))


async def with_locks_in_any_order(pool: Pool) -> None:
    """Lock what is claimed in whatever order it comes."""
    await rewrite(
        pool,
        "lock_claimed",
        ("ORDER BY id FOR NO KEY UPDATE", "ORDER BY random() FOR NO KEY UPDATE"),
        ("ORDER BY p.room_type_id, p.night", "ORDER BY random()"),
        ("ORDER BY session_id FOR NO KEY UPDATE", "ORDER BY random() FOR NO KEY UPDATE"),
    )


async def without_constraints(pool: Pool) -> None:
    """Drop what the database itself refuses."""
    async with as_owner(pool) as db:
        for constraint, table in CONSTRAINTS.items():
            await db.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")


async def without_all_or_nothing(pool: Pool) -> None:
    """Let a refused basket keep the items that nobody stood in the way of."""
    kept = "a.ask NOT IN (SELECT m.ask FROM unnest(more) AS m)"
    await rewrite(
        pool,
        "acquire",
        (kept, "(a.ask, a.item) NOT IN (SELECT m.ask, m.item FROM unnest(more) AS m)"),
    )
