"""What payment providers say, turned into state, ledger and booking: the one way in which money comes in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from hub.core import THE_HUB, Hub
from hub.errors import NotFound
from hub.events.bookings import BookingChanged, BookingConfirmed, BookingFact
from hub.events.payments import PaymentChanged
from hub.gateways.payments import Declined, Look, Order
from hub.models.payments import Payment, State
from hub.services import allowances, disputes, dues, escrow, refunds, saying, wallet
from hub.work import Work
from storage import access as ties
from storage import bookings as booking_store
from storage import claims, ledger, retaking
from storage import payments as store
from storage.bookings import BookingRow
from storage.claims import Claim
from storage.ledger import Entry
from storage.payments import PaymentRow

log = logging.getLogger("hub.payments")

BY_THE_HUB = replace(THE_HUB, asked="settling")
# A payment that nobody speaks of is asked about so soon: what a provider never told is known within a minute.
ASK_SECONDS = 40.0
# What was approved in the last moment is let through.
SECONDS_OVER = 30.0

# Those that can still be paid, though a guest may have come and gone. Who did not come owes nothing more.
PAYABLE = ("held", "pending", "confirmed", "completed")
CAME_TOO_LATE = "The payment came when the hold had run out, and the place was gone."
CAME_FOR_NOTHING = "The payment came when the booking was cancelled already."
CAME_TWICE = "This was paid already."
CAME_BACK = "The dispute is over and the money is back; book it by hand."


async def settle(hub: Hub, payment_id: int) -> Payment:
    """Ask the provider how a payment stands and act on it; however often that is done, its effect is one.

    Raises GatewayUnreachable when the provider does not say.
    """
    async with hub.reading() as db:
        payment = await store.find(db, payment_id)
    if payment is None:
        raise NotFound()
    if payment.gateway not in hub.gateways_of_money:
        # The wallet and cash are settled as they are paid; another may have been taken off the settings.
        return payment
    if payment.status == "starting":
        try:
            payment = await begin(hub, payment)
        except Declined:
            return await _seen(hub, payment_id)
    if payment.provider_id is None:
        # The provider has never taken it on.
        return await _seen(hub, payment_id)
    return await act(hub, payment_id, await _look(hub, payment))


async def begin(hub: Hub, payment: PaymentRow) -> PaymentRow:
    """Have the provider take a payment on; asked twice it is one. Raises Declined when the provider never will."""
    gateway = hub.gateways_of_money[payment.gateway]
    order = Order(
        payment.id,
        str(payment.outward_key),
        payment.amount,
        payment.currency,
        await _title(hub, payment),
        return_url(hub, payment),
        payment.created_at,
        payment.expires_at,
    )
    try:
        began = await gateway.begin(order)
    except Declined as declined:
        await act(hub, payment.id, Look("failed", payment.amount, payment.currency, declined.sentence))
        raise
    async with hub.work(BY_THE_HUB) as work:
        locked = await store.lock(work.db, payment.id)
        if locked.status == "starting":
            await store.began(work.db, locked.id, began.provider_id, began.data, began.expires_at, ASK_SECONDS)
            await tell(work, locked)
        return await store.lock(work.db, locked.id)


def return_url(hub: Hub, payment: Payment) -> str:
    """Answer where a payer comes back to from a provider's page."""
    page = "/account/wallet" if payment.booking_id is None else f"/checkout/{payment.booking_id}"
    return f"{hub.settings.public_url}{page}?payment={payment.id}"


async def cancel(hub: Hub, payment: PaymentRow) -> Payment:
    """Have the provider take no money for a payment any more; it may be that it already has."""
    if payment.status == "starting":
        try:
            payment = await begin(hub, payment)
        except Declined:
            return await _seen(hub, payment.id)
    if payment.provider_id is None:
        return await _seen(hub, payment.id)
    return await act(hub, payment.id, await _stop(hub, payment))


async def act(hub: Hub, payment_id: int, look: Look) -> Payment:
    """Turn what a provider says into state, ledger and booking: forward only, and each thing once."""
    async with hub.reading() as db:
        known = await store.find(db, payment_id)
        if known is None:
            raise NotFound()
        if look.state == "pending" and known.status == "pending":
            return known
        booking_id = known.booking_id
        again = [] if booking_id is None else await retaking.claims_of(db, booking_id, None)
    async with hub.work(BY_THE_HUB) as work:
        booking = None if booking_id is None else await _lock(work, booking_id, again)
        payment = await store.lock(work.db, payment_id)
        if payment.status == "completed":
            await _after(work, payment, booking, look)
        elif look.state == "completed":
            await _completed(work, payment, booking, again, look)
        elif look.state != "pending" and payment.status in ("starting", "pending"):
            status: State = "cancelled" if look.state == "cancelled" else "failed"
            said = look.failure or ("The provider does not know of it." if look.state == "gone" else None)
            await store.end(work.db, payment.id, status, said)
            await tell(work, payment)
            if booking is not None:
                await _forget_plan(work, booking)
        elif payment.status in ("failed", "cancelled"):
            # It has ended, and only what its provider tells brings it up again.
            await store.ask_no_more(work.db, payment.id)
        return await store.seen(work.db, payment.id)


async def receive(
    work: Work,
    payment: Payment,
    booking: BookingRow | None,
    again: Sequence[Claim] = (),
    *,
    source: Entry | None = None,
) -> None:
    """Book a locked payment that has come in, and bring its locked booking as far as it is paid.

    `again` is what a booking that ran out claims again, if it can still be had; `source` is the till of a desk.
    """
    await store.end(work.db, payment.id, "completed", None)
    if booking is None:
        await wallet.top_up(work, payment)
        await tell(work, payment)
        return
    if booking.status in PAYABLE or booking.status == "expired":
        if not await ledger.paid(work.db, booking.id):
            # Another may have been chosen for a payment that never came.
            await dues.choose(work.db, booking, payment.plan, payment.amount, or_another=True)
        booking = await booking_store.find(work.db, booking.id) or booking
    await _post(work, payment, booking, source)
    fact = await _carry_on(work, payment, booking, again)
    await tell(work, payment)
    work.tell(fact)


async def tell(work: Work, payment: Payment) -> None:
    """Tell a payment as it now is, to its payer and to the desks that it is for."""
    venue_ids = [] if payment.booking_id is None else await ties.venues_of_booking(work.db, payment.booking_id)
    work.tell(PaymentChanged(thing=await store.seen(work.db, payment.id), venue_ids=tuple(venue_ids)))


async def _post(work: Work, payment: Payment, booking: BookingRow, source: Entry | None) -> None:
    if payment.gateway == "wallet":
        await wallet.pay(work, booking, payment)
        return
    source = source or Entry("clearing", -payment.amount, gateway=payment.gateway)
    await escrow.take_in(work, booking, source, payment_id=payment.id, by=work.author.user_id)


async def _carry_on(work: Work, payment: Payment, booking: BookingRow, again: Sequence[Claim]) -> BookingFact:
    """Confirm what is paid, take a place again, or give back what came too late or twice."""
    standing = await dues.standing(work.db, booking)
    if booking.status == "expired" or booking.has_expired:
        if standing.is_begun and await _retake(work, booking, again):
            await booking_store.confirm(work.db, booking.id)
            await _give_back(work, payment, standing.paid - standing.price, CAME_TWICE)
            await store.ask_of_others(work.db, booking.id, payment.id)
            return BookingConfirmed(booking_id=booking.id)
        await _give_back(work, payment, min(payment.amount, standing.paid), CAME_TOO_LATE)
        return BookingChanged(booking_id=booking.id)
    if booking.status not in PAYABLE:
        await _give_back(work, payment, min(payment.amount, standing.paid), CAME_FOR_NOTHING)
        return BookingChanged(booking_id=booking.id)
    await _give_back(work, payment, standing.paid - standing.price, CAME_TWICE)
    if not standing.open:
        await store.ask_of_others(work.db, booking.id, payment.id)
    if booking.status in ("held", "pending") and standing.is_begun:
        await booking_store.confirm(work.db, booking.id)
        await claims.extend(work.db, booking.id, None)
        return BookingConfirmed(booking_id=booking.id)
    return BookingChanged(booking_id=booking.id)


async def _retake(work: Work, booking: BookingRow, again: Sequence[Claim]) -> bool:
    """Claim again, all or nothing, what a booking had until it ran out."""
    if not again or not await retaking.is_still_offered(work.db, booking.id):
        return False
    if not await allowances.can_be_taken_again(work, booking.id):
        return False
    await claims.release_bookings(work.db, [booking.id])
    return not await claims.acquire(work.db, again)


async def _give_back(work: Work, payment: Payment, amount: int, reason: str) -> None:
    if amount > 0:
        assert payment.booking_id is not None
        await refunds.give_back(work, payment.booking_id, min(amount, payment.amount), reason, payment_id=payment.id)


async def _completed(
    work: Work, payment: PaymentRow, booking: BookingRow | None, again: Sequence[Claim], look: Look
) -> None:
    if (look.amount, look.currency) != (payment.amount, payment.currency):
        # Money that nobody can tell what it is for: a person has to look, and nothing is confirmed by it.
        took, asked = saying.money(look.amount, look.currency), saying.money(payment.amount, payment.currency)
        said = f"The provider took {took} where {asked} was asked for."
        log.error("payment %s is held: %s", payment.id, said)
        await store.note(work.db, payment.id, said)
        await store.ask_no_more(work.db, payment.id)
        return
    await receive(work, payment, booking, again)
    if look.disputed:
        await _take_back(work, payment, booking)


async def _after(work: Work, payment: PaymentRow, booking: BookingRow | None, look: Look) -> None:
    """Act on what becomes of a payment after it has come in: it may be called back, or given back behind our back."""
    await store.ask_no_more(work.db, payment.id)
    if look.disputed and payment.disputed_at is None:
        await _take_back(work, payment, booking)
    elif payment.disputed_at is not None and not look.disputed:
        await _find(work, payment, CAME_BACK)
    elif look.refunded > await store.refunded(work.db, payment.id):
        given = saying.money(look.refunded, look.currency)
        await _find(work, payment, f"The provider has given back {given}, which is more than the hub has asked for.")


async def _find(work: Work, payment: PaymentRow, said: str) -> None:
    if payment.finding != said:
        log.error("payment %s has to be looked at: %s", payment.id, said)
        await store.note(work.db, payment.id, said)


async def _forget_plan(work: Work, booking: BookingRow) -> None:
    """Undo what the plan changed of a booking when nobody pays by it after all."""
    if booking.status not in PAYABLE or await store.is_any_open(work.db, booking.id):
        return
    if await dues.forget(work.db, booking):
        work.tell(BookingChanged(booking_id=booking.id))


async def _take_back(work: Work, payment: PaymentRow, booking: BookingRow | None) -> None:
    await disputes.take_back(work, payment, booking)
    await tell(work, payment)
    if booking is not None:
        work.tell(BookingChanged(booking_id=booking.id))


async def _lock(work: Work, booking_id: int, again: Sequence[Claim]) -> BookingRow:
    await allowances.lock_again(work, booking_id)
    booking = await booking_store.lock(work.db, booking_id, again)
    if booking is None:
        raise NotFound()
    return booking


async def _look(hub: Hub, payment: PaymentRow) -> Look:
    """Ask the provider: to take what was approved, to stop what nobody wants any more, or just how it stands."""
    gateway = hub.gateways_of_money[payment.gateway]
    assert payment.provider_id is not None
    if payment.status == "pending" and not await _is_wanted(hub, payment):
        return await _stop(hub, payment)
    if payment.status == "pending" and gateway.captures:
        return await gateway.capture(payment.provider_id, f"{payment.outward_key}:capture")
    return await gateway.look(payment.provider_id, payment.provider_data)


async def _stop(hub: Hub, payment: PaymentRow) -> Look:
    gateway = hub.gateways_of_money[payment.gateway]
    assert payment.provider_id is not None
    try:
        return await gateway.cancel(payment.provider_id)
    except Declined:
        # Not every provider lets go; then it ends by itself.
        return await gateway.look(payment.provider_id, payment.provider_data)


async def _is_wanted(hub: Hub, payment: PaymentRow) -> bool:
    """Tell whether a payment under way is still good for something."""
    if payment.expires_at is not None and (payment.at - payment.expires_at).total_seconds() > SECONDS_OVER:
        return False
    if payment.booking_id is None:
        return True
    async with hub.reading() as db:
        booking = await booking_store.find(db, payment.booking_id)
        if booking is None or await dues.paid(db, booking.id) >= booking.price:
            return False
        if booking.status == "expired" or booking.has_expired:
            # Who comes a moment too late is let through, if the place is still there.
            again = await retaking.claims_of(db, booking.id, None)
            return await retaking.is_still_offered(db, booking.id) and await retaking.is_free(db, again)
        return booking.status in PAYABLE


async def _title(hub: Hub, payment: PaymentRow) -> str:
    if payment.booking_id is None:
        return "Wallet"
    async with hub.reading() as db:
        return f"Booking {await store.title_of(db, payment.booking_id)}"


async def _seen(hub: Hub, payment_id: int) -> Payment:
    async with hub.reading() as db:
        return await store.seen(db, payment_id)
