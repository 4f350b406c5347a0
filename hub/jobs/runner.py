"""Runs the jobs side by side; one that fails says so and goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from hub.core import Hub
from hub.errors import HubError
from hub.jobs import (
    housekeeping,
    instalments,
    queue,
    reconciler,
    refunds,
    releasing,
    reminders,
    republisher,
    sealer,
    sweeper,
    webhooks,
)
from hub.live.publisher import Publisher

log = logging.getLogger("hub.jobs")

PAUSE_AFTER_FAILURE = 1.0

Job = Callable[[], Awaitable[None]]


async def run(hub: Hub, publisher: Publisher) -> None:
    """Run every job until cancelled; any number of workers may do the same."""
    await _together(
        {
            "clock": partial(housekeeping.keep_time, hub),
            "sweeper": partial(sweeper.run, hub),
            "republisher": partial(republisher.run, hub, publisher),
            "queue": partial(queue.run, hub),
            "reconciler": partial(reconciler.run, hub),
            "webhooks": partial(webhooks.run, hub),
            "housekeeping": partial(housekeeping.run, hub),
            "reminders": partial(reminders.run, hub),
            "instalments": partial(instalments.run, hub),
            "refunds": partial(refunds.run, hub),
            "releasing of escrow": partial(releasing.run, hub),
            "sealer": partial(sealer.run, hub),
        }
    )


async def keep_time(hub: Hub) -> None:
    """Run, until cancelled, only what a worker that leaves the jobs to others still needs."""
    await _together({"clock": partial(housekeeping.keep_time, hub)})


async def _together(jobs: dict[str, Job]) -> None:
    async with asyncio.TaskGroup() as group:
        for name, job in jobs.items():
            group.create_task(_keep_running(name, job), name=name)


async def _keep_running(name: str, job: Job) -> None:
    while True:
        try:
            await job()
        except HubError as error:
            log.warning("the %s has to wait: %s", name, error)
        except Exception:
            log.exception("the %s failed and starts again", name)
        await asyncio.sleep(PAUSE_AFTER_FAILURE)
