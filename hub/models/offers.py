"""Offers: what takes something off a price for whoever names its code."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from hub.models.base import Ask, CurrencyCode, Id, Line, Minor, Moment, Paging, Text, Thing
from hub.models.fields import Stays
from hub.models.money import KnownCurrency

# Letters, digits, hyphens and underscores of ASCII: two codes that look the same are the same.
Code = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9_-]{3,40}$"),
    Field(description="Capital and small letters are the same; no two offers have the same."),
]
Share = Annotated[int, Field(strict=True, ge=1, le=10_000, description="Off the price, in basis points: 1000 is 10 %.")]
Amount = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000_000, description="Off the price, in minor units.")]
Minimum = Annotated[Minor, Field(strict=True, description="The least that must be spent before it, in minor units.")]
Times = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]


class CreateOffer(Ask):
    """An offer of a venue, or of the whole hub where none is named."""

    venue_id: Id | None = None
    code: Code
    description: Text = ""
    basis_points: Share | None = None
    amount: Amount | None = None
    currency: KnownCurrency | None = Field(default=None, description="Of the amount and the minimum; a venue's is its.")
    minimum: Minimum = 0
    valid_from: Moment | None = None
    valid_until: Moment | None = Field(default=None, description="Until before this.")
    total_limit: Times | None = Field(default=None, description="How many bookings can use it.")
    per_person_limit: Times | None = Field(default=None, description="How many bookings of one person can use it.")
    is_public: bool = Field(default=True, description="Whether it is listed; else only who knows its code has it.")
    is_active: bool = True

    @model_validator(mode="after")
    def _takes_off_one_thing(self) -> CreateOffer:
        if (self.basis_points is None) == (self.amount is None):
            raise ValueError("name basis_points or an amount, not both")
        return self


class NameOffer(Ask):
    """One offer, by its id."""

    offer_id: Id


class ChangeOffer(NameOffer):
    """What changes about an offer; an amount takes the place of basis points, and the other way round."""

    code: Stays[Code] = None
    description: Stays[Text] = None
    basis_points: Stays[Share] = None
    amount: Stays[Amount] = None
    currency: KnownCurrency | None = None
    minimum: Stays[Minimum] = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    total_limit: Times | None = None
    per_person_limit: Times | None = None
    is_public: Stays[bool] = None
    is_active: Stays[bool] = None

    @model_validator(mode="after")
    def _takes_off_one_thing(self) -> ChangeOffer:
        if self.basis_points is not None and self.amount is not None:
            raise ValueError("name basis_points or an amount, not both")
        return self


class ListOffers(Paging):
    """Which offers: those that can be used now, and for those who run a venue all of its own."""

    venue_id: Id | None = Field(default=None, description="Of this venue; those of the whole hub are left out.")
    q: Line | None = Field(default=None, description="Part of the code or the description.")
    can_be_used: bool | None = Field(default=None, description="Active, begun and not over.")
    sort: Literal["code", "ends", "newest", "oldest"] = "code"


class Offer(Thing):
    """What takes something off a price for whoever names its code."""

    id: int
    venue_id: int | None = Field(description="None: it is the whole hub's.")
    code: str
    description: str
    basis_points: int | None = Field(description="Off the price, in basis points: 1000 is 10 %.")
    amount: int | None = Field(description="Off the price, in minor units.")
    currency: CurrencyCode | None = Field(description="Of the amount and the minimum; none: any.")
    minimum: int = Field(description="The least that must be spent before it, in minor units.")
    valid_from: datetime | None
    valid_until: datetime | None
    total_limit: int | None
    per_person_limit: int | None
    is_public: bool
    is_active: bool
    created_at: datetime
    updated_at: datetime


class ListedOffer(Offer):
    """An offer in a list."""

    uses: int | None = Field(description="How many live bookings use it; only who may see all of its venue's is told.")
