"""Closures over both wires."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.base import Page
from hub.models.closures import ChangeClosure, Closure, CreateClosure, ListClosures, NameClosure
from hub.services import closures


@endpoint("closures.list", "GET /closures")
async def listed(call: Call, ask: ListClosures) -> Page[Closure]:
    """List closures of the venues whose desk you may see."""
    return await closures.listed(call.hub, call.actor, ask)


@endpoint(
    "closures.create",
    "POST /closures",
    status=201,
    tells=(
        "closure.created",
        "availability.changed",
    ),
)
async def create(call: Call, ask: CreateClosure) -> Closure:
    """Close a room, some rooms of a pool or the whole venue, unless bookings or sessions stand in the way."""
    return await closures.create(call.hub, call.actor, ask)


@endpoint("closures.get", "GET /closures/{closure_id}")
async def read(call: Call, ask: NameClosure) -> Closure:
    """Read one closure of a venue whose desk you may see."""
    return await closures.read(call.hub, call.actor, ask)


@endpoint(
    "closures.change",
    "PATCH /closures/{closure_id}",
    tells=(
        "closure.changed",
        "availability.changed",
    ),
)
async def change(call: Call, ask: ChangeClosure) -> Closure:
    """Move a closure, or let it take another number of rooms; all of it or nothing."""
    return await closures.change(call.hub, call.actor, ask)


@endpoint(
    "closures.delete",
    "DELETE /closures/{closure_id}",
    status=204,
    tells=(
        "closure.deleted",
        "availability.changed",
    ),
)
async def delete(call: Call, ask: NameClosure) -> None:
    """Open again what was closed, but for what another closure still closes."""
    await closures.delete(call.hub, call.actor, ask)
