"""How first paint writes money, days and times, before the browser writes them in the visitor's own language."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from hub.models.money import CURRENCIES

_SIGNS = {"EUR": "€", "USD": "US$", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "VND": "₫", "ILS": "₪", "BRL": "R$"}


def money(minor: int, currency: str) -> str:
    """Write an amount: €90, €12.50, KHR 4,000."""
    digits = CURRENCIES.get(currency, 2)
    amount = Decimal(minor).scaleb(-digits)
    written = f"{amount:,.0f}" if amount == amount.to_integral() else f"{amount:,.{digits}f}"
    return f"{_SIGNS[currency]}{written}" if currency in _SIGNS else f"{currency} {written}"


def weekday(day: str) -> str:
    """Write the day of the week: Mon."""
    return f"{date.fromisoformat(day):%a}"


def day_number(day: str) -> str:
    """Write day and month: 12 Mar."""
    found = date.fromisoformat(day)
    return f"{found.day} {found:%b}"


def long_day(day: str) -> str:
    """Write a day with its weekday: Mon, 12 Mar."""
    return f"{weekday(day)}, {day_number(day)}"


def clock(at: int | str | datetime, zone: str) -> str:
    """Write a time of day in a zone: 14:00."""
    return f"{_local(at, zone):%H:%M}"


def day_of(at: int | str | datetime, zone: str) -> str:
    """Write the day of an instant in a zone: Mon, 12 Mar."""
    return long_day(_local(at, zone).date().isoformat())


def time_range(begin: str, end: str, zone: str) -> str:
    """Write from when to when, naming the second day only when it is another."""
    first, last = _local(begin, zone), _local(end, zone)
    until = f"{last:%H:%M}" if first.date() == last.date() else f"{day_of(end, zone)}, {last:%H:%M}"
    return f"{day_of(begin, zone)}, {first:%H:%M} \u2013 {until}"


def minute(of_day: int) -> str:
    """Write a minute of the day as a time: 09:00."""
    return f"{of_day // 60 % 24:02}:{of_day % 60:02}"


def many(count: int, one: str, more: str = "") -> str:
    """Write a count with its word."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def _local(at: int | str | datetime, zone: str) -> datetime:
    if isinstance(at, int):
        return datetime.fromtimestamp(at / 1000, ZoneInfo(zone))
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.astimezone(ZoneInfo(zone))


FILTERS = {
    "money": money,
    "weekday": weekday,
    "day_number": day_number,
    "long_day": long_day,
    "clock": clock,
    "day_of": day_of,
    "minute": minute,
}
