"""Whether a hub's database is sound, and how often PostgreSQL had to break a deadlock in it."""

from __future__ import annotations

from storage.pool import Pool
from storage.soundness import CHECKS, faults, faults_seen

__all__ = ["CHECKS", "deadlocks", "faults", "faults_seen"]


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
