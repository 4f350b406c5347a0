"""For each way to ask an endpoint: what is asked, so that whoever may is done as asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hub.core import Actor
from tests.abuse.scene import Scene
from tests.builders import tomorrow
from tests.doors import PASSWORD


@dataclass
class Ask:
    """What goes into the path, and into the body or the query."""

    path: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    # How whoever may is answered when no right stands in the way but something else does.
    done: tuple[int, ...] = (200, 201, 202, 204)
    upload: bool = False


Make = Callable[[Scene, str], Awaitable[Ask]]
ASKS: dict[str, Make] = {}


def ask(*names: str) -> Callable[[Make], Make]:
    """Say how these are asked."""

    def put(make: Make) -> Make:
        for name in names:
            assert name not in ASKS
            ASKS[name] = make
        return make

    return put


def plain(name: str, path: Callable[[Scene], dict[str, Any]] | None = None, /, **body: Any) -> None:
    """Say that something is asked with nothing but this."""

    async def make(scene: Scene, who: str) -> Ask:
        return Ask(path(scene) if path else {}, body or None)

    ask(name)(make)


def venue(scene: Scene) -> dict[str, Any]:
    """Name the venue."""
    return {"venue_id": scene.venue.id}


def spare(*names: str) -> Callable[[Scene], dict[str, Any]]:
    """Name something of which nothing is booked."""
    return lambda scene: {name: scene.spare[name] for name in names}


def target(scene: Scene) -> dict[str, Any]:
    """Name a customer."""
    return {"user_id": scene.person("customer").id}


def colleague(scene: Scene) -> dict[str, Any]:
    """Name somebody at the venue's desk."""
    return {"venue_id": scene.venue.id, "user_id": scene.colleague.id}


def caller(scene: Scene, who: str) -> Actor:
    """Answer who asks; a guest is refused before it matters whose thing it is."""
    return (scene.people[who] or scene.person("customer")).actor


# What takes nothing, or only names a thing

for _name in (
    "auth.socials",
    "auth.logout",
    "auth.logout_everywhere",
    "me.read",
    "me.logins",
    "me.events",
    "me.snapshot",
    "me.second_factor",
    "me.identities",
    "me.export",
    "venues.list",
    "room_types.list",
    "rooms.list",
    "addons.list",
    "rates.list",
    "sessions.list",
    "closures.list",
    "search.find",
    "bookings.list",
    "dashboard.show",
    "users.list",
    "roles.list",
    "permissions.list",
    "audit.list",
    "audit.verify",
):
    plain(_name)
for _name in ["get", "availability", "events", "snapshot"]:
    plain(f"venues.{_name}", venue)
for _name in ["staff.list", "invitations.list", "desks.events", "desks.snapshot"]:
    plain(_name, venue)
for _name in ["rooms.get", "rooms.availability"]:
    plain(_name, lambda scene: {"room_id": scene.room.id})
for _name in ["sessions.get", "sessions.availability"]:
    plain(_name, lambda scene: {"session_id": scene.session.id})
for _name in ["bookings.read", "bookings.history", "bookings.log", "bookings.cancel"]:
    plain(_name, lambda scene: {"booking_id": scene.booking.id})
for _name in ["holds.renew", "holds.confirm", "holds.release"]:
    plain(_name, lambda scene: {"booking_id": scene.hold.id})
for _name in ["users.get", "users.delete", "users.impersonate"]:
    plain(_name, target)
for _name in ["roles.get", "roles.delete"]:
    plain(_name, lambda scene: {"role_id": scene.role.id})
plain("room_types.get", lambda scene: {"room_type_id": scene.hall_type.id})
plain("addons.get", lambda scene: {"addon_id": scene.addon.id})
plain("addons.delete", lambda scene: {"addon_id": scene.addon.id})
plain("closures.get", lambda scene: {"closure_id": scene.closure.id})
plain("closures.delete", lambda scene: {"closure_id": scene.closure.id})
plain("venues.delete", spare("venue_id"))
plain("room_types.delete", spare("room_type_id"))
plain("rooms.delete", spare("room_id"))
plain("sessions.delete", spare("session_id"))
plain("holds.release_item", lambda scene: {"booking_id": scene.hold.id, "item_id": scene.hold.items[0].id})
plain("me.end_login", lambda scene: {"login_id": scene.person("customer").actor.login_id})
plain("staff.remove", colleague)
plain("staff.remove/manager", lambda scene: {"venue_id": scene.venue.id, "user_id": scene.co_manager.id})
plain("users.delete/admin", lambda scene: {"user_id": scene.admin_too.id})

# What changes one field

plain("me.change", None, bio="Hello")
plain("venues.change", venue, description="Hello")
plain("room_types.change", lambda scene: {"room_type_id": scene.hall_type.id}, description="Hello")
plain("rooms.change", lambda scene: {"room_id": scene.room.id}, floor=2)
plain("addons.change", lambda scene: {"addon_id": scene.addon.id}, price=5)
plain("sessions.change", lambda scene: {"session_id": scene.session.id}, title="Evening flow")
plain("sessions.cancel", spare("session_id"), reason="Rain")
plain("closures.change", lambda scene: {"closure_id": scene.closure.id}, reason="Paint")
plain("staff.change", colleague, role="desk")
plain("staff.change/to_manager", colleague, role="manager")
plain("users.change", target, full_name="Ana Maria")
plain("users.change/admin", lambda scene: {"user_id": scene.admin_too.id}, full_name="Abe")
plain("users.suspend", target, reason="Threw a chair")
plain("users.suspend/admin", lambda scene: {"user_id": scene.admin_too.id}, reason="Left")
plain("users.set_roles", target, roles=["vendor"])
plain("users.set_roles/admin", target, roles=["admin"])
plain("roles.change", lambda scene: {"role_id": scene.role.id}, name="Day desk")
plain("roles.permit", lambda scene: {"role_id": scene.role.id}, permissions=["booking:write"])

# What is new

plain("venues.create", None, name="Quinta")
plain("roles.create", None, name="Day desk", permissions=["booking:read"])
plain("auth.register", None, email="new@example.org", password=PASSWORD, full_name="Nina New")
plain("auth.forgot_password", None, email="nobody@example.org")
plain("users.create", None, email="new@example.org", full_name="Nina New", roles=["vendor"])
plain("users.create/admin", None, email="new@example.org", full_name="Nina New", roles=["admin"])


@ask("sessions.create/studio")
async def _in_a_studio(scene: Scene, who: str) -> Ask:
    return Ask(body={"title": "Flow", "starts_at": tomorrow(9).isoformat(), "ends_at": tomorrow(10).isoformat()})


def _creates(name: str, body: Callable[[Scene], dict[str, Any]]) -> None:
    async def make(scene: Scene, who: str) -> Ask:
        return Ask(body=body(scene))

    ask(name)(make)


_creates("room_types.create", lambda scene: {"venue_id": scene.venue.id, "name": "Twin", "price": 100})
_creates("rooms.create", lambda scene: {"room_type_id": scene.hall_type.id, "number": "9"})
_creates(
    "rates.create",
    lambda scene: {"room_type_id": scene.hall_type.id, "name": "Weekend", "weekdays": ["sat"], "percent": 120},
)
_creates("addons.create", lambda scene: {"venue_id": scene.venue.id, "name": "Tea"})
_creates(
    "sessions.create",
    lambda scene: {
        "venue_id": scene.venue.id,
        "title": "Flow",
        "starts_at": tomorrow(9).isoformat(),
        "ends_at": tomorrow(10).isoformat(),
    },
)
_creates(
    "closures.create",
    lambda scene: {
        "venue_id": scene.venue.id,
        "room_id": scene.room.id,
        "starts_at": tomorrow(8, days=12).isoformat(),
        "ends_at": tomorrow(9, days=12).isoformat(),
    },
)
