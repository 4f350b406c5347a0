"""What happens to wallets and points, which their person hears, and to escrow, which the venue's desk hears."""

from __future__ import annotations

from hub import rooms
from hub.events import Event
from hub.models.wallet import Balance, Points, Released


class WalletChanged(Event, name="wallet.changed", audience=("user",)):
    """A wallet holds more or less than before, was frozen, or can be paid from again."""

    thing: Balance

    def rooms(self) -> list[str]:
        """Name the room of whoever has the wallet."""
        return [rooms.user(self.thing.user_id)]


class PointsChanged(Event, name="points.changed", audience=("user",)):
    """A booking that took place has earned points."""

    thing: Points

    def rooms(self) -> list[str]:
        """Name the room of whoever has the points."""
        return [rooms.user(self.thing.user_id)]


class EscrowReleased(Event, name="escrow.released", audience=("desk",)):
    """Money that waited for the end of a booking now belongs to the venue."""

    thing: Released

    def rooms(self) -> list[str]:
        """Name the desk of the venue that is paid."""
        return [rooms.desk(self.thing.venue_id)]
