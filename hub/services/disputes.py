"""Disputes: money that a payer calls back at their bank is taken from wherever it is by now."""

from __future__ import annotations

from hub.services import wallet
from hub.work import Work
from storage import escrow, ledger
from storage import payments as store
from storage.bookings import BookingRow
from storage.ledger import AccountKind, Entry
from storage.payments import PaymentRow


async def take_back(work: Work, payment: PaymentRow, booking: BookingRow | None) -> None:
    """Reverse a locked payment that is disputed, once; what is not there any more is taken from the wallet.

    A wallet that goes below zero is frozen. The caller tells the payment and the booking.
    """
    await store.dispute(work.db, payment.id)
    if booking is None:
        await wallet.take_back(work, payment, reason="The payment is disputed.")
        return
    left = payment.amount - await store.refunded(work.db, payment.id)
    entries: list[Entry] = []
    for share in await escrow.shares(work.db, booking.id):
        where: dict[AccountKind, int] = {
            "escrow": share.escrow,
            "venue": share.venue,
            "fees": share.fees,
            "tax": share.tax,
        }
        for kind, there in where.items():
            taken = min(left, max(there, 0))
            entries.append(Entry(kind, -taken, venue_id=share.venue_id, booking_id=booking.id))
            left -= taken
    entries.append(Entry("wallet", -left, user_id=payment.user_id))
    entries = [entry for entry in entries if entry.amount]
    if not entries:
        return
    entries.append(Entry("clearing", -sum(entry.amount for entry in entries), gateway=payment.gateway))
    await ledger.post(
        work.db,
        "dispute",
        payment.currency,
        entries,
        booking_id=booking.id,
        payment_id=payment.id,
        reason="The payment is disputed.",
        may_overdraw=True,
    )
    if left:
        await wallet.tell(work, payment.user_id, payment.currency)
