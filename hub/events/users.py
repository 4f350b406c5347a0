"""What happens to people's accounts."""

from __future__ import annotations

from hub import rooms
from hub.events import Event
from hub.models.bookings import Guest
from hub.models.users import User


class UserChanged(Event, name="user.changed", audience=("user",)):
    """A person's profile, roles or rights have changed."""

    thing: User

    def rooms(self) -> list[str]:
        """Name the person's own room."""
        return [rooms.user(self.thing.id)]


class GuestChanged(Event, name="guest.changed", audience=("desk",)):
    """A guest of this venue goes by another name or number; it stands so in all their bookings."""

    venue_id: int
    thing: Guest

    def rooms(self) -> list[str]:
        """Name the desk that knows the guest."""
        return [rooms.desk(self.venue_id)]
