"""Accounts: who somebody is, how they log in, and how a token becomes an actor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hub import tokens
from hub.core import THE_HUB, Actor, Hub
from hub.errors import Forbidden, Invalid, Unauthenticated, WrongCredentials
from hub.events.sessions import SessionChanged
from hub.events.users import GuestChanged, UserChanged
from hub.models.bookings import Guest
from hub.models.money import CURRENCIES
from hub.models.users import ChangeMe, LogIn, Register, Tokens, User, normal_email
from hub.models.venues import CreateVenue
from hub.services import attempts, logins, passwords, totp, venues, verifications
from hub.services.access import signed_in
from hub.services.attempts import PASSWORDS
from hub.work import Repeat, Work
from storage import bookings, sessions, users
from storage import impersonation as impersonations
from storage.query import Db
from storage.users import Profile


async def actor_of(
    hub: Hub,
    token: str,
    *,
    address: str = "",
    device: str = "",
    request_id: str = "",
    asked: str = "",
    repeat: Repeat | None = None,
    setting_up: bool = False,
) -> Actor:
    """Answer who bears this access token and what they may do now; a token that is no longer good is refused.

    Where admins need a second factor, the token of one without may only be used for `setting_up` one.
    """
    claims = tokens.read_access(hub.settings, hub.clock.now(), token)
    standing = await hub.standings.ask((claims.user_id, claims.login_id))
    if (
        standing is None
        or standing.status != "active"
        or not standing.login_is_live
        or standing.token_version != claims.ver
    ):
        raise Unauthenticated()
    impersonator_id = None
    if claims.act is not None:
        # Whoever acts for somebody does so while they are a super admin, and logged in themselves.
        async with hub.reading() as db:
            impersonator_id = await impersonations.impersonator_of(db, claims.login_id)
        if str(impersonator_id) != claims.act.sub:
            raise Unauthenticated()
    # Whoever acts for an admin has proven their own second factor.
    asks_for_factor = impersonator_id is None and not setting_up and totp.is_required(hub, standing.rank)
    if asks_for_factor and not standing.has_second_factor:
        raise totp.SecondFactorRequired()
    return Actor(
        user_id=claims.user_id,
        roles=standing.roles,
        permissions=standing.permissions,
        rank=standing.rank,
        login_id=claims.sid,
        token_expires_at=claims.expires_at,
        address=address,
        device=device,
        request_id=request_id,
        asked=asked,
        repeat=None if repeat is None else replace(repeat, user_id=claims.user_id),
        impersonator_id=impersonator_id,
    )


async def register(hub: Hub, actor: Actor, ask: Register) -> Tokens:
    """Open an account and log it in."""
    if ask.role != "customer" and not hub.settings.facilitator_signup:
        raise Forbidden("Facilitators and vendors do not sign up here by themselves; ask an admin.")
    if ask.studio is not None and ask.role != "facilitator":
        raise Invalid.field("studio", "only facilitators open one as they sign up")
    password_hash = await _new_hash(hub, ask.password.get_secret_value(), ask.email)
    profile = Profile.model_validate(ask.model_dump(exclude={"email", "password", "role", "studio"}))
    async with hub.work(actor) as work:
        user_id = await _insert(work.db, ask.email, password_hash, profile, [ask.role])
        if ask.studio is not None:
            currency = ask.currency if ask.currency in CURRENCIES else "USD"
            studio = CreateVenue(kind="studio", currency=currency, **ask.studio.model_dump())
            await venues.opened(hub, work, user_id, studio)
        answer = await logins.begin(hub, work, actor, user_id)
        await verifications.welcome(hub, work, answer.user)
        return answer


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
    email, password = ask.email or ask.username or "", ask.password.get_secret_value()
    whom = email, attempts.network(actor.address)
    await attempts.reserve(hub, PASSWORDS, *whom)
    async with hub.reading() as db:
        known = await users.credentials(db, email)
    old_hash = known.password_hash if known else None
    is_right = await passwords.matches(hub.settings, old_hash, password)
    if known is None or old_hash is None or not is_right or known.status == "deleted":
        raise WrongCredentials()
    if known.status != "active":
        raise Forbidden("This account is suspended; ask an admin.")
    async with hub.work(actor) as work:
        await attempts.give_back(hub, work.db, PASSWORDS, *whom)
    await totp.ask_for(hub, actor, known.id, ask.totp_code)
    new_hash = None
    if passwords.is_outdated(hub.settings, old_hash):
        new_hash = await passwords.hashed(hub.settings, password)
    async with hub.work(actor) as work:
        if not await users.lock_unchanged(work.db, known.id, old_hash):
            raise WrongCredentials()
        if new_hash is not None:
            await users.rehash(work.db, known.id, old_hash, new_hash)
        return await logins.begin(hub, work, actor, known.id)


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
        if work.expects is not None:
            work.expect(await _user(work.db, user_id))
        changed = profile.model_copy(update=ask.model_dump(exclude_unset=True))
        if changed == profile:
            return await _user(work.db, user_id)
        await users.change_profile(work.db, user_id, changed)
        user = await _user(work.db, user_id)
        if (changed.full_name, changed.phone) == (profile.full_name, profile.phone):
            work.tell(UserChanged(thing=user))
        else:
            await tell_changed(work, user)
        return user


async def tell_changed(work: Work, user: User) -> None:
    """Tell who somebody now is: themselves, the desks that have them as a guest, the watchers of their sessions."""
    work.tell(UserChanged(thing=user))
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
