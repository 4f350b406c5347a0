"""Proving again that it is really oneself, before something is done that a stolen device must not do."""

from __future__ import annotations

from pydantic import SecretStr

from hub.core import Actor, Hub
from hub.errors import HubError, Unauthenticated
from hub.services import access, attempts, passwords, totp
from hub.services.attempts import PASSWORDS
from storage import users


class WrongPassword(HubError):
    """This is not your password."""

    code, status = "wrong_password", 403


class CodeNeeded(HubError):
    """Your account has a second factor; send its code too."""

    code, status = "code_needed", 403


class WrongCode(HubError):
    """The code of the second factor is wrong, or was used before."""

    code, status = "wrong_code", 403


def in_person(actor: Actor) -> int:
    """Answer whose token it is, and refuse whoever only acts as them."""
    user_id = access.signed_in(actor)
    access.in_person(actor)
    return user_id


async def prove(hub: Hub, actor: Actor, password: SecretStr, code: SecretStr | None = None) -> int:
    """Ask for the actor's password again, and for their second factor where they have one; answers who they are."""
    user_id = in_person(actor)
    async with hub.reading() as db:
        user = await users.find(db, user_id)
        known = None if user is None else await users.credentials(db, user.email)
    if user is None or known is None:
        raise Unauthenticated()
    whom = (user.email, attempts.network(actor.address))
    await attempts.reserve(hub, PASSWORDS, *whom)
    if known.password_hash is None or not await passwords.matches(
        hub.settings, known.password_hash, password.get_secret_value()
    ):
        raise WrongPassword()
    async with hub.work(actor) as work:
        await attempts.give_back(hub, work.db, PASSWORDS, *whom)
    try:
        await totp.ask_for(hub, actor, user_id, code)
    except totp.SecondFactorNeeded as refusal:
        # Not 401: to its page that would mean that nobody is logged in.
        raise CodeNeeded() from refusal
    except totp.WrongSecondFactor as refusal:
        raise WrongCode() from refusal
    return user_id
