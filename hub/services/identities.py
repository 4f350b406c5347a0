"""Logging in with Google and Facebook: an account elsewhere opens one here, by its subject and never by its address."""

from __future__ import annotations

import hashlib
import unicodedata
from uuid import UUID

from pydantic import SecretStr

from hub import tokens
from hub.core import Actor, Hub
from hub.errors import (
    CodeRefused,
    Conflict,
    Forbidden,
    IdentityRefused,
    IdentityTaken,
    Invalid,
    LastWayIn,
    LogInFirst,
    NotFound,
    Unauthenticated,
)
from hub.events.users import UserChanged
from hub.gateways.identity import TITLES, Claims, Journey
from hub.models.identities import (
    Identities,
    Identity,
    LinkIdentity,
    NameProvider,
    Provider,
    Social,
    SocialLogIn,
    Socials,
    SocialSecondFactor,
)
from hub.models.users import Tokens, User, normal_email
from hub.services import logins, mail, reauthentication, tickets, totp, verifications
from hub.work import Work
from storage import identities as store
from storage import logins as login_store
from storage import second_factor as second_factor_store
from storage import users
from storage.users import Profile

# Who has no password proves who they are by having logged in so many seconds ago.
FRESH_SECONDS = 600
_CHALLENGE = "second factor"
CHALLENGE_SECONDS = 300
_LONGEST_NAME = 200


class EmailNeeded(Conflict):
    """The provider told no e-mail address of yours; sign up with one here, then link the other account."""

    code = "email_needed"


class EmailNotVerified(Forbidden):
    """Verify the e-mail address of your account before another account can open it."""

    code = "email_not_verified"


class NotFresh(Forbidden):
    """You have no password, so prove it is you: log out, log in again and do it right away."""

    code = "log_in_again"


def socials(hub: Hub) -> Socials:
    """List with whose accounts one can log in."""
    return Socials(
        items=[
            Social(provider=name, title=TITLES[name], start_url=f"/auth/{name}/start") for name in hub.providers.names
        ]
    )


async def authorization_url(hub: Hub, provider: Provider, journey: Journey, redirect_uri: str) -> str:
    """Answer where a browser begins."""
    return await hub.providers[provider].authorization_url(journey, redirect_uri)


async def log_in(hub: Hub, actor: Actor, ask: SocialLogIn) -> Tokens:
    """Log in by an authorization code; whoever was never here before gets an account."""
    code_hash = _hash(ask)
    claims = await _claims(hub, actor, ask, code_hash)
    async with hub.reading() as db:
        known = await store.known(db, ask.provider, claims.sub)
    if known is not None:
        await _ask_for_second_factor(hub, actor, ask.provider, claims, known.user_id, ask.totp_code)
    return await _enter(hub, actor, ask.provider, claims, code_hash)


async def second_factor(hub: Hub, actor: Actor, ask: SocialSecondFactor) -> Tokens:
    """Finish a log-in that has waited for its second factor."""
    said = tickets.read(hub, _CHALLENGE, ask.challenge.get_secret_value())
    if said is None or said["provider"] != ask.provider:
        raise Unauthenticated("This has taken too long; begin again.")
    claims = Claims.model_validate(said["claims"])
    await _ask_for_second_factor(hub, actor, ask.provider, claims, said["user_id"], ask.totp_code)
    return await _enter(hub, actor, ask.provider, claims)


async def listed(hub: Hub, actor: Actor) -> Identities:
    """List what opens the actor's account."""
    user_id = reauthentication.in_person(actor)
    async with hub.reading() as db:
        return Identities(items=await store.of_user(db, user_id), has_password=await store.has_password(db, user_id))


async def prove(hub: Hub, actor: Actor, password: SecretStr | None, code: SecretStr | None) -> int:
    """Ask for the password again, or of who has none for a log-in of right now; answers who it is."""
    user_id = reauthentication.in_person(actor)
    async with hub.reading() as db:
        has_password = await store.has_password(db, user_id)
        is_fresh = actor.login_id is not None and await store.is_fresh(db, user_id, UUID(actor.login_id), FRESH_SECONDS)
    if has_password:
        if password is None:
            raise Invalid.field("password", "is required")
        return await reauthentication.prove(hub, actor, password, code)
    if not is_fresh:
        raise NotFresh()
    return user_id


async def link(hub: Hub, actor: Actor, ask: LinkIdentity) -> Identity:
    """Let an account elsewhere open the actor's account, for an authorization code and the password."""
    await prove(hub, actor, ask.password, ask.totp_code)
    return await link_proved(hub, actor, ask)


async def link_proved(hub: Hub, actor: Actor, ask: SocialLogIn) -> Identity:
    """Let an account elsewhere open the account of somebody who has proved right before that it is theirs."""
    user_id = reauthentication.in_person(actor)
    claims = await _claims(hub, actor, ask, _hash(ask))
    async with hub.reading() as db:
        known = await store.known(db, ask.provider, claims.sub)
    if known is not None:
        raise IdentityTaken()
    async with hub.work(actor) as work:
        user = await verifications.locked(work, user_id)
        if not user.email_verified:
            await _take_back(work, user, claims)
        await store.insert(work.db, user_id, ask.provider, claims.sub, _email(claims))
        facts = {"name": user.full_name, "provider": TITLES[ask.provider]}
        await mail.send(work, user.email, "login_linked", user.language, facts)
        return next(one for one in await store.of_user(work.db, user_id) if one.provider == ask.provider)


async def unlink(hub: Hub, actor: Actor, ask: NameProvider) -> None:
    """Let an account elsewhere go, unless there would be no way in any more."""
    user_id = reauthentication.in_person(actor)
    async with hub.work(actor) as work:
        user = await verifications.locked(work, user_id)
        if not await store.delete(work.db, user_id, ask.provider):
            raise NotFound()
        if not await store.of_user(work.db, user_id) and not await store.has_password(work.db, user_id):
            raise LastWayIn()
        facts = {"name": user.full_name, "provider": TITLES[ask.provider]}
        await mail.send(work, user.email, "login_unlinked", user.language, facts)


async def _claims(hub: Hub, actor: Actor, ask: SocialLogIn, code_hash: bytes) -> Claims:
    """Spend the code, here before there: who brings it a second time ends what it has begun."""
    provider = hub.providers[ask.provider]
    async with hub.work(actor) as work:
        is_first = await store.spend_code(work.db, code_hash)
        if not is_first:
            work.revoke(*await store.end_begun_by(work.db, code_hash))
    if not is_first:
        raise CodeRefused()
    return await provider.claims(
        ask.code.get_secret_value(),
        ask.code_verifier.get_secret_value(),
        ask.redirect_uri,
        ask.nonce,
        hub.clock.now(),
    )


async def _ask_for_second_factor(
    hub: Hub, actor: Actor, provider: Provider, claims: Claims, user_id: int, code: SecretStr | None
) -> None:
    try:
        await totp.ask_for(hub, actor, user_id, code)
    except (totp.SecondFactorNeeded, totp.WrongSecondFactor) as refusal:
        # The code of the provider is spent; this stands for it until the second factor has come.
        said = {"provider": provider, "claims": claims.model_dump(), "user_id": user_id}
        raise type(refusal)(challenge=tickets.issue(hub, _CHALLENGE, said, CHALLENGE_SECONDS)) from refusal


async def _enter(hub: Hub, actor: Actor, provider: Provider, claims: Claims, code_hash: bytes | None = None) -> Tokens:
    async with hub.work(actor) as work:
        known = await store.known(work.db, provider, claims.sub)
        if known is None and code_hash is None:
            raise IdentityRefused()
        if known is not None and known.status != "active":
            raise Forbidden("This account is suspended; ask an admin.")
        user_id = await _open(hub, work, provider, claims) if known is None else known.user_id
        await store.note_use(work.db, provider, claims.sub, _email(claims))
        answer = await logins.begin(hub, work, actor, user_id)
        login_id = tokens.read_access(hub.settings, hub.clock.now(), answer.access_token).login_id
        if code_hash is not None and not await store.note_login(work.db, code_hash, login_id):
            raise CodeRefused()
        return answer


async def _open(hub: Hub, work: Work, provider: Provider, claims: Claims) -> int:
    """Open an account for somebody new; an address that is known here already opens nothing."""
    email = _email(claims)
    if email is None:
        raise EmailNeeded()
    if await store.is_address_known(work.db, email):
        raise LogInFirst()
    user_id = await users.insert(work.db, email, None, _profile(claims, email))
    await users.grant_role(work.db, user_id, "customer")
    await store.insert(work.db, user_id, provider, claims.sub, email)
    if claims.email_verified:
        await users.verify_email(work.db, user_id, email)
    else:
        await verifications.welcome(hub, work, await verifications.locked(work, user_id))
    return user_id


async def _take_back(work: Work, user: User, claims: Claims) -> None:
    """Give an account whose address nobody has verified to whom the provider says the address belongs.

    Whoever signed up with somebody else's address must not keep a way in: password, logins and all else go.
    """
    if not claims.email_verified or _email(claims) != user.email:
        raise EmailNotVerified()
    await store.drop_password(work.db, user.id)
    await store.delete_all(work.db, user.id)
    await second_factor_store.end(work.db, user.id)
    await second_factor_store.drop_recovery_codes(work.db, user.id)
    await login_store.revoke_all(work.db, user.id)
    await users.void_tokens(work.db, user.id)
    await users.verify_email(work.db, user.id, user.email)
    work.revoke(user.id)
    work.tell(UserChanged(thing=await verifications.locked(work, user.id)))


def _profile(claims: Claims, email: str) -> Profile:
    name = _name(claims.name) or _name(f"{claims.given_name or ''} {claims.family_name or ''}")
    return Profile(
        full_name=name or email.partition("@")[0],
        first_name=_name(claims.given_name),
        last_name=_name(claims.family_name),
    )


def _name(given: str | None) -> str | None:
    """Keep of a name what a form would have taken."""
    shown = "".join(one for one in given or "" if unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return " ".join(shown.split())[:_LONGEST_NAME].strip() or None


def _email(claims: Claims) -> str | None:
    try:
        return None if claims.email is None else normal_email(claims.email)
    except ValueError:
        return None


def _hash(ask: SocialLogIn) -> bytes:
    return hashlib.sha256(f"{ask.provider}:{ask.code.get_secret_value()}".encode()).digest()
