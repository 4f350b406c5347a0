"""What happens to closures; their reasons are for the desk only, the public sees what is closed."""

from __future__ import annotations

from hub import rooms
from hub.events import Event
from hub.models.closures import Closure


class ClosureFact(Event):
    """A fact about a closure, told to the venue's desk."""

    thing: Closure

    def rooms(self) -> list[str]:
        """Name the room of the venue's desk."""
        return [rooms.desk(self.thing.venue_id)]


class ClosureCreated(ClosureFact, name="closure.created", audience=("desk",)):
    """Something at the venue is closed for a time."""


class ClosureChanged(ClosureFact, name="closure.changed", audience=("desk",)):
    """A closure has moved, or takes another number of rooms."""


class ClosureDeleted(ClosureFact, name="closure.deleted", audience=("desk",)):
    """What was closed is open again."""
