import asyncio

import pytest

from hub.core import GUEST, Actor
from hub.errors import Unauthenticated
from hub.models.users import ListLogins, Refresh, Tokens
from hub.services import accounts, logins
from storage import logins as store
from tests.doors import ListeningHub
from tests.identities import BOTH, PHONE, actor_of, count, good, log_in, registered, run, spend


async def test_a_refresh_token_brings_the_next_and_keeps_the_login(hub: ListeningHub) -> None:
    first = await registered(hub)
    second = await logins.refresh(hub, GUEST, spend(first))
    third = await logins.refresh(hub, GUEST, spend(second))
    assert len({one.refresh_token for one in (first, second, third)}) == 3
    assert third.user == first.user
    # An access token lives out its few minutes; only the refresh token is spent.
    login_ids = {(await actor_of(hub, one)).login_id for one in (first, second, third)}
    assert len(login_ids) == 1
    page = await logins.listed(hub, await actor_of(hub, third), ListLogins())
    assert (page.items[0].device, page.items[0].address) == ("Phone", "203.0.113.7")


@pytest.mark.abuse("C9")
async def test_a_refresh_notes_where_the_login_is_now(hub: ListeningHub) -> None:
    first = await registered(hub)
    second = await logins.refresh(hub, Actor(device="Phone 2", address="203.0.113.8"), spend(first))
    page = await logins.listed(hub, await actor_of(hub, second), ListLogins())
    (login,) = page.items
    assert (login.device, login.address) == ("Phone 2", "203.0.113.8")
    assert login.last_used_at > login.created_at


async def test_a_refresh_token_that_comes_twice_ends_its_login_and_no_other(hub: ListeningHub) -> None:
    stolen = await registered(hub)
    elsewhere = await accounts.log_in(hub, PHONE, log_in())
    fresh = await logins.refresh(hub, PHONE, spend(stolen))
    with pytest.raises(Unauthenticated):
        await logins.refresh(hub, PHONE, spend(stolen))
    assert await good(hub, fresh) == set()
    assert await good(hub, stolen) == set()
    assert await good(hub, elsewhere) == BOTH


async def test_of_two_refreshes_at_once_one_wins_and_the_login_ends(hub: ListeningHub) -> None:
    for round_ in range(10):
        given = await registered(hub, email=f"ana{round_}@example.org")
        outcomes = await asyncio.gather(
            *(logins.refresh(hub, PHONE, spend(given)) for _ in range(2)), return_exceptions=True
        )
        won = [outcome for outcome in outcomes if isinstance(outcome, Tokens)]
        assert len(won) == 1
        assert [type(outcome) for outcome in outcomes if outcome is not won[0]] == [Unauthenticated]
        assert await good(hub, won[0]) == set()


async def test_of_many_refreshes_at_once_one_wins(hub: ListeningHub) -> None:
    given = await registered(hub)
    outcomes = await asyncio.gather(
        *(logins.refresh(hub, PHONE, spend(given)) for _ in range(25)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Tokens) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Unauthenticated) for outcome in outcomes) == 24


async def test_who_guesses_a_secret_gets_nothing_and_ends_nothing(hub: ListeningHub) -> None:
    given = await registered(hub)
    token_id, _, secret = given.refresh_token.partition(".")
    other = await registered(hub, email="ben@example.org")
    guesses = [
        f"{token_id}.{'A' * 43}",
        f"{other.refresh_token.partition('.')[0]}.{secret}",
        f"{'0' * 32}.{secret}",
        given.access_token,
        token_id,
        secret,
        "",
        ".",
        f"{given.refresh_token}\n",
        f"{given.refresh_token}.x",
        "\x00" * 76,
        "\ud800",
    ]
    for guess in guesses:
        with pytest.raises(Unauthenticated):
            await logins.refresh(hub, PHONE, Refresh.model_validate({"refresh_token": guess}))
    assert await good(hub, given) == BOTH
    assert await good(hub, other) == BOTH


@pytest.mark.abuse("C7")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE refresh_tokens SET expires_at = clock_timestamp()",
        "UPDATE logins SET expires_at = clock_timestamp()",
        "UPDATE logins SET revoked_at = clock_timestamp()",
        "UPDATE users SET status = 'suspended'",
        "UPDATE users SET status = 'deleted'",
    ],
)
async def test_a_refresh_token_dies_with_what_it_stands_on(hub: ListeningHub, change: str) -> None:
    given = await registered(hub)
    await run(hub, change)
    with pytest.raises(Unauthenticated):
        await logins.refresh(hub, PHONE, spend(given))


@pytest.mark.abuse("C10")
async def test_rotation_slides_a_token_but_never_beyond_the_logins_end(hub: ListeningHub) -> None:
    given = await registered(hub)
    days = "SELECT round(extract(epoch FROM max(expires_at) - clock_timestamp()) / 86400) FROM refresh_tokens"
    assert await count(hub, days) == 30
    await run(hub, "UPDATE logins SET expires_at = clock_timestamp() + interval '3 days'")
    await run(hub, "UPDATE refresh_tokens SET expires_at = clock_timestamp() + interval '1 day'")
    given = await logins.refresh(hub, PHONE, spend(given))
    assert await count(hub, days) == 3
    await run(hub, "UPDATE logins SET expires_at = clock_timestamp() + interval '60 days'")
    await logins.refresh(hub, PHONE, spend(given))
    assert await count(hub, days) == 30


@pytest.mark.abuse("C11")
async def test_logging_out_ends_this_login_at_once_and_no_other(hub: ListeningHub) -> None:
    here, there = await registered(hub), await accounts.log_in(hub, PHONE, log_in())
    await logins.log_out(hub, await actor_of(hub, here))
    assert await good(hub, here) == set()
    assert await good(hub, there) == BOTH


async def test_a_page_logs_out_by_the_refresh_token_it_keeps(hub: ListeningHub) -> None:
    here, there = await registered(hub), await accounts.log_in(hub, PHONE, log_in())
    await logins.log_out(hub, GUEST, here.refresh_token)
    assert await good(hub, here) == set()
    assert await good(hub, there) == BOTH
    await logins.log_out(hub, GUEST, "garbage")
    with pytest.raises(Unauthenticated):
        await logins.log_out(hub, GUEST)


@pytest.mark.abuse("C11")
async def test_logging_out_everywhere_ends_every_login_but_no_one_elses(hub: ListeningHub) -> None:
    mine = [await registered(hub), await accounts.log_in(hub, PHONE, log_in())]
    other = await registered(hub, email="ben@example.org")
    await logins.log_out_everywhere(hub, await actor_of(hub, mine[1]))
    assert [await good(hub, one) for one in mine] == [set(), set()]
    assert await good(hub, other) == BOTH
    await actor_of(hub, await accounts.log_in(hub, PHONE, log_in()))


@pytest.mark.abuse("C11")
async def test_logging_out_while_refreshing_leaves_no_living_token(hub: ListeningHub) -> None:
    for round_ in range(10):
        given = await registered(hub, email=f"ana{round_}@example.org")
        actor = await actor_of(hub, given)
        refreshed, _ = await asyncio.gather(
            logins.refresh(hub, PHONE, spend(given)), logins.log_out(hub, actor), return_exceptions=True
        )
        if isinstance(refreshed, Tokens):
            assert await good(hub, refreshed) == set()
        assert await good(hub, given) == set()


async def test_logins_that_ended_long_ago_are_forgotten_with_their_tokens(hub: ListeningHub) -> None:
    live, old = await registered(hub), await accounts.log_in(hub, PHONE, log_in())
    login_id = (await actor_of(hub, old)).login_id
    await run(hub, "UPDATE logins SET revoked_at = clock_timestamp() - interval '31 days' WHERE id = $1", login_id)
    async with hub.pool.acquire() as db:
        assert await store.forget_ended(db, 30, 10) == 1
        assert await store.forget_ended(db, 30, 10) == 0
    assert await count(hub, "SELECT count(*) FROM refresh_tokens") == 1
    await actor_of(hub, live)
