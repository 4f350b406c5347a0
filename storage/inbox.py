"""What payment providers have told, each event once."""

from __future__ import annotations

from datetime import datetime

from storage.query import Db, run


async def keep(
    db: Db, gateway: str, event_id: str, kind: str, provider_id: str | None, at: datetime, outcome: str
) -> bool:
    """Keep an event and what became of it; tells whether it is new."""
    return (
        await run(
            db,
            """
            INSERT INTO provider_events (gateway, event_id, kind, provider_id, at, handled_at, outcome)
            VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6) ON CONFLICT DO NOTHING
            """,
            gateway,
            event_id,
            kind,
            provider_id,
            at,
            outcome,
        )
        == 1
    )


async def forget_old(db: Db, days: int, at_most: int) -> int:
    """Forget events so many days old, which no provider sends again; answers how many."""
    return await run(
        db,
        """
        DELETE FROM provider_events WHERE (gateway, event_id) IN (
            SELECT gateway, event_id FROM provider_events
            WHERE received_at < clock_timestamp() - $1 * interval '1 day' LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        days,
        at_most,
    )
