"""Availability, for anybody to ask: what it offers, a hold takes."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.availability import (
    AskPlaceAvailability,
    AskRoomAvailability,
    AskStayAvailability,
    AskVenueAvailability,
    PlaceAvailability,
    RoomAvailability,
    StayAvailability,
    VenueAvailability,
)
from hub.services import availability


@endpoint("venues.availability", "GET /venues/{venue_id}/availability", may=EVERYBODY)
async def of_venue(call: Call, ask: AskVenueAvailability) -> VenueAvailability:
    """List what a venue offers: stays for the nights named, slots between two instants, and sessions."""
    return await availability.of_venue(call.hub, call.actor, ask)


@endpoint("room_types.availability", "GET /room-types/{room_type_id}/availability", may=EVERYBODY)
async def of_type(call: Call, ask: AskStayAvailability) -> StayAvailability:
    """Tell whether a room of a type can be had for all nights of a stay, and why not."""
    return await availability.of_type(call.hub, call.actor, ask)


@endpoint("rooms.availability", "GET /rooms/{room_id}/availability", may=EVERYBODY)
async def of_room(call: Call, ask: AskRoomAvailability) -> RoomAvailability:
    """List a room's slots (or nights) between two instants, each free, held, taken or closed, with its price."""
    return await availability.of_room(call.hub, call.actor, ask)


@endpoint("sessions.availability", "GET /sessions/{session_id}/availability", may=EVERYBODY)
async def of_session(call: Call, ask: AskPlaceAvailability) -> PlaceAvailability:
    """Tell whether places in a session can be had, and why not."""
    return await availability.of_session(call.hub, call.actor, ask)
