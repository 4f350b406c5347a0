import statistics
import time
from dataclasses import replace

import pytest

from hub import tokens
from hub.core import Actor
from hub.errors import Forbidden, HubError, Invalid, NotFound, Unauthenticated, WrongCredentials
from hub.models.users import ListLogins, LogIn, NameLogin
from hub.services import accounts, logins
from hub.work import Repeat
from storage import users
from tests.doors import PASSWORD, ListeningHub
from tests.identities import PHONE, actor_of, count, good, log_in, registered, run


async def test_the_address_may_come_as_email_or_as_username(hub: ListeningHub) -> None:
    answer = await registered(hub)
    for name in ("email", "username"):
        again = await accounts.log_in(hub, PHONE, LogIn.model_validate({name: "Ana@Example.org", "password": PASSWORD}))
        assert again.user == answer.user
    for both in ({}, {"email": "ana@example.org", "username": "ana@example.org"}):
        with pytest.raises(Invalid) as refusal:
            await accounts.log_in(hub, PHONE, LogIn.model_validate(both | {"password": PASSWORD}))
        assert refusal.value.details["errors"][0]["field"] == "email"


@pytest.mark.abuse("D2")
async def test_wrong_password_and_unknown_address_are_refused_alike(hub: ListeningHub) -> None:
    await registered(hub)
    refusals = []
    for given in (log_in(password="wrong horse battery"), log_in("nobody@example.org"), log_in(password="\ud800")):
        with pytest.raises(HubError) as refusal:
            await accounts.log_in(hub, PHONE, given)
        refusals.append((type(refusal.value), str(refusal.value), refusal.value.details))
    assert refusals == [refusals[0]] * 3
    assert refusals[0][0] is WrongCredentials
    assert await count(hub, "SELECT count(*) FROM logins") == 1


@pytest.mark.abuse("D2")
async def test_wrong_password_and_unknown_address_take_the_same_time(hub: ListeningHub) -> None:
    # Hashing must outweigh the rest, so that leaving it out would show.
    hub.settings = replace(hub.settings, password_memory_kb=8192)
    await registered(hub)
    took: dict[str, list[float]] = {"ana@example.org": [], "nobody@example.org": []}
    for _ in range(200):
        for email, times in took.items():
            begun = time.perf_counter()
            with pytest.raises(WrongCredentials):
                await accounts.log_in(hub, PHONE, log_in(email, "wrong horse battery"))
            times.append(time.perf_counter() - begun)
    known, unknown = map(statistics.median, took.values())
    assert abs(known - unknown) < 0.005 < min(known, unknown)


@pytest.mark.abuse("C7")
async def test_who_is_suspended_or_deleted_cannot_log_in(hub: ListeningHub) -> None:
    await registered(hub)
    await run(hub, "UPDATE users SET status = 'suspended'")
    with pytest.raises(Forbidden):
        await accounts.log_in(hub, PHONE, log_in())
    with pytest.raises(WrongCredentials):
        await accounts.log_in(hub, PHONE, log_in(password="wrong horse battery"))
    await run(hub, "UPDATE users SET status = 'deleted'")
    with pytest.raises(WrongCredentials):
        await accounts.log_in(hub, PHONE, log_in())


async def test_a_log_in_renews_a_hash_of_older_costs(hub: ListeningHub) -> None:
    await registered(hub)
    hub.settings = replace(hub.settings, password_memory_kb=128)
    await accounts.log_in(hub, PHONE, log_in())
    assert await count(hub, "SELECT count(*) FROM users WHERE password_hash LIKE '%m=128,%'") == 1
    await accounts.log_in(hub, PHONE, log_in())


async def test_a_header_no_database_can_hold_is_no_obstacle(hub: ListeningHub) -> None:
    await registered(hub)
    odd = Actor(device="Phone\x00\udcff\n" + "x" * 5000, address="::1\x00")
    answer = await accounts.log_in(hub, odd, log_in())
    page = await logins.listed(hub, await actor_of(hub, answer), ListLogins())
    device = next(login for login in page.items if login.is_current)
    assert (device.device, device.address) == ("Phone" + "x" * 195, "::1")


async def test_an_actor_carries_where_the_request_came_from_and_whose_repeat_it_is(hub: ListeningHub) -> None:
    answer = await registered(hub)
    repeat = Repeat(0, "POST /holds", "key", b"{}")
    actor = await accounts.actor_of(hub, answer.access_token, address="::1", device="Test", repeat=repeat)
    assert (actor.address, actor.device, actor.is_hub, actor.rank) == ("::1", "Test", False, 10)
    assert actor.repeat == replace(repeat, user_id=answer.user.id)
    assert actor.token_expires_at is not None
    assert 898 < (actor.token_expires_at - hub.clock.now()).total_seconds() <= 900


@pytest.mark.abuse("B11")
async def test_rights_are_those_of_now_and_not_of_when_the_token_was_made(hub: ListeningHub) -> None:
    answer = await registered(hub)
    assert not (await actor_of(hub, answer)).may("user:delete")
    async with hub.pool.acquire() as db:
        assert await users.grant_role(db, answer.user.id, "admin")
        assert await users.grant_role(db, answer.user.id, "admin")
        assert not await users.grant_role(db, answer.user.id, "emperor")
        assert await users.roles_of(db, answer.user.id) == ["admin", "customer"]
    actor = await actor_of(hub, answer)
    assert (actor.rank, actor.roles) == (80, {"admin", "customer"})
    assert actor.may("user:delete")
    assert not actor.may("role:create")
    await run(hub, "DELETE FROM user_roles")
    actor = await actor_of(hub, answer)
    assert (actor.rank, actor.roles, actor.permissions) == (0, frozenset(), frozenset())


@pytest.mark.abuse("C7", "C11")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET status = 'suspended'",
        "UPDATE users SET status = 'deleted'",
        "UPDATE users SET token_version = token_version + 1",
        "UPDATE logins SET revoked_at = clock_timestamp()",
        "UPDATE logins SET expires_at = clock_timestamp()",
        "DELETE FROM logins",
    ],
)
async def test_a_token_dies_with_what_it_stands_on(hub: ListeningHub, change: str) -> None:
    answer = await registered(hub)
    await actor_of(hub, answer)
    await run(hub, change)
    with pytest.raises(Unauthenticated):
        await actor_of(hub, answer)


async def test_a_token_that_names_a_login_of_somebody_else_is_refused(hub: ListeningHub) -> None:
    ana, ben = await registered(hub), await registered(hub, email="ben@example.org")
    claims = tokens.read_access(hub.settings, hub.clock.now(), ana.access_token)
    mixed, _ = tokens.issue_access(
        hub.settings, hub.clock.now(), user_id=ben.user.id, login_id=claims.login_id, version=1, roles=[]
    )
    with pytest.raises(Unauthenticated):
        await accounts.actor_of(hub, mixed)


@pytest.mark.abuse("C5")
async def test_neither_garbage_nor_a_refresh_token_is_an_access_token(hub: ListeningHub) -> None:
    answer = await registered(hub)
    for wrong in ("", "garbage", answer.refresh_token, answer.access_token[:-2], f"Bearer {answer.access_token}"):
        with pytest.raises(Unauthenticated):
            await accounts.actor_of(hub, wrong)


@pytest.mark.abuse("C6")
async def test_an_expired_token_is_refused_by_the_databases_clock(hub: ListeningHub) -> None:
    answer = await registered(hub)
    hub.clock._at -= 14 * 60
    await actor_of(hub, answer)
    hub.clock._at -= 61
    with pytest.raises(Unauthenticated):
        await actor_of(hub, answer)


async def test_devices_are_listed_the_last_used_first_and_logged_out_one_by_one(hub: ListeningHub) -> None:
    first = await registered(hub)
    second = await accounts.log_in(hub, Actor(device="Laptop", address="2001:db8::1"), log_in())
    await registered(hub, email="ben@example.org")
    actor = await actor_of(hub, second)
    page = await logins.listed(hub, actor, ListLogins())
    assert [(login.device, login.is_current) for login in page.items] == [("Laptop", True), ("Phone", False)]
    assert (page.meta.total_items, page.meta.total_pages) == (2, 1)
    narrow = await logins.listed(hub, actor, ListLogins(page=2, per_page=1))
    assert [login.device for login in narrow.items] == ["Phone"]

    await logins.end(hub, actor, NameLogin(login_id=page.items[1].id))
    assert await good(hub, first) == set()
    page = await logins.listed(hub, actor, ListLogins())
    assert [login.device for login in page.items] == ["Laptop"]


async def test_nobody_can_log_out_somebody_elses_device_or_one_that_is_not_there(hub: ListeningHub) -> None:
    ana, ben = await registered(hub), await registered(hub, email="ben@example.org")
    ana_actor, ben_actor = await actor_of(hub, ana), await actor_of(hub, ben)
    (login,) = (await logins.listed(hub, ana_actor, ListLogins())).items
    with pytest.raises(NotFound) as foreign:
        await logins.end(hub, ben_actor, NameLogin(login_id=login.id))
    await logins.end(hub, ana_actor, NameLogin(login_id=login.id))
    with pytest.raises(NotFound) as gone:
        await logins.end(hub, ben_actor, NameLogin(login_id=login.id))
    assert str(foreign.value) == str(gone.value)
    await actor_of(hub, ben)
