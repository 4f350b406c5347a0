"""Bookings: made at once, read, cancelled, moved and brought to their end."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.base import Page
from hub.models.bookings import (
    AskCancellation,
    Booking,
    BookingHistory,
    CancelBooking,
    ListBookings,
    MakeBooking,
    NameBooking,
    RescheduleBooking,
)
from hub.models.cancellations import CancellationPreview, CancelledBooking
from hub.services import bookings


@endpoint(
    "bookings.make",
    "POST /bookings",
    may="booking:create",
    status=201,
    repeatable=True,
    tells=("booking.confirmed", "booking.pending", "availability.changed"),
    in_person=True,
)
async def make(call: Call, ask: MakeBooking) -> Booking:
    """Book a basket at once, all of it or nothing."""
    return await bookings.make(call.hub, call.actor, ask)


@endpoint("bookings.list", "GET /bookings")
async def listed(call: Call, ask: ListBookings) -> Page[Booking]:
    """List your own bookings, or with a venue_id that venue's, for its staff."""
    return await bookings.listed(call.hub, call.actor, ask)


@endpoint("bookings.read", "GET /bookings/{booking_id}")
async def read(call: Call, ask: NameBooking) -> Booking:
    """Read a booking: its customer all of it, a desk its venue's part."""
    return await bookings.read(call.hub, call.actor, ask)


@endpoint("bookings.history", "GET /bookings/{booking_id}/changes")
async def history(call: Call, ask: NameBooking) -> BookingHistory:
    """Read how a booking was moved, oldest first."""
    return BookingHistory(items=await bookings.history(call.hub, call.actor, ask))


@endpoint("bookings.cancellation", "GET /bookings/{booking_id}/cancellation")
async def cancellation(call: Call, ask: AskCancellation) -> CancellationPreview:
    """Show what cancelling a booking, some of its items or fewer of one would give back now."""
    return await bookings.cancellation(call.hub, call.actor, ask)


@endpoint(
    "bookings.cancel",
    "POST /bookings/{booking_id}/cancel",
    repeatable=True,
    tells=(
        "booking.cancelled",
        "booking.changed",
        "booking.confirmed",
        "booking.withdrawn",
        "refund.changed",
        "wallet.changed",
        "availability.changed",
    ),
    in_person=True,
)
async def cancel(call: Call, ask: CancelBooking) -> CancelledBooking:
    """Cancel a booking, some of its items or fewer of one; what they had taken is free at once.

    What was agreed is given back, exactly as `GET /bookings/{booking_id}/cancellation` shows it.
    """
    return await bookings.cancel(call.hub, call.actor, ask)


@endpoint(
    "bookings.reschedule",
    "POST /bookings/{booking_id}/reschedule",
    repeatable=True,
    tells=(
        "booking.rescheduled",
        "booking.confirmed",
        "booking.withdrawn",
        "refund.changed",
        "wallet.changed",
        "availability.changed",
    ),
    in_person=True,
)
async def reschedule(call: Call, ask: RescheduleBooking) -> Booking:
    """Move a booking to new items, priced anew; it has all the new places or keeps the old ones."""
    return await bookings.reschedule(call.hub, call.actor, ask)


@endpoint(
    "bookings.complete",
    "POST /bookings/{booking_id}/complete",
    repeatable=True,
    tells=("booking.completed", "availability.changed"),
)
async def complete(call: Call, ask: NameBooking) -> Booking:
    """Mark that the guests came; for the venue's staff, once the booking has begun."""
    return await bookings.complete(call.hub, call.actor, ask)


@endpoint(
    "bookings.no_show",
    "POST /bookings/{booking_id}/no-show",
    repeatable=True,
    tells=("booking.no_show", "refund.changed", "wallet.changed", "availability.changed"),
)
async def no_show(call: Call, ask: NameBooking) -> Booking:
    """Mark that the guests did not come; for the venue's staff, once the booking has begun."""
    return await bookings.no_show(call.hub, call.actor, ask)
