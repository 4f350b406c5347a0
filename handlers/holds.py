"""Holds: what a customer keeps for a while before booking it."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.bookings import Booking, NameBooking, PlaceHold, ReleaseItem
from hub.services import holds


@endpoint(
    "holds.place",
    "POST /holds",
    may="booking:create",
    status=201,
    repeatable=True,
    tells=("booking.held", "availability.changed"),
)
async def place(call: Call, ask: PlaceHold) -> Booking:
    """Hold a basket, all of it or nothing, until it is confirmed, released or its time runs out.

    A refusal names the reasons and the nearest alternatives, each an item ready to be asked for.
    """
    return await holds.place(call.hub, call.actor, ask)


@endpoint(
    "holds.renew",
    "POST /holds/{booking_id}/renew",
    repeatable=True,
    tells=("booking.held", "availability.changed"),
)
async def renew(call: Call, ask: NameBooking) -> Booking:
    """Start a hold's clock again, up to its cap."""
    return await holds.renew(call.hub, call.actor, ask)


@endpoint(
    "holds.confirm",
    "POST /holds/{booking_id}/confirm",
    repeatable=True,
    tells=("booking.confirmed", "booking.pending", "availability.changed"),
    in_person=True,
)
async def confirm(call: Call, ask: NameBooking) -> Booking:
    """Turn a hold into a booking: firm, or pending until it is paid, as its venue's policy says."""
    return await holds.confirm(call.hub, call.actor, ask)


@endpoint(
    "holds.release",
    "DELETE /holds/{booking_id}",
    status=204,
    tells=("booking.cancelled", "refund.changed", "wallet.changed", "availability.changed"),
)
async def release(call: Call, ask: NameBooking) -> None:
    """Give a hold back; its places are free at once."""
    await holds.release(call.hub, call.actor, ask)


@endpoint(
    "holds.release_item",
    "DELETE /holds/{booking_id}/items/{item_id}",
    tells=(
        "booking.held",
        "booking.confirmed",
        "booking.cancelled",
        "booking.withdrawn",
        "refund.changed",
        "wallet.changed",
        "availability.changed",
    ),
)
async def release_item(call: Call, ask: ReleaseItem) -> Booking:
    """Take one item out of a held basket; with its last item the hold is given back."""
    return await holds.release_item(call.hub, call.actor, ask)
