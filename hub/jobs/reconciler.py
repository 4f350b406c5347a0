"""Asks providers about payments that they have told something of, and about those of which they stayed silent."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import timedelta

from hub.core import Hub
from hub.errors import HubError
from hub.services import settling
from storage import payments
from storage.payments import Due

log = logging.getLogger("hub.jobs")

# Seconds between two looks, when none is due sooner.
PAUSE = 0.5
# Asks of one provider at a time: another that does not answer keeps none of its payments waiting.
AT_ONCE = 8
# A payment that stays open is asked about for an hour as often as a new one, then ever more seldom.
LONG = timedelta(hours=1)
LONGEST_PAUSE = 3600.0
# Of what is still open so long after it should have ended somebody is told.
STUCK_AFTER = timedelta(hours=6)


async def run(hub: Hub) -> None:
    """Reconcile until cancelled; any number of workers may, each takes others."""
    busy: Counter[str] = Counter()
    async with asyncio.TaskGroup() as group:
        while True:
            full = [gateway for gateway, count in busy.items() if count >= AT_ONCE]
            due = []
            try:
                async with hub.reading() as db:
                    due = await payments.take_due(db, AT_ONCE, settling.ASK_SECONDS, full)
            except HubError as error:
                # What is under way goes on meanwhile.
                log.warning("the reconciler has to wait: %s", error)
            for one in due:
                busy[one.gateway] += 1
                group.create_task(_settle_in_turn(hub, one, busy))
            if not due:
                await asyncio.sleep(PAUSE)


async def reconcile(hub: Hub) -> int:
    """Settle some of what is due to be asked about by now; answers how many that were."""
    async with hub.reading() as db:
        due = await payments.take_due(db, AT_ONCE, settling.ASK_SECONDS)
    await asyncio.gather(*(_settle(hub, one) for one in due))
    return len(due)


async def _settle_in_turn(hub: Hub, due: Due, busy: Counter[str]) -> None:
    try:
        await _settle(hub, due)
    finally:
        busy[due.gateway] -= 1


async def _settle(hub: Hub, due: Due) -> None:
    # One that cannot be settled keeps no other waiting: it is asked about again when its time has come.
    try:
        await settling.settle(hub, due.id)
    except HubError as error:
        log.warning("payment %s could not be settled: %s", due.id, error.sentence)
    except Exception:
        log.exception("payment %s could not be settled", due.id)
    try:
        await _be_patient(hub, due.id)
    except HubError as error:
        log.warning("payment %s could not be put off: %s", due.id, error.sentence)


async def _be_patient(hub: Hub, payment_id: int) -> None:
    """Ask ever more seldom about what stays open, and in the end show it to somebody."""
    async with hub.reading() as db:
        payment = await payments.find(db, payment_id)
        if payment is None or payment.status not in ("starting", "pending"):
            return
        age = payment.at - payment.created_at
        if age > LONG:
            await payments.put_off(db, payment_id, min(age.total_seconds() / 20, LONGEST_PAUSE))
        if payment.finding is None and payment.at - (payment.expires_at or payment.created_at) > STUCK_AFTER:
            log.error("payment %s is stuck", payment_id)
            await payments.note(db, payment_id, "The provider does not say what became of it.")
