"""Payments: begun, read, looked at and cancelled."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.base import Page
from hub.models.payments import (
    ListPayments,
    NamePayment,
    Payment,
    PaymentMethods,
    ResolvePayment,
    StartedPayment,
    StartPayment,
)
from hub.services import payments

# What money that comes in, comes too late or comes twice may cause.
CAUSES = (
    "payment.changed",
    "refund.changed",
    "wallet.changed",
    "booking.confirmed",
    "booking.changed",
    "availability.changed",
)


@endpoint("payments.methods", "GET /payment-methods", may=EVERYBODY)
async def methods(call: Call) -> PaymentMethods:
    """List the ways to pay here."""
    return PaymentMethods(items=payments.methods(call.hub))


@endpoint(
    "payments.start",
    "POST /payments",
    status=201,
    repeatable=True,
    tells=(*CAUSES, "booking.held", "booking.pending"),
    in_person=True,
)
async def start(call: Call, ask: StartPayment) -> StartedPayment:
    """Begin to pay for a booking or hold, which is kept for you meanwhile; from the wallet it is paid at once."""
    return await payments.start(call.hub, call.actor, ask)


@endpoint("payments.list", "GET /payments")
async def listed(call: Call, ask: ListPayments) -> Page[Payment]:
    """List your own payments, or with a venue_id those for that venue's bookings, for its staff."""
    return await payments.listed(call.hub, call.actor, ask)


@endpoint("payments.read", "GET /payments/{payment_id}")
async def read(call: Call, ask: NamePayment) -> StartedPayment:
    """Read a payment; its payer also gets what is needed to go on with it."""
    return await payments.read(call.hub, call.actor, ask)


@endpoint("payments.check", "POST /payments/{payment_id}/check", tells=CAUSES, in_person=True)
async def check(call: Call, ask: NamePayment) -> StartedPayment:
    """Ask the provider now how a payment stands, and take what its payer has approved."""
    return await payments.check(call.hub, call.actor, ask)


@endpoint("payments.cancel", "POST /payments/{payment_id}/cancel", repeatable=True, tells=CAUSES, in_person=True)
async def cancel(call: Call, ask: NamePayment) -> StartedPayment:
    """Have the provider take no money for a payment any more; it may be that it already has."""
    return await payments.cancel(call.hub, call.actor, ask)


@endpoint(
    "payments.resolve",
    "POST /payments/{payment_id}/resolve",
    may="payment:update",
    repeatable=True,
    tells=("payment.changed",),
    in_person=True,
)
async def resolve(call: Call, ask: ResolvePayment) -> StartedPayment:
    """Note that you have settled by hand what a provider said that cannot be right; what is still open ends."""
    return await payments.resolve(call.hub, call.actor, ask)
