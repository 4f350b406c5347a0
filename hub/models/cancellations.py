"""Cancellations: what cancelling gives back, before and after it is done."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from hub.models.base import CurrencyCode, Thing
from hub.models.bookings import Booking
from hub.models.refunds import Refund


class CancelledPart(Thing):
    """What is cancelled of one item, and how that is dealt with; amounts in minor units."""

    item_id: int
    venue_id: int
    title: str
    quantity: int = Field(description="How many of it are given up: places, rooms, pieces, or guests in the one room.")
    price: int = Field(description="What they cost.")
    paid: int = Field(description="What was paid of that.")
    percent: int = Field(description="Which share of what was paid is given back now.")
    gives_back: int
    kept: int = Field(description="Paid, and not given back.")


class PlannedRefund(Thing):
    """A refund that cancelling makes."""

    payment_id: int
    target: Literal["original", "wallet", "cash"]
    amount: int


class CancellationPreview(Thing):
    """What cancelling gives back if it is done now; doing it gives back exactly that."""

    booking_id: int
    currency: CurrencyCode
    is_whole: bool = Field(description="Whether nothing of the booking is left.")
    items: list[CancelledPart]
    surplus: int = Field(description="Paid beyond the price, and given back in any case.")
    gives_back: int
    kept: int
    refunds: list[PlannedRefund]
    needs_approval: bool = Field(
        description="Whether the refunds wait until somebody who runs the venue has seen them."
    )
    less_after: datetime | None = Field(description="From when on less is given back; none: never less than now.")


class CancelledBooking(Booking):
    """A booking of which all or some was cancelled, with what is given back for that."""

    refunds: list[Refund]
