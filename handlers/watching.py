"""What only a socket may ask: watch and leave live rooms, renew its token, and the hub's time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from pydantic import BaseModel

from handlers.endpoint import EVERYBODY, SIGNED_IN
from hub import rooms
from hub.errors import Unauthenticated
from hub.live import replay
from hub.live.connection import Answer, Connection
from hub.live.replay import DeskNews, UserNews, VenueNews
from hub.models.base import Ask
from hub.models.live import HubTime, Left, NameWatched, Nothing, Renewed, RenewToken, Since, WatchVenue
from hub.services import access

if TYPE_CHECKING:
    from handlers.connect import SocketDoors

Asked = TypeVar("Asked", bound=Ask)


@dataclass(frozen=True, slots=True)
class Command:
    """A command that only a socket has."""

    name: str
    may: str
    ask: type[Ask]
    answer: type[BaseModel]
    sentence: str
    carry_out: Callable[[SocketDoors, Connection, Any], Awaitable[Answer]]


COMMANDS: dict[str, Command] = {}


def command(
    name: str, ask: type[Asked], answer: type[BaseModel], *, may: str = EVERYBODY
) -> Callable[[Callable[[SocketDoors, Connection, Asked], Awaitable[Answer]]], Any]:
    """Declare a command of the socket; the docstring is its documentation."""

    def declare(carry_out: Callable[[SocketDoors, Connection, Asked], Awaitable[Answer]]) -> Any:
        assert carry_out.__doc__
        COMMANDS[name] = Command(name, may, ask, answer, carry_out.__doc__.partition("\n")[0], carry_out)
        return carry_out

    return declare


def done(data: bytes, then: Callable[[], None] | None = None) -> Answer:
    """Answer what was asked, and do what follows once the answer is on its way."""
    return Answer(b'{"ok":true,"data":' + data + b"}", then)


@command("venues.watch", WatchVenue, VenueNews)
async def _watch_venue(doors: SocketDoors, connection: Connection, ask: WatchVenue) -> Answer:
    """Watch a venue: what it offers, and what becomes free, held or taken."""
    room = rooms.venue(ask.venue_id)
    somebody = doors.reading.get(room)
    if ask.since is not None:
        return await _read_venue(doors, connection, ask)
    if somebody is not None:
        await somebody.wait()
    begun = doors.begin_at_once(connection, room)
    if begun is not None:
        return begun
    if somebody is not None:
        return await _read_venue(doors, connection, ask)
    # Of a crowd that comes at once, the first one reads for all.
    doors.reading[room] = read = asyncio.Event()
    try:
        return await _read_venue(doors, connection, ask)
    finally:
        del doors.reading[room]
        read.set()


async def _read_venue(doors: SocketDoors, connection: Connection, ask: WatchVenue) -> Answer:
    async with doors.hub.reading() as db:
        venue = await access.venue(db, connection.caller.actor, ask.venue_id)
    room = rooms.venue(ask.venue_id)
    return await doors.watch(connection, room, ask.venue_id, replay.venue, ask, is_public=venue.is_active)


def _watch_venue_at_once(doors: SocketDoors, connection: Connection, payload: Any) -> Answer | None:
    # What else there may be is to be judged.
    if not isinstance(payload, dict) or payload.keys() != {"venue_id"} or type(payload["venue_id"]) is not int:
        return None
    return doors.begin_at_once(connection, rooms.venue(payload["venue_id"]))


@command("venues.unwatch", NameWatched, Left)
async def _unwatch_venue(doors: SocketDoors, connection: Connection, ask: NameWatched) -> Answer:
    """Watch a venue no longer."""
    return doors.unwatch(connection, rooms.venue(ask.venue_id))


@command("desks.watch", WatchVenue, DeskNews, may=SIGNED_IN)
async def _watch_desk(doors: SocketDoors, connection: Connection, ask: WatchVenue) -> Answer:
    """Watch the desk of a venue where you work: its bookings, with their guests."""

    async def works_there() -> None:
        async with doors.hub.reading() as db:
            await access.desk(db, connection.caller.actor, ask.venue_id)

    return await doors.watch(connection, rooms.desk(ask.venue_id), ask.venue_id, replay.desk, ask, works_there)


@command("desks.unwatch", NameWatched, Left, may=SIGNED_IN)
async def _unwatch_desk(doors: SocketDoors, connection: Connection, ask: NameWatched) -> Answer:
    """Watch a desk no longer."""
    return doors.unwatch(connection, rooms.desk(ask.venue_id))


@command("me.watch", Since, UserNews, may=SIGNED_IN)
async def _watch_me(doors: SocketDoors, connection: Connection, ask: Since) -> Answer:
    """Watch what concerns yourself: your account and your bookings."""
    user_id = access.signed_in(connection.caller.actor)

    async def is_still_here() -> None:
        if access.signed_in(connection.caller.actor) != user_id:
            raise Unauthenticated()

    return await doors.watch(connection, rooms.user(user_id), user_id, replay.user, ask, is_still_here)


@command("me.unwatch", Nothing, Left, may=SIGNED_IN)
async def _unwatch_me(doors: SocketDoors, connection: Connection, _ask: Nothing) -> Answer:
    """Watch yourself no longer."""
    return doors.unwatch(connection, rooms.user(access.signed_in(connection.caller.actor)))


@command("me.renew", RenewToken, Renewed)
async def _renew(doors: SocketDoors, connection: Connection, ask: RenewToken) -> Answer:
    """Bring a fresh access token, so that the connection outlives the old one."""
    return await doors.renew(connection, ask.token.get_secret_value())


def told(at: datetime) -> bytes:
    """Write the hub's time as any HubTime is written, in a fifth of the time that takes."""
    return orjson.dumps({"at": at}, option=orjson.OPT_UTC_Z)


def _time_at_once(doors: SocketDoors, _connection: Connection, payload: Any) -> Answer | None:
    return done(told(doors.hub.clock.now())) if payload == {} else None


@command("hub.time", Nothing, HubTime)
async def _time(doors: SocketDoors, _connection: Connection, _ask: Nothing) -> Answer:
    """Tell the hub's time, by which holds run out."""
    return done(told(doors.hub.clock.now()))


# What may be answered without waiting for anything; what cannot, and whatever is to be refused, goes the long way.
AT_ONCE: dict[str, Callable[[SocketDoors, Connection, Any], Answer | None]] = {
    "hub.time": _time_at_once,
    "venues.watch": _watch_venue_at_once,
}
