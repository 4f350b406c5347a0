"""Local time and the line of time: what a venue's clock says, and when its doors are open. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hub.errors import Invalid
from hub.models.fields import Weekday
from hub.models.venues import Venue

WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Window = tuple[datetime, datetime]


def localise(moment: datetime, zone: str, field: str = "starts_at") -> datetime:
    """Read a time on a zone's clock unless it says its offset; answers UTC.

    Of a time that the clock shows twice the first is meant; one that it skips is refused, naming the field.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    instant = moment.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) != moment.replace(fold=0):
        raise Invalid.field(field, f"{moment:%Y-%m-%d %H:%M} does not exist in {zone}: the clocks skip it that day")
    return instant


def instant(day: date, clock: time, zone: str) -> datetime:
    """Answer the first instant at which a zone's clock shows this time of this day, or has skipped it; in UTC."""
    local = datetime.combine(day, clock)
    tz = ZoneInfo(zone)
    first = local.replace(tzinfo=tz, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=tz, fold=1).astimezone(UTC)
    if first <= second:
        return first
    # The clock skips this time: the jump lies between the two readings of it, and the clock is past it from there on.
    before, after = second, first
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(tz).replace(tzinfo=None) < local:
            before = middle
        else:
            after = middle
    return after


def today(venue: Venue, now: datetime) -> date:
    """Answer the date on the venue's calendar."""
    return now.astimezone(ZoneInfo(venue.timezone)).date()


def stay(venue: Venue, check_in: date, check_out: date) -> Window:
    """Answer when a stay begins and ends."""
    return (
        instant(check_in, venue.check_in_time, venue.timezone),
        instant(check_out, venue.check_out_time, venue.timezone),
    )


def nights(check_in: date, check_out: date) -> list[date]:
    """List the nights of a stay, each by the date of its evening."""
    return [check_in + timedelta(days=n) for n in range((check_out - check_in).days)]


def nights_within(venue: Venue, begin: datetime, end: datetime) -> list[date]:
    """List the nights of which any part, from check-in to check-out, falls into a time."""
    first = today(venue, begin) - timedelta(days=2)
    last = today(venue, end) + timedelta(days=1)
    return [
        night
        for night in nights(first, last)
        for arrival, departure in [stay(venue, night, night + timedelta(days=1))]
        if arrival < end and begin < departure
    ]


def open_windows(venue: Venue, begin: datetime, end: datetime) -> list[Window]:
    """List when a venue is open within a time, in UTC: in order, apart from each other, cut to that time."""
    if venue.opening_hours is None:
        return [(begin.astimezone(UTC), end.astimezone(UTC))] if begin < end else []
    first = today(venue, begin) - timedelta(days=2)
    days = (today(venue, end) - first).days + 1
    return _merged(
        (max(opens, begin.astimezone(UTC)), min(closes, end.astimezone(UTC)))
        for day in nights(first, first + timedelta(days=days))
        for opens, closes in _windows_of(venue, day)
    )


def _windows_of(venue: Venue, day: date) -> Iterable[Window]:
    assert venue.opening_hours is not None
    for opens, closes in venue.opening_hours.get(WEEKDAYS[day.weekday()], []):
        # 24:00 is the midnight that ends the day; what ends before it starts, ends on the next day.
        until = time(0) if closes == "24:00" else time.fromisoformat(closes)
        closing_day = day if time.fromisoformat(opens) < until else day + timedelta(days=1)
        yield (
            instant(day, time.fromisoformat(opens), venue.timezone),
            instant(closing_day, until, venue.timezone),
        )


def _merged(windows: Iterable[Window]) -> list[Window]:
    merged: list[Window] = []
    for opens, closes in sorted(window for window in windows if window[0] < window[1]):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], closes))
        else:
            merged.append((opens, closes))
    return merged
