"""Folios, cash at a desk, and what of money waits for somebody."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from handlers.payments import CAUSES
from hub.models.bookings import NameBooking
from hub.models.folio import AskOperations, Folio, Operations, RecordCash
from hub.models.payments import Payment
from hub.services import folio


@endpoint("bookings.folio", "GET /bookings/{booking_id}/folio")
async def read(call: Call, ask: NameBooking) -> Folio:
    """Read all about a booking's money: its customer all of it, a desk what is its venue's."""
    return await folio.read(call.hub, call.actor, ask)


@endpoint(
    "bookings.cash", "POST /bookings/{booking_id}/cash", status=201, repeatable=True, tells=CAUSES, in_person=True
)
async def record_cash(call: Call, ask: RecordCash) -> Payment:
    """Record what a guest has paid in cash at a venue's desk; for its staff."""
    return await folio.record_cash(call.hub, call.actor, ask)


@endpoint("operations.list", "GET /operations")
async def operations(call: Call, ask: AskOperations) -> Operations:
    """List what of money waits for somebody: of a venue for its staff, of all the hub for admins."""
    return await folio.operations(call.hub, call.actor, ask)
