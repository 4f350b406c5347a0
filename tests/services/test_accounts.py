import asyncio
from dataclasses import replace

import orjson
import pytest

from hub import rooms
from hub.core import GUEST, THE_HUB
from hub.errors import EmailTaken, Forbidden, Invalid, Unauthenticated, WrongCredentials
from hub.models.users import ChangeMe, ListLogins, Tokens, User
from hub.services import accounts, logins
from tests.doors import PASSWORD, ListeningHub
from tests.identities import PHONE, actor_of, ask, count, log_in, registered, run


async def test_whoever_registers_is_logged_in_and_sees_themselves(hub: ListeningHub) -> None:
    answer = await registered(
        hub, phone="+855 12 345-678", language="km", currency="KHR", first_name="Ana", last_name="Reis"
    )
    assert answer.token_type == "Bearer"
    assert 899 <= answer.expires_in <= 900
    user = answer.user
    assert (user.email, user.full_name, user.first_name, user.last_name) == (
        "ana@example.org",
        "Ana Reis",
        "Ana",
        "Reis",
    )
    assert (user.phone, user.language, user.currency) == ("+85512345678", "km", "KHR")
    assert (user.roles, user.email_verified, user.phone_verified, user.loyalty_points) == (
        ["customer"],
        False,
        False,
        0,
    )
    assert "booking:create" in user.permissions
    actor = await actor_of(hub, answer)
    assert actor.user_id == user.id
    assert await accounts.me(hub, actor) == user


async def test_no_answer_holds_the_password_or_its_hash(hub: ListeningHub) -> None:
    answer = await registered(hub)
    assert PASSWORD not in answer.model_dump_json()
    assert "argon2" not in answer.model_dump_json()
    assert PASSWORD not in repr(ask()) + str(log_in()) + ask().model_dump_json()


async def test_the_database_keeps_neither_password_nor_refresh_token(hub: ListeningHub) -> None:
    answer = await registered(hub)
    token_id, _, secret = answer.refresh_token.partition(".")
    async with hub.pool.acquire() as db:
        kept = str(await db.fetch("SELECT u::text, t::text FROM users AS u, refresh_tokens AS t"))
    assert token_id in kept.replace("-", "")
    assert secret not in kept
    assert PASSWORD not in kept


@pytest.mark.parametrize("role", ["facilitator", "vendor"])
async def test_facilitators_and_vendors_may_make_venues_and_sessions(hub: ListeningHub, role: str) -> None:
    answer = await registered(hub, role=role, bio="I teach.", specialisation="Yoga")
    actor = await actor_of(hub, answer)
    assert actor.roles == {role}
    assert all(actor.may(right) for right in ("venue:create", "session:create", "room:create", "booking:create"))
    assert not actor.may("venue:update")
    assert (answer.user.bio, answer.user.specialisation) == ("I teach.", "Yoga")


async def test_where_facilitators_do_not_sign_up_by_themselves_they_are_told_whom_to_ask(hub: ListeningHub) -> None:
    hub.settings = replace(hub.settings, facilitator_signup=False)
    for role in ("facilitator", "vendor"):
        with pytest.raises(Forbidden):
            await registered(hub, role=role)
    await registered(hub)


@pytest.mark.abuse("D18")
async def test_an_address_has_one_account_however_it_is_written(hub: ListeningHub) -> None:
    await registered(hub, email="Ana.Reis@Example.ORG")
    for same in (
        "ana.reis@example.org",
        "  ANA.REIS@EXAMPLE.ORG ",
        "ana.reis\uff20example.org",
        "ana.\uff52eis@example.org",
    ):
        with pytest.raises(EmailTaken):
            await registered(hub, email=same)
    assert await count(hub, "SELECT count(*) FROM users") == 1
    await registered(hub, email="ana.reis+hub@example.org")


async def test_an_address_of_any_script_has_its_account(hub: ListeningHub) -> None:
    for email in (
        "søren@bücher.example",
        "ទេព@ខ្មែរ.example",
        "李明@例子.example",
        "ΟΔΥΣΣΕΥΣ@example.org",
        "İ@example.org",
    ):
        answer = await registered(hub, email=email)
        assert answer.user.email == email.lower()
        again = await accounts.log_in(hub, PHONE, log_in(email.upper()))
        assert again.user.id == answer.user.id


async def test_of_many_who_register_one_address_at_once_one_succeeds(hub: ListeningHub) -> None:
    outcomes = await asyncio.gather(*(registered(hub) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(outcome, Tokens) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, EmailTaken) for outcome in outcomes) == 19
    assert await count(hub, "SELECT count(*) FROM logins") == 1


async def test_a_weak_password_opens_no_account(hub: ListeningHub) -> None:
    for weak in ("password123", "short", "ana@example.org", "x" * 500):
        with pytest.raises(Invalid):
            await registered(hub, password=weak)
    assert await count(hub, "SELECT count(*) FROM users") == 0


async def test_the_hub_opens_accounts_of_any_role(hub: ListeningHub) -> None:
    person = await accounts.create_person(
        hub,
        email="Root@Example.org",
        full_name="Root",
        password=PASSWORD,
        roles=["super_admin", "vendor"],
        language="km",
    )
    assert (person.email, person.roles, person.language) == ("root@example.org", ["super_admin", "vendor"], "km")
    actor = await actor_of(hub, await accounts.log_in(hub, PHONE, log_in("root@example.org")))
    assert actor.rank == 100
    assert all(actor.may(right) for right in ("user:delete", "role:execute", "backup:execute", "restore:execute"))
    with pytest.raises(EmailTaken):
        await accounts.create_person(hub, email="root@example.org", full_name="Root")
    with pytest.raises(Invalid):
        await accounts.create_person(hub, email="other@example.org", full_name="Other", roles=["emperor"])
    assert await count(hub, "SELECT count(*) FROM users") == 1


async def test_an_account_without_a_password_cannot_be_logged_into_with_one(hub: ListeningHub) -> None:
    await accounts.create_person(hub, email="guest@example.org", full_name="Guest")
    for password in (PASSWORD, "", " "):
        with pytest.raises(WrongCredentials):
            await accounts.log_in(hub, PHONE, log_in("guest@example.org", password))


async def test_guests_and_the_hub_have_no_account_to_see_or_change(hub: ListeningHub) -> None:
    for nobody in (GUEST, THE_HUB):
        for refused in (
            accounts.me(hub, nobody),
            accounts.change_me(hub, nobody, ChangeMe()),
            logins.listed(hub, nobody, ListLogins()),
            logins.log_out_everywhere(hub, nobody),
        ):
            with pytest.raises(Unauthenticated):
                await refused


async def test_a_change_of_oneself_is_answered_and_told_to_oneself_only(hub: ListeningHub) -> None:
    answer = await registered(hub)
    actor = await actor_of(hub, answer)
    change = {
        "full_name": "  Ana María Reis ",
        "phone": "012 345 678",
        "birth_date": "1990-05-15",
        "gender": "female",
        "language": "zh",
        "currency": "JPY",
        "notification_choices": {"email": True, "sms": False, "booking.confirmed": True},
    }
    user = await accounts.change_me(hub, actor, ChangeMe.model_validate(change))
    assert (user.full_name, user.phone, user.language, user.currency) == ("Ana María Reis", "012345678", "zh", "JPY")
    assert user.notification_choices == {"email": True, "sms": False, "booking.confirmed": True}
    assert await accounts.me(hub, actor) == user
    (told,) = hub.told
    assert (told.room, told.name) == (rooms.user(user.id), "user.changed")
    assert User.model_validate(orjson.loads(told.data)) == user


async def test_what_is_not_sent_stays_and_null_empties(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub, phone="012345678", bio="Hello"))
    user = await accounts.change_me(hub, actor, ChangeMe.model_validate({"phone": None, "first_name": "Ana"}))
    assert (user.phone, user.bio, user.first_name, user.full_name) == (None, "Hello", "Ana", "Ana Reis")


async def test_a_change_of_nothing_is_told_to_nobody(hub: ListeningHub) -> None:
    answer = await registered(hub)
    actor = await actor_of(hub, answer)
    for nothing in ({}, {"full_name": "Ana Reis"}, {"phone": None}):
        assert await accounts.change_me(hub, actor, ChangeMe.model_validate(nothing)) == answer.user
    assert hub.told == []


async def test_another_telephone_number_has_yet_to_be_verified(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub, phone="012345678"))
    await run(hub, "UPDATE users SET phone_verified_at = clock_timestamp()")
    user = await accounts.change_me(hub, actor, ChangeMe.model_validate({"phone": "012 345 678", "gender": "x"}))
    assert user.phone_verified
    user = await accounts.change_me(hub, actor, ChangeMe.model_validate({"phone": "012345679"}))
    assert not user.phone_verified


async def test_changes_of_different_fields_at_once_are_all_kept(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub))
    changes = {"first_name": "A", "last_name": "B", "gender": "C", "bio": "D", "phone": "123456", "language": "km"}
    await asyncio.gather(
        *(accounts.change_me(hub, actor, ChangeMe.model_validate({name: value})) for name, value in changes.items())
    )
    user = await accounts.me(hub, actor)
    assert {name: getattr(user, name) for name in changes} == changes
    assert [told.version for told in hub.told] == sorted(told.version for told in hub.told)
    assert len(hub.told) == len(changes)


async def test_nobody_is_born_tomorrow(hub: ListeningHub) -> None:
    actor = await actor_of(hub, await registered(hub))
    with pytest.raises(Invalid):
        await accounts.change_me(hub, actor, ChangeMe.model_validate({"birth_date": "2199-01-01"}))
