"""Refunds over both wires."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.base import Page
from hub.models.refunds import DecideRefund, ListRefunds, NameRefund, Refund, RetryRefund
from hub.services import refunds


@endpoint("refunds.list", "GET /refunds")
async def listed(call: Call, ask: ListRefunds) -> Page[Refund]:
    """List your own refunds, or with a venue_id those at that venue's expense, for its staff."""
    return await refunds.listed(call.hub, call.actor, ask)


@endpoint("refunds.read", "GET /refunds/{refund_id}")
async def read(call: Call, ask: NameRefund) -> Refund:
    """Read one refund."""
    return await refunds.read(call.hub, call.actor, ask)


@endpoint(
    "refunds.approve",
    "POST /refunds/{refund_id}/approve",
    repeatable=True,
    tells=("refund.changed", "booking.changed", "wallet.changed", "availability.changed"),
    in_person=True,
)
async def approve(call: Call, ask: DecideRefund) -> Refund:
    """Let a refund go that waits for it; for those who run the venue."""
    return await refunds.approve(call.hub, call.actor, ask)


@endpoint(
    "refunds.reject",
    "POST /refunds/{refund_id}/reject",
    repeatable=True,
    tells=("refund.changed", "booking.changed", "availability.changed"),
    in_person=True,
)
async def reject(call: Call, ask: DecideRefund) -> Refund:
    """Refuse a refund that waits for approval, and say why; for those who run the venue."""
    return await refunds.reject(call.hub, call.actor, ask)


@endpoint(
    "refunds.retry",
    "POST /refunds/{refund_id}/retry",
    repeatable=True,
    tells=("refund.changed", "wallet.changed"),
    in_person=True,
)
async def retry(call: Call, ask: RetryRefund) -> Refund:
    """Ask the provider once more; what it has refused for good can go into the wallet or over the desk instead."""
    return await refunds.retry(call.hub, call.actor, ask)


@endpoint(
    "refunds.hand_over",
    "POST /refunds/{refund_id}/hand-over",
    repeatable=True,
    tells=("refund.changed",),
    in_person=True,
)
async def hand_over(call: Call, ask: NameRefund) -> Refund:
    """Note that a refund in cash was handed over at the desk; for the staff who have the cash."""
    return await refunds.hand_over(call.hub, call.actor, ask)
