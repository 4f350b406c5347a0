"""Bring a database to the newest shape: every numbered file once, in order, under one lock.

Tables that came with them are audited and opened to the application's role at the end.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import asyncpg

from storage.query import Db

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 7_201_984
# How often a migration asks for tables that others are using, and how many seconds it lets them work in between:
# while it waits, whoever comes later waits behind it.
TRIES = 30
PAUSE = 1.0


class MigrationChanged(Exception):
    """A migration that has already run differs from its file; write a new one instead of changing an old one."""


async def migrate(connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    """Apply the migrations that this database has not seen; answers their names.

    Whoever only works as the application finds everything done, or is refused.
    """
    if await _is_done_by_another(connection):
        return []
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute("SET client_min_messages = warning")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        rows = await connection.fetch("SELECT name, sha256 FROM migrations")
        seen = {row["name"]: row["sha256"] for row in rows}
        applied = []
        for path in sorted(MIGRATIONS.glob("*.sql")):
            text = path.read_text(encoding="utf-8")
            digest = hashlib.sha256(text.encode()).hexdigest()
            if path.name in seen:
                if seen[path.name] != digest:
                    raise MigrationChanged(f"{path.name} has changed since it was applied")
                continue
            await _apply(connection, text, ("INSERT INTO migrations (name, sha256) VALUES ($1, $2)", path.name, digest))
            applied.append(path.name)
        await _apply(connection, "SELECT audit_every_table(), let_application_work()")
        return applied
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
        await connection.execute("RESET client_min_messages")


async def _is_done_by_another(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    is_another: bool | None = await connection.fetchval(
        "SELECT NOT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('migrations')"
    )
    if not is_another:
        return False
    await connection.execute("SET ROLE hub_app")
    try:
        return not await pending(connection)
    finally:
        await connection.execute("RESET ROLE")


async def _apply(connection: asyncpg.Connection[asyncpg.Record], text: str, *after: tuple[str, str, str]) -> None:
    """Run one change of the schema whole or not at all, and never make others wait long for a table it wants."""
    for attempt in range(TRIES):
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '2s'")
                await connection.execute(text)
                for statement, *values in after:
                    await connection.execute(statement, *values)
            return
        except asyncpg.LockNotAvailableError:
            if attempt == TRIES - 1:
                raise
            await asyncio.sleep(PAUSE)


async def pending(connection: Db) -> list[str]:
    """Name the migrations this database still lacks; readiness asks."""
    if not await connection.fetchval("SELECT to_regclass('migrations') IS NOT NULL"):
        return sorted(path.name for path in MIGRATIONS.glob("*.sql"))
    rows = await connection.fetch("SELECT name FROM migrations")
    return sorted({path.name for path in MIGRATIONS.glob("*.sql")} - {row["name"] for row in rows})


async def migrate_database(url: str) -> list[str]:
    """Migrate over a connection of its own, which may take the time it needs; answers the migrations applied."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url)
    try:
        return await migrate(connection)
    finally:
        await connection.close()
