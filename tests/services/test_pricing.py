"""What things cost: whole minor units, rounded half up, and parts that always add up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.models.addons import Addon
from hub.models.money import CURRENCIES
from hub.models.rates import RoomRate
from hub.models.room_types import RoomType
from hub.models.terms import CancellationStep, Tax, Terms
from hub.models.venues import Cancellation, Venue
from hub.services import boards, curves, pricing, rating, schedules, zones
from hub.services.pricing import Reduction
from hub.services.rating import Sold

DAY = date(2027, 3, 1)  # a Monday
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


def kind(price: int, discount: float = 0, *rates: dict[str, Any]) -> RoomType:
    usual = {"starts_on": None, "ends_on": None, "weekdays": [], "price": None, "percent": None, "name": "Other"}
    shown = [RoomRate(**(usual | {"id": nth} | one)) for nth, one in enumerate(rates)]
    return RoomType.model_construct(name="Double", price=price, discount_percentage=discount, rates=shown)


def venue(venue_id: int = 1, currency: str = "EUR", zone: str = "UTC", **terms: Any) -> Venue:
    policy = Cancellation(free_until_hours=48, refund_percent_after=50)
    hours = {"check_in_time": datetime(1, 1, 1, 15).time(), "check_out_time": datetime(1, 1, 1, 11).time()}  # noqa: DTZ001
    named = {"id": venue_id, "name": f"Venue {venue_id}", "currency": currency, "timezone": zone}
    return Venue.model_construct(**named, **hours, cancellation=policy, terms=Terms(**terms))


def stay(of: RoomType, nights: int, quantity: int = 1) -> int:
    return rating.sold_stay(venue(), of, DAY, DAY + timedelta(days=nights), quantity).price


def slot(of: RoomType, begin: datetime, minutes: int, zone: str = "UTC") -> int:
    return rating.sold_slot(venue(zone=zone), of, "1", begin, begin + timedelta(minutes=minutes)).price


def sold(price: int, at: Venue | None = None, starts_at: datetime = NOON) -> Sold:
    return rating.sold_places(at or venue(), "Flow", starts_at, price, 1)


@pytest.mark.parametrize(
    ("price", "discount", "expected"),
    [
        (1000, 0, 1000),
        (1000, 10, 900),
        (999, 50, 500),  # 499.5 rounds up
        (1, 50, 1),
        (1, 50.01, 0),
        (12_345, 33.33, 8_230),  # 8230.4115
        (1000, 100, 0),
        (0, 12.5, 0),
        (1_000_000_000_000, 0.01, 999_900_000_000),
    ],
)
def test_a_rate_is_the_price_less_the_types_discount(price: int, discount: float, expected: int) -> None:
    assert rating.rate(kind(price, discount)) == expected


def test_a_stay_costs_its_rate_each_night_and_room() -> None:
    assert stay(kind(9_950, 10), 3, 2) == 8_955 * 6


@pytest.mark.parametrize(
    ("rate", "minutes", "expected"),
    [(1000, 60, 1000), (1000, 90, 1500), (1000, 20, 333), (1000, 40, 667), (100, 45, 75), (1, 30, 1), (1, 29, 0)],
)
def test_a_slot_costs_its_share_of_the_hourly_rate(rate: int, minutes: int, expected: int) -> None:
    assert slot(kind(rate), NOON, minutes) == expected


def test_of_the_rates_that_fit_a_night_the_first_counts_and_others_keep_the_usual_price() -> None:
    weekend = {"weekdays": ["fri", "sat"], "percent": 150, "name": "Weekend"}
    spring = {"starts_on": DAY, "ends_on": DAY + timedelta(days=4), "price": 8000, "name": "Spring"}
    prices = [rating.rate(kind(10_000, 10, spring, weekend), DAY + timedelta(days=n)) for n in range(7)]
    assert prices == [7200] * 5 + [13_500, 9000]


def test_nights_at_one_price_stand_on_one_line_and_the_types_discount_on_its_own() -> None:
    weekend = {"weekdays": ["fri", "sat"], "price": 15_000, "name": "Weekend"}
    stay = rating.sold_stay(venue(), kind(10_000, 10, weekend), DAY + timedelta(days=3), DAY + timedelta(days=7), 2)
    priced = pricing.basket([stay])
    assert [(line.kind, line.title, line.quantity, line.unit_amount, line.amount) for line in priced.lines] == [
        ("stay", "Venue 1: Double", 4, 10_000, 40_000),
        ("stay", "Venue 1: Double, Weekend", 4, 15_000, 60_000),
        ("discount", "Venue 1: Double, discount", 1, -10_000, -10_000),
    ]
    assert (priced.total, stay.unit_price) == (90_000, 9000)


def test_hours_over_midnight_cost_what_their_own_day_does_by_the_venues_clock() -> None:
    zone = "America/New_York"
    sunday = {"weekdays": ["sun"], "price": 1200, "name": "Sunday"}
    begin = datetime(2027, 3, 13, 22, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # the clocks skip two o'clock on Sunday
    # Two hours of Saturday, and of Sunday one to two, three to four.
    assert slot(kind(600, 0, sunday), begin, 300, zone) == 2 * 600 + 3 * 1200


@given(price=st.integers(0, 10**12), hundredths=st.integers(0, 10_000), minutes=st.integers(1, 44_640))
def test_the_board_that_is_drawn_first_shows_the_price_that_is_charged(
    price: int, hundredths: int, minutes: int
) -> None:
    discount = hundredths / 100
    rate = rating.rate(kind(price, discount))
    assert boards.rate_of({"price": price, "discount_percentage": discount}) == rate
    charged = slot(kind(price, discount), NOON, minutes)
    assert boards.slot_price(rate, minutes) == charged


@st.composite
def seasons(draw: Any) -> dict[str, Any]:
    first = draw(st.none() | st.integers(-3, 10))
    last = draw(st.none() | st.integers(first or 0, 12))
    price = draw(st.none() | st.integers(0, 10**6))
    return {
        "starts_on": None if first is None else DAY + timedelta(days=first),
        "ends_on": None if last is None else DAY + timedelta(days=last),
        "weekdays": draw(st.lists(st.sampled_from(zones.WEEKDAYS), unique=True, max_size=3)),
        "price": price,
        "percent": draw(st.integers(0, 1000)) if price is None else None,
    }


@given(
    of=st.builds(lambda rates, price, off: kind(price, off / 100, *rates), st.lists(seasons(), max_size=4),
                 st.integers(0, 10**6), st.integers(0, 10_000)),
    begin=st.integers(0, 10 * 96), quarters=st.integers(1, 300),
    zone=st.sampled_from(["UTC", "Europe/Lisbon", "America/New_York", "Asia/Kathmandu"]),
)  # fmt: skip
def test_the_board_knows_weekdays_and_seasons_as_the_price_does(
    of: RoomType, begin: int, quarters: int, zone: str
) -> None:
    shown = {"price": of.price, "discount_percentage": of.discount_percentage}
    shown["rates"] = [one.model_dump(mode="json") for one in of.rates]
    for day in range(10):
        date_ = DAY + timedelta(days=day)
        assert boards.rate_of(shown, date_.isoformat()) == rating.rate(of, date_)
    starts_at = NOON + timedelta(minutes=15 * begin)
    times = [round(one.timestamp() * 1000) for one in (starts_at, starts_at + timedelta(minutes=15 * quarters))]
    assert boards.hours_price(shown, times[0], times[1], zone) == slot(of, starts_at, 15 * quarters, zone)


@given(price=st.integers(0, 10**9), hundredths=st.integers(0, 10_000), nights=st.integers(1, 365))
def test_a_discount_never_makes_dearer_and_never_pays_the_guest(price: int, hundredths: int, nights: int) -> None:
    assert 0 <= stay(kind(price, hundredths / 100), nights) <= price * nights


@pytest.mark.parametrize(
    ("per", "quantity", "nights", "minutes", "expected"),
    [("booking", 2, 3, 90, 2000), ("guest", 4, 3, 90, 4000), ("night", 2, 3, 90, 6000), ("hour", 2, 3, 90, 3000)],
)
def test_an_addon_costs_its_price_for_each_of_what_it_is_per(
    per: str, quantity: int, nights: int, minutes: int, expected: int
) -> None:
    addon = Addon.model_construct(name="Bicycle", price=1000, price_per=per)
    item = rating.sold_addon(venue(), addon, NOON, quantity, nights, minutes)
    assert item.price == expected == pricing.basket([item]).total


def test_a_tax_on_top_is_added_and_one_that_prices_contain_is_only_shown() -> None:
    taxes = [Tax(name="VAT", basis_points=1000, inclusive=True), Tax(name="City tax", basis_points=250)]
    priced = pricing.basket([sold(11_000, venue(taxes=taxes))])
    assert [(line.kind, line.title, line.amount, line.included) for line in priced.lines] == [
        ("place", "Flow", 11_000, False),
        ("tax", "VAT, 10 %", 1000, True),
        ("tax", "City tax, 2.5 %", 275, False),
    ]
    assert priced.total == 11_275


def test_an_offer_is_taken_off_only_what_it_is_for_and_never_more_than_that() -> None:
    here, there = venue(1), venue(2)
    items = [sold(1000, here), sold(3000, there)]
    assert pricing.basket(items, offer=Reduction(1, "HERE", 1, basis_points=2500)).prices == [750, 3000]
    assert pricing.basket(items, offer=Reduction(1, "ALL", None, basis_points=2500)).prices == [750, 2250]
    assert pricing.basket(items, offer=Reduction(1, "MUCH", 1, amount=5000)).prices == [0, 3000]


def test_points_are_used_only_as_far_as_there_is_something_to_pay_with_them() -> None:
    at = venue(point_value=30)
    priced = pricing.basket([sold(100, at)], points=50)
    assert (priced.points, priced.total) == (3, 10)
    assert pricing.basket([sold(100)], points=50).points == 0


def test_full_payment_is_cheaper_only_where_another_plan_could_be_chosen_too() -> None:
    alone = [sold(1000, venue(plans=["full"]))]
    assert pricing.basket(alone).full_prices == [1000]
    chosen = [sold(1000, venue(plans=["full", "deposit"])), sold(2000, venue(2, plans=["full", "milestone"]))]
    assert pricing.basket(chosen).full_prices == [1000, 2000]
    both = [sold(1001, venue(plans=["full", "deposit"])), sold(2000, venue(2, plans=["deposit", "full"]))]
    assert pricing.basket(both).full_prices == [951, 1900]


def test_the_milestones_are_half_at_once_a_quarter_a_week_before_and_a_quarter_on_arrival() -> None:
    items = [sold(1003, venue(plans=["milestone", "deposit", "full"], full_bonus=["Airport pickup"]))]
    plans = {one.plan: one for one in schedules.plans(items, pricing.basket(items), NOON - timedelta(days=30))}
    assert [(one.due_at, one.amount) for one in plans["milestone"].instalments] == [
        (None, 501),
        (NOON - timedelta(days=7), 251),
        (NOON, 251),
    ]
    assert [(one.due_at, one.amount) for one in plans["deposit"].instalments] == [
        (None, 602),
        (NOON - timedelta(days=7), 401),
    ]
    assert (plans["full"].total, plans["full"].bonus) == (953, ["Airport pickup"])


def test_what_would_be_due_by_now_is_due_with_the_booking() -> None:
    items = [sold(1000, venue(plans=["milestone"]))]
    (plan,) = schedules.plans(items, pricing.basket(items), NOON - timedelta(days=3))
    assert [(one.due_at, one.amount) for one in plan.instalments] == [(None, 750), (NOON, 250)]


def test_a_policy_becomes_moments_of_what_it_is_about() -> None:
    steps = [(one.before, one.percent) for one in curves.steps(venue(), NOON)]
    assert steps == [(NOON - timedelta(hours=48), 100), (NOON, 50)]
    assert curves.steps(venue(non_refundable=True), NOON) == []
    of_its_own = [
        CancellationStep(hours_before=72, refund_percent=80),
        CancellationStep(hours_before=24, refund_percent=0),
    ]
    (item,) = curves.frozen([sold(100, venue(cancellation_steps=of_its_own, refund_to="wallet"))])
    assert [(one.before, one.percent) for one in item.steps] == [(NOON - timedelta(hours=72), 80)]
    assert item.refund_to == "wallet"
    assert [curves.percent_at(item, NOON - timedelta(hours=hours)) for hours in (73, 72, 1)] == [80, 0, 0]


percents = st.integers(0, 100)
taxes = st.builds(Tax, name=st.just("Tax"), basis_points=st.integers(0, 10_000), inclusive=st.booleans())
plans = st.lists(st.sampled_from(["full", "deposit", "milestone"]), min_size=1, max_size=3, unique=True)


@st.composite
def venues(draw: Any, venue_id: int) -> Venue:
    currency = draw(st.sampled_from(sorted(CURRENCIES)))
    return venue(
        venue_id,
        currency,
        taxes=draw(st.lists(taxes, max_size=3)),
        plans=draw(plans),
        deposit_percent=draw(st.integers(50, 70)),
        balance_days=draw(st.integers(0, 60)),
        full_discount_percent=draw(percents),
        student_percent=draw(percents),
        point_value=draw(st.integers(0, 1000)),
    )


@st.composite
def baskets(draw: Any) -> list[Sold]:
    at = [draw(venues(venue_id)) for venue_id in range(1, draw(st.integers(1, 3)) + 1)]
    items = []
    for _ in range(draw(st.integers(1, 5))):
        place, begin = draw(st.sampled_from(at)), NOON + timedelta(hours=draw(st.integers(1, 2000)))
        if draw(st.booleans()):
            nightly = kind(draw(st.integers(0, 10**7)), draw(st.integers(0, 10_000)) / 100)
            items.append(rating.sold_stay(place, nightly, DAY, DAY + timedelta(days=draw(st.integers(1, 9))), 2))
        else:
            items.append(sold(draw(st.integers(0, 10**6)), place, begin))
    return items


@st.composite
def reductions(draw: Any) -> Reduction | None:
    share, amount = draw(st.integers(1, 10_000)), draw(st.integers(1, 10**7))
    at = draw(st.sampled_from([None, 1, 2]))
    of = [None, Reduction(1, "SHARE", at, basis_points=share), Reduction(1, "AMOUNT", at, amount=amount)]
    return draw(st.sampled_from(of))


@pytest.mark.abuse("H10")
@given(items=baskets(), offer=reductions(), points=st.integers(0, 10**6), as_student=st.booleans())
@example(items=[sold(0), sold(0)], offer=Reduction(1, "ALL", amount=7), points=3, as_student=False)
def test_lines_items_plans_and_instalments_add_up_in_every_currency(
    items: list[Sold], offer: Reduction | None, points: int, as_student: bool
) -> None:
    priced = pricing.basket(items, offer=offer, points=points, as_student=as_student)
    assert 0 <= priced.points <= points
    assert all(price >= 0 for price in (*priced.prices, *priced.full_prices))
    assert all(line.amount == line.quantity * line.unit_amount for line in priced.lines)
    for place, price in enumerate(priced.prices):
        assert sum(line.amount for line in priced.lines if line.item == place and not line.included) == price
    for plan in schedules.plans(items, priced, NOON):
        assert sum(plan.item_prices) == plan.total == sum(part.amount for part in plan.instalments)
        assert plan.total == priced.total or (plan.plan == "full" and plan.total < priced.total)
        assert all(part.amount >= 0 for part in plan.instalments)
        assert plan.instalments[0].amount > 0 or plan.total == 0
        moments = [part.due_at for part in plan.instalments[1:]]
        assert moments == sorted(set(moments))
