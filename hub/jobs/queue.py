"""Does what was enqueued: each kind in its own lane, on a lease, again with growing pauses, given up in the end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from hub.core import Hub
from hub.errors import HubError
from hub.gateways import Undeliverable
from hub.gateways.mail import mail_gateway
from hub.gateways.sms import sms_gateway
from hub.jobs import letters, recovery, refunds
from hub.services import sandbox
from storage import jobs
from storage.jobs import Job

log = logging.getLogger("hub.jobs")

# Seconds between two looks at a lane where nothing was due.
PAUSE = 0.5
# About four hours of trying, which most outages do not survive.
TRIES = 12
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
LONGEST_ERROR = 500
SECONDS_TO_END = 1.0


@dataclass(frozen=True, slots=True)
class Lane:
    """How jobs of a kind are done: one after the other, each within a lease of so many seconds."""

    do: Callable[[Job], Awaitable[None]]
    lease: float = 60.0


@asynccontextmanager
async def lanes(hub: Hub) -> AsyncIterator[Mapping[str, Lane]]:
    """Open what the jobs need of the outside, and name each kind with its lane."""
    async with mail_gateway(hub.settings, hub.pool) as mailer, sms_gateway(hub.settings, hub.pool) as texter:
        yield {
            # First, so that what it enqueues is sent in the same round.
            "forgotten_password": Lane(partial(recovery.look_for, hub)),
            "mail": Lane(partial(letters.send_mail, hub, mailer)),
            "sms": Lane(partial(letters.send_sms, hub, texter)),
            "give_back": Lane(partial(refunds.give_back_expired, hub)),
            sandbox.TELLING: Lane(partial(sandbox.tell, hub)),
        }


async def run(hub: Hub) -> None:
    """Do jobs until cancelled; any number of workers may, each takes others."""
    if hub.settings.production and hub.settings.smtp_url is None:
        log.warning("SMTP_URL names no mail server: mail is kept in the database, where nobody reads it")
    async with lanes(hub) as open_lanes, asyncio.TaskGroup() as group:
        for kind, lane in open_lanes.items():
            group.create_task(_keep_working(hub, kind, lane), name=f"queue of {kind}")


async def work_off(hub: Hub) -> int:
    """Do all that is due by now and answer how many jobs that were, whatever became of them."""
    worked = 0
    async with lanes(hub) as open_lanes:
        for kind, lane in open_lanes.items():
            while await work(hub, kind, lane):
                worked += 1
    return worked


async def retry(hub: Hub, kind: str) -> int:
    """Have all jobs of a kind that were given up tried again; answers how many."""
    async with hub.reading() as db:
        return await jobs.retry_failed(db, kind)


async def _keep_working(hub: Hub, kind: str, lane: Lane) -> None:
    while True:
        try:
            worked = await work(hub, kind, lane)
        except HubError as error:
            log.warning("the queue of %s has to wait: %s", kind, error)
            worked = False
        if not worked:
            await asyncio.sleep(PAUSE)


async def work(hub: Hub, kind: str, lane: Lane) -> bool:
    """Take one job and do it; tells whether there was any.

    How it ended is noted before the next is taken: a worker that dies in between leaves one job that is done twice.
    """
    async with hub.reading() as db:
        job = await jobs.take(db, kind, lane.lease)
    if job is None:
        return False
    doing = asyncio.create_task(_do(hub, lane, job))
    try:
        await asyncio.shield(doing)
    finally:
        # A worker that is told to stop ends what it has begun, or it would be done again by the next.
        await asyncio.wait({doing}, timeout=SECONDS_TO_END)
        doing.cancel()
    return True


async def _do(hub: Hub, lane: Lane, job: Job) -> None:
    await _note(hub, job, await _error_of(lane, job))


async def _error_of(lane: Lane, job: Job) -> Exception | None:
    if job.attempts > TRIES:
        # Nobody who took it came back to tell: it may be what kills them.
        return Undeliverable("It was taken again and again, and never ended.")
    try:
        # Done before the lease is over, or not at all: then somebody else takes it.
        async with asyncio.timeout(lane.lease * 0.75):
            await lane.do(job)
    except Exception as error:  # noqa: BLE001 - whatever it is, the job is tried again and its error kept
        return error
    return None


async def _note(hub: Hub, job: Job, error: Exception | None) -> None:
    # The text may name a person, so it is kept with the job and not logged.
    said = f"{type(error).__name__}: {error}".replace("\x00", "")[:LONGEST_ERROR]
    async with hub.reading() as db:
        if error is None:
            noted = await jobs.done(db, job.id, job.lease)
        elif isinstance(error, Undeliverable) or job.attempts >= TRIES:
            noted = await jobs.fail(db, job.id, job.lease, said)
            log.error("job %s (%s) is given up: %s", job.id, job.kind, type(error).__name__)
        else:
            noted = await jobs.again(db, job.id, job.lease, said, pause_after(job.attempts))
            log.warning("job %s (%s) is tried again: %s", job.id, job.kind, type(error).__name__)
    if not noted:
        log.warning("job %s (%s) took longer than its lease; somebody else has it now", job.id, job.kind)


def pause_after(attempts: int) -> float:
    """Answer how long to wait after so many attempts, in seconds: twice as long each time, and never all together."""
    pause = min(FIRST_PAUSE * 2.0 ** (attempts - 1), LONGEST_PAUSE)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
