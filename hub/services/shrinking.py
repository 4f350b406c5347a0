"""What stays agreed when fewer of an item are wanted: each line and each plan its part; pure functions."""

from __future__ import annotations

from hub.models.quotes import FrozenQuote, PlanOffer, QuoteLine
from hub.services import schedules
from hub.services.sharing import split


def lessened(frozen: FrozenQuote, place: int, given_up: int, left: int) -> FrozenQuote:
    """Answer a quote for a basket of whose item at a place only so many are left; the others are as they were."""
    lines = [_lessened(line, given_up, left) if line.item == place else line for line in frozen.lines]
    wanted = part_left(frozen.item_prices[place], given_up, left)
    rounding = wanted - sum(line.amount for line in lines if line.item == place and not line.included)
    if rounding:
        own = next(line for line in lines if line.item == place)
        changed = {"kind": "discount", "title": "Rounding", "quantity": 1}
        lines.append(own.model_copy(update=changed | {"unit_amount": rounding, "amount": rounding, "included": False}))
    return frozen.model_copy(
        update={
            "lines": lines,
            "total": sum(line.amount for line in lines if not line.included),
            "plans": [_plan(plan, place, given_up, left) for plan in frozen.plans],
        }
    )


def part_left(amount: int, given_up: int, left: int) -> int:
    """Answer what of an amount falls on those that are left, as `split` rounds it."""
    part = split(abs(amount), [given_up, left])[1]
    return part if amount >= 0 else -part


def _lessened(line: QuoteLine, given_up: int, left: int) -> QuoteLine:
    if line.quantity * left % (given_up + left) == 0:
        quantity = line.quantity * left // (given_up + left)
        if quantity and line.quantity > 1:
            return line.model_copy(update={"quantity": quantity, "amount": quantity * line.unit_amount})
    amount = part_left(line.amount, given_up, left)
    return line.model_copy(update={"quantity": 1, "unit_amount": amount, "amount": amount})


def _plan(plan: PlanOffer, place: int, given_up: int, left: int) -> PlanOffer:
    prices = list(plan.item_prices)
    prices[place] = part_left(prices[place], given_up, left)
    return schedules.shrunk(plan.model_copy(update={"item_prices": prices}), range(len(prices)))
