"""Doors of verification: a code goes to one's address or number, and comes back."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.users import User
from hub.models.verifications import AskVerification, CheckVerification, Sent
from hub.services import verifications


@endpoint("me.verify", "POST /me/verifications", status=202, in_person=True)
async def ask(call: Call, ask: AskVerification) -> Sent:
    """Have a code sent to your e-mail address or telephone number; a newer one voids the older."""
    return await verifications.ask(call.hub, call.actor, ask)


@endpoint("me.check_verification", "POST /me/verifications/check", tells=("user.changed",), in_person=True)
async def check(call: Call, ask: CheckVerification) -> User:
    """Prove by its code that the address or number is yours; a code can be tried five times."""
    return await verifications.check(call.hub, call.actor, ask)
