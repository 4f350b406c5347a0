"""What happens to rooms."""

from __future__ import annotations

from hub import rooms
from hub.events import Event
from hub.models.rooms import Room


class RoomFact(Event):
    """A fact about a numbered room, told to those who watch its venue."""

    thing: Room

    def rooms(self) -> list[str]:
        """Name the public room of the venue."""
        return [rooms.venue(self.thing.venue_id)]


class RoomCreated(RoomFact, name="room.created", audience=("venue",)):
    """A venue has a new room."""


class RoomChanged(RoomFact, name="room.changed", audience=("venue",)):
    """A room has changed, such as its status."""


class RoomDeleted(RoomFact, name="room.deleted", audience=("venue",)):
    """A room is gone."""
