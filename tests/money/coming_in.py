"""Money that has come in, as settling a payment brings it into the books."""

from __future__ import annotations

from hub.core import THE_HUB, Actor, Hub
from hub.events.bookings import BookingChanged
from hub.models.bookings import Booking
from hub.models.wallet import Adjust
from hub.services import adjustments, escrow
from storage import bookings
from storage.bookings import BookingRow
from storage.ledger import Entry
from tests import builders

REASON = "The tea was cold."


async def paid(hub: Hub, booking: Booking, amount: int | None = None, gateway: str = "sandbox") -> int:
    """Let a booking, or so much of it, have been paid through a gateway or at the desk; answers the payment's id."""
    amount = booking.price if amount is None else amount
    async with hub.work(THE_HUB) as work:
        row = await bookings.lock(work.db, booking.id)
        assert row is not None
        payment_id: int = await work.db.fetchval(
            """
            INSERT INTO payments (user_id, booking_id, gateway, amount, currency, status, provider_id, completed_at)
            VALUES ($1, $2, $3, $4, $5, 'completed', gen_random_uuid()::text, clock_timestamp()) RETURNING id
            """,
            booking.user_id,
            booking.id,
            gateway,
            amount,
            booking.currency,
        )
        await escrow.take_in(work, row, _source(gateway, amount, row), payment_id=payment_id)
        work.tell(BookingChanged(booking_id=booking.id))
    return payment_id


def _source(gateway: str, amount: int, booking: BookingRow) -> Entry:
    if gateway == "cash":
        return Entry("cash", -amount, venue_id=booking.venue_ids[0])
    return Entry("clearing", -amount, gateway=gateway)


async def filled(hub: Hub, actor: Actor, amount: int, currency: str = "EUR") -> None:
    """Let somebody have money in their wallet."""
    admin = await builders.make_actor(hub, "admin")
    while amount:
        part = min(amount, hub.settings.adjustment_limit)
        ask = Adjust(user_id=actor.user_id, amount=part, currency=currency, reason=REASON)
        await adjustments.adjust(hub, admin, ask)
        amount -= part
        admin = await builders.make_actor(hub, "admin")
