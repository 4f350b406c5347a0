"""What a guest is told of their booking: that it is firm, has moved, or is cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from hub.core import Hub
from hub.models.money import CURRENCIES
from hub.services import letters
from hub.services.letters import Fact, Letter, Line
from storage import booking_letters as store
from storage.booking_letters import ToldBooking, ToldItem


async def mail(hub: Hub, booking_id: int, fact: str) -> tuple[str, Letter] | None:
    """Write the mail about a fact such as booking.confirmed, and say to whom; None when the person has gone."""
    async with hub.reading() as db:
        told = await store.to_tell(db, booking_id)
    if told is None:
        return None
    lines = [(item.title, _described(item, told)) for item in told.items]
    lines.append((letters.common("total", told.language), _money(told.price, told.currency)))
    if fact == "booking.cancelled" and told.cancel_reason:
        lines.append((letters.common("reason", told.language), told.cancel_reason))
    return told.email, _letter(hub, told, fact, lines)


async def sms(hub: Hub, booking_id: int, fact: str) -> tuple[str, str] | None:
    """Write the SMS about a fact, and say to which number; None when there is no such number any more."""
    async with hub.reading() as db:
        told = await store.to_tell(db, booking_id)
    if told is None or told.phone is None:
        return None
    site = hub.settings.public_url
    return told.phone, letters.sms(_template(fact), told.language, _facts(told, site), site=site)


def _letter(hub: Hub, told: ToldBooking, fact: str, lines: list[Line]) -> Letter:
    site = hub.settings.public_url
    return letters.mail(_template(fact), told.language, _facts(told, site), site=site, lines=lines)


def _template(fact: str) -> str:
    return fact.replace(".", "_")


def _facts(told: ToldBooking, site: str) -> Mapping[str, Fact]:
    return {"name": told.full_name, "reference": told.reference, "link": f"{site}/bookings"}


def _described(item: ToldItem, told: ToldBooking) -> str:
    # The title of a room begins with its venue, that of a session does not.
    where = "" if item.title.startswith(item.venue) else f"{item.venue}, "
    times = f"{item.quantity} × " if item.quantity > 1 else ""  # noqa: RUF001 - so it is written
    return f"{times}{where}{_when(item, told.language)}, {_money(item.price, told.currency)}"


def _when(item: ToldItem, language: str) -> str:
    """Write nights as days, hours in the venue's zone."""
    if item.check_in is not None and item.check_out is not None:
        return f"{_day(item.check_in, language)} \u2013 {_day(item.check_out, language)}"
    zone = ZoneInfo(item.timezone)
    begin, end = item.starts_at.astimezone(zone), item.ends_at.astimezone(zone)
    until = f"{end:%H:%M}" if begin.date() == end.date() else f"{_day(end, language)} {end:%H:%M}"
    return f"{_day(begin, language)} {begin:%H:%M} \u2013 {until} ({item.timezone})"


def _day(day: date | datetime, language: str) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}" if language == "en" else f"{day:%Y-%m-%d}"


def _money(minor: int, currency: str) -> str:
    digits = CURRENCIES.get(currency, 2)
    return f"{currency} {Decimal(minor).scaleb(-digits):,.{digits}f}"
