"""Closures: times at which a room, some rooms of a pool or a whole venue cannot be had."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hub.models.base import Ask, Day, Id, Moment, Paging, Text, Thing
from hub.models.fields import Stays

Quantity = Annotated[int, Field(ge=1, le=5000, description="How many rooms of the pool.")]


class CreateClosure(Ask):
    """What is closed (a room, a number of a pool's rooms, or the whole venue) and when: by the clock or by nights."""

    venue_id: Id
    room_id: Id | None = None
    room_type_id: Id | None = Field(default=None, description="A pool, of which `quantity` rooms are closed.")
    quantity: Quantity | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    check_in: Day | None = Field(default=None, description="With check_out, in place of starts_at and ends_at.")
    check_out: Day | None = None
    reason: Text = Field(default="", description="Only the venue's desk sees it.")

    @model_validator(mode="after")
    def _says_what_and_when(self) -> CreateClosure:
        if self.room_id is not None and self.room_type_id is not None:
            raise ValueError("name a room_id or a room_type_id, not both")
        if self.quantity is not None and self.room_type_id is None:
            raise ValueError("quantity goes with room_type_id")
        by_clock = (self.starts_at is not None, self.ends_at is not None)
        by_nights = (self.check_in is not None, self.check_out is not None)
        if {by_clock, by_nights} != {(True, True), (False, False)}:
            raise ValueError("name starts_at and ends_at, or check_in and check_out")
        if self.check_in is not None and self.check_out is not None and self.check_out <= self.check_in:
            raise ValueError("check_out must be after check_in")
        return self


class NameClosure(Ask):
    """One closure, by its id."""

    closure_id: Id


class ChangeClosure(NameClosure):
    """What changes about a closure; what is left out stays as it is."""

    quantity: Stays[Quantity] = None
    starts_at: Stays[Moment] = None
    ends_at: Stays[Moment] = None
    reason: Stays[Text] = None


class ListClosures(Paging):
    """Which closures of the venues you run."""

    venue_id: Id | None = None
    room_id: Id | None = None
    room_type_id: Id | None = None
    from_: Moment | None = Field(default=None, alias="from", description="Closures that end after this.")
    to: Moment | None = Field(default=None, description="Closures that start before this.")
    sort: Literal["starts_at", "-starts_at", "newest", "oldest"] = "starts_at"


class Closure(Thing):
    """A time at which a room, a number of a pool's rooms, or with neither every room of the venue is closed."""

    id: int
    venue_id: int
    room_id: int | None
    room_type_id: int | None
    quantity: int | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_at: datetime
    updated_at: datetime

    @property
    def of_whole_venue(self) -> bool:
        """Tell whether every room is closed."""
        return self.room_id is None and self.room_type_id is None
