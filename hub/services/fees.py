"""Fees: what a venue keeps of what was cancelled stays in the booking's price, and is due with its first instalment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.services.sharing import split
from storage import cancelling as store
from storage import dues
from storage.query import Db


async def keep(db: Db, booking_id: int, shares: Mapping[int, int]) -> None:
    """Keep these amounts, by venue, of what was paid for a locked booking beyond what is left of it."""
    for venue_id, amount in shares.items():
        if amount:
            await store.keep(db, booking_id, venue_id, amount)
    await store.sum_up(db, booking_id)
    await lay(db, booking_id, sum(shares.values()))


async def lay(db: Db, booking_id: int, new_fees: int = 0) -> None:
    """Have the instalments of a booking add up to its price again: each keeps its part of what is no fee."""
    rows = await dues.instalments(db, booking_id)
    if not rows:
        return
    total, fees = await store.price_and_fees(db, booking_id)
    amounts = lowered([row.amount for row in rows], fees - new_fees, total, fees)
    await store.lay_instalments(db, booking_id, [row.position for row in rows], amounts)


def lowered(amounts: Sequence[int], fees_before: int, total: int, fees: int) -> list[int]:
    """Answer what instalments come to for another total; all fees are due with the first."""
    first, *others = split(total - fees, [max(amounts[0] - fees_before, 0), *amounts[1:]])
    return [first + fees, *others]
