"""Add-ons: what a venue sells beside its rooms and places."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from hub.models.base import Ask, CurrencyCode, Id, Line, Name, Paging, Price, Text, Thing
from hub.models.fields import Stays

PricePer = Literal["booking", "guest", "night", "hour"]
Stock = Annotated[
    int,
    Field(strict=True, ge=0, le=1_000_000, description="How many can be in use at once; null: as many as wanted."),
]


class CreateAddon(Ask):
    """Something sold beside a room or a place, such as a breakfast."""

    venue_id: Id
    name: Name
    description: Text = ""
    price: Price = 0
    price_per: PricePer = "booking"
    stock: Stock | None = None
    is_active: bool = True


class NameAddon(Ask):
    """One add-on, by its id."""

    addon_id: Id


class ChangeAddon(NameAddon):
    """What changes about an add-on; what is left out stays as it is."""

    name: Stays[Name] = None
    description: Stays[Text] = None
    price: Stays[Price] = None
    price_per: Stays[PricePer] = None
    stock: Stock | None = None
    is_active: Stays[bool] = None


class ListAddons(Paging):
    """Which add-ons, and in what order."""

    venue_id: Id | None = None
    q: Line | None = Field(default=None, description="Part of the name or the description.")
    price_per: PricePer | None = None
    is_active: bool | None = None
    sort: Literal["name", "price", "-price", "newest", "oldest"] = "name"


class Addon(Thing):
    """Something a venue sells beside its rooms and places."""

    id: int
    venue_id: int
    name: str
    description: str
    price: int = Field(description="Minor units.")
    price_per: PricePer
    currency: CurrencyCode
    stock: int | None = Field(description="How many can be in use at once; null: as many as wanted.")
    is_active: bool
    created_at: datetime
    updated_at: datetime
