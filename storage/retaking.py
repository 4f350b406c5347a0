"""What a booking that ran out had claimed, to be claimed again when its money comes late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storage.claims import Claim, as_asks
from storage.query import Db, value


async def claims_of(db: Db, booking_id: int, expires_at: datetime | None) -> list[Claim]:
    """Write what a booking's items claim: a room for a time, a pool's nights one by one, places in a session."""
    rows = await db.fetch(
        """
        SELECT i.id AS item_id, i.quantity, i.room_id, lower(i.busy) AS busy_from, upper(i.busy) AS busy_until,
               CASE WHEN n.night IS NOT NULL THEN i.room_type_id END AS room_type_id, n.night, i.session_id
        FROM booking_items AS i
        LEFT JOIN LATERAL generate_series(i.check_in, i.check_out - 1, interval '1 day') AS g (day)
            ON i.kind = 'stay' AND i.room_id IS NULL
        CROSS JOIN LATERAL (SELECT g.day::date AS night) AS n
        WHERE i.booking_id = $1 AND i.kind NOT IN ('addon', 'fee') ORDER BY i.position, n.night
        """,
        booking_id,
    )
    return [
        Claim(
            booking_id=booking_id,
            item_id=row["item_id"],
            room_id=row["room_id"],
            busy=None if row["room_id"] is None else (row["busy_from"], row["busy_until"]),
            room_type_id=row["room_type_id"],
            night=row["night"],
            place_session_id=row["session_id"],
            quantity=row["quantity"],
            expires_at=expires_at,
        )
        for row in rows
    ]


async def is_free(db: Db, claims: Sequence[Claim]) -> bool:
    """Look, without a lock, whether all of these could be claimed."""
    found: bool = await value(db, "SELECT cardinality(blocked_claims($1::claim_ask[])) = 0", as_asks(claims))
    return found


async def is_still_offered(db: Db, booking_id: int) -> bool:
    """Tell whether all that a booking is of still takes place and is still let, and nothing of it has begun."""
    found: bool = await value(
        db,
        """
        SELECT NOT EXISTS (
            SELECT FROM booking_items AS i
            JOIN venues AS v ON v.id = i.venue_id
            LEFT JOIN sessions AS s ON s.id = i.session_id
            LEFT JOIN room_types AS t ON t.id = i.room_type_id
            LEFT JOIN rooms AS r ON r.id = i.room_id
            WHERE i.booking_id = $1 AND i.kind <> 'fee' AND (
                i.starts_at <= clock_timestamp() OR s.status = 'cancelled' OR NOT v.is_active OR NOT t.is_active
                OR NOT r.is_active OR r.status IN ('maintenance', 'out_of_service')
                OR coalesce(v.deleted_at, s.deleted_at, t.deleted_at, r.deleted_at) IS NOT NULL))
        """,
        booking_id,
    )
    return found
