"""The first super admin comes from the command line, once, and never over the network."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import hdrs

from handlers.table import table
from hub.core import Actor
from hub.errors import Conflict, Invalid
from hub.models.users import LogIn, User
from hub.services import accounts, founding
from hub.services.founding import HasSuperAdmin
from tests.doors import PASSWORD, Http, ListeningHub, People
from tests.world import refusal


async def make(hub: ListeningHub, email: str = "boss@example.org", password: str | None = PASSWORD) -> User:
    """Make the first super admin."""
    return await founding.make_super_admin(hub, email, "Bo Boss", password)


async def roles_of(hub: ListeningHub, email: str) -> frozenset[str]:
    """Log somebody in, and tell which roles they have."""
    tokens = await accounts.log_in(hub, Actor(), LogIn(email=email, password=PASSWORD))
    return (await accounts.actor_of(hub, tokens.access_token)).roles


@pytest.mark.abuse("B7")
async def test_of_two_first_super_admins_at_once_there_is_one(hub: ListeningHub) -> None:
    for turn in range(3):
        done = await asyncio.gather(
            *(make(hub, f"boss{turn}{number}@example.org") for number in range(4)), return_exceptions=True
        )
        assert sum(isinstance(one, User) for one in done) == 1
        assert sum(isinstance(one, HasSuperAdmin) for one in done) == 3
        async with hub.pool.acquire() as db:
            assert await db.fetchval("SELECT count(*) FROM users WHERE status = 'active'") == 1
            await db.execute("UPDATE users SET status = 'suspended'")


async def test_the_first_may_log_in_and_another_only_when_asked_for(hub: ListeningHub) -> None:
    made = await make(hub, " Boss@Example.org ")
    assert (made.email, made.roles) == ("boss@example.org", ["super_admin"])
    assert await roles_of(hub, "boss@example.org") == {"super_admin"}
    assert isinstance(await refusal(make(hub, "two@example.org")), HasSuperAdmin)
    two = await founding.make_super_admin(hub, "two@example.org", "Two", PASSWORD, another=True)
    assert two.roles == ["super_admin"]


@pytest.mark.abuse("B7")
async def test_whoever_registered_the_address_before_gets_no_rights_with_it(hub: ListeningHub, people: People) -> None:
    waiting = await people.customer("Wanda Waiting")
    refused = await refusal(make(hub, waiting.email))
    assert isinstance(refused, Conflict)
    assert await roles_of(hub, waiting.email) == {"customer"}
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE users SET email_verified_at = clock_timestamp()")
    assert (await make(hub, waiting.email, None)).roles == ["super_admin", "customer"]
    assert await roles_of(hub, waiting.email) == {"super_admin", "customer"}


async def test_what_cannot_log_in_is_no_super_admin(hub: ListeningHub) -> None:
    for email, password in (("boss@example.org", None), ("boss@example.org", "short"), ("boss", PASSWORD)):
        assert isinstance(await refusal(make(hub, email, password)), Invalid)
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM users") == 0


@pytest.mark.abuse("B7", "B2")
async def test_nobody_becomes_an_admin_by_signing_up(http: Http, hub: ListeningHub) -> None:
    for more in (
        {"role": "admin"},
        {"role": "super_admin"},
        {"roles": ["admin"]},
        {"role": ["customer", "admin"]},
        {"is_admin": True},
        {"permissions": ["user:read"]},
        {"rank": 100},
        {"status": "active", "email_verified": True},
    ):
        body = {"email": "eve@example.org", "password": PASSWORD, "full_name": "Eve"} | more
        assert (await http.post("/auth/register", body)).status == 422
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM users") == 0
    for path in ("/setup", "/admin", "/auth/setup", "/install"):
        assert (await http.ask(hdrs.METH_POST, path, {"email": "eve@example.org"})).status == 404
    assert not [one.name for one in table().values() if "setup" in one.path]
