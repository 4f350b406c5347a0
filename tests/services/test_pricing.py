"""What things cost: whole minor units, rounded half up once at the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.models.room_types import RoomType
from hub.services import boards, pricing


def kind(price: int, discount: float = 0) -> RoomType:
    return RoomType.model_construct(price=price, discount_percentage=discount)


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
    assert pricing.rate(kind(price, discount)) == expected


def test_a_stay_costs_its_rate_each_night_and_room() -> None:
    assert pricing.stay(kind(9_950, 10), 3, 2) == 8_955 * 6


@pytest.mark.parametrize(
    ("rate", "minutes", "expected"),
    [(1000, 60, 1000), (1000, 90, 1500), (1000, 20, 333), (1000, 40, 667), (100, 45, 75), (1, 30, 1), (1, 29, 0)],
)
def test_a_slot_costs_its_share_of_the_hourly_rate(rate: int, minutes: int, expected: int) -> None:
    assert pricing.slot(kind(rate), minutes) == expected


@given(price=st.integers(0, 10**12), hundredths=st.integers(0, 10_000), minutes=st.integers(1, 44_640))
def test_the_board_that_is_drawn_first_shows_the_price_that_is_charged(
    price: int, hundredths: int, minutes: int
) -> None:
    discount = hundredths / 100
    rate = pricing.rate(kind(price, discount))
    assert boards.rate_of({"price": price, "discount_percentage": discount}) == rate
    assert boards.slot_price(rate, minutes) == pricing.slot(kind(price, discount), minutes)


@given(price=st.integers(0, 10**9), hundredths=st.integers(0, 10_000), nights=st.integers(1, 365))
def test_a_discount_never_makes_dearer_and_never_pays_the_guest(price: int, hundredths: int, nights: int) -> None:
    assert 0 <= pricing.stay(kind(price, hundredths / 100), nights, 1) <= price * nights
