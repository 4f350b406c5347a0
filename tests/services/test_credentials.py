import asyncio
from dataclasses import replace

import pytest

from hub import rooms
from hub.errors import EmailTaken, HubError, Invalid, WrongCredentials
from hub.models.credentials import ChangeEmail, ChangePassword, ConfirmEmail
from hub.models.users import Tokens, User
from hub.services import accounts, credentials
from hub.services.attempts import TooManyTries
from hub.services.codes import CodeGone
from hub.services.reauthentication import WrongPassword
from tests.doors import PASSWORD, ListeningHub
from tests.identities import BOTH, PHONE, actor_of, count, good, log_in, registered, run
from tests.mailbox import code_for, letters_to

ANA, NEW = "ana@example.org", "ana.reis@example.com"
NEXT = "another horse battery staple"


def change(current: str = PASSWORD, new: str = NEXT) -> ChangePassword:
    """Ask for another password."""
    return ChangePassword.model_validate({"current_password": current, "password": new})


def change_email(email: str = NEW, password: str = PASSWORD) -> ChangeEmail:
    """Ask for another e-mail address."""
    return ChangeEmail.model_validate({"email": email, "password": password})


def confirm(code: str) -> ConfirmEmail:
    """Bring the code of the new address back."""
    return ConfirmEmail.model_validate({"code": code})


async def subjects(hub: ListeningHub, recipient: str) -> list[str]:
    """List what somebody was written."""
    return [letter.subject for letter in await letters_to(hub, recipient)]


@pytest.mark.abuse("C7")
async def test_a_new_password_ends_every_login_and_begins_one(hub: ListeningHub) -> None:
    phone = await registered(hub)
    laptop = await accounts.log_in(hub, PHONE, log_in())
    ben = await registered(hub, email="ben@example.org")
    fresh = await credentials.change_password(hub, await actor_of(hub, phone), change())
    assert await good(hub, phone) == await good(hub, laptop) == set()
    assert await good(hub, fresh) == await good(hub, ben) == BOTH
    with pytest.raises(WrongCredentials):
        await accounts.log_in(hub, PHONE, log_in())
    assert isinstance(await accounts.log_in(hub, PHONE, log_in(password=NEXT)), Tokens)
    assert "Your password was changed" in await subjects(hub, ANA)


async def test_sockets_are_looked_at_when_a_login_ends(hub: ListeningHub) -> None:
    revoked: list[int] = []
    hub.revoke = revoked.extend
    answer = await registered(hub)
    await credentials.change_password(hub, await actor_of(hub, answer), change())
    assert revoked == [answer.user.id]


async def test_without_the_old_password_there_is_no_new_one(hub: ListeningHub) -> None:
    answer = await registered(hub)
    for given in (change(current=NEXT), change(current="")):
        with pytest.raises(WrongPassword) as refusal:
            await credentials.change_password(hub, await actor_of(hub, answer), given)
        assert refusal.value.status == 403
    for weak in ("short", ANA, "password123"):
        with pytest.raises(Invalid):
            await credentials.change_password(hub, await actor_of(hub, answer), change(new=weak))
    assert await good(hub, answer) == BOTH


@pytest.mark.abuse("D1")
async def test_a_stolen_device_cannot_guess_the_password_either(hub: ListeningHub) -> None:
    hub.settings = replace(hub.settings, rate_limits=True)
    actor = replace(await actor_of(hub, await registered(hub)), address="203.0.113.7")
    tries = await asyncio.gather(
        *(credentials.change_password(hub, actor, change(current="wrong horse battery")) for _ in range(30)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, WrongPassword) for one in tries) == 5
    assert sum(isinstance(one, TooManyTries) for one in tries) == 25
    # It is the same count as for logging in.
    with pytest.raises(TooManyTries):
        await accounts.log_in(hub, PHONE, log_in())


async def test_a_log_in_under_way_does_not_outlive_the_password_it_was_judged_by(hub: ListeningHub) -> None:
    answer = await registered(hub)
    actor = await actor_of(hub, answer)
    under_way = [asyncio.ensure_future(accounts.log_in(hub, PHONE, log_in())) for _ in range(10)]
    changed = asyncio.ensure_future(credentials.change_password(hub, actor, change()))
    outcomes = await asyncio.gather(*under_way, return_exceptions=True)
    assert await good(hub, await changed) == BOTH
    for outcome in outcomes:
        if isinstance(outcome, Tokens):
            assert await good(hub, outcome) == set()
        else:
            assert isinstance(outcome, WrongCredentials)


async def test_an_e_mail_address_changes_once_its_code_has_come_back(hub: ListeningHub) -> None:
    answer = await registered(hub)
    actor = await actor_of(hub, answer)
    sent = await credentials.change_email(hub, actor, change_email(" Ana.Reis@Example.COM "))
    assert sent.to == "a***@example.com"
    assert (await accounts.me(hub, actor)).email == ANA
    user = await credentials.confirm_email(hub, actor, confirm(await code_for(hub, NEW)))
    assert (user.email, user.email_verified) == (NEW, True)
    assert hub.names(rooms.user(user.id)) == ["user.changed"]
    assert "Your e-mail address was changed" in await subjects(hub, ANA)
    (told,) = [one for one in await letters_to(hub, ANA) if one.subject == "Your e-mail address was changed"]
    assert NEW not in told.text
    assert isinstance(await accounts.log_in(hub, PHONE, log_in(NEW)), Tokens)
    with pytest.raises(WrongCredentials):
        await accounts.log_in(hub, PHONE, log_in())


async def test_an_e_mail_address_needs_the_password_and_a_good_code(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub))
    with pytest.raises(WrongPassword):
        await credentials.change_email(hub, actor, change_email(password="wrong horse battery"))
    assert await subjects(hub, NEW) == []
    with pytest.raises(credentials.SameEmail):
        await credentials.change_email(hub, actor, change_email(ANA))
    await credentials.change_email(hub, actor, change_email())
    code = await code_for(hub, NEW)
    with pytest.raises(CodeGone):
        await credentials.confirm_email(hub, actor, confirm(await code_for(hub, ANA)))
    await credentials.confirm_email(hub, actor, confirm(code))
    with pytest.raises(CodeGone):
        await credentials.confirm_email(hub, actor, confirm(code))


@pytest.mark.abuse("D5")
async def test_only_whoever_asked_can_bring_the_code_of_a_new_address(hub: ListeningHub) -> None:
    ana, ben = await registered(hub), await registered(hub, email="ben@example.org")
    await credentials.change_email(hub, await actor_of(hub, ana), change_email())
    with pytest.raises(CodeGone):
        await credentials.confirm_email(hub, await actor_of(hub, ben), confirm(await code_for(hub, NEW)))


@pytest.mark.abuse("D2")
async def test_nobody_learns_whether_an_address_has_an_account_by_changing_to_it(hub: ListeningHub) -> None:
    ana, ben = await registered(hub), await registered(hub, email="ben@example.com")
    actor = await actor_of(hub, ana)
    free = await credentials.change_email(hub, actor, change_email("abc@example.com"))
    taken = await credentials.change_email(hub, actor, change_email(ben.user.email))
    assert replace_local(free.model_dump()) == replace_local(taken.model_dump())
    assert (await letters_to(hub, ben.user.email))[0].subject == "Your e-mail address has an account already"
    with pytest.raises(CodeGone):
        await credentials.confirm_email(hub, actor, confirm(await code_for(hub, "abc@example.com")))


def replace_local(sent: dict[str, object]) -> dict[str, object]:
    """Leave out the one letter that differs because the addresses do."""
    return sent | {"to": str(sent["to"])[1:]}


async def test_of_two_who_change_to_one_address_at_once_one_has_it(hub: ListeningHub) -> None:
    people = [await registered(hub, email=f"{name}@example.org") for name in ("ana", "ben")]
    actors = [await actor_of(hub, one) for one in people]
    codes = []
    for actor in actors:
        await credentials.change_email(hub, actor, change_email())
        codes.append(await code_for(hub, NEW))
    outcomes = await asyncio.gather(
        *(credentials.confirm_email(hub, actor, confirm(code)) for actor, code in zip(actors, codes, strict=True)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, User) for one in outcomes) == 1
    assert sum(isinstance(one, EmailTaken) for one in outcomes) == 1


async def test_who_acts_as_somebody_changes_neither_password_nor_address(hub: ListeningHub) -> None:
    answer = await registered(hub)
    actor = replace(await actor_of(hub, answer), impersonator_id=99)
    for attempt in (
        credentials.change_password(hub, actor, change()),
        credentials.change_email(hub, actor, change_email()),
        credentials.confirm_email(hub, actor, confirm("123456")),
    ):
        with pytest.raises(HubError) as refusal:
            await attempt
        assert refusal.value.status == 403


async def test_an_account_without_password_gets_its_first_one_by_mail_only(hub: ListeningHub) -> None:
    answer = await registered(hub)
    await run(hub, "UPDATE users SET password_hash = NULL")
    with pytest.raises(WrongPassword):
        await credentials.change_password(hub, await actor_of(hub, answer), change(current=""))
    assert await count(hub, "SELECT count(*) FROM users WHERE password_hash IS NULL") == 1
