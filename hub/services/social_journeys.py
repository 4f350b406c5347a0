"""The way of a browser to Google or Facebook and back: what it takes along, and that it is the same one who returns."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from hub.core import Actor, Hub
from hub.errors import Forbidden, Unauthenticated
from hub.gateways.identity import Journey
from hub.models.identities import Provider, SocialLogIn
from hub.services import identities, tickets
from storage import standings

SECONDS = 600
LONGEST_CODE = 2000
_PURPOSE = "journey"


class NotAllowed(Forbidden):
    """You did not allow it there, so nothing was done here."""

    code = "not_allowed_there"


async def begin(hub: Hub, provider: Provider, said: dict[str, Any]) -> tuple[str, str]:
    """Answer what a browser takes along, and where it goes."""
    journey = Journey(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))
    url = await identities.authorization_url(hub, provider, journey, come_back_to(hub, provider))
    drawn = {"provider": provider, "state": journey.state, "nonce": journey.nonce, "verifier": journey.verifier}
    return tickets.issue(hub, _PURPOSE, said | drawn, SECONDS), url


def come_back_to(hub: Hub, provider: Provider) -> str:
    """Answer where the provider sends browsers back to: under the configured address, whatever a request says."""
    return f"{hub.settings.public_url}/auth/{provider}/callback"


def said(hub: Hub, provider: Provider, ticket: str, state: str) -> dict[str, Any] | None:
    """Answer what a returning browser took along; None when this is not the way it was sent on."""
    found = tickets.read(hub, _PURPOSE, ticket)
    if found is None or found["provider"] != provider:
        return None
    return found if hmac.compare_digest(found["state"].encode(), state.encode(errors="replace")) else None


def ask(hub: Hub, provider: Provider, said: dict[str, Any], code: str) -> SocialLogIn:
    """Ask what the journey was begun for."""
    return SocialLogIn(
        provider=provider,
        code=SecretStr(code),
        code_verifier=SecretStr(said["verifier"]),
        nonce=said["nonce"],
        redirect_uri=come_back_to(hub, provider),
    )


async def traveller(hub: Hub, visitor: Actor, said: dict[str, Any]) -> Actor:
    """Answer who began a journey to link an account, if they are still logged in."""
    async with hub.reading() as db:
        standing = await standings.find(db, said["user_id"], UUID(said["login_id"]))
    if standing is None or standing.status != "active" or not standing.login_is_live:
        raise Unauthenticated()
    return replace(visitor, user_id=said["user_id"], login_id=said["login_id"])
