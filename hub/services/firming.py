"""What makes a booking firm that waits for its payment: what is due first is paid, whichever of the two changed."""

from __future__ import annotations

from hub.services import dues
from hub.services.dues import Standing
from hub.work import Work
from storage import bookings as store
from storage import claims, payments
from storage.bookings import BookingRow
from storage.query import Db


async def is_covered(db: Db, booking: BookingRow) -> bool:
    """Tell whether what was paid for a locked booking covers what is due first; something was, unless it is free."""
    return _covers(await dues.standing(db, booking))


async def confirm_covered(work: Work, booking_id: int) -> bool:
    """Make a locked booking firm whose price has come down to what was paid; tells whether it is by that.

    A hold that nothing was paid for stays one, though it costs nothing: its guest has not said yet that they want it.
    """
    booking = await store.find(work.db, booking_id)
    assert booking is not None
    standing = await dues.standing(work.db, booking)
    is_wanted = booking.status == "pending" or (booking.status == "held" and standing.paid > 0)
    if not is_wanted or not _covers(standing):
        return False
    await store.confirm(work.db, booking_id)
    await claims.extend(work.db, booking_id, None)
    if not standing.open:
        await payments.ask_of_others(work.db, booking_id, None)
    return True


def _covers(standing: Standing) -> bool:
    return standing.is_begun and (standing.paid > 0 or not standing.price)
