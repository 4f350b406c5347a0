"""What PayPal answers and tells, as far as the hub needs it."""

from __future__ import annotations

from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from hub.errors import GatewayUnreachable
from hub.gateways.paypal_client import Answer

_TAKEN = frozenset({"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"})


class Said(BaseModel):
    """Something that PayPal says; what the hub does not need of it is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """Read an answer; what cannot be read is no answer."""
        try:
            return cls.model_validate(answer)
        except ValidationError as error:
            raise GatewayUnreachable() from error


class Money(Said):
    """An amount, as a decimal text."""

    currency_code: str
    value: str


class Refund(Said):
    """Some of a capture on its way back."""

    id: str
    status: str
    amount: Money | None = None
    custom_id: str | None = None


class Related(Said):
    """Which other things a capture belongs to."""

    order_id: str | None = None


class Supplement(Said):
    """What else is known of a capture."""

    related_ids: Related = Related()


class Capture(Said):
    """Money that was taken, or tried to."""

    id: str
    status: str
    amount: Money
    supplementary_data: Supplement = Supplement()

    @property
    def is_taken(self) -> bool:
        """Tell whether the money came in, whatever went back since."""
        return self.status in _TAKEN


class Payments(Said):
    """What was taken and given back of an order."""

    captures: list[Capture] = []
    refunds: list[Refund] = []


class Payee(Said):
    """Who is paid."""

    merchant_id: str | None = None


class Unit(Said):
    """What is paid, to whom, and what came of it."""

    amount: Money
    payee: Payee = Payee()
    payments: Payments = Payments()


class Link(Said):
    """Where to go on."""

    rel: str
    href: str


class PayPalOrder(Said):
    """An order, which has one unit."""

    id: str
    status: str
    purchase_units: list[Unit] = Field(min_length=1, max_length=1)
    links: list[Link] = []
    update_time: str | None = None

    @property
    def unit(self) -> Unit:
        """What is paid."""
        return self.purchase_units[0]

    @property
    def capture(self) -> Capture | None:
        """What has been taken, or else what was tried last."""
        captures = self.unit.payments.captures
        return next((one for one in captures if one.is_taken), captures[-1] if captures else None)


class Outcome(Said):
    """How a dispute has ended."""

    outcome_code: str | None = None


class Dispute(Said):
    """Somebody calls money back."""

    dispute_id: str | None = None
    status: str
    dispute_life_cycle_stage: str | None = None
    # Lists leave it out.
    dispute_outcome: Outcome | None = None


class Disputes(Said):
    """Those of one capture."""

    items: list[Dispute] = []


class Disputed(Said):
    """Which capture a dispute is about."""

    seller_transaction_id: str | None = None


class Resource(Said):
    """What an event is about."""

    id: str | None = None
    supplementary_data: Supplement = Supplement()
    links: list[Link] = []
    disputed_transactions: list[Disputed] = []


class Event(Said):
    """What PayPal tells by itself."""

    id: str = Field(min_length=1, max_length=255)
    event_type: str = Field(max_length=255)
    create_time: AwareDatetime
    resource: Resource = Resource()
