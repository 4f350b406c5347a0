"""The dashboard: key figures, the last and the next 30 days, and who is expected today."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from hub.models.base import Ask, CurrencyCode, Id, Thing
from hub.models.bookings import BookingStatus
from hub.models.venues import VenueKind


class AskDashboard(Ask):
    """Whose dashboard: one venue's, or that of all venues one owns or works at."""

    venue_id: Id | None = None


class DeskVenue(Thing):
    """A venue on the dashboard."""

    id: int
    kind: VenueKind
    name: str
    timezone: str
    currency: CurrencyCode


class Figures(Thing):
    """The key figures as of now; holds that were given back or ran out count nowhere."""

    sessions: int = Field(description="All sessions ever offered.")
    active_sessions: int = Field(description="Not cancelled and not over.")
    upcoming_sessions: int = Field(description="Active and not begun.")
    bookings: int = Field(description="All that became firm or wait for their payment.")
    active_bookings: int = Field(description="Held, pending or confirmed, and not over.")
    upcoming_bookings: int = Field(description="Confirmed and not begun.")
    revenue: dict[CurrencyCode, int] = Field(
        description="Minor units that came in for bookings and were not given back."
    )


class DayPast(Thing):
    """One of the last 30 days, on the venue's calendar."""

    day: date
    sessions: int = Field(description="Sessions that took place.")
    bookings: int = Field(description="Bookings that were made.")
    cancelled: int = Field(description="Of the bookings made that day, those cancelled since.")
    revenue: dict[CurrencyCode, int] = Field(description="Minor units that came in that day less what was given back.")


class DayAhead(Thing):
    """One of the next 30 days, on the venue's calendar."""

    day: date
    sessions: int
    bookings: int = Field(description="Confirmed stays, slots and places that begin.")


class Expected(Thing):
    """One booking on today's roster; only the desk sees it."""

    booking_id: int
    reference: str
    full_name: str
    quantity: int = Field(description="Places, rooms or guests, as the line counts them.")
    status: BookingStatus


class RosterLine(Thing):
    """Something that happens today, with who is expected."""

    kind: Literal["session", "slot", "arrival", "departure", "night"]
    venue_id: int
    session_id: int | None = None
    title: str
    starts_at: datetime
    ends_at: datetime
    booked: int = Field(description="Places, rooms or guests booked.")
    capacity: int | None = Field(description="Of how many; nothing where that says nothing.")
    expected: list[Expected] = Field(default_factory=list)


class Dashboard(Thing):
    """What those who run venues look at all day."""

    venues: list[DeskVenue]
    figures: Figures
    past: list[DayPast] = Field(description="The last 30 days, today last.")
    ahead: list[DayAhead] = Field(description="The next 30 days, today first.")
    roster: list[RosterLine] = Field(description="Today, in order.")
