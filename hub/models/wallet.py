"""Wallets and points: what a person has with the hub, how it came about, and its correction by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from hub.models.base import Ask, CurrencyCode, Id, Paging, Text, Thing
from hub.models.money import KnownCurrency
from hub.models.payments import Amount

AdjustmentState = Literal["pending", "made", "rejected"]
Reason = Annotated[Text, StringConstraints(min_length=3, max_length=500)]
Change = Annotated[
    int,
    Field(
        strict=True,
        ge=-1_000_000_000_000,
        le=1_000_000_000_000,
        description="Minor units; below zero takes away.",
    ),
]


class ReadWallet(Ask):
    """Whose wallet: one's own, or for whoever may read payments anybody's."""

    user_id: Id | None = None


class ListEntries(Paging):
    """Which entries of a wallet."""

    user_id: Id | None = None
    currency: CurrencyCode | None = None
    sort: Literal["newest", "oldest"] = "newest"


class Balance(Thing):
    """What a person's wallet holds in one currency."""

    user_id: int
    currency: CurrencyCode
    balance: int = Field(description="Minor units; below zero only after a payment that filled it was disputed.")
    frozen_at: datetime | None = Field(description="Since when nothing can be paid from it.")


class Wallet(Thing):
    """What a person has with the hub, one balance for each currency."""

    balances: list[Balance]


class WalletEntry(Thing):
    """A movement of a wallet."""

    id: int
    kind: str = Field(description="What it was: top_up, payment, refund_sent, adjustment, dispute, ...")
    amount: int = Field(description="Minor units; below zero went out.")
    currency: CurrencyCode
    balance: int = Field(description="What the wallet held after it, in minor units.")
    booking_id: int | None
    payment_id: int | None
    refund_id: int | None
    reason: str
    at: datetime


class TopUp(Ask):
    """Fill one's wallet."""

    gateway: Literal["stripe", "paypal", "bakong", "sandbox"]
    amount: Amount
    currency: KnownCurrency


class Adjust(Ask):
    """Correct somebody's wallet by hand."""

    user_id: Id
    amount: Change
    currency: KnownCurrency
    reason: Reason

    @field_validator("amount")
    @classmethod
    def _is_something(cls, amount: int) -> int:
        if amount == 0:
            raise ValueError("must not be zero")
        return amount


class DecideAdjustment(Ask):
    """Why an adjustment is approved or rejected."""

    adjustment_id: Id
    reason: Text = ""


class ListAdjustments(Paging):
    """Which adjustments."""

    user_id: Id | None = None
    status: AdjustmentState | None = None
    sort: Literal["newest", "oldest"] = "newest"


class Adjustment(Thing):
    """A correction of a wallet; a large one is made once somebody else has approved it."""

    id: int
    user_id: int
    amount: int = Field(description="Minor units; below zero takes away.")
    currency: CurrencyCode
    reason: str
    status: AdjustmentState
    asked_by: int
    decided_by: int | None = Field(description="None: it was small enough to be made at once.")
    decision: str | None = Field(description="What whoever decided it has said.")
    created_at: datetime
    decided_at: datetime | None


class Unfreeze(Ask):
    """Let a wallet be paid from again."""

    user_id: Id
    currency: KnownCurrency
    reason: Reason


class Points(Thing):
    """A person's loyalty points."""

    user_id: int
    points: int = Field(description="What can be used now.")
    earned: int
    used: int = Field(description="What bookings of theirs have used; back when one is cancelled or runs out.")


class Released(Thing):
    """Money of a booking that left escrow; all in minor units."""

    booking_id: int
    venue_id: int
    currency: CurrencyCode
    amount: int = Field(description="What left escrow: for the venue, the hub and the tax together.")
    venue: int = Field(description="What the venue gets.")
    fee: int = Field(description="What the hub keeps.")
    tax: int
