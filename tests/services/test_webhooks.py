"""Webhooks are their venue's: who runs it says where they lead, and sees the secret once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from handlers.table import facts
from hub.errors import ChangedMeanwhile, Forbidden, HubError, Invalid, NotFound, TooManyRequests
from hub.gateways import webhooks as gateway
from hub.jobs import webhooks as job
from hub.models import webhooks as models
from hub.models.venues import NameVenue
from hub.models.webhooks import (
    ChangeWebhook,
    CreateWebhook,
    ListDeliveries,
    ListWebhooks,
    NameWebhook,
    ReplayWebhook,
)
from hub.services import venues, webhooks
from hub.settings import Settings, SettingsRefused
from tests import builders
from tests.doors import ListeningHub
from tests.receivers import Street, hook
from tests.world import World, refusal

URL = "https://1.1.1.1/hooks"


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub)


async def made(world: World, **fields: Any) -> Any:
    ask = CreateWebhook(venue_id=world.hall.id, **({"url": URL} | fields))
    return await webhooks.create(world.hub, world.owner, ask)


def test_every_fact_of_a_venue_can_be_sent_and_nothing_else() -> None:
    for audience, names in (("desk", models.DESK_EVENTS), ("venue", models.VENUE_EVENTS)):
        # Before there is a venue nobody can ask to be told of it.
        assert names == {name for name, fact in facts().items() if audience in fact.audience} - {"venue.created"}
    assert not {models.TEST, models.GAP} & set(facts())


async def test_a_secret_is_shown_once_and_kept_encrypted(world: World) -> None:
    new = await made(world)
    assert new.secret.startswith("whsec_")
    name = NameWebhook(venue_id=world.hall.id, webhook_id=new.webhook.id)
    listed = await webhooks.listed(world.hub, world.owner, ListWebhooks(venue_id=world.hall.id))
    read = await webhooks.read(world.hub, world.owner, name)
    assert listed.items == [read]
    assert new.secret not in read.model_dump_json()
    async with world.hub.pool.acquire() as db:
        sealed = await db.fetchval("SELECT secret FROM webhooks")
        kept = await db.fetchval("SELECT string_agg(coalesce(after::text, ''), '') FROM audit WHERE entity = 'webhook'")
    opened = webhooks.unsealed(world.hub.settings, sealed)
    assert opened is not None
    assert gateway.shown(opened) == new.secret
    assert opened not in sealed
    assert [word in kept for word in (URL, "secret", "booking.confirmed")] == [False, False, True]
    renewed = await webhooks.rotate(world.hub, world.owner, name)
    assert renewed.secret != new.secret


NOWHERE = (
    "https://127.0.0.1/",
    "https://[::ffff:10.0.0.1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2130706433/",
    "https://localhost./",
    "http://1.1.1.1/",
    "https://1.1.1.1:6379/",
    "https://me:secret@1.1.1.1/",
    "gopher://1.1.1.1/",
    "nonsense",
)


@pytest.mark.abuse("A7")
async def test_a_webhook_of_another_venue_is_not_there(world: World) -> None:
    rival = await builders.make_actor(world.hub, "vendor")
    theirs = await builders.make_venue(world.hub, rival)
    new = (await made(world)).webhook
    assert isinstance(
        await refusal(webhooks.create(world.hub, rival, CreateWebhook(venue_id=world.hall.id, url=URL))), NotFound
    )
    for venue_id in (world.hall.id, theirs.id):
        name = {"venue_id": venue_id, "webhook_id": new.id}
        for act in (
            webhooks.read(world.hub, rival, NameWebhook(**name)),
            webhooks.change(world.hub, rival, ChangeWebhook(**name, description="mine")),
            webhooks.delete(world.hub, rival, NameWebhook(**name)),
            webhooks.rotate(world.hub, rival, NameWebhook(**name)),
            webhooks.try_out(world.hub, rival, NameWebhook(**name)),
            webhooks.replay(world.hub, rival, ReplayWebhook(**name, since=0)),
            webhooks.deliveries(world.hub, rival, ListDeliveries(**name)),
        ):
            assert isinstance(await refusal(act), NotFound)
    # The desk sees its bookings, but decides nothing about where they are sent.
    assert isinstance(
        await refusal(webhooks.listed(world.hub, world.clerk, ListWebhooks(venue_id=world.hall.id))), Forbidden
    )


@pytest.mark.abuse("J1")
@pytest.mark.abuse("J2")
@pytest.mark.abuse("J3")
@pytest.mark.abuse("J7")
async def test_where_it_must_not_lead_is_refused_and_never_kept(world: World) -> None:
    new = (await made(world)).webhook
    for url in NOWHERE:
        refused = await refusal(made(world, url=url))
        assert isinstance(refused, Invalid), url
        assert refused.details["errors"][0]["field"] == "url"
        assert "secret" not in str(refused.details)
        change = ChangeWebhook(venue_id=world.hall.id, webhook_id=new.id, url=url)
        assert isinstance(await refusal(webhooks.change(world.hub, world.owner, change)), Invalid), url
    async with world.hub.pool.acquire() as db:
        assert await db.fetchval("SELECT array_agg(url) FROM webhooks") == [URL]


def test_production_never_lets_webhooks_lead_to_private_addresses(settings: Settings) -> None:
    safe = replace(
        settings, env="production", rate_limits=True, password_memory_kb=65_536, secret="Zk3" * 12 + "qP9-xW7_"
    )
    assert not safe.webhook_private
    with pytest.raises(SettingsRefused, match="HUB_WEBHOOK_PRIVATE"):
        replace(safe, webhook_private=True)


async def test_what_is_chosen_must_be_something_that_happens(world: World) -> None:
    for events in ([], ["booking.stolen"], ["user.changed"], None):
        with pytest.raises(ValidationError):
            CreateWebhook.model_validate({"venue_id": 1, "url": URL, "events": events})
    new = await made(world, events=["booking.held", "booking.held", "venue.changed"])
    assert new.webhook.events == ["booking.held", "venue.changed"]
    assert set((await made(world)).webhook.events) < set(get_args(models.DeskEvent))


async def test_a_change_leaves_alone_what_it_does_not_name(world: World) -> None:
    new = (await made(world, description="Till", events=["booking.held"], with_bookings=True)).webhook
    name = {"venue_id": world.hall.id, "webhook_id": new.id}
    changed = await webhooks.change(world.hub, world.owner, ChangeWebhook(**name, description="Door"))
    assert changed == new.model_copy(update={"description": "Door", "updated_at": changed.updated_at})
    off = await webhooks.change(world.hub, world.owner, ChangeWebhook(**name, is_active=False))
    assert (off.is_active, off.disabled_because) == (False, "asked")
    assert (await webhooks.change(world.hub, world.owner, ChangeWebhook(**name, is_active=True))).is_active
    stale = replace(world.owner, expects=lambda thing: False)
    assert isinstance(await refusal(webhooks.change(world.hub, stale, ChangeWebhook(**name))), ChangedMeanwhile)
    await webhooks.delete(world.hub, world.owner, NameWebhook(**name))
    assert isinstance(await refusal(webhooks.read(world.hub, world.owner, NameWebhook(**name))), NotFound)


async def test_a_venue_has_so_many_webhooks_and_resends_so_often(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST_OF_A_VENUE", 2)
    new = (await made(world)).webhook
    await made(world)
    refused: HubError = await refusal(made(world))
    assert (refused.status, refused.code) == (409, "too_many_webhooks")
    world.hub.settings = replace(world.hub.settings, rate_limits=True)
    name = NameWebhook(venue_id=world.hall.id, webhook_id=new.id)
    for _ in range(30):
        await webhooks.try_out(world.hub, world.owner, name)
    assert isinstance(await refusal(webhooks.try_out(world.hub, world.owner, name)), TooManyRequests)


async def test_the_last_a_receiver_hears_of_a_venue_is_that_it_is_gone(
    world: World, receivers: Street, on_loopback: Settings
) -> None:
    world.hub.settings = on_loopback
    venue = await builders.make_venue(world.hub, world.owner)
    inbox = receivers.inbox()
    await hook(world.hub, world.owner, venue.id, inbox, "venue.deleted")
    await venues.delete(world.hub, world.owner, NameVenue(venue_id=venue.id))
    await job.work_off(world.hub)
    assert [(one["type"], one["data"]["id"]) for one in inbox.got] == [("venue.deleted", venue.id)]
