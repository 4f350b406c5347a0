"""Logins: how one begins on a device, which tokens keep it going, and how it ends."""

from __future__ import annotations

import hashlib
import re
import secrets
from uuid import UUID

from hub import tokens
from hub.core import Actor, Hub
from hub.errors import NotFound, Unauthenticated
from hub.models.base import Page
from hub.models.users import ListLogins, Login, NameLogin, Refresh, Tokens, User
from hub.services import mail
from hub.services.access import signed_in
from hub.work import Work
from storage import devices, standings, users
from storage import logins as store

_REFRESH_TOKEN = re.compile(r"([0-9a-f]{32})\.([\w-]{43})", re.ASCII)
_LONGEST_DEVICE = 200
_LONGEST_ADDRESS = 100
_VERSIONS = re.compile(r"[\d._]+")


async def begin(hub: Hub, work: Work, actor: Actor, user_id: int) -> Tokens:
    """Begin a login on the actor's device and answer its tokens; its owner is told of a device not seen before."""
    login_id = await store.insert(work.db, user_id, *_whence(actor), hub.settings.refresh_days)
    answer = await _tokens(hub, work, user_id, login_id)
    await _notice(hub, work, actor, answer.user)
    return answer


async def refresh(hub: Hub, actor: Actor, ask: Refresh) -> Tokens:
    """Spend a refresh token for new tokens; one that was spent before ends its login, for it is in two hands."""
    token_id, secret_hash = _read_refresh_token(ask.refresh_token.get_secret_value())
    async with hub.work(actor) as work:
        refreshed = await store.use_refresh_token(work.db, token_id, secret_hash)
        if refreshed is not None:
            await store.note_use(work.db, refreshed.login_id, *_whence(actor))
            answer = await _tokens(hub, work, refreshed.user_id, refreshed.login_id)
            await _notice(hub, work, actor, answer.user)
            return answer
        work.revoke(*await store.revoke_reused(work.db, token_id, secret_hash))
    raise _spent()


async def log_out(hub: Hub, actor: Actor, refresh_token: str | None = None) -> None:
    """End the login of the actor, and that of a refresh token where a page keeps one; its tokens die at once."""
    if refresh_token is None:
        signed_in(actor)
    async with hub.work(actor) as work:
        if refresh_token is not None and _REFRESH_TOKEN.fullmatch(refresh_token):
            work.revoke(*await store.revoke_of_refresh_token(work.db, *_read_refresh_token(refresh_token)))
        if actor.user_id is not None and actor.login_id is not None:
            await store.revoke(work.db, actor.user_id, UUID(actor.login_id))
            work.revoke(actor.user_id)


async def log_out_everywhere(hub: Hub, actor: Actor) -> None:
    """End every login of the actor."""
    user_id = signed_in(actor)
    async with hub.work(actor) as work:
        await users.void_tokens(work.db, user_id)
        await store.revoke_all(work.db, user_id)
        work.revoke(user_id)


async def listed(hub: Hub, actor: Actor, ask: ListLogins) -> Page[Login]:
    """List the devices on which the actor is logged in."""
    user_id = signed_in(actor)
    current = UUID(actor.login_id) if actor.login_id else None
    async with hub.one_moment() as db:
        items = await store.list_live(db, user_id, current, ask.per_page, ask.offset)
        return Page[Login].model_validate(ask.of(items, await store.count_live(db, user_id)))


async def end(hub: Hub, actor: Actor, ask: NameLogin) -> None:
    """End one of the actor's logins."""
    user_id = signed_in(actor)
    async with hub.work(actor) as work:
        if not await store.revoke(work.db, user_id, ask.login_id):
            raise NotFound()
        work.revoke(user_id)


async def _tokens(hub: Hub, work: Work, user_id: int, login_id: UUID) -> Tokens:
    secret = secrets.token_urlsafe(32)
    token_id = await store.insert_refresh_token(work.db, login_id, _hash(secret), hub.settings.refresh_days)
    standing = await standings.find(work.db, user_id, login_id)
    user = await users.find(work.db, user_id)
    if standing is None or user is None:
        raise Unauthenticated()
    now = hub.clock.now()
    access_token, expires_at = tokens.issue_access(
        hub.settings, now, user_id=user_id, login_id=login_id, version=standing.token_version, roles=user.roles
    )
    return Tokens(
        access_token=access_token,
        refresh_token=f"{token_id.hex}.{secret}",
        expires_in=round((expires_at - now).total_seconds()),
        user=user,
    )


async def _notice(hub: Hub, work: Work, actor: Actor, user: User) -> None:
    """Tell a person of a log-in by a kind of device they never had; the one they signed up with is no news."""
    device, address = _whence(actor)
    # Versions change every few weeks; the same browser on the same system is the same kind of device.
    seen = await devices.see(work.db, user.id, _VERSIONS.sub("", device))
    if not seen.is_new or seen.is_first:
        return
    at = hub.clock.now().strftime("%Y-%m-%d %H:%M UTC")
    facts = {"name": user.full_name, "device": device or "an unnamed device", "address": address, "at": at}
    await mail.send(work, user.email, "new_login", user.language, facts)


def _hash(secret: str) -> bytes:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode()).digest()


def _read_refresh_token(given: str) -> tuple[UUID, bytes]:
    parts = _REFRESH_TOKEN.fullmatch(given)
    if parts is None:
        raise _spent()
    return UUID(parts[1]), _hash(parts[2])


def _spent() -> Unauthenticated:
    return Unauthenticated("This refresh token is not good any more; log in again.")


def _whence(actor: Actor) -> tuple[str, str]:
    """Answer device and address as they are kept; headers can hold what PostgreSQL cannot."""
    device, address = ("".join(filter(str.isprintable, text)) for text in (actor.device, actor.address))
    return device[:_LONGEST_DEVICE], address[:_LONGEST_ADDRESS]
