"""Payments: money on its way in, for a booking or into a wallet."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from hub.models.base import Ask, CurrencyCode, Id, Line, Paging, Thing
from hub.models.terms import Plan

# Those that a payer may choose; the cash of a desk is recorded by its staff.
GatewayName = Literal["stripe", "paypal", "bakong", "sandbox", "wallet", "cash"]
State = Literal["starting", "pending", "failed", "cancelled", "completed"]
Amount = Annotated[int, Field(strict=True, gt=0, le=1_000_000_000_000, description="Minor units.")]


class StartPayment(Ask):
    """Pay for a booking or hold."""

    booking_id: Id
    gateway: Literal["stripe", "paypal", "bakong", "sandbox", "wallet"]
    plan: Plan | None = Field(default=None, description="Which plan, with the first payment; full if not named.")
    amount: Amount | None = Field(
        default=None, description="Less than what is due now, or more; what is due if not named."
    )


class NamePayment(Ask):
    """One payment, by its id."""

    payment_id: Id


class ResolvePayment(NamePayment):
    """How somebody has settled by hand what a provider said that cannot be right."""

    reason: Line = Field(min_length=1)


class ListPayments(Paging):
    """Which payments: one's own, or a venue's for its staff."""

    venue_id: Id | None = None
    booking_id: Id | None = None
    user_id: Id | None = None
    gateway: GatewayName | None = None
    status: State | None = None
    sort: Literal["newest", "oldest"] = "newest"


class Payment(Thing):
    """Money on its way in; nothing of a card is ever in it."""

    id: int
    user_id: int
    booking_id: int | None = Field(description="None: it tops up the wallet.")
    gateway: GatewayName
    amount: int = Field(description="Minor units.")
    currency: CurrencyCode
    plan: Plan | None
    status: State
    failure: str | None = Field(description="Why it failed, in a sentence.")
    expires_at: datetime | None = Field(description="After this the provider takes no money for it.")
    disputed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class PayAt(Thing):
    """What the payer's page needs to go on; only the payer gets it."""

    redirect_url: str | None = Field(default=None, description="Where to approve the payment.")
    client_secret: str | None = Field(default=None, description="For the provider's own form.")
    publishable_key: str | None = None
    qr: str | None = Field(default=None, description="A KHQR string, to be scanned by a banking app.")
    qr_svg: str | None = Field(default=None, description="The same drawn as a QR code, an SVG document.")


class StartedPayment(Payment):
    """A payment that has begun, with what the payer's page needs."""

    pay_at: PayAt


class PaymentMethod(Thing):
    """A way to pay here."""

    gateway: GatewayName
    name: str
    currencies: list[CurrencyCode] | None = Field(description="None: any.")


class PaymentMethods(Thing):
    """The ways to pay here, in the order in which they are offered."""

    items: list[PaymentMethod]
