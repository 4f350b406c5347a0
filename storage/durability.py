"""Whether the database keeps what it has acknowledged, also through a power cut."""

from __future__ import annotations

from storage.query import Db, column


async def switched_off(db: Db) -> list[str]:
    """Name the settings without which a commit that was acknowledged may be lost, and which are off here."""
    return await column(
        db,
        """
        SELECT name FROM pg_settings
        WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name
        """,
    )
