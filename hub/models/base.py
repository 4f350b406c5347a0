"""What every model shares: strict input, and the kinds of field that recur."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Item = TypeVar("Item")


class Thing(BaseModel):
    """Something as the hub answers it; frozen."""

    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_serialization_defaults_required=True)


class Ask(BaseModel):
    """Something as it is asked of the hub; a field nobody knows is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Page(Thing, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    meta: PageMeta


class PageMeta(Thing):
    """Where a page stands in its list."""

    page: int
    per_page: int
    total_items: int
    total_pages: int


class Paging(Ask):
    """Which page of a list, and in what order."""

    page: int = Field(default=1, ge=1, le=100_000)
    per_page: int = Field(default=20, ge=1, le=100)

    @property
    def offset(self) -> int:
        """Count the items before this page."""
        return (self.page - 1) * self.per_page

    def of(self, items: list[Any], total: int) -> dict[str, Any]:
        """Wrap the items of this page, `total` being how many there are on all pages."""
        pages = -(-total // self.per_page)
        meta = {"page": self.page, "per_page": self.per_page, "total_items": total, "total_pages": pages}
        return {"items": items, "meta": meta}


def _printable(text: str) -> str:
    # PostgreSQL refuses NUL, and control characters forge log lines and labels.
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t":
            raise ValueError("must not contain control characters")
    return text


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise ValueError("must be one line")
    return _printable(text)


def _iso_text(value: object) -> object:
    # A bare number would be read as seconds since 1970; nobody means that.
    if isinstance(value, int | float):
        raise ValueError("must be an ISO 8601 text")
    return value


def _sensible_year(value: date) -> date:
    if not 1900 <= value.year <= 2200:
        raise ValueError("must lie between the years 1900 and 2200")
    return value


Id = Annotated[int, Field(ge=1, le=2**53)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_one_line)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_one_line)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000), AfterValidator(_printable)]
Minor = Annotated[
    int, Field(ge=0, le=1_000_000_000_000, description="Amount in minor units of the currency beside it.")
]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="ISO 4217 code.")]
Moment = Annotated[
    datetime,
    BeforeValidator(_iso_text),
    AfterValidator(_sensible_year),
    Field(description="RFC 3339 time; without an offset it is read in the venue's time zone."),
]
Day = Annotated[date, BeforeValidator(_iso_text), AfterValidator(_sensible_year), Field(description="Local date.")]
