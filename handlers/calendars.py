"""Subscriptions: one's bookings in one's own calendar."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.calendars import CalendarAddress, CalendarFeed
from hub.services import calendars


@endpoint("calendars.state", "GET /me/calendar")
async def state(call: Call) -> CalendarFeed:
    """Tell whether your bookings can be subscribed to."""
    return await calendars.state(call.hub, call.actor)


@endpoint("calendars.subscribe", "POST /me/calendar", status=201, over_socket=False, in_person=True)
async def subscribe(call: Call) -> CalendarAddress:
    """Draw a secret address at which a calendar program finds your bookings; it is told only now.

    Whoever knows it can read them, without logging in. The one before leads nowhere any more.
    """
    return await calendars.subscribe(call.hub, call.actor)


@endpoint("calendars.delete", "DELETE /me/calendar", status=204, in_person=True)
async def delete(call: Call) -> None:
    """Have the address of your bookings lead nowhere."""
    await calendars.delete(call.hub, call.actor)
