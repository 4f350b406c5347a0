"""What happens to venues."""

from __future__ import annotations

from hub import rooms
from hub.events import Event
from hub.models.venues import Venue


class VenueFact(Event):
    """A fact about a venue, told to those who watch it."""

    thing: Venue

    def rooms(self) -> list[str]:
        """Name the public room of the venue."""
        return [rooms.venue(self.thing.id)]


class VenueCreated(VenueFact, name="venue.created", audience=("venue",)):
    """A venue has opened its doors on the hub."""


class VenueChanged(VenueFact, name="venue.changed", audience=("venue",)):
    """A venue's description or policies have changed."""


class VenueDeleted(VenueFact, name="venue.deleted", audience=("venue",)):
    """A venue is gone, and all that belonged to it."""
