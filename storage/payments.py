"""Payments: money on its way in, as it stands in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from hub.models.payments import GatewayName, ListPayments, Payment, State
from hub.models.terms import Plan
from storage.listing import page
from storage.query import Db, many, maybe, one, run, value


class PaymentRow(Payment):
    """What a rule must know of a payment beside what everybody reads; `at` is the database's clock."""

    outward_key: UUID
    provider_id: str | None
    provider_data: dict[str, Any]
    started_by: int | None
    asked: int
    finding: str | None
    at: datetime


async def find(db: Db, payment_id: int) -> PaymentRow | None:
    """Read a payment."""
    return await maybe(
        db,
        PaymentRow,
        """
        SELECT id, user_id, booking_id, gateway, amount, currency, plan, status, failure, expires_at, disputed_at,
               created_at, updated_at, completed_at, outward_key, provider_id, provider_data, started_by, asked,
               finding, clock_timestamp() AS at
        FROM payments WHERE id = $1
        """,
        payment_id,
    )


async def lock(db: Db, payment_id: int) -> PaymentRow:
    """Lock a payment, after the booking it is for, and read it."""
    await run(db, "SELECT 1 FROM payments WHERE id = $1 FOR NO KEY UPDATE", payment_id)
    found = await find(db, payment_id)
    if found is None:
        raise LookupError(payment_id)
    return found


async def by_key(db: Db, outward_key: UUID) -> PaymentRow | None:
    """Find the payment that was begun with this key."""
    payment_id = await value(db, "SELECT id FROM payments WHERE outward_key = $1", outward_key)
    return None if payment_id is None else await find(db, payment_id)


async def by_provider_id(db: Db, gateway: str, provider_id: str) -> int | None:
    """Find the payment that a provider knows by this name."""
    found: int | None = await value(
        db, "SELECT id FROM payments WHERE gateway = $1 AND provider_id = $2", gateway, provider_id
    )
    return found


async def create(
    db: Db,
    user_id: int,
    booking_id: int | None,
    gateway: GatewayName,
    amount: int,
    currency: str,
    plan: Plan | None,
    outward_key: UUID,
    started_by: int | None,
    expires_at: datetime | None,
    ask_in: float | None,
) -> PaymentRow:
    """Write a payment that begins; the provider is asked about it in `ask_in` seconds, whatever becomes of this."""
    payment_id = await value(
        db,
        """
        INSERT INTO payments (user_id, booking_id, gateway, amount, currency, plan, outward_key, started_by, expires_at,
                              ask_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() + $10 * interval '1 second') RETURNING id
        """,
        user_id,
        booking_id,
        gateway,
        amount,
        currency,
        plan,
        outward_key,
        started_by,
        expires_at,
        ask_in,
    )
    return await lock(db, payment_id)


async def began(
    db: Db, payment_id: int, provider_id: str, data: dict[str, Any], expires_at: datetime | None, ask_in: float
) -> None:
    """Note how the provider knows a payment that has begun."""
    await run(
        db,
        """
        UPDATE payments SET status = 'pending', provider_id = $2, provider_data = $3,
               expires_at = coalesce($4, expires_at), ask_at = clock_timestamp() + $5 * interval '1 second',
               updated_at = clock_timestamp()
        WHERE id = $1
        """,
        payment_id,
        provider_id,
        data,
        expires_at,
        ask_in,
    )


async def end(db: Db, payment_id: int, status: State, failure: str | None) -> None:
    """Note that a payment has come to an end; one that has come in has no failure and nothing to look at any more.

    What its provider has told meanwhile is still to be looked at: whoever took it to ask had put it off.
    """
    await run(
        db,
        """
        UPDATE payments SET status = $2, failure = $3, updated_at = clock_timestamp(),
               ask_at = CASE WHEN ask_at <= clock_timestamp() THEN ask_at END,
               completed_at = CASE WHEN $2 = 'completed' THEN clock_timestamp() END,
               finding = CASE WHEN $2 = 'completed' THEN NULL ELSE finding END
        WHERE id = $1
        """,
        payment_id,
        status,
        failure,
    )


async def ask_no_more(db: Db, payment_id: int) -> None:
    """Have the provider asked no more until it tells something; what it has told meanwhile is still to be looked at."""
    await run(
        db,
        "UPDATE payments SET ask_at = CASE WHEN ask_at <= clock_timestamp() THEN ask_at END WHERE id = $1",
        payment_id,
    )


async def put_off(db: Db, payment_id: int, seconds: float) -> None:
    """Have the provider asked only in so many seconds, where it was to be asked at all and has told nothing since."""
    await run(
        db,
        """
        UPDATE payments SET ask_at = clock_timestamp() + $2 * interval '1 second'
        WHERE id = $1 AND ask_at > clock_timestamp()
        """,
        payment_id,
        seconds,
    )


async def ask_now(db: Db, gateway: str, provider_id: str) -> int | None:
    """Have a provider asked at once about the payment that it knows by this name; answers which that is."""
    found: int | None = await value(
        db,
        """
        UPDATE payments SET ask_at = clock_timestamp() WHERE gateway = $1 AND provider_id = $2 RETURNING id
        """,
        gateway,
        provider_id,
    )
    return found


async def ask_of_others(db: Db, booking_id: int, payment_id: int | None) -> None:
    """Have providers asked at once about the other payments (None: all) of a booking that are under way."""
    await run(
        db,
        """
        UPDATE payments SET ask_at = clock_timestamp()
        WHERE booking_id = $1 AND id IS DISTINCT FROM $2 AND status IN ('starting', 'pending')
        """,
        booking_id,
        payment_id,
    )


async def note(db: Db, payment_id: int, finding: str | None) -> None:
    """Note what somebody has to look at."""
    await run(
        db,
        "UPDATE payments SET finding = $2, updated_at = clock_timestamp() WHERE id = $1",
        payment_id,
        finding,
    )


async def dispute(db: Db, payment_id: int) -> None:
    """Note that the payer has called the money back."""
    await run(
        db,
        """
        UPDATE payments SET disputed_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1
        """,
        payment_id,
    )


class Due(BaseModel):
    """A payment whose provider is to be asked."""

    id: int
    gateway: GatewayName


async def take_due(db: Db, at_most: int, seconds: float, but_not: Sequence[str] = ()) -> list[Due]:
    """Take payments whose provider is to be asked now; whoever does not come back is asked for again then.

    Left alone are those of providers who have enough to do.
    """
    return await many(
        db,
        Due,
        """
        UPDATE payments SET ask_at = clock_timestamp() + $2 * interval '1 second', asked = asked + 1
        WHERE id = ANY (ARRAY(
            SELECT id FROM payments WHERE ask_at <= clock_timestamp() AND gateway <> ALL ($3::text[])
            ORDER BY ask_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED))
        RETURNING id, gateway
        """,
        at_most,
        seconds,
        but_not,
    )


async def count_open(db: Db, booking_id: int, gateway: GatewayName) -> int:
    """Count the payments of a booking that are under way at a gateway."""
    found: int = await value(
        db,
        """
        SELECT count(*) FROM payments WHERE booking_id = $1 AND gateway = $2 AND status IN ('starting', 'pending')
        """,
        booking_id,
        gateway,
    )
    return found


async def is_any_open(db: Db, booking_id: int) -> bool:
    """Tell whether any payment of a booking is under way."""
    found: bool = await value(
        db,
        "SELECT EXISTS (SELECT FROM payments WHERE booking_id = $1 AND status IN ('starting', 'pending'))",
        booking_id,
    )
    return found


async def of_booking(db: Db, booking_id: int) -> list[Payment]:
    """List the payments of a booking, oldest first."""
    return await many(
        db,
        Payment,
        """
        SELECT id, user_id, booking_id, gateway, amount, currency, plan, status, failure, expires_at, disputed_at,
               created_at, updated_at, completed_at
        FROM payments WHERE booking_id = $1 ORDER BY id
        """,
        booking_id,
    )


async def listed(
    db: Db, ask: ListPayments, user_id: int | None, venue_ids: Sequence[int] | None
) -> tuple[list[Payment], int]:
    """List one page of payments: of a person, or for bookings at these venues."""
    return await page(
        db,
        Payment,
        """
        SELECT p.id, p.user_id, p.booking_id, p.gateway, p.amount, p.currency, p.plan, p.status, p.failure,
               p.expires_at, p.disputed_at, p.created_at, p.updated_at, p.completed_at, count(*) OVER () AS total
        FROM payments AS p
        WHERE ($1::bigint IS NULL OR p.user_id = $1)
          AND ($2::bigint[] IS NULL OR EXISTS (
               SELECT FROM booking_items AS i WHERE i.booking_id = p.booking_id AND i.venue_id = ANY ($2)))
          AND ($3::bigint IS NULL OR p.booking_id = $3)
          AND ($4::text IS NULL OR p.gateway = $4)
          AND ($5::text IS NULL OR p.status = $5)
        ORDER BY CASE WHEN $6::text = 'oldest' THEN p.id END, p.id DESC
        LIMIT $7 OFFSET $8
        """,
        user_id,
        venue_ids,
        ask.booking_id,
        ask.gateway,
        ask.status,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def refunded(db: Db, payment_id: int) -> int:
    """Sum up what goes back, or has gone back, of a payment through its provider; minor units."""
    found: int = await value(
        db,
        """
        SELECT coalesce(sum(amount), 0)::bigint FROM refunds
        WHERE payment_id = $1 AND target = 'original' AND status IN ('approved', 'processing', 'completed')
        """,
        payment_id,
    )
    return found


async def ask_about_refunds(db: Db, payment_id: int) -> None:
    """Have the provider asked at once about a payment's refunds that are under way."""
    await run(
        db,
        "UPDATE refunds SET ask_at = clock_timestamp() WHERE payment_id = $1 AND status = 'processing'",
        payment_id,
    )


async def title_of(db: Db, booking_id: int) -> str:
    """Name a booking as its payer knows it from elsewhere: by its reference."""
    found: str = await value(db, "SELECT reference FROM bookings WHERE id = $1", booking_id)
    return found


async def seen(db: Db, payment_id: int) -> Payment:
    """Read a payment as everybody reads it."""
    return await one(
        db,
        Payment,
        """
        SELECT id, user_id, booking_id, gateway, amount, currency, plan, status, failure, expires_at, disputed_at,
               created_at, updated_at, completed_at
        FROM payments WHERE id = $1
        """,
        payment_id,
    )
