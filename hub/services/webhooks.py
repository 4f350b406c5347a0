"""Webhooks of a venue: those who run it say where its events are sent, see how that goes, and have them sent again."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from yarl import URL

from hub import rooms
from hub.core import Actor, Hub
from hub.errors import Conflict, Invalid, NotFound, TooManyRequests
from hub.gateways import webhooks as gateway
from hub.models.base import Page
from hub.models.webhooks import (
    DESK_EVENTS,
    TEST,
    VENUE_EVENTS,
    ChangeWebhook,
    CreateWebhook,
    Delivery,
    ListDeliveries,
    ListWebhooks,
    NameWebhook,
    NewSecret,
    Reason,
    Replayed,
    ReplayWebhook,
    Webhook,
)
from hub.services import access, attempts, inventory, mail
from hub.services.attempts import Limit
from hub.services.letters import Fact
from hub.settings import Settings
from hub.tokens import signing_key
from hub.work import Work
from storage import venues as venue_store
from storage import webhooks as store
from storage.query import Db

RIGHT: Final = "venue:update"
MOST_OF_A_VENUE: Final = 20
SECRET_BYTES: Final = 32
# For which the secret before signs too.
OLD_SECRET_HOURS: Final = 24
_RESENDS = Limit("webhook", ((30, 3600),))


class TooManyWebhooks(Conflict):
    """A venue has at most 20 webhooks; delete one that is not needed."""

    code = "too_many_webhooks"


async def listed(hub: Hub, actor: Actor, ask: ListWebhooks) -> Page[Webhook]:
    """List a venue's webhooks, for those who run it."""
    async with hub.reading() as db:
        venue = await access.managed_venue(db, actor, ask.venue_id, RIGHT)
        found, total = await store.listed(db, venue.id, ask.per_page, ask.offset)
    return Page[Webhook].model_validate(ask.of(found, total))


async def read(hub: Hub, actor: Actor, ask: NameWebhook) -> Webhook:
    """Read one webhook of a venue."""
    async with hub.reading() as db:
        venue = await access.managed_venue(db, actor, ask.venue_id, RIGHT)
        return await _found(db, venue.id, ask.webhook_id)


async def create(hub: Hub, actor: Actor, ask: CreateWebhook) -> NewSecret:
    """Send a venue's events somewhere, from now on."""
    async with hub.reading() as db:
        await access.managed_venue(db, actor, ask.venue_id, RIGHT)
    await _judge(hub.settings, ask.url)
    secret = secrets.token_bytes(SECRET_BYTES)
    async with hub.work(actor) as work:
        venue = await access.manage_venue(work.db, actor, ask.venue_id, RIGHT)
        if await store.count(work.db, venue.id) >= MOST_OF_A_VENUE:
            raise TooManyWebhooks()
        fields = ask.model_dump(mode="json", exclude={"venue_id"})
        webhook_id = await store.insert(work.db, venue.id, fields, sealed(hub.settings, secret))
        await store.follow(work.db, webhook_id, _followed(venue.id, ask.events))
        made = await _found(work.db, venue.id, webhook_id)
        return work.answer(NewSecret(webhook=made, secret=gateway.shown(secret)), 201)


async def change(hub: Hub, actor: Actor, ask: ChangeWebhook) -> Webhook:
    """Change where a webhook leads, what it is sent, or whether it is; switched on, it goes on where it stopped."""
    async with hub.reading() as db:
        await access.managed_venue(db, actor, ask.venue_id, RIGHT)
    if ask.url is not None:
        await _judge(hub.settings, ask.url)
    async with hub.work(actor) as work:
        webhook = await _locked(work, actor, ask)
        work.expect(webhook)
        fields = inventory.named(ask, "venue_id", "webhook_id", "is_active")
        if fields:
            await store.change(work.db, webhook.id, fields)
        if ask.events is not None:
            await store.follow(work.db, webhook.id, _followed(webhook.venue_id, ask.events))
        if ask.is_active is False:
            await store.disable(work.db, webhook.id, "asked")
        elif (ask.is_active and not webhook.is_active) or (ask.url is not None and webhook.is_active):
            await store.enable(work.db, webhook.id)
        return work.answer(await _found(work.db, webhook.venue_id, webhook.id))


async def delete(hub: Hub, actor: Actor, ask: NameWebhook) -> None:
    """Send nothing there any more, and forget what was sent."""
    async with hub.work(actor) as work:
        webhook = await _locked(work, actor, ask)
        work.expect(webhook)
        await store.delete(work.db, webhook.id)


async def rotate(hub: Hub, actor: Actor, ask: NameWebhook) -> NewSecret:
    """Draw a new secret; for a day messages carry the signatures of both."""
    secret = secrets.token_bytes(SECRET_BYTES)
    async with hub.work(actor) as work:
        webhook = await _locked(work, actor, ask)
        await store.rotate(work.db, webhook.id, sealed(hub.settings, secret), OLD_SECRET_HOURS)
        changed = await _found(work.db, webhook.venue_id, webhook.id)
        return work.answer(NewSecret(webhook=changed, secret=gateway.shown(secret)))


async def try_out(hub: Hub, actor: Actor, ask: NameWebhook) -> Replayed:
    """Send one message that stands for nothing, to see whether it comes in."""
    async with hub.work(actor) as work:
        webhook = await _locked(work, actor, ask)
        await _refuse_flood(hub, work, webhook)
        await store.add_message(work.db, webhook.id, TEST, {})
        return work.answer(Replayed(messages=1))


async def replay(hub: Hub, actor: Actor, ask: ReplayWebhook) -> Replayed:
    """Send all messages after a sequence number again, in their order and under the ids they had."""
    async with hub.work(actor) as work:
        webhook = await _locked(work, actor, ask)
        await _refuse_flood(hub, work, webhook)
        return work.answer(Replayed(messages=await store.send_again(work.db, webhook.id, ask.since)))


async def deliveries(hub: Hub, actor: Actor, ask: ListDeliveries) -> Page[Delivery]:
    """List what was sent to a webhook and how that went, the newest first."""
    async with hub.reading() as db:
        venue = await access.managed_venue(db, actor, ask.venue_id, RIGHT)
        webhook = await _found(db, venue.id, ask.webhook_id)
        found, total = await store.deliveries(db, webhook.id, ask.status, ask.per_page, ask.offset)
    return Page[Delivery].model_validate(ask.of(found, total))


async def give_up(hub: Hub, actor: Actor, venue_id: int, webhook_id: int, reason: Reason) -> bool:
    """Switch a webhook off that takes nothing any more, and write so to those who run the venue; False if it was."""
    async with hub.work(actor) as work:
        await store.lock(work.db, webhook_id)
        webhook = await store.find(work.db, venue_id, webhook_id)
        if webhook is None or not await store.disable(work.db, webhook_id, reason):
            return False
        venue = await venue_store.find(work.db, venue_id)
        if venue is not None:
            link = f"{hub.settings.public_url}/venues/{venue_id}/webhooks"
            facts: dict[str, Fact] = {"venue": venue.name, "receiver": URL(webhook.url).host, "link": link}
            for person in await store.managers(work.db, venue_id):
                told = {"name": person.name} | facts
                await mail.send(work, person.email, "webhook_disabled", person.language, told)
    return True


def sealed(settings: Settings, secret: bytes) -> bytes:
    """Encrypt a webhook's secret as it is kept."""
    return _box(settings).encrypt(secret)


def unsealed(settings: Settings, secret: bytes) -> bytes | None:
    """Decrypt a secret; nothing once the hub's own has changed."""
    try:
        return _box(settings).decrypt(secret)
    except InvalidToken:
        return None


def _box(settings: Settings) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(signing_key(settings, "webhook secret")))


async def _judge(settings: Settings, url: str) -> None:
    anywhere = settings.webhook_private
    fault = gateway.fault_of(url, anywhere=anywhere) or await gateway.leads_nowhere(url, anywhere=anywhere)
    if fault is not None:
        raise Invalid.field("url", fault)


def _followed(venue_id: int, events: Iterable[str]) -> list[str]:
    """Name the live rooms in which these events are told."""
    wanted = set(events)
    named = [(rooms.desk(venue_id), DESK_EVENTS), (rooms.venue(venue_id), VENUE_EVENTS)]
    return [room for room, told in named if wanted & told]


async def _refuse_flood(hub: Hub, work: Work, webhook: Webhook) -> None:
    wait = await attempts.take(hub, work.db, _RESENDS, webhook.id)
    if wait > 0:
        raise TooManyRequests("Too much was sent again within an hour; try later.", retry_after=wait)


async def _locked(work: Work, actor: Actor, ask: NameWebhook) -> Webhook:
    venue = await access.manage_venue(work.db, actor, ask.venue_id, RIGHT)
    await store.lock(work.db, ask.webhook_id)
    return await _found(work.db, venue.id, ask.webhook_id)


async def _found(db: Db, venue_id: int, webhook_id: int) -> Webhook:
    webhook = await store.find(db, venue_id, webhook_id)
    if webhook is None:
        raise NotFound()
    return webhook
