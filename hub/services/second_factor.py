"""The second factor: setting up an authenticator, recovery codes for when it is lost, and doing without again."""

from __future__ import annotations

import secrets

import pyotp

from hub.core import Actor, Hub
from hub.errors import Conflict, Forbidden
from hub.models.second_factor import (
    AskSecondFactor,
    ConfirmSecondFactor,
    EndSecondFactor,
    Enrolment,
    RecoveryCodes,
    SecondFactor,
)
from hub.services import attempts, mail, qr, reauthentication, totp
from hub.services.access import signed_in
from hub.services.attempts import SECOND_FACTORS
from hub.services.codes import CodeGone
from hub.work import Work
from storage import second_factor as store
from storage import users
from storage.query import Db

_RECOVERY_CODES = 10
# 50 bits each; letters and digits that nobody mistakes for one another.
_RECOVERY_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_LENGTH = 10


class SecondFactorIsOn(Conflict):
    """An authenticator is set up already; end it before you set up another."""

    code = "second_factor_is_on"


class SecondFactorIsOff(Conflict):
    """No authenticator is set up."""

    code = "second_factor_is_off"


async def read(hub: Hub, actor: Actor) -> SecondFactor:
    """Answer whether logging in asks for the actor's second factor."""
    user_id = signed_in(actor)
    async with hub.reading() as db:
        known = await store.find(db, user_id)
        left = await store.recovery_codes_left(db, user_id)
    return SecondFactor(
        is_on=known is not None and known.is_confirmed,
        is_required=totp.is_required(hub, actor.rank),
        recovery_codes_left=left,
    )


async def set_up(hub: Hub, actor: Actor, ask: AskSecondFactor) -> Enrolment:
    """Draw the secret of an authenticator, which counts once its first code has come."""
    async with hub.reading() as db:
        known = await store.find(db, reauthentication.in_person(actor))
    if known is not None and known.is_confirmed:
        raise SecondFactorIsOn()
    user_id = await reauthentication.prove(hub, actor, ask.password)
    secret = pyotp.random_base32()
    async with hub.work(actor) as work:
        user = await users.find(work.db, user_id)
        if user is None or not await store.put(work.db, user_id, totp.sealed(hub, secret)):
            raise SecondFactorIsOn()
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name="Booking hub")
    return Enrolment(secret=secret, uri=uri, qr_svg=qr.draw(uri))


async def confirm(hub: Hub, actor: Actor, ask: ConfirmSecondFactor) -> RecoveryCodes:
    """Take the first code of the actor's authenticator; from then on logging in asks for one."""
    user_id = reauthentication.in_person(actor)
    async with hub.reading() as db:
        known = await store.find(db, user_id)
    if known is None:
        raise SecondFactorIsOff()
    if known.is_confirmed:
        raise SecondFactorIsOn()
    await attempts.reserve(hub, SECOND_FACTORS, user_id)
    async with hub.work(actor) as work:
        if not await totp.use_step(hub, work.db, user_id, known.secret, ask.code.get_secret_value()):
            raise CodeGone("This is not what the authenticator shows now; look at its clock and type the next code.")
        if not await store.confirm(work.db, user_id):
            raise SecondFactorIsOn()
        await attempts.give_back(hub, work.db, SECOND_FACTORS, user_id)
        work.revoke(user_id)
        await _tell(work, user_id, "second_factor_on")
        return await _new_recovery_codes(hub, work.db, user_id)


async def renew_recovery_codes(hub: Hub, actor: Actor, ask: EndSecondFactor) -> RecoveryCodes:
    """Draw new recovery codes in place of the old ones."""
    user_id = await _prove_both(hub, actor, ask)
    async with hub.work(actor) as work:
        return await _new_recovery_codes(hub, work.db, user_id)


async def end(hub: Hub, actor: Actor, ask: EndSecondFactor) -> None:
    """Forget the actor's authenticator and recovery codes."""
    if totp.is_required(hub, actor.rank):
        raise Forbidden("Your role needs a second factor; it cannot be ended.")
    user_id = await _prove_both(hub, actor, ask)
    async with hub.work(actor) as work:
        await store.end(work.db, user_id)
        await store.drop_recovery_codes(work.db, user_id)
        await _tell(work, user_id, "second_factor_off")


async def _tell(work: Work, user_id: int, template: str) -> None:
    user = await users.find(work.db, user_id)
    if user is not None:
        await mail.send(work, user.email, template, user.language, {"name": user.full_name})


async def _prove_both(hub: Hub, actor: Actor, ask: EndSecondFactor) -> int:
    user_id = reauthentication.in_person(actor)
    async with hub.reading() as db:
        known = await store.find(db, user_id)
    if known is None or not known.is_confirmed:
        raise SecondFactorIsOff()
    return await reauthentication.prove(hub, actor, ask.password, ask.code)


async def _new_recovery_codes(hub: Hub, db: Db, user_id: int) -> RecoveryCodes:
    drawn = [_recovery_code() for _ in range(_RECOVERY_CODES)]
    await store.drop_recovery_codes(db, user_id)
    await store.put_recovery_codes(db, user_id, [totp.recovery_hash(hub, user_id, code) for code in drawn])
    return RecoveryCodes(recovery_codes=[f"{code[:5]}-{code[5:]}" for code in drawn])


def _recovery_code() -> str:
    return "".join(secrets.choice(_RECOVERY_LETTERS) for _ in range(_RECOVERY_LENGTH))
