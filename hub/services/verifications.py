"""Verification: a code goes to somebody's address or number, and its return proves that it is theirs."""

from __future__ import annotations

from hub.core import Actor, Hub
from hub.errors import Conflict, Invalid, Unauthenticated
from hub.events.users import UserChanged
from hub.models.users import User
from hub.models.verifications import AskVerification, CheckVerification, Sent
from hub.services import attempts, codes, mail
from hub.services.attempts import SENDINGS, SENDINGS_BY
from hub.services.letters import Fact
from hub.services.reauthentication import in_person
from hub.work import Work
from storage import codes as store
from storage import users

_PURPOSES = {"email": "verify_email", "phone": "verify_phone"}


class AlreadyVerified(Conflict):
    """This is verified already."""

    code = "already_verified"


async def ask(hub: Hub, actor: Actor, ask: AskVerification) -> Sent:
    """Send a code to the actor's address or number; whoever asks too often is answered the same, and sent nothing."""
    user_id = in_person(actor)
    async with hub.work(actor) as work:
        user = await locked(work, user_id)
        target = _target(user, ask.channel)
        if user.email_verified if ask.channel == "email" else user.phone_verified:
            raise AlreadyVerified()
        if await may_send(hub, work, user_id, target):
            await send(hub, work, user, ask.channel, target)
    return Sent(to=codes.masked(target), expires_in=codes.CODE_SECONDS)


async def check(hub: Hub, actor: Actor, ask: CheckVerification) -> User:
    """Take back a code, and note that the address or number it was sent to is the actor's."""
    user_id = in_person(actor)
    purpose = _PURPOSES[ask.channel]
    async with hub.work(actor) as work:
        user = await locked(work, user_id)
        target = _target(user, ask.channel)
        tried = await codes.attempt(hub, work, user_id, purpose, ask.code.get_secret_value())
        is_good = tried is not None and tried.is_right and tried.target == target
        if is_good:
            await store.spend(work.db, user_id, purpose)
            await (users.verify_email if ask.channel == "email" else users.verify_phone)(work.db, user_id, target)
            user = await locked(work, user_id)
            work.tell(UserChanged(thing=user))
    if not is_good:
        raise codes.refused(tried)
    return user


async def welcome(hub: Hub, work: Work, user: User) -> None:
    """Send whoever has signed up the code for their e-mail address."""
    if await may_send(hub, work, user.id, user.email):
        await send(hub, work, user, "email", user.email)


async def send(hub: Hub, work: Work, user: User, channel: str, target: str) -> None:
    """Draw a code in place of an older one and have it sent."""
    code = await codes.put(hub, work, user.id, _PURPOSES[channel], target)
    facts: dict[str, Fact] = {"code": code, "minutes": codes.CODE_SECONDS // 60}
    if channel == "email":
        await mail.send(work, target, "verify_email", user.language, {"name": user.full_name, **facts})
    else:
        await mail.send_sms(work, target, "verify_phone", user.language, facts)


async def may_send(hub: Hub, work: Work, user_id: int, target: str) -> bool:
    """Tell whether another code may go to this address or number, and count it."""
    if await attempts.take(hub, work.db, SENDINGS, target) > 0:
        return False
    return await attempts.take(hub, work.db, SENDINGS_BY, user_id) == 0


async def locked(work: Work, user_id: int) -> User:
    """Lock a person for the rest of the work, so that none of their codes changes meanwhile, and read them."""
    await users.lock_profile(work.db, user_id)
    user = await users.find(work.db, user_id)
    if user is None:
        raise Unauthenticated()
    return user


def _target(user: User, channel: str) -> str:
    target = user.email if channel == "email" else user.phone
    if target is None:
        raise Invalid.field("channel", "your account has no telephone number yet")
    return target
