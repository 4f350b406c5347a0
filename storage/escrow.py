"""Escrow: where the money of a booking stands, venue by venue, and which of it is due to be released."""

from __future__ import annotations

from pydantic import BaseModel

from storage.query import Db, many, run


class Share(BaseModel):
    """What a booking's items at one venue cost, and where the money paid for them stands; minor units."""

    venue_id: int
    price: int
    escrow: int
    # Released: to the venue, the hub and the treasury.
    venue: int
    fees: int
    tax: int

    @property
    def paid(self) -> int:
        """Sum up what was paid and not given back, wherever it is by now."""
        return self.escrow + self.venue + self.fees + self.tax


class Due(BaseModel):
    """Money in escrow whose time has come."""

    booking_id: int
    venue_id: int


async def shares(db: Db, booking_id: int) -> list[Share]:
    """Read where a booking's money stands, for every venue that has items or money of it, in order."""
    return await many(
        db,
        Share,
        """
        SELECT venue_id, coalesce(i.price, 0)::bigint AS price, coalesce(e.escrow, 0)::bigint AS escrow,
               coalesce(e.venue, 0)::bigint AS venue, coalesce(e.fees, 0)::bigint AS fees,
               coalesce(e.tax, 0)::bigint AS tax
        FROM (
            SELECT bi.venue_id, sum(bi.price) AS price FROM booking_items AS bi
            WHERE bi.booking_id = $1 GROUP BY bi.venue_id
        ) AS i
        FULL JOIN (
            SELECT le.venue_id, sum(le.amount) FILTER (WHERE le.kind = 'escrow') AS escrow,
                   sum(le.amount) FILTER (WHERE le.kind = 'venue') AS venue,
                   sum(le.amount) FILTER (WHERE le.kind = 'fees') AS fees,
                   sum(le.amount) FILTER (WHERE le.kind = 'tax') AS tax
            FROM ledger_entries AS le
            WHERE le.booking_id = $1 AND le.kind IN ('escrow', 'venue', 'fees', 'tax') GROUP BY le.venue_id
        ) AS e USING (venue_id)
        ORDER BY venue_id
        """,
        booking_id,
    )


async def due(db: Db, booking_id: int | None, usual_hours: int, at_most: int) -> list[Due]:
    """List what is due: of one booking, or the longest due of all.

    A stay, slot or session is over at its end, or when its guests are known to have come or not; a cancelled one when
    it was cancelled. While a refund waits for its approval nothing of its booking is due; what was paid for one that
    ran out goes back, so of that only nothing is due.
    """
    return await many(
        db,
        Due,
        """
        SELECT o.booking_id, o.venue_id
        FROM open_escrows AS o
        JOIN bookings AS b ON b.id = o.booking_id
        JOIN venues AS v ON v.id = o.venue_id
        CROSS JOIN LATERAL (
            SELECT coalesce(max(bi.ends_at) FILTER (WHERE bi.venue_id = o.venue_id AND bi.kind <> 'fee'),
                            max(bi.ends_at) FILTER (WHERE bi.kind <> 'fee'), max(bi.ends_at)) AS ends_at
            FROM booking_items AS bi WHERE bi.booking_id = o.booking_id
        ) AS i
        CROSS JOIN LATERAL (
            SELECT CASE b.status
                   WHEN 'confirmed' THEN i.ends_at
                   WHEN 'completed' THEN least(i.ends_at, b.completed_at)
                   WHEN 'no_show' THEN least(i.ends_at, b.no_show_at)
                   WHEN 'cancelled' THEN b.cancelled_at
                   WHEN 'expired' THEN (
                       SELECT b.updated_at FROM ledger_entries AS e
                       WHERE e.booking_id = b.id AND e.kind = 'escrow' AND e.venue_id = o.venue_id
                       HAVING sum(e.amount) = 0)
                   END AS at
        ) AS over
        WHERE ($1::bigint IS NULL OR o.booking_id = $1)
          AND over.at + make_interval(hours => coalesce((v.terms ->> 'release_hours')::integer, $2))
              <= clock_timestamp()
          AND NOT EXISTS (SELECT FROM refunds AS r WHERE r.booking_id = o.booking_id AND r.status = 'pending')
        ORDER BY over.at, o.booking_id, o.venue_id LIMIT $3
        """,
        booking_id,
        usual_hours,
        at_most,
    )


async def close(db: Db, booking_id: int, venue_id: int) -> None:
    """Look no more for money of a booking at a venue, until some comes in again."""
    await run(db, "DELETE FROM open_escrows WHERE booking_id = $1 AND venue_id = $2", booking_id, venue_id)
