"""What happens to sessions, retreats, tours and events."""

from __future__ import annotations

from hub import rooms
from hub.events import Event
from hub.models.sessions import Session


class SessionFact(Event):
    """A fact about a session, told to those who watch its venue."""

    thing: Session

    def rooms(self) -> list[str]:
        """Name the public room of the venue."""
        return [rooms.venue(self.thing.venue_id)]


class SessionCreated(SessionFact, name="session.created", audience=("venue",)):
    """A session can be booked."""


class SessionChanged(SessionFact, name="session.changed", audience=("venue",)):
    """A session has changed, such as its time, its room or its number of places."""


class SessionCancelled(SessionFact, name="session.cancelled", audience=("venue",)):
    """A session will not take place; the bookings of its places are cancelled with it."""


class SessionDeleted(SessionFact, name="session.deleted", audience=("venue",)):
    """A session is gone."""
