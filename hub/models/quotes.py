"""Quotes: what a basket comes to, line by line, and what is agreed with it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from hub.models.base import Ask, CurrencyCode, Line, Thing
from hub.models.bookings import AskItem, Token
from hub.models.terms import Plan, RefundTarget

LineKind = Literal["stay", "slot", "place", "addon", "discount", "offer", "student", "points", "full", "tax"]


class AskQuote(Ask):
    """A basket to be priced; nothing is held."""

    items: list[AskItem] = Field(min_length=1, max_length=20)
    offer: Line | None = Field(default=None, description="The code of an offer.")
    points: int = Field(
        default=0, strict=True, ge=0, le=1_000_000_000, description="How many of one's loyalty points to use at most."
    )
    as_student: bool = Field(
        default=False, description="Use one of this year's student discounts; only when logged in."
    )


class QuoteLine(Thing):
    """One line of a quote; those that are not `included` add up to the total, and those of an item to its price."""

    kind: LineKind
    item: int = Field(description="The place of the item it is about, counted from 0.")
    venue_id: int
    title: str
    quantity: int = 1
    unit_amount: int = Field(description="Minor units for one.")
    amount: int = Field(description="Minor units; discounts are below zero.")
    included: bool = Field(default=False, description="Contained in other lines, such as a tax in prices; only shown.")


class Instalment(Thing):
    """A part of the price and when it is due."""

    due_at: datetime | None = Field(description="None: with the booking.")
    amount: int


class PlanOffer(Thing):
    """One way to pay; its instalments add up to its total."""

    plan: Plan
    total: int
    item_prices: list[int] = Field(description="What each item comes to under this plan, in the basket's order.")
    instalments: list[Instalment]
    bonus: list[str] = Field(default_factory=list, description="Services free with this plan.")


class RefundStep(Thing):
    """What share is paid back to whoever cancels before a moment."""

    before: datetime
    percent: int


class CancellationTerms(Thing):
    """How cancelling what is booked at one venue is dealt with; after the last step nothing is paid back."""

    venue_id: int
    item: int
    steps: list[RefundStep]
    refund_to: RefundTarget
    refund_approval_above: int | None = None


class InstalmentTerms(Thing):
    """How instalments are asked for, and what happens when one is missed."""

    remind_days: int
    grace_hours: int
    missed: Literal["tell", "cancel"]


class FrozenQuote(Thing):
    """What was agreed when a basket was held; it never changes, whatever rates and policies become.

    The item at place 0 is the booking's item at position 1; both are counted anew when items leave.
    """

    currency: CurrencyCode
    total: int = Field(description="Minor units; what is due where no plan takes something off.")
    lines: list[QuoteLine]
    plans: list[PlanOffer]
    cancellation: list[CancellationTerms] = Field(description="One for each item, in the basket's order.")
    instalment_terms: InstalmentTerms
    offer_id: int | None = None
    points: int = Field(default=0, description="Loyalty points that it uses.")
    as_student: bool = False

    @property
    def item_prices(self) -> list[int]:
        """Answer what each item comes to where no plan takes something off, in the basket's order."""
        prices = [0] * len(self.plans[0].item_prices)
        for line in self.lines:
            if not line.included:
                prices[line.item] += line.amount
        return prices

    def plan(self, name: Plan) -> PlanOffer | None:
        """Answer what is agreed for a plan; None where it was not offered."""
        return next((one for one in self.plans if one.plan == name), None)


class Quote(FrozenQuote):
    """A price that is good for a while: hold with its token before it expires."""

    token: Token
    expires_at: datetime
