"""Doors of one's own data: to take along, or to have erased."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.own_data import Erase, Export
from hub.services import own_data


@endpoint("me.export", "GET /me/export", over_socket=False, in_person=True)
async def export(call: Call) -> Export:
    """Take along all that the hub knows of you: profile, bookings, logins, linked accounts, pictures."""
    return await own_data.export(call.hub, call.actor)


@endpoint(
    "me.erase",
    "POST /me/erase",
    status=204,
    over_socket=False,
    in_person=True,
    tells=("booking.cancelled", "booking.changed", "guest.changed", "session.changed", "availability.changed"),
)
async def erase(call: Call, ask: Erase) -> None:
    """Erase yourself for good, proved by your password.

    Your bookings stay in the venues' books and say no more whose they were; holds are given back. Whoever owns
    venues or is about to lead sessions hands these over first.
    """
    await own_data.erase(call.hub, call.actor, ask)
