"""Wallets and points as they stand in the ledger, and corrections by hand."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from hub.models.wallet import Adjustment, Balance, ListAdjustments, ListEntries, Points, WalletEntry
from storage.listing import page
from storage.query import Db, many, maybe, one, run, value

# Points are kept in the ledger under a code that no currency has.
POINTS = "PTS"


class Account(BaseModel):
    """An account that is locked: nobody pays from it meanwhile."""

    id: int
    balance: int
    is_frozen: bool


async def balances(db: Db, user_id: int) -> list[Balance]:
    """Read what a person's wallet holds, in every currency it ever held."""
    return await many(
        db,
        Balance,
        """
        SELECT a.user_id, a.currency, coalesce(sum(e.amount), 0)::bigint AS balance, a.frozen_at
        FROM accounts AS a LEFT JOIN ledger_entries AS e ON e.account_id = a.id
        WHERE a.kind = 'wallet' AND a.user_id = $1
        GROUP BY a.id ORDER BY a.currency
        """,
        user_id,
    )


async def balance(db: Db, user_id: int, currency: str) -> Balance:
    """Read what a person's wallet holds in one currency."""
    return await one(
        db,
        Balance,
        """
        SELECT $1::bigint AS user_id, $2::text AS currency, coalesce(sum(e.amount), 0)::bigint AS balance,
               max(a.frozen_at) AS frozen_at
        FROM accounts AS a LEFT JOIN ledger_entries AS e ON e.account_id = a.id
        WHERE a.kind = 'wallet' AND a.user_id = $1 AND a.currency = $2
        """,
        user_id,
        currency,
    )


async def entries(db: Db, user_id: int, ask: ListEntries) -> tuple[list[WalletEntry], int]:
    """List one page of a wallet's movements, each with what the wallet held after it."""
    return await page(
        db,
        WalletEntry,
        """
        WITH moved AS (
            SELECT e.id, e.transaction_id, e.amount, a.currency,
                   sum(e.amount) OVER (PARTITION BY a.id ORDER BY e.id)::bigint AS balance
            FROM accounts AS a JOIN ledger_entries AS e ON e.account_id = a.id
            WHERE a.kind = 'wallet' AND a.user_id = $1 AND ($2::text IS NULL OR a.currency = $2)
        )
        SELECT m.id, t.kind, m.amount, m.currency, m.balance, t.booking_id, t.payment_id, t.refund_id, t.reason, t.at,
               count(*) OVER () AS total
        FROM moved AS m JOIN ledger_transactions AS t ON t.id = m.transaction_id
        ORDER BY CASE WHEN $3::text = 'oldest' THEN m.id END, m.id DESC
        LIMIT $4 OFFSET $5
        """,
        user_id,
        ask.currency,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def lock(db: Db, user_id: int, currency: str) -> Account | None:
    """Lock a wallet; None when it never held anything."""
    locked = await value(
        db,
        """
        SELECT id FROM accounts WHERE kind = 'wallet' AND user_id = $1 AND currency = $2 FOR NO KEY UPDATE
        """,
        user_id,
        currency,
    )
    return await maybe(
        db,
        Account,
        """
        SELECT a.id, coalesce(sum(e.amount), 0)::bigint AS balance, a.frozen_at IS NOT NULL AS is_frozen
        FROM accounts AS a LEFT JOIN ledger_entries AS e ON e.account_id = a.id
        WHERE a.id = $1 GROUP BY a.id
        """,
        locked,
    )


async def unfreeze(db: Db, account_id: int) -> None:
    """Let an account be paid from again."""
    await run(db, "UPDATE accounts SET frozen_at = NULL WHERE id = $1", account_id)


async def points(db: Db, user_id: int) -> Points:
    """Count a person's points: what they have earned, less what their bookings have used."""
    return await one(
        db,
        Points,
        """
        SELECT $1::bigint AS user_id, l.points, e.earned, e.earned - l.points AS used
        FROM (
            SELECT coalesce(sum(le.amount), 0)::bigint AS earned
            FROM accounts AS a JOIN ledger_entries AS le ON le.account_id = a.id
            WHERE a.kind = 'points' AND a.user_id = $1
        ) AS e
        CROSS JOIN points_left($1) AS l (points)
        """,
        user_id,
    )


async def earned(db: Db, user_id: int, booking_id: int) -> int:
    """Count the points that a booking has earned a person, less those that were taken back of them."""
    found: int = await value(
        db,
        """
        SELECT coalesce(sum(e.amount), 0)::bigint
        FROM ledger_transactions AS t
        JOIN ledger_entries AS e ON e.transaction_id = t.id
        JOIN accounts AS a ON a.id = e.account_id
        WHERE t.booking_id = $2 AND a.kind = 'points' AND a.user_id = $1
        """,
        user_id,
        booking_id,
    )
    return found


async def find_adjustment(db: Db, adjustment_id: int, *, lock: bool = False) -> Adjustment | None:
    """Find an adjustment, and have everybody else who would decide it wait if asked to."""
    if lock:
        await run(db, "SELECT 1 FROM adjustments WHERE id = $1 FOR NO KEY UPDATE", adjustment_id)
    return await maybe(
        db,
        Adjustment,
        """
        SELECT id, user_id, amount, currency, reason, status, asked_by, decided_by, decision, created_at, decided_at
        FROM adjustments WHERE id = $1
        """,
        adjustment_id,
    )


async def list_adjustments(db: Db, ask: ListAdjustments) -> tuple[list[Adjustment], int]:
    """List one page of adjustments."""
    return await page(
        db,
        Adjustment,
        """
        SELECT id, user_id, amount, currency, reason, status, asked_by, decided_by, decision, created_at, decided_at,
               count(*) OVER () AS total
        FROM adjustments
        WHERE ($1::bigint IS NULL OR user_id = $1) AND ($2::text IS NULL OR status = $2)
        ORDER BY CASE WHEN $3::text = 'oldest' THEN id END, id DESC
        LIMIT $4 OFFSET $5
        """,
        ask.user_id,
        ask.status,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def adjusted_today(db: Db, user_id: int, asked_by: int) -> int:
    """Sum up by how much somebody has moved a person's wallet without a second approver in the last 24 hours."""
    moved: int = await value(
        db,
        """
        SELECT coalesce(sum(abs(amount)), 0)::bigint FROM adjustments
        WHERE user_id = $1 AND asked_by = $2 AND status = 'made' AND decided_by IS NULL
          AND created_at > clock_timestamp() - interval '24 hours'
        """,
        user_id,
        asked_by,
    )
    return moved


async def insert_adjustment(db: Db, fields: dict[str, Any], asked_by: int, *, made: bool) -> int:
    """Write down an adjustment, made at once or waiting for its second approver; answers its id."""
    inserted: int = await value(
        db,
        """
        INSERT INTO adjustments (user_id, amount, currency, reason, asked_by, status, decided_at)
        SELECT n.user_id, n.amount, n.currency, n.reason, $2, CASE WHEN $3::boolean THEN 'made' ELSE 'pending' END,
               CASE WHEN $3 THEN clock_timestamp() END
        FROM jsonb_populate_record(NULL::adjustments, $1) AS n
        RETURNING id
        """,
        fields,
        asked_by,
        made,
    )
    return inserted


async def decide_adjustment(db: Db, adjustment_id: int, status: str, decided_by: int, decision: str) -> None:
    """Write down who has approved or rejected an adjustment, and why."""
    await run(
        db,
        """
        UPDATE adjustments SET status = $2, decided_by = $3, decision = $4, decided_at = clock_timestamp() WHERE id = $1
        """,
        adjustment_id,
        status,
        decided_by,
        decision,
    )
