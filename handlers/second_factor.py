"""Doors of the second factor: set up an authenticator, confirm it, take it away."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.second_factor import (
    AskSecondFactor,
    ConfirmSecondFactor,
    EndSecondFactor,
    Enrolment,
    RecoveryCodes,
    SecondFactor,
)
from hub.services import second_factor


@endpoint("me.second_factor", "GET /me/totp")
async def read(call: Call) -> SecondFactor:
    """Read whether logging in asks for your second factor."""
    return await second_factor.read(call.hub, call.actor)


@endpoint("me.set_up_second_factor", "POST /me/totp", over_socket=False, in_person=True)
async def set_up(call: Call, ask: AskSecondFactor) -> Enrolment:
    """Get the secret for your authenticator; it counts once a first code has confirmed it."""
    return await second_factor.set_up(call.hub, call.actor, ask)


@endpoint("me.confirm_second_factor", "POST /me/totp/confirm", over_socket=False, in_person=True)
async def confirm(call: Call, ask: ConfirmSecondFactor) -> RecoveryCodes:
    """Confirm your authenticator by its first code; from now on logging in asks for one."""
    return await second_factor.confirm(call.hub, call.actor, ask)


@endpoint("me.renew_recovery_codes", "POST /me/totp/recovery-codes", over_socket=False, in_person=True)
async def renew_recovery_codes(call: Call, ask: EndSecondFactor) -> RecoveryCodes:
    """Get ten new recovery codes; the old ones work no more."""
    return await second_factor.renew_recovery_codes(call.hub, call.actor, ask)


@endpoint("me.end_second_factor", "POST /me/totp/end", status=204, over_socket=False, in_person=True)
async def end(call: Call, ask: EndSecondFactor) -> None:
    """Log in without a second factor again; where the hub requires one, it cannot be ended."""
    await second_factor.end(call.hub, call.actor, ask)
