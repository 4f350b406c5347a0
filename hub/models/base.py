"""What every model shares: strict input, and the kinds of field that recur."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

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


def _moment_of_text(value: object) -> object:
    return _of_text(_MOMENTS, value, "must be a date and time like 2026-11-20T10:00:00Z")


def _day_of_text(value: object) -> object:
    return _of_text(_DAYS, value, "must be a date like 2026-11-20")


def _of_text(kind: TypeAdapter[Any], value: object, message: str) -> object:
    # Read here, for strict reading takes a text for a time only where no validator has seen it before.
    if isinstance(value, date):
        return value
    # A bare number would be read as seconds since 1970; nobody means that.
    if not isinstance(value, str) or not _ISO_BEGINS.match(value):
        raise ValueError(message)
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise ValueError(message) from error


def _sensible_year(value: date) -> date:
    if not 1900 <= value.year <= 2200:
        raise ValueError("must lie between the years 1900 and 2200")
    return value


_ISO_BEGINS = re.compile(r"\s*[0-9]{4}-")
_MOMENTS: TypeAdapter[datetime] = TypeAdapter(datetime)
_DAYS: TypeAdapter[date] = TypeAdapter(date)

Id = Annotated[int, Field(ge=1, le=2**53)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_one_line)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_one_line)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000), AfterValidator(_printable)]
Minor = Annotated[
    int, Field(ge=0, le=1_000_000_000_000, description="Amount in minor units of the currency beside it.")
]
# What somebody asks for something: never a float, nor a text that looks like a number.
Price = Annotated[Minor, Field(strict=True)]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="ISO 4217 code.")]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment_of_text),
    AfterValidator(_sensible_year),
    Field(description="RFC 3339 time; without an offset it is read in the venue's time zone."),
]
Day = Annotated[date, BeforeValidator(_day_of_text), AfterValidator(_sensible_year), Field(description="Local date.")]
