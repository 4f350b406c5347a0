"""Doors of the accounts elsewhere: log in with one, link it, let it go."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.identities import (
    Identities,
    Identity,
    LinkIdentity,
    NameProvider,
    SocialLogIn,
    Socials,
    SocialSecondFactor,
)
from hub.models.users import Tokens
from hub.services import identities


@endpoint("auth.socials", "GET /auth/social", may=EVERYBODY)
async def socials(call: Call) -> Socials:
    """List with whose accounts, such as Google's, one can log in here.

    A browser begins at `start_url`, comes back logged in, and is led to the path named by `next`.
    """
    return identities.socials(call.hub)


@endpoint("auth.social", "POST /auth/social/{provider}", may=EVERYBODY, over_socket=False)
async def log_in(call: Call, ask: SocialLogIn) -> Tokens:
    """Log in with an account elsewhere, by an authorization code that was fetched with PKCE and a nonce.

    Whoever was never here before gets an account, unless one has their e-mail address already: then they log in to
    that one and link the other. Where a second factor is needed the refusal carries a `challenge`.
    """
    return await identities.log_in(call.hub, call.actor, ask)


@endpoint("auth.social_second_factor", "POST /auth/social/{provider}/second-factor", may=EVERYBODY, over_socket=False)
async def second_factor(call: Call, ask: SocialSecondFactor) -> Tokens:
    """Finish a log-in with an account elsewhere that was answered with `second_factor_needed` and a challenge."""
    return await identities.second_factor(call.hub, call.actor, ask)


@endpoint("me.identities", "GET /me/identities", in_person=True)
async def listed(call: Call) -> Identities:
    """List the accounts elsewhere that open yours, and whether a password does too."""
    return await identities.listed(call.hub, call.actor)


@endpoint(
    "me.link", "POST /me/identities/{provider}", status=201, over_socket=False, in_person=True, tells=("user.changed",)
)
async def link(call: Call, ask: LinkIdentity) -> Identity:
    """Let an account elsewhere open yours, by an authorization code and your password.

    If the e-mail address of your account was never verified, the provider has to vouch for it; then the password and
    every login of before end, since somebody else may have set them up.
    """
    return await identities.link(call.hub, call.actor, ask)


@endpoint("me.unlink", "DELETE /me/identities/{provider}", status=204, over_socket=False, in_person=True)
async def unlink(call: Call, ask: NameProvider) -> None:
    """Let an account elsewhere go; the last way in cannot be."""
    await identities.unlink(call.hub, call.actor, ask)
