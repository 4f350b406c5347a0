"""A venue's staff: who works there, and how far."""

from __future__ import annotations

from hub.core import Actor, Hub
from hub.errors import Conflict, NotFound
from hub.models.base import Page
from hub.models.staff import ChangeColleague, Colleague, ListStaff, NameColleague
from hub.services import access
from hub.work import Work
from storage import access as ties
from storage import invitations as invitation_store
from storage import staff as store
from storage.query import Db


class LastOwner(Conflict):
    """A venue keeps its owner; they neither leave it nor become its staff."""

    code = "last_owner"


async def listed(hub: Hub, actor: Actor, ask: ListStaff) -> Page[Colleague]:
    """List who works at a venue, for those who run it."""
    async with hub.reading() as db:
        venue = await access.managed_venue(db, actor, ask.venue_id, "venue:read")
        people, total = await store.listed(db, venue.id, ask.per_page, ask.offset)
    return Page[Colleague].model_validate(ask.of(people, total))


async def change(hub: Hub, actor: Actor, ask: ChangeColleague) -> Colleague:
    """Move somebody between the desk and management."""
    async with hub.work(actor) as work:
        venue = await access.staff(work.db, actor, ask.venue_id)
        colleague = await _found(work.db, venue.id, ask.user_id)
        if colleague.role == ask.role:
            return work.answer(colleague)
        await access.staff(work.db, actor, venue.id, colleague.role, ask.role)
        await store.put(work.db, venue.id, ask.user_id, ask.role)
        await _void(work, colleague)
        return work.answer(await _found(work.db, venue.id, ask.user_id))


async def remove(hub: Hub, actor: Actor, ask: NameColleague) -> None:
    """Let somebody work at a venue no longer; everybody may leave by themselves, but its owner."""
    async with hub.work(actor) as work:
        if ask.user_id == access.signed_in(actor):
            await ties.lock_venue(work.db, ask.venue_id)
            await access.desk(work.db, actor, ask.venue_id)
        else:
            await access.staff(work.db, actor, ask.venue_id)
        colleague = await _found(work.db, ask.venue_id, ask.user_id)
        if ask.user_id != actor.user_id:
            await access.staff(work.db, actor, ask.venue_id, colleague.role)
        await store.remove(work.db, ask.venue_id, ask.user_id)
        await _void(work, colleague)


async def _void(work: Work, colleague: Colleague) -> None:
    """Let what was invited by them, or to them, be worth nothing, and their sockets follow at once."""
    await invitation_store.withdraw_to(work.db, colleague.venue_id, colleague.email)
    await invitation_store.withdraw_by(work.db, colleague.venue_id, colleague.user_id)
    work.revoke(colleague.user_id)


async def _found(db: Db, venue_id: int, user_id: int) -> Colleague:
    if await store.owner_of(db, venue_id) == user_id:
        raise LastOwner()
    colleague = await store.find(db, venue_id, user_id)
    if colleague is None:
        raise NotFound()
    return colleague
