"""What must hold of a hub's database after anything whatever happened to it; each check lists what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.pool import Pool
from storage.query import Db

# For so long one check may look through a long history.
_SECONDS = 600.0
# A live booking is one that still keeps its places. Stands before each check.
_LIVE = """
    WITH live AS (
        SELECT id, status, price, expires_at FROM bookings
        WHERE status IN ('confirmed', 'completed', 'no_show') OR expires_at > clock_timestamp()
    )
"""

# Every check is one query whose rows are the faults. These are about money:
MONEY: dict[str, str] = {
    "more loyalty points are used than there are": """
        SELECT b.user_id, points_left(b.user_id) AS points_left
        FROM bookings AS b JOIN live ON live.id = b.id WHERE b.points > 0
        GROUP BY b.user_id HAVING points_left(b.user_id) < 0
    """,
    "a transaction of the ledger does not add up": """
        SELECT t.id, t.kind, coalesce(sum(e.amount), 0) AS sum, count(e.id) AS entries
        FROM ledger_transactions AS t LEFT JOIN ledger_entries AS e ON e.transaction_id = t.id
        GROUP BY t.id HAVING coalesce(sum(e.amount), 0) <> 0 OR count(e.id) < 2
    """,
    "an entry is in another currency than its transaction, or not its account's": """
        SELECT e.id, e.kind, a.kind AS account, a.currency, t.currency AS posted_in
        FROM ledger_entries AS e JOIN accounts AS a ON a.id = e.account_id
        JOIN ledger_transactions AS t ON t.id = e.transaction_id
        WHERE a.currency <> t.currency OR a.kind <> e.kind OR a.venue_id IS DISTINCT FROM e.venue_id
    """,
    "a wallet holds less than nothing and is not frozen": """
        SELECT a.id, a.kind, a.user_id, a.currency, sum(e.amount) AS balance
        FROM accounts AS a JOIN ledger_entries AS e ON e.account_id = a.id
        WHERE a.kind IN ('wallet', 'points') AND a.frozen_at IS NULL
        GROUP BY a.id HAVING sum(e.amount) < 0
    """,
    # In the order of its entries, which are written under its lock.
    "a wallet has held less than nothing though nothing was called back": """
        SELECT w.account_id, w.id, w.balance
        FROM (
            SELECT e.account_id, e.id, sum(e.amount) OVER (PARTITION BY e.account_id ORDER BY e.id) AS balance,
                   bool_or(t.kind = 'dispute') OVER (PARTITION BY e.account_id) AS was_disputed
            FROM ledger_entries AS e JOIN ledger_transactions AS t ON t.id = e.transaction_id
            WHERE e.kind IN ('wallet', 'points')
        ) AS w
        WHERE w.balance < 0 AND NOT w.was_disputed
    """,
    "more left a booking's escrow than came in": """
        SELECT booking_id, venue_id, sum(amount) AS escrow FROM ledger_entries WHERE kind = 'escrow'
        GROUP BY booking_id, venue_id HAVING sum(amount) < 0 OR booking_id IS NULL
    """,
    "nobody looks for money in escrow": """
        SELECT e.booking_id, e.venue_id, sum(e.amount) AS escrow FROM ledger_entries AS e
        WHERE e.kind = 'escrow' AND NOT EXISTS (
            SELECT FROM open_escrows AS o WHERE o.booking_id = e.booking_id AND o.venue_id = e.venue_id)
        GROUP BY e.booking_id, e.venue_id HAVING sum(e.amount) > 0
    """,
    "a payment has come in that the ledger does not have once, or the other way round": """
        SELECT p.id, p.status, p.amount, p.currency, count(m.id) AS times, sum(m.amount) AS posted
        FROM payments AS p
        LEFT JOIN LATERAL (
            SELECT t.id, sum(e.amount) AS amount
            FROM ledger_transactions AS t JOIN ledger_entries AS e ON e.transaction_id = t.id AND e.amount > 0
            WHERE t.payment_id = p.id AND t.kind IN ('payment', 'top_up') AND t.currency = p.currency
              AND t.booking_id IS NOT DISTINCT FROM p.booking_id
            GROUP BY t.id
        ) AS m ON true
        GROUP BY p.id
        HAVING count(m.id) <> CASE WHEN p.status = 'completed' THEN 1 ELSE 0 END OR sum(m.amount) <> p.amount
    """,
    "more is given back of a payment than came in": """
        SELECT p.id, p.status, p.amount, p.currency, sum(r.amount) AS refunded
        FROM payments AS p JOIN refunds AS r ON r.payment_id = p.id AND r.status <> 'rejected'
        GROUP BY p.id
        HAVING sum(r.amount) > p.amount OR p.status <> 'completed' OR bool_or(r.currency <> p.currency)
    """,
    "more is given back of a booking than came in": """
        SELECT r.booking_id, r.currency, sum(r.amount) AS refunded, max(p.amount) AS paid
        FROM refunds AS r
        LEFT JOIN LATERAL (
            SELECT sum(c.amount) AS amount FROM payments AS c
            WHERE c.booking_id = r.booking_id AND c.currency = r.currency AND c.status = 'completed'
        ) AS p ON true
        WHERE r.status <> 'rejected'
        GROUP BY r.booking_id, r.currency HAVING sum(r.amount) > coalesce(max(p.amount), 0)
    """,
    # Disputes are taken out of both: what a provider took back is no payment any more.
    "what a booking has paid is not what came in less what is given back": """
        SELECT b.id, coalesce(l.paid, 0) AS paid, coalesce(p.amount, 0) AS came_in, coalesce(r.amount, 0) AS given_back
        FROM bookings AS b
        LEFT JOIN (
            SELECT e.booking_id, sum(e.amount) AS paid
            FROM ledger_entries AS e JOIN ledger_transactions AS t ON t.id = e.transaction_id
            WHERE e.kind IN ('escrow', 'venue', 'fees', 'tax') AND e.booking_id IS NOT NULL AND t.kind <> 'dispute'
            GROUP BY e.booking_id
        ) AS l ON l.booking_id = b.id
        LEFT JOIN (
            SELECT booking_id, sum(amount) AS amount FROM payments
            WHERE booking_id IS NOT NULL AND status = 'completed' GROUP BY booking_id
        ) AS p ON p.booking_id = b.id
        LEFT JOIN (
            SELECT booking_id, sum(amount) AS amount FROM refunds
            WHERE status NOT IN ('pending', 'rejected') GROUP BY booking_id
        ) AS r ON r.booking_id = b.id
        WHERE coalesce(l.paid, 0) <> coalesce(p.amount, 0) - coalesce(r.amount, 0)
    """,
    "what is owed for refunds is not what is on its way": """
        SELECT currency, l.owed, r.amount
        FROM (
            SELECT a.currency, sum(e.amount) AS owed FROM accounts AS a JOIN ledger_entries AS e ON e.account_id = a.id
            WHERE a.kind = 'refunds' GROUP BY a.currency
        ) AS l
        FULL JOIN (
            SELECT currency, sum(amount) AS amount FROM refunds
            WHERE status IN ('approved', 'processing', 'failed') GROUP BY currency
        ) AS r USING (currency)
        WHERE coalesce(l.owed, 0) <> coalesce(r.amount, 0)
    """,
}

# And these about all there is.
CHECKS: dict[str, str] = {
    **MONEY,
    "a room is claimed twice for one time": """
        SELECT a.id AS claim, b.id AS other, a.room_id, a.busy * b.busy AS both
        FROM claims AS a JOIN claims AS b ON b.room_id = a.room_id AND b.busy && a.busy AND b.id > a.id
        WHERE (a.expires_at IS NULL OR a.expires_at > clock_timestamp())
          AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp())
    """,
    "two live bookings have one room at one time": """
        , sold AS (
            SELECT i.id, i.booking_id, i.room_id, i.busy FROM booking_items AS i JOIN live ON live.id = i.booking_id
            WHERE i.room_id IS NOT NULL
        )
        SELECT a.booking_id, b.booking_id AS other, a.room_id, a.busy * b.busy AS both
        FROM sold AS a JOIN sold AS b ON b.room_id = a.room_id AND b.busy && a.busy AND b.id > a.id
    """,
    "more claims on a night than there are rooms": """
        SELECT c.room_type_id, c.night, sum(c.quantity) AS claimed, t.total_rooms
        FROM claims AS c JOIN room_types AS t ON t.id = c.room_type_id
        WHERE c.expires_at IS NULL OR c.expires_at > clock_timestamp()
        GROUP BY c.room_type_id, c.night, t.total_rooms HAVING sum(c.quantity) > t.total_rooms
    """,
    "more rooms booked on a night than there are": """
        SELECT i.room_type_id, night::date, sum(i.quantity) AS booked, t.total_rooms
        FROM booking_items AS i JOIN live ON live.id = i.booking_id JOIN room_types AS t ON t.id = i.room_type_id
        CROSS JOIN generate_series(i.check_in, i.check_out - 1, interval '1 day') AS night
        WHERE i.kind = 'stay' AND i.room_id IS NULL
        GROUP BY i.room_type_id, night, t.total_rooms HAVING sum(i.quantity) > t.total_rooms
    """,
    "more claims on a session than it has places": """
        SELECT c.place_session_id, sum(c.quantity) AS claimed, s.capacity
        FROM claims AS c JOIN sessions AS s ON s.id = c.place_session_id
        WHERE c.expires_at IS NULL OR c.expires_at > clock_timestamp()
        GROUP BY c.place_session_id, s.capacity HAVING sum(c.quantity) > s.capacity
    """,
    "more places booked in a session than it has": """
        SELECT i.session_id, sum(i.quantity) AS booked, s.capacity
        FROM booking_items AS i JOIN live ON live.id = i.booking_id JOIN sessions AS s ON s.id = i.session_id
        GROUP BY i.session_id, s.capacity HAVING sum(i.quantity) > s.capacity
    """,
    "a night's counter is not the sum of its claims": """
        SELECT room_type_id, night, p.taken, p.held, c.quantity, c.waiting
        FROM pool_nights AS p FULL JOIN (
            SELECT room_type_id, night, sum(quantity) AS quantity,
                   coalesce(sum(quantity) FILTER (WHERE expires_at IS NOT NULL), 0) AS waiting
            FROM claims WHERE room_type_id IS NOT NULL GROUP BY room_type_id, night
        ) AS c USING (room_type_id, night)
        WHERE p.taken IS NULL OR p.taken <> coalesce(c.quantity, 0) OR p.held <> coalesce(c.waiting, 0)
    """,
    "a session's counter is not the sum of its claims": """
        SELECT session_id, p.taken, p.held, c.quantity, c.waiting
        FROM session_places AS p FULL JOIN (
            SELECT place_session_id AS session_id, sum(quantity) AS quantity,
                   coalesce(sum(quantity) FILTER (WHERE expires_at IS NOT NULL), 0) AS waiting
            FROM claims WHERE place_session_id IS NOT NULL GROUP BY place_session_id
        ) AS c USING (session_id)
        WHERE p.taken IS NULL OR p.taken <> coalesce(c.quantity, 0) OR p.held <> coalesce(c.waiting, 0)
    """,
    "a counter's size is not the size of what it counts": """
        SELECT 'night' AS kind, p.room_type_id AS id, p.total, t.total_rooms AS size
        FROM pool_nights AS p JOIN room_types AS t ON t.id = p.room_type_id
        WHERE p.total <> t.total_rooms AND p.night >= current_date AND t.deleted_at IS NULL
        UNION ALL
        SELECT 'session', p.session_id, p.total, s.capacity
        FROM session_places AS p JOIN sessions AS s ON s.id = p.session_id
        WHERE p.total <> s.capacity AND s.deleted_at IS NULL AND s.status = 'active'
    """,
    # This is also what would show a basket that got only a part of its items.
    "a live booking lacks a claim": """
        , due AS (
            SELECT i.id AS item_id, live.id AS booking_id, live.expires_at, i.room_id, i.busy, i.session_id,
                   CASE WHEN i.room_id IS NULL THEN i.room_type_id END AS room_type_id, night::date AS night,
                   i.quantity
            FROM booking_items AS i JOIN live ON live.id = i.booking_id
            LEFT JOIN generate_series(i.check_in, i.check_out - 1, interval '1 day') AS night
                   ON i.kind = 'stay' AND i.room_id IS NULL
            WHERE i.kind NOT IN ('addon', 'fee')
        )
        SELECT due.booking_id, due.item_id, due.room_id, due.busy, due.room_type_id, due.night, due.session_id
        FROM due WHERE NOT EXISTS (
            SELECT 1 FROM claims AS c
            WHERE c.booking_id = due.booking_id AND c.item_id = due.item_id AND c.quantity = due.quantity
              AND c.expires_at IS NOT DISTINCT FROM due.expires_at
              AND c.room_id IS NOT DISTINCT FROM due.room_id AND c.busy IS NOT DISTINCT FROM due.busy
              AND c.room_type_id IS NOT DISTINCT FROM due.room_type_id AND c.night IS NOT DISTINCT FROM due.night
              AND c.place_session_id IS NOT DISTINCT FROM due.session_id)
    """,
    "a claim has no live owner": """
        SELECT c.id, c.booking_id, b.status, c.session_id, c.closure_id
        FROM claims AS c
        LEFT JOIN bookings AS b ON b.id = c.booking_id
        LEFT JOIN booking_items AS i ON i.id = c.item_id AND i.booking_id = c.booking_id
        LEFT JOIN sessions AS s ON s.id = c.session_id AND s.status = 'active' AND s.deleted_at IS NULL
        LEFT JOIN closures AS k ON k.id = c.closure_id AND k.deleted_at IS NULL
        WHERE (c.booking_id IS NOT NULL AND (i.id IS NULL OR b.status IN ('cancelled', 'expired')))
           OR (c.session_id IS NOT NULL AND (s.id IS NULL OR s.room_id IS DISTINCT FROM c.room_id))
           OR (c.closure_id IS NOT NULL AND k.id IS NULL)
    """,
    "an item is claimed twice": """
        SELECT booking_id, item_id, room_id, room_type_id, night, place_session_id, count(*) FROM claims
        WHERE booking_id IS NOT NULL
        GROUP BY booking_id, item_id, room_id, room_type_id, night, place_session_id HAVING count(*) > 1
    """,
    "a live booking points at what is no longer there": """
        SELECT i.booking_id, i.kind, i.room_id, i.room_type_id, i.session_id
        FROM booking_items AS i JOIN live ON live.id = i.booking_id
        LEFT JOIN rooms AS r ON r.id = i.room_id AND r.deleted_at IS NULL
        LEFT JOIN room_types AS t ON t.id = i.room_type_id AND t.deleted_at IS NULL
        LEFT JOIN sessions AS s ON s.id = i.session_id AND s.deleted_at IS NULL AND s.status = 'active'
        WHERE i.ends_at > clock_timestamp()
          AND ((i.room_id IS NOT NULL AND r.id IS NULL) OR (i.room_type_id IS NOT NULL AND t.id IS NULL)
               OR (i.session_id IS NOT NULL AND s.id IS NULL))
    """,
    "a session that takes place lacks its room": """
        SELECT s.id, s.room_id FROM sessions AS s
        WHERE s.room_id IS NOT NULL AND s.status = 'active' AND s.deleted_at IS NULL AND s.ends_at > clock_timestamp()
          AND NOT EXISTS (SELECT 1 FROM claims AS c WHERE c.session_id = s.id AND c.room_id = s.room_id
                          AND c.expires_at IS NULL AND c.busy @> tstzrange(s.starts_at, s.ends_at))
    """,
    "a booking's price is not the sum of its items": """
        SELECT b.id, b.price, sum(i.price) AS items
        FROM bookings AS b LEFT JOIN booking_items AS i ON i.booking_id = b.id
        GROUP BY b.id, b.price HAVING b.price IS DISTINCT FROM sum(i.price)
    """,
    "a room of the live log has a gap": """
        SELECT room, r.version, r.floor, count(e.version) AS events, min(e.version), max(e.version)
        FROM live_rooms AS r LEFT JOIN events AS e USING (room)
        GROUP BY room, r.version, r.floor
        HAVING count(e.version) <> r.version - r.floor OR max(e.version) <> r.version
    """,
    "the numbers of a venue's papers have a gap": """
        SELECT n.venue_id, n.kind, n.last, count(p.id) AS papers, max(p.number) AS highest
        FROM paper_numbers AS n LEFT JOIN papers AS p ON p.venue_id = n.venue_id AND p.kind = n.kind
        GROUP BY n.venue_id, n.kind, n.last HAVING count(p.id) <> n.last OR coalesce(max(p.number), 0) <> n.last
    """,
    "two answers are kept under one key": """
        SELECT user_id, route, key, count(*) FROM repeat_keys GROUP BY user_id, route, key HAVING count(*) > 1
    """,
}


async def faults(pool: Pool, checks: Mapping[str, str] = CHECKS) -> dict[str, list[dict[str, Any]]]:
    """List what is wrong, by what it is; empty when all is well."""
    async with pool.acquire() as db, db.transaction():
        # Half an hour of bookings takes longer to look through than any request may take.
        await db.execute("SET LOCAL statement_timeout = 0")
        return await faults_seen(db, checks)


async def faults_seen(db: Db, checks: Mapping[str, str] = CHECKS) -> dict[str, list[dict[str, Any]]]:
    """List what is wrong as one connection sees it, be it committed or not."""
    found = {}
    for fault, query in checks.items():
        rows = await db.fetch(f"{_LIVE}\n{query}", timeout=_SECONDS)
        if rows:
            found[fault] = [dict(row) for row in rows[:5]]
    return found
