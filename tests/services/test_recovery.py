import asyncio
import statistics
import time
from dataclasses import replace

import pytest

from hub.errors import Invalid, WrongCredentials
from hub.models.credentials import ChangePassword, ForgotPassword, ResetPassword
from hub.models.users import Tokens
from hub.services import accounts, credentials, recovery
from hub.services.codes import CodeGone
from tests.doors import PASSWORD, ListeningHub
from tests.identities import PHONE, actor_of, count, good, log_in, registered, run
from tests.mailbox import code_for, letters_to, link_for

ANA, NUMBER = "ana@example.org", "+85512345678"
NEXT = "another horse battery staple"


async def forgot(hub: ListeningHub, **ask: str) -> str:
    """Say that a password is forgotten, and answer what was answered."""
    given = ForgotPassword.model_validate(ask or {"email": ANA})
    return (await recovery.forgot(hub, PHONE, given)).model_dump_json()


async def reset(hub: ListeningHub, password: str = NEXT, **proof: str) -> None:
    """Choose a new password."""
    await recovery.reset(hub, PHONE, ResetPassword.model_validate({"password": password} | proof))


async def token_for(hub: ListeningHub, recipient: str = ANA) -> str:
    """Take the token out of the link in the newest letter."""
    return (await link_for(hub, recipient)).partition("#token=")[2]


async def test_a_link_sets_a_new_password_once_and_ends_every_login(hub: ListeningHub) -> None:
    answer = await registered(hub)
    await forgot(hub)
    link = await link_for(hub, ANA)
    assert link.startswith(f"{hub.settings.public_url}/reset-password#token=")
    token = link.partition("=")[2]
    assert len(token) == 43
    await reset(hub, token=token)
    assert await good(hub, answer) == set()
    with pytest.raises(WrongCredentials):
        await accounts.log_in(hub, PHONE, log_in())
    fresh = await accounts.log_in(hub, PHONE, log_in(password=NEXT))
    assert fresh.user.email_verified
    assert (await letters_to(hub, ANA))[0].subject == "Your password was changed"


async def test_a_code_does_the_same(hub: ListeningHub) -> None:
    answer = await registered(hub)
    await forgot(hub)
    await reset(hub, email=ANA, code=await code_for(hub, ANA))
    assert await good(hub, answer) == set()
    assert isinstance(await accounts.log_in(hub, PHONE, log_in(password=NEXT)), Tokens)


async def test_a_code_goes_by_sms_to_a_verified_number_only(hub: ListeningHub) -> None:
    await registered(hub, phone=NUMBER)
    await forgot(hub, phone=NUMBER, channel="sms")
    await forgot(hub, email=ANA, channel="sms")
    assert await letters_to(hub, NUMBER) == []
    await run(hub, "UPDATE users SET phone_verified_at = clock_timestamp()")
    await forgot(hub, phone=NUMBER, channel="sms")
    (letter,) = await letters_to(hub, NUMBER)
    assert "http" not in letter.text
    code = await code_for(hub, NUMBER)
    with pytest.raises(CodeGone):
        await reset(hub, phone="+85500000000", code=code)
    await reset(hub, phone=NUMBER, code=code)
    fresh = await accounts.log_in(hub, PHONE, log_in(password=NEXT))
    # A code on the telephone says nothing about the e-mail address.
    assert not fresh.user.email_verified


@pytest.mark.abuse("D2")
async def test_an_unknown_address_gets_the_same_answer_and_no_letter(hub: ListeningHub) -> None:
    await registered(hub)
    assert await forgot(hub) == await forgot(hub, email="nobody@example.org")
    assert await forgot(hub, phone=NUMBER, channel="sms") == await forgot(hub)
    assert await letters_to(hub, "nobody@example.org") == []
    refusals = []
    for email in (ANA, "nobody@example.org"):
        with pytest.raises(CodeGone) as refusal:
            await reset(hub, email=email, code="000000")
        refusals.append((refusal.value.sentence, refusal.value.details))
    assert refusals[0] == refusals[1]


@pytest.mark.abuse("D2")
async def test_an_unknown_address_takes_the_same_time(hub: ListeningHub) -> None:
    # Hashing must outweigh the rest, so that leaving it out would show.
    hub.settings = replace(hub.settings, password_memory_kb=1024)
    await registered(hub)
    asks = {f"{what} {email}": (what, email) for what in ("forgot", "reset") for email in (ANA, "nobody@example.org")}
    took: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(200):
        for name, (what, email) in asks.items():
            begun = time.perf_counter()
            if what == "forgot":
                await forgot(hub, email=email)
            else:
                with pytest.raises(CodeGone):
                    await reset(hub, email=email, code="000000")
            took[name].append(time.perf_counter() - begun)
    for what in ("forgot", "reset"):
        known, unknown = (statistics.median(took[f"{what} {email}"]) for email in (ANA, "nobody@example.org"))
        assert abs(known - unknown) < 0.005, what


@pytest.mark.abuse("D6")
async def test_who_asks_again_and_again_is_answered_and_sent_nothing(hub: ListeningHub) -> None:
    hub.settings = replace(hub.settings, rate_limits=True)
    await registered(hub)
    await run(hub, "DELETE FROM attempts")
    answers = await asyncio.gather(*(forgot(hub) for _ in range(50)))
    assert len(set(answers)) == 1
    assert len([one for one in await letters_to(hub, ANA) if one.subject == "Choose a new password"]) == 1


@pytest.mark.abuse("D6")
async def test_a_number_gets_no_more_when_it_is_asked_for_by_address_and_by_number(hub: ListeningHub) -> None:
    hub.settings = replace(hub.settings, rate_limits=True)
    await registered(hub, phone=NUMBER)
    await run(hub, "UPDATE users SET phone_verified_at = clock_timestamp()")
    await run(hub, "DELETE FROM attempts")
    await forgot(hub, phone=NUMBER, channel="sms")
    await forgot(hub, email=ANA, channel="sms")
    assert len(await letters_to(hub, NUMBER)) == 1


@pytest.mark.abuse("D8")
async def test_a_link_is_not_to_be_guessed_reused_or_used_after_a_newer_one_or_half_an_hour(hub: ListeningHub) -> None:
    await registered(hub)
    await forgot(hub)
    older = await token_for(hub)
    await forgot(hub)
    newer = await token_for(hub)
    assert older != newer
    for wrong in (older, newer[:-1], newer.swapcase(), "", "x" * 43, "\udcff"):
        with pytest.raises(CodeGone) as refusal:
            await reset(hub, token=wrong)
        assert refusal.value.status == 410
    await run(hub, "UPDATE codes SET link_expires_at = link_expires_at - interval '30 minutes'")
    with pytest.raises(CodeGone):
        await reset(hub, token=newer)
    await forgot(hub)
    token = await token_for(hub)
    await reset(hub, token=token)
    for again in (token, newer):
        with pytest.raises(CodeGone):
            await reset(hub, password="yet another horse battery", token=again)


@pytest.mark.abuse("D8")
async def test_the_link_voids_the_code_beside_it_and_the_other_way_round(hub: ListeningHub) -> None:
    await registered(hub)
    await forgot(hub)
    token, code = await token_for(hub), await code_for(hub, ANA)
    await reset(hub, token=token)
    with pytest.raises(CodeGone):
        await reset(hub, email=ANA, code=code)
    await forgot(hub)
    token, code = await token_for(hub), await code_for(hub, ANA)
    await reset(hub, email=ANA, code=code)
    with pytest.raises(CodeGone):
        await reset(hub, token=token)


@pytest.mark.abuse("D8")
async def test_of_many_who_use_one_link_at_once_one_succeeds(hub: ListeningHub) -> None:
    await registered(hub)
    await forgot(hub)
    token = await token_for(hub)
    passwords = [f"{NEXT} {number}" for number in range(20)]
    outcomes = await asyncio.gather(*(reset(hub, one, token=token) for one in passwords), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, CodeGone) for outcome in outcomes) == 19
    winner = passwords[outcomes.index(None)]
    assert isinstance(await accounts.log_in(hub, PHONE, log_in(password=winner)), Tokens)


@pytest.mark.abuse("D4")
async def test_of_a_hundred_guesses_at_the_code_at_once_five_are_judged(hub: ListeningHub) -> None:
    await registered(hub)
    await forgot(hub)
    code = await code_for(hub, ANA)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    outcomes = await asyncio.gather(*(reset(hub, email=ANA, code=wrong) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(one, CodeGone) for one in outcomes)
    assert await count(hub, "SELECT tries FROM codes WHERE purpose = 'reset_password'") == 5
    with pytest.raises(CodeGone):
        await reset(hub, email=ANA, code=code)
    assert isinstance(await accounts.log_in(hub, PHONE, log_in()), Tokens)


@pytest.mark.abuse("D5")
async def test_the_code_of_a_verification_sets_no_password(hub: ListeningHub) -> None:
    await registered(hub)
    code = await code_for(hub, ANA)
    with pytest.raises(CodeGone):
        await reset(hub, email=ANA, code=code)


@pytest.mark.abuse("D8")
async def test_a_new_password_or_address_voids_what_was_under_way(hub: ListeningHub) -> None:
    answer = await registered(hub)
    await forgot(hub)
    token = await token_for(hub)
    await run(hub, "UPDATE users SET status = 'suspended'")
    with pytest.raises(CodeGone):
        await reset(hub, email=ANA, code=await code_for(hub, ANA))
    await run(hub, "UPDATE users SET status = 'active'")

    ask = ChangePassword.model_validate({"current_password": PASSWORD, "password": NEXT})
    await credentials.change_password(hub, await actor_of(hub, answer), ask)
    with pytest.raises(CodeGone):
        await reset(hub, token=token)


async def test_a_weak_password_spends_neither_link_nor_code(hub: ListeningHub) -> None:
    await registered(hub)
    await forgot(hub)
    token = await token_for(hub)
    for weak in ("short", "password123", ANA):
        with pytest.raises(Invalid):
            await reset(hub, password=weak, token=token)
    await reset(hub, token=token)


async def test_who_is_suspended_or_gone_is_sent_nothing(hub: ListeningHub) -> None:
    await registered(hub)
    before = len(await letters_to(hub, ANA))
    for status in ("suspended", "deleted"):
        await run(hub, "UPDATE users SET status = $1", status)
        await forgot(hub)
    assert len(await letters_to(hub, ANA)) == before


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"code": "123456"},
        {"email": ANA},
        {"email": ANA, "phone": NUMBER, "code": "123456"},
        {"token": "x", "email": ANA},
        {"token": "x", "code": "123456"},
    ],
)
async def test_there_is_exactly_one_proof(hub: ListeningHub, proof: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        await reset(hub, **proof)
    for both in ({"channel": "email"}, {"email": ANA, "phone": NUMBER}):
        with pytest.raises(Invalid):
            await forgot(hub, **both)
