"""How sums and times are written for people, in letters and on paper."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from hub.models.money import CURRENCIES

# Khmer and other scripts are written otherwise without them.
_JOINERS = "\u200c\u200d"


def money(minor: int, currency: str) -> str:
    """Write an amount of minor units with as many digits behind the point as its currency has."""
    digits = CURRENCIES.get(currency, 2)
    return f"{currency} {Decimal(minor).scaleb(-digits):,.{digits}f}"


def span(
    starts_at: datetime,
    ends_at: datetime,
    check_in: date | None,
    check_out: date | None,
    timezone: str,
    language: str,
) -> str:
    """Write nights as days, hours in the venue's zone."""
    if check_in is not None and check_out is not None:
        return f"{day(check_in, language)} \u2013 {day(check_out, language)}"
    zone = ZoneInfo(timezone)
    begin, end = starts_at.astimezone(zone), ends_at.astimezone(zone)
    until = f"{end:%H:%M}" if begin.date() == end.date() else f"{day(end, language)} {end:%H:%M}"
    return f"{day(begin, language)} {begin:%H:%M} \u2013 {until} ({timezone})"


def visible(text: str) -> str:
    """Leave out marks that are not to be seen, but for those that join letters; what breaks a line becomes a space."""
    return "".join(
        one if one.isprintable() or one in _JOINERS else "" if unicodedata.category(one) == "Cf" else " "
        for one in text
    )


def day(day: date | datetime, language: str) -> str:
    """Write a day."""
    return f"{day:%a} {day.day} {day:%b %Y}" if language == "en" else f"{day:%Y-%m-%d}"
