"""The search of Find: what is looked for, and what was found with what is free of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field, model_validator

from hub.models.base import CurrencyCode, Day, Line, Page, PageMeta, Paging, Thing
from hub.models.sessions import SessionKind
from hub.models.venues import VenueKind

Filter = Literal["price", "kind", "guests", "dates", "place"]
# One flat list, so that a wrong kind is refused in one sentence.
FoundKind = Literal["hotel", "hall", "studio", "session", "retreat", "tour", "event"]
Hundredths = Field(
    default=None,
    ge=0,
    le=1_000_000_000_000,
    description="For a night, an hour or a place, in hundredths of the currency's unit, whatever digits it has.",
)


class Search(Paging):
    """What is looked for; whatever is left out may be anything."""

    place: Line | None = Field(default=None, description="Part of a name, city, country or address.")
    check_in: Day | None = Field(default=None, description="First night; also the first day for halls and sessions.")
    check_out: Day | None = Field(default=None, description="Day of departure; the night after check_in if unsaid.")
    date: Day | None = Field(default=None, description="One day, instead of check_in.")
    guests: int | None = Field(default=None, ge=1, le=100_000)
    kind: FoundKind | None = None
    min_price: int | None = Hundredths
    max_price: int | None = Hundredths

    @model_validator(mode="after")
    def _days_in_order(self) -> Search:
        if self.check_in is not None and self.date is not None:
            raise ValueError("name a check_in or a date, not both")
        if self.check_out is not None and self.check_in is None:
            raise ValueError("check_out needs a check_in")
        if self.check_in is not None and self.check_out is not None and self.check_out <= self.check_in:
            raise ValueError("check_out must be after check_in")
        return self

    @property
    def first(self) -> Day | None:
        """Answer the first day looked for."""
        return self.check_in or self.date

    def without(self, dropped: set[Filter]) -> Search:
        """Look for the same with these filters left out."""
        fields: dict[Filter, tuple[str, ...]] = {
            "price": ("min_price", "max_price"),
            "kind": ("kind",),
            "guests": ("guests",),
            "dates": ("check_in", "check_out", "date"),
            "place": ("place",),
        }
        return self.model_copy(update={name: None for one in dropped for name in fields[one]})

    @property
    def filters(self) -> list[Filter]:
        """List the filters in use, the one that is given up first at the front."""
        used: dict[Filter, bool] = {
            "price": self.min_price is not None or self.max_price is not None,
            "kind": self.kind is not None,
            "guests": self.guests is not None and self.guests > 1,
            "dates": self.first is not None,
            "place": bool(self.place),
        }
        return [name for name, is_used in used.items() if is_used]


class FoundVenue(Thing):
    """A venue as a search shows it."""

    id: int
    kind: VenueKind
    name: str
    city: str
    country: str
    timezone: str
    star_rating: float | None
    amenities: list[str]


class FoundSession(Thing):
    """A session as a search shows it."""

    id: int
    kind: SessionKind
    title: str
    facilitator_name: str
    starts_at: datetime
    ends_at: datetime


class Window(Thing):
    """A time in which a room of a hall is free."""

    starts_at: datetime
    ends_at: datetime


class Found(Thing):
    """One finding: a venue that sells nights or hours, or a session, with what is free of it."""

    kind: Literal["nights", "hours", "places"]
    venue: FoundVenue
    session: FoundSession | None = None
    free: int = Field(description="Rooms free for all nights, rooms with free hours, or places.")
    total: int
    held: int = 0
    held_until: datetime | None = None
    from_price: int | None = Field(description="Minor units for a place, or a night or hour of the first day.")
    currency: CurrencyCode
    check_in: date | None = Field(default=None, description="The first night that was looked at.")
    check_out: date | None = None
    windows: list[Window] = Field(default_factory=list, description="When rooms are free on the day looked at.")
    next_free: datetime | None = Field(default=None, description="When something can be had first.")


class Findings(Page[Found]):
    """One page of what was found, and which filters were given up because nothing matched them all."""

    items: list[Found]
    meta: PageMeta
    relaxed: list[Filter] = Field(default_factory=list)
