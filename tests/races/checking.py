"""Whether a hub's database is sound, how often PostgreSQL broke a deadlock in it, and how much it had to read."""

from __future__ import annotations

from collections import Counter

from storage.pool import Pool
from storage.query import Db
from storage.soundness import CHECKS, faults, faults_seen

__all__ = ["CHECKS", "deadlocks", "faults", "faults_seen", "fetched"]


async def deadlocks(pool: Pool) -> int:
    """Count the deadlocks PostgreSQL broke in this database; each of the pool's connections must report first."""
    connections = [await pool.acquire() for _ in range(pool.get_size())]
    try:
        for db in connections:
            await db.execute("SELECT pg_stat_force_next_flush()")
            await db.execute("SELECT 1")
        return int(
            await connections[0].fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
    finally:
        for db in connections:
            await pool.release(db)


async def fetched(db: Db, *tables: str) -> Counter[str]:
    """Count the rows that this connection has fetched of each table by an index since it last reported."""
    rows = await db.fetch(
        "SELECT relname, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = ANY ($1)", list(tables)
    )
    return Counter({row["relname"]: row["idx_tup_fetch"] for row in rows})
