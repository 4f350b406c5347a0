"""What happens to bookings; the database writes their data, one for each desk and one for the guest."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from hub import rooms
from hub.events import Event
from hub.models.base import Thing
from hub.models.bookings import Booking

AUDIENCE = ("desk", "user")


class BookingFact(Event):
    """A fact about one booking, named by its id; its data is the booking as it then is."""

    # Whether the guest is told by mail or SMS too, as they chose.
    by_letter: ClassVar[bool] = False

    booking_id: int

    @classmethod
    def data_model(cls) -> type[BaseModel]:
        """Answer the booking: what the database puts into the envelope."""
        return Booking


class BookingHeld(BookingFact, name="booking.held", audience=AUDIENCE):
    """A customer holds a basket, or has renewed the hold."""


class BookingPending(BookingFact, name="booking.pending", audience=AUDIENCE):
    """A hold was turned into a booking that waits for its payment."""


class BookingConfirmed(BookingFact, name="booking.confirmed", audience=AUDIENCE):
    """A booking is firm."""

    by_letter = True


class BookingCancelled(BookingFact, name="booking.cancelled", audience=AUDIENCE):
    """A booking was cancelled, or a hold released; what it had taken is free."""

    by_letter = True


class BookingRescheduled(BookingFact, name="booking.rescheduled", audience=AUDIENCE):
    """A booking's items have moved."""

    by_letter = True


class BookingExpired(BookingFact, name="booking.expired", audience=AUDIENCE):
    """Nobody confirmed in time; what was held is free."""


class BookingCompleted(BookingFact, name="booking.completed", audience=AUDIENCE):
    """The guests came and went."""


class BookingNoShow(BookingFact, name="booking.no_show", audience=AUDIENCE):
    """The guests did not come."""


class BookingCheckedIn(BookingFact, name="booking.checked_in", audience=AUDIENCE):
    """The guests are here: a desk of the booking has read their code."""


class BookingChanged(BookingFact, name="booking.changed", audience=AUDIENCE):
    """What a booking says of its guest, has paid or still takes has changed; it has not moved."""


class Withdrawn(Thing):
    """Which booking, and the venue it left."""

    id: int
    venue_id: int


class BookingWithdrawn(Event, name="booking.withdrawn", audience=("desk",)):
    """A booking still lives but has nothing left at this venue."""

    thing: Withdrawn

    def rooms(self) -> list[str]:
        """Name the desk that may forget the booking."""
        return [rooms.desk(self.thing.venue_id)]
