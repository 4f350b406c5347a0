"""Payments: begun, read, looked at and cancelled; the provider is only ever asked outside a transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from hub.core import Actor, Hub
from hub.errors import Conflict, Forbidden, HoldExpired, KeyReused, NotFound, PaymentRefused, WrongState
from hub.events.bookings import BookingChanged, BookingHeld, BookingPending
from hub.gateways.payments import Declined
from hub.models.base import Page
from hub.models.payments import (
    GatewayName,
    ListPayments,
    NamePayment,
    PayAt,
    Payment,
    PaymentMethod,
    ResolvePayment,
    StartedPayment,
    StartPayment,
)
from hub.models.terms import Plan
from hub.services import access, dues, placing, qr, settling
from hub.work import Work
from storage import access as ties
from storage import bookings as booking_store
from storage import claims
from storage import dues as agreed
from storage import payments as store
from storage.bookings import BookingRow
from storage.payments import PaymentRow
from storage.query import Db

# So many of one way are more than anybody tries who means to pay; of another one can still begin.
MOST_UNDER_WAY = 10


class TooManyUnderWay(Conflict):
    """Several such payments for this booking are under way; finish or cancel one of them, or pay another way."""

    code = "too_many_payments"


async def start(hub: Hub, actor: Actor, ask: StartPayment) -> StartedPayment:
    """Begin to pay for a booking, which is kept for the payer meanwhile; from the wallet it is paid at once.

    Refuses with NothingDue, HoldExpired or PaymentRefused; raises GatewayUnreachable when the provider says nothing.
    """
    access.in_person(actor)
    gateway = None if ask.gateway == "wallet" else hub.gateways_of_money[ask.gateway]
    async with hub.work(actor) as work:
        booking = await _payable(work, actor, ask.booking_id)
        if gateway is None and booking.user_id != actor.user_id:
            raise PaymentRefused("Only its owner pays from a wallet.")
        if gateway is not None and gateway.currencies is not None and booking.currency not in gateway.currencies:
            raise PaymentRefused(f"{gateway.title} takes no {booking.currency}; pay another way.")
        known = await _known(work, actor, ask.gateway, booking.currency, ask.amount, booking.id, ask.plan)
        if known is None:
            if await store.count_open(work.db, booking.id, ask.gateway) >= MOST_UNDER_WAY:
                raise TooManyUnderWay()
            before = await agreed.plan(work.db, booking.id)
            plan = await dues.choose(work.db, booking, ask.plan, ask.amount)
            booking = await booking_store.find(work.db, booking.id) or booking
            amount = dues.amount_of(await dues.standing(work.db, booking), ask.amount)
            ends_at = booking.at + timedelta(seconds=hub.settings.pay_seconds)
            if gateway is not None and booking.hold_ends_at is not None and booking.expires_at is not None:
                ends_at = min(ends_at, booking.hold_ends_at)
                await _keep_place(work, booking, ends_at)
            if gateway is not None and plan != before:
                # The plan is part of the booking, and so are its prices.
                work.tell(BookingChanged(booking_id=booking.id))
            known = await store.create(
                work.db,
                booking.user_id,
                booking.id,
                ask.gateway,
                amount,
                booking.currency,
                plan,
                _key(actor),
                actor.user_id,
                ends_at,
                None if gateway is None else settling.ASK_SECONDS,
            )
            if gateway is None:
                await settling.receive(work, known, booking)
                return work.answer(_shown(await store.lock(work.db, known.id), actor), 201)
            await settling.tell(work, known)
    return await _begun(hub, actor, known)


async def start_top_up(hub: Hub, actor: Actor, gateway_name: GatewayName, amount: int, currency: str) -> StartedPayment:
    """Begin to fill one's wallet through a provider; it is credited when the money has come in."""
    access.in_person(actor)
    user_id = access.signed_in(actor)
    gateway = hub.gateways_of_money[gateway_name]
    if gateway.currencies is not None and currency not in gateway.currencies:
        raise PaymentRefused(f"{gateway.title} takes no {currency}; pay another way.")
    async with hub.work(actor) as work:
        known = await _known(work, actor, gateway_name, currency, amount)
        if known is None:
            known = await store.create(
                work.db,
                user_id,
                None,
                gateway_name,
                amount,
                currency,
                None,
                _key(actor),
                user_id,
                hub.clock.now() + timedelta(seconds=hub.settings.pay_seconds),
                settling.ASK_SECONDS,
            )
            await settling.tell(work, known)
    return await _begun(hub, actor, known)


async def read(hub: Hub, actor: Actor, ask: NamePayment) -> StartedPayment:
    """Read a payment; only its payer also gets what is needed to go on with it."""
    async with hub.reading() as db:
        return _shown(await _found(db, actor, ask.payment_id), actor)


async def listed(hub: Hub, actor: Actor, ask: ListPayments) -> Page[Payment]:
    """List one's own payments; with a venue, its staff get those for its bookings."""
    own: int | None = access.signed_in(actor)
    venue_ids = None
    async with hub.reading() as db:
        if ask.venue_id is not None:
            await access.desk(db, actor, ask.venue_id)
            own, venue_ids = ask.user_id, [ask.venue_id]
        elif actor.may("payment:read"):
            own = ask.user_id
        elif ask.user_id not in (None, own):
            raise NotFound()
        found, total = await store.listed(db, ask, own, venue_ids)
    return Page[Payment].model_validate(ask.of(found, total))


async def check(hub: Hub, actor: Actor, ask: NamePayment) -> StartedPayment:
    """Ask the provider now how a payment stands, and take what its payer has approved."""
    async with hub.reading() as db:
        found = await _found(db, actor, ask.payment_id)
    # Of what has come in, providers tell by themselves what becomes of it.
    if found.status != "completed" or found.finding is not None:
        await settling.settle(hub, found.id)
    return await read(hub, actor, ask)


async def cancel(hub: Hub, actor: Actor, ask: NamePayment) -> StartedPayment:
    """Have the provider take no money for a payment any more; it may be that it already has."""
    access.in_person(actor)
    await placing.refuse_repeated(hub, actor)
    async with hub.reading() as db:
        found = await _found(db, actor, ask.payment_id)
        if not await _may_stop(db, actor, found):
            raise Forbidden("Only its payer and the venue's staff can stop a payment.")
    if found.status == "completed":
        raise WrongState("This payment has come in; cancel the booking to get it back.")
    if found.status in ("starting", "pending"):
        await settling.cancel(hub, found)
    async with hub.work(actor) as work:
        return work.answer(_shown(await store.lock(work.db, found.id), actor))


async def resolve(hub: Hub, actor: Actor, ask: ResolvePayment) -> StartedPayment:
    """Note that somebody has settled by hand what a provider said that cannot be right; what is still open ends."""
    access.in_person(actor)
    access.needs(actor, "payment:update")
    async with hub.work(actor) as work:
        found = await store.find(work.db, ask.payment_id)
        if found is None:
            raise NotFound()
        payment = await store.lock(work.db, found.id)
        if payment.finding is None:
            raise WrongState("There is nothing about this payment that somebody has to look at.")
        await store.note(work.db, payment.id, None)
        if payment.status in ("starting", "pending"):
            await store.end(work.db, payment.id, "failed", ask.reason)
        await settling.tell(work, payment)
        return work.answer(_shown(await store.lock(work.db, payment.id), actor))


def methods(hub: Hub) -> list[PaymentMethod]:
    """List the ways to pay here."""
    return [
        *(
            PaymentMethod.model_validate(
                {"gateway": gateway.name, "name": gateway.title, "currencies": _sorted(gateway.currencies)}
            )
            for gateway in hub.gateways_of_money
        ),
        PaymentMethod(gateway="wallet", name="Wallet", currencies=None),
    ]


def _sorted(currencies: frozenset[str] | None) -> list[str] | None:
    return None if currencies is None else sorted(currencies)


async def _payable(work: Work, actor: Actor, booking_id: int) -> BookingRow:
    """Lock a booking that can be paid."""
    booking = await access.booking(work.db, actor, booking_id)
    if booking.has_expired or booking.status == "expired":
        raise HoldExpired()
    if booking.status not in settling.PAYABLE:
        raise WrongState(f"This booking is {booking.status.replace('_', '-')}.")
    return booking


async def _keep_place(work: Work, booking: BookingRow, until: datetime) -> None:
    """Keep what is held while its payment is under way, up to the hold's cap."""
    assert booking.expires_at is not None
    assert booking.status in ("held", "pending")
    if until <= booking.expires_at:
        return
    await booking_store.wait_until(work.db, booking.id, booking.status, until)
    await claims.extend(work.db, booking.id, until)
    fact = BookingHeld if booking.status == "held" else BookingPending
    work.tell(fact(booking_id=booking.id))


def _key(actor: Actor) -> UUID:
    """Draw the key by which the provider knows a payment: the same for the same request with an Idempotency-Key."""
    if actor.repeat is None:
        return uuid4()
    return uuid5(NAMESPACE_URL, f"payment:{actor.repeat.user_id}:{actor.repeat.route}:{actor.repeat.key}")


async def _known(
    work: Work,
    actor: Actor,
    gateway: GatewayName,
    currency: str,
    amount: int | None,
    booking_id: int | None = None,
    plan: Plan | None = None,
) -> PaymentRow | None:
    """Find the payment that this very request has begun before, though nobody got to answer it."""
    if actor.repeat is None:
        return None
    known = await store.by_key(work.db, _key(actor))
    if known is not None and (
        (known.gateway, known.booking_id, known.currency) != (gateway, booking_id, currency)
        or amount not in (None, known.amount)
        or plan not in (None, known.plan)
    ):
        raise KeyReused()
    return known


async def _begun(hub: Hub, actor: Actor, payment: PaymentRow) -> StartedPayment:
    if payment.status == "starting":
        try:
            payment = await settling.begin(hub, payment)
        except Declined as declined:
            raise PaymentRefused(declined.sentence) from declined
    if payment.status == "failed" and payment.provider_id is None:
        # Declined when this was asked before.
        raise PaymentRefused(payment.failure)
    async with hub.work(actor) as work:
        return work.answer(_shown(await store.lock(work.db, payment.id), actor), 201)


async def _found(db: Db, actor: Actor, payment_id: int) -> PaymentRow:
    """Load a payment of one's own, or for a booking at a venue where one works."""
    payment = await store.find(db, payment_id)
    if payment is None:
        raise NotFound()
    if actor.is_hub or actor.may("payment:read") or (actor.user_id is not None and actor.user_id == payment.user_id):
        return payment
    if payment.booking_id is not None:
        venue_ids = await ties.venues_of_booking(db, payment.booking_id)
        if await access.works_at_any(db, actor, venue_ids):
            return payment
    raise NotFound()


async def _may_stop(db: Db, actor: Actor, payment: PaymentRow) -> bool:
    if actor.user_id in (payment.user_id, payment.started_by) or actor.may("payment:update"):
        return True
    if payment.booking_id is None:
        return False
    return await access.serves_at_all(db, actor, await ties.venues_of_booking(db, payment.booking_id))


def _pay_at(data: dict[str, Any]) -> PayAt:
    code = data.get("qr")
    return PayAt.model_validate(data | ({} if code is None else {"qr_svg": qr.draw(code)}))


def _shown(payment: PaymentRow, actor: Actor) -> StartedPayment:
    is_theirs = actor.user_id is not None and actor.user_id in (payment.user_id, payment.started_by)
    goes_on = payment.status in ("starting", "pending") and is_theirs
    pay_at = _pay_at(payment.provider_data) if goes_on else PayAt()
    return StartedPayment.model_validate(payment.model_dump() | {"pay_at": pay_at})
