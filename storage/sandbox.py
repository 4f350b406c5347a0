"""The books of the sandbox, which stands in for a payment provider."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from storage.query import Db, maybe, one, run, value

SandboxState = Literal["pending", "completed", "failed", "cancelled"]


class SandboxPayment(BaseModel):
    """A payment as the sandbox sees it now; `is_under_way` is one that nobody can stop any more."""

    provider_id: str
    amount: int
    currency: str
    title: str
    return_url: str
    state: SandboxState
    is_under_way: bool
    becomes_at: datetime | None
    expires_at: datetime | None
    refunded: int
    disputed: bool


async def begin(
    db: Db,
    provider_id: str,
    key: str,
    amount: int,
    currency: str,
    title: str,
    return_url: str,
    expires_at: datetime | None,
) -> str:
    """Take a payment on, or answer the name of the one that has this key already."""
    await run(
        db,
        """
        INSERT INTO sandbox_payments (provider_id, key, amount, currency, title, return_url, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT ON CONSTRAINT sandbox_payment_once DO NOTHING
        """,
        provider_id,
        key,
        amount,
        currency,
        title,
        return_url,
        expires_at,
    )
    known: str = await value(db, "SELECT provider_id FROM sandbox_payments WHERE key = $1", key)
    return known


async def find(db: Db, provider_id: str) -> SandboxPayment | None:
    """Read a payment as it stands at this moment."""
    return await maybe(
        db,
        SandboxPayment,
        """
        SELECT p.provider_id, p.amount, p.currency, p.title, p.return_url,
               CASE WHEN p.state <> 'pending' THEN p.state
                    WHEN p.becomes_at <= clock_timestamp() THEN p.becomes
                    WHEN p.becomes IS NULL AND p.expires_at <= clock_timestamp() THEN 'cancelled'
                    ELSE 'pending' END AS state,
               p.becomes IS NOT NULL AS is_under_way, p.becomes_at, p.expires_at,
               (SELECT coalesce(sum(r.amount), 0)::bigint FROM sandbox_refunds AS r
                WHERE r.provider_id = p.provider_id) AS refunded, p.disputed
        FROM sandbox_payments AS p WHERE p.provider_id = $1
        """,
        provider_id,
    )


async def decide(db: Db, provider_id: str, becomes: Literal["completed", "failed"], at: datetime | None) -> bool:
    """Let the payer decide what a payment becomes, now or then; false when it was decided or ended before."""
    return (
        await run(
            db,
            """
            UPDATE sandbox_payments SET becomes = $2, becomes_at = coalesce($3, clock_timestamp())
            WHERE provider_id = $1 AND state = 'pending' AND becomes IS NULL
              AND (expires_at IS NULL OR expires_at > clock_timestamp())
            """,
            provider_id,
            becomes,
            at,
        )
        == 1
    )


async def cancel(db: Db, provider_id: str) -> None:
    """End a payment that its payer has not decided about."""
    await run(
        db,
        """
        UPDATE sandbox_payments SET state = 'cancelled'
        WHERE provider_id = $1 AND state = 'pending' AND becomes IS NULL
        """,
        provider_id,
    )


async def dispute(db: Db, provider_id: str) -> None:
    """Let the payer call the money back."""
    await run(db, "UPDATE sandbox_payments SET disputed = true WHERE provider_id = $1", provider_id)


class SandboxRefund(BaseModel):
    """A refund as the sandbox sees it."""

    refund_id: str
    amount: int
    currency: str


async def refund(
    db: Db, refund_id: str, provider_id: str, amount: int, currency: str, key: str
) -> SandboxRefund | None:
    """Give back some of a payment, once for each key; None when that is more than is left of it."""
    await run(db, "SELECT 1 FROM sandbox_payments WHERE provider_id = $1 FOR UPDATE", provider_id)
    await run(
        db,
        """
        INSERT INTO sandbox_refunds (refund_id, provider_id, key, amount, currency)
        SELECT $1, p.provider_id, $5, $3, p.currency FROM sandbox_payments AS p
        WHERE p.provider_id = $2 AND p.currency = $4
          AND p.becomes = 'completed' AND p.becomes_at <= clock_timestamp()
          AND (SELECT coalesce(sum(r.amount), 0)::bigint FROM sandbox_refunds AS r WHERE r.provider_id = $2) + $3
              <= p.amount
        ON CONFLICT ON CONSTRAINT sandbox_refund_once DO NOTHING
        """,
        refund_id,
        provider_id,
        amount,
        currency,
        key,
    )
    return await maybe(db, SandboxRefund, "SELECT refund_id, amount, currency FROM sandbox_refunds WHERE key = $1", key)


async def find_refund(db: Db, refund_id: str) -> SandboxRefund | None:
    """Read a refund."""
    return await maybe(
        db,
        SandboxRefund,
        "SELECT refund_id, amount, currency FROM sandbox_refunds WHERE refund_id = $1",
        refund_id,
    )


class Totals(BaseModel):
    """What the sandbox has taken and given back in a currency; minor units."""

    taken: int
    refunded: int


async def totals(db: Db, currency: str) -> Totals:
    """Sum up what was taken and given back in a currency."""
    return await one(
        db,
        Totals,
        """
        SELECT (SELECT coalesce(sum(p.amount), 0)::bigint FROM sandbox_payments AS p
                WHERE p.currency = $1 AND p.becomes = 'completed' AND p.becomes_at <= clock_timestamp()) AS taken,
               (SELECT coalesce(sum(r.amount), 0)::bigint FROM sandbox_refunds AS r WHERE r.currency = $1) AS refunded
        """,
        currency,
    )
