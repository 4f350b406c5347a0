"""A small world to book in: a hotel with a pool and numbered suites, a hall by the hour, a session, and people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from hub.core import Actor
from hub.errors import HubError
from hub.models.bookings import Booking, MakeBooking
from hub.models.room_types import RoomType
from hub.models.rooms import Room
from hub.models.sessions import Session
from hub.models.venues import Venue
from hub.services import baskets
from hub.settings import Settings
from storage import bookings as store
from storage.claims import extend
from storage.event_log import Told
from storage.placing import AskBooking
from storage.pool import open_pool
from tests import builders
from tests.doors import ListeningHub

Item = dict[str, Any]


@dataclass
class World:
    """Two venues of one owner with a clerk at both, and three customers."""

    hub: ListeningHub
    owner: Actor
    clerk: Actor
    customer: Actor
    rival: Actor
    stranger: Actor
    hall: Venue
    hall_type: RoomType
    room: Room
    other_room: Room
    session: Session
    hotel: Venue
    pool: RoomType
    suites: RoomType
    suite: Room

    @classmethod
    async def build(cls, hub: ListeningHub, **policies: Any) -> World:
        """Open the venues; policies hold for both."""
        owner = await builders.make_actor(hub, "vendor", full_name="Vera Lopes")
        hall = await builders.make_venue(hub, owner, name="Sala Norte", kind="hall", **policies)
        hotel = await builders.make_venue(hub, owner, name="Hotel Aurora", kind="hotel", **policies)
        clerk = await builders.make_staff(hub, hall)
        async with hub.pool.acquire() as db:
            await db.execute("INSERT INTO venue_staff (venue_id, user_id) VALUES ($1, $2)", hotel.id, clerk.user_id)
        hall_type = await builders.make_room_type(hub, owner, hall, name="Hall", capacity=10, price=6000)
        pool = await builders.make_room_type(hub, owner, hotel, name="Double", price=9000, total_rooms=3)
        suites = await builders.make_room_type(hub, owner, hotel, name="Suite", price=20_000, sold_as="room")
        suite = await builders.make_room(hub, owner, suites, "S1")
        await builders.make_room(hub, owner, suites, "S2")
        return cls(
            hub,
            owner,
            clerk,
            await builders.make_actor(hub, full_name="Ana Reis"),
            await builders.make_actor(hub, full_name="Rui Rival"),
            await builders.make_actor(hub, full_name="Sid Stranger"),
            hall,
            hall_type,
            await builders.make_room(hub, owner, hall_type, "1"),
            await builders.make_room(hub, owner, hall_type, "2"),
            await builders.make_session(hub, owner, hall, starts_at=builders.tomorrow(12, days=10)),
            hotel,
            pool,
            suites,
            suite,
        )

    def slot(self, hour: int = 10, hours: float = 1, *, days: int = 10, room: Room | None = None, **more: Any) -> Item:
        """Ask for hours in a hall."""
        return builders.slot(room or self.room, self.at(hour, days=days), hours, **more)

    def stay(self, nights: int = 2, quantity: int = 1, *, days: int = 20, **more: Any) -> Item:
        """Ask for nights in the pool."""
        return builders.stay(self.pool, self.day(days), nights, quantity=quantity, **more)

    def suite_stay(self, nights: int = 2, *, days: int = 20, **more: Any) -> Item:
        """Ask for nights in any suite."""
        return builders.stay(self.suites, self.day(days), nights, **more)

    def place(self, quantity: int = 1) -> Item:
        """Ask for places in the session."""
        return builders.place(self.session, quantity)

    @staticmethod
    def at(hour: int, *, days: int = 10) -> datetime:
        """Answer an hour of a day to come."""
        return builders.tomorrow(hour, days=days)

    @staticmethod
    def day(days: int = 20) -> date:
        """Answer a day to come."""
        return builders.day_after(days)

    async def ask(self, *items: Item, user_id: int | None = None) -> AskBooking:
        """Make an ask for a hold as the services do, of the customer or of this person."""
        basket = await baskets.made(self.hub, MakeBooking.model_validate({"items": items}).items)
        whose = user_id or self.customer.user_id
        assert whose is not None
        return AskBooking(
            user_id=whose,
            booked_by=whose,
            status="held",
            currency=basket.currency,
            price=basket.price,
            items=basket.items,
            expires_in=600,
            ends_in=1800,
            person_limit=5,
            venue_limit=3,
        )

    async def hold(self, *items: Item, by: Actor | None = None, **more: Any) -> Booking:
        """Hold a basket."""
        return await builders.make_hold(self.hub, by or self.customer, *items, **more)

    async def book(self, *items: Item, by: Actor | None = None, **more: Any) -> Booking:
        """Book a basket."""
        return await builders.make_booking(self.hub, by or self.customer, *items, **more)

    async def now(self, booking: Booking) -> Booking:
        """Read a booking as it now is."""
        async with self.hub.reading() as db:
            found = await store.document(db, booking.id)
        assert found is not None
        return found

    async def run_out(self, *bookings: Booking) -> None:
        """Let the time of holds be over, as if they had been placed earlier."""
        async with self.hub.pool.acquire() as db, db.transaction():
            for booking in bookings:
                past = await db.fetchval(
                    """
                    UPDATE bookings SET expires_at = clock_timestamp() - interval '1 second' WHERE id = $1
                    RETURNING expires_at
                    """,
                    booking.id,
                )
                await extend(db, booking.id, past)

    async def begin(self, booking: Booking) -> None:
        """Let a booking have begun an hour ago."""
        async with self.hub.pool.acquire() as db:
            await db.execute(
                "UPDATE booking_items SET starts_at = clock_timestamp() - interval '1 hour' WHERE booking_id = $1",
                booking.id,
            )

    async def until(self, moment: datetime) -> None:
        """Wait until the database's clock is past a moment."""
        async with self.hub.pool.acquire() as db:
            await db.execute("SELECT pg_sleep_until($1::timestamptz + interval '1 millisecond')", moment)


async def refusal(act: Awaitable[Any]) -> HubError:
    """Answer the refusal of what must be refused."""
    try:
        done = await act
    except HubError as error:
        return error
    raise AssertionError(f"it was not refused: {done}")


@asynccontextmanager
async def another(hub: ListeningHub, **changes: Any) -> AsyncIterator[ListeningHub]:
    """Open another worker on the same database."""
    settings: Settings = replace(hub.settings, **changes)
    assert settings.database_url
    pool = await open_pool(settings.database_url, settings.pool_size)
    told: list[Told] = []
    try:
        other = ListeningHub(settings, pool, told.extend, told=told)
        async with other.reading() as db:
            await other.clock.synchronise(db)
        yield other
    finally:
        await pool.close()
