"""Who came, and when they may come."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from storage.query import Db, maybe, run


class Known(BaseModel):
    """A booking as its code names it."""

    id: int
    reference: str


class Coming(BaseModel):
    """From when until when a booking's guests may check in at a venue, and whether they have; `at` is now."""

    opens_at: datetime
    closes_at: datetime
    at: datetime
    checked_in_at: datetime | None


async def known(db: Db, booking_id: int) -> Known | None:
    """Find a booking without locking it."""
    return await maybe(db, Known, "SELECT id, reference FROM bookings WHERE id = $1", booking_id)


async def coming(db: Db, booking_id: int, venue_id: int) -> Coming | None:
    """Read when guests may check in: from the beginning of the day on which their first item there begins.

    None where nothing of the booking takes place there, though a fee for what was cancelled may be left.
    """
    return await maybe(
        db,
        Coming,
        """
        SELECT date_trunc('day', min(i.starts_at) AT TIME ZONE v.timezone) AT TIME ZONE v.timezone AS opens_at,
               max(i.ends_at) AS closes_at, clock_timestamp() AS at,
               (SELECT c.at FROM check_ins AS c WHERE c.booking_id = $1 AND c.venue_id = $2) AS checked_in_at
        FROM booking_items AS i JOIN venues AS v ON v.id = i.venue_id
        WHERE i.booking_id = $1 AND i.venue_id = $2 AND i.kind <> 'fee' GROUP BY v.timezone
        """,
        booking_id,
        venue_id,
    )


async def check_in(db: Db, booking_id: int, venue_id: int, by_user_id: int | None) -> bool:
    """Note that a booking's guests are here; false when they were before."""
    return (
        await run(
            db,
            """
            INSERT INTO check_ins (booking_id, venue_id, checked_in_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
            """,
            booking_id,
            venue_id,
            by_user_id,
        )
        == 1
    )
