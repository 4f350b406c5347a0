"""Bookings: what may be asked of them, and how they are answered to everybody."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hub.models.base import Ask, CurrencyCode, Day, Id, Line, Moment, Paging, Text, Thing
from hub.models.terms import Plan

BookingStatus = Literal["held", "pending", "confirmed", "completed", "cancelled", "expired", "no_show"]
PaymentStatus = Literal["pending", "partial", "completed", "refunded"]
Token = Annotated[str, Field(min_length=1, max_length=500)]


class AskStay(Ask):
    """Nights in a room of a type (a pool, or any free numbered room) or in one numbered room."""

    kind: Literal["stay"]
    room_type_id: Id | None = None
    room_id: Id | None = None
    check_in: Day
    check_out: Day
    guests: int = Field(default=1, ge=1, le=1000)
    quantity: int = Field(default=1, ge=1, le=100, description="How many rooms of a pool.")

    @model_validator(mode="after")
    def _names_one_thing(self) -> AskStay:
        if (self.room_type_id is None) == (self.room_id is None):
            raise ValueError("name a room_type_id or a room_id, not both")
        if self.check_out <= self.check_in:
            raise ValueError("check_out must be after check_in")
        if self.room_id is not None and self.quantity != 1:
            raise ValueError("one numbered room is one room; quantity must be 1")
        return self


class AskSlot(Ask):
    """A numbered room or hall for some hours."""

    kind: Literal["slot"]
    room_id: Id
    starts_at: Moment
    ends_at: Moment
    guests: int = Field(default=1, ge=1, le=100_000)


class AskPlace(Ask):
    """Places in a session, retreat, tour or event."""

    kind: Literal["place"]
    session_id: Id
    quantity: int = Field(default=1, ge=1, le=1000)


class AskAddon(Ask):
    """Something sold beside what the basket has at the same venue, such as a breakfast for each of its guests."""

    kind: Literal["addon"]
    addon_id: Id
    quantity: int = Field(
        default=1, ge=1, le=1000, description="Times what its price is per: booking, guest, night, hour."
    )


AskItem = Annotated[AskStay | AskSlot | AskPlace | AskAddon, Field(discriminator="kind")]


class GuestDetails(Ask):
    """Who comes, when it is not the person who books."""

    full_name: Line | None = None
    email: Line | None = None
    phone: Line | None = None
    special_requests: Text | None = None


class PlaceHold(Ask):
    """A basket to be held: all of it or nothing."""

    items: list[AskItem] = Field(min_length=1, max_length=20)
    notes: Text = ""
    guest_details: GuestDetails | None = None
    offer: Line | None = Field(default=None, description="The code of an offer.")
    points: int = Field(
        default=0, strict=True, ge=0, le=1_000_000_000, description="How many of one's loyalty points to use at most."
    )
    as_student: bool = Field(default=False, description="Use one of this year's student discounts.")
    quote: Token | None = Field(
        default=None, description="A quote's token: hold at its price, or hear that it is over."
    )
    user_id: Id | None = Field(
        default=None, description="For whom: an account the venue knows as a guest; only its staff may say so."
    )


class MakeBooking(PlaceHold):
    """A basket to be booked at once: all of it or nothing."""


class NameBooking(Ask):
    """One booking or hold, by its id."""

    booking_id: Id


class ReleaseItem(NameBooking):
    """One item of a held basket."""

    item_id: Id


class AskCancellation(NameBooking):
    """What of a booking is, or would be, cancelled."""

    item_ids: list[Id] | None = Field(
        default=None, min_length=1, max_length=100, description="Only these items; the whole booking if not named."
    )
    guests: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="How many fewer of one item: places, rooms, pieces of an add-on, or guests in the one room.",
    )
    reason_code: Literal["change_of_plans", "found_better", "illness", "weather", "venue", "duplicate", "other"] = (
        "other"
    )


class CancelBooking(AskCancellation):
    """What of a booking is cancelled, and why."""

    reason: Text = ""


class RescheduleBooking(NameBooking):
    """Where the booking's items move to: the whole new basket, in place of the old."""

    items: list[AskItem] = Field(min_length=1, max_length=20)
    reason: Text = ""


class ListBookings(Paging):
    """Which bookings: one's own, or a venue's for its staff."""

    venue_id: Id | None = None
    session_id: Id | None = None
    room_id: Id | None = None
    user_id: Id | None = None
    status: BookingStatus | None = None
    from_: Moment | None = Field(default=None, alias="from", description="Bookings that end after this.")
    to: Moment | None = Field(default=None, description="Bookings that start before this.")
    q: Line | None = Field(default=None, description="Part of a guest's name or e-mail, or a reference.")
    sort: Literal["newest", "oldest", "starts_at"] = "newest"


class Guest(Thing):
    """The person a booking is for; only that person and the venue's desk see it."""

    id: int
    full_name: str
    email: str
    phone: str | None = None


class BookingItem(Thing):
    """One stay, slot, number of places or add-on in a booking; a fee is what is kept of what was cancelled."""

    id: int
    kind: Literal["stay", "slot", "place", "addon", "fee"]
    venue_id: int
    title: str
    room_type_id: int | None = None
    room_id: int | None = None
    session_id: int | None = None
    addon_id: int | None = None
    starts_at: datetime
    ends_at: datetime
    check_in: date | None = None
    check_out: date | None = None
    guests: int = Field(
        description="Of an add-on how many each that was asked for makes: one for each guest, where it is priced so."
    )
    quantity: int
    unit_price: int = Field(description="Minor units for one night, hour or place, before discounts and tax.")
    price: int = Field(description="Minor units for the whole item, with its share of discounts and tax.")
    currency: CurrencyCode


class Booking(Thing):
    """A basket with one clock, one locked price and one reference; a hold is a booking whose status is held."""

    id: int
    reference: str
    status: BookingStatus
    user_id: int
    booked_by: int
    guest: Guest
    guest_details: dict[str, Any] | None = None
    notes: str = ""
    currency: CurrencyCode
    price: int = Field(description="Minor units; the sum of the items shown.")
    paid: int = Field(default=0, description="Minor units that were paid for what is shown and not given back.")
    payment_status: PaymentStatus = "pending"
    plan: Plan | None = Field(default=None, description="Chosen with the first payment.")
    items: list[BookingItem]
    expires_at: datetime | None = None
    hold_ends_at: datetime | None = Field(default=None, description="Renewals cannot reach beyond this.")
    confirmed_at: datetime | None = None
    checked_in_at: datetime | None = Field(default=None, description="When its guests first showed their code.")
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    cancel_reason_code: str | None = None
    completed_at: datetime | None = None
    no_show_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class BookingChange(Thing):
    """One entry of a booking's reschedule history."""

    id: int
    booking_id: int
    changed_by: int
    reason: str
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    created_at: datetime


class BookingHistory(Thing):
    """How a booking was moved, oldest first."""

    items: list[BookingChange]
