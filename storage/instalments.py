"""Instalments that are due soon, or were not paid in time."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from storage.query import Db, many, run


class Open(BaseModel):
    """An instalment that is not paid, of a booking that still lives."""

    booking_id: int
    position: int


# Paid is what is promised to nobody: a refund that waits for its approval takes it away.
# Whoever has only begun to pay has promised nothing yet: a plan binds with the first money that comes in, whatever
# becomes of it.
# How a guest is reminded stands in what was agreed; a booking without an agreement is dealt with as venues usually do.
async def to_remind(db: Db, at_most: int) -> list[Open]:
    """List the instalments of which their guests should be reminded by now, the most urgent first."""
    return await many(
        db,
        Open,
        """
        SELECT i.booking_id, i.position
        FROM instalments AS i
        JOIN bookings AS b ON b.id = i.booking_id
        LEFT JOIN frozen_quotes AS q ON q.id = b.quote_id
        CROSS JOIN LATERAL (
            SELECT coalesce((q.quote #>> '{instalment_terms,remind_days}')::integer, 3) * interval '1 day' AS ahead
        ) AS t
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(l.amount), 0) - (
                       SELECT coalesce(sum(r.amount), 0) FROM refunds AS r
                       WHERE r.booking_id = i.booking_id AND r.status = 'pending') AS paid,
                   bool_or(l.amount > 0) AS came_in
            FROM ledger_entries AS l
            WHERE l.booking_id = i.booking_id AND l.kind IN ('escrow', 'venue', 'fees', 'tax')
        ) AS p
        WHERE i.missed_at IS NULL AND i.reminded_at IS NULL AND b.status IN ('pending', 'confirmed')
          AND i.due_at > clock_timestamp() AND i.due_at <= clock_timestamp() + interval '60 days'
          AND i.due_at <= clock_timestamp() + t.ahead
          AND p.came_in
          AND (SELECT sum(e.amount) FROM instalments AS e
               WHERE e.booking_id = i.booking_id AND e.position <= i.position) > p.paid
        ORDER BY i.due_at, i.booking_id LIMIT $1
        """,
        at_most,
    )


async def missed(db: Db, at_most: int) -> list[Open]:
    """List the instalments whose time of grace is over, the oldest first; what is older than two months is let be."""
    return await many(
        db,
        Open,
        """
        SELECT i.booking_id, i.position
        FROM instalments AS i
        JOIN bookings AS b ON b.id = i.booking_id
        LEFT JOIN frozen_quotes AS q ON q.id = b.quote_id
        CROSS JOIN LATERAL (
            SELECT coalesce((q.quote #>> '{instalment_terms,grace_hours}')::integer, 48) * interval '1 hour' AS grace
        ) AS t
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(l.amount), 0) - (
                       SELECT coalesce(sum(r.amount), 0) FROM refunds AS r
                       WHERE r.booking_id = i.booking_id AND r.status = 'pending') AS paid,
                   bool_or(l.amount > 0) AS came_in
            FROM ledger_entries AS l
            WHERE l.booking_id = i.booking_id AND l.kind IN ('escrow', 'venue', 'fees', 'tax')
        ) AS p
        WHERE i.missed_at IS NULL AND b.status IN ('pending', 'confirmed')
          AND i.due_at > clock_timestamp() - interval '60 days' AND i.due_at <= clock_timestamp() - t.grace
          AND p.came_in
          AND (SELECT sum(e.amount) FROM instalments AS e
               WHERE e.booking_id = i.booking_id AND e.position <= i.position) > p.paid
        ORDER BY i.due_at, i.booking_id LIMIT $1
        """,
        at_most,
    )


async def remind(db: Db, booking_id: int, position: int, at: datetime) -> None:
    """Note that a guest was reminded of an instalment."""
    await run(
        db,
        "UPDATE instalments SET reminded_at = $3 WHERE booking_id = $1 AND position = $2",
        booking_id,
        position,
        at,
    )


async def miss(db: Db, booking_id: int, position: int, at: datetime) -> None:
    """Note that an instalment was not paid in time."""
    await run(
        db,
        "UPDATE instalments SET missed_at = $3 WHERE booking_id = $1 AND position = $2",
        booking_id,
        position,
        at,
    )
