"""Webhooks: where a venue's events are sent to, which, and how that goes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from hub.models.base import Ask, Id, Line, Paging, Thing
from hub.models.fields import Stays

DeskEvent = Literal[
    "booking.held",
    "booking.pending",
    "booking.confirmed",
    "booking.cancelled",
    "booking.rescheduled",
    "booking.expired",
    "booking.checked_in",
    "booking.completed",
    "booking.no_show",
    "booking.changed",
    "booking.withdrawn",
    "closure.created",
    "closure.changed",
    "closure.deleted",
    "guest.changed",
    "payment.changed",
    "refund.changed",
    "escrow.released",
]
VenueEvent = Literal[
    "availability.changed",
    "venue.changed",
    "venue.deleted",
    "room_type.created",
    "room_type.changed",
    "room_type.deleted",
    "room.created",
    "room.changed",
    "room.deleted",
    "session.created",
    "session.changed",
    "session.cancelled",
    "session.deleted",
]
DESK_EVENTS: Final = frozenset[str](get_args(DeskEvent))
VENUE_EVENTS: Final = frozenset[str](get_args(VenueEvent))
# What is sent beside the events that were chosen: what somebody tries out, and where events are missing.
TEST, GAP = "webhook.test", "webhook.gap"

USUAL: Final[list[DeskEvent | VenueEvent]] = [
    "booking.pending",
    "booking.confirmed",
    "booking.cancelled",
    "booking.rescheduled",
    "booking.withdrawn",
]

Reason = Literal["asked", "failing", "gone"]
DeliveryStatus = Literal["waiting", "delivered", "failed"]


def _once(names: list[DeskEvent | VenueEvent]) -> list[DeskEvent | VenueEvent]:
    return list(dict.fromkeys(names))


Events = Annotated[list[DeskEvent | VenueEvent], Field(min_length=1, max_length=100), AfterValidator(_once)]
Address = Annotated[
    Line,
    StringConstraints(min_length=1, max_length=500),
    Field(
        description="An https address on the public internet, at port 443 or 8443, without a name or password in it.",
        examples=["https://example.org/hooks/bookings"],
    ),
]
WithBookings = Annotated[
    bool,
    Field(
        description="Whether what is sent about a booking carries the booking as the desk sees it when it is sent, its "
        "guest included. Otherwise nothing but ids and states travels."
    ),
]


class ListWebhooks(Paging):
    """Whose webhooks: a venue, by its id."""

    venue_id: Id


class NameWebhook(Ask):
    """One webhook of a venue."""

    venue_id: Id
    webhook_id: Id


class CreateWebhook(Ask):
    """Where a venue's events shall be sent to, and which."""

    venue_id: Id
    url: Address
    description: Line = ""
    events: Events = USUAL
    with_bookings: WithBookings = False


class ChangeWebhook(NameWebhook):
    """What changes about a webhook; what is left out stays as it is."""

    url: Stays[Address] = None
    description: Stays[Line] = None
    events: Stays[Events] = None
    with_bookings: Stays[WithBookings] = None
    is_active: Stays[bool] = Field(
        default=None, description="Switched on again, it goes on where it stopped, as far as the hub still remembers."
    )


class ListDeliveries(Paging):
    """Which deliveries of a webhook, the newest first."""

    venue_id: Id
    webhook_id: Id
    status: DeliveryStatus | None = None


class ReplayWebhook(NameWebhook):
    """From where on to send again."""

    since: int = Field(ge=0, le=2**53, description="The last sequence number you have; all after it are sent again.")


class Webhook(Thing):
    """Where a venue's events are sent to, and how that goes."""

    id: int
    venue_id: int
    url: str
    description: str
    events: list[str]
    with_bookings: bool
    is_active: bool
    disabled_because: Reason | None = Field(
        default=None,
        description="`asked` by those who run the venue, `failing` for more than a day, or `gone` as it said (410).",
    )
    disabled_at: datetime | None = None
    failing_since: datetime | None = Field(default=None, description="Nothing was taken since.")
    last_sequence: int = Field(description="The sequence number of the newest message.")
    waiting: int = Field(description="Messages that are still to be delivered.")
    old_secret_until: datetime | None = Field(default=None, description="Until then messages carry two signatures.")
    created_at: datetime
    updated_at: datetime


class NewSecret(Thing):
    """A webhook with its secret, which is shown this once."""

    webhook: Webhook
    secret: str = Field(
        description="Signs what is sent, by Standard Webhooks: `whsec_` and base64.", examples=["whsec_C2FVsBQIhrscCh"]
    )


class Delivery(Thing):
    """One message to a webhook, and how its delivery went."""

    sequence: int
    id: UUID = Field(description="The message's `webhook-id` is `msg_` and these digits without dashes.")
    name: str
    at: datetime
    status: DeliveryStatus
    attempts: int
    tried_at: datetime | None = None
    answered: int | None = Field(default=None, description="The HTTP status of the last answer, if there was any.")
    error: str | None = Field(default=None, description="Why the last attempt that failed did.")
    milliseconds: int | None = Field(default=None, description="How long the last attempt took.")
    due_at: datetime | None = Field(default=None, description="When it is tried next.")


class Replayed(Thing):
    """How many messages are sent again."""

    messages: int
