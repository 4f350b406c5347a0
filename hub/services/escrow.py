"""Escrow: what is paid for a booking waits here until the stay or session is over, then goes to whom it belongs."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from hub.core import THE_HUB, Hub
from hub.events.wallet import EscrowReleased
from hub.models.quotes import FrozenQuote
from hub.models.terms import Terms
from hub.models.wallet import Released
from hub.services import points
from hub.services.sharing import split
from hub.work import Work
from storage import bookings, dues, ledger, refunds
from storage import escrow as store
from storage.bookings import BookingRow
from storage.escrow import Due, Share
from storage.ledger import AccountKind, Entry
from storage.query import Db

AT_ONCE = 200
WHOLE = 10_000


class Parts(NamedTuple):
    """How released money is parted; minor units."""

    venue: int
    fee: int
    tax: int


async def take_in(
    work: Work,
    booking: BookingRow,
    source: Entry,
    *,
    payment_id: int,
    by: int | None = None,
) -> None:
    """Put what came in for a locked booking into escrow, each venue its share; `source`, below zero, is whose it was.

    The caller tells the booking, whose paid state has changed.
    """
    shares = await _unpromised(work.db, booking.id)
    entries = [source]
    for share, part in zip(shares, missing(shares, -source.amount), strict=True):
        if part:
            entries.append(Entry("escrow", part, venue_id=share.venue_id, booking_id=booking.id))
    await ledger.post(
        work.db, "payment", booking.currency, entries, booking_id=booking.id, payment_id=payment_id, by=by
    )


def missing(shares: list[Share], amount: int) -> list[int]:
    """Split an amount over the venues, so that together with what was paid before each has its part of the price."""
    prices = [max(share.price, 0) for share in shares]
    paid = [max(share.paid, 0) for share in shares]
    wanted = split(amount + sum(paid), prices)
    lacking = [max(want - have, 0) for want, have in zip(wanted, paid, strict=True)]
    return lacking if sum(lacking) == amount else split(amount, lacking if any(lacking) else prices)


async def level(work: Work, booking: BookingRow) -> None:
    """Move what a locked booking has in escrow between venues, after its items have moved between them.

    What a refund that waits for its approval promises stays at the venue at whose expense it will be.
    """
    shares = await _unpromised(work.db, booking.id)
    if len(shares) < 2:
        return
    lacking = [max(share.price - share.paid + share.escrow, 0) for share in shares]
    wanted = split(sum(share.escrow for share in shares), lacking)
    entries = [
        Entry("escrow", want - share.escrow, venue_id=share.venue_id, booking_id=booking.id)
        for share, want in zip(shares, wanted, strict=True)
        if want != share.escrow
    ]
    if entries:
        await ledger.post(work.db, "levelled", booking.currency, entries, booking_id=booking.id)


async def _unpromised(db: Db, booking_id: int) -> list[Share]:
    """Read where a booking's money stands, without what refunds that wait for their approval will take of it."""
    promised = await refunds.promised(db, booking_id)
    return [_without(share, promised.get(share.venue_id, 0)) for share in await store.shares(db, booking_id)]


def _without(share: Share, promised: int) -> Share:
    of_escrow = min(promised, max(share.escrow, 0))
    left = {"escrow": share.escrow - of_escrow, "venue": share.venue - (promised - of_escrow)}
    return share.model_copy(update=left)


async def due(hub: Hub) -> list[Due]:
    """List what is due to be released, the longest due first."""
    async with hub.reading() as db:
        return await store.due(db, None, Terms().release_hours, AT_ONCE)


async def release(hub: Hub, one: Due) -> bool:
    """Release what is due at one venue, once, whoever does it; tells whether there was anything."""
    async with hub.work(replace(THE_HUB, asked="releasing")) as work:
        booking = await bookings.lock(work.db, one.booking_id)
        # Judged again: somebody else may have released or moved it meanwhile.
        if booking is None or one not in await store.due(work.db, one.booking_id, Terms().release_hours, AT_ONCE):
            return False
        share = next(share for share in await store.shares(work.db, booking.id) if share.venue_id == one.venue_id)
        if share.escrow > 0:
            await _pay_out(hub, work, booking, share)
        await store.close(work.db, booking.id, one.venue_id)
        return share.escrow > 0


async def _pay_out(hub: Hub, work: Work, booking: BookingRow, share: Share) -> None:
    quote = await dues.quote(work.db, booking.id)
    parts = parted(share, quote, hub.settings.fee_basis_points)
    amounts: dict[AccountKind, int] = {
        "escrow": -share.escrow,
        "venue": parts.venue,
        "fees": parts.fee,
        "tax": parts.tax,
    }
    entries = [
        Entry(kind, amount, venue_id=share.venue_id, booking_id=booking.id)
        for kind, amount in amounts.items()
        if amount
    ]
    await ledger.post(work.db, "release", booking.currency, entries, booking_id=booking.id)
    released = Released(
        booking_id=booking.id,
        venue_id=share.venue_id,
        currency=booking.currency,
        amount=share.escrow,
        venue=parts.venue,
        fee=parts.fee,
        tax=parts.tax,
    )
    work.tell(EscrowReleased(thing=released))
    if booking.status in ("confirmed", "completed"):
        await points.earn(work, booking, share.venue_id, share.escrow)


def parted(share: Share, quote: FrozenQuote | None, fee_basis_points: int) -> Parts:
    """Part what a venue has in escrow: its share of the taxes as quoted, the hub's fee on the rest, the venue's."""
    lines = [line for line in quote.lines if line.venue_id == share.venue_id] if quote else []
    total = sum(line.amount for line in lines if not line.included)
    taxes = sum(line.amount for line in lines if line.kind == "tax")
    tax = share.escrow * taxes // total if total > 0 else 0
    fee = (share.escrow - tax) * fee_basis_points // WHOLE
    return Parts(share.escrow - tax - fee, fee, tax)
