"""The sandbox's own page: what its payer can let become of a payment, and what the hub is told of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, cast

from hub.core import THE_HUB, Hub
from hub.errors import NotFound, WrongState
from hub.gateways.sandbox import SandboxGateway
from hub.services import inbox
from storage import sandbox as store
from storage.jobs import Job
from storage.sandbox import SandboxPayment

BY_THE_SANDBOX = replace(THE_HUB, asked="sandbox")
# The kind of the jobs by which it tells.
TELLING = "sandbox_event"

Button = Literal["pay", "fail", "delay", "duplicate", "late", "lost", "dispute"]


@dataclass(frozen=True, slots=True)
class Press:
    """What a button does: what the payment becomes, how many seconds later, and how often that is told."""

    words: str
    about: str
    becomes: Literal["completed", "failed"] = "completed"
    seconds: float = 0.0
    # After the moment until which it could be paid, not after now.
    is_late: bool = False
    told: int = 1


PRESSES: dict[Button, Press] = {
    "pay": Press("Pay", "It is paid, and the hub is told."),
    "fail": Press("Fail", "It is refused, and the hub is told.", becomes="failed"),
    "delay": Press("Pay with delay", "It is paid in a quarter of a minute; you come back before that.", seconds=15),
    "duplicate": Press("Pay, told three times", "It is paid once, and the hub is told three times.", told=3),
    "late": Press("Pay too late", "It is paid once the hold has run out.", seconds=5, is_late=True),
    "lost": Press("Pay, told never", "It is paid, and the hub has to find out by itself.", told=0),
}


async def show(hub: Hub, provider_id: str) -> SandboxPayment:
    """Read a payment as the sandbox sees it."""
    gateway_of(hub)
    async with hub.reading() as db:
        found = await store.find(db, provider_id)
    if found is None:
        raise NotFound()
    return found


async def press(hub: Hub, provider_id: str, button: Button) -> SandboxPayment:
    """Let a payment become what its payer chooses, and have that told as often as they like."""
    payment = await show(hub, provider_id)
    async with hub.work(BY_THE_SANDBOX) as work:
        if button == "dispute":
            await store.dispute(work.db, provider_id)
            await work.enqueue(TELLING, _told(provider_id, "payment.disputed"))
            return payment
        chosen = PRESSES[button]
        now = hub.clock.now()
        from_ = max(payment.expires_at or now, now) if chosen.is_late else now
        at = from_ + timedelta(seconds=chosen.seconds)
        if not await store.decide(work.db, provider_id, chosen.becomes, at if at > now else None):
            raise WrongState("This payment was decided before, or has run out.")
        told = _told(provider_id, f"payment.{chosen.becomes}")
        for _ in range(chosen.told):
            await work.enqueue(TELLING, told, delay=max((at - now).total_seconds(), 0.0))
    return payment


async def tell(hub: Hub, job: Job) -> None:
    """Tell the hub's inbox what has become of a payment, signed as a provider's word is."""
    gateway = gateway_of(hub)
    body = gateway.event(job.data["provider_id"], job.data["kind"], job.data["event_id"])
    await inbox.receive(hub, gateway.name, gateway.headers(body), body)


def gateway_of(hub: Hub) -> SandboxGateway:
    """Answer the sandbox; there is none where strangers depend on the hub."""
    return cast("SandboxGateway", hub.gateways_of_money["sandbox"])


def _told(provider_id: str, kind: str) -> dict[str, str]:
    return {"provider_id": provider_id, "kind": kind, "event_id": f"evt_{secrets.token_urlsafe(12)}"}
