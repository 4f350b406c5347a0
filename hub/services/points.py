"""Loyalty points: earned of what is released to a venue, and taken back with what of it is given back."""

from __future__ import annotations

from hub.events.wallet import PointsChanged
from hub.work import Work
from storage import ledger, venues
from storage import wallet as store
from storage.bookings import BookingRow
from storage.ledger import Entry

WHOLE = 10_000


async def earn(work: Work, booking: BookingRow, venue_id: int, released: int) -> None:
    """Let the guest of a locked booking earn the points that its venue grants for what was released to it."""
    venue = await venues.find(work.db, venue_id)
    points = released * venue.terms.points_basis_points // WHOLE if venue else 0
    if points:
        await _post(work, booking, points)


async def take_back(work: Work, booking: BookingRow, amount: int, released: int) -> None:
    """Take back the points that a locked booking has earned, in proportion to what is given back of what was released.

    What its guest has used meanwhile stays used: there never are fewer points than none.
    """
    earned = await store.earned(work.db, booking.user_id, booking.id)
    if earned <= 0 or released <= 0:
        return
    left = (await store.points(work.db, booking.user_id)).points
    points = min(earned * min(amount, released) // released, left)
    if points > 0:
        await _post(work, booking, -points)


async def _post(work: Work, booking: BookingRow, points: int) -> None:
    entries = [Entry("corrections", -points), Entry("points", points, user_id=booking.user_id)]
    await ledger.post(work.db, "points", store.POINTS, entries, booking_id=booking.id)
    work.tell(PointsChanged(thing=await store.points(work.db, booking.user_id)))
