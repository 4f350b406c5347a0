"""The audit: who changed what, and whether the record is whole."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.audit import AuditEntry, BookingLog, ListAudit, Verification, VerifyAudit
from hub.models.base import Page
from hub.models.bookings import NameBooking
from hub.services import audit


@endpoint("audit.list", "GET /audit")
async def listed(call: Call, ask: ListAudit) -> Page[AuditEntry]:
    """List who changed what: everything for admins, or with a venue_id that venue's changes for its owner."""
    return await audit.listed(call.hub, call.actor, ask)


@endpoint("audit.verify", "GET /audit/verify", may="audit:read")
async def verify(call: Call, ask: VerifyAudit) -> Verification:
    """Check that the audit is as it was written, and name the first link that is not.

    One call checks some seals and says where the next goes on.
    """
    return await audit.verify(call.hub, ask)


@endpoint("bookings.log", "GET /bookings/{booking_id}/log")
async def booking_log(call: Call, ask: NameBooking) -> BookingLog:
    """Read who did what to a booking, oldest first; for the desks of its venues, and admins."""
    return await audit.of_booking(call.hub, call.actor, ask)
