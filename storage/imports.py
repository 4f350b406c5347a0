"""What earlier imports have left in the bookings, so that running one again goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pydantic import BaseModel

from storage.query import Db, many


class Imported(BaseModel):
    """A booking that an import has made: the row it comes from, and how it now stands."""

    booking_id: int
    row: str
    check_in: date
    is_cancelled: bool


async def imported(db: Db, venue_ids: Sequence[int]) -> list[Imported]:
    """List the bookings at these venues whose notes begin with the row they come from."""
    return await many(
        db,
        Imported,
        """
        SELECT b.id AS booking_id, substring(b.notes FROM '^Row ([0-9]+-[0-9a-f]+): ') AS row, i.check_in,
               b.status = 'cancelled' AS is_cancelled
        FROM booking_items AS i JOIN bookings AS b ON b.id = i.booking_id
        WHERE i.venue_id = ANY ($1::bigint[]) AND i.kind = 'stay' AND b.notes ~ '^Row [0-9]+-[0-9a-f]+: '
        """,
        venue_ids,
    )
