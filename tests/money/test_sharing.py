"""However an amount is split, not a cent is lost or made."""

from hypothesis import given
from hypothesis import strategies as st

from hub.models.quotes import FrozenQuote, InstalmentTerms, LineKind, QuoteLine
from hub.services.escrow import missing, parted
from hub.services.sharing import split
from storage.escrow import Share

AMOUNTS = st.integers(0, 10**12)
WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=8)


@given(AMOUNTS, WEIGHTS)
def test_the_parts_add_up_and_none_is_more_than_one_unit_off(amount: int, weights: list[int]) -> None:
    parts = split(amount, weights)
    assert sum(parts) == amount
    assert min(parts) >= 0
    total = sum(weights)
    if total:
        assert all(abs(part * total - amount * weight) < total for part, weight in zip(parts, weights, strict=True))


def test_what_is_left_over_goes_to_the_largest_remainders_and_of_equals_to_the_first() -> None:
    assert split(100, [1, 1, 1]) == [34, 33, 33]
    assert split(5, [2, 2, 1]) == [2, 2, 1]
    assert split(10, [3, 3, 1]) == [4, 4, 2]
    assert split(7, [0, 0]) == [7, 0]
    assert split(0, [1, 2]) == [0, 0]


def share(price: int, paid: int = 0, venue_id: int = 1) -> Share:
    return Share(venue_id=venue_id, price=price, escrow=paid, venue=0, fees=0, tax=0)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=4), st.lists(st.integers(1, 10**6), max_size=6))
def test_a_booking_that_is_paid_in_parts_ends_with_each_venue_at_its_price(prices: list[int], parts: list[int]) -> None:
    have = [0] * len(prices)
    left = sum(prices)
    for part in [*parts, left]:
        amount = min(part, left)
        if amount:
            shares = [share(price, paid) for price, paid in zip(prices, have, strict=True)]
            more = missing(shares, amount)
            assert sum(more) == amount
            assert min(more) >= 0
            have = [paid + one for paid, one in zip(have, more, strict=True)]
            left -= amount
    # The list ends with all that was asked for, but the parts before it came off that.
    if left:
        shares = [share(price, paid) for price, paid in zip(prices, have, strict=True)]
        have = [paid + one for paid, one in zip(have, missing(shares, left), strict=True)]
    assert have == prices


def test_what_is_paid_beyond_the_price_is_shared_too() -> None:
    assert missing([share(100, 100), share(300, 300)], 40) == [10, 30]


def quoted(price: int, tax: int = 0, included: int = 0) -> FrozenQuote:
    lines = [line("slot", price), line("stay", 999, venue_id=2, item=1)]
    if tax:
        lines.append(line("tax", tax))
    if included:
        lines.append(line("tax", included, included=True))
    terms = InstalmentTerms(remind_days=3, grace_hours=48, missed="tell")
    total = price + tax + 999
    return FrozenQuote(currency="EUR", total=total, lines=lines, plans=[], cancellation=[], instalment_terms=terms)


def line(kind: LineKind, amount: int, venue_id: int = 1, item: int = 0, *, included: bool = False) -> QuoteLine:
    return QuoteLine(
        kind=kind, item=item, venue_id=venue_id, title=kind, unit_amount=amount, amount=amount, included=included
    )


def test_of_what_is_released_the_tax_and_the_fee_are_kept() -> None:
    assert parted(share(1200, 1200), quoted(1000, tax=200), 250) == (975, 25, 200)
    assert parted(share(1200, 1200), quoted(1200, included=200), 250) == (975, 25, 200)
    assert parted(share(1200, 1200), quoted(1200), 0) == (1200, 0, 0)
    assert parted(share(1200, 1200), None, 1000) == (1080, 120, 0)
    # Half of it is left after a cancellation: half of the tax.
    assert parted(share(1200, 600), quoted(1000, tax=200), 0) == (500, 0, 100)


@given(AMOUNTS, st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10_000))
def test_what_is_released_is_parted_without_a_rest(escrow: int, price: int, tax: int, basis_points: int) -> None:
    parts = parted(share(price + tax, escrow), quoted(price, tax=tax), basis_points)
    assert sum(parts) == escrow
    assert min(parts) >= 0
