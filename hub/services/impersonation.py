"""Acting for somebody else: a super admin sees what they see, for a quarter of an hour, and leaves their own name."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from hub import tokens
from hub.core import Actor, Hub
from hub.errors import Conflict, Forbidden, NotFound, Unauthenticated
from hub.models.people import Acting, NamePerson
from hub.services import access
from hub.work import Work
from storage import impersonation as store
from storage import standings, users

MINUTES: Final = 15


async def begin(hub: Hub, actor: Actor, ask: NamePerson) -> Acting:
    """Begin to act for somebody of a lower rank; it ends with the actor's own login, and cannot be refreshed."""
    access.in_person(actor)
    access.needs(actor, "role:execute")
    if actor.user_id is None or actor.login_id is None:
        raise Unauthenticated()
    if not access.is_super_admin(actor):
        raise Forbidden("Only a super admin acts for somebody else.")
    async with hub.work(actor) as work:
        person = await access.person(work.db, actor, ask.user_id, "role:execute")
        if not access.stands_above(actor, person.rank):
            raise Forbidden("Nobody acts for a super admin.")
        if person.status != "active":
            raise Conflict("This account is suspended; reinstate it first.")
        login_id = await store.begin(
            work.db, person.id, actor.user_id, UUID(actor.login_id), "Support, on your behalf", "", MINUTES
        )
        standing = await standings.find(work.db, person.id, login_id)
        user = await users.find(work.db, person.id)
        if standing is None or user is None:
            raise NotFound()
        now = hub.clock.now()
        token, expires_at = tokens.issue_access(
            hub.settings,
            now,
            user_id=person.id,
            login_id=login_id,
            version=standing.token_version,
            roles=user.roles,
            lasts=timedelta(minutes=MINUTES),
            impersonator_id=actor.user_id,
        )
    return Acting(
        access_token=token,
        expires_in=round((expires_at - now).total_seconds()),
        user=user,
        impersonator_id=actor.user_id,
    )


async def end_all_by(work: Work, impersonator_id: int) -> None:
    """End whatever a person does in the name of others, and have those sockets left at once."""
    work.revoke(*await store.end_by(work.db, impersonator_id))
