"""Doors of the roles, and of what they allow."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.base import Page
from hub.models.roles import (
    ChangeRole,
    CreateRole,
    ListPermissions,
    ListRoles,
    NameRole,
    Permission,
    PermitRole,
    Role,
)
from hub.services import roles


@endpoint("roles.list", "GET /roles", may="role:read")
async def listed(call: Call, ask: ListRoles) -> Page[Role]:
    """List the roles, the highest first, with what each allows."""
    return await roles.listed(call.hub, call.actor, ask)


@endpoint("roles.create", "POST /roles", may="role:create", status=201)
async def create(call: Call, ask: CreateRole) -> Role:
    """Make a role below your own rank, which allows nothing that you may not do yourself."""
    return await roles.create(call.hub, call.actor, ask)


@endpoint("roles.get", "GET /roles/{role_id}", may="role:read")
async def read(call: Call, ask: NameRole) -> Role:
    """Read one role."""
    return await roles.read(call.hub, call.actor, ask)


@endpoint("roles.change", "PATCH /roles/{role_id}", may="role:update")
async def change(call: Call, ask: ChangeRole) -> Role:
    """Rename a role below your own rank, or change its rank; built-in roles stay as they are."""
    return await roles.change(call.hub, call.actor, ask)


@endpoint("roles.delete", "DELETE /roles/{role_id}", may="role:delete", status=204)
async def delete(call: Call, ask: NameRole) -> None:
    """Delete a role that nobody has any more; built-in roles stay."""
    await roles.delete(call.hub, call.actor, ask)


@endpoint("roles.permit", "PUT /roles/{role_id}/permissions", may="role:update", tells=("user.changed",))
async def permit(call: Call, ask: PermitRole) -> Role:
    """Say all that a role below your own rank allows; it holds at once for everybody who has it."""
    return await roles.permit(call.hub, call.actor, ask)


@endpoint("permissions.list", "GET /permissions", may="role:read")
async def permissions(call: Call, ask: ListPermissions) -> Page[Permission]:
    """Look up permissions, by role, by resource or by their name."""
    return await roles.permissions(call.hub, call.actor, ask)
