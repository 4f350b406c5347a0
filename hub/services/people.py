"""The administration of accounts: found, opened, changed, suspended and erased by those who stand above them."""

from __future__ import annotations

from collections.abc import Sequence

from hub.core import Actor, Hub
from hub.errors import Conflict, Invalid, NotFound
from hub.events.users import UserChanged
from hub.models.base import Page
from hub.models.people import (
    ChangePerson,
    CreatePerson,
    ListPeople,
    NamePerson,
    Person,
    SetRoles,
    SuspendPerson,
)
from hub.models.users import User
from hub.services import access, accounts, erasure, impersonation, mail, passwords
from hub.services.access import SUPER_ADMIN
from hub.work import Work
from storage import logins, users
from storage import people as store
from storage import roles as role_store
from storage.people import Target
from storage.query import Db
from storage.roles import Granted
from storage.users import Profile

_PROFILE = frozenset(Profile.model_fields)


class LastSuperAdmin(Conflict):
    """The hub keeps at least one active super admin; make another first."""

    code = "last_super_admin"


async def listed(hub: Hub, actor: Actor, ask: ListPeople) -> Page[Person]:
    """List and search people."""
    access.needs(actor, "user:read")
    async with hub.reading() as db:
        people, total = await store.listed(db, ask)
    return Page[Person].model_validate(ask.of(people, total))


async def read(hub: Hub, actor: Actor, ask: NamePerson) -> Person:
    """Read one person."""
    access.needs(actor, "user:read")
    async with hub.reading() as db:
        return await _found(db, ask.user_id)


async def create(hub: Hub, actor: Actor, ask: CreatePerson) -> Person:
    """Open an account for somebody, with roles below the actor's rank, and tell them by mail."""
    access.needs(actor, "user:create")
    password_hash = None
    if ask.password is not None:
        password = ask.password.get_secret_value()
        passwords.judge(password, ask.email)
        password_hash = await passwords.hashed(hub.settings, password)
    profile = Profile(full_name=ask.full_name, phone=ask.phone, language=ask.language, currency=ask.currency)
    async with hub.work(actor) as work:
        roles = await _known(work.db, ask.roles)
        access.grant(actor, roles)
        user_id = await users.insert(work.db, ask.email, password_hash, profile)
        await role_store.set_of(work.db, user_id, [role.id for role in roles])
        facts = {"name": ask.full_name, "link": f"{hub.settings.public_url}/login"}
        await mail.send(work, ask.email, "account_opened", ask.language, facts)
        return work.answer(await _found(work.db, user_id), 201)


async def change(hub: Hub, actor: Actor, ask: ChangePerson) -> Person:
    """Change somebody's profile."""
    async with hub.work(actor) as work:
        await access.person(work.db, actor, ask.user_id, "user:update")
        profile = await users.lock_profile(work.db, ask.user_id)
        if profile is None:
            raise NotFound()
        asked = ask.model_dump(exclude_unset=True, exclude={"user_id"})
        changed = profile.model_copy(update={name: asked[name] for name in asked.keys() & _PROFILE})
        was = await _found(work.db, ask.user_id)
        work.expect(was)
        if changed != profile:
            await users.change_profile(work.db, ask.user_id, changed)
        if asked.get("is_student", was.is_student) != was.is_student:
            await store.mark_student(work.db, ask.user_id, asked["is_student"])
        now = await _found(work.db, ask.user_id)
        user = await users.find(work.db, ask.user_id)
        if now != was and user is not None:
            await accounts.tell_changed(work, user)
        return work.answer(now)


async def suspend(hub: Hub, actor: Actor, ask: SuspendPerson) -> Person:
    """Suspend an account: every login of it ends, and the person is told why."""
    async with hub.work(actor) as work:
        person = await _judged(work.db, actor, ask.user_id, "user:update")
        if person.status == "suspended":
            raise Conflict("This account is suspended already.")
        await store.suspend(work.db, person.id, ask.reason, actor.user_id)
        await _end_everything(work, person.id)
        facts = {"name": person.full_name, "reason": ask.reason}
        await mail.send(work, person.email, "account_suspended", person.language, facts)
        return work.answer(await _found(work.db, person.id))


async def reinstate(hub: Hub, actor: Actor, ask: NamePerson) -> Person:
    """Let a suspended account in again."""
    async with hub.work(actor) as work:
        person = await access.person(work.db, actor, ask.user_id, "user:update")
        if person.status != "suspended":
            raise Conflict("This account is not suspended.")
        await store.reinstate(work.db, person.id)
        return work.answer(await _found(work.db, person.id))


async def set_roles(hub: Hub, actor: Actor, ask: SetRoles) -> Person:
    """Give and take away roles; tokens end at once, and sockets hear only what the new roles allow."""
    async with hub.work(actor) as work:
        await role_store.lock_code(work.db, SUPER_ADMIN)
        wanted = await _known(work.db, ask.roles)
        person = await access.person(work.db, actor, ask.user_id, "user:update")
        had = await role_store.of_person(work.db, person.id)
        given = [role for role in wanted if role not in had]
        taken = [role for role in had if role not in wanted]
        if not given and not taken:
            return work.answer(await _found(work.db, person.id))
        access.grant(actor, given)
        access.take(actor, taken)
        if any(role.code == SUPER_ADMIN for role in taken):
            await _keep_one(work.db, person.id)
        await role_store.set_of(work.db, person.id, [role.id for role in wanted])
        await users.void_tokens(work.db, person.id)
        await impersonation.end_all_by(work, person.id)
        work.revoke(person.id)
        await _tell(work, person.id)
        return work.answer(await _found(work.db, person.id))


async def delete(hub: Hub, actor: Actor, ask: NamePerson) -> None:
    """Erase somebody: their bookings stay in the books, the person goes."""
    async with hub.work(actor) as work:
        person = await _judged(work.db, actor, ask.user_id, "user:delete")
        work.expect(await _found(work.db, person.id))
        await erasure.erase(work, person.id)


async def _judged(db: Db, actor: Actor, user_id: int, permission: str) -> Target:
    """Lock somebody who may be sent away: not oneself, and not the last super admin."""
    access.needs(actor, permission)
    await role_store.lock_code(db, SUPER_ADMIN)
    person = await access.person(db, actor, user_id, permission)
    if any(role.code == SUPER_ADMIN for role in await role_store.of_person(db, person.id)):
        await _keep_one(db, person.id)
    if person.id == actor.user_id:
        raise Conflict("Ask somebody else to do this to your own account.")
    return person


async def _keep_one(db: Db, user_id: int) -> None:
    if not await role_store.others_with(db, SUPER_ADMIN, user_id):
        raise LastSuperAdmin()


async def _end_everything(work: Work, user_id: int) -> None:
    """End every login of a person, and whatever they do in the name of others."""
    await logins.revoke_all(work.db, user_id)
    await impersonation.end_all_by(work, user_id)
    work.revoke(user_id)


async def _known(db: Db, codes: Sequence[str]) -> list[Granted]:
    roles = await role_store.named(db, codes)
    unknown = sorted(set(codes) - {role.code for role in roles})
    if unknown:
        raise Invalid.field("roles", f"there is no role {', '.join(unknown)}")
    return roles


async def _tell(work: Work, user_id: int) -> User | None:
    user = await users.find(work.db, user_id)
    if user is not None:
        work.tell(UserChanged(thing=user))
    return user


async def _found(db: Db, user_id: int) -> Person:
    person = await store.find(db, user_id)
    if person is None:
        raise NotFound()
    return person
