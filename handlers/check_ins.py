"""Checking in: a desk reads the code that a guest shows."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.bookings import Booking
from hub.models.check_ins import CheckIn
from hub.services import check_ins


@endpoint(
    "check_ins.create",
    "POST /check-ins",
    status=201,
    repeatable=True,
    tells=("booking.checked_in", "availability.changed"),
)
async def create(call: Call, ask: CheckIn) -> Booking:
    """Let the guests of a confirmed booking in by their code, from the day on which it begins; once at each venue.

    For the staff of a venue of the booking; a code of another venue's booking is not known there.
    """
    return await check_ins.check_in(call.hub, call.actor, ask)
