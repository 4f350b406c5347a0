"""Doors of a venue's webhooks: where its events are sent to, and how that goes."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.base import Page
from hub.models.webhooks import (
    ChangeWebhook,
    CreateWebhook,
    Delivery,
    ListDeliveries,
    ListWebhooks,
    NameWebhook,
    NewSecret,
    Replayed,
    ReplayWebhook,
    Webhook,
)
from hub.services import webhooks


@endpoint("webhooks.list", "GET /venues/{venue_id}/webhooks")
async def listed(call: Call, ask: ListWebhooks) -> Page[Webhook]:
    """List a venue's webhooks, for its owner and its managers."""
    return await webhooks.listed(call.hub, call.actor, ask)


@endpoint("webhooks.create", "POST /venues/{venue_id}/webhooks", status=201)
async def create(call: Call, ask: CreateWebhook) -> NewSecret:
    """Have a venue's events sent to an address, signed by a secret that is shown this once.

    Messages follow Standard Webhooks and carry gapless sequence numbers. What is not taken is tried again for a day and
    more, with growing pauses. As a rule messages come in order; the sequence numbers tell where they did not.
    """
    return await webhooks.create(call.hub, call.actor, ask)


@endpoint("webhooks.get", "GET /venues/{venue_id}/webhooks/{webhook_id}")
async def read(call: Call, ask: NameWebhook) -> Webhook:
    """Read where a webhook leads, and how its deliveries go."""
    return await webhooks.read(call.hub, call.actor, ask)


@endpoint("webhooks.change", "PATCH /venues/{venue_id}/webhooks/{webhook_id}")
async def change(call: Call, ask: ChangeWebhook) -> Webhook:
    """Change where a webhook leads or what it is sent, and switch it off and on; then it goes on where it stopped."""
    return await webhooks.change(call.hub, call.actor, ask)


@endpoint("webhooks.delete", "DELETE /venues/{venue_id}/webhooks/{webhook_id}", status=204)
async def delete(call: Call, ask: NameWebhook) -> None:
    """Send nothing there any more, and forget what was sent."""
    await webhooks.delete(call.hub, call.actor, ask)


@endpoint("webhooks.rotate", "POST /venues/{venue_id}/webhooks/{webhook_id}/secret")
async def rotate(call: Call, ask: NameWebhook) -> NewSecret:
    """Draw a new secret, shown this once; for a day messages carry the signatures of both."""
    return await webhooks.rotate(call.hub, call.actor, ask)


@endpoint("webhooks.try_out", "POST /venues/{venue_id}/webhooks/{webhook_id}/test", status=202)
async def try_out(call: Call, ask: NameWebhook) -> Replayed:
    """Have a `webhook.test` message sent, to see whether it comes in."""
    return await webhooks.try_out(call.hub, call.actor, ask)


@endpoint("webhooks.replay", "POST /venues/{venue_id}/webhooks/{webhook_id}/replay", status=202)
async def replay(call: Call, ask: ReplayWebhook) -> Replayed:
    """Have all messages after a sequence number sent again, in order and under their ids; they are kept for a week."""
    return await webhooks.replay(call.hub, call.actor, ask)


@endpoint("webhooks.deliveries", "GET /venues/{venue_id}/webhooks/{webhook_id}/deliveries")
async def deliveries(call: Call, ask: ListDeliveries) -> Page[Delivery]:
    """List what was sent to a webhook and how that went, the newest first."""
    return await webhooks.deliveries(call.hub, call.actor, ask)
