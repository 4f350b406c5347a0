"""Sessions over both wires."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.base import Page
from hub.models.sessions import CancelSession, ChangeSession, CreateSession, ListSessions, NameSession, Session
from hub.services import sessions


@endpoint("sessions.list", "GET /sessions", may=EVERYBODY)
async def listed(call: Call, ask: ListSessions) -> Page[Session]:
    """List sessions of the venues you may see."""
    return await sessions.listed(call.hub, call.actor, ask)


@endpoint(
    "sessions.create",
    "POST /sessions",
    may="session:create",
    status=201,
    tells=(
        "session.created",
        "venue.created",
        "availability.changed",
    ),
)
async def create(call: Call, ask: CreateSession) -> Session:
    """Plan a session at a venue you own or work at, or in a studio of your own; its room is taken for that time."""
    return await sessions.create(call.hub, call.actor, ask)


@endpoint("sessions.get", "GET /sessions/{session_id}", may=EVERYBODY)
async def read(call: Call, ask: NameSession) -> Session:
    """Read one session."""
    return await sessions.read(call.hub, call.actor, ask)


@endpoint(
    "sessions.change",
    "PATCH /sessions/{session_id}",
    tells=(
        "session.changed",
        "booking.rescheduled",
        "availability.changed",
    ),
)
async def change(call: Call, ask: ChangeSession) -> Session:
    """Change a session; who has booked moves with it, and it never has fewer places than are taken."""
    return await sessions.change(call.hub, call.actor, ask)


@endpoint(
    "sessions.delete",
    "DELETE /sessions/{session_id}",
    status=204,
    tells=(
        "session.deleted",
        "availability.changed",
    ),
)
async def delete(call: Call, ask: NameSession) -> None:
    """Delete a session in which nothing is booked any more."""
    await sessions.delete(call.hub, call.actor, ask)


@endpoint(
    "sessions.cancel",
    "POST /sessions/{session_id}/cancel",
    tells=("session.cancelled", "booking.cancelled", "refund.changed", "wallet.changed", "availability.changed"),
    in_person=True,
)
async def cancel(call: Call, ask: CancelSession) -> Session:
    """Cancel a session with every booking of its places; cancelling it twice changes nothing more."""
    return await sessions.cancel(call.hub, call.actor, ask)
