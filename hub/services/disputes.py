"""Disputes: money that a payer calls back at their bank is taken from wherever it is by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.services import refunds, wallet
from hub.work import Work
from storage import escrow, ledger
from storage import payments as store
from storage import refunds as refund_store
from storage.bookings import BookingRow
from storage.escrow import Share
from storage.ledger import AccountKind, Entry
from storage.payments import PaymentRow


async def take_back(work: Work, payment: PaymentRow, booking: BookingRow | None) -> None:
    """Reverse a locked payment that is disputed, once: first from the wallet what of it went there, then from venues.

    What is not there any more is taken from the wallet too; one that goes below zero is frozen. What of it was on its
    way back has arrived by this. The caller tells the payment and the booking.
    """
    await store.dispute(work.db, payment.id)
    if booking is None:
        await wallet.take_back(work, payment, reason="The payment is disputed.")
        return
    for refund_id in await refund_store.under_way(work.db, payment.id):
        refund = await refund_store.lock(work.db, refund_id)
        # Its provider may have said meanwhile what became of it.
        if refund.status != "completed":
            await refunds.arrive(work, refund)
    left = payment.amount - await store.refunded(work.db, payment.id)
    of_wallet = min(left, await refund_store.into_wallet(work.db, payment.id))
    entries = _taken(
        booking.id,
        await escrow.shares(work.db, booking.id),
        await refund_store.left_of(work.db, payment.id),
        left - of_wallet,
    )
    of_wallet = left + sum(entry.amount for entry in entries)
    if of_wallet:
        entries.append(Entry("wallet", -of_wallet, user_id=payment.user_id))
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
    if of_wallet:
        await wallet.tell(work, payment.user_id, payment.currency)


def _taken(booking_id: int, shares: Sequence[Share], own: Mapping[int, int], wanted: int) -> list[Entry]:
    """Take an amount from where a booking's money stands: of each venue what the payment brought it, then of any."""
    there = {(share.venue_id, kind): max(held, 0) for share in shares for kind, held in _where(share).items()}
    taken = dict.fromkeys(there, 0)
    for most in (dict(own), dict.fromkeys((share.venue_id for share in shares), wanted)):
        for (venue_id, kind), held in there.items():
            part = min(wanted, most.get(venue_id, 0), held - taken[venue_id, kind])
            taken[venue_id, kind] += part
            most[venue_id] = most.get(venue_id, 0) - part
            wanted -= part
    return [
        Entry(kind, -amount, venue_id=venue_id, booking_id=booking_id)
        for (venue_id, kind), amount in taken.items()
        if amount
    ]


def _where(share: Share) -> dict[AccountKind, int]:
    return {"escrow": share.escrow, "venue": share.venue, "fees": share.fees, "tax": share.tax}
