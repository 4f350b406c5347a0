"""Carries refunds out at their providers, outside of transactions: again and again until one says what became of it."""

from __future__ import annotations

import random
from dataclasses import replace

from hub.core import THE_HUB, Hub
from hub.errors import HubError
from hub.gateways.payments import Declined, Refunding
from hub.services import refunds
from storage import refunds as store
from storage.refunds import RefundRow

BY_THE_HUB = replace(THE_HUB, asked="refunds")
# Seconds until a provider is asked again, twice as long each time: one that did not answer, and one at work on it.
FIRST_PAUSE, FIRST_LOOK, LONGEST_PAUSE = 5.0, 60.0, 3600.0


async def send(hub: Hub, refund_id: int) -> None:
    """Have a provider give money back, or say how that stands; the same key each time, so that it happens once."""
    async with hub.reading() as db:
        refund = await store.find(db, refund_id)
    if refund is None or not _is_under_way(refund):
        return
    try:
        said = await _asked(hub, refund)
    except Declined as refused:
        said = Refunding(refund.provider_id or "", "failed", refused.sentence)
    except HubError as error:
        await _not_reached(hub, refund, error.sentence)
        return
    await _note(hub, refund, said)


async def _asked(hub: Hub, refund: RefundRow) -> Refunding:
    assert refund.gateway is not None
    assert refund.payment_provider_id is not None
    gateway = hub.gateways_of_money[refund.gateway]
    if refund.provider_id is not None:
        return await gateway.look_at_refund(refund.payment_provider_id, refund.provider_id)
    return await gateway.refund(refund.payment_provider_id, refund.amount, refund.currency, str(refund.outward_key))


async def _note(hub: Hub, refund: RefundRow, said: Refunding) -> None:
    async with hub.work(BY_THE_HUB) as work:
        locked = await store.lock(work.db, refund.id)
        # Somebody else may have heard the same meanwhile.
        if not _is_under_way(locked) or locked.outward_key != refund.outward_key:
            return
        if said.state == "completed":
            await refunds.arrive(work, locked, said.provider_id)
        elif said.state == "failed":
            await store.fail(work.db, locked.id, said.failure or "The provider has not carried it out.")
            await refunds.tell(work, locked.id)
        else:
            await store.sent(work.db, locked.id, said.provider_id, _pause(FIRST_LOOK, locked.attempts))
            if locked.status != "processing":
                await refunds.tell(work, locked.id)


async def _not_reached(hub: Hub, refund: RefundRow, sentence: str) -> None:
    async with hub.work(BY_THE_HUB) as work:
        locked = await store.lock(work.db, refund.id)
        if not _is_under_way(locked):
            return
        await store.unreached(work.db, locked.id, sentence, _pause(FIRST_PAUSE, locked.attempts))
        if locked.failure != sentence:
            await refunds.tell(work, locked.id)


def _is_under_way(refund: RefundRow) -> bool:
    return refund.status in ("approved", "processing") and refund.target == "original"


def _pause(first: float, attempts: int) -> float:
    # Never all together.
    return min(first * 2.0 ** max(attempts - 1, 0), LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
