"""Room types: what a venue's rooms cost, hold and offer, and how they are sold."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from hub.models.base import Ask, CurrencyCode, Id, Line, Minor, Name, Paging, Price, Text, Thing
from hub.models.fields import Amenities, AmenityFilter, Image, Images, Percentage, SquareMetres, Stays
from hub.models.rates import RoomRate

SoldAs = Literal["room", "pool"]
PriceUnit = Literal["night", "hour"]

Capacity = Annotated[int, Field(ge=1, le=100_000, description="How many guests one room takes.")]
TotalRooms = Annotated[int, Field(ge=0, le=5000, description="How many rooms of this type can be sold.")]


class CreateRoomType(Ask):
    """A room type; with `total_rooms` its numbered rooms come to be with it."""

    venue_id: Id
    name: Name
    description: Text = ""
    capacity: Capacity = 1
    sold_as: SoldAs | None = Field(
        default=None, description="Each numbered room by itself, or a count a night; a pool if total_rooms is named."
    )
    price: Price = 0
    price_unit: PriceUnit | None = Field(
        default=None, description="If not named: night for pools and hotels, else hour."
    )
    discount_percentage: Percentage = 0
    bed_type: Line | None = None
    size_sqm: SquareMetres | None = None
    amenities: Amenities = Field(default_factory=list)
    images: Images = Field(default_factory=list)
    is_active: bool = True
    total_rooms: TotalRooms = 0


class NameRoomType(Ask):
    """One room type, by its id."""

    room_type_id: Id


class ChangeRoomType(NameRoomType):
    """What changes about a room type; what is left out stays as it is."""

    name: Stays[Name] = None
    description: Stays[Text] = None
    capacity: Stays[Capacity] = None
    price: Stays[Price] = None
    price_unit: Stays[PriceUnit] = None
    discount_percentage: Stays[Percentage] = None
    bed_type: Line | None = None
    size_sqm: SquareMetres | None = None
    amenities: Stays[Amenities] = None
    images: Stays[Images] = None
    is_active: Stays[bool] = None
    total_rooms: Stays[TotalRooms] = None


class ListRoomTypes(Paging):
    """Which room types, and in what order."""

    venue_id: Id | None = None
    q: Line | None = Field(default=None, description="Part of the name or the description.")
    sold_as: SoldAs | None = None
    price_unit: PriceUnit | None = None
    is_active: bool | None = None
    guests: int | None = Field(default=None, ge=1, le=100_000, description="Takes at least so many.")
    min_price: Minor | None = Field(default=None, description="Minor units a night or hour.")
    max_price: Minor | None = Field(default=None, description="Minor units a night or hour.")
    amenities: AmenityFilter = Field(default_factory=list)
    sort: Literal["name", "price", "-price", "capacity", "-capacity", "newest", "oldest"] = "name"


class RoomType(Thing):
    """A kind of room of one venue: its price, its capacity and how it is sold."""

    id: int
    venue_id: int
    name: str
    description: str
    capacity: int
    sold_as: SoldAs
    price: int = Field(description="Minor units a night or hour.")
    price_unit: PriceUnit
    currency: CurrencyCode
    discount_percentage: float
    rates: list[RoomRate] = Field(
        default_factory=list,
        description="Prices of weekdays and seasons; of those that fit a night or hour the first counts.",
    )
    bed_type: str | None
    size_sqm: float | None
    amenities: list[str]
    images: list[Image]
    is_active: bool
    total_rooms: int = Field(description="How many of its rooms can be sold; the pool's size.")
    created_at: datetime
    updated_at: datetime
