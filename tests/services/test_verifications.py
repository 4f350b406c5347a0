import asyncio
from dataclasses import replace

import pytest

from hub import rooms
from hub.core import Actor
from hub.errors import Conflict, Invalid, Unavailable
from hub.models.users import ChangeMe, User
from hub.models.verifications import AskVerification, Channel, CheckVerification
from hub.services import accounts, codes, verifications
from hub.services.codes import CodeGone
from tests.doors import ListeningHub
from tests.identities import actor_of, count, registered, run
from tests.mailbox import code_for, letters_to

ANA, NUMBER = "ana@example.org", "+85512345678"


def ask(channel: Channel = "email") -> AskVerification:
    """Ask for a code."""
    return AskVerification(channel=channel)


async def check(hub: ListeningHub, actor: Actor, code: str, channel: Channel = "email") -> User:
    """Bring a code back."""
    return await verifications.check(hub, actor, CheckVerification.model_validate({"channel": channel, "code": code}))


def other_than(code: str) -> str:
    """Make up another code."""
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_whoever_signs_up_is_sent_a_code_that_verifies_their_address(hub: ListeningHub) -> None:
    answer = await registered(hub)
    assert not answer.user.email_verified
    user = await check(hub, await actor_of(hub, answer), await code_for(hub, ANA))
    assert user.email_verified
    assert hub.names(rooms.user(user.id)) == ["user.changed"]
    with pytest.raises(verifications.AlreadyVerified):
        await verifications.ask(hub, await actor_of(hub, answer), ask())


async def test_a_number_is_verified_by_sms(hub: ListeningHub) -> None:
    answer = await registered(hub, phone=NUMBER)
    actor = await actor_of(hub, answer)
    sent = await verifications.ask(hub, actor, ask("phone"))
    assert (sent.to, sent.expires_in) == ("+8551***678", 600)
    user = await check(hub, actor, await code_for(hub, NUMBER), "phone")
    assert user.phone_verified
    assert not user.email_verified


async def test_without_a_number_there_is_nothing_to_verify(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub))
    with pytest.raises(Invalid):
        await verifications.ask(hub, actor, ask("phone"))


async def test_a_number_speaks_for_whoever_proved_it_last(hub: ListeningHub) -> None:
    ana, ben = await registered(hub, phone=NUMBER), await registered(hub, email="ben@example.org", phone=NUMBER)
    for one in (ana, ben):
        actor = await actor_of(hub, one)
        await verifications.ask(hub, actor, ask("phone"))
        await check(hub, actor, await code_for(hub, NUMBER), "phone")
    assert not (await accounts.me(hub, await actor_of(hub, ana))).phone_verified
    assert (await accounts.me(hub, await actor_of(hub, ben))).phone_verified


async def test_of_two_who_prove_one_number_at_once_one_has_it(hub: ListeningHub) -> None:
    people = [await registered(hub, email=f"{name}@example.org", phone=NUMBER) for name in ("ana", "ben")]
    actors = [await actor_of(hub, one) for one in people]
    brought = []
    for actor in actors:
        await verifications.ask(hub, actor, ask("phone"))
        brought.append(await code_for(hub, NUMBER))
    outcomes = await asyncio.gather(
        *(check(hub, actor, code, "phone") for actor, code in zip(actors, brought, strict=True)), return_exceptions=True
    )
    assert all(isinstance(one, User | Conflict | Unavailable) for one in outcomes), outcomes
    assert await count(hub, "SELECT count(*) FROM users WHERE phone_verified_at IS NOT NULL") == 1


async def test_another_number_has_yet_to_be_verified_and_the_code_of_the_old_one_does_not(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub, phone=NUMBER))
    await verifications.ask(hub, actor, ask("phone"))
    code = await code_for(hub, NUMBER)
    await accounts.change_me(hub, actor, ChangeMe.model_validate({"phone": "+85598765432"}))
    with pytest.raises(CodeGone):
        await check(hub, actor, code, "phone")
    assert not (await accounts.me(hub, actor)).phone_verified


@pytest.mark.abuse("D5")
async def test_a_code_works_once(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub))
    code = await code_for(hub, ANA)
    await check(hub, actor, code)
    await run(hub, "UPDATE users SET email_verified_at = NULL")
    with pytest.raises(CodeGone) as refusal:
        await check(hub, actor, code)
    assert refusal.value.status == 410


@pytest.mark.abuse("D5")
async def test_a_code_is_for_one_purpose_of_one_account(hub: ListeningHub) -> None:
    ana, ben = await registered(hub, phone=NUMBER), await registered(hub, email="ben@example.org")
    await verifications.ask(hub, await actor_of(hub, ana), ask("phone"))
    for_phone, for_mail = await code_for(hub, NUMBER), await code_for(hub, ANA)
    assert for_phone != for_mail
    for actor, code, channel in (
        (await actor_of(hub, ana), for_phone, "email"),
        (await actor_of(hub, ana), for_mail, "phone"),
        (await actor_of(hub, ben), for_mail, "email"),
    ):
        with pytest.raises(CodeGone):
            await check(hub, actor, code, channel)


@pytest.mark.abuse("D4")
async def test_of_a_hundred_tries_at_once_five_are_judged(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub))
    code = await code_for(hub, ANA)
    tries = await asyncio.gather(*(check(hub, actor, other_than(code)) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(one, CodeGone) for one in tries)
    assert sorted(one.details["tries_left"] for one in tries if isinstance(one, CodeGone)) == [0] * 96 + [1, 2, 3, 4]
    assert await count(hub, "SELECT tries FROM codes") == 5
    with pytest.raises(CodeGone):
        await check(hub, actor, code)


@pytest.mark.abuse("D4")
async def test_of_a_hundred_who_bring_the_right_code_at_once_one_succeeds(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub))
    code = await code_for(hub, ANA)
    tries = await asyncio.gather(*(check(hub, actor, code) for _ in range(100)), return_exceptions=True)
    assert sum(isinstance(one, User) for one in tries) == 1


async def test_a_code_is_good_for_ten_minutes_and_a_newer_one_voids_it(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub))
    first = await code_for(hub, ANA)
    await verifications.ask(hub, actor, ask())
    second = await code_for(hub, ANA)
    if first != second:
        with pytest.raises(CodeGone):
            await check(hub, actor, first)
    await run(hub, "UPDATE codes SET code_expires_at = code_expires_at - interval '10 minutes'")
    with pytest.raises(CodeGone):
        await check(hub, actor, second)


@pytest.mark.abuse("D6")
async def test_nobody_is_sent_more_than_one_code_a_minute_five_an_hour_and_ten_a_day(hub: ListeningHub) -> None:
    hub.settings = replace(hub.settings, rate_limits=True)
    actor = await actor_of(hub, await registered(hub))
    answers = set()
    sent = []
    # Signing up has sent the first; then twelve times as often as allowed.
    for hours in (0, *[1] * 30):
        for minutes in (0, 2, 2, 2, 2, 2):
            await run(
                hub,
                "UPDATE attempts SET at = at - make_interval(hours => $1, mins => $2)",
                hours * (minutes == 0),
                minutes,
            )
            answers.add((await verifications.ask(hub, actor, ask())).model_dump_json())
            sent.append(len(await letters_to(hub, ANA)))
        if hours == 0:
            # One for signing up, none in the same minute, and then four: that makes five in an hour.
            assert sent == [1, 2, 3, 4, 5, 5]
    assert len(answers) == 1
    # 31 hours of asking: never more than ten in 24 of them.
    assert 10 < len(await letters_to(hub, ANA)) <= 20


@pytest.mark.abuse("D6")
async def test_of_many_who_ask_at_once_one_is_sent_a_code(hub: ListeningHub) -> None:
    hub.settings = replace(hub.settings, rate_limits=True)
    actor = await actor_of(hub, await registered(hub, phone=NUMBER))
    answers = await asyncio.gather(*(verifications.ask(hub, actor, ask("phone")) for _ in range(30)))
    assert len(set(answers)) == 1
    assert len(await letters_to(hub, NUMBER)) == 1


async def test_neither_code_nor_address_is_readable_in_the_table_or_in_what_is_answered(hub: ListeningHub) -> None:
    answer = await registered(hub)
    code = await code_for(hub, ANA)
    async with hub.pool.acquire() as db:
        assert code not in str(await db.fetch("SELECT code_hash, link_hash FROM codes"))
    sent = await verifications.ask(hub, await actor_of(hub, answer), ask())
    assert ANA not in sent.model_dump_json()


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("ana@example.org", "a***@example.org"),
        ("a@b.co", "a***@b.co"),
        ("+85512345678", "+8551***678"),
        ("123456", "***56"),
    ],
)
def test_an_address_is_shown_only_as_far_as_its_owner_needs(target: str, shown: str) -> None:
    assert codes.masked(target) == shown


def test_codes_are_drawn_from_all_there_are() -> None:
    drawn = {codes.draw() for _ in range(2000)}
    assert len(drawn) > 1900
    assert all(len(code) == 6 and code.isdigit() for code in drawn)
    assert len({codes.draw_link() for _ in range(100)}) == 100
    assert len(codes.draw_link()) == 43
