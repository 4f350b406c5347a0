"""Doors of uploaded pictures that go; how they come is in handlers.files."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.files import RemoveRoomImage, RemoveRoomTypeImage, RemoveVenueImage
from hub.services import files


@endpoint("me.remove_picture", "DELETE /me/picture", status=204, tells=("user.changed",))
async def remove_picture(call: Call) -> None:
    """Show no picture of yourself any more."""
    await files.remove_picture(call.hub, call.actor)


@endpoint("venues.remove_image", "DELETE /venues/{venue_id}/images/{name}", status=204, tells=("venue.changed",))
async def remove_venue_image(call: Call, ask: RemoveVenueImage) -> None:
    """Remove an uploaded image of a venue, named by the last part of its address."""
    await files.remove_venue_image(call.hub, call.actor, ask)


@endpoint(
    "room_types.remove_image",
    "DELETE /room-types/{room_type_id}/images/{name}",
    status=204,
    tells=("room_type.changed",),
)
async def remove_room_type_image(call: Call, ask: RemoveRoomTypeImage) -> None:
    """Remove an uploaded image of a room type, named by the last part of its address."""
    await files.remove_room_type_image(call.hub, call.actor, ask)


@endpoint("rooms.remove_image", "DELETE /rooms/{room_id}/images/{name}", status=204, tells=("room.changed",))
async def remove_room_image(call: Call, ask: RemoveRoomImage) -> None:
    """Remove an uploaded image of a room, named by the last part of its address."""
    await files.remove_room_image(call.hub, call.actor, ask)
