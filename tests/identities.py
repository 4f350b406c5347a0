"""Asks and answers about accounts that several tests share."""

from typing import Any

from hub.core import Actor
from hub.errors import Unauthenticated
from hub.models.users import LogIn, Refresh, Register, Tokens
from hub.services import accounts, logins
from tests.doors import PASSWORD, ListeningHub

PHONE = Actor(device="Phone", address="203.0.113.7")
BOTH = {"access", "refresh"}


def ask(email: str = "ana@example.org", **more: Any) -> Register:
    """Ask for an account."""
    return Register.model_validate({"email": email, "password": PASSWORD, "full_name": "Ana Reis"} | more)


def log_in(email: str = "ana@example.org", password: str = PASSWORD) -> LogIn:
    """Ask for a login."""
    return LogIn.model_validate({"email": email, "password": password})


def spend(given: Tokens) -> Refresh:
    """Ask for the next tokens."""
    return Refresh.model_validate({"refresh_token": given.refresh_token})


async def registered(hub: ListeningHub, **more: Any) -> Tokens:
    """Open an account from a phone."""
    return await accounts.register(hub, PHONE, ask(**more))


async def actor_of(hub: ListeningHub, given: Tokens) -> Actor:
    """Answer whom the access token makes."""
    return await accounts.actor_of(hub, given.access_token)


async def good(hub: ListeningHub, given: Tokens) -> set[str]:
    """Tell which tokens of a pair are still good; this spends the refresh token."""
    found = set()
    for kind, use in (
        ("access", lambda: actor_of(hub, given)),
        ("refresh", lambda: logins.refresh(hub, PHONE, spend(given))),
    ):
        try:
            await use()
        except Unauthenticated:
            continue
        found.add(kind)
    return found


async def run(hub: ListeningHub, statement: str, *values: Any) -> None:
    """Change the database behind the hub's back."""
    async with hub.pool.acquire() as db:
        await db.execute(statement, *values)


async def count(hub: ListeningHub, statement: str, *values: Any) -> int:
    """Ask the database for one number."""
    async with hub.pool.acquire() as db:
        return int(await db.fetchval(statement, *values))
