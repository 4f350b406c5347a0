"""Folios: how money moved for a booking; and what of money waits for somebody."""

from __future__ import annotations

from hub.models.folio import Movement, StuckPayment, UnknownEvent
from hub.models.refunds import Refund
from storage.query import Db, many

AT_MOST = 100


async def movements(db: Db, booking_id: int, venue_id: int | None) -> list[Movement]:
    """List what came in for a booking and went back, in order; with a venue, only what is its."""
    return await many(
        db,
        Movement,
        """
        SELECT t.at, t.kind, sum(e.amount)::bigint AS amount, t.payment_id, t.refund_id, t.reason
        FROM ledger_entries AS e JOIN ledger_transactions AS t ON t.id = e.transaction_id
        WHERE e.booking_id = $1 AND e.kind IN ('escrow', 'venue', 'fees', 'tax')
          AND ($2::bigint IS NULL OR e.venue_id = $2)
        GROUP BY t.id HAVING sum(e.amount) <> 0 ORDER BY t.id
        """,
        booking_id,
        venue_id,
    )


async def stuck(db: Db, venue_id: int | None) -> list[StuckPayment]:
    """List payments that somebody has to look at, the oldest first."""
    return await many(
        db,
        StuckPayment,
        """
        SELECT p.id, p.user_id, p.booking_id, p.gateway, p.amount, p.currency, p.plan, p.status, p.failure,
               p.expires_at, p.disputed_at, p.created_at, p.updated_at, p.completed_at, p.finding
        FROM payments AS p
        WHERE p.finding IS NOT NULL AND ($1::bigint IS NULL OR EXISTS (
            SELECT FROM booking_items AS i WHERE i.booking_id = p.booking_id AND i.venue_id = $1))
        ORDER BY p.id LIMIT $2
        """,
        venue_id,
        AT_MOST,
    )


async def refunds_in(db: Db, status: str, venue_id: int | None) -> list[Refund]:
    """List refunds in a state, at a venue's expense or all, the oldest first."""
    return await many(
        db,
        Refund,
        """
        SELECT r.id, r.booking_id, r.payment_id, r.user_id, r.target, r.amount, r.currency, r.status, r.reason,
               r.decision, r.decided_at, r.failure, r.created_at, r.updated_at, r.completed_at
        FROM refunds AS r
        WHERE r.status = $1 AND ($2::bigint IS NULL OR r.shares ? ($2::bigint)::text)
        ORDER BY r.id LIMIT $3
        """,
        status,
        venue_id,
        AT_MOST,
    )


async def unknown_events(db: Db) -> list[UnknownEvent]:
    """List what providers told about payments that the hub does not know, the latest first."""
    return await many(
        db,
        UnknownEvent,
        """
        SELECT e.gateway, e.event_id, e.kind, e.received_at FROM provider_events AS e
        WHERE e.outcome = 'unknown payment' AND NOT EXISTS (
            -- A provider may be quicker than the hub can note how it knows a payment.
            SELECT FROM payments AS p WHERE p.gateway = e.gateway AND p.provider_id = e.provider_id)
        ORDER BY e.received_at DESC LIMIT $1
        """,
        AT_MOST,
    )
