"""Calendars: somebody's bookings in the calendar program of their choice."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from hub.models.base import Thing


class CalendarFeed(Thing):
    """Whether there is an address at which calendar programs find one's bookings; it is told only once."""

    is_on: bool
    created_at: datetime | None


class CalendarAddress(CalendarFeed):
    """The secret address of one's bookings: whoever knows it can read them."""

    url: str = Field(description="Subscribe to it; a new one puts the old one out of use.")
