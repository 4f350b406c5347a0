"""Add-ons: what those who run a venue sell beside its rooms and places."""

from __future__ import annotations

from hub.core import Actor, Hub
from hub.errors import NotFound
from hub.models.addons import Addon, ChangeAddon, CreateAddon, ListAddons, NameAddon
from hub.models.base import Page
from hub.services import access, inventory
from storage import addons as store
from storage.query import Db


async def listed(hub: Hub, actor: Actor, ask: ListAddons) -> Page[Addon]:
    """List add-ons of the venues one may see."""
    async with hub.reading() as db:
        addons, total = await store.listed(db, ask, actor.user_id, sees_everything=inventory.sees_everything(actor))
    return Page[Addon].model_validate(ask.of(addons, total))


async def read(hub: Hub, actor: Actor, ask: NameAddon) -> Addon:
    """Read one add-on."""
    async with hub.reading() as db:
        addon = await _found(db, ask.addon_id)
        await access.venue(db, actor, addon.venue_id)
        return addon


async def create(hub: Hub, actor: Actor, ask: CreateAddon) -> Addon:
    """Sell something new beside the rooms and places of a venue."""
    async with hub.work(actor) as work:
        venue = await access.manage_venue(work.db, actor, ask.venue_id, "venue:update")
        addon_id = await store.create(work.db, venue.id, ask.model_dump(mode="json"))
        await inventory.changed(work, venue.id)
        return work.answer(await _found(work.db, addon_id), 201)


async def change(hub: Hub, actor: Actor, ask: ChangeAddon) -> Addon:
    """Change an add-on; what was booked keeps its price."""
    async with hub.work(actor) as work:
        addon = await _managed(work.db, actor, ask.addon_id)
        work.expect(addon)
        fields = inventory.named(ask, "addon_id")
        if fields:
            await store.change(work.db, addon.id, fields)
            await inventory.changed(work, addon.venue_id)
        return work.answer(await _found(work.db, addon.id))


async def delete(hub: Hub, actor: Actor, ask: NameAddon) -> None:
    """Sell an add-on no longer."""
    async with hub.work(actor) as work:
        addon = await _managed(work.db, actor, ask.addon_id)
        work.expect(addon)
        await store.delete(work.db, addon.id)
        await inventory.changed(work, addon.venue_id)


async def _found(db: Db, addon_id: int) -> Addon:
    addon = await store.find(db, addon_id)
    if addon is None:
        raise NotFound()
    return addon


async def _managed(db: Db, actor: Actor, addon_id: int) -> Addon:
    await access.manage_venue(db, actor, (await _found(db, addon_id)).venue_id, "venue:update")
    return await _found(db, addon_id)
