"""Webhooks as those who run a venue see them: where they lead, what they are sent, and how that went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from hub.models.webhooks import Delivery, Webhook
from storage.listing import page
from storage.query import Db, many, maybe, run, value


class Manager(BaseModel):
    """Somebody who runs a venue, as far as it takes to write to them."""

    email: str
    name: str
    language: str


async def find(db: Db, venue_id: int, webhook_id: int) -> Webhook | None:
    """Find a webhook of a venue."""
    return await maybe(
        db,
        Webhook,
        """
        SELECT w.id, w.venue_id, w.url, w.description, w.events, w.with_bookings, w.disabled_at IS NULL AS is_active,
               w.disabled_because, w.disabled_at, l.failing_since, l.last_sequence,
               (SELECT count(*) FROM webhook_messages AS m
                WHERE m.webhook_id = w.id AND m.due_at IS NOT NULL) AS waiting,
               CASE WHEN w.old_secret_until > clock_timestamp() THEN w.old_secret_until END AS old_secret_until,
               w.created_at, w.updated_at
        FROM webhooks AS w JOIN webhook_lanes AS l ON l.webhook_id = w.id
        WHERE w.venue_id = $1 AND w.id = $2
        """,
        venue_id,
        webhook_id,
    )


async def listed(db: Db, venue_id: int, limit: int, offset: int) -> tuple[list[Webhook], int]:
    """List one page of a venue's webhooks, the oldest first."""
    return await page(
        db,
        Webhook,
        """
        SELECT w.id, w.venue_id, w.url, w.description, w.events, w.with_bookings, w.disabled_at IS NULL AS is_active,
               w.disabled_because, w.disabled_at, l.failing_since, l.last_sequence,
               (SELECT count(*) FROM webhook_messages AS m
                WHERE m.webhook_id = w.id AND m.due_at IS NOT NULL) AS waiting,
               CASE WHEN w.old_secret_until > clock_timestamp() THEN w.old_secret_until END AS old_secret_until,
               w.created_at, w.updated_at, count(*) OVER () AS total
        FROM webhooks AS w JOIN webhook_lanes AS l ON l.webhook_id = w.id
        WHERE w.venue_id = $1
        ORDER BY w.id LIMIT $2 OFFSET $3
        """,
        venue_id,
        limit=limit,
        offset=offset,
    )


async def count(db: Db, venue_id: int) -> int:
    """Count a venue's webhooks."""
    counted: int = await value(db, "SELECT count(*) FROM webhooks WHERE venue_id = $1", venue_id)
    return counted


async def insert(db: Db, venue_id: int, fields: dict[str, Any], secret: bytes) -> int:
    """Write a webhook with its lane; answers its id."""
    webhook_id: int = await value(
        db,
        """
        INSERT INTO webhooks (venue_id, url, description, events, with_bookings, secret)
        SELECT $1, n.url, n.description, n.events, n.with_bookings, $3
        FROM jsonb_populate_record(NULL::webhooks, $2) AS n
        RETURNING id
        """,
        venue_id,
        fields,
        secret,
    )
    await run(db, "INSERT INTO webhook_lanes (webhook_id) VALUES ($1)", webhook_id)
    return webhook_id


async def lock(db: Db, webhook_id: int) -> None:
    """Let no message be added for a webhook, nor how one went be noted, until commit."""
    await run(db, "SELECT 1 FROM webhook_lanes WHERE webhook_id = $1 FOR UPDATE", webhook_id)


async def follow(db: Db, webhook_id: int, rooms: Sequence[str]) -> None:
    """Follow the log of these live rooms, a new one from now on, and no others."""
    await run(
        db, "DELETE FROM webhook_cursors WHERE webhook_id = $1 AND NOT room = ANY ($2::text[])", webhook_id, list(rooms)
    )
    await run(
        db,
        """
        INSERT INTO webhook_cursors (webhook_id, room, epoch, version)
        SELECT $1, f.room, e.epoch, coalesce(r.version, 0)
        FROM unnest($2::text[]) AS f (room) CROSS JOIN live_epoch AS e LEFT JOIN live_rooms AS r ON r.room = f.room
        ON CONFLICT DO NOTHING
        """,
        webhook_id,
        list(rooms),
    )


async def change(db: Db, webhook_id: int, fields: dict[str, Any]) -> None:
    """Write the fields given; the others stay as they are."""
    await run(
        db,
        """
        UPDATE webhooks AS w
        SET url = n.url, description = n.description, events = n.events, with_bookings = n.with_bookings,
            updated_at = clock_timestamp()
        FROM webhooks AS o CROSS JOIN LATERAL jsonb_populate_record(o, $2) AS n
        WHERE o.id = $1 AND w.id = o.id
        """,
        webhook_id,
        fields,
    )


async def disable(db: Db, webhook_id: int, reason: str) -> bool:
    """Send nothing any more; False where that was so before."""
    return (
        await run(
            db,
            """
            UPDATE webhooks SET disabled_at = clock_timestamp(), disabled_because = $2, updated_at = clock_timestamp()
            WHERE id = $1 AND disabled_at IS NULL
            """,
            webhook_id,
            reason,
        )
        == 1
    )


async def enable(db: Db, webhook_id: int) -> None:
    """Send again, beginning at once with what waits; how it went before is forgotten."""
    await run(
        db,
        """
        UPDATE webhooks SET disabled_at = NULL, disabled_because = NULL, updated_at = clock_timestamp()
        WHERE id = $1 AND disabled_at IS NOT NULL
        """,
        webhook_id,
    )
    await run(
        db,
        """
        UPDATE webhook_lanes
        SET failures = 0, failing_since = NULL, due_at = CASE WHEN lease IS NULL THEN clock_timestamp() ELSE due_at END
        WHERE webhook_id = $1
        """,
        webhook_id,
    )
    await run(
        db,
        """
        UPDATE webhook_messages SET due_at = clock_timestamp(), first_tried_at = NULL
        WHERE webhook_id = $1 AND due_at IS NOT NULL
        """,
        webhook_id,
    )


async def rotate(db: Db, webhook_id: int, secret: bytes, hours: int) -> None:
    """Write a new secret; the one before signs too for so many hours."""
    await run(
        db,
        """
        UPDATE webhooks SET secret = $2, old_secret = secret, updated_at = clock_timestamp(),
               old_secret_until = clock_timestamp() + make_interval(hours => $3)
        WHERE id = $1
        """,
        webhook_id,
        secret,
        hours,
    )


async def delete(db: Db, webhook_id: int) -> None:
    """Forget a webhook that is locked, and all that was sent to it."""
    await run(db, "DELETE FROM webhooks WHERE id = $1", webhook_id)


async def add_message(db: Db, webhook_id: int, name: str, data: dict[str, Any]) -> int:
    """Add a message that stands in no live room's log; answers its sequence number."""
    sequence: int = await value(
        db,
        """
        WITH next AS (
            UPDATE webhook_lanes
            SET last_sequence = last_sequence + 1,
                due_at = CASE WHEN lease IS NULL THEN clock_timestamp() ELSE due_at END
            WHERE webhook_id = $1 RETURNING webhook_id, last_sequence
        )
        INSERT INTO webhook_messages (webhook_id, sequence, name, at, data)
        SELECT webhook_id, last_sequence, $2, clock_timestamp(), $3 FROM next
        RETURNING sequence
        """,
        webhook_id,
        name,
        data,
    )
    return sequence


async def send_again(db: Db, webhook_id: int, since: int) -> int:
    """Have all messages after a sequence number sent once more, as far as they are kept; answers how many."""
    await run(
        db,
        """
        UPDATE webhook_lanes
        SET reached = least(reached, $2), due_at = CASE WHEN lease IS NULL THEN clock_timestamp() ELSE due_at END
        WHERE webhook_id = $1
        """,
        webhook_id,
        since,
    )
    return await run(
        db,
        """
        UPDATE webhook_messages
        SET due_at = clock_timestamp(), first_tried_at = NULL, delivered_at = NULL, failed_at = NULL
        WHERE webhook_id = $1 AND sequence > $2
        """,
        webhook_id,
        since,
    )


async def deliveries(
    db: Db, webhook_id: int, status: str | None, limit: int, offset: int
) -> tuple[list[Delivery], int]:
    """List one page of a webhook's messages, the newest first."""
    return await page(
        db,
        Delivery,
        """
        SELECT m.sequence, m.id, m.name, m.at,
               CASE WHEN m.delivered_at IS NOT NULL THEN 'delivered' WHEN m.failed_at IS NOT NULL THEN 'failed'
                    ELSE 'waiting' END AS status,
               m.attempts, m.tried_at, m.answered, m.error, m.milliseconds, m.due_at, count(*) OVER () AS total
        FROM webhook_messages AS m
        WHERE m.webhook_id = $1
          AND CASE $2::text WHEN 'waiting' THEN m.due_at IS NOT NULL WHEN 'failed' THEN m.failed_at IS NOT NULL
                            WHEN 'delivered' THEN m.delivered_at IS NOT NULL ELSE true END
        ORDER BY m.sequence DESC LIMIT $3 OFFSET $4
        """,
        webhook_id,
        status,
        limit=limit,
        offset=offset,
    )


async def forget_old(db: Db, days: int, at_once: int) -> int:
    """Forget messages so many days old, delivered or not; answers how many."""
    return await run(
        db,
        """
        DELETE FROM webhook_messages AS m USING (
            SELECT o.webhook_id, o.sequence FROM webhook_messages AS o
            WHERE o.made_at < clock_timestamp() - make_interval(days => $1) LIMIT $2 FOR UPDATE SKIP LOCKED
        ) AS old
        WHERE m.webhook_id = old.webhook_id AND m.sequence = old.sequence
        """,
        days,
        at_once,
    )


async def managers(db: Db, venue_id: int) -> list[Manager]:
    """List who runs a venue, as far as it takes to write to them."""
    return await many(
        db,
        Manager,
        """
        SELECT u.email::text AS email, u.full_name AS name, u.language
        FROM venues AS v JOIN users AS u ON u.id = v.owner_id
             OR EXISTS (SELECT 1 FROM venue_staff AS s
                        WHERE s.venue_id = v.id AND s.user_id = u.id AND s.role = 'manager')
        WHERE v.id = $1 AND u.status = 'active'
        ORDER BY u.id
        """,
        venue_id,
    )
