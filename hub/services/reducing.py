"""Takes some of a booking back: what is given up is free, what is kept for it stays, the rest goes on as agreed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from hub.models.bookings import AskCancellation, Booking
from hub.models.quotes import CancellationTerms
from hub.models.refunds import Refund
from hub.services import cancelling, escrow, fees, quotes, refunds, shrinking
from hub.services.cancelling import Part, Verdict
from hub.services.sharing import split
from hub.work import Work
from storage import bookings as booking_store
from storage import cancelling as store
from storage import claims, dues
from storage import quotes as quote_store
from storage.bookings import BookingRow


async def reduce(work: Work, booking: BookingRow, verdict: Verdict) -> None:
    """Take what a verdict gives up out of a locked booking: its claims, its price, and what is agreed about it."""
    await work.touch_bookings(booking.id)
    await _agree_on_less(work, booking, verdict)
    gone = [part.item.id for part in verdict.parts if part.is_all]
    if gone:
        await claims.release_items(work.db, booking.id, gone)
        await booking_store.remove_items(work.db, booking.id, gone)
    for part in verdict.parts:
        if not part.is_all:
            await _reduce(work, booking, part)
    await quote_store.number_items(work.db, booking.id)
    await store.sum_up(work.db, booking.id)
    await fees.lay(work.db, booking.id)
    await fees.keep(work.db, booking.id, verdict.kept)


async def _agree_on_less(work: Work, booking: BookingRow, verdict: Verdict) -> None:
    quote = await dues.quote(work.db, booking.id)
    if quote is None:
        return
    places = await store.positions(work.db, booking.id)
    for part in verdict.parts:
        if not part.is_all and cancelling.is_divisible(part.item):
            left = part.item.quantity - part.quantity
            quote = shrinking.lessened(quote, places[part.item.id] - 1, part.quantity, left)
    quote = quotes.without(quote, [places[part.item.id] - 1 for part in verdict.parts if part.is_all])
    await store.agree(work.db, booking.id, await quotes.freeze(work, quote))


async def _reduce(work: Work, booking: BookingRow, part: Part) -> None:
    item, quantity, guests = part.item, part.item.quantity, part.item.guests
    if cancelling.is_divisible(item):
        quantity -= part.quantity
        if item.kind != "addon":
            await store.reduce_claims(work.db, booking.id, item.id, part.quantity)
            guests = max(split(guests, [part.quantity, quantity])[1], 1)
    else:
        guests -= part.quantity
    await store.reduce_item(work.db, item.id, quantity, guests, item.price - part.price)


async def give_back(work: Work, booking: BookingRow, verdict: Verdict, reason: str) -> list[Refund]:
    """Give back what a verdict says, exactly as its preview shows it."""
    planned = await cancelling.planned_refunds(work.db, booking.id, verdict)
    return await refunds.carry_out(work, booking.id, planned, reason, approval_above=verdict.approval_above)


@dataclass(frozen=True, slots=True)
class Worth:
    """What giving up the whole of a booking would have given back, of how much; minor units."""

    verdict: Verdict
    paid: int
    gives_back: int

    @property
    def percent(self) -> int:
        """Answer what share of its price cancelling would have given back, had all been paid."""
        price = sum(part.price for part in self.verdict.parts)
        worth = sum(part.price * part.percent for part in self.verdict.parts)
        return worth // price if price else cancelling.WHOLE

    def of(self, amount: int) -> int:
        """Answer what is given back of an amount that is paid too much once the booking costs less; rounded half up."""
        return (2 * amount * self.gives_back + self.paid) // (2 * self.paid) if self.paid else amount


async def worth(work: Work, booking: BookingRow, document: Booking, *, is_made_good: bool, is_approved: bool) -> Worth:
    """Judge a locked booking before it is moved, so that moving it gives back no more than cancelling it would."""
    everything = AskCancellation(booking_id=booking.id)
    verdict = await cancelling.judge(
        work.db, booking, document, everything, is_made_good=is_made_good, is_approved=is_approved
    )
    surplus = sum(verdict.surplus.values())
    return Worth(
        verdict,
        surplus + sum(part.paid for part in verdict.parts),
        surplus + sum(part.gives_back for part in verdict.parts),
    )


async def settle(work: Work, booking_id: int, before: Worth, reason: str) -> list[Refund]:
    """Settle the difference of a booking that was moved: more is due by its plan, or what is too much is given back."""
    await _replan(work, booking_id)
    await _agree_on_no_more(work, booking_id, before.percent)
    booking = await booking_store.find(work.db, booking_id)
    assert booking is not None
    await escrow.level(work, booking)
    left = await refunds.there(work.db, booking_id)
    beyond = sum(left.values()) - booking.price
    if beyond <= 0:
        return []
    prices = await store.prices(work.db, booking_id)
    too_much = [max(paid - prices.get(venue_id, 0), 0) for venue_id, paid in left.items()]
    gives = before.of(beyond)
    kept = dict(zip(left, split(beyond - gives, too_much), strict=True))
    await fees.keep(work.db, booking_id, kept)
    shares = dict(zip(left, split(gives, too_much), strict=True))
    to_wallet = bool(before.verdict.shares(to_wallet=True))
    planned = await refunds.plan(work.db, booking_id, {} if to_wallet else shares, shares if to_wallet else None)
    return await refunds.carry_out(work, booking_id, planned, reason, approval_above=before.verdict.approval_above)


async def _agree_on_no_more(work: Work, booking_id: int, percent: int) -> None:
    """Let cancelling a moved booking never give back a larger share than it would have before; time lost stays lost."""
    quote = await dues.quote(work.db, booking_id)
    if quote is None or percent == cancelling.WHOLE:
        return
    capped = [
        terms.model_copy(
            update={"steps": [step.model_copy(update={"percent": min(step.percent, percent)}) for step in terms.steps]}
        )
        for terms in quote.cancellation
    ]
    smaller = quote.model_copy(update={"cancellation": capped})
    await store.agree(work.db, booking_id, await quotes.freeze(work, smaller))


async def put_off(work: Work, booking_ids: Sequence[int], session_id: int, later: timedelta) -> None:
    """Let guests of a session that its venue puts off cancel as long before its new start as was agreed of the old."""
    for booking_id in booking_ids if later > timedelta(0) else ():
        quote = await dues.quote(work.db, booking_id)
        if quote is None:
            continue
        places = await store.places_in_session(work.db, booking_id, session_id)
        moved = [_put_off(terms, later) if terms.item + 1 in places else terms for terms in quote.cancellation]
        if moved != quote.cancellation:
            agreed = quote.model_copy(update={"cancellation": moved})
            await store.agree(work.db, booking_id, await quotes.freeze(work, agreed))


def _put_off(terms: CancellationTerms, later: timedelta) -> CancellationTerms:
    return terms.model_copy(
        update={"steps": [step.model_copy(update={"before": step.before + later}) for step in terms.steps]}
    )


async def give_back_surplus(work: Work, booking_id: int, reason: str) -> list[Refund]:
    """Give back what was paid for a locked hold beyond what it now costs."""
    price, _ = await store.price_and_fees(work.db, booking_id)
    beyond = sum((await refunds.there(work.db, booking_id)).values()) - price
    return await refunds.give_back(work, booking_id, beyond, reason) if beyond > 0 else []


async def _replan(work: Work, booking_id: int) -> None:
    """Let a moved booking be paid by the plan it had, if it is offered again; else one is chosen with what is open."""
    if await dues.plan(work.db, booking_id) is None:
        await store.forget_instalments(work.db, booking_id)
        return
    _, kept_before = await store.price_and_fees(work.db, booking_id)
    await fees.lay(work.db, booking_id, kept_before)
