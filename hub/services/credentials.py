"""Changing one's password and e-mail address, which only oneself may do."""

from __future__ import annotations

from hub.core import Actor, Hub
from hub.errors import Conflict, Unauthenticated
from hub.models.credentials import ChangeEmail, ChangePassword, ConfirmEmail
from hub.models.users import Tokens, User
from hub.models.verifications import Sent
from hub.services import accounts, codes, logins, mail, passwords, verifications
from hub.services.letters import Fact
from hub.services.reauthentication import in_person, prove
from hub.work import Work
from storage import codes as code_store
from storage import logins as login_store
from storage import users


class SameEmail(Conflict):
    """This is your e-mail address already."""

    code = "same_email"


async def change_password(hub: Hub, actor: Actor, ask: ChangePassword) -> Tokens:
    """Change the actor's password, end all their logins and begin a new one."""
    user_id = in_person(actor)
    async with hub.reading() as db:
        user = await users.find(db, user_id)
    if user is None:
        raise Unauthenticated()
    new = ask.password.get_secret_value()
    passwords.judge(new, user.email)
    await prove(hub, actor, ask.current_password, ask.totp_code)
    password_hash = await passwords.hashed(hub.settings, new)
    async with hub.work(actor) as work:
        await set_password(work, user, password_hash)
        return await logins.begin(hub, work, actor, user_id)


async def set_password(work: Work, user: User, password_hash: str) -> None:
    """Write a new password: whatever was let in by the old one is out at once, and its owner is told."""
    await users.set_password(work.db, user.id, password_hash)
    await login_store.revoke_all(work.db, user.id)
    await code_store.void(work.db, user.id)
    work.revoke(user.id)
    await mail.send(work, user.email, "password_changed", user.language, {"name": user.full_name})


async def change_email(hub: Hub, actor: Actor, ask: ChangeEmail) -> Sent:
    """Send a code to the new address; where somebody else has it, they are told in its place and nobody else learns."""
    user_id = await prove(hub, actor, ask.password, ask.totp_code)
    async with hub.work(actor) as work:
        user = await verifications.locked(work, user_id)
        if user.email == ask.email:
            raise SameEmail()
        if await verifications.may_send(hub, work, user_id, ask.email):
            code = await codes.put(hub, work, user_id, "change_email", ask.email)
            facts: dict[str, Fact] = {"name": user.full_name, "code": code, "minutes": codes.CODE_SECONDS // 60}
            if await users.credentials(work.db, ask.email) is None:
                await mail.send(work, ask.email, "email_change_code", user.language, facts)
            else:
                await mail.send(work, ask.email, "email_in_use", user.language, {})
    return Sent(to=codes.masked(ask.email), expires_in=codes.CODE_SECONDS)


async def confirm_email(hub: Hub, actor: Actor, ask: ConfirmEmail) -> User:
    """Change the actor's e-mail address to the one that the code was sent to, and tell the old one."""
    user_id = in_person(actor)
    async with hub.work(actor) as work:
        user = old = await verifications.locked(work, user_id)
        tried = await codes.attempt(hub, work, user_id, "change_email", ask.code.get_secret_value())
        is_good = tried is not None and tried.is_right
        if tried is not None and is_good:
            await users.change_email(work.db, user_id, tried.target)
            # Codes that are on their way to the old address must not work any more.
            await code_store.void(work.db, user_id)
            user = await verifications.locked(work, user_id)
            await accounts.tell_changed(work, user)
            told: dict[str, Fact] = {"name": old.full_name, "new_email": codes.masked(user.email)}
            await mail.send(work, old.email, "email_changed", old.language, told)
    if not is_good:
        raise codes.refused(tried)
    return user
