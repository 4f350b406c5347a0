"""Doors of the accounts: sign up, log in and out, and what one sees and changes of oneself."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.base import Page
from hub.models.users import ChangeMe, ListLogins, LogIn, Login, NameLogin, Refresh, Register, Tokens, User
from hub.services import accounts, logins


@endpoint(
    "auth.register", "POST /auth/register", may=EVERYBODY, status=201, tells=("venue.created",), over_socket=False
)
async def register(call: Call, ask: Register) -> Tokens:
    """Open an account and log it in; a code for its e-mail address is on its way.

    An address that has an account already is refused (409): since the answer logs in, it cannot be the same. Whoever
    asks for many addresses is stopped by the pace of sign-ups.
    """
    return await accounts.register(call.hub, call.actor, ask)


@endpoint("auth.login", "POST /auth/login", may=EVERYBODY, over_socket=False)
async def log_in(call: Call, ask: LogIn) -> Tokens:
    """Log in with an e-mail address and its password."""
    return await accounts.log_in(call.hub, call.actor, ask)


@endpoint("auth.refresh", "POST /auth/refresh", may=EVERYBODY, over_socket=False)
async def refresh(call: Call, ask: Refresh) -> Tokens:
    """Trade a refresh token for new tokens; each works once, and one that comes twice ends its login."""
    return await logins.refresh(call.hub, call.actor, ask)


@endpoint("auth.logout", "POST /auth/logout", status=204)
async def log_out(call: Call) -> None:
    """Log out on this device; its tokens are worthless at once."""
    await logins.log_out(call.hub, call.actor)


@endpoint("auth.logout_everywhere", "POST /auth/logout-everywhere", status=204, in_person=True)
async def log_out_everywhere(call: Call) -> None:
    """Log out on every device."""
    await logins.log_out_everywhere(call.hub, call.actor)


@endpoint("me.read", "GET /me")
async def read_me(call: Call) -> User:
    """Read your own account, with your roles and what they allow."""
    return await accounts.me(call.hub, call.actor)


@endpoint("me.change", "PATCH /me", tells=("user.changed", "guest.changed", "session.changed"))
async def change_me(call: Call, ask: ChangeMe) -> User:
    """Change your own profile; what is not sent stays as it is."""
    return await accounts.change_me(call.hub, call.actor, ask)


@endpoint("me.logins", "GET /me/logins")
async def list_logins(call: Call, ask: ListLogins) -> Page[Login]:
    """List the devices on which you are logged in, the one used last first."""
    return await logins.listed(call.hub, call.actor, ask)


@endpoint("me.end_login", "DELETE /me/logins/{login_id}", status=204, in_person=True)
async def end_login(call: Call, ask: NameLogin) -> None:
    """Log out one of your devices."""
    await logins.end(call.hub, call.actor, ask)
