"""Roles and permissions: made, changed and looked up; what a role allows holds at once for all who have it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from hub.core import Actor, Hub
from hub.errors import Conflict, Forbidden, Invalid, NotFound
from hub.events.users import UserChanged
from hub.models.base import Page
from hub.models.roles import (
    WRITE,
    ChangeRole,
    CreateRole,
    ListPermissions,
    ListRoles,
    NameRole,
    Permission,
    PermitRole,
    Role,
)
from hub.services import access
from hub.work import Work
from storage import roles as store
from storage import users
from storage.query import Db

# Telling everybody who has a role takes time under locks; beyond this their tokens end all the same, and the new ones
# say what they may do.
_MOST_TOLD = 1_000


class BuiltIn(Conflict):
    """Built-in roles keep their name, their rank and their place; make a role of your own."""

    code = "built_in"


class RoleInUse(Conflict):
    """Somebody still has this role; give them another first."""

    code = "role_in_use"


async def listed(hub: Hub, actor: Actor, ask: ListRoles) -> Page[Role]:
    """List the roles, the highest first."""
    access.needs(actor, "role:read")
    async with hub.reading() as db:
        roles, total = await store.listed(db, ask.per_page, ask.offset)
    return Page[Role].model_validate(ask.of(roles, total))


async def read(hub: Hub, actor: Actor, ask: NameRole) -> Role:
    """Read one role."""
    access.needs(actor, "role:read")
    async with hub.reading() as db:
        return await _found(db, ask.role_id)


async def create(hub: Hub, actor: Actor, ask: CreateRole) -> Role:
    """Make a role below the actor's rank, which allows nothing that the actor may not do."""
    access.needs(actor, "role:create")
    code = ask.code or _code_of(ask.name)
    async with hub.work(actor) as work:
        _judge_rank(actor, ask.rank)
        permissions = await _known(work.db, ask.permissions)
        access.allows(actor, permissions)
        role_id = await store.insert(work.db, code, ask.name, ask.description, ask.rank)
        await store.permit(work.db, role_id, permissions)
        return work.answer(await _found(work.db, role_id), 201)


async def change(hub: Hub, actor: Actor, ask: ChangeRole) -> Role:
    """Rename a role, or change its rank."""
    access.needs(actor, "role:update")
    async with hub.work(actor) as work:
        role = await _below(work.db, actor, ask.role_id)
        work.expect(role)
        wanted = role.model_copy(update=ask.model_dump(exclude_unset=True, exclude={"role_id"}))
        if wanted == role:
            return work.answer(role)
        if role.is_built_in:
            raise BuiltIn()
        _judge_rank(actor, wanted.rank)
        await store.change(work.db, role.id, wanted.name, wanted.description, wanted.rank)
        if wanted.rank != role.rank:
            await _renew_people(work, role.id)
        return work.answer(await _found(work.db, role.id))


async def delete(hub: Hub, actor: Actor, ask: NameRole) -> None:
    """Delete a role that nobody has."""
    access.needs(actor, "role:delete")
    async with hub.work(actor) as work:
        await store.lock_whole(work.db, ask.role_id)
        role = await _below(work.db, actor, ask.role_id)
        work.expect(role)
        if role.is_built_in:
            raise BuiltIn()
        if await store.has_people(work.db, role.id):
            raise RoleInUse()
        await store.delete(work.db, role.id)


async def permit(hub: Hub, actor: Actor, ask: PermitRole) -> Role:
    """Say all that a role allows; whoever has it is told, and their tokens are renewed."""
    access.needs(actor, "role:update")
    async with hub.work(actor) as work:
        role = await _below(work.db, actor, ask.role_id)
        permissions = await _known(work.db, ask.permissions)
        if set(permissions) == set(role.permissions):
            return work.answer(role)
        access.allows(actor, set(permissions) - set(role.permissions))
        await store.permit(work.db, role.id, permissions)
        await _renew_people(work, role.id)
        return work.answer(await _found(work.db, role.id))


async def permissions(hub: Hub, actor: Actor, ask: ListPermissions) -> Page[Permission]:
    """Look up permissions, by role, by resource or by their name."""
    access.needs(actor, "role:read")
    resource, actions = _named(ask.permission)
    async with hub.reading() as db:
        found, total = await store.permissions(db, ask, resource, actions)
    return Page[Permission].model_validate(ask.of(found, total))


async def _renew_people(work: Work, role_id: int) -> None:
    await store.void_tokens_with(work.db, role_id)
    people = await store.people_with(work.db, role_id, _MOST_TOLD + 1)
    work.revoke(*people)
    for user_id in people if len(people) <= _MOST_TOLD else ():
        user = await users.find(work.db, user_id)
        if user is not None:
            work.tell(UserChanged(thing=user))


async def _found(db: Db, role_id: int) -> Role:
    role = await store.find(db, role_id)
    if role is None:
        raise NotFound()
    return role


async def _below(db: Db, actor: Actor, role_id: int) -> Role:
    """Lock and load a role of a rank strictly below the actor's."""
    await store.lock(db, role_id)
    role = await _found(db, role_id)
    if not access.stands_above(actor, role.rank):
        raise Forbidden("Only whoever stands above this role can change it.")
    return role


def _judge_rank(actor: Actor, rank: int) -> None:
    if not access.stands_above(actor, rank):
        raise Forbidden("A role that you make or change has a rank below your own.")


async def _known(db: Db, names: Iterable[str]) -> list[str]:
    """Answer permissions by their own names, `write` being two of them; refuse what is none."""
    wanted = {one for name in names for one in _spelled(name)}
    unknown = await store.unknown_permissions(db, sorted(wanted))
    if unknown:
        raise Invalid.field("permissions", f"there is no permission {', '.join(sorted(unknown))}")
    return sorted(wanted)


def _spelled(name: str) -> list[str]:
    resource, _, action = name.partition(":")
    return [f"{resource}:{one}" for one in _actions(action)]


def _actions(action: str) -> Sequence[str]:
    return WRITE if action == "write" else (action,)


def _named(permission: str | None) -> tuple[str | None, Sequence[str] | None]:
    """Read a name like booking:read, or an action alone, as a resource and actions."""
    if not permission:
        return None, None
    resource, colon, action = permission.lower().partition(":")
    return (resource, _actions(action)) if colon else (None, _actions(resource))


def _code_of(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    code = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40].rstrip("_")
    if not re.fullmatch(r"[a-z][a-z0-9_]+", code):
        raise Invalid.field("code", "cannot be made of this name; send one of small letters, digits and _")
    return code
