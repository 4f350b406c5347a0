"""For each check of the money: a fault to plant in a database where one booking is paid."""

from __future__ import annotations

# What only ever grows, or goes forward, would refuse to be wrong.
_UNGUARDED = "SET LOCAL session_replication_role = replica;"


def _wallet(*amounts: int) -> str:
    entries = ", ".join(f"({amount})" for amount in amounts)
    return f"""
        WITH posted AS (INSERT INTO ledger_transactions (kind, currency) VALUES ('adjustment', 'EUR') RETURNING id),
             wallet AS (INSERT INTO accounts (kind, user_id, currency) VALUES ('wallet', 1, 'EUR') RETURNING id)
        INSERT INTO ledger_entries (transaction_id, account_id, kind, amount)
        SELECT posted.id, wallet.id, 'wallet', e.amount FROM posted, wallet, (VALUES {entries}) AS e (amount)
    """  # noqa: S608


_PLANTED = {
    "more loyalty points are used than there are": "UPDATE bookings SET points = 5",
    "a transaction of the ledger does not add up": "UPDATE ledger_entries SET amount = amount + 1 WHERE amount > 0",
    "an entry is in another currency than its transaction, or not its account's": """
        UPDATE accounts SET currency = 'USD' WHERE kind = 'escrow'
    """,
    "a wallet holds less than nothing and is not frozen": _wallet(-5),
    "a wallet has held less than nothing though nothing was called back": _wallet(-5, 10),
    "more left a booking's escrow than came in": "UPDATE ledger_entries SET amount = -amount",
    "nobody looks for money in escrow": "DELETE FROM open_escrows",
    "a payment has come in that the ledger does not have once, or the other way round": """
        UPDATE payments SET status = 'failed', completed_at = NULL
    """,
    "more is given back of a payment than came in": """
        INSERT INTO refunds (booking_id, payment_id, user_id, target, amount, currency, status)
        SELECT booking_id, id, user_id, 'original', amount + 1, currency, 'approved' FROM payments
    """,
    "more is given back of a booking than came in": """
        INSERT INTO refunds (booking_id, user_id, target, amount, currency, status)
        SELECT booking_id, user_id, 'wallet', amount + 1, currency, 'pending' FROM payments
    """,
    "what a booking has paid is not what came in less what is given back": "UPDATE payments SET amount = amount + 1",
    "what is owed for refunds is not what is on its way": """
        INSERT INTO refunds (booking_id, payment_id, user_id, target, amount, currency, status)
        SELECT booking_id, id, user_id, 'original', 1, currency, 'approved' FROM payments
    """,
    "the numbers of a venue's papers have a gap": """
        INSERT INTO paper_numbers (venue_id, kind, last) VALUES (1, 'receipt', 5)
    """,
}

PLANTED = {fault: f"{_UNGUARDED} {planting}" for fault, planting in _PLANTED.items()}
