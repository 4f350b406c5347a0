"""Add-ons over both wires."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.addons import Addon, ChangeAddon, CreateAddon, ListAddons, NameAddon
from hub.models.base import Page
from hub.services import addons


@endpoint("addons.list", "GET /addons", may=EVERYBODY)
async def listed(call: Call, ask: ListAddons) -> Page[Addon]:
    """List add-ons of the venues you may see."""
    return await addons.listed(call.hub, call.actor, ask)


@endpoint("addons.create", "POST /addons", status=201)
async def create(call: Call, ask: CreateAddon) -> Addon:
    """Sell something new beside the rooms and places of a venue."""
    return await addons.create(call.hub, call.actor, ask)


@endpoint("addons.get", "GET /addons/{addon_id}", may=EVERYBODY)
async def read(call: Call, ask: NameAddon) -> Addon:
    """Read one add-on."""
    return await addons.read(call.hub, call.actor, ask)


@endpoint("addons.change", "PATCH /addons/{addon_id}")
async def change(call: Call, ask: ChangeAddon) -> Addon:
    """Change an add-on; what was booked keeps its price."""
    return await addons.change(call.hub, call.actor, ask)


@endpoint("addons.delete", "DELETE /addons/{addon_id}", status=204)
async def delete(call: Call, ask: NameAddon) -> None:
    """Sell an add-on no longer."""
    await addons.delete(call.hub, call.actor, ask)
