"""Rates: what a room type costs on certain weekdays or in a season, instead of its usual price."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from hub.models.base import Ask, CurrencyCode, Day, Id, Line, Name, Paging, Price, Thing
from hub.models.fields import Stays, Weekday


def _once(days: list[Weekday]) -> list[Weekday]:
    if len(set(days)) != len(days):
        raise ValueError("name each weekday once")
    return days


Weekdays = Annotated[
    list[Weekday],
    Field(max_length=7, description="Local weekdays of the nights or hours; none named: every day."),
    AfterValidator(_once),
]
Share = Annotated[
    int, Field(strict=True, ge=0, le=1000, description="Percent of the usual price: 120 is a fifth dearer.")
]


class CreateRate(Ask):
    """A price of its own for some weekdays, a season, or the weekdays of a season."""

    room_type_id: Id
    name: Name
    starts_on: Day | None = Field(default=None, description="The first day; without it there is no first.")
    ends_on: Day | None = Field(default=None, description="The last day, which is part of it.")
    weekdays: Weekdays = Field(default_factory=list)
    price: Price | None = Field(default=None, description="Minor units a night or hour; or name a percent.")
    percent: Share | None = None

    @model_validator(mode="after")
    def _says_one_price(self) -> CreateRate:
        if (self.price is None) == (self.percent is None):
            raise ValueError("name a price or a percent, not both")
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            raise ValueError("ends_on must not be before starts_on")
        return self


class NameRate(Ask):
    """One rate, by its id."""

    rate_id: Id


class ChangeRate(NameRate):
    """What changes about a rate; a price takes the place of a percent, and the other way round."""

    name: Stays[Name] = None
    starts_on: Day | None = None
    ends_on: Day | None = None
    weekdays: Stays[Weekdays] = None
    price: Stays[Price] = None
    percent: Stays[Share] = None

    @model_validator(mode="after")
    def _says_one_price(self) -> ChangeRate:
        if self.price is not None and self.percent is not None:
            raise ValueError("name a price or a percent, not both")
        return self


class ListRates(Paging):
    """Which rates, and in what order."""

    venue_id: Id | None = None
    room_type_id: Id | None = None
    q: Line | None = Field(default=None, description="Part of the name.")
    on: Day | None = Field(default=None, description="Those in whose season this day is, on whatever weekday.")
    sort: Literal["starts_on", "name", "newest", "oldest"] = "starts_on"


class RoomRate(Thing):
    """A rate as its room type shows it."""

    id: int
    name: str
    starts_on: date | None
    ends_on: date | None
    weekdays: list[Weekday]
    price: int | None = Field(description="Minor units a night or hour.")
    percent: int | None = Field(description="Percent of the room type's usual price.")


class Rate(RoomRate):
    """What a room type costs on certain weekdays or in a season, instead of its usual price."""

    venue_id: int
    room_type_id: int
    currency: CurrencyCode
    created_at: datetime
    updated_at: datetime
