"""What happens to room types."""

from __future__ import annotations

from hub import rooms
from hub.events import Event
from hub.models.room_types import RoomType


class RoomTypeFact(Event):
    """A fact about a room type, told to those who watch its venue."""

    thing: RoomType

    def rooms(self) -> list[str]:
        """Name the public room of the venue."""
        return [rooms.venue(self.thing.venue_id)]


class RoomTypeCreated(RoomTypeFact, name="room_type.created", audience=("venue",)):
    """A venue offers a new room type."""


class RoomTypeChanged(RoomTypeFact, name="room_type.changed", audience=("venue",)):
    """A room type has changed, or how many rooms it has."""


class RoomTypeDeleted(RoomTypeFact, name="room_type.deleted", audience=("venue",)):
    """A room type is no longer offered; its rooms go with it."""
