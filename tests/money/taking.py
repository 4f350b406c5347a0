"""Baskets that take of what is limited: asked for as placing asks for them, in batches if several."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hub.core import THE_HUB, Actor, Hub
from hub.models.bookings import MakeBooking
from hub.services import baskets
from storage import ledger
from storage.ledger import Entry
from storage.placing import AskBooking, Outcome, place
from storage.wallet import POINTS


async def asked(hub: Hub, actor: Actor, *items: dict[str, Any], seconds: float = 600, **takes: Any) -> AskBooking:
    """Judge and price a basket that is to be held, and say what it takes."""
    basket = await baskets.made(hub, MakeBooking.model_validate({"items": list(items)}).items)
    assert actor.user_id
    return AskBooking(
        user_id=actor.user_id,
        booked_by=actor.user_id,
        status="held",
        currency=basket.currency,
        price=basket.price,
        items=basket.items,
        expires_in=seconds,
        ends_in=1800,
        **takes,
    )


async def placed(hub: Hub, *asks: AskBooking) -> list[Outcome]:
    """Place baskets in one batch."""
    async with hub.reading() as db:
        outcomes, _ = await place(db, asks)
    return outcomes


async def kinds(hub: Hub, *asks: AskBooking) -> list[str]:
    """Place baskets in one batch, and name what became of each."""
    return [outcome.kind for outcome in await placed(hub, *asks)]


def times(ask: AskBooking, count: int) -> list[AskBooking]:
    """Ask the same several times."""
    return [replace(ask) for _ in range(count)]


async def earn(hub: Hub, actor: Actor, points: int) -> None:
    """Let somebody have earned loyalty points."""
    async with hub.work(THE_HUB) as work:
        lines = [Entry("corrections", -points), Entry("points", points, user_id=actor.user_id)]
        await ledger.post(work.db, "points", POINTS, lines)
