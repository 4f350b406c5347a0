"""A booking's folio: what was agreed, what is due when, and what has come in and gone back."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from hub.models.base import Ask, Id, Thing
from hub.models.bookings import Booking, NameBooking
from hub.models.payments import Amount, Payment
from hub.models.quotes import FrozenQuote
from hub.models.refunds import Refund
from hub.models.terms import Plan


class RecordCash(NameBooking):
    """What was paid in cash at a desk."""

    amount: Amount
    plan: Plan | None = Field(default=None, description="Which plan, with the first payment; full if not named.")
    venue_id: Id | None = Field(
        default=None, description="At whose desk; may be left out where the booking is of one venue."
    )


class FolioInstalment(Thing):
    """A part of the price, when it is due, and how far it is paid."""

    due_at: datetime
    amount: int
    paid: int = Field(description="How much of it is paid; the earliest is paid first.")
    state: Literal["paid", "due", "coming", "missed"]


class Movement(Thing):
    """Money that came in for a booking (above zero) or went back."""

    at: datetime
    kind: str = Field(description="What happened: payment, refund, dispute and so on.")
    amount: int = Field(description="Minor units.")
    payment_id: int | None
    refund_id: int | None
    reason: str


class Folio(Thing):
    """All about the money of one booking; a desk sees what is its venue's."""

    booking: Booking
    quote: FrozenQuote | None = Field(description="What was agreed when it was held; none for one from elsewhere.")
    plan: Plan | None
    paid: int = Field(description="Minor units, paid and not given back.")
    due: int = Field(description="What is to be paid by now.")
    next: int = Field(description="What to pay next: what is due, else the next instalment.")
    open: int = Field(description="What is still to be paid, now or later.")
    instalments: list[FolioInstalment]
    payments: list[Payment]
    refunds: list[Refund]
    movements: list[Movement]


class AskOperations(Ask):
    """Of which venue; admins may leave it out."""

    venue_id: Id | None = None


class StuckPayment(Payment):
    """A payment that somebody has to look at, and why."""

    finding: str


class UnknownEvent(Thing):
    """Something a provider has told about a payment that the hub does not know."""

    gateway: str
    event_id: str
    kind: str
    received_at: datetime


class Operations(Thing):
    """What of money waits for somebody; at most a hundred of each, the oldest first."""

    payments: list[StuckPayment] = Field(description="Payments whose providers say what cannot be right, or nothing.")
    to_approve: list[Refund] = Field(description="Refunds that wait for approval.")
    failed: list[Refund] = Field(description="Refunds that a provider would not carry out.")
    unknown_events: list[UnknownEvent] = Field(description="Of all the hub; for admins only.")
