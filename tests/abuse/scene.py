"""Somebody of each kind, and one thing of each kind that endpoints may be asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hub.core import Hub
from hub.models.addons import Addon
from hub.models.bookings import Booking
from hub.models.closures import Closure
from hub.models.roles import CreateRole, Role
from hub.models.room_types import RoomType
from hub.models.rooms import Room
from hub.models.sessions import Session
from hub.models.staff import NameColleague
from hub.models.users import LogIn, Tokens
from hub.models.venues import Venue
from hub.services import accounts, roles, staff
from tests import builders
from tests.doors import PASSWORD, People, Person


@dataclass
class Scene:
    """One venue with all that is its own, its people, and people who have nothing to do with it."""

    hub: Hub
    people: dict[str, Person | None]
    # Whom the administration is about, and a colleague of each kind for those who run the venue.
    admin_too: Person
    colleague: Person
    co_manager: Person
    tokens: Tokens
    venue: Venue
    pool: RoomType
    hall_type: RoomType
    room: Room
    session: Session
    closure: Closure
    addon: Addon
    spare: dict[str, int]
    role: Role
    hold: Booking
    booking: Booking

    def person(self, who: str) -> Person:
        """Answer somebody who is logged in."""
        found = self.people[who]
        assert found is not None
        return found

    def slot(self, days: int = 5) -> dict[str, Any]:
        """Ask for hours that are free."""
        return _plain(builders.slot(self.room, builders.tomorrow(days=days), 2))


async def open_scene(hub: Hub, people: People) -> Scene:
    """Open the venue, and let everybody come in."""
    owner, boss = await people.vendor("Vera Owner"), await people.admin("Sue Super", "super_admin")
    customer, other = await people.customer("Ana Customer"), await people.customer("Otto Other")
    venue = await builders.make_venue(hub, owner.actor, name="Sala Norte")
    rival = await builders.make_venue(hub, (await people.vendor("Rita Rival")).actor, name="Rival")
    manager, desk = await _staff(people, venue, "Mia Manager", "manager"), await _staff(people, venue, "Dan Desk")
    former = await _staff(people, venue, "Fay Former", "manager")
    await staff.remove(hub, owner.actor, NameColleague(venue_id=venue.id, user_id=former.id))
    pool = await builders.make_room_type(hub, owner.actor, venue, name="Double", total_rooms=5)
    hall_type = await builders.make_room_type(hub, owner.actor, venue, name="Hall", capacity=50)
    room = await builders.make_room(hub, owner.actor, hall_type, "Big hall")
    session = await builders.make_session(hub, owner.actor, venue)
    # Of these nothing is booked, so that they may go.
    spare_type = await builders.make_room_type(hub, owner.actor, venue, name="Spare")
    spare_room = await builders.make_room(hub, owner.actor, spare_type, "Spare")
    spare_session = await builders.make_session(hub, owner.actor, venue, title="Spare", starts_at=builders.tomorrow(15))
    spare_venue = await builders.make_venue(hub, owner.actor, name="Spare")
    await _put(hub, spare_venue, manager, "manager")
    await _put(hub, spare_venue, desk, "desk")
    items = (builders.stay(pool, builders.day_after(20), 2), builders.place(session))
    return Scene(
        hub=hub,
        people={
            "guest": None,
            "customer": customer,
            "other": other,
            "owner": owner,
            "manager": manager,
            "desk": desk,
            "elsewhere": await _staff(people, rival, "Eli Elsewhere", "manager"),
            "former": former,
            "admin": await people.admin("Ada Admin"),
            "super": boss,
        },
        admin_too=await people.admin("Abe Admin"),
        colleague=await _staff(people, venue, "Cora Colleague"),
        co_manager=await _staff(people, venue, "Cosmo Manager", "manager"),
        tokens=await accounts.log_in(hub, customer.actor, LogIn(email=customer.email, password=PASSWORD)),
        venue=venue,
        pool=pool,
        hall_type=hall_type,
        room=room,
        session=session,
        closure=await builders.make_closure(
            hub, owner.actor, venue, starts_at=builders.tomorrow(0, days=9), ends_at=builders.tomorrow(0, days=10)
        ),
        addon=await builders.make_addon(hub, owner.actor, venue),
        spare={
            "room_type_id": spare_type.id,
            "room_id": spare_room.id,
            "session_id": spare_session.id,
            "venue_id": spare_venue.id,
        },
        role=await roles.create(hub, boss.actor, CreateRole(name="Night desk", permissions=["booking:read"])),
        hold=await builders.make_hold(hub, customer.actor, *items),
        booking=await builders.make_booking(hub, customer.actor, builders.slot(room, builders.tomorrow(days=3), 2)),
    )


async def _staff(people: People, venue: Venue, name: str, role: str = "desk") -> Person:
    person = await people.customer(name)
    await _put(people.hub, venue, person, role)
    return person


async def _put(hub: Hub, venue: Venue, person: Person, role: str) -> None:
    async with hub.pool.acquire() as db:
        await db.execute(
            "INSERT INTO venue_staff (venue_id, user_id, role) VALUES ($1, $2, $3)", venue.id, person.id, role
        )


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in item.items()}
