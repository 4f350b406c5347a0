"""Sessions, retreats, tours and events: led by somebody, at a venue, with a number of places."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from hub.models.base import Ask, CurrencyCode, Id, Line, Minor, Moment, Name, Paging, Price, Text, Thing
from hub.models.fields import Image, Images, Stays, Zone

SessionKind = Literal["session", "retreat", "tour", "event"]
SessionStatus = Literal["active", "cancelled"]

Places = Annotated[int, Field(ge=1, le=1_000_000, description="How many places there are.")]
Language = Annotated[
    str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35, description="As in BCP 47.")
]


class CreateSession(Ask):
    """A session; without a venue it takes place in a studio of your own."""

    venue_id: Id | None = None
    title: Name
    kind: SessionKind = "session"
    description: Text = ""
    starts_at: Moment
    ends_at: Moment
    capacity: Places = 1
    price: Price = 0
    room_id: Id | None = Field(default=None, description="A room of the venue, which is then taken for that time.")
    facilitator_id: Id | None = Field(default=None, description="Who leads it: one of the venue's own; else you.")
    location: Line = ""
    language: Language | None = None
    images: Images = Field(default_factory=list)
    timezone: Zone | None = Field(default=None, description="The zone of your studio; only without a venue.")


class NameSession(Ask):
    """One session, by its id."""

    session_id: Id


class ChangeSession(NameSession):
    """What changes about a session; what is left out stays as it is."""

    title: Stays[Name] = None
    kind: Stays[SessionKind] = None
    description: Stays[Text] = None
    starts_at: Stays[Moment] = None
    ends_at: Stays[Moment] = None
    capacity: Stays[Places] = None
    price: Stays[Price] = None
    room_id: Id | None = None
    facilitator_id: Stays[Id] = None
    location: Stays[Line] = None
    language: Language | None = None
    images: Stays[Images] = None


class CancelSession(NameSession):
    """Why a session is cancelled; everybody who booked is told."""

    reason: Text = ""


class ListSessions(Paging):
    """Which sessions, and in what order."""

    venue_id: Id | None = None
    facilitator_id: Id | None = None
    room_id: Id | None = None
    mine: bool = Field(default=False, description="Only those you lead.")
    kind: SessionKind | None = None
    status: SessionStatus | None = None
    q: Line | None = Field(default=None, description="Part of the title, the description or the facilitator's name.")
    place: Line | None = Field(default=None, description="Part of the location, or of the venue's city or country.")
    language: Language | None = None
    from_: Moment | None = Field(default=None, alias="from", description="Sessions that end after this.")
    to: Moment | None = Field(default=None, description="Sessions that start before this.")
    min_price: Minor | None = Field(default=None, description="Minor units a place.")
    max_price: Minor | None = Field(default=None, description="Minor units a place.")
    sort: Literal["starts_at", "-starts_at", "price", "-price", "newest", "oldest"] = "starts_at"


class Session(Thing):
    """A session, retreat, tour or event; how many places are free is told by its availability."""

    id: int
    venue_id: int
    facilitator_id: int
    facilitator_name: str
    room_id: int | None
    kind: SessionKind
    title: str
    description: str
    starts_at: datetime
    ends_at: datetime
    timezone: str = Field(description="The venue's time zone.")
    capacity: int
    price: int = Field(description="Minor units a place.")
    currency: CurrencyCode
    location: str
    language: str | None
    images: list[Image]
    status: SessionStatus
    created_at: datetime
    updated_at: datetime
