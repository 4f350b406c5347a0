"""Venues: hotels, halls and studios, with the policies they sell under."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Literal

from pydantic import Field

from hub.models.base import Ask, CurrencyCode, Id, Line, Minor, Name, Paging, Text, Thing
from hub.models.fields import (
    Amenities,
    AmenityFilter,
    Image,
    Images,
    Mailbox,
    OpeningHours,
    Stars,
    Stays,
    TimeOfDay,
    WebAddress,
    Weekday,
    Zone,
)
from hub.models.money import KnownCurrency
from hub.models.terms import Terms

VenueKind = Literal["hotel", "hall", "studio"]
Confirmation = Literal["instant", "payment"]

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
StepMinutes = Annotated[int, Field(ge=1, le=1440, description="Slots start at these steps, counted from midnight.")]
SlotMinutes = Annotated[int, Field(ge=1, le=44_640)]
BufferMinutes = Annotated[int, Field(ge=0, le=1440)]
Nights = Annotated[int, Field(ge=1, le=365)]
LeadMinutes = Annotated[int, Field(ge=0, le=525_600, description="The last booking is taken so long before the start.")]
AdvanceDays = Annotated[int, Field(ge=1, le=1825, description="How many days ahead may be booked.")]
HoldSeconds = Annotated[int, Field(ge=1, le=86_400)]
HoldCapSeconds = Annotated[int, Field(ge=1, le=259_200, description="Renewals cannot reach beyond this.")]


class Cancellation(Ask):
    """Until when a booking is cancelled for nothing, and what share is paid back after that."""

    free_until_hours: int = Field(default=0, ge=0, le=8760, description="Hours before the start.")
    refund_percent_after: int = Field(default=100, ge=0, le=100)


class CreateVenue(Ask):
    """A venue; what is not named gets a sensible default: open around the clock, confirmed at once."""

    name: Name
    kind: VenueKind = "hall"
    description: Text = ""
    timezone: Zone = "UTC"
    currency: KnownCurrency = "USD"
    address: Line = ""
    city: Line = ""
    province: Line = ""
    country: Line = ""
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    map_url: WebAddress | None = None
    contact_phone: Line | None = None
    contact_email: Mailbox | None = None
    contact_website: WebAddress | None = None
    star_rating: Stars | None = None
    amenities: Amenities = Field(default_factory=list)
    images: Images = Field(default_factory=list)
    is_active: bool = True
    confirmation: Confirmation = "instant"
    cancellation: Cancellation = Cancellation()
    terms: Terms = Terms()
    opening_hours: OpeningHours | None = None
    check_in_time: TimeOfDay = time(15)
    check_out_time: TimeOfDay = time(11)
    slot_step_minutes: StepMinutes = 15
    min_slot_minutes: SlotMinutes = 15
    max_slot_minutes: SlotMinutes = 1440
    buffer_before_minutes: BufferMinutes = 0
    buffer_after_minutes: BufferMinutes = 0
    min_nights: Nights = 1
    max_nights: Nights = 365
    lead_time_minutes: LeadMinutes = 0
    advance_days: AdvanceDays = 730
    hold_seconds: HoldSeconds | None = Field(default=None, description="The hub's usual time if not named.")
    hold_cap_seconds: HoldCapSeconds | None = Field(default=None, description="The hub's usual cap if not named.")


class NameVenue(Ask):
    """One venue, by its id."""

    venue_id: Id


class ChangeVenue(NameVenue):
    """What changes about a venue; what is left out stays as it is."""

    name: Stays[Name] = None
    kind: Stays[VenueKind] = None
    description: Stays[Text] = None
    timezone: Stays[Zone] = None
    currency: Stays[KnownCurrency] = None
    address: Stays[Line] = None
    city: Stays[Line] = None
    province: Stays[Line] = None
    country: Stays[Line] = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    map_url: WebAddress | None = None
    contact_phone: Line | None = None
    contact_email: Mailbox | None = None
    contact_website: WebAddress | None = None
    star_rating: Stars | None = None
    amenities: Stays[Amenities] = None
    images: Stays[Images] = None
    is_active: Stays[bool] = None
    confirmation: Stays[Confirmation] = None
    cancellation: Stays[Cancellation] = None
    terms: Stays[Terms] = Field(default=None, description="All of them; what is left out gets its default.")
    opening_hours: OpeningHours | None = None
    check_in_time: Stays[TimeOfDay] = None
    check_out_time: Stays[TimeOfDay] = None
    slot_step_minutes: Stays[StepMinutes] = None
    min_slot_minutes: Stays[SlotMinutes] = None
    max_slot_minutes: Stays[SlotMinutes] = None
    buffer_before_minutes: Stays[BufferMinutes] = None
    buffer_after_minutes: Stays[BufferMinutes] = None
    min_nights: Stays[Nights] = None
    max_nights: Stays[Nights] = None
    lead_time_minutes: Stays[LeadMinutes] = None
    advance_days: Stays[AdvanceDays] = None
    hold_seconds: Stays[HoldSeconds] = None
    hold_cap_seconds: Stays[HoldCapSeconds] = None


class ListVenues(Paging):
    """Which venues, and in what order."""

    q: Line | None = Field(default=None, description="Part of the name or the description.")
    place: Line | None = Field(default=None, description="Part of the city, province, country or address.")
    city: Line | None = Field(default=None, description="Exactly this city, in any case.")
    kind: VenueKind | None = None
    owner_id: Id | None = None
    mine: bool = Field(default=False, description="Only those you own or work at.")
    is_active: bool | None = Field(default=None, description="Inactive ones are shown only to those who run them.")
    amenities: AmenityFilter = Field(default_factory=list)
    min_stars: Stars | None = None
    guests: int | None = Field(default=None, ge=1, le=100_000, description="Has a room type for so many.")
    min_price: Minor | None = Field(default=None, description="Has a room type at this price or above, in minor units.")
    max_price: Minor | None = Field(default=None, description="Has a room type at this price or below, in minor units.")
    sort: Literal["name", "-name", "stars", "-stars", "newest", "oldest"] = "name"


class Venue(Thing):
    """A place that sells nights, hours or places in sessions."""

    id: int
    owner_id: int
    kind: VenueKind
    name: str
    description: str
    timezone: str
    currency: CurrencyCode
    address: str
    city: str
    province: str
    country: str
    latitude: float | None
    longitude: float | None
    map_url: str | None
    contact_phone: str | None
    contact_email: str | None
    contact_website: str | None
    star_rating: float | None
    amenities: list[str]
    images: list[Image]
    is_active: bool
    confirmation: Confirmation
    cancellation: Cancellation
    terms: Terms
    opening_hours: dict[Weekday, list[tuple[str, str]]] | None
    check_in_time: time
    check_out_time: time
    slot_step_minutes: int
    min_slot_minutes: int
    max_slot_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    min_nights: int
    max_nights: int
    lead_time_minutes: int
    advance_days: int
    hold_seconds: int
    hold_cap_seconds: int
    created_at: datetime
    updated_at: datetime
