"""Doors of the administration of accounts."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.base import Page
from hub.models.people import (
    Acting,
    ChangePerson,
    CreatePerson,
    ListPeople,
    NamePerson,
    Person,
    SetRoles,
    SuspendPerson,
)
from hub.services import impersonation, people

_PROFILE = ("user.changed", "guest.changed", "session.changed")
_GONE = ("booking.cancelled", "booking.changed", "guest.changed", "session.changed", "availability.changed")


@endpoint("users.list", "GET /users", may="user:read")
async def listed(call: Call, ask: ListPeople) -> Page[Person]:
    """List and search people."""
    return await people.listed(call.hub, call.actor, ask)


@endpoint("users.create", "POST /users", may="user:create", status=201)
async def create(call: Call, ask: CreatePerson) -> Person:
    """Open an account for somebody, with roles below your own rank."""
    return await people.create(call.hub, call.actor, ask)


@endpoint("users.get", "GET /users/{user_id}", may="user:read")
async def read(call: Call, ask: NamePerson) -> Person:
    """Read one person."""
    return await people.read(call.hub, call.actor, ask)


@endpoint("users.change", "PATCH /users/{user_id}", may="user:update", tells=_PROFILE)
async def change(call: Call, ask: ChangePerson) -> Person:
    """Change the profile of somebody below your own rank."""
    return await people.change(call.hub, call.actor, ask)


@endpoint("users.delete", "DELETE /users/{user_id}", may="user:delete", status=204, tells=_GONE)
async def delete(call: Call, ask: NamePerson) -> None:
    """Erase somebody below your own rank: their bookings stay in the books, the person goes."""
    await people.delete(call.hub, call.actor, ask)


@endpoint("users.suspend", "POST /users/{user_id}/suspend", may="user:update")
async def suspend(call: Call, ask: SuspendPerson) -> Person:
    """Suspend an account: it is logged out everywhere at once, and told why by mail."""
    return await people.suspend(call.hub, call.actor, ask)


@endpoint("users.reinstate", "POST /users/{user_id}/reinstate", may="user:update")
async def reinstate(call: Call, ask: NamePerson) -> Person:
    """Let a suspended account in again."""
    return await people.reinstate(call.hub, call.actor, ask)


@endpoint("users.set_roles", "PUT /users/{user_id}/roles", may="user:update", tells=("user.changed",))
async def set_roles(call: Call, ask: SetRoles) -> Person:
    """Give and take away roles below your own rank; their tokens are worthless at once, and are to be refreshed."""
    return await people.set_roles(call.hub, call.actor, ask)


@endpoint("users.impersonate", "POST /users/{user_id}/impersonate", may="role:execute", in_person=True)
async def impersonate(call: Call, ask: NamePerson) -> Acting:
    """Act as somebody below your own rank for a quarter of an hour, as a super admin; everything is recorded as yours.

    Nothing can be done in their name that moves money, changes how they log in, or exports or erases their data.
    """
    return await impersonation.begin(call.hub, call.actor, ask)
