"""Watching: what may be asked of the live rooms, and the snapshots a watcher begins with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, SecretStr

from hub.models.availability import Change
from hub.models.base import Ask, Id, Thing
from hub.models.bookings import Booking
from hub.models.closures import Closure
from hub.models.room_types import RoomType
from hub.models.rooms import Room
from hub.models.sessions import Session
from hub.models.users import User
from hub.models.venues import Venue

Version = Annotated[int, Field(ge=0, le=2**53, description="The newest version you know; without it comes a snapshot.")]
Wait = Annotated[
    int, Field(ge=0, le=55, description="For how many seconds to wait for something to tell while there is nothing.")
]
Epoch = Annotated[str, Field(max_length=40, description="The epoch in which you learned it; another one is a reload.")]


class Since(Ask):
    """From where on to tell what happened."""

    since: Version | None = None
    epoch: Epoch | None = None


class Follow(Since):
    """From where on to tell what happened, and how long to wait for it."""

    wait: Wait = 0


class WatchVenue(Since):
    """Which venue to watch, and from where on."""

    venue_id: Id


class FollowVenue(Follow):
    """Which venue to follow, from where on, and how long to wait for news."""

    venue_id: Id


class NameWatched(Ask):
    """The venue that is watched."""

    venue_id: Id


class Nothing(Ask):
    """There is nothing to say."""


class RenewToken(Ask):
    """A fresh access token, before or just after the old one ran out."""

    model_config = ConfigDict(hide_input_in_errors=True)

    token: Annotated[SecretStr, Field(max_length=4096)]


class Renewed(Thing):
    """Whose token it is, and until when it is good."""

    user_id: int
    expires_at: datetime | None


class HubTime(Thing):
    """The hub's clock, for countdowns."""

    at: datetime


class Left(Thing):
    """The room that is watched no longer."""

    room: str


class VenueSnapshot(Thing):
    """A venue as everybody may see it: what it offers, and the state of whatever is not simply free."""

    venue: Venue
    room_types: list[RoomType]
    rooms: list[Room]
    sessions: list[Session]
    availability: list[Change]


class DeskSnapshot(Thing):
    """What a desk works with: closures, and newest first the bookings to come or changed within a day."""

    bookings: list[Booking]
    closures: list[Closure]


class UserSnapshot(Thing):
    """A person, and their bookings that live or changed within 30 days, newest first."""

    user: User
    bookings: list[Booking]
