"""The live rooms that can be followed over plain HTTP: what is told of each, and who may hear it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from hub import rooms
from hub.core import Actor, Hub
from hub.errors import Unauthenticated
from hub.live import replay
from hub.live.replay import DeskNews, News, Snapshot, UserNews, VenueNews
from hub.models.live import FollowVenue, NameWatched, Since
from hub.services import access
from storage.query import Db

Kind = TypeVar("Kind", bound=News)


@dataclass(frozen=True, slots=True)
class Followed(Generic[Kind]):
    """A live room, the id it is named after, what is told of it and how, and how it is judged who may follow it."""

    room: str
    about: int
    kind: type[Kind]
    snapshot: Snapshot
    judge: Callable[[Db, Actor], Awaitable[object]]

    async def news(self, hub: Hub, ask: Since) -> Kind:
        """Read what a follower does not know yet."""
        told = await replay.tell(hub.pool, self.room, self.about, self.snapshot, ask.since, ask.epoch)
        return self.kind.model_validate_json(told.json())


def venue(_: Actor, ask: FollowVenue | NameWatched) -> Followed[VenueNews]:
    """Name a venue's public room."""
    room, judge = rooms.venue(ask.venue_id), partial(_sees, ask.venue_id)
    return Followed(room, ask.venue_id, VenueNews, replay.venue, judge)


def desk(_: Actor, ask: FollowVenue | NameWatched) -> Followed[DeskNews]:
    """Name the room of a venue's desk."""
    room, judge = rooms.desk(ask.venue_id), partial(_works, ask.venue_id)
    return Followed(room, ask.venue_id, DeskNews, replay.desk, judge)


def me(actor: Actor, _: Since) -> Followed[UserNews]:
    """Name the room of whoever asks."""
    user_id = access.signed_in(actor)
    return Followed(rooms.user(user_id), user_id, UserNews, replay.user, partial(_is, user_id))


async def _sees(venue_id: int, db: Db, actor: Actor) -> None:
    await access.venue(db, actor, venue_id)


async def _works(venue_id: int, db: Db, actor: Actor) -> None:
    await access.desk(db, actor, venue_id)


async def _is(user_id: int, _: Db, actor: Actor) -> None:
    if access.signed_in(actor) != user_id:
        raise Unauthenticated()
