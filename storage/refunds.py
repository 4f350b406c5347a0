"""Refunds: money on its way back, as it stands in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from hub.models.payments import GatewayName
from hub.models.refunds import ListRefunds, Refund, RefundState
from storage.listing import page
from storage.query import Db, column, many, maybe, run, value

Target = Literal["original", "wallet", "cash"]


class RefundRow(Refund):
    """What a rule must know of a refund beside what everybody reads."""

    # At whose expense it is: venue -> minor units.
    shares: dict[int, int]
    outward_key: UUID
    provider_id: str | None
    attempts: int
    # Of the payment that it gives back.
    gateway: GatewayName | None
    payment_provider_id: str | None
    is_disputed: bool


class Source(BaseModel):
    """A payment for a booking, and what of it could still be given back; minor units."""

    payment_id: int
    user_id: int
    gateway: GatewayName
    left: int


async def find(db: Db, refund_id: int) -> RefundRow | None:
    """Read a refund."""
    return await maybe(
        db,
        RefundRow,
        """
        SELECT r.id, r.booking_id, r.payment_id, r.user_id, r.target, r.amount, r.currency, r.status, r.reason,
               r.decision, r.decided_at, r.failure, r.created_at, r.updated_at, r.completed_at, r.shares, r.outward_key,
               r.provider_id, r.attempts, p.gateway, p.provider_id AS payment_provider_id,
               p.disputed_at IS NOT NULL AS is_disputed
        FROM refunds AS r LEFT JOIN payments AS p ON p.id = r.payment_id WHERE r.id = $1
        """,
        refund_id,
    )


async def lock(db: Db, refund_id: int) -> RefundRow:
    """Lock a refund, after the booking it is of, and read it."""
    await run(db, "SELECT 1 FROM refunds WHERE id = $1 FOR NO KEY UPDATE", refund_id)
    found = await find(db, refund_id)
    if found is None:
        raise LookupError(refund_id)
    return found


async def sources(db: Db, booking_id: int) -> list[Source]:
    """List what came in for a locked booking and could still be given back, the latest first."""
    return await many(
        db,
        Source,
        """
        SELECT p.id AS payment_id, p.user_id, p.gateway, (m.came_in - g.given_back)::bigint AS left
        FROM payments AS p
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(e.amount), 0) AS came_in
            FROM ledger_transactions AS t JOIN ledger_entries AS e ON e.transaction_id = t.id
            WHERE t.payment_id = p.id AND e.booking_id = $1 AND e.kind IN ('escrow', 'venue', 'fees', 'tax')
        ) AS m
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(r.amount), 0) AS given_back FROM refunds AS r
            WHERE r.payment_id = p.id AND r.status <> 'rejected'
        ) AS g
        WHERE p.booking_id = $1 AND m.came_in > g.given_back
        ORDER BY p.completed_at DESC NULLS LAST, p.id DESC
        """,
        booking_id,
    )


async def promised(db: Db, booking_id: int) -> dict[int, int]:
    """Sum up what waits for its approval of a booking, venue by venue: it is there, yet no longer to be had."""
    rows = await db.fetch(
        """
        SELECT s.key::bigint AS venue_id, sum(s.value::bigint)::bigint AS amount
        FROM refunds AS r CROSS JOIN LATERAL jsonb_each_text(r.shares) AS s
        WHERE r.booking_id = $1 AND r.status = 'pending' GROUP BY s.key
        """,
        booking_id,
    )
    return {row["venue_id"]: row["amount"] for row in rows}


async def waiting(db: Db, booking_id: int) -> list[int]:
    """List the refunds of a locked booking that wait for their approval, without those of payments called back."""
    return await column(
        db,
        """
        SELECT r.id FROM refunds AS r LEFT JOIN payments AS p ON p.id = r.payment_id
        WHERE r.booking_id = $1 AND r.status = 'pending' AND p.disputed_at IS NULL ORDER BY r.id
        """,
        booking_id,
    )


async def asked_for(db: Db, booking_id: int) -> int:
    """Sum up what is given back, or will be if it is approved, of a booking; minor units."""
    found: int = await value(
        db,
        """
        SELECT coalesce(sum(amount), 0)::bigint FROM refunds WHERE booking_id = $1 AND status <> 'rejected'
        """,
        booking_id,
    )
    return found


async def create(
    db: Db,
    booking_id: int,
    payment_id: int,
    user_id: int,
    target: Target,
    amount: int,
    currency: str,
    shares: Mapping[int, int],
    reason: str,
    asked_by: int | None,
    *,
    approved: bool,
) -> RefundRow:
    """Write down a refund, approved or still to be."""
    refund_id = await value(
        db,
        """
        INSERT INTO refunds (booking_id, payment_id, user_id, target, amount, currency, shares, reason, asked_by,
                             status)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $10::boolean THEN 'approved' ELSE 'pending' END)
        RETURNING id
        """,
        booking_id,
        payment_id,
        user_id,
        target,
        amount,
        currency,
        {str(venue_id): share for venue_id, share in shares.items()},
        reason,
        asked_by,
        approved,
    )
    return await lock(db, refund_id)


async def decide(db: Db, refund_id: int, status: RefundState, decided_by: int | None, decision: str) -> None:
    """Write down who has approved or rejected a refund, and why."""
    await run(
        db,
        """
        UPDATE refunds SET status = $2, decided_by = $3, decision = $4, decided_at = clock_timestamp(),
               updated_at = clock_timestamp()
        WHERE id = $1
        """,
        refund_id,
        status,
        decided_by,
        decision,
    )


async def ask_in(db: Db, refund_id: int, seconds: float) -> None:
    """Have the provider asked about a refund in so many seconds."""
    await run(
        db,
        "UPDATE refunds SET ask_at = clock_timestamp() + $2 * interval '1 second' WHERE id = $1",
        refund_id,
        seconds,
    )


async def take_due(db: Db, at_most: int, seconds: float) -> list[int]:
    """Take refunds whose provider is to be asked now; whoever does not come back with an answer is asked again then."""
    return await column(
        db,
        """
        UPDATE refunds SET ask_at = clock_timestamp() + $2 * interval '1 second', attempts = attempts + 1
        WHERE id = ANY (ARRAY(
            SELECT id FROM refunds WHERE ask_at <= clock_timestamp()
            ORDER BY ask_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED))
        RETURNING id
        """,
        at_most,
        seconds,
    )


async def under_way(db: Db, payment_id: int) -> list[int]:
    """List the refunds of a payment that its provider has yet to carry out, or would not, oldest first."""
    return await column(
        db,
        """
        SELECT id FROM refunds
        WHERE payment_id = $1 AND target = 'original' AND status IN ('approved', 'processing', 'failed') ORDER BY id
        """,
        payment_id,
    )


async def into_wallet(db: Db, payment_id: int) -> int:
    """Sum up what of a payment was given back into the wallet; minor units."""
    found: int = await value(
        db,
        """
        SELECT coalesce(sum(amount), 0)::bigint FROM refunds
        WHERE payment_id = $1 AND target = 'wallet' AND status = 'completed'
        """,
        payment_id,
    )
    return found


async def left_of(db: Db, payment_id: int) -> dict[int, int]:
    """Sum up, venue by venue, what a payment has brought in and was not given back of it; minor units."""
    rows = await db.fetch(
        """
        SELECT m.venue_id, m.came_in - coalesce(g.given_back, 0) AS left
        FROM (
            SELECT e.venue_id, sum(e.amount)::bigint AS came_in
            FROM ledger_transactions AS t JOIN ledger_entries AS e ON e.transaction_id = t.id
            WHERE t.payment_id = $1 AND t.kind = 'payment' AND e.kind = 'escrow' GROUP BY e.venue_id
        ) AS m
        LEFT JOIN (
            SELECT s.key::bigint AS venue_id, sum(s.value::bigint)::bigint AS given_back
            FROM refunds AS r CROSS JOIN LATERAL jsonb_each_text(r.shares) AS s
            WHERE r.payment_id = $1 AND r.status NOT IN ('pending', 'rejected') GROUP BY s.key
        ) AS g USING (venue_id)
        ORDER BY m.venue_id
        """,
        payment_id,
    )
    return {row["venue_id"]: max(row["left"], 0) for row in rows}


async def sent(db: Db, refund_id: int, provider_id: str, seconds: float) -> None:
    """Note that a provider has taken a refund on, and when it is asked again."""
    await run(
        db,
        """
        UPDATE refunds SET status = 'processing', provider_id = $2, failure = NULL, updated_at = clock_timestamp(),
               ask_at = clock_timestamp() + $3 * interval '1 second'
        WHERE id = $1
        """,
        refund_id,
        provider_id,
        seconds,
    )


async def complete(db: Db, refund_id: int, provider_id: str | None = None) -> None:
    """Note that a refund has arrived."""
    await run(
        db,
        """
        UPDATE refunds SET status = 'completed', provider_id = coalesce($2, provider_id), failure = NULL, ask_at = NULL,
               completed_at = clock_timestamp(), updated_at = clock_timestamp()
        WHERE id = $1
        """,
        refund_id,
        provider_id,
    )


async def fail(db: Db, refund_id: int, failure: str) -> None:
    """Note that a provider will never carry a refund out; asked once more, it is another one to it."""
    await run(
        db,
        """
        UPDATE refunds SET status = 'failed', failure = $2, ask_at = NULL, provider_id = NULL,
               outward_key = gen_random_uuid(), updated_at = clock_timestamp()
        WHERE id = $1
        """,
        refund_id,
        failure,
    )


async def unreached(db: Db, refund_id: int, failure: str, seconds: float) -> None:
    """Note why a provider could not be asked, and when that is tried again."""
    await run(
        db,
        """
        UPDATE refunds SET failure = $2, ask_at = clock_timestamp() + $3 * interval '1 second',
               updated_at = clock_timestamp()
        WHERE id = $1
        """,
        refund_id,
        failure,
        seconds,
    )


async def try_again(db: Db, refund_id: int, target: Target) -> None:
    """Have a refund carried out after all, or another way."""
    await run(
        db,
        """
        UPDATE refunds SET status = CASE WHEN status = 'failed' THEN 'approved' ELSE status END, target = $2,
               failure = NULL, attempts = 0, ask_at = CASE WHEN $2 = 'original' THEN clock_timestamp() END,
               updated_at = clock_timestamp()
        WHERE id = $1
        """,
        refund_id,
        target,
    )


async def cash_desk(db: Db, payment_id: int | None) -> int | None:
    """Find the venue at whose desk a payment was made in cash."""
    found: int | None = await value(
        db,
        """
        SELECT e.venue_id FROM ledger_transactions AS t JOIN ledger_entries AS e ON e.transaction_id = t.id
        WHERE t.payment_id = $1 AND e.kind = 'cash' LIMIT 1
        """,
        payment_id,
    )
    return found


async def listed(db: Db, ask: ListRefunds, user_id: int | None, venue_id: int | None) -> tuple[list[Refund], int]:
    """List one page of refunds: of a person, or at a venue's expense."""
    return await page(
        db,
        Refund,
        """
        SELECT r.id, r.booking_id, r.payment_id, r.user_id, r.target, r.amount, r.currency, r.status, r.reason,
               r.decision, r.decided_at, r.failure, r.created_at, r.updated_at, r.completed_at,
               count(*) OVER () AS total
        FROM refunds AS r
        WHERE ($1::bigint IS NULL OR r.user_id = $1)
          AND ($2::bigint IS NULL OR r.shares ? ($2::bigint)::text)
          AND ($3::bigint IS NULL OR r.booking_id = $3)
          AND ($4::text IS NULL OR r.status = $4)
        ORDER BY CASE WHEN $5::text = 'oldest' THEN r.id END, r.id DESC
        LIMIT $6 OFFSET $7
        """,
        user_id,
        venue_id,
        ask.booking_id,
        ask.status,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def of_booking(db: Db, booking_ids: Sequence[int]) -> list[Refund]:
    """List the refunds of bookings, oldest first."""
    return await many(
        db,
        Refund,
        """
        SELECT id, booking_id, payment_id, user_id, target, amount, currency, status, reason, decision, decided_at,
               failure, created_at, updated_at, completed_at
        FROM refunds WHERE booking_id = ANY ($1::bigint[]) ORDER BY id
        """,
        booking_ids,
    )
