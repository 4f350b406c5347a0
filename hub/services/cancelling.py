"""What cancelling all or some of a booking gives back, by what was agreed with it; preview and commit both ask here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.errors import Invalid, NotFound
from hub.models.bookings import AskCancellation, Booking, BookingItem
from hub.models.cancellations import CancellationPreview, CancelledPart, PlannedRefund
from hub.models.quotes import CancellationTerms
from hub.services import curves, refunds
from hub.services.sharing import split
from storage import cancelling as store
from storage import dues, escrow, venues
from storage import refunds as refund_store
from storage.bookings import BookingRow
from storage.query import Db

WHOLE = 100


@dataclass(frozen=True, slots=True)
class Part:
    """How many of an item are given up, what they cost, and what was paid of that; minor units."""

    item: BookingItem
    quantity: int
    price: int
    paid: int
    percent: int
    terms: CancellationTerms

    @property
    def is_all(self) -> bool:
        """Tell whether nothing of the item is left."""
        return self.quantity == units(self.item)

    @property
    def gives_back(self) -> int:
        """Answer what is given back, rounded half up."""
        return (2 * self.paid * self.percent + WHOLE) // (2 * WHOLE)

    @property
    def kept(self) -> int:
        """Answer what is kept of what was paid."""
        return self.paid - self.gives_back


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is cancelled of a booking, and at whose expense how much is given back for it."""

    parts: list[Part]
    is_whole: bool
    # Paid beyond the price, by venue: given back whatever the curve says.
    surplus: dict[int, int]
    # Whether the guest is made whole, for it was never firm or is the venue's doing: the money goes where it came from.
    is_made_good: bool
    # Whoever wants it may decide about refunds, or it was never firm: nothing waits.
    is_approved: bool

    def shares(self, *, to_wallet: bool) -> dict[int, int]:
        """Answer what each venue gives back into the wallet, or to where it came from."""
        shares: dict[int, int] = defaultdict(int)
        if not to_wallet:
            shares.update(self.surplus)
        for part in self.parts:
            if self._goes_to_wallet(part) == to_wallet:
                shares[part.item.venue_id] += part.gives_back
        return {venue_id: amount for venue_id, amount in sorted(shares.items()) if amount}

    @property
    def kept(self) -> dict[int, int]:
        """Answer what each venue keeps."""
        kept: dict[int, int] = defaultdict(int)
        for part in self.parts:
            kept[part.item.venue_id] += part.kept
        return {venue_id: amount for venue_id, amount in sorted(kept.items()) if amount}

    @property
    def approval_above(self) -> int | None:
        """Answer above which amount refunds wait for approval; nothing that makes a guest whole does."""
        limits = [part.terms.refund_approval_above for part in self.parts]
        return None if self.is_approved else min((one for one in limits if one is not None), default=None)

    def less_after(self, at: datetime) -> datetime | None:
        """Answer from when on less would be given back than at this moment."""
        if self.is_made_good:
            return None
        steps = [step.before for part in self.parts for step in part.terms.steps if step.before > at and part.price]
        return min(steps, default=None)

    def _goes_to_wallet(self, part: Part) -> bool:
        return part.terms.refund_to == "wallet" and not self.is_made_good


async def judge(
    db: Db,
    booking: BookingRow,
    document: Booking,
    ask: AskCancellation,
    *,
    is_made_good: bool,
    is_approved: bool = False,
) -> Verdict:
    """Say what cancelling this of a booking gives back at this moment."""
    given_up = chosen(document, ask)
    terms = await terms_of(db, booking.id, document.items)
    paid = await paid_of(db, booking.id, document.items)
    parts = []
    for item, quantity in given_up:
        price = _price_of(item, quantity)
        of_paid = split(paid.of_items[item.id], [price, item.price - price])[0] if price else 0
        percent = WHOLE if is_made_good else curves.percent_at(terms[item.id], booking.at)
        parts.append(Part(item, quantity, price, of_paid, percent, terms[item.id]))
    left = {item.id for item in real(document.items)} - {part.item.id for part in parts if part.is_all}
    return Verdict(parts, not left, paid.surplus, is_made_good, is_approved)


def real(items: Iterable[BookingItem]) -> list[BookingItem]:
    """Leave out what is only kept of what was cancelled before."""
    return [item for item in items if item.kind != "fee"]


def units(item: BookingItem) -> int:
    """Answer how many of an item can be given up one by one: places, rooms, pieces, or guests in the one room."""
    return item.quantity if is_divisible(item) else item.guests


def is_divisible(item: BookingItem) -> bool:
    """Tell whether fewer of an item cost less; a room costs the same with fewer guests."""
    return item.kind in ("place", "addon") or item.quantity > 1


def _price_of(item: BookingItem, quantity: int) -> int:
    if quantity == units(item):
        return item.price
    return split(item.price, [quantity, units(item) - quantity])[0] if is_divisible(item) else 0


def chosen(document: Booking, ask: AskCancellation) -> list[tuple[BookingItem, int]]:
    """Say which items are given up, and how many of each; add-ons go with the last of what they are sold beside."""
    items = {item.id: item for item in real(document.items)}
    ids = list(items) if ask.item_ids is None else list(dict.fromkeys(ask.item_ids))
    if not items.keys() >= set(ids):
        raise NotFound("The booking has no such item.")
    if ask.guests is None:
        given_up = {item_id: units(items[item_id]) for item_id in ids}
    elif len(ids) != 1:
        raise Invalid.field("item_ids", "must name the one item of which fewer are wanted")
    elif ask.guests > units(items[ids[0]]):
        raise Invalid.field("guests", f"is more than the {units(items[ids[0]])} that are booked")
    else:
        given_up = {ids[0]: ask.guests}
    left = [item for item in items.values() if given_up.get(item.id, 0) < units(item)]
    still_used = {item.venue_id for item in left if item.kind != "addon"}
    for item in left:
        if item.kind == "addon" and item.venue_id not in still_used:
            given_up[item.id] = units(item)
    return [(item, given_up[item.id]) for item in items.values() if item.id in given_up]


async def terms_of(db: Db, booking_id: int, items: Sequence[BookingItem]) -> dict[int, CancellationTerms]:
    """Read how cancelling each item is dealt with: as agreed, or where nothing was as its venue does now."""
    quote = await dues.quote(db, booking_id)
    places = await store.positions(db, booking_id)
    agreed = {one.item: one for one in quote.cancellation} if quote else {}
    terms: dict[int, CancellationTerms] = {}
    for item in real(items):
        found = agreed.get(places[item.id] - 1)
        terms[item.id] = found or await _terms_now(db, item)
    return terms


async def _terms_now(db: Db, item: BookingItem) -> CancellationTerms:
    venue = await venues.find(db, item.venue_id)
    if venue is None:
        raise NotFound()
    return CancellationTerms(
        venue_id=venue.id,
        item=0,
        steps=curves.steps(venue, item.starts_at),
        refund_to=venue.terms.refund_to,
        refund_approval_above=venue.terms.refund_approval_above,
    )


@dataclass(frozen=True, slots=True)
class Paid:
    """What was paid for each item of a booking and is promised to nobody, and by venue what is beyond the price."""

    of_items: dict[int, int]
    surplus: dict[int, int]


async def paid_of(db: Db, booking_id: int, items: Sequence[BookingItem]) -> Paid:
    """Part what was paid at each venue over its items by their prices; fees were paid first."""
    left = await refunds.there(db, booking_id)
    prices = {share.venue_id: share.price for share in await escrow.shares(db, booking_id)}
    of_items: dict[int, int] = {}
    for venue_id, paid in left.items():
        at_venue = [item for item in items if item.venue_id == venue_id]
        fees = sum(item.price for item in at_venue if item.kind == "fee")
        own = real(at_venue)
        shares = split(max(min(paid, prices[venue_id]) - fees, 0), [item.price for item in own]) if own else []
        of_items |= {item.id: share for item, share in zip(own, shares, strict=True)}
    surplus = {venue_id: paid - prices[venue_id] for venue_id, paid in left.items() if paid > prices[venue_id]}
    return Paid({item.id: of_items.get(item.id, 0) for item in items}, surplus)


async def previewed(db: Db, booking: BookingRow, verdict: Verdict) -> CancellationPreview:
    """Show what a verdict comes to, refund by refund."""
    planned = [
        PlannedRefund(payment_id=one.payment_id, target=one.target, amount=one.amount)
        for one in await planned_refunds(db, booking.id, verdict)
    ]
    total = sum(one.amount for one in planned)
    limit = verdict.approval_above
    return CancellationPreview(
        booking_id=booking.id,
        currency=booking.currency,
        is_whole=verdict.is_whole,
        items=[_shown(part) for part in verdict.parts],
        surplus=sum(verdict.surplus.values()),
        gives_back=total,
        kept=sum(verdict.kept.values()),
        refunds=planned,
        needs_approval=bool(planned)
        and limit is not None
        and total + await refund_store.asked_for(db, booking.id) > limit,
        less_after=verdict.less_after(booking.at) if total else None,
    )


async def planned_refunds(db: Db, booking_id: int, verdict: Verdict) -> list[refunds.Planned]:
    """Say which refunds a verdict makes: into the wallet last, of what the others leave of the payments."""
    return await refunds.plan(db, booking_id, verdict.shares(to_wallet=False), verdict.shares(to_wallet=True))


def _shown(part: Part) -> CancelledPart:
    return CancelledPart(
        item_id=part.item.id,
        venue_id=part.item.venue_id,
        title=part.item.title,
        quantity=part.quantity,
        price=part.price,
        paid=part.paid,
        percent=part.percent,
        gives_back=part.gives_back,
        kept=part.kept,
    )
