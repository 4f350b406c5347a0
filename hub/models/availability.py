"""What the public may know of what is free: states and counts, never a person."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from hub.models.base import Thing

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
