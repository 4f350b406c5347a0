"""The live rooms over plain HTTP: the same snapshots, events and versions as over the socket."""

from __future__ import annotations

from handlers import followed
from handlers.endpoint import EVERYBODY, Call, endpoint
from handlers.followed import Followed, Kind
from hub.live.replay import DeskNews, UserNews, VenueNews
from hub.models.live import Follow, FollowVenue, NameWatched, Since


@endpoint("venues.events", "GET /venues/{venue_id}/events", may=EVERYBODY, over_socket=False, follows=followed.venue)
async def venue_events(call: Call, ask: FollowVenue) -> VenueNews:
    """Tell what happened at a venue since the version you know: states and counts, never a person."""
    return await _news(call, followed.venue(call.actor, ask), ask)


@endpoint("venues.snapshot", "GET /venues/{venue_id}/snapshot", may=EVERYBODY, over_socket=False)
async def venue_snapshot(call: Call, ask: NameWatched) -> VenueNews:
    """Show a venue as it now is, with the version from which to follow its events."""
    return await _news(call, followed.venue(call.actor, ask), Since())


@endpoint("desks.events", "GET /venues/{venue_id}/desk/events", over_socket=False, follows=followed.desk)
async def desk_events(call: Call, ask: FollowVenue) -> DeskNews:
    """Tell the desk of a venue what happened to its bookings since the version you know."""
    return await _news(call, followed.desk(call.actor, ask), ask)


@endpoint("desks.snapshot", "GET /venues/{venue_id}/desk/snapshot", over_socket=False)
async def desk_snapshot(call: Call, ask: NameWatched) -> DeskNews:
    """Show the bookings a venue's desk works with, with the version from which to follow their events."""
    return await _news(call, followed.desk(call.actor, ask), Since())


@endpoint("me.events", "GET /me/events", over_socket=False, follows=followed.me)
async def my_events(call: Call, ask: Follow) -> UserNews:
    """Tell what happened to you and your bookings since the version you know."""
    return await _news(call, followed.me(call.actor, ask), ask)


@endpoint("me.snapshot", "GET /me/snapshot", over_socket=False)
async def my_snapshot(call: Call) -> UserNews:
    """Show you and your bookings, with the version from which to follow your events."""
    return await _news(call, followed.me(call.actor, Since()), Since())


async def _news(call: Call, room: Followed[Kind], ask: Since) -> Kind:
    async with call.hub.reading() as db:
        await room.judge(db, call.actor)
    return await room.news(call.hub, ask)
