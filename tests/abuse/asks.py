"""For each way to ask an endpoint: what is asked, so that whoever may is done as asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pyotp

from hub.core import Actor
from hub.models.files import Upload
from hub.models.people import SuspendPerson
from hub.models.second_factor import AskSecondFactor, ConfirmSecondFactor
from hub.models.staff import Invite
from hub.models.venues import ChangeVenue
from hub.services import codes, files, invitations, second_factor, venues
from hub.services import people as administration
from hub.services.access import signed_in
from hub.services.verifications import locked
from tests.abuse.scene import Scene
from tests.builders import day_after, make_user, tomorrow
from tests.doors import PASSWORD
from tests.photos import photo

NEXT = "another horse battery staple"


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


# What is not active, and so only seen by those who run it


@ask(
    "venues.get/inactive",
    "venues.availability/inactive",
    "venues.events/inactive",
    "venues.snapshot/inactive",
)
async def _inactive_venue(scene: Scene, who: str) -> Ask:
    await _close(scene)
    return Ask(venue(scene))


@ask("room_types.get/inactive", "rooms.get/inactive", "rooms.availability/inactive", "addons.get/inactive")
async def _inactive_inventory(scene: Scene, who: str) -> Ask:
    await _close(scene)
    return Ask({"room_type_id": scene.hall_type.id, "room_id": scene.room.id, "addon_id": scene.addon.id})


@ask("sessions.get/inactive", "sessions.availability/inactive")
async def _inactive_session(scene: Scene, who: str) -> Ask:
    await _close(scene)
    return Ask({"session_id": scene.session.id})


@ask("room_types.availability")
async def _nights(scene: Scene, who: str) -> Ask:
    return Ask({"room_type_id": scene.pool.id}, {"check_in": str(day_after(3)), "check_out": str(day_after(4))})


@ask("room_types.availability/inactive")
async def _inactive_nights(scene: Scene, who: str) -> Ask:
    await _close(scene)
    return await _nights(scene, who)


async def _close(scene: Scene) -> None:
    await venues.change(scene.hub, scene.person("owner").actor, ChangeVenue(venue_id=scene.venue.id, is_active=False))


# Holds and bookings


@ask("holds.place", "bookings.make")
async def _basket(scene: Scene, who: str) -> Ask:
    return Ask(body={"items": [scene.slot()]})


@ask("holds.place/for_a_guest", "bookings.make/for_a_guest")
async def _basket_for_a_guest(scene: Scene, who: str) -> Ask:
    guest = await make_user(scene.hub)
    return Ask(body={"items": [scene.slot()], "user_id": guest.id})


@ask("bookings.reschedule")
async def _move(scene: Scene, who: str) -> Ask:
    return Ask({"booking_id": scene.booking.id}, {"items": [scene.slot()]})


@ask("bookings.complete", "bookings.no_show")
async def _begun(scene: Scene, who: str) -> Ask:
    async with scene.hub.reading() as db:
        await db.execute(
            "UPDATE booking_items SET starts_at = clock_timestamp() - interval '1 hour' WHERE booking_id = $1",
            scene.booking.id,
        )
    return Ask({"booking_id": scene.booking.id})


@ask("bookings.list/venue", "dashboard.show/venue", "audit.list/venue")
async def _of_the_venue(scene: Scene, who: str) -> Ask:
    return Ask(body=venue(scene))


# Staff


@ask("invitations.create")
async def _invite(scene: Scene, who: str) -> Ask:
    return Ask(venue(scene), {"email": "new@example.org"})


@ask("invitations.create/manager")
async def _invite_manager(scene: Scene, who: str) -> Ask:
    return Ask(venue(scene), {"email": "new@example.org", "role": "manager"})


@ask("invitations.withdraw")
async def _withdraw(scene: Scene, who: str) -> Ask:
    made = await invitations.invite(scene.hub, scene.person("owner").actor, _invitation(scene))
    return Ask({"venue_id": scene.venue.id, "invitation_id": made.id})


@ask("invitations.show", "invitations.accept")
async def _answer(scene: Scene, who: str) -> Ask:
    await invitations.invite(scene.hub, scene.person("owner").actor, _invitation(scene))
    async with scene.hub.reading() as db:
        link = await db.fetchval("SELECT data->'facts'->>'link' FROM jobs WHERE kind = 'mail' ORDER BY id DESC LIMIT 1")
    return Ask(body={"token": link.partition("#token=")[2]})


def _invitation(scene: Scene) -> Invite:
    return Invite(venue_id=scene.venue.id, email=scene.person("customer").email)


# Accounts


@ask("users.reinstate")
async def _suspended(scene: Scene, who: str) -> Ask:
    person = await make_user(scene.hub)
    boss = scene.person("super").actor
    await administration.suspend(scene.hub, boss, SuspendPerson(user_id=person.id, reason="x"))
    return Ask({"user_id": person.id})


@ask("auth.login")
async def _log_in(scene: Scene, who: str) -> Ask:
    return Ask(body={"email": scene.person("customer").email, "password": PASSWORD})


@ask("auth.refresh")
async def _refresh(scene: Scene, who: str) -> Ask:
    return Ask(body={"refresh_token": scene.tokens.refresh_token})


@ask("auth.reset_password")
async def _reset(scene: Scene, who: str) -> Ask:
    person = scene.person("customer")
    code = await _code(scene, person.actor, "reset_password", person.email)
    return Ask(body={"email": person.email, "code": code, "password": NEXT})


# No provider is set up here: everybody is told alike.
@ask("auth.social_second_factor")
async def _social_second_factor(scene: Scene, who: str) -> Ask:
    return Ask({"provider": "google"}, {"challenge": "x", "totp_code": "123456"}, done=(401, 404))


@ask("auth.social")
async def _social(scene: Scene, who: str) -> Ask:
    body = {"code": "x", "code_verifier": "v" * 43, "nonce": "n" * 43, "redirect_uri": "https://app.example.org/back"}
    return Ask({"provider": "google"}, body, done=(404,))


@ask("me.link")
async def _link(scene: Scene, who: str) -> Ask:
    asked = await _social(scene, who)
    return Ask(asked.path, (asked.body or {}) | {"password": PASSWORD}, asked.done)


@ask("me.unlink")
async def _unlink(scene: Scene, who: str) -> Ask:
    user_id = signed_in(caller(scene, who))
    async with scene.hub.reading() as db:
        await db.execute(
            "INSERT INTO identities (user_id, provider, subject) VALUES ($1, 'google', $2)", user_id, str(user_id)
        )
    return Ask({"provider": "google"})


@ask("me.verify")
async def _verify(scene: Scene, who: str) -> Ask:
    return Ask(body={"channel": "email"})


@ask("me.check_verification")
async def _check(scene: Scene, who: str) -> Ask:
    actor = caller(scene, who)
    async with scene.hub.work(actor) as work:
        user = await locked(work, signed_in(actor))
        return Ask(
            body={"channel": "email", "code": await codes.put(scene.hub, work, user.id, "verify_email", user.email)}
        )


@ask("me.confirm_email")
async def _confirm_email(scene: Scene, who: str) -> Ask:
    return Ask(body={"code": await _code(scene, caller(scene, who), "change_email", "fresh@example.org")})


@ask("me.change_password")
async def _change_password(scene: Scene, who: str) -> Ask:
    return Ask(body={"current_password": PASSWORD, "password": NEXT})


@ask("me.change_email")
async def _change_email(scene: Scene, who: str) -> Ask:
    return Ask(body={"email": "fresh@example.org", "password": PASSWORD})


@ask("me.set_up_second_factor")
async def _set_up(scene: Scene, who: str) -> Ask:
    return Ask(body={"password": PASSWORD})


# Whoever owns venues, and the last super admin, have something in the way that is no right.
@ask("me.erase")
async def _erase(scene: Scene, who: str) -> Ask:
    return Ask(body={"password": PASSWORD}, done=(409,) if who in ("owner", "super") else (204,))


@ask("me.confirm_second_factor")
async def _confirm(scene: Scene, who: str) -> Ask:
    return Ask(body={"code": await _enrol(scene, who)})


@ask("me.renew_recovery_codes", "me.end_second_factor")
async def _prove_both(scene: Scene, who: str) -> Ask:
    confirm = ConfirmSecondFactor.model_validate({"code": await _enrol(scene, who)})
    recovery = await second_factor.confirm(scene.hub, caller(scene, who), confirm)
    return Ask(body={"password": PASSWORD, "code": recovery.recovery_codes[0]})


async def _enrol(scene: Scene, who: str) -> str:
    ask = AskSecondFactor.model_validate({"password": PASSWORD})
    enrolment = await second_factor.set_up(scene.hub, caller(scene, who), ask)
    return pyotp.TOTP(enrolment.secret).at(scene.hub.clock.now())


async def _code(scene: Scene, actor: Actor, purpose: str, target: str) -> str:
    async with scene.hub.work(actor) as work:
        return await codes.put(scene.hub, work, signed_in(actor), purpose, target)


# Pictures


@ask("POST /me/picture", "POST /venues/{id}/images")
async def _upload(scene: Scene, who: str) -> Ask:
    return Ask({"id": scene.venue.id}, upload=True)


@ask("POST /room-types/{id}/images")
async def _upload_of_type(scene: Scene, who: str) -> Ask:
    return Ask({"id": scene.hall_type.id}, upload=True)


@ask("POST /rooms/{id}/images")
async def _upload_of_room(scene: Scene, who: str) -> Ask:
    return Ask({"id": scene.room.id}, upload=True)


@ask("me.remove_picture")
async def _remove_picture(scene: Scene, who: str) -> Ask:
    await files.set_picture(scene.hub, caller(scene, who), Upload(body=photo(size=(64, 64))))
    return Ask()


@ask("venues.remove_image", "GET /files/{name}")
async def _venue_image(scene: Scene, who: str) -> Ask:
    owner = scene.person("owner").actor
    made = await files.add_venue_image(scene.hub, owner, scene.venue.id, Upload(body=photo(size=(64, 64))))
    return Ask({"venue_id": scene.venue.id, "name": made.images[-1].url.rpartition("/")[2]})


@ask("room_types.remove_image")
async def _type_image(scene: Scene, who: str) -> Ask:
    owner = scene.person("owner").actor
    made = await files.add_room_type_image(scene.hub, owner, scene.hall_type.id, Upload(body=photo(size=(64, 64))))
    return Ask({"room_type_id": scene.hall_type.id, "name": made.images[-1].url.rpartition("/")[2]})


@ask("rooms.remove_image")
async def _room_image(scene: Scene, who: str) -> Ask:
    owner = scene.person("owner").actor
    made = await files.add_room_image(scene.hub, owner, scene.room.id, Upload(body=photo(size=(64, 64))))
    return Ask({"room_id": scene.room.id, "name": made.images[-1].url.rpartition("/")[2]})
