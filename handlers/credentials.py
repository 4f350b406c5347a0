"""Doors of passwords and e-mail addresses: forgotten, set anew, changed."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.credentials import (
    ChangeEmail,
    ChangePassword,
    ConfirmEmail,
    ForgotPassword,
    ResetPassword,
    UnderWay,
)
from hub.models.users import Tokens, User
from hub.models.verifications import Sent
from hub.services import credentials, recovery


@endpoint("auth.forgot_password", "POST /auth/forgot-password", may=EVERYBODY, status=202, over_socket=False)
async def forgot_password(call: Call, ask: ForgotPassword) -> UnderWay:
    """Have a code, and by mail a link, sent for a new password; the answer is the same for unknown addresses."""
    return await recovery.forgot(call.hub, call.actor, ask)


@endpoint("auth.reset_password", "POST /auth/reset-password", may=EVERYBODY, status=204, over_socket=False)
async def reset_password(call: Call, ask: ResetPassword) -> None:
    """Set a new password by the token of a link, or by a code; every login of the account ends."""
    await recovery.reset(call.hub, call.actor, ask)


@endpoint("me.change_password", "POST /me/password", over_socket=False, in_person=True)
async def change_password(call: Call, ask: ChangePassword) -> Tokens:
    """Change your password; all your other logins end, and this one gets new tokens."""
    return await credentials.change_password(call.hub, call.actor, ask)


@endpoint("me.change_email", "POST /me/email", status=202, over_socket=False, in_person=True)
async def change_email(call: Call, ask: ChangeEmail) -> Sent:
    """Have a code sent to a new e-mail address; your account changes to it once the code has come back."""
    return await credentials.change_email(call.hub, call.actor, ask)


@endpoint("me.confirm_email", "POST /me/email/confirm", tells=("user.changed", "guest.changed"), in_person=True)
async def confirm_email(call: Call, ask: ConfirmEmail) -> User:
    """Change to the new e-mail address; the old one is told."""
    return await credentials.confirm_email(call.hub, call.actor, ask)
