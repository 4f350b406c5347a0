"""What the public may know of what is free: states and counts, never a person."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from hub.models.base import Ask, Day, Id, Moment, Thing

State = Literal["free", "held", "taken", "closed"]


class RoomState(Thing):
    """A numbered room for a time; `free` means that this time is no longer taken as a whole."""

    kind: Literal["room"]
    room_id: int
    starts_at: datetime = Field(description="Begin of the busy time, buffers included.")
    ends_at: datetime
    state: State
    held_until: datetime | None = None


class NightState(Thing):
    """One night of a pool of rooms."""

    kind: Literal["night"]
    room_type_id: int
    night: date
    total: int
    taken: int
    held: int
    free: int
    held_until: datetime | None = Field(default=None, description="When the first hold may return.")


class SessionState(Thing):
    """The places of a session."""

    kind: Literal["session"]
    session_id: int
    total: int
    taken: int
    held: int
    free: int
    held_until: datetime | None = None


Change = Annotated[RoomState | NightState | SessionState, Field(discriminator="kind")]


class Changes(Thing):
    """The state, as it now is, of each thing that changed."""

    changes: list[Change]


class Verdict(Thing):
    """Why something cannot be had."""

    reason: str = Field(description="Stable code: held, taken, closed, min_stay, too_soon, capacity, …")
    sentence: str
    held_until: datetime | None = None


class SlotOffer(Thing):
    """One slot of a room: whether it can be had, and its price."""

    starts_at: datetime
    ends_at: datetime
    state: State
    held_until: datetime | None = None
    price: int = Field(description="Minor units, with the discount of its type and all taxes.")
    currency: str


class NightOffer(Thing):
    """One night of a room type: its counts and the price of one room."""

    night: date
    total: int
    taken: int
    held: int
    free: int
    held_until: datetime | None = None
    price: int = Field(description="Minor units, before taxes that come on top.")


class StayAvailability(Thing):
    """Whether a stay in a room of a type can be had, night by night."""

    room_type_id: int
    venue_id: int
    name: str
    check_in: date
    check_out: date
    guests: int
    quantity: int
    total_rooms: int
    available_count: int = Field(description="Rooms free for all nights; 0 when a rule is in the way.")
    available: bool
    reasons: list[Verdict]
    nights: list[NightOffer]
    unit_price: int = Field(description="Minor units for one room in the first night, before taxes that come on top.")
    price: int = Field(description="Minor units for the whole stay, taxes included.")
    currency: str


class RoomAvailability(Thing):
    """The slots of a numbered room, or its nights when it is sold by the night."""

    room_id: int
    venue_id: int
    room_type_id: int
    number: str
    timezone: str
    slots: list[SlotOffer]


class PlaceAvailability(Thing):
    """Whether places in a session can be had."""

    session_id: int
    venue_id: int
    title: str
    starts_at: datetime
    ends_at: datetime
    total: int
    taken: int
    held: int
    free: int
    held_until: datetime | None = None
    quantity: int
    available: bool
    reasons: list[Verdict]
    unit_price: int = Field(description="Minor units for one place.")
    price: int = Field(description="Minor units for all places asked for, taxes included.")
    currency: str


class VenueAvailability(Thing):
    """All that a venue offers for some dates: stays by type, slots by room, sessions."""

    venue_id: int
    timezone: str
    currency: str
    stays: list[StayAvailability]
    rooms: list[RoomAvailability]
    sessions: list[PlaceAvailability]


class AskStayAvailability(Ask):
    """For which nights, how many guests and how many rooms."""

    room_type_id: Id
    check_in: Day
    check_out: Day
    guests: int = Field(default=1, ge=1, le=100_000)
    quantity: int = Field(default=1, ge=1, le=100)


class AskRoomAvailability(Ask):
    """Between which instants, and for how long; a day from now when nothing is said."""

    room_id: Id
    from_: Moment | None = Field(default=None, alias="from")
    to: Moment | None = None
    minutes: int | None = Field(
        default=None, ge=1, le=44_640, description="Length of the slots; the shortest if unsaid."
    )


class AskPlaceAvailability(Ask):
    """How many places."""

    session_id: Id
    quantity: int = Field(default=1, ge=1, le=1000)


class AskVenueAvailability(Ask):
    """For which nights, or between which instants."""

    venue_id: Id
    check_in: Day | None = None
    check_out: Day | None = None
    from_: Moment | None = Field(default=None, alias="from")
    to: Moment | None = None
    minutes: int | None = Field(default=None, ge=1, le=44_640)
    guests: int = Field(default=1, ge=1, le=100_000)
