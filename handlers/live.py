"""The live rooms over plain HTTP: the same snapshots, events and versions as over the socket."""

from __future__ import annotations

from typing import TypeVar

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub import rooms
from hub.live import replay
from hub.live.replay import DeskNews, News, Snapshot, UserNews, VenueNews
from hub.models.live import NameWatched, Since, WatchVenue
from hub.services import access

Kind = TypeVar("Kind", bound=News)


@endpoint("venues.events", "GET /venues/{venue_id}/events", may=EVERYBODY, over_socket=False)
async def venue_events(call: Call, ask: WatchVenue) -> VenueNews:
    """Tell what happened at a venue since the version you know: states and counts, never a person."""
    async with call.hub.reading() as db:
        await access.venue(db, call.actor, ask.venue_id)
    return await _news(call, VenueNews, rooms.venue(ask.venue_id), ask.venue_id, replay.venue, ask)


@endpoint("venues.snapshot", "GET /venues/{venue_id}/snapshot", may=EVERYBODY, over_socket=False)
async def venue_snapshot(call: Call, ask: NameWatched) -> VenueNews:
    """Show a venue as it now is, with the version from which to follow its events."""
    return await venue_events(call, WatchVenue(venue_id=ask.venue_id))


@endpoint("desks.events", "GET /venues/{venue_id}/desk/events", over_socket=False)
async def desk_events(call: Call, ask: WatchVenue) -> DeskNews:
    """Tell the desk of a venue what happened to its bookings since the version you know."""
    async with call.hub.reading() as db:
        await access.desk(db, call.actor, ask.venue_id)
    return await _news(call, DeskNews, rooms.desk(ask.venue_id), ask.venue_id, replay.desk, ask)


@endpoint("desks.snapshot", "GET /venues/{venue_id}/desk/snapshot", over_socket=False)
async def desk_snapshot(call: Call, ask: NameWatched) -> DeskNews:
    """Show the bookings a venue's desk works with, with the version from which to follow their events."""
    return await desk_events(call, WatchVenue(venue_id=ask.venue_id))


@endpoint("me.events", "GET /me/events", over_socket=False)
async def my_events(call: Call, ask: Since) -> UserNews:
    """Tell what happened to you and your bookings since the version you know."""
    user_id = access.signed_in(call.actor)
    return await _news(call, UserNews, rooms.user(user_id), user_id, replay.user, ask)


@endpoint("me.snapshot", "GET /me/snapshot", over_socket=False)
async def my_snapshot(call: Call) -> UserNews:
    """Show you and your bookings, with the version from which to follow your events."""
    return await my_events(call, Since())


async def _news(call: Call, kind: type[Kind], room: str, about: int, snapshot: Snapshot, ask: Since) -> Kind:
    told = await replay.tell(call.hub.pool, room, about, snapshot, ask.since, ask.epoch)
    return kind.model_validate_json(told.json())
