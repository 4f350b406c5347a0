"""Forgets what nobody can ask for any more, and keeps the hub's clock on the database's."""

from __future__ import annotations

import asyncio

from hub.core import Hub
from hub.services import files
from storage import attempts, codes, identities, inbox, jobs, letters, logins, repeats, replay, webhooks

CLOCK_SECONDS = 30.0
FORGET_SECONDS = 60.0
AT_ONCE = 10_000
# Ended logins stay that long, for whoever has to find out how an account was misused.
LOGINS_KEPT_DAYS = 30
# Longer than any code is good, and than the longest span in which attempts are counted.
CODES_KEPT_HOURS = 24
ATTEMPTS_KEPT_HOURS = 25
# A job done is remembered, so that nobody has it done twice; one given up, so that somebody may ask why.
DONE_JOBS_KEPT_DAYS, FAILED_JOBS_KEPT_DAYS = 7, 30
# Letters that were never sent may hold codes and names.
LETTERS_KEPT_DAYS = 2
# For which a receiver may have messages of its webhook sent again.
WEBHOOK_MESSAGES_KEPT_DAYS = 7
# Longer than any payment provider sends an event again.
PROVIDER_EVENTS_KEPT_DAYS = 60


async def keep_time(hub: Hub) -> None:
    """Synchronise the clock until cancelled; every worker does."""
    while True:
        async with hub.reading() as db:
            await hub.clock.synchronise(db)
        await asyncio.sleep(CLOCK_SECONDS)


async def run(hub: Hub) -> None:
    """Forget until cancelled; any number of workers may."""
    while True:
        await forget(hub)
        await asyncio.sleep(FORGET_SECONDS)


async def forget(hub: Hub) -> int:
    """Forget events, answers, logins, jobs, letters and files that are too old; answers how many events went."""
    gone = 0
    async with hub.reading() as db:
        await repeats.forget_old(db)
        await codes.forget_old(db, CODES_KEPT_HOURS)
        await identities.forget_codes(db, CODES_KEPT_HOURS, AT_ONCE)
        await attempts.forget_old(db, ATTEMPTS_KEPT_HOURS, AT_ONCE)
        await logins.forget_ended(db, LOGINS_KEPT_DAYS, AT_ONCE)
        await jobs.forget_ended(db, DONE_JOBS_KEPT_DAYS, FAILED_JOBS_KEPT_DAYS, AT_ONCE)
        await letters.forget_old(db, LETTERS_KEPT_DAYS, AT_ONCE)
        await webhooks.forget_old(db, WEBHOOK_MESSAGES_KEPT_DAYS, AT_ONCE)
        await inbox.forget_old(db, PROVIDER_EVENTS_KEPT_DAYS, AT_ONCE)
        for span in await replay.outdated(db, hub.settings.event_retention_hours):
            while forgotten := await replay.forget(db, span.room, span.last, AT_ONCE):
                gone += forgotten
    await files.sweep(hub)
    return gone
