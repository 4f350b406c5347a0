"""Venues over both wires."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.base import Page
from hub.models.venues import ChangeVenue, CreateVenue, ListVenues, NameVenue, Venue
from hub.services import venues


@endpoint("venues.list", "GET /venues", may=EVERYBODY)
async def listed(call: Call, ask: ListVenues) -> Page[Venue]:
    """List venues; those that are not active only to who runs them."""
    return await venues.listed(call.hub, call.actor, ask)


@endpoint("venues.create", "POST /venues", may="venue:create", status=201, tells=("venue.created",))
async def create(call: Call, ask: CreateVenue) -> Venue:
    """Open a venue of your own."""
    return await venues.create(call.hub, call.actor, ask)


@endpoint("venues.get", "GET /venues/{venue_id}", may=EVERYBODY)
async def read(call: Call, ask: NameVenue) -> Venue:
    """Read one venue."""
    return await venues.read(call.hub, call.actor, ask)


@endpoint(
    "venues.change",
    "PATCH /venues/{venue_id}",
    tells=(
        "venue.changed",
        "room_type.changed",
        "session.changed",
        "availability.changed",
    ),
)
async def change(call: Call, ask: ChangeVenue) -> Venue:
    """Change a venue; its time zone and its currency only while nothing is booked."""
    return await venues.change(call.hub, call.actor, ask)


@endpoint("venues.delete", "DELETE /venues/{venue_id}", status=204, tells=("venue.deleted",))
async def delete(call: Call, ask: NameVenue) -> None:
    """Delete a venue of which nothing is booked any more."""
    await venues.delete(call.hub, call.actor, ask)
