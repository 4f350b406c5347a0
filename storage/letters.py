"""Mail and SMS that nobody sends, kept to be read at the outbox page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from storage.query import Db, many, maybe, run, value

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


class Attached(BaseModel):
    """What goes with a letter, without its contents."""

    position: int
    name: str
    media_type: str
    bytes: int


class File(BaseModel):
    """What goes with a letter."""

    name: str
    media_type: str
    body: bytes


async def keep(
    db: Db,
    job_id: int,
    channel: Channel,
    recipient: str,
    subject: str,
    text: str,
    html: str | None,
    attached: Sequence[tuple[str, str, bytes]] = (),
) -> bool:
    """Keep a letter with what goes with it; false when the same job has left it before."""
    kept: int = await value(
        db,
        """
        WITH kept AS (
            INSERT INTO letters (job_id, channel, recipient, subject, text, html) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT DO NOTHING RETURNING id
        ), attached AS (
            INSERT INTO letter_attachments (letter_id, position, name, media_type, body)
            SELECT k.id, a.position, a.name, a.media_type, a.body
            FROM kept AS k CROSS JOIN unnest($7::text[], $8::text[], $9::bytea[])
                WITH ORDINALITY AS a (name, media_type, body, position)
        )
        SELECT count(*) FROM kept
        """,
        job_id,
        channel,
        recipient,
        subject,
        text,
        html,
        [name for name, _, _ in attached],
        [media_type for _, media_type, _ in attached],
        [body for _, _, body in attached],
    )
    return kept == 1


async def attached(db: Db, letter_id: int) -> list[Attached]:
    """List what goes with a letter."""
    return await many(
        db,
        Attached,
        """
        SELECT position, name, media_type, length(body) AS bytes FROM letter_attachments
        WHERE letter_id = $1 ORDER BY position
        """,
        letter_id,
    )


async def attachment(db: Db, letter_id: int, position: int) -> File | None:
    """Read what goes with a letter."""
    return await maybe(
        db,
        File,
        "SELECT name, media_type, body FROM letter_attachments WHERE letter_id = $1 AND position = $2",
        letter_id,
        position,
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
