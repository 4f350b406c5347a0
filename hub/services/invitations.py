"""Invitations to work at a venue: sent by mail, good once, for one address and for a week."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

from pydantic import SecretStr

from hub.core import Actor, Hub
from hub.errors import AlreadyExists, Forbidden, HubError, NotFound, TooManyRequests, Unauthenticated
from hub.models.base import Page
from hub.models.staff import Colleague, Invitation, Invite, Invited, ListInvitations, NameInvitation, ShowInvitation
from hub.services import access, mail
from hub.services.letters import Fact
from storage import access as ties
from storage import invitations as store
from storage import staff as staff_store
from storage import users
from storage.invitations import Kept
from storage.query import Db

DAYS: Final = 7
# A day's invitations, so that nobody is flooded with mail over somebody else's desk.
TO_ONE_ADDRESS: Final = 5
BY_ONE_VENUE: Final = 50
_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)


class InvitationOver(HubError):
    """This invitation was used, withdrawn or has run out; ask for another."""

    code, status = "invitation_over", 410


async def listed(hub: Hub, actor: Actor, ask: ListInvitations) -> Page[Invitation]:
    """List a venue's open invitations, for those who run it."""
    async with hub.reading() as db:
        venue = await access.managed_venue(db, actor, ask.venue_id, "venue:read")
        found, total = await store.listed(db, venue.id, ask.per_page, ask.offset)
    return Page[Invitation].model_validate(ask.of(found, total))


async def invite(hub: Hub, actor: Actor, ask: Invite) -> Invitation:
    """Invite somebody by mail; a newer invitation of the same address voids the older."""
    inviter_id = access.signed_in(actor)
    secret = secrets.token_urlsafe(32)
    async with hub.work(actor) as work:
        venue = await access.staff(work.db, actor, ask.venue_id, ask.role)
        if await staff_store.tie_of_email(work.db, venue.id, ask.email) is not None:
            raise AlreadyExists("Somebody with this address works here already.")
        sent = await store.sent(work.db, venue.id, ask.email)
        if sent.to_address >= TO_ONE_ADDRESS or sent.by_venue >= BY_ONE_VENUE:
            raise TooManyRequests("Too many invitations in one day; invite again tomorrow.", retry_after=86_400)
        await mail.refuse_flood(hub, work, inviter_id, ask.email)
        await store.withdraw_to(work.db, venue.id, ask.email)
        made = await store.insert(work.db, venue.id, ask.email, ask.role, _hash(secret), inviter_id, DAYS)
        inviter = await users.find(work.db, inviter_id)
        facts: dict[str, Fact] = {
            "inviter": made.invited_by,
            "venue": venue.name,
            "role": made.role,
            # Behind the #, so that it appears in no log of a server and in no Referer.
            "link": f"{hub.settings.public_url}/invitation#token={secret}",
            "days": DAYS,
        }
        await mail.send(work, made.email, "invitation", inviter.language if inviter else "en", facts)
        return work.answer(made, 201)


async def withdraw(hub: Hub, actor: Actor, ask: NameInvitation) -> None:
    """Withdraw an open invitation."""
    async with hub.work(actor) as work:
        venue = await access.staff(work.db, actor, ask.venue_id)
        if not await store.withdraw(work.db, venue.id, ask.invitation_id):
            raise NotFound()


async def show(hub: Hub, actor: Actor, ask: ShowInvitation) -> Invited:
    """Tell the bearer of an invitation's token what it is to."""
    async with hub.reading() as db:
        kept = await _open(db, ask.token)
    return Invited(
        venue_id=kept.venue_id,
        venue_name=kept.venue_name,
        role=kept.role,
        email=kept.email,
        invited_by=kept.inviter,
        expires_at=kept.expires_at,
    )


async def accept(hub: Hub, actor: Actor, ask: ShowInvitation) -> Colleague:
    """Let the account with the invited address work at the venue, once."""
    user_id = access.signed_in(actor)
    async with hub.work(actor) as work:
        kept = await _open(work.db, ask.token)
        user = await users.find(work.db, user_id)
        if user is None:
            raise Unauthenticated()
        if user.email != kept.email:
            raise Forbidden("This invitation is for another e-mail address; log in with that account.")
        await ties.lock_venue(work.db, kept.venue_id)
        if await ties.tie(work.db, kept.venue_id, user_id) is not None:
            raise AlreadyExists("You work here already.")
        if not await store.spend(work.db, kept.id, user_id):
            raise InvitationOver()
        await staff_store.put(work.db, kept.venue_id, user_id, kept.role)
        work.revoke(user_id)
        colleague = await staff_store.find(work.db, kept.venue_id, user_id)
        if colleague is None:
            raise NotFound()
        return work.answer(colleague)


async def _open(db: Db, token: SecretStr) -> Kept:
    """Find the open invitation of a token, while whoever invited still may."""
    given = token.get_secret_value()
    kept = await store.by_secret(db, _hash(given)) if _TOKEN.fullmatch(given) else None
    if kept is None:
        raise NotFound()
    if not kept.is_open or not await access.may_still_invite(db, kept.invited_by, kept.venue_id, kept.role):
        raise InvitationOver()
    return kept


def _hash(secret: str) -> bytes:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode()).digest()
