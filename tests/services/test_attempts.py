import asyncio
from dataclasses import replace

import pytest

from hub.core import Actor
from hub.errors import WrongCredentials
from hub.jobs import housekeeping
from hub.models.users import Tokens
from hub.services import accounts, attempts
from hub.services.attempts import PASSWORDS, Limit, TooManyTries
from tests.doors import ListeningHub
from tests.identities import PHONE, count, log_in, registered, run

ELSEWHERE = Actor(device="Laptop", address="198.51.100.20")
TWICE = Limit("test", ((2, 60), (3, 3600)))


@pytest.fixture(autouse=True)
def _counting(hub: ListeningHub) -> None:
    hub.settings = replace(hub.settings, rate_limits=True)


async def guess(hub: ListeningHub, actor: Actor = PHONE, email: str = "ana@example.org") -> str:
    """Try a wrong password and name the refusal."""
    with pytest.raises((WrongCredentials, TooManyTries)) as refusal:
        await accounts.log_in(hub, actor, log_in(email, "wrong horse battery"))
    return refusal.value.code


@pytest.mark.abuse("D1")
async def test_after_five_wrong_passwords_from_one_place_even_the_right_one_has_to_wait(hub: ListeningHub) -> None:
    await registered(hub)
    assert [await guess(hub) for _ in range(7)] == ["wrong_credentials"] * 5 + ["too_many_tries"] * 2
    with pytest.raises(TooManyTries) as refusal:
        await accounts.log_in(hub, PHONE, log_in())
    assert refusal.value.status == 429
    assert refusal.value.retry_after is not None
    assert 890 < refusal.value.retry_after <= 900
    await run(hub, "UPDATE attempts SET at = at - interval '15 minutes'")
    assert isinstance(await accounts.log_in(hub, PHONE, log_in()), Tokens)


@pytest.mark.abuse("D1")
async def test_who_guesses_locks_nobody_out_who_is_elsewhere(hub: ListeningHub) -> None:
    await registered(hub)
    for _ in range(6):
        await guess(hub)
    assert isinstance(await accounts.log_in(hub, ELSEWHERE, log_in()), Tokens)


@pytest.mark.abuse("D1", "D2")
async def test_an_address_without_account_is_counted_alike(hub: ListeningHub) -> None:
    await registered(hub)
    nobody = [await guess(hub, email="nobody@example.org") for _ in range(6)]
    assert nobody == [await guess(hub) for _ in range(6)]
    assert nobody[-1] == "too_many_tries"


@pytest.mark.abuse("D1")
async def test_of_a_hundred_guesses_at_once_five_are_judged(hub: ListeningHub) -> None:
    await registered(hub)
    answers = await asyncio.gather(*(guess(hub) for _ in range(100)))
    assert sorted(answers) == ["too_many_tries"] * 95 + ["wrong_credentials"] * 5


async def test_a_log_in_that_succeeds_is_no_attempt(hub: ListeningHub) -> None:
    await registered(hub)
    for _ in range(4):
        await guess(hub)
    for _ in range(4):
        await accounts.log_in(hub, PHONE, log_in())
    assert await guess(hub) == "wrong_credentials"
    assert await guess(hub) == "too_many_tries"


@pytest.mark.abuse("F7")
async def test_an_address_is_counted_with_its_whole_network(hub: ListeningHub) -> None:
    await registered(hub)
    answers = [await guess(hub, Actor(address=f"2001:db8:0:1::{host:x}")) for host in range(1, 8)]
    assert answers == ["wrong_credentials"] * 5 + ["too_many_tries"] * 2
    assert await guess(hub, Actor(address="2001:db8:0:2::1")) == "wrong_credentials"
    assert attempts.network("::ffff:203.0.113.7") == attempts.network("203.0.113.7")
    assert attempts.network("fe80::1%eth0") == attempts.network("fe80::2")
    assert attempts.network("") == ""


async def test_each_span_has_its_own_most_and_what_is_oldest_runs_out_first(hub: ListeningHub) -> None:
    async def take() -> float:
        async with hub.pool.acquire() as db:
            return await attempts.take(hub, db, TWICE, "somebody")

    assert [await take(), await take()] == [0, 0]
    assert 59 < await take() <= 60
    await run(hub, "UPDATE attempts SET at = at - interval '61 seconds'")
    assert await take() == 0
    assert 3500 < await take() < 3540
    assert await count(hub, "SELECT count(*) FROM attempts") == 3
    async with hub.pool.acquire() as db:
        assert await attempts.take(hub, db, TWICE, "somebody else") == 0


async def test_the_count_remembers_nobody(hub: ListeningHub) -> None:
    await registered(hub)
    await guess(hub)
    async with hub.pool.acquire() as db:
        kept = str(await db.fetch("SELECT a::text FROM attempts AS a"))
    assert "ana" not in kept
    assert "203.0.113" not in kept


async def test_without_rate_limits_nothing_is_counted(hub: ListeningHub) -> None:
    hub.settings = replace(hub.settings, rate_limits=False)
    await registered(hub)
    assert {await guess(hub) for _ in range(8)} == {"wrong_credentials"}
    async with hub.pool.acquire() as db:
        assert await attempts.take(hub, db, PASSWORDS, "anybody") == 0
        assert await db.fetchval("SELECT count(*) FROM attempts") == 0


async def test_what_nobody_can_try_any_more_is_forgotten(hub: ListeningHub) -> None:
    await registered(hub)
    await guess(hub)
    await housekeeping.forget(hub)
    kept = await count(hub, "SELECT count(*) FROM attempts"), await count(hub, "SELECT count(*) FROM codes")
    assert kept == (3, 1)
    await run(hub, "UPDATE attempts SET at = at - interval '26 hours'")
    await run(hub, "UPDATE codes SET made_at = made_at - interval '25 hours'")
    await housekeeping.forget(hub)
    assert await count(hub, "SELECT count(*) FROM attempts") == await count(hub, "SELECT count(*) FROM codes") == 0
