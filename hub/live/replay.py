"""What a watcher is told first: a snapshot with the version it stands for, or what happened since the one it knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import orjson
from pydantic import BaseModel, Field, WrapSerializer, WrapValidator

from hub.errors import NotFound
from hub.events import Envelope
from hub.live.frames import envelope
from hub.models.base import Thing
from hub.models.live import DeskSnapshot, UserSnapshot, VenueSnapshot
from storage import closures, replay, room_types, rooms, sessions, users, venues
from storage.pool import Pool
from storage.query import Db
from storage.transaction import one_moment

MOST_EVENTS = 500
DESK_BOOKINGS = 1000
USER_BOOKINGS = 200

Snapshot: TypeAlias = Callable[[Db, int], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Told:
    """An answer to a watcher, whose snapshot or events are JSON text already."""

    room: str
    epoch: str
    version: int
    snapshot: dict[str, Any] | None = None
    events: list[str] | None = None
    more: bool = False
    reload: bool = False

    def json(self) -> bytes:
        """Write the answer, without what does not apply."""
        told: dict[str, Any] = {"room": self.room, "epoch": self.epoch, "version": self.version}
        if self.reload:
            told["reload"] = True
        if self.snapshot is not None:
            told["snapshot"] = self.snapshot
        if self.events is not None:
            told["events"] = list(map(orjson.Fragment, self.events))
        if self.more:
            told["more"] = True
        return orjson.dumps(told)


# Describes a field by its model, but passes its JSON on as it came, so that all followers get the same bytes.
# The functions are not annotated: a named return type would take the place of the model in the description.
_AS_IT_STANDS = (WrapValidator(lambda thing, _: thing), WrapSerializer(lambda thing, _: thing))


class News(Thing):
    """What happened in a live room since a version, oldest first, or a snapshot to begin with."""

    room: str
    epoch: str
    version: int = Field(description="Where you stand once you know all of this; ask again from here.")
    reload: bool = Field(default=False, description="What you knew is void; begin with the snapshot.")
    more: bool = Field(default=False, description="There is more; ask again at once.")
    events: list[Envelope] = Field(default_factory=list)


class VenueNews(News):
    """What happened at a venue, for everybody."""

    snapshot: Annotated[VenueSnapshot | None, *_AS_IT_STANDS] = None


class DeskNews(News):
    """What happened to a venue's bookings, for its desk."""

    snapshot: Annotated[DeskSnapshot | None, *_AS_IT_STANDS] = None


class UserNews(News):
    """What happened to a person, for themselves."""

    snapshot: Annotated[UserSnapshot | None, *_AS_IT_STANDS] = None


async def tell(pool: Pool, room: str, about: int, snapshot: Snapshot, since: int | None, epoch: str | None) -> Told:
    """Tell what a watcher of this room does not know, `about` being the id that the room is named after."""
    async with one_moment(pool) as db:
        at = await replay.position(db, room)
        if since is None:
            return Told(room, at.epoch, at.version, await snapshot(db, about))
        # What was forgotten, what never was, and what was learned before a restore cannot be continued.
        if epoch not in (None, at.epoch) or not at.floor <= since <= at.version:
            return Told(room, at.epoch, at.version, await snapshot(db, about), reload=True)
        missed = await replay.since(db, room, since, MOST_EVENTS)
    reached = missed[-1].version if missed else since
    events = [envelope(at.epoch, told) for told in missed]
    return Told(room, at.epoch, reached, events=events, more=reached < at.version)


async def is_newest(db: Db, room: str, since: int | None, epoch: str | None) -> bool:
    """Tell whether there is nothing yet to be told to a follower who knows this version."""
    at = await replay.position(db, room)
    return since == at.version and epoch in (None, at.epoch)


async def venue(db: Db, venue_id: int) -> dict[str, Any]:
    """Read a venue as everybody may see it."""
    found = await venues.find(db, venue_id)
    if found is None:
        raise NotFound()
    return {
        "venue": _json(found),
        "room_types": list(map(_json, await room_types.of_venue(db, venue_id))),
        "rooms": list(map(_json, await rooms.of_venue(db, venue_id))),
        "sessions": list(map(_json, await sessions.of_venue(db, venue_id))),
        "availability": orjson.Fragment(await replay.availability_now(db, venue_id)),
    }


async def desk(db: Db, venue_id: int) -> dict[str, Any]:
    """Read the bookings and closures a desk works with."""
    bookings = await replay.bookings_of_desk(db, venue_id, DESK_BOOKINGS)
    return {
        "bookings": list(map(orjson.Fragment, bookings)),
        "closures": list(map(_json, await closures.of_venue(db, venue_id))),
    }


async def user(db: Db, user_id: int) -> dict[str, Any]:
    """Read a person and their bookings."""
    found = await users.find(db, user_id)
    if found is None:
        raise NotFound()
    bookings = await replay.bookings_of_user(db, user_id, USER_BOOKINGS)
    return {"user": _json(found), "bookings": list(map(orjson.Fragment, bookings))}


def _json(thing: BaseModel) -> orjson.Fragment:
    # The way the events write it, so that a snapshot and the events before it say the same.
    return orjson.Fragment(thing.model_dump_json(by_alias=True))
