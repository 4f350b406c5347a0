"""Time-based one-time codes: what an authenticator shows is judged here, and each code is used up."""

from __future__ import annotations

import base64
import hmac
from typing import Final

import pyotp
from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from hub.core import Actor, Hub
from hub.errors import HubError
from hub.services import attempts
from hub.services.attempts import SECOND_FACTORS
from hub.tokens import signing_key
from storage import second_factor as store
from storage.query import Db

# From this rank on people are admins, of whom the operator may require a second factor.
ADMIN_RANK: Final = 80
STEP_SECONDS: Final = 30


class SecondFactorNeeded(HubError):
    """This account has a second factor; send its code too."""

    code, status = "second_factor_needed", 401


class WrongSecondFactor(HubError):
    """The code of the second factor is wrong, or was used before."""

    code, status = "wrong_second_factor", 401


class SecondFactorRequired(HubError):
    """Your role needs a second factor; set one up first."""

    code, status = "second_factor_required", 403


def is_required(hub: Hub, rank: int) -> bool:
    """Tell whether the operator requires a second factor of people of this rank."""
    return hub.settings.admin_totp and rank >= ADMIN_RANK


async def ask_for(hub: Hub, actor: Actor, user_id: int, code: SecretStr | None) -> None:
    """Use up a code of this account's second factor, if it has one; without a good code it is refused."""
    async with hub.reading() as db:
        known = await store.find(db, user_id)
    if known is None or not known.is_confirmed:
        return
    given = "".join(code.get_secret_value().split()) if code else ""
    if not given:
        raise SecondFactorNeeded()
    await attempts.reserve(hub, SECOND_FACTORS, user_id)
    async with hub.work(actor) as work:
        if not await _use(hub, work.db, user_id, known.secret, given):
            raise WrongSecondFactor()
        await attempts.give_back(hub, work.db, SECOND_FACTORS, user_id)


async def use_step(hub: Hub, db: Db, user_id: int, sealed: bytes, given: str) -> bool:
    """Use the step whose code this is: the present one, or a neighbour, since phones' clocks differ; none twice."""
    try:
        totp = pyotp.TOTP(_box(hub).decrypt(sealed).decode())
    except InvalidToken:
        # The hub's secret has changed since; recovery codes go with it, and an admin has to help.
        return False
    now = int(hub.clock.now().timestamp()) // STEP_SECONDS
    for step in (now - 1, now, now + 1):
        if hmac.compare_digest(totp.generate_otp(step), given):
            return await store.use_step(db, user_id, step)
    return False


def recovery_hash(hub: Hub, user_id: int, given: str) -> bytes:
    """Hash a recovery code, however it is grouped and written, under a key that is not in the database."""
    code = given.replace("-", "").lower()
    return hmac.digest(signing_key(hub.settings, "recovery"), f"{user_id}:{code}".encode(errors="replace"), "sha256")


def sealed(hub: Hub, secret: str) -> bytes:
    """Encrypt an authenticator's secret as it is kept."""
    return _box(hub).encrypt(secret.encode())


async def _use(hub: Hub, db: Db, user_id: int, secret: bytes, given: str) -> bool:
    if len(given) == 6 and given.isascii() and given.isdigit():
        return await use_step(hub, db, user_id, secret, given)
    return await store.use_recovery_code(db, user_id, recovery_hash(hub, user_id, given))


def _box(hub: Hub) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(signing_key(hub.settings, "second factor")))
