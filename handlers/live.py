"""The live rooms over plain HTTP: the same snapshots, events and versions as over the socket."""

from __future__ import annotations

from functools import partial

from handlers.endpoint import EVERYBODY, Call, endpoint
from handlers.following import Followed, Kind
from hub import rooms
from hub.core import Actor
from hub.errors import Unauthenticated
from hub.live import replay
from hub.live.replay import DeskNews, UserNews, VenueNews
from hub.models.live import Follow, FollowVenue, NameWatched, Since
from hub.services import access
from storage.query import Db


def _venue(_: Actor, ask: FollowVenue | NameWatched) -> Followed[VenueNews]:
    room, judge = rooms.venue(ask.venue_id), partial(_sees, ask.venue_id)
    return Followed(room, ask.venue_id, VenueNews, replay.venue, judge)


def _desk(_: Actor, ask: FollowVenue | NameWatched) -> Followed[DeskNews]:
    room, judge = rooms.desk(ask.venue_id), partial(_works, ask.venue_id)
    return Followed(room, ask.venue_id, DeskNews, replay.desk, judge)


def _me(actor: Actor, _: Since) -> Followed[UserNews]:
    user_id = access.signed_in(actor)
    return Followed(rooms.user(user_id), user_id, UserNews, replay.user, partial(_is, user_id))


@endpoint("venues.events", "GET /venues/{venue_id}/events", may=EVERYBODY, over_socket=False, follows=_venue)
async def venue_events(call: Call, ask: FollowVenue) -> VenueNews:
    """Tell what happened at a venue since the version you know: states and counts, never a person."""
    return await _news(call, _venue(call.actor, ask), ask)


@endpoint("venues.snapshot", "GET /venues/{venue_id}/snapshot", may=EVERYBODY, over_socket=False)
async def venue_snapshot(call: Call, ask: NameWatched) -> VenueNews:
    """Show a venue as it now is, with the version from which to follow its events."""
    return await _news(call, _venue(call.actor, ask), Since())


@endpoint("desks.events", "GET /venues/{venue_id}/desk/events", over_socket=False, follows=_desk)
async def desk_events(call: Call, ask: FollowVenue) -> DeskNews:
    """Tell the desk of a venue what happened to its bookings since the version you know."""
    return await _news(call, _desk(call.actor, ask), ask)


@endpoint("desks.snapshot", "GET /venues/{venue_id}/desk/snapshot", over_socket=False)
async def desk_snapshot(call: Call, ask: NameWatched) -> DeskNews:
    """Show the bookings a venue's desk works with, with the version from which to follow their events."""
    return await _news(call, _desk(call.actor, ask), Since())


@endpoint("me.events", "GET /me/events", over_socket=False, follows=_me)
async def my_events(call: Call, ask: Follow) -> UserNews:
    """Tell what happened to you and your bookings since the version you know."""
    return await _news(call, _me(call.actor, ask), ask)


@endpoint("me.snapshot", "GET /me/snapshot", over_socket=False)
async def my_snapshot(call: Call) -> UserNews:
    """Show you and your bookings, with the version from which to follow your events."""
    return await _news(call, _me(call.actor, Since()), Since())


async def _sees(venue_id: int, db: Db, actor: Actor) -> None:
    await access.venue(db, actor, venue_id)


async def _works(venue_id: int, db: Db, actor: Actor) -> None:
    await access.desk(db, actor, venue_id)


async def _is(user_id: int, _: Db, actor: Actor) -> None:
    if access.signed_in(actor) != user_id:
        raise Unauthenticated()


async def _news(call: Call, followed: Followed[Kind], ask: Since) -> Kind:
    async with call.hub.reading() as db:
        await followed.judge(db, call.actor)
    return await followed.news(call.hub, ask)
