"""A super admin acts for somebody: marked, for a short while, and never where only they themselves may."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from handlers.table import table
from hub import tokens
from hub.core import THE_HUB, Actor
from hub.errors import Conflict, Forbidden, NotFound, NotInPerson, Unauthenticated
from hub.models.people import Acting, NamePerson, SetRoles, SuspendPerson
from hub.models.users import ListLogins, NameLogin
from hub.services import access, accounts, impersonation, logins
from hub.services import people as administration
from hub.services.totp import SecondFactorRequired
from tests.builders import make_user
from tests.doors import ListeningHub, People, Person


@pytest.fixture
async def boss(people: People) -> Person:
    """Give a test a super admin who is logged in."""
    return await people.admin("Sue Super", "super_admin")


async def act(hub: ListeningHub, boss: Person, user_id: int) -> Acting:
    """Begin to act for somebody."""
    return await impersonation.begin(hub, boss.actor, NamePerson(user_id=user_id))


async def test_a_super_admin_acts_for_somebody_and_the_token_says_so(
    hub: ListeningHub, people: People, boss: Person
) -> None:
    person = await people.customer()
    acting = await act(hub, boss, person.id)
    claims = tokens.read_access(hub.settings, hub.clock.now(), acting.access_token)
    assert (claims.user_id, claims.act and claims.act.sub) == (person.id, str(boss.id))
    assert acting.expires_in == pytest.approx(15 * 60, abs=2)
    assert (acting.user.id, acting.impersonator_id) == (person.id, boss.id)
    assert "refresh_token" not in Acting.model_fields
    actor = await accounts.actor_of(hub, acting.access_token)
    assert (actor.user_id, actor.impersonator_id, actor.roles) == (person.id, boss.id, {"customer"})
    assert (await accounts.me(hub, actor)).email == person.email
    assert (await accounts.actor_of(hub, person.token)).impersonator_id is None


@pytest.mark.abuse("C7")
async def test_what_is_done_in_somebodys_name_is_recorded_with_both(
    hub: ListeningHub, people: People, boss: Person
) -> None:
    person = await people.customer()
    actor = await accounts.actor_of(hub, (await act(hub, boss, person.id)).access_token)
    async with hub.work(actor) as work:
        assert (work.author.user_id, work.author.impersonator_id) == (person.id, boss.id)


async def test_the_person_sees_the_support_among_their_devices_and_can_end_it(
    hub: ListeningHub, people: People, boss: Person
) -> None:
    person = await people.customer()
    acting = await act(hub, boss, person.id)
    listed = (await logins.listed(hub, person.actor, ListLogins())).items
    support = next(one for one in listed if one.device.startswith("Support"))
    await logins.end(hub, person.actor, NameLogin(login_id=support.id))
    with pytest.raises(Unauthenticated):
        await accounts.actor_of(hub, acting.access_token)


@pytest.mark.parametrize("role", ["facilitator", "vendor", "admin"])
async def test_only_super_admins_act_for_others(hub: ListeningHub, people: People, role: str) -> None:
    actor = (await people.admin("Al Most", role)).actor
    person = await people.customer("Ana Other")
    with pytest.raises(Forbidden):
        await impersonation.begin(hub, actor, NamePerson(user_id=person.id))
    # Neither does the permission alone make one.
    with_right = replace(actor, permissions=actor.permissions | {"role:execute"})
    with pytest.raises(Forbidden):
        await impersonation.begin(hub, with_right, NamePerson(user_id=person.id))


async def test_nobody_acts_for_super_admins_the_suspended_the_gone_or_themselves(
    hub: ListeningHub, people: People, boss: Person
) -> None:
    other = await make_user(hub, "super_admin")
    for user_id in (other.id, boss.id):
        with pytest.raises(Forbidden):
            await act(hub, boss, user_id)
    suspended, gone = await make_user(hub, status="suspended"), await make_user(hub)
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE users SET status = 'deleted' WHERE id = $1", gone.id)
    with pytest.raises(Conflict):
        await act(hub, boss, suspended.id)
    with pytest.raises(NotFound):
        await act(hub, boss, gone.id)
    with pytest.raises(Unauthenticated):
        await impersonation.begin(hub, THE_HUB, NamePerson(user_id=gone.id))


async def test_nobody_acts_through_somebody_they_act_for(hub: ListeningHub, people: People, boss: Person) -> None:
    admin, person = await people.admin(), await people.customer()
    actor = await accounts.actor_of(hub, (await act(hub, boss, admin.id)).access_token)
    with pytest.raises(NotInPerson):
        await impersonation.begin(hub, actor, NamePerson(user_id=person.id))


async def test_whoever_acts_for_an_admin_needs_no_second_factor_of_theirs(
    hub: ListeningHub, people: People, boss: Person
) -> None:
    admin = await people.admin()
    acting = await act(hub, boss, admin.id)
    hub.settings = replace(hub.settings, admin_totp=True)
    assert (await accounts.actor_of(hub, acting.access_token)).user_id == admin.id
    with pytest.raises(SecondFactorRequired):
        await accounts.actor_of(hub, admin.token)
    # Nor do they get any further than with their own.
    with pytest.raises(SecondFactorRequired):
        await accounts.actor_of(hub, boss.token)


@pytest.mark.abuse("C7", "C11")
@pytest.mark.parametrize("how", ["logs out", "is demoted", "is suspended", "target leaves", "target is suspended"])
async def test_it_ends_with_the_right_and_the_login_of_whoever_acts(
    how: str, hub: ListeningHub, people: People, boss: Person
) -> None:
    other, person = await people.admin("Otto Other", "super_admin"), await people.customer()
    acting = await act(hub, boss, person.id)
    actor = await accounts.actor_of(hub, acting.access_token)
    revoked: set[int] = set()
    hub.revoke = revoked.update
    if how == "logs out":
        await logins.log_out(hub, boss.actor)
    elif how == "is demoted":
        await administration.set_roles(hub, other.actor, SetRoles(user_id=boss.id, roles=["admin"]))
        assert revoked == {boss.id, person.id}
    elif how == "is suspended":
        await administration.suspend(hub, other.actor, SuspendPerson(user_id=boss.id, reason="left"))
        assert revoked == {boss.id, person.id}
    elif how == "target leaves":
        await logins.log_out_everywhere(hub, person.actor)
    else:
        await administration.suspend(hub, boss.actor, SuspendPerson(user_id=person.id, reason="chair"))
    assert actor.impersonator_id == boss.id
    with pytest.raises(Unauthenticated):
        await accounts.actor_of(hub, acting.access_token)


async def test_a_token_that_names_another_impersonator_than_the_login_is_refused(
    hub: ListeningHub, people: People, boss: Person
) -> None:
    other, person = await people.admin("Otto Other", "super_admin"), await people.customer()
    acting = await act(hub, boss, person.id)
    claims = tokens.read_access(hub.settings, hub.clock.now(), acting.access_token)

    def issue(login_id: Any, by: int | None) -> str:
        token, _ = tokens.issue_access(
            hub.settings,
            hub.clock.now(),
            user_id=person.id,
            login_id=login_id,
            version=claims.ver,
            roles=claims.roles,
            impersonator_id=by,
        )
        return token

    for forged in (issue(claims.login_id, other.id), issue(UUID(person.actor.login_id or ""), boss.id)):
        with pytest.raises(Unauthenticated):
            await accounts.actor_of(hub, forged)


IN_PERSON = {
    "bookings.make",
    "bookings.cancel",
    "bookings.reschedule",
    "holds.confirm",
    "sessions.cancel",
    "users.impersonate",
}


def test_money_how_one_logs_in_and_ones_data_as_a_whole_are_done_in_person() -> None:
    declared = {one.name for one in table().values() if one.in_person}
    subjects = ("payments", "refunds", "wallets", "payouts", "invoices")
    words = ("password", "email", "totp", "second_factor", "verif", "erase", "export", "identit", "link")
    wanted = IN_PERSON | {
        one.name
        for one in table().values()
        if one.method != "GET"
        and (one.subject in subjects or (one.subject == "me" and any(word in one.path for word in words)))
    }
    assert wanted - declared == set()


def test_whoever_acts_for_somebody_is_refused_there() -> None:
    with pytest.raises(NotInPerson):
        access.in_person(Actor(1, impersonator_id=2))
    access.in_person(Actor(1))
