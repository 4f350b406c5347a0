"""What happens to payments and refunds; the payer and the desks of the booking's venues hear it."""

from __future__ import annotations

from hub import rooms
from hub.events import Event
from hub.models.payments import Payment
from hub.models.refunds import Refund


class PaymentChanged(Event, name="payment.changed", audience=("desk", "user")):
    """A payment was begun, has come in, failed, was cancelled or is disputed."""

    thing: Payment
    venue_ids: tuple[int, ...] = ()

    @property
    def has_come_in(self) -> bool:
        """Tell whether its payer is owed a receipt."""
        return self.thing.status == "completed" and self.thing.disputed_at is None

    def rooms(self) -> list[str]:
        """Name the payer's room, and the desks that the payment is for."""
        return [rooms.user(self.thing.user_id), *(rooms.desk(venue_id) for venue_id in self.venue_ids)]


class RefundChanged(Event, name="refund.changed", audience=("desk", "user")):
    """A refund was asked for, decided, sent, has arrived or failed."""

    thing: Refund
    venue_ids: tuple[int, ...] = ()

    def rooms(self) -> list[str]:
        """Name the guest's room, and the desks of the booking's venues."""
        return [rooms.user(self.thing.user_id), *(rooms.desk(venue_id) for venue_id in self.venue_ids)]
