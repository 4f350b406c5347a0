"""Rooms over both wires."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.base import Page
from hub.models.rooms import ChangeRoom, CreateRoom, ListRooms, NameRoom, Room
from hub.services import rooms


@endpoint("rooms.list", "GET /rooms", may=EVERYBODY)
async def listed(call: Call, ask: ListRooms) -> Page[Room]:
    """List rooms of the venues you may see."""
    return await rooms.listed(call.hub, call.actor, ask)


@endpoint(
    "rooms.create",
    "POST /rooms",
    status=201,
    tells=(
        "room.created",
        "room_type.changed",
        "availability.changed",
    ),
)
async def create(call: Call, ask: CreateRoom) -> Room:
    """Add a room to a type; what closes the whole venue closes it too."""
    return await rooms.create(call.hub, call.actor, ask)


@endpoint("rooms.get", "GET /rooms/{room_id}", may=EVERYBODY)
async def read(call: Call, ask: NameRoom) -> Room:
    """Read one room."""
    return await rooms.read(call.hub, call.actor, ask)


@endpoint(
    "rooms.change",
    "PATCH /rooms/{room_id}",
    tells=(
        "room.changed",
        "room_type.changed",
        "availability.changed",
    ),
)
async def change(call: Call, ask: ChangeRoom) -> Room:
    """Change a room; while it waits for a repair or is not active it is not sold, and what is booked stands."""
    return await rooms.change(call.hub, call.actor, ask)


@endpoint(
    "rooms.delete",
    "DELETE /rooms/{room_id}",
    status=204,
    tells=(
        "room.deleted",
        "room_type.changed",
        "closure.deleted",
        "availability.changed",
    ),
)
async def delete(call: Call, ask: NameRoom) -> None:
    """Remove a room in which nothing is booked and no session takes place any more."""
    await rooms.delete(call.hub, call.actor, ask)
