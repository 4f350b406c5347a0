"""The first super admin: made by whoever runs the hub's command line, never over the network."""

from __future__ import annotations

from hub.core import THE_HUB, Hub
from hub.errors import Conflict, Invalid
from hub.models.users import User, normal_email
from hub.services import access, passwords
from hub.work import Work
from storage import roles as role_store
from storage import users
from storage.users import Profile


class HasSuperAdmin(Conflict):
    """This hub has a super admin already; say that you want another."""

    code = "has_super_admin"


async def make_super_admin(
    hub: Hub, email: str, full_name: str, password: str | None, *, another: bool = False
) -> User:
    """Make a super admin of a new account, or of one that has proven its e-mail address; of two at once only one."""
    try:
        email = normal_email(email)
    except ValueError as error:
        raise Invalid(f"The e-mail address {error}.") from error
    password_hash = None
    if password is not None:
        _judge(password, email)
        password_hash = await passwords.hashed(hub.settings, password)
    async with hub.work(THE_HUB) as work:
        # Whoever comes second waits here, and then sees the first.
        await role_store.lock_code(work.db, access.SUPER_ADMIN)
        if not another and await role_store.others_with(work.db, access.SUPER_ADMIN, 0):
            raise HasSuperAdmin()
        user_id = await _account(work, email, full_name, password_hash)
        await users.grant_role(work.db, user_id, access.SUPER_ADMIN)
        await users.void_tokens(work.db, user_id)
        work.revoke(user_id)
        user = await users.find(work.db, user_id)
    if user is None:
        raise Conflict("This account was deleted; take another address.")
    return user


def _judge(password: str, email: str) -> None:
    try:
        passwords.judge(password, email)
    except Invalid as refusal:
        # A command line has no fields to point at.
        raise Invalid(f"The password {refusal.details['errors'][0]['message']}.") from refusal


async def _account(work: Work, email: str, full_name: str, password_hash: str | None) -> int:
    known = await users.credentials(work.db, email)
    if known is None:
        if password_hash is None:
            raise Invalid("There is no such account yet; it needs a password.")
        return await users.insert(work.db, email, password_hash, Profile(full_name=full_name))
    user = await users.find(work.db, known.id)
    # Anybody may have registered under this address to wait for the rights that come with it.
    if known.status != "active" or user is None or not user.email_verified:
        raise Conflict("This account is not active, or has not proven its e-mail address; verify it first.")
    return known.id
