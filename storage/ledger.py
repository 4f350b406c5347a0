"""The ledger: what is posted, and the sums that say who has paid, who owes and who has what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from storage.query import Db, value

AccountKind = Literal[
    "wallet", "points", "escrow", "venue", "clearing", "cash", "fees", "tax", "refunds", "corrections"
]


class Entry(NamedTuple):
    """One line of a transaction: above zero is credit, what the hub owes to whoever the account is of."""

    kind: AccountKind
    amount: int
    user_id: int | None = None
    venue_id: int | None = None
    gateway: str | None = None
    # Counts in this booking's sums.
    booking_id: int | None = None


async def post(
    db: Db,
    kind: str,
    currency: str,
    entries: Sequence[Entry],
    *,
    booking_id: int | None = None,
    payment_id: int | None = None,
    refund_id: int | None = None,
    by: int | None = None,
    reason: str = "",
    may_overdraw: bool = False,
) -> int:
    """Write one transaction whose entries add up to zero, and answer its id; the only way into the ledger.

    Refuses with TooLittle or AccountFrozen what a wallet, points or a booking's escrow does not have.
    """
    lines = [(one.kind, one.user_id, one.venue_id, one.gateway, one.booking_id, one.amount) for one in entries]
    posted: int = await value(
        db,
        "SELECT post($1, $2, $3::ledger_line[], $4, $5, $6, $7, $8, $9)",
        kind,
        currency,
        lines,
        booking_id,
        payment_id,
        refund_id,
        by,
        reason,
        may_overdraw,
    )
    return posted


async def balance(
    db: Db, kind: AccountKind, currency: str, *, user_id: int | None = None, venue_id: int | None = None
) -> int:
    """Sum up an account of a person or a venue; minor units."""
    found: int = await value(
        db,
        """
        SELECT coalesce(sum(e.amount), 0)::bigint
        FROM accounts AS a JOIN ledger_entries AS e ON e.account_id = a.id
        WHERE a.kind = $1 AND a.currency = $2 AND a.user_id IS NOT DISTINCT FROM $3::bigint
          AND a.venue_id IS NOT DISTINCT FROM $4::bigint
        """,
        kind,
        currency,
        user_id,
        venue_id,
    )
    return found


async def paid(db: Db, booking_id: int) -> int:
    """Sum up what was paid for a booking and not given back, wherever it is by now; minor units."""
    found: int = await value(
        db,
        """
        SELECT coalesce(sum(e.amount), 0)::bigint FROM ledger_entries AS e
        WHERE e.booking_id = $1 AND e.kind IN ('escrow', 'venue', 'fees', 'tax')
        """,
        booking_id,
    )
    return found


async def was_paid(db: Db, booking_id: int) -> bool:
    """Tell whether anything was ever paid for a booking, whatever became of it since."""
    found: bool = await value(
        db,
        """
        SELECT EXISTS (SELECT FROM ledger_entries AS e
                       WHERE e.booking_id = $1 AND e.kind IN ('escrow', 'venue', 'fees', 'tax') AND e.amount > 0)
        """,
        booking_id,
    )
    return found
