"""Room types over both wires."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.base import Page
from hub.models.room_types import ChangeRoomType, CreateRoomType, ListRoomTypes, NameRoomType, RoomType
from hub.services import room_types


@endpoint("room_types.list", "GET /room-types", may=EVERYBODY)
async def listed(call: Call, ask: ListRoomTypes) -> Page[RoomType]:
    """List room types of the venues you may see."""
    return await room_types.listed(call.hub, call.actor, ask)


@endpoint(
    "room_types.create",
    "POST /room-types",
    status=201,
    tells=(
        "room_type.created",
        "room.created",
        "availability.changed",
    ),
)
async def create(call: Call, ask: CreateRoomType) -> RoomType:
    """Offer a new room type, and make its numbered rooms if it says how many."""
    return await room_types.create(call.hub, call.actor, ask)


@endpoint("room_types.get", "GET /room-types/{room_type_id}", may=EVERYBODY)
async def read(call: Call, ask: NameRoomType) -> RoomType:
    """Read one room type."""
    return await room_types.read(call.hub, call.actor, ask)


@endpoint(
    "room_types.change",
    "PATCH /room-types/{room_type_id}",
    tells=(
        "room_type.changed",
        "room.created",
        "room.deleted",
        "closure.deleted",
        "availability.changed",
    ),
)
async def change(call: Call, ask: ChangeRoomType) -> RoomType:
    """Change a room type; `total_rooms` adds rooms to a pool or takes the last ones away."""
    return await room_types.change(call.hub, call.actor, ask)


@endpoint(
    "room_types.delete",
    "DELETE /room-types/{room_type_id}",
    status=204,
    tells=(
        "room_type.deleted",
        "room.deleted",
        "closure.deleted",
        "availability.changed",
    ),
)
async def delete(call: Call, ask: NameRoomType) -> None:
    """Withdraw a room type and its rooms, if nothing of it is booked any more."""
    await room_types.delete(call.hub, call.actor, ask)
