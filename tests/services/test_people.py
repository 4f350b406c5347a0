"""The administration of accounts: found, opened, changed, suspended, by those who stand above them."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from hub.core import GUEST, THE_HUB, Actor
from hub.errors import Conflict, EmailTaken, Forbidden, HubError, Invalid, NotFound, Unauthenticated
from hub.models.people import (
    ChangePerson,
    CreatePerson,
    ListPeople,
    NamePerson,
    Person,
    SetRoles,
    SuspendPerson,
)
from hub.models.roles import CreateRole
from hub.models.users import LogIn
from hub.services import accounts, roles
from hub.services import people as administration
from hub.services.people import LastSuperAdmin
from tests.builders import make_actor, make_booking, make_room, make_room_type, make_user, make_venue, slot, tomorrow
from tests.doors import PASSWORD, ListeningHub, People
from tests.world import refusal


@pytest.fixture
async def boss(hub: ListeningHub) -> Actor:
    """Give a test a super admin."""
    return await make_actor(hub, "super_admin")


@pytest.fixture
async def admin(hub: ListeningHub) -> Actor:
    """Give a test an admin."""
    return await make_actor(hub, "admin")


async def give(hub: ListeningHub, actor: Actor, user_id: int, *codes: str) -> Person:
    """Say which roles somebody has."""
    return await administration.set_roles(hub, actor, SetRoles(user_id=user_id, roles=list(codes)))


async def names(hub: ListeningHub, actor: Actor, **filters: Any) -> list[str]:
    """Name whom a search finds."""
    page = await administration.listed(hub, actor, ListPeople(**filters))
    return [person.full_name for person in page.items]


async def mails(hub: ListeningHub, to: str) -> list[Any]:
    """List what was enqueued as mail to an address."""
    async with hub.pool.acquire() as db:
        rows = await db.fetch("SELECT data FROM jobs WHERE kind = 'mail' AND data->>'to' = $1 ORDER BY id", to)
    return [row["data"] if isinstance(row["data"], dict) else orjson.loads(row["data"]) for row in rows]


async def test_people_are_listed_searched_and_sorted(hub: ListeningHub, admin: Actor) -> None:
    await make_user(hub, full_name="Zoe 100% Sure", email="zoe@example.org")
    await make_user(hub, "vendor", full_name="Vera Lopes", email="first@example.org", phone="+351912345678")
    gone = await make_user(hub, full_name="Gone Away")
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE users SET status = 'deleted' WHERE id = $1", gone.id)
    assert (await names(hub, admin))[:2] == ["Vera Lopes", "Zoe 100% Sure"]
    assert await names(hub, admin, q="ZOE") == ["Zoe 100% Sure"]
    assert await names(hub, admin, q="100%") == ["Zoe 100% Sure"]
    assert await names(hub, admin, q="first@") == await names(hub, admin, q="91234") == ["Vera Lopes"]
    assert await names(hub, admin, role="vendor") == ["Vera Lopes"]
    assert await names(hub, admin, sort="email", role="customer") == ["Zoe 100% Sure"]
    assert await names(hub, admin, status="suspended") == []
    assert "Gone Away" not in await names(hub, admin)
    page = await administration.listed(hub, admin, ListPeople(per_page=1, page=2, sort="oldest"))
    assert (page.meta.total_items, page.meta.total_pages, len(page.items)) == (3, 3, 1)
    with pytest.raises(NotFound):
        await administration.read(hub, admin, NamePerson(user_id=gone.id))


async def test_an_admin_opens_accounts_below_their_own_rank_and_the_person_is_told(
    hub: ListeningHub, admin: Actor, boss: Actor
) -> None:
    ask = CreatePerson(email="New@Example.org", full_name="Nina New", roles=["vendor", "customer"], language="km")
    made = await administration.create(hub, admin, ask)
    assert (made.email, made.roles, made.rank, made.status) == ("new@example.org", ["vendor", "customer"], 20, "active")
    told = await mails(hub, made.email)
    assert [(mail["template"], mail["language"]) for mail in told] == [("account_opened", "km")]
    assert isinstance(
        await refusal(accounts.log_in(hub, Actor(), LogIn(email=made.email, password=PASSWORD))), HubError
    )
    with pytest.raises(EmailTaken):
        await administration.create(hub, admin, ask)
    with pytest.raises(Invalid):
        await administration.create(hub, admin, CreatePerson(email="x@example.org", full_name="X", roles=["king"]))
    weak = CreatePerson(email="x@example.org", full_name="X", password="short")
    with pytest.raises(Invalid):
        await administration.create(hub, admin, weak)


@pytest.mark.abuse("B7")
async def test_admin_accounts_are_opened_by_super_admins_and_super_admins_by_nobody(
    hub: ListeningHub, admin: Actor, boss: Actor
) -> None:
    ask = CreatePerson(email="second@example.org", full_name="Second", roles=["admin"], password=PASSWORD)
    for actor in (admin, await make_actor(hub, "vendor"), await make_actor(hub)):
        with pytest.raises(Forbidden):
            await administration.create(hub, actor, ask)
    made = await administration.create(hub, boss, ask)
    assert made.roles == ["admin"]
    second = await accounts.actor_of(hub, (await _log_in(hub, made.email)).access_token)
    assert second.may("user:read")
    top = CreatePerson(email="third@example.org", full_name="Third", roles=["super_admin"])
    for actor in (admin, boss):
        with pytest.raises(Forbidden):
            await administration.create(hub, actor, top)
        with pytest.raises(Forbidden):
            await give(hub, actor, (await make_user(hub)).id, "super_admin")


async def test_whoever_grants_more_than_anybody_may_choose_needs_the_right_to(
    hub: ListeningHub, admin: Actor, boss: Actor
) -> None:
    await roles.create(hub, boss, CreateRole(name="Night desk", rank=30, permissions=["booking:read"]))
    await roles.create(hub, boss, CreateRole(name="Keeper", rank=70, permissions=["role:create", "user:update"]))
    person = await make_user(hub)
    with pytest.raises(Forbidden):
        await give(hub, admin, person.id, "night_desk")
    assert (await give(hub, boss, person.id, "night_desk", "vendor")).roles == ["night_desk", "vendor"]
    keeper_id = (await make_user(hub)).id
    await give(hub, boss, keeper_id, "keeper")
    keeper = Actor(keeper_id, frozenset({"keeper"}), frozenset({"role:create", "user:update"}), rank=70)
    other = await make_user(hub)
    # It allows what the keeper may not do, so it cannot be handed on.
    with pytest.raises(Forbidden, match="booking:read"):
        await give(hub, keeper, other.id, "night_desk")
    assert (await give(hub, keeper, other.id, "facilitator")).roles == ["facilitator"]


async def test_nobody_changes_who_stands_as_high_as_they_do(hub: ListeningHub, admin: Actor, boss: Actor) -> None:
    peer, low = await make_user(hub, "admin"), await make_user(hub)
    boss_id = boss.user_id or 0
    for user_id in (peer.id, boss_id, admin.user_id or 0):
        for act in (
            administration.change(hub, admin, ChangePerson(user_id=user_id, full_name="Changed")),
            administration.suspend(hub, admin, SuspendPerson(user_id=user_id, reason="no")),
            administration.reinstate(hub, admin, NamePerson(user_id=user_id)),
            administration.delete(hub, admin, NamePerson(user_id=user_id)),
            give(hub, admin, user_id, "customer"),
        ):
            assert isinstance(await refusal(act), (Forbidden, LastSuperAdmin))
    with pytest.raises(Forbidden):
        await give(hub, admin, low.id, "customer", "admin")
    assert (await give(hub, boss, peer.id, "customer")).roles == ["customer"]
    assert (await give(hub, admin, peer.id, "vendor")).roles == ["vendor"]


async def test_guests_and_customers_administer_nobody(hub: ListeningHub, boss: Actor) -> None:
    user_id = boss.user_id or 0
    for actor, expected in ((GUEST, Unauthenticated), (await make_actor(hub), Forbidden)):
        for act in (
            administration.listed(hub, actor, ListPeople()),
            administration.read(hub, actor, NamePerson(user_id=user_id)),
            administration.create(hub, actor, CreatePerson(email="x@example.org", full_name="X")),
            administration.change(hub, actor, ChangePerson(user_id=user_id, full_name="Changed")),
            administration.suspend(hub, actor, SuspendPerson(user_id=user_id, reason="no")),
            administration.reinstate(hub, actor, NamePerson(user_id=user_id)),
            administration.delete(hub, actor, NamePerson(user_id=user_id)),
            give(hub, actor, user_id, "customer"),
        ):
            with pytest.raises(expected):
                await act


async def test_a_changed_profile_is_told_to_the_person_and_to_the_desks_that_know_them(
    hub: ListeningHub, admin: Actor
) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub, full_name="Ana Reis")
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    await make_booking(hub, customer, slot(room, tomorrow()))
    hub.told.clear()
    ask = ChangePerson(user_id=customer.user_id or 0, full_name="Ana Maria", is_student=True, phone="+855 12 345 678")
    changed = await administration.change(hub, admin, ask)
    assert (changed.full_name, changed.is_student, changed.phone) == ("Ana Maria", True, "+85512345678")
    assert hub.names(f"user:{customer.user_id}") == ["user.changed"]
    assert hub.names(f"desk:{venue.id}") == ["guest.changed"]
    hub.told.clear()
    assert await administration.change(hub, admin, ask) == changed
    assert hub.told == []


@pytest.mark.abuse("C7", "B11")
async def test_a_suspended_account_is_out_at_once_told_why_and_let_in_again(
    hub: ListeningHub, admin: Actor, people: People
) -> None:
    person = await people.customer()
    revoked: list[Any] = []
    hub.revoke = revoked.append
    suspended = await administration.suspend(hub, admin, SuspendPerson(user_id=person.id, reason="Threw a chair"))
    assert (suspended.status, suspended.suspension_reason) == ("suspended", "Threw a chair")
    assert suspended.suspended_at is not None
    assert {person.id} <= set().union(*map(set, revoked))
    with pytest.raises(Unauthenticated):
        await accounts.actor_of(hub, person.token)
    with pytest.raises(Forbidden):
        await _log_in(hub, person.email)
    told = [mail for mail in await mails(hub, person.email) if mail["template"] == "account_suspended"]
    assert [mail["facts"]["reason"] for mail in told] == ["Threw a chair"]
    with pytest.raises(Conflict):
        await administration.suspend(hub, admin, SuspendPerson(user_id=person.id, reason="again"))
    back = await administration.reinstate(hub, admin, NamePerson(user_id=person.id))
    assert (back.status, back.suspension_reason, back.suspended_at) == ("active", None, None)
    with pytest.raises(Conflict):
        await administration.reinstate(hub, admin, NamePerson(user_id=person.id))
    with pytest.raises(Unauthenticated):
        await accounts.actor_of(hub, person.token)
    await accounts.actor_of(hub, (await _log_in(hub, person.email)).access_token)


@pytest.mark.abuse("C7", "B11")
async def test_another_role_ends_the_tokens_that_were_given_for_the_old_ones(
    hub: ListeningHub, boss: Actor, people: People
) -> None:
    person = await people.admin()
    revoked: list[Any] = []
    hub.revoke = revoked.append
    hub.told.clear()
    await give(hub, boss, person.id, "customer")
    assert {person.id} <= set().union(*map(set, revoked))
    assert hub.names(f"user:{person.id}") == ["user.changed"]
    with pytest.raises(Unauthenticated):
        await accounts.actor_of(hub, person.token)
    actor = await accounts.actor_of(hub, (await _log_in(hub, person.email)).access_token)
    assert (actor.rank, actor.may("user:read")) == (10, False)
    await give(hub, boss, person.id, "customer")
    await accounts.actor_of(hub, (await _log_in(hub, person.email)).access_token)


@pytest.mark.abuse("B5")
async def test_the_last_super_admin_stays(hub: ListeningHub, boss: Actor) -> None:
    boss_id = boss.user_id or 0
    with pytest.raises(LastSuperAdmin):
        await give(hub, boss, boss_id, "admin")
    for actor in (boss, THE_HUB):
        with pytest.raises(LastSuperAdmin):
            await administration.suspend(hub, actor, SuspendPerson(user_id=boss_id, reason="no"))
        with pytest.raises(LastSuperAdmin):
            await administration.delete(hub, actor, NamePerson(user_id=boss_id))
    other = await make_user(hub, "super_admin")
    with pytest.raises(Conflict):
        await administration.suspend(hub, boss, SuspendPerson(user_id=boss_id, reason="myself"))
    await administration.suspend(hub, boss, SuspendPerson(user_id=other.id, reason="left"))
    with pytest.raises(LastSuperAdmin):
        await give(hub, boss, boss_id, "admin")
    await administration.reinstate(hub, boss, NamePerson(user_id=other.id))
    assert (await give(hub, boss, boss_id, "admin")).roles == ["admin"]
    assert (await give(hub, await _actor(hub, other.id), other.id, "super_admin", "customer")).rank == 100


@pytest.mark.abuse("B5")
async def test_two_super_admins_cannot_both_leave_at_once(hub: ListeningHub, boss: Actor) -> None:
    one, two = boss.user_id or 0, (await make_user(hub, "super_admin")).id
    other = await _actor(hub, two)
    for _ in range(5):
        done = await asyncio.gather(
            give(hub, boss, two, "admin"), give(hub, other, one, "admin"), return_exceptions=True
        )
        assert sorted(isinstance(each, Person) for each in done) == [False, True]
        assert any(isinstance(each, LastSuperAdmin) for each in done)
        async with hub.pool.acquire() as db:
            await db.execute(
                """
                INSERT INTO user_roles (user_id, role_id)
                SELECT u.id, r.id FROM users AS u, roles AS r WHERE u.id = ANY ($1::bigint[]) AND r.code = 'super_admin'
                ON CONFLICT DO NOTHING
                """,
                [one, two],
            )


async def _actor(hub: ListeningHub, user_id: int) -> Actor:
    async with hub.reading() as db:
        permissions = await db.fetch("SELECT resource || ':' || action AS name FROM permissions")
    return Actor(user_id, frozenset({"super_admin"}), frozenset(row["name"] for row in permissions), rank=100)


async def _log_in(hub: ListeningHub, email: str) -> Any:
    return await accounts.log_in(hub, Actor(), LogIn(email=email, password=PASSWORD))
