"""Refunds: money on its way back, and what cancelling would pay back."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from hub.models.base import Ask, CurrencyCode, Id, Paging, Text, Thing

RefundState = Literal["pending", "approved", "processing", "completed", "rejected", "failed"]


class NameRefund(Ask):
    """One refund, by its id."""

    refund_id: Id


class DecideRefund(NameRefund):
    """Why a refund is approved or rejected."""

    reason: Text = ""


class RetryRefund(NameRefund):
    """Try a refund again; one that its provider has refused for good can go another way."""

    target: Literal["original", "wallet", "cash"] | None = Field(
        default=None, description="Where it goes now; as before if not named."
    )


class ListRefunds(Paging):
    """Which refunds: one's own, or a venue's for its staff."""

    venue_id: Id | None = None
    booking_id: Id | None = None
    user_id: Id | None = None
    status: RefundState | None = None
    sort: Literal["newest", "oldest"] = "newest"


class Refund(Thing):
    """Money on its way back to a guest."""

    id: int
    booking_id: int
    payment_id: int | None = Field(description="The payment that it gives back, or a part of it.")
    user_id: int
    target: Literal["original", "wallet", "cash"] = Field(
        description="Where it goes: back where the payment came from, into the wallet, or over the desk in cash."
    )
    amount: int = Field(description="Minor units.")
    currency: CurrencyCode
    status: RefundState
    reason: str
    decision: str | None = Field(description="What whoever decided it has said.")
    decided_at: datetime | None
    failure: str | None = Field(description="Why the provider has not carried it out, in a sentence.")
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
