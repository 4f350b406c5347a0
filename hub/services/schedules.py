"""When how much of a basket is due: the plans its venues offer, as instalments that add up; pure functions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime, timedelta

from hub.models.quotes import Instalment, InstalmentTerms, PlanOffer
from hub.models.terms import Plan
from hub.services.pricing import Priced
from hub.services.rating import Sold
from hub.services.sharing import split

# The shares of a milestone plan: at once, a week before the start, on arrival.
MILESTONES = (50, 25, 25)
_WEEK = timedelta(weeks=1)


def plans(items: Sequence[Sold], priced: Priced, now: datetime) -> list[PlanOffer]:
    """List how a basket may be paid; what would be due by now is due with the booking."""
    return [_offer(plan, items, priced, now) for plan in priced.plans]


def terms(items: Sequence[Sold]) -> InstalmentTerms:
    """Answer how the instalments of a basket are asked for; of several venues the most patient decides."""
    of_venues = [item.venue.terms for item in items]
    return _terms(
        max(one.remind_days for one in of_venues),
        max(one.grace_hours for one in of_venues),
        all(one.missed == "cancel" for one in of_venues),
    )


# Most baskets have the same few.
@functools.lru_cache(maxsize=1000)
def _terms(remind_days: int, grace_hours: int, cancels: bool) -> InstalmentTerms:
    return InstalmentTerms(remind_days=remind_days, grace_hours=grace_hours, missed="cancel" if cancels else "tell")


def _offer(plan: Plan, items: Sequence[Sold], priced: Priced, now: datetime) -> PlanOffer:
    prices = priced.full_prices if plan == "full" else priced.prices
    due: dict[datetime | None, int] = {None: 0}
    for venue_id in dict.fromkeys(item.venue.id for item in items):
        places = [place for place, item in enumerate(items) if item.venue.id == venue_id]
        begin = min(items[place].starts_at for place in places)
        for at, amount in _parts(plan, items[places[0]], begin, sum(prices[place] for place in places)):
            moment = at if at is not None and at > now else None
            due[moment] = due.get(moment, 0) + amount
    later = sorted((at, amount) for at, amount in due.items() if at is not None and amount)
    return PlanOffer(
        plan=plan,
        total=sum(prices),
        item_prices=prices,
        instalments=[Instalment(due_at=at, amount=part) for at, part in [(None, due[None]), *later]],
        bonus=_bonus(items) if plan == "full" else [],
    )


def _parts(plan: Plan, item: Sold, begin: datetime, total: int) -> list[tuple[datetime | None, int]]:
    terms = item.venue.terms
    if plan == "deposit":
        deposit, rest = split(total, [terms.deposit_percent, 100 - terms.deposit_percent])
        return [(None, deposit), (begin - timedelta(days=terms.balance_days), rest)]
    if plan == "milestone":
        first, second, third = split(total, MILESTONES)
        return [(None, first), (begin - _WEEK, second), (begin, third)]
    return [(None, total)]


def _bonus(items: Sequence[Sold]) -> list[str]:
    return list(dict.fromkeys(service for item in items for service in item.venue.terms.full_bonus))


def shrunk(plan: PlanOffer, kept: Sequence[int]) -> PlanOffer:
    """Answer a plan for the items that are kept: each instalment its part of what they come to."""
    prices = [plan.item_prices[place] for place in kept]
    amounts = split(sum(prices), [one.amount for one in plan.instalments])
    return plan.model_copy(
        update={
            "total": sum(prices),
            "item_prices": prices,
            "instalments": [
                one.model_copy(update={"amount": amount})
                for one, amount in zip(plan.instalments, amounts, strict=True)
                if amount or one.due_at is None
            ],
        }
    )
