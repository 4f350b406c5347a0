"""Accounts: who somebody is, how they log in, and how a token becomes an actor."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from hub import tokens
from hub.core import THE_HUB, Actor, Hub
from hub.errors import Forbidden, Invalid, NotFound, Unauthenticated, WrongCredentials
from hub.events.sessions import SessionChanged
from hub.events.users import GuestChanged, UserChanged
from hub.models.base import Page
from hub.models.bookings import Guest
from hub.models.users import (
    ChangeMe,
    ListLogins,
    LogIn,
    Login,
    NameLogin,
    Refresh,
    Register,
    Tokens,
    User,
    normal_email,
)
from hub.services import passwords
from hub.services.access import signed_in
from hub.work import Repeat, Work
from storage import bookings, logins, sessions, users
from storage.query import Db
from storage.users import Profile

_REFRESH_TOKEN = re.compile(r"([0-9a-f]{32})\.([\w-]{43})", re.ASCII)
_LONGEST_DEVICE = 200
_LONGEST_ADDRESS = 100


async def actor_of(hub: Hub, token: str, *, address: str = "", device: str = "", repeat: Repeat | None = None) -> Actor:
    """Answer who bears this access token and what they may do now; a token that is no longer good is refused."""
    claims = tokens.read_access(hub.settings, hub.clock.now(), token)
    async with hub.reading() as db:
        standing = await users.standing(db, claims.user_id, claims.login_id)
    if (
        standing is None
        or standing.status != "active"
        or not standing.login_is_live
        or standing.token_version != claims.ver
    ):
        raise Unauthenticated()
    return Actor(
        user_id=claims.user_id,
        roles=standing.roles,
        permissions=standing.permissions,
        rank=standing.rank,
        login_id=claims.sid,
        token_expires_at=claims.expires_at,
        address=address,
        device=device,
        repeat=None if repeat is None else replace(repeat, user_id=claims.user_id),
    )


async def register(hub: Hub, actor: Actor, ask: Register) -> Tokens:
    """Open an account and log it in."""
    if ask.role != "customer" and not hub.settings.facilitator_signup:
        raise Forbidden("Facilitators and vendors do not sign up here by themselves; ask an admin.")
    password_hash = await _new_hash(hub, ask.password.get_secret_value(), ask.email)
    profile = Profile.model_validate(ask.model_dump(exclude={"email", "password", "role"}))
    async with hub.work(actor) as work:
        user_id = await _insert(work.db, ask.email, password_hash, profile, [ask.role])
        return await _begin_login(hub, work.db, actor, user_id)


async def create_person(
    hub: Hub,
    *,
    email: str,
    full_name: str,
    password: str | None = None,
    roles: Sequence[str] = ("customer",),
    **details: Any,
) -> User:
    """Open an account on the hub's own account, with any roles; without a password nobody can log in with one."""
    email = normal_email(email)
    password_hash = None if password is None else await _new_hash(hub, password, email)
    async with hub.work(THE_HUB) as work:
        user_id = await _insert(work.db, email, password_hash, Profile(full_name=full_name, **details), roles)
        return await _user(work.db, user_id)


async def log_in(hub: Hub, actor: Actor, ask: LogIn) -> Tokens:
    """Begin a login; an unknown address and a wrong password are refused alike, in the same time."""
    if (ask.email is None) == (ask.username is None):
        raise Invalid.field("email", "send either email or username")
    password = ask.password.get_secret_value()
    async with hub.reading() as db:
        known = await users.credentials(db, ask.email or ask.username or "")
    old_hash = known.password_hash if known else None
    is_right = await passwords.matches(hub.settings, old_hash, password)
    if known is None or old_hash is None or not is_right or known.status == "deleted":
        raise WrongCredentials()
    if known.status != "active":
        raise Forbidden("This account is suspended; ask an admin.")
    new_hash = None
    if passwords.is_outdated(hub.settings, old_hash):
        new_hash = await passwords.hashed(hub.settings, password)
    async with hub.work(actor) as work:
        if new_hash is not None:
            await users.rehash(work.db, known.id, old_hash, new_hash)
        return await _begin_login(hub, work.db, actor, known.id)


async def refresh(hub: Hub, actor: Actor, ask: Refresh) -> Tokens:
    """Spend a refresh token for new tokens; one that was spent before ends its login, for it is in two hands."""
    token_id, secret_hash = _read_refresh_token(ask.refresh_token.get_secret_value())
    async with hub.work(actor) as work:
        refreshed = await logins.use_refresh_token(work.db, token_id, secret_hash)
        if refreshed is not None:
            await logins.note_use(work.db, refreshed.login_id, *_whence(actor))
            return await _tokens(hub, work.db, refreshed.user_id, refreshed.login_id)
        await logins.revoke_reused(work.db, token_id, secret_hash)
    raise _spent()


async def log_out(hub: Hub, actor: Actor, refresh_token: str | None = None) -> None:
    """End the login of the actor, and that of a refresh token where a page keeps one; its tokens die at once."""
    if refresh_token is None:
        signed_in(actor)
    async with hub.work(actor) as work:
        if refresh_token is not None and _REFRESH_TOKEN.fullmatch(refresh_token):
            await logins.revoke_of_refresh_token(work.db, *_read_refresh_token(refresh_token))
        if actor.user_id is not None and actor.login_id is not None:
            await logins.revoke(work.db, actor.user_id, UUID(actor.login_id))
            work.revoke(actor.user_id)


async def log_out_everywhere(hub: Hub, actor: Actor) -> None:
    """End every login of the actor."""
    user_id = signed_in(actor)
    async with hub.work(actor) as work:
        await users.void_tokens(work.db, user_id)
        await logins.revoke_all(work.db, user_id)
        work.revoke(user_id)


async def me(hub: Hub, actor: Actor) -> User:
    """Answer the actor as they see themselves."""
    user_id = signed_in(actor)
    async with hub.reading() as db:
        return await _user(db, user_id)


async def change_me(hub: Hub, actor: Actor, ask: ChangeMe) -> User:
    """Change the actor's profile."""
    user_id = signed_in(actor)
    if ask.birth_date is not None and ask.birth_date > hub.clock.now().date():
        raise Invalid.field("birth_date", "must not lie in the future")
    async with hub.work(actor) as work:
        profile = await users.lock_profile(work.db, user_id)
        if profile is None:
            raise Unauthenticated()
        changed = profile.model_copy(update=ask.model_dump(exclude_unset=True))
        if changed == profile:
            return await _user(work.db, user_id)
        await users.change_profile(work.db, user_id, changed)
        user = await _user(work.db, user_id)
        work.tell(UserChanged(thing=user))
        if (changed.full_name, changed.phone) != (profile.full_name, profile.phone):
            await _tell_who_knows_them(work, user)
        return user


async def list_logins(hub: Hub, actor: Actor, ask: ListLogins) -> Page[Login]:
    """List the devices on which the actor is logged in."""
    user_id = signed_in(actor)
    current = UUID(actor.login_id) if actor.login_id else None
    async with hub.one_moment() as db:
        items = await logins.list_live(db, user_id, current, ask.per_page, ask.offset)
        return Page[Login].model_validate(ask.of(items, await logins.count_live(db, user_id)))


async def end_login(hub: Hub, actor: Actor, ask: NameLogin) -> None:
    """End one of the actor's logins."""
    user_id = signed_in(actor)
    async with hub.work(actor) as work:
        if not await logins.revoke(work.db, user_id, ask.login_id):
            raise NotFound()
        work.revoke(user_id)


async def _tell_who_knows_them(work: Work, user: User) -> None:
    """Tell the new name to the desks that have them as a guest, and to the watchers of the sessions they lead."""
    guest = Guest(id=user.id, full_name=user.full_name, email=user.email, phone=user.phone)
    for venue_id in await bookings.desks_of_guest(work.db, user.id):
        work.tell(GuestChanged(venue_id=venue_id, thing=guest))
    for session in await sessions.led_by(work.db, user.id):
        work.tell(SessionChanged(thing=session))


async def _new_hash(hub: Hub, password: str, email: str) -> str:
    passwords.judge(password, email)
    return await passwords.hashed(hub.settings, password)


async def _insert(db: Db, email: str, password_hash: str | None, profile: Profile, roles: Sequence[str]) -> int:
    user_id = await users.insert(db, email, password_hash, profile)
    for role in roles:
        if not await users.grant_role(db, user_id, role):
            raise Invalid.field("role", f"there is no role {role}")
    return user_id


async def _user(db: Db, user_id: int) -> User:
    user = await users.find(db, user_id)
    if user is None:
        raise Unauthenticated()
    return user


async def _begin_login(hub: Hub, db: Db, actor: Actor, user_id: int) -> Tokens:
    login_id = await logins.insert(db, user_id, *_whence(actor), hub.settings.refresh_days)
    return await _tokens(hub, db, user_id, login_id)


async def _tokens(hub: Hub, db: Db, user_id: int, login_id: UUID) -> Tokens:
    secret = secrets.token_urlsafe(32)
    token_id = await logins.insert_refresh_token(db, login_id, _hash(secret), hub.settings.refresh_days)
    standing = await users.standing(db, user_id, login_id)
    if standing is None:
        raise Unauthenticated()
    user = await _user(db, user_id)
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
