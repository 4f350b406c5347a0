"""Roles and permissions: what a person of each role may do, as data."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from hub.models.base import Ask, Id, Line, Name, Paging, Thing
from hub.models.fields import Stays

Action = Literal["create", "read", "update", "delete", "manage", "approve", "execute"]
# The hotel's contract calls create and update together write.
WRITE = ("create", "update")

_PERMISSION = re.compile(r"[a-z_]{1,40}:[a-z]{1,20}")


def _permission(given: str) -> str:
    name = given.strip().lower()
    if not _PERMISSION.fullmatch(name):
        raise ValueError("must be written resource:action, like booking:read")
    return name


RoleCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
PermissionName = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(_permission),
    Field(description="`resource:action`; `write` is create and update.", examples=["booking:read"]),
]
Rank = Annotated[int, Field(ge=1, le=99, description="Roles of a higher rank may grant this one.")]
Permissions = Annotated[list[PermissionName], Field(max_length=200)]


class ListRoles(Paging):
    """Which page of the roles, the highest first."""


class NameRole(Ask):
    """One role, by its id."""

    role_id: Id


class CreateRole(Ask):
    """A role of one's own making, below one's own rank and with nothing that one may not do oneself."""

    name: Name
    code: RoleCode | None = Field(default=None, description="Made of the name when left out.")
    description: Line = ""
    rank: Rank = 50
    permissions: Permissions = Field(default=[])


class ChangeRole(NameRole):
    """What changes about a role of one's own making; what is not sent stays."""

    name: Stays[Name] = None
    description: Stays[Line] = None
    rank: Stays[Rank] = None


class PermitRole(NameRole):
    """All that a role allows from now on; what is not listed it allows no longer."""

    permissions: Permissions


class Role(Thing):
    """A role: its rank, what it allows, and how many people have it."""

    id: int
    code: str
    name: str
    description: str
    rank: int
    is_built_in: bool
    permissions: list[str]
    people: int
    created_at: datetime
    updated_at: datetime


class ListPermissions(Paging):
    """Which permissions: those of a role, on a resource, or of a name."""

    role: Line | None = Field(default=None, description="A role's code or id.")
    resource: Line | None = Field(default=None, description="A resource, like booking or ROOM_MANAGEMENT.")
    permission: Line | None = Field(
        default=None, description="A name like booking:read, or an action; write is create and update."
    )


class Permission(Thing):
    """A right to do something, and the roles that carry it."""

    id: int
    name: str = Field(description="`resource:action`.")
    resource: str
    action: Action
    contract_name: str | None = Field(description="What the hotel's contract calls the resource.")
    description: str = Field(description="What the resource is.")
    roles: list[str]
