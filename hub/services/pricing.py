"""What a basket comes to: one pure function over rates, discounts, add-ons, offers, points and taxes.

Every amount is whole minor units. Each step is rounded half up once, and what falls on several items is split by
largest remainder, so that the lines of an item add up to its price and the items to the total, never below zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hub.models.quotes import LineKind, QuoteLine
from hub.models.terms import Plan, Tax
from hub.models.venues import Venue
from hub.services.rating import WHOLE, Sold, share
from hub.services.sharing import half_up, split

_PLANS: tuple[Plan, ...] = ("full", "deposit", "milestone")


@dataclass(frozen=True, slots=True)
class Reduction:
    """What an offer takes off: a share or an amount, of one venue's items or of all."""

    offer_id: int
    code: str
    venue_id: int | None = None
    basis_points: int | None = None
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Priced:
    """What a basket comes to, and what it uses of what is limited."""

    lines: list[QuoteLine]
    prices: list[int]
    plans: list[Plan]
    # What the items come to for whoever pays all at once, where that is cheaper.
    full_prices: list[int]
    points: int
    # By venue that gives a student discount: how many bookings with it a person may have in a year.
    student_limits: dict[int, int]

    @property
    def total(self) -> int:
        """Answer what the basket comes to."""
        return sum(self.prices)


def alone(sold: Sold) -> int:
    """Answer what an item comes to when nothing else is booked with it, taxes included."""
    if all(tax.inclusive for tax in sold.venue.terms.taxes):
        return sold.price
    return basket([sold]).total


def basket(
    items: Sequence[Sold], *, offer: Reduction | None = None, as_student: bool = False, points: int = 0
) -> Priced:
    """Price a basket: rates, the discounts of room types, an offer, the student discount, points, and taxes last."""
    lines = [line for place, item in enumerate(items) for line in _own_lines(place, item)]
    nets = [item.price for item in items]

    def take(kind: LineKind, title: str, amount: int, places: Sequence[int]) -> None:
        shares = split(amount, [nets[place] for place in places])
        for place, part in zip(places, shares, strict=True):
            if part:
                nets[place] -= part
                lines.append(_line(kind, place, items[place].venue, title, -part))

    venues = {item.venue.id: item.venue for item in items}
    places_at = {
        venue_id: [place for place, item in enumerate(items) if item.venue.id == venue_id] for venue_id in venues
    }
    if offer is not None:
        places = [place for place, item in enumerate(items) if offer.venue_id in (None, item.venue.id)]
        take("offer", f"Offer {offer.code}", _reduced(offer, sum(nets[place] for place in places)), places)
    student_limits: dict[int, int] = {}
    points_left = points
    for venue_id, venue in venues.items():
        terms, places = venue.terms, places_at[venue_id]
        if as_student and terms.student_percent and terms.student_bookings_a_year:
            student_limits[venue_id] = terms.student_bookings_a_year
            off = share(sum(nets[place] for place in places), terms.student_percent * 100)
            take("student", f"Student discount, {terms.student_percent} %", off, places)
        if terms.point_value:
            used = min(points_left, sum(nets[place] for place in places) // terms.point_value)
            points_left -= used
            take("points", "Loyalty points", used * terms.point_value, places)

    full, plans = nets[:], _plans_of(items)
    if len(plans) > 1:
        for venue_id, venue in venues.items():
            at = places_at[venue_id]
            off = share(sum(nets[place] for place in at), venue.terms.full_discount_percent * 100)
            for place, part in zip(at, split(off, [nets[place] for place in at]), strict=True):
                full[place] -= part
    taxes = _taxes(items, nets, places_at)
    prices = _with_taxes(nets, taxes)
    full_prices = prices if full == nets else _with_taxes(full, _taxes(items, full, places_at))
    return Priced(lines + taxes, prices, plans, full_prices, points - points_left, student_limits)


def _plans_of(items: Sequence[Sold]) -> list[Plan]:
    """List the plans that every venue of a basket offers; if there is none, all is paid at once."""
    offered = set(_PLANS).intersection(*[item.venue.terms.plans for item in items])
    return [plan for plan in _PLANS if plan in offered] or ["full"]


def eligible(items: Sequence[Sold], venue_id: int | None) -> int:
    """Answer what an offer of a venue, or of the whole hub, is taken off: what its items come to before it."""
    return sum(item.price for item in items if venue_id in (None, item.venue.id))


def _own_lines(place: int, item: Sold) -> Iterable[QuoteLine]:
    for portion in item.portions:
        yield _line(item.kind, place, item.venue, portion.title, portion.unit_amount, portion.quantity)
    off = item.price - sum(portion.amount for portion in item.portions)
    if off:
        yield _line("discount", place, item.venue, f"{item.title}, discount", off)


def _line(
    kind: LineKind, place: int, venue: Venue, title: str, unit: int, quantity: int = 1, *, included: bool = False
) -> QuoteLine:
    return QuoteLine(
        kind=kind,
        item=place,
        venue_id=venue.id,
        title=title,
        quantity=quantity,
        unit_amount=unit,
        amount=unit * quantity,
        included=included,
    )


def _taxes(items: Sequence[Sold], nets: Sequence[int], places_at: dict[int, list[int]]) -> list[QuoteLine]:
    lines = []
    for places in places_at.values():
        venue = items[places[0]].venue
        weights = [nets[place] for place in places]
        contained = sum(tax.basis_points for tax in venue.terms.taxes if tax.inclusive)
        for tax in venue.terms.taxes:
            whole = WHOLE + (contained if tax.inclusive else 0)
            amount = half_up(sum(weights) * tax.basis_points, whole)
            for place, part in zip(places, split(amount, weights), strict=True):
                if part:
                    lines.append(_line("tax", place, venue, _tax_title(tax), part, included=tax.inclusive))
    return lines


def _tax_title(tax: Tax) -> str:
    percent = f"{tax.basis_points // 100}.{tax.basis_points % 100:02}".rstrip("0").rstrip(".")
    return f"{tax.name}, {percent} %"


def _with_taxes(nets: Sequence[int], taxes: Iterable[QuoteLine]) -> list[int]:
    prices = list(nets)
    for line in taxes:
        if not line.included:
            prices[line.item] += line.amount
    return prices


def _reduced(offer: Reduction, base: int) -> int:
    off = offer.amount if offer.basis_points is None else share(base, offer.basis_points)
    return min(off or 0, base)
