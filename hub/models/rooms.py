"""Rooms: the numbered units of a room type."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from hub.models.base import Ask, Id, Minor, Paging, Thing
from hub.models.fields import AmenityFilter, Image, Images, RoomNumber, Stays

RoomStatus = Literal["available", "occupied", "maintenance", "out_of_service"]

# What can be sold, if it is also active; the others wait for a repair.
SELLABLE: frozenset[RoomStatus] = frozenset({"available", "occupied"})

Floor = Annotated[int, Field(ge=-100, le=1000)]


class CreateRoom(Ask):
    """A numbered room of a type."""

    room_type_id: Id
    venue_id: Id | None = Field(default=None, description="The type's venue; may be left out.")
    number: RoomNumber
    floor: Floor | None = None
    images: Images = Field(default_factory=list)
    status: RoomStatus = "available"
    is_active: bool = True


class NameRoom(Ask):
    """One room, by its id."""

    room_id: Id


class ChangeRoom(NameRoom):
    """What changes about a room; what is left out stays as it is."""

    number: Stays[RoomNumber] = None
    floor: Floor | None = None
    images: Stays[Images] = None
    status: Stays[RoomStatus] = None
    is_active: Stays[bool] = None


class ListRooms(Paging):
    """Which rooms, and in what order."""

    venue_id: Id | None = None
    room_type_id: Id | None = None
    number: RoomNumber | None = None
    floor: Floor | None = None
    status: RoomStatus | None = None
    is_active: bool | None = None
    guests: int | None = Field(default=None, ge=1, le=100_000, description="Takes at least so many.")
    min_price: Minor | None = Field(default=None, description="Minor units a night or hour.")
    max_price: Minor | None = Field(default=None, description="Minor units a night or hour.")
    amenities: AmenityFilter = Field(default_factory=list)
    sort: Literal["number", "-number", "floor", "price", "-price", "newest", "oldest"] = "number"


class Room(Thing):
    """A numbered room of a type; not sold while inactive, in maintenance or out of service."""

    id: int
    venue_id: int
    room_type_id: int
    number: str
    floor: int | None
    images: list[Image]
    status: RoomStatus
    is_active: bool
    created_at: datetime
    updated_at: datetime

    @property
    def sellable(self) -> bool:
        """Tell whether the room itself can be sold; its type and venue must be active too."""
        return self.is_active and self.status in SELLABLE
