"""People and inventory for tests: plain functions with sensible defaults, through the services."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hub.core import Actor, Hub
from hub.models.addons import Addon, CreateAddon
from hub.models.bookings import Booking, MakeBooking, PlaceHold
from hub.models.closures import Closure, CreateClosure
from hub.models.offers import CreateOffer, Offer
from hub.models.rates import CreateRate, Rate
from hub.models.room_types import CreateRoomType, RoomType
from hub.models.rooms import CreateRoom, Room
from hub.models.sessions import CreateSession, Session
from hub.models.users import User
from hub.models.venues import CreateVenue, Venue
from hub.services import addons, bookings, closures, holds, offers, rates, room_types, rooms, sessions, venues
from storage import users


def tomorrow(hour: int = 12, minute: int = 0, *, days: int = 1) -> datetime:
    """Answer an hour of tomorrow, or of a later day, in UTC."""
    day = datetime.now(UTC) + timedelta(days=days)
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def day_after(days: int = 1) -> date:
    """Answer the date so many days from now, in UTC."""
    return (datetime.now(UTC) + timedelta(days=days)).date()


async def make_user(hub: Hub, role: str = "customer", **fields: Any) -> User:
    """Insert a person with a role, who cannot log in."""
    email = fields.pop("email", f"{secrets.token_hex(6)}@example.org")
    full_name = fields.pop("full_name", f"{role.title()} {secrets.token_hex(2)}")
    async with hub.pool.acquire() as db:
        user_id = await db.fetchval(
            "INSERT INTO users (email, full_name) VALUES ($1, $2) RETURNING id", email, full_name
        )
        await db.execute(
            "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE code = $2", user_id, role
        )
        for column, value in fields.items():
            await db.execute(f'UPDATE users SET "{column}" = $2 WHERE id = $1', user_id, value)  # noqa: S608
        user = await users.find(db, user_id)
    assert user is not None
    return user


async def make_actor(hub: Hub, role: str = "customer", **fields: Any) -> Actor:
    """Insert a person with a role, and answer them as somebody who asks."""
    user = await make_user(hub, role, **fields)
    async with hub.pool.acquire() as db:
        permissions = await db.fetch(
            """
            SELECT DISTINCT p.resource || ':' || p.action AS permission
            FROM user_roles AS ur JOIN role_permissions AS rp ON rp.role_id = ur.role_id
            JOIN permissions AS p ON p.id = rp.permission_id WHERE ur.user_id = $1
            """,
            user.id,
        )
        rank = await db.fetchval(
            "SELECT max(r.rank) FROM user_roles AS ur JOIN roles AS r ON r.id = ur.role_id WHERE ur.user_id = $1",
            user.id,
        )
    return Actor(
        user_id=user.id,
        roles=frozenset({role}),
        permissions=frozenset(row["permission"] for row in permissions),
        rank=rank or 0,
    )


async def make_staff(hub: Hub, venue: Venue, role: str = "desk", *, person: str = "customer") -> Actor:
    """Insert a person who works at a venue, at its desk or as its manager."""
    actor = await make_actor(hub, person)
    async with hub.pool.acquire() as db:
        await db.execute(
            "INSERT INTO venue_staff (venue_id, user_id, role) VALUES ($1, $2, $3)", venue.id, actor.user_id, role
        )
    return actor


async def make_venue(hub: Hub, owner: Actor, **fields: Any) -> Venue:
    """Open a venue: a hall in UTC that sells in euro, around the clock, confirmed at once."""
    return await venues.create(hub, owner, CreateVenue(**({"name": "Sala Norte", "currency": "EUR"} | fields)))


async def make_room_type(hub: Hub, owner: Actor, venue: Venue, **fields: Any) -> RoomType:
    """Offer a room type; `total_rooms` makes it a pool."""
    usual = {"name": "Room", "capacity": 2, "price": 5000}
    return await room_types.create(hub, owner, CreateRoomType(venue_id=venue.id, **(usual | fields)))


async def make_room(hub: Hub, owner: Actor, room_type: RoomType, number: str = "1", **fields: Any) -> Room:
    """Add a numbered room to a type."""
    return await rooms.create(hub, owner, CreateRoom(room_type_id=room_type.id, number=number, **fields))


async def make_session(hub: Hub, owner: Actor, venue: Venue | None = None, **fields: Any) -> Session:
    """Plan a session: tomorrow at noon for an hour, ten places; without a venue in a studio of one's own."""
    begin = fields.pop("starts_at", tomorrow())
    usual = {
        "venue_id": venue and venue.id,
        "title": "Morning flow",
        "starts_at": begin,
        "ends_at": begin + timedelta(hours=1),
        "capacity": 10,
        "price": 2500,
    }
    return await sessions.create(hub, owner, CreateSession(**(usual | fields)))


async def make_closure(hub: Hub, owner: Actor, venue: Venue, **fields: Any) -> Closure:
    """Close the whole venue, a room or some rooms of a pool: tomorrow, unless another time is named."""
    if not {"starts_at", "check_in"} & set(fields):
        fields |= {"starts_at": tomorrow(0), "ends_at": tomorrow(0, days=2)}
    return await closures.create(hub, owner, CreateClosure(venue_id=venue.id, **fields))


async def make_addon(hub: Hub, owner: Actor, venue: Venue, **fields: Any) -> Addon:
    """Sell something beside a venue's rooms."""
    return await addons.create(hub, owner, CreateAddon(venue_id=venue.id, **({"name": "Breakfast"} | fields)))


async def make_offer(hub: Hub, owner: Actor, venue: Venue | None = None, **fields: Any) -> Offer:
    """Take a tenth off at a venue, or everywhere, for whoever says AUTUMN."""
    usual: dict[str, Any] = {"venue_id": venue and venue.id, "code": "AUTUMN"}
    if "amount" not in fields:
        usual["basis_points"] = 1000
    return await offers.create(hub, owner, CreateOffer(**(usual | fields)))


async def make_rate(hub: Hub, owner: Actor, room_type: RoomType, **fields: Any) -> Rate:
    """Ask half as much again on Fridays and Saturdays, unless other days or another price are named."""
    usual: dict[str, Any] = {"name": "Weekend", "weekdays": ["fri", "sat"]}
    if "price" not in fields:
        usual["percent"] = 150
    return await rates.create(hub, owner, CreateRate(room_type_id=room_type.id, **(usual | fields)))


def stay(thing: RoomType | Room, check_in: date, nights: int = 1, **fields: Any) -> dict[str, Any]:
    """Ask for nights in a pool or in a numbered room."""
    named = {"room_id": thing.id} if isinstance(thing, Room) else {"room_type_id": thing.id}
    return {"kind": "stay", "check_in": check_in, "check_out": check_in + timedelta(days=nights)} | named | fields


def slot(room: Room, starts_at: datetime, hours: float = 1, **fields: Any) -> dict[str, Any]:
    """Ask for hours in a room."""
    ends_at = starts_at + timedelta(hours=hours)
    return {"kind": "slot", "room_id": room.id, "starts_at": starts_at, "ends_at": ends_at} | fields


def place(session: Session, quantity: int = 1) -> dict[str, Any]:
    """Ask for places in a session."""
    return {"kind": "place", "session_id": session.id, "quantity": quantity}


async def make_booking(hub: Hub, customer: Actor, *items: dict[str, Any], **fields: Any) -> Booking:
    """Book a basket at once."""
    return await bookings.make(hub, customer, MakeBooking.model_validate({"items": items} | fields))


async def make_hold(hub: Hub, customer: Actor, *items: dict[str, Any], **fields: Any) -> Booking:
    """Hold a basket."""
    return await holds.place(hub, customer, PlaceHold.model_validate({"items": items} | fields))
