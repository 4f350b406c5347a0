"""The kinds of device that people were seen on."""

from __future__ import annotations

from pydantic import BaseModel

from storage.query import Db, one


class Seen(BaseModel):
    """What was known of a device when it came."""

    is_new: bool
    is_first: bool


async def see(db: Db, user_id: int, kind: str) -> Seen:
    """Note that a person comes by this kind of device, and tell whether it is new and whether they had none before."""
    return await one(
        db,
        Seen,
        """
        INSERT INTO devices AS d (user_id, kind) VALUES ($1, $2)
        ON CONFLICT (user_id, kind) DO UPDATE SET last_seen_at = clock_timestamp()
        RETURNING xmax = 0 AS is_new,
                  NOT EXISTS (SELECT FROM devices AS o WHERE o.user_id = $1 AND o.kind <> $2) AS is_first
        """,
        user_id,
        kind,
    )
