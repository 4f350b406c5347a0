"""A forgotten password: a code, and by mail a link, let its owner choose a new one."""

from __future__ import annotations

from typing import Any

from hub.core import THE_HUB, Actor, Hub
from hub.errors import Invalid
from hub.models.credentials import ForgotPassword, ResetPassword, UnderWay
from hub.models.users import User
from hub.services import attempts, codes, credentials, mail, passwords, totp, verifications
from hub.services.attempts import SENDINGS
from hub.services.codes import CodeGone
from hub.work import Work
from storage import codes as store
from storage import identities, second_factor, users
from storage.query import Db

# The job that looks for the account: whoever asked has had their answer by then, and nothing in it says what it found.
JOB = "forgotten_password"
_PURPOSE = "reset_password"
_UNDER_WAY = UnderWay(expires_in=codes.CODE_SECONDS, link_expires_in=codes.LINK_SECONDS)


async def forgot(hub: Hub, actor: Actor, ask: ForgotPassword) -> UnderWay:
    """Have a job look for the account and send it a code; nothing is looked up here, so nothing shows in the time."""
    _one_of("email", email=ask.email, phone=ask.phone)
    async with hub.work(actor) as work:
        # Asked too often, it is answered the same and nothing is sent.
        if await attempts.take(hub, work.db, SENDINGS, ask.email or ask.phone or "") == 0:
            await work.enqueue(JOB, ask.model_dump())
    return _UNDER_WAY


async def look_for(hub: Hub, data: dict[str, Any]) -> None:
    """Send a code for a new password to whom the job names, if there is such an account."""
    async with hub.work(THE_HUB) as work:
        user_id = await users.find_addressee(work.db, data["email"], data["phone"])
        if user_id is not None:
            user = await verifications.locked(work, user_id)
            by_sms = data["channel"] == "sms"
            target = user.phone if by_sms else user.email
            # Asked for by the one and sent to the other, it counts for both.
            if (
                target in (None, data["email"], data["phone"])
                or await attempts.take(hub, work.db, SENDINGS, target) == 0
            ):
                await send(hub, work, user, by_sms=by_sms)


async def send(hub: Hub, work: Work, user: User, *, by_sms: bool = False) -> None:
    """Have somebody choose a new password by a code and a link; an SMS goes to a verified number only."""
    if by_sms and not (user.phone and user.phone_verified):
        return
    target = user.phone if by_sms and user.phone else user.email
    code, token = codes.draw(), codes.draw_link()
    await store.put(
        work.db,
        user.id,
        _PURPOSE,
        target,
        codes.code_hash(hub, user.id, _PURPOSE, code),
        codes.CODE_SECONDS,
        # A link is too long for an SMS, and phones show their messages on a locked screen.
        None if by_sms else codes.link_hash(token),
        codes.LINK_SECONDS,
    )
    # Behind the #, where no server and no log ever reads it; and from the settings, whatever host was asked.
    link = None if by_sms else f"{hub.settings.public_url}/reset-password#token={token}"
    facts = {"name": user.full_name, "link": link, "code": code, "minutes": codes.CODE_SECONDS // 60}
    await (mail.send_sms if by_sms else mail.send)(work, target, _PURPOSE, user.language, facts)


async def reset(hub: Hub, actor: Actor, ask: ResetPassword) -> None:
    """Set a new password by a link or a code; every login ends.

    The second factor is asked for all the same, but not by the first proof that an address is somebody's: until then
    anybody may have signed up with it, and have set that up too.
    """
    token = ask.token.get_secret_value() if ask.token is not None else None
    if token is None:
        _one_of("token", token=None, email=ask.email, phone=ask.phone)
        if ask.code is None:
            raise Invalid.field("code", "send the code that came to this address or number")
    elif ask.email is not None or ask.phone is not None or ask.code is not None:
        raise Invalid.field("token", "send either the token of the link, or the code with its address or number")
    new = ask.password.get_secret_value()
    passwords.judge(new, ask.email or "")
    # Before anything is known of the account, so that the time says nothing about it either.
    password_hash = await passwords.hashed(hub.settings, new)
    proof: bytes
    async with hub.work(actor) as work:
        user_id = await _owner(work.db, token, ask)
        if user_id is None:
            raise CodeGone()
        user = await verifications.locked(work, user_id)
        if token is not None:
            proof = codes.link_hash(token)
            target = await store.target_of_link(work.db, user_id, proof)
            is_good = target is not None
        else:
            assert ask.code is not None
            code = ask.code.get_secret_value()
            proof = codes.code_hash(hub, user_id, _PURPOSE, code)
            tried = await codes.attempt(hub, work, user_id, _PURPOSE, code)
            target, is_good = ask.email, tried is not None and tried.is_right
    if not is_good:
        # Without the tries left: for an unknown address there would be none to tell.
        raise CodeGone()
    if user.email_verified or target != user.email:
        await totp.ask_for(hub, actor, user_id, ask.totp_code)
    async with hub.work(actor) as work:
        user = await verifications.locked(work, user_id)
        passwords.judge(new, user.email)
        target = await store.spend_proof(work.db, user_id, _PURPOSE, proof)
        if target is None:
            raise CodeGone()
        if target == user.email and not user.email_verified:
            # Accounts elsewhere and the second factor may be of somebody who signed up with another's address.
            await identities.delete_all(work.db, user_id)
            await second_factor.end(work.db, user_id)
            await second_factor.drop_recovery_codes(work.db, user_id)
        # Whoever reads the mail of an address has shown that it is theirs.
        await users.verify_email(work.db, user_id, target)
        await credentials.set_password(work, user, password_hash)


async def _owner(db: Db, token: str | None, ask: ResetPassword) -> int | None:
    if token is not None:
        return await store.user_of_link(db, codes.link_hash(token))
    return await users.find_addressee(db, ask.email, ask.phone)


def _one_of(field: str, **given: str | None) -> None:
    """Refuse none or several of what names an account."""
    if sum(value is not None for value in given.values()) != 1:
        raise Invalid.field(field, "send exactly one of " + ", ".join(given))
