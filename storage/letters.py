"""Mail and SMS that nobody sends, kept to be read at the outbox page."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from storage.query import Db, many, maybe, run

Channel = Literal["mail", "sms"]


class Kept(BaseModel):
    """A letter in the outbox."""

    id: int
    channel: Channel
    recipient: str
    subject: str
    text: str
    html: str | None
    made_at: datetime


async def keep(
    db: Db, job_id: int, channel: Channel, recipient: str, subject: str, text: str, html: str | None
) -> bool:
    """Keep a letter; false when the same job has left it before."""
    return (
        await run(
            db,
            """
            INSERT INTO letters (job_id, channel, recipient, subject, text, html) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT DO NOTHING
            """,
            job_id,
            channel,
            recipient,
            subject,
            text,
            html,
        )
        == 1
    )


async def newest(db: Db, recipient: str | None, limit: int) -> list[Kept]:
    """List the letters kept last, newest first; with a recipient, only theirs."""
    return await many(
        db,
        Kept,
        """
        SELECT id, channel, recipient, subject, text, html, made_at FROM letters
        WHERE $1::text IS NULL OR recipient = $1 ORDER BY id DESC LIMIT $2
        """,
        recipient,
        limit,
    )


async def find(db: Db, letter_id: int) -> Kept | None:
    """Find a letter."""
    return await maybe(
        db,
        Kept,
        "SELECT id, channel, recipient, subject, text, html, made_at FROM letters WHERE id = $1",
        letter_id,
    )


async def forget_old(db: Db, days: int, at_once: int) -> int:
    """Forget letters kept so many days ago; answers how many."""
    return await run(
        db,
        """
        DELETE FROM letters WHERE id = ANY (ARRAY(
            SELECT id FROM letters WHERE made_at < clock_timestamp() - $1 * interval '1 day' ORDER BY made_at LIMIT $2))
        """,
        days,
        at_once,
    )
