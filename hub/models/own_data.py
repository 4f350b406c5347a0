"""What the hub knows of a person, as they may take it with them, and how they have it erased."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict, Field

from hub.models.base import Ask, Thing
from hub.models.bookings import Booking, BookingChange
from hub.models.calendars import CalendarFeed
from hub.models.identities import Identity
from hub.models.paper import Paper
from hub.models.payments import Payment
from hub.models.refunds import Refund
from hub.models.users import Login, Password, User
from hub.models.verifications import SecondFactorCode
from hub.models.wallet import Balance, WalletEntry


class WorksAt(Thing):
    """A venue that a person owns or works at."""

    venue_id: int
    name: str
    role: str


class Leads(Thing):
    """A session that a person leads or has led."""

    session_id: int
    venue_id: int
    title: str
    starts_at: datetime
    is_ahead: bool


class Device(Thing):
    """A kind of device that a person was seen on."""

    kind: str
    first_seen_at: datetime
    last_seen_at: datetime


class OwnFile(Thing):
    """A picture of the person, or one that counts against their quota."""

    url: str
    kind: str
    bytes: int
    made_at: datetime


class Export(Thing):
    """All that the hub knows of a person."""

    made_at: datetime
    user: User
    logins: list[Login]
    devices: list[Device]
    identities: list[Identity]
    bookings: list[Booking]
    booking_changes: list[BookingChange]
    payments: list[Payment]
    refunds: list[Refund]
    wallet: list[Balance]
    wallet_entries: list[WalletEntry]
    papers: list[Paper]
    calendar: CalendarFeed | None
    works_at: list[WorksAt]
    leads: list[Leads]
    files: list[OwnFile]


class Erase(Ask):
    """The password, so that nobody but oneself can do it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    password: Password | None = Field(
        default=None, description="Required if the account has one; else log in right before."
    )
    totp_code: SecondFactorCode | None = None
