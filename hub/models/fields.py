"""Kinds of field that the inventory shares: images, amenities, zones, opening hours, and what a change leaves alone."""

from __future__ import annotations

import re
from datetime import time
from functools import cache
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from hub.models.base import Ask, Line

Kept = TypeVar("Kept")

_URL = re.compile(r"(https?://[^\s/]|/[^/\s])\S*\Z")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")


def _not_null(value: Any) -> Any:
    if value is None:
        raise ValueError("must not be null; leave it out to keep it as it is")
    return value


# A field of a change: left out it stays as it is, but null is no value for it.
Stays = Annotated[Kept | SkipJsonSchema[None], BeforeValidator(_not_null)]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"Factory", "localtime"})


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("must be an IANA time zone, such as Europe/Lisbon")
    return name


def _address(text: str) -> str:
    if not _URL.match(text):
        raise ValueError("must be an http or https address, or a path on this site")
    return text


def _mailbox(text: str) -> str:
    if not _EMAIL.match(text):
        raise ValueError("must be an e-mail address")
    return text


def _listed(value: Any) -> Any:
    # In a query a list is a repeated parameter or one with commas.
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return [name for part in value for name in part.split(",") if name.strip()]
    return value


def _once(names: list[str]) -> list[str]:
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.lower(), name)
    return list(first.values())


def _clock(value: object) -> object:
    # A bare number would be read as seconds since midnight; nobody means that.
    if not isinstance(value, str | time):
        raise ValueError("must be a time of day such as 15:00")
    return value


def _zoneless(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("must be a time of day without an offset; it is local to the venue")
    return value


def _tenth(value: float) -> float:
    return round(value, 1)


def _hundredth(value: float) -> float:
    return round(value, 2)


def _number(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _windows_are_wide(windows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if any(opens == closes for opens, closes in windows):
        raise ValueError("a window must not be empty; 00:00 to 24:00 is the whole day")
    return windows


Zone = Annotated[str, AfterValidator(_known_zone), Field(description="IANA time zone.", max_length=64)]
WebAddress = Annotated[Line, StringConstraints(max_length=500), AfterValidator(_address)]
Mailbox = Annotated[Line, StringConstraints(max_length=254), AfterValidator(_mailbox)]
Amenity = Annotated[Line, StringConstraints(min_length=1, max_length=60)]
Amenities = Annotated[list[Amenity], Field(max_length=100), AfterValidator(_once)]
AmenityFilter = Annotated[
    list[Amenity], BeforeValidator(_listed), Field(max_length=20, description="All of these; repeated or with commas.")
]
TimeOfDay = Annotated[
    time, BeforeValidator(_clock), AfterValidator(_zoneless), Field(description="Local to the venue.")
]
Stars = Annotated[float, Field(ge=0, le=5), AfterValidator(_tenth)]
Percentage = Annotated[float, Field(ge=0, le=100), AfterValidator(_hundredth)]
SquareMetres = Annotated[float, Field(ge=0.01, le=100_000), AfterValidator(_hundredth)]
RoomNumber = Annotated[Line, BeforeValidator(_number), StringConstraints(min_length=1, max_length=40)]

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_Opens = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Closes = Annotated[str, StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
Windows = Annotated[list[tuple[_Opens, _Closes]], Field(max_length=12), AfterValidator(_windows_are_wide)]
OpeningHours = Annotated[
    dict[Weekday, Windows],
    Field(
        description="Windows of local time by weekday; one that ends before it starts crosses midnight. "
        "A day that is not named is closed; null is open around the clock.",
        examples=[{"mon": [["09:00", "18:00"]], "fri": [["18:00", "02:00"]]}],
    ),
]


class Image(Ask):
    """A picture; the first of a list is the cover."""

    url: WebAddress
    alt: Line = Field(default="", description="What the picture shows, for those who cannot see it.")


Images = Annotated[list[Image], Field(max_length=50)]
