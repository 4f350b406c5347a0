"""What one item costs by its venue's rates: nights, hours, places, add-ons; pure functions over whole minor units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from hub.models.addons import Addon
from hub.models.rates import RoomRate
from hub.models.room_types import RoomType
from hub.models.venues import Venue
from hub.services import zones
from hub.services.sharing import half_up

WHOLE = 10_000  # basis points


class Portion(NamedTuple):
    """Some nights, hours or pieces at one price, before the discount of their room type."""

    title: str
    quantity: int
    unit_amount: int

    @property
    def amount(self) -> int:
        """Answer what they come to."""
        return self.quantity * self.unit_amount


@dataclass(frozen=True, slots=True)
class Sold:
    """One item of a basket: what it costs by its venue's rates, before what is taken off the basket and taxes."""

    kind: Literal["stay", "slot", "place", "addon"]
    venue: Venue
    title: str
    starts_at: datetime
    portions: tuple[Portion, ...]
    unit_price: int
    price: int


def rated(room_type: RoomType, day: date) -> RoomRate | None:
    """Answer which rate counts on a local day; None when the usual price does."""
    weekday = zones.WEEKDAYS[day.weekday()]
    return next(
        (
            one
            for one in room_type.rates
            if (one.starts_on is None or one.starts_on <= day)
            and (one.ends_on is None or day <= one.ends_on)
            and (not one.weekdays or weekday in one.weekdays)
        ),
        None,
    )


def rate(room_type: RoomType, day: date | None = None) -> int:
    """Answer what one night or hour costs, usually or on a local day, the type's own discount taken off."""
    return _discounted(room_type, _price(room_type, None if day is None else rated(room_type, day)))


def sold_stay(venue: Venue, room_type: RoomType, check_in: date, check_out: date, quantity: int) -> Sold:
    """Price nights in rooms of a type; nights at one price stand on one line."""
    title = f"{venue.name}: {room_type.name}"
    portions: dict[tuple[str, int], int] = {}
    total = 0
    for night in zones.nights(check_in, check_out):
        season = rated(room_type, night)
        price = _price(room_type, season)
        key = (f"{title}, {season.name}" if season else title, price)
        portions[key] = portions.get(key, 0) + quantity
        total += _discounted(room_type, price) * quantity
    return Sold(
        "stay",
        venue,
        title,
        zones.stay(venue, check_in, check_out)[0],
        tuple(Portion(name, count, price) for (name, price), count in portions.items()),
        rate(room_type, check_in),
        total,
    )


def sold_slot(venue: Venue, room_type: RoomType, number: str, begin: datetime, end: datetime) -> Sold:
    """Price hours in a room; whole hours at one price are counted, others stand as one amount."""
    title = f"{venue.name}: {number}"
    days = [(rated(room_type, day), spent) for day, spent in _days(room_type, begin, end, venue.timezone)]
    seasons = list(dict.fromkeys(season.name for season, _ in days if season))
    named = f"{title}, {' / '.join(seasons)}" if seasons else title
    prices = [(_price(room_type, season), spent) for season, spent in days]
    minutes = sum(spent for _, spent in prices)
    if len({price for price, _ in prices}) == 1 and minutes > 0 and minutes % 60 == 0:
        portion = Portion(named, minutes // 60, prices[0][0])
    else:
        portion = Portion(named, 1, _by_the_hour(prices))
    charged = [(_discounted(room_type, price), spent) for price, spent in prices]
    return Sold("slot", venue, title, begin, (portion,), charged[0][0], _by_the_hour(charged))


def sold_places(venue: Venue, title: str, starts_at: datetime, price: int, quantity: int) -> Sold:
    """Price places in a session."""
    portion = Portion(title, quantity, price)
    return Sold("place", venue, title, starts_at, (portion,), price, portion.amount)


def sold_addon(venue: Venue, addon: Addon, starts_at: datetime, quantity: int, nights: int, minutes: int) -> Sold:
    """Price some of an add-on, each for so many nights or minutes where its price is for a night or an hour."""
    title = f"{venue.name}: {addon.name}"
    if addon.price_per == "night":
        portion = Portion(title, quantity * nights, addon.price)
    elif addon.price_per == "hour" and minutes % 60:
        portion = Portion(title, 1, half_up(addon.price * quantity * minutes, 60))
    else:
        portion = Portion(title, quantity * (minutes // 60 if addon.price_per == "hour" else 1), addon.price)
    return Sold("addon", venue, title, starts_at, (portion,), addon.price, portion.amount)


def _price(room_type: RoomType, season: RoomRate | None) -> int:
    if season is None:
        return room_type.price
    return season.price if season.price is not None else share(room_type.price, (season.percent or 0) * 100)


def _discounted(room_type: RoomType, price: int) -> int:
    return share(price, WHOLE - round(room_type.discount_percentage * 100))


def _days(room_type: RoomType, begin: datetime, end: datetime, zone: str) -> list[tuple[date, int]]:
    """Split a time at a zone's midnights, unless no rate tells the days apart: for each local day how many minutes."""
    minutes = int((end - begin).total_seconds() // 60)
    day = begin.astimezone(ZoneInfo(zone)).date()
    if not room_type.rates or minutes <= 0:
        return [(day, max(minutes, 0))]
    days: list[tuple[date, int]] = []
    spent = 0
    while spent < minutes:
        midnight = zones.instant(day + timedelta(days=1), time(0), zone)
        until = min(int((midnight - begin).total_seconds() // 60), minutes)
        if until > spent:
            days.append((day, until - spent))
        day, spent = day + timedelta(days=1), max(until, spent)
    return days


def _by_the_hour(portions: Iterable[tuple[int, int]]) -> int:
    return half_up(sum(price * minutes for price, minutes in portions), 60)


def share(amount: int, basis_points: int) -> int:
    """Answer so many hundredths of a percent of an amount, rounded half up."""
    return half_up(amount * basis_points, WHOLE)
