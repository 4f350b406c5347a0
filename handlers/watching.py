"""What only a socket may ask: watch and leave live rooms, renew its token, and the hub's time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from handlers.documents import write
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
    async with doors.hub.reading() as db:
        await access.venue(db, connection.caller.actor, ask.venue_id)
    return await doors.watch(connection, rooms.venue(ask.venue_id), ask.venue_id, replay.venue, ask)


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


def _time_at_once(doors: SocketDoors) -> Answer:
    return done(write(HubTime(at=doors.hub.clock.now())))


@command("hub.time", Nothing, HubTime)
async def _time(doors: SocketDoors, _connection: Connection, _ask: Nothing) -> Answer:
    """Tell the hub's time, by which holds run out."""
    return _time_at_once(doors)


# What everybody may ask, reads nothing and takes nothing.
AT_ONCE: dict[str, Callable[[SocketDoors], Answer]] = {"hub.time": _time_at_once}
