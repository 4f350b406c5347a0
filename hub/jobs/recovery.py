"""Looks for the account of whoever forgot their password, once they have had their answer."""

from __future__ import annotations

from hub.core import Hub
from hub.services import recovery
from storage.jobs import Job


async def look_for(hub: Hub, job: Job) -> None:
    """Send a code to the account that the job names, if there is one."""
    await recovery.look_for(hub, job.data)
