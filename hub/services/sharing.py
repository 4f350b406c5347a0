"""Splitting an amount in whole minor units, so that the parts always add up to it."""

from __future__ import annotations

from collections.abc import Sequence


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by weights, none below zero, by largest remainder; of equals the first gets one more.

    Where all weights are zero the first gets everything.
    """
    total = sum(weights)
    if not total:
        return [amount if place == 0 else 0 for place in range(len(weights))]
    parts = [amount * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: (-(amount * weights[place] % total), place))
    for place in by_remainder[: amount - sum(parts)]:
        parts[place] += 1
    return parts


def half_up(amount: int, by: int) -> int:
    """Divide an amount, rounded half up."""
    return (2 * amount + by) // (2 * by)
