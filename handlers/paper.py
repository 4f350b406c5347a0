"""Papers: links to what goes with a booking."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.bookings import NameBooking
from hub.models.paper import Papers
from hub.services import paper


@endpoint("papers.links", "GET /bookings/{booking_id}/papers")
async def links(call: Call, ask: NameBooking) -> Papers:
    """Sign links to a booking's receipt, invoice, calendar file and check-in code, good for you and for five minutes.

    For a browser, which sends no access token where it follows a link or shows a picture.
    """
    return await paper.links(call.hub, call.actor, ask)
