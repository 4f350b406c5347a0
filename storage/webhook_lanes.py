"""The lanes of webhooks: who is to be sent what by now, under a lease without which nobody may say how it went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel

from storage.query import Db, many, maybe, run, value


class Lane(BaseModel):
    """A receiver whose turn it is, and how it has been lately."""

    webhook_id: int
    lease: UUID
    failures: int
    failing_since: datetime | None


class Receiver(BaseModel):
    """Where a lane leads, as it is now, and what signs for it."""

    venue_id: int
    url: str
    with_bookings: bool
    secret: bytes
    old_secret: bytes | None


class Message(BaseModel):
    """One message that is due."""

    sequence: int
    id: UUID
    name: str
    at: datetime
    room: str | None
    epoch: str | None
    version: int | None
    data: dict[str, Any]
    attempts: int


class Failed(BaseModel):
    """What follows from an attempt that failed: since when none went well, and whether the message is given up."""

    failing_for: float
    is_given_up: bool


class Backlog(NamedTuple):
    """Messages that wait, receivers that take nothing now, and seconds the oldest has waited for one that is well."""

    waiting: int
    failing: int
    seconds: float


async def backlog(db: Db) -> Backlog:
    """Count what is still to be sent to receivers that are not disabled, whichever worker has to send it."""
    row = await db.fetchrow(
        """
        SELECT coalesce(sum(m.waiting), 0)::bigint, count(*) FILTER (WHERE l.failing_since IS NOT NULL),
               coalesce(extract(epoch FROM clock_timestamp()
                                           - min(m.oldest) FILTER (WHERE l.failing_since IS NULL)), 0)::float8
        FROM webhooks AS w JOIN webhook_lanes AS l ON l.webhook_id = w.id
        CROSS JOIN LATERAL (SELECT count(*) AS waiting, min(p.made_at) AS oldest FROM webhook_messages AS p
                            WHERE p.webhook_id = w.id AND p.due_at IS NOT NULL) AS m
        WHERE w.disabled_at IS NULL
        """
    )
    assert row is not None
    return Backlog(*row)


async def collect(db: Db, at_most: int, most_waiting: int) -> int:
    """Turn what was told since into messages; answers how many."""
    collected: int = await value(db, "SELECT collect_webhooks($1, $2)", at_most, most_waiting)
    return collected


async def take(db: Db, seconds: float, at_most: int, *, slow: bool) -> list[Lane]:
    """Take lanes of which something is due, those that waited longest; they are taken again after so many seconds."""
    return await many(
        db,
        Lane,
        """
        UPDATE webhook_lanes SET lease = gen_random_uuid(), due_at = clock_timestamp() + $3 * interval '1 second'
        WHERE webhook_id IN (
            SELECT l.webhook_id FROM webhook_lanes AS l JOIN webhooks AS w ON w.id = l.webhook_id
            WHERE l.is_slow = $1 AND l.due_at <= clock_timestamp() AND w.disabled_at IS NULL
              AND EXISTS (SELECT 1 FROM webhook_messages AS m
                          WHERE m.webhook_id = l.webhook_id AND m.due_at <= clock_timestamp())
            ORDER BY l.due_at LIMIT $2 FOR UPDATE OF l SKIP LOCKED)
        RETURNING webhook_id, lease, failures, failing_since
        """,
        slow,
        at_most,
        seconds,
    )


async def receiver(db: Db, webhook_id: int) -> Receiver | None:
    """Read where a lane leads, unless it was disabled meanwhile."""
    return await maybe(
        db,
        Receiver,
        """
        SELECT venue_id, url, with_bookings, secret,
               CASE WHEN old_secret_until > clock_timestamp() THEN old_secret END AS old_secret
        FROM webhooks WHERE id = $1 AND disabled_at IS NULL
        """,
        webhook_id,
    )


async def due(db: Db, webhook_id: int, at_most: int) -> list[Message]:
    """Read a lane's messages that are due, in order."""
    return await many(
        db,
        Message,
        """
        SELECT sequence, id, name, at, room, epoch, version, data, attempts FROM webhook_messages
        WHERE webhook_id = $1 AND due_at <= clock_timestamp() ORDER BY sequence LIMIT $2
        """,
        webhook_id,
        at_most,
    )


async def delivered(
    db: Db,
    lane: Lane,
    sequences: Sequence[int],
    answered: Sequence[int],
    milliseconds: Sequence[int],
    seconds: float,
    *,
    slow: bool,
) -> bool:
    """Note what went well and go on for so many seconds; False when somebody else has the lane since."""
    return bool(
        await value(
            db,
            """
            WITH held AS (
                UPDATE webhook_lanes
                SET failures = 0, failing_since = NULL, is_slow = $7, reached = greatest(reached, $8),
                    due_at = clock_timestamp() + $6 * interval '1 second'
                WHERE webhook_id = $1 AND lease = $2 RETURNING webhook_id
            ), noted AS (
                UPDATE webhook_messages AS m
                SET delivered_at = clock_timestamp(), tried_at = clock_timestamp(), due_at = NULL, failed_at = NULL,
                    attempts = m.attempts + 1, answered = g.answered, milliseconds = g.milliseconds
                FROM held AS h CROSS JOIN unnest($3::bigint[], $4::integer[], $5::integer[])
                    AS g (sequence, answered, milliseconds)
                WHERE m.webhook_id = h.webhook_id AND m.sequence = g.sequence
            )
            SELECT true FROM held
            """,
            lane.webhook_id,
            lane.lease,
            list(sequences),
            list(answered),
            list(milliseconds),
            seconds,
            slow,
            max(sequences),
        )
    )


async def hold(db: Db, lanes: Sequence[Lane], seconds: float) -> int:
    """Hold lanes for so many seconds more; answers how many of them are still held."""
    return await run(
        db,
        """
        UPDATE webhook_lanes AS l SET due_at = clock_timestamp() + $3 * interval '1 second'
        FROM unnest($1::bigint[], $2::uuid[]) AS h (webhook_id, lease)
        WHERE l.webhook_id = h.webhook_id AND l.lease = h.lease
        """,
        [lane.webhook_id for lane in lanes],
        [lane.lease for lane in lanes],
        seconds,
    )


async def hasten(db: Db, webhook_id: int, since: datetime) -> int:
    """Have all that failed while the receiver was away, and never before, tried at once, for it is back."""
    return await run(
        db,
        """
        UPDATE webhook_messages SET due_at = clock_timestamp()
        WHERE webhook_id = $1 AND due_at > clock_timestamp() AND first_tried_at >= $2
        """,
        webhook_id,
        since,
    )


async def failed(
    db: Db,
    lane: Lane,
    sequence: int,
    answered: int | None,
    error: str,
    milliseconds: int,
    pause: float,
    message_pause: float,
    give_up_seconds: float,
) -> Failed | None:
    """Note an attempt that failed and let go of the lane; None when somebody else has it since.

    A message that others overtake for `give_up_seconds` is given up; one that nothing overtakes waits with its lane.
    """
    return await maybe(
        db,
        Failed,
        """
        WITH held AS (
            UPDATE webhook_lanes
            SET failures = failures + 1, failing_since = coalesce(failing_since, clock_timestamp()), is_slow = true,
                lease = NULL, due_at = clock_timestamp() + $7 * interval '1 second'
            WHERE webhook_id = $1 AND lease = $2 RETURNING webhook_id, failing_since
        ), noted AS (
            UPDATE webhook_messages AS m
            SET attempts = m.attempts + 1, answered = $4, error = $5, milliseconds = $6, tried_at = clock_timestamp(),
                first_tried_at = coalesce(m.first_tried_at, clock_timestamp()),
                due_at = CASE WHEN o.is_over THEN NULL ELSE clock_timestamp() + $8 * interval '1 second' END,
                failed_at = CASE WHEN o.is_over THEN clock_timestamp() END
            FROM held AS h CROSS JOIN LATERAL (
                -- Only a message that is refused while others are taken is to blame itself.
                SELECT coalesce(p.first_tried_at < h.failing_since
                                AND p.first_tried_at <= clock_timestamp() - $9 * interval '1 second', false) AS is_over
                FROM webhook_messages AS p WHERE p.webhook_id = h.webhook_id AND p.sequence = $3
            ) AS o
            WHERE m.webhook_id = h.webhook_id AND m.sequence = $3
            RETURNING m.failed_at
        )
        SELECT extract(epoch FROM clock_timestamp() - h.failing_since)::double precision AS failing_for,
               coalesce((SELECT n.failed_at IS NOT NULL FROM noted AS n), false) AS is_given_up
        FROM held AS h
        """,
        lane.webhook_id,
        lane.lease,
        sequence,
        answered,
        error,
        milliseconds,
        pause,
        message_pause,
        give_up_seconds,
    )


async def release(db: Db, lane: Lane) -> None:
    """Let go of a lane; what is due of it is anybody's again."""
    await run(
        db,
        "UPDATE webhook_lanes SET lease = NULL, due_at = clock_timestamp() WHERE webhook_id = $1 AND lease = $2",
        lane.webhook_id,
        lane.lease,
    )
