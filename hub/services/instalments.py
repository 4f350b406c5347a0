"""Instalments: guests are reminded of them, and what is agreed for it happens when one is missed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hub.core import THE_HUB, Hub
from hub.events.bookings import BookingCancelled, BookingChanged
from hub.models.bookings import AskCancellation
from hub.models.quotes import InstalmentTerms
from hub.models.terms import Terms
from hub.services import cancelling, dues, reducing
from hub.services.dues import Standing
from hub.work import Work
from storage import booking_letters, claims, ledger
from storage import bookings as booking_store
from storage import dues as dues_store
from storage import instalments as store
from storage.bookings import BookingRow
from storage.instalments import Open

_ACTOR = replace(THE_HUB, asked="instalments")
_LIVE = ("pending", "confirmed")
REASON = "An instalment was not paid in time."


async def remind(hub: Hub, one: Open) -> bool:
    """Have a guest reminded of an instalment that is due soon; tells whether it still was to be."""
    async with hub.work(_ACTOR) as work:
        found = await _unpaid(work, one)
        if found is None:
            return False
        booking, standing = found
        if standing.instalments[one.position].reminded_at is not None:
            return False
        await store.remind(work.db, booking.id, one.position, booking.at)
        await booking_letters.enqueue_instalment(work.db, booking.id, one.position, "due")
        return True


async def miss(hub: Hub, one: Open) -> bool:
    """Note that an instalment was missed, tell guest and desk, and cancel the booking where that was agreed.

    What was paid is given back as if the guest had cancelled; whoever is there already is not sent away.
    """
    async with hub.work(_ACTOR) as work:
        found = await _unpaid(work, one)
        if found is None:
            return False
        booking, standing = found
        terms = await _terms(work, booking.id)
        if standing.instalments[one.position].due_at + timedelta(hours=terms.grace_hours) > booking.at:
            return False
        await store.miss(work.db, booking.id, one.position, booking.at)
        if terms.missed == "cancel" and not booking.has_begun:
            await _cancel(work, booking)
        else:
            await booking_letters.enqueue_instalment(work.db, booking.id, one.position, "missed")
            work.tell(BookingChanged(booking_id=booking.id))
        return True


async def _unpaid(work: Work, one: Open) -> tuple[BookingRow, Standing] | None:
    """Lock a booking, and look again whether it lives and this instalment of it is open."""
    booking = await booking_store.lock(work.db, one.booking_id)
    if booking is None or booking.has_expired or booking.status not in _LIVE:
        return None
    standing = await dues.standing(work.db, booking)
    if one.position >= len(standing.instalments) or standing.instalments[one.position].missed_at is not None:
        return None
    wanted = sum(part.amount for part in standing.instalments[: one.position + 1])
    is_open = standing.paid < min(wanted, standing.price) and await ledger.was_paid(work.db, booking.id)
    return (booking, standing) if is_open else None


async def _terms(work: Work, booking_id: int) -> InstalmentTerms:
    quote = await dues_store.quote(work.db, booking_id)
    if quote is not None:
        return quote.instalment_terms
    usual = Terms()
    return InstalmentTerms(remind_days=usual.remind_days, grace_hours=usual.grace_hours, missed=usual.missed)


async def _cancel(work: Work, booking: BookingRow) -> None:
    document = await booking_store.document(work.db, booking.id)
    assert document is not None
    ask = AskCancellation(booking_id=booking.id)
    was_firm = booking.status == "confirmed"
    verdict = await cancelling.judge(
        work.db, booking, document, ask, is_made_good=not was_firm, is_approved=not was_firm
    )
    await reducing.give_back(work, booking, verdict, REASON)
    await claims.release_bookings(work.db, [booking.id])
    await booking_store.cancel(work.db, [booking.id], REASON, "unpaid")
    work.tell(BookingCancelled(booking_id=booking.id))
