"""Asks providers about payments that they have told something of, and about those of which they stayed silent."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from hub.core import Hub
from hub.errors import HubError
from hub.services import settling
from storage import payments

log = logging.getLogger("hub.jobs")

# Seconds between two looks, when none is due sooner.
PAUSE = 0.5
AT_ONCE = 16
# A payment that stays open is asked about for an hour as often as a new one, then ever more seldom.
LONG = timedelta(hours=1)
LONGEST_PAUSE = 3600.0
# Of what is still open so long after it should have ended somebody is told.
STUCK_AFTER = timedelta(hours=6)


async def run(hub: Hub) -> None:
    """Reconcile until cancelled; any number of workers may, each takes others."""
    while True:
        if not await reconcile(hub):
            await asyncio.sleep(PAUSE)


async def reconcile(hub: Hub) -> int:
    """Settle what is due to be asked about by now; answers how many that were."""
    async with hub.reading() as db:
        due = await payments.take_due(db, AT_ONCE, settling.ASK_SECONDS)
    await asyncio.gather(*(_settle(hub, payment_id) for payment_id in due))
    return len(due)


async def _settle(hub: Hub, payment_id: int) -> None:
    try:
        await settling.settle(hub, payment_id)
    except HubError as error:
        log.warning("payment %s could not be settled: %s", payment_id, error.sentence)
    except Exception:
        # One that cannot be settled must not keep the others waiting.
        log.exception("payment %s could not be settled", payment_id)
    async with hub.reading() as db:
        payment = await payments.find(db, payment_id)
        if payment is None or payment.status not in ("starting", "pending") or payment.finding is not None:
            return
        age = payment.at - payment.created_at
        if age > LONG:
            await payments.ask_again(db, payment_id, min(age.total_seconds() / 20, LONGEST_PAUSE))
        if payment.at - (payment.expires_at or payment.created_at) > STUCK_AFTER:
            log.error("payment %s is stuck", payment_id)
            await payments.note(db, payment_id, "The provider does not say what became of it.")
