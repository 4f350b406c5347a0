"""Roles and permissions as data: made, changed and looked up, never beyond one's own rank or rights."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.endpoint import EVERYBODY, SIGNED_IN
from handlers.table import table
from hub.core import GUEST, Actor
from hub.errors import AlreadyExists, Forbidden, Invalid, NotFound, Unauthenticated
from hub.models.people import SetRoles
from hub.models.roles import ChangeRole, CreateRole, ListPermissions, ListRoles, NameRole, PermitRole, Role
from hub.services import accounts, roles
from hub.services import people as administration
from tests.builders import make_actor
from tests.doors import ListeningHub, People
from tests.identities import log_in

HUB_CODE = Path(__file__).parents[2] / "hub"
# The hotel's contract: its twelve resources and their actions, WRITE being create and update.
CONTRACT = {
    "BOOKING": "create read update delete manage approve",
    "ADMIN_CREATION": "read create update delete manage approve execute",
    "ROOM_MANAGEMENT": "read create update delete manage",
    "PAYMENT_PROCESSING": "read create update manage",
    "REFUND_APPROVAL": "read create update delete manage approve",
    "CONTENT_MANAGEMENT": "read create update delete",
    "ISSUE_RESOLUTION": "read create update delete manage",
    "NOTIFICATION_HANDLING": "read create update",
    "ANALYTICS_VIEW": "read",
    "BACKUP_OPERATIONS": "read create update execute",
    "RESTORE_OPERATIONS": "create update execute",
    "OFFER_MANAGEMENT": "read create update delete manage",
}


@pytest.fixture
async def boss(hub: ListeningHub) -> Actor:
    """Give a test a super admin."""
    return await make_actor(hub, "super_admin")


async def made(hub: ListeningHub, actor: Actor, **fields: Any) -> Role:
    """Make a role."""
    return await roles.create(hub, actor, CreateRole(**({"name": "Night desk"} | fields)))


async def found(hub: ListeningHub, actor: Actor, **filters: Any) -> list[str]:
    """Name the permissions that a look-up finds."""
    page = await roles.permissions(hub, actor, ListPermissions(per_page=100, **filters))
    return [one.name for one in page.items]


async def by_code(hub: ListeningHub, actor: Actor, code: str) -> Role:
    """Find a role by its code."""
    page = await roles.listed(hub, actor, ListRoles(per_page=100))
    return next(role for role in page.items if role.code == code)


async def test_the_twelve_resources_and_their_actions_are_those_of_the_contract(hub: ListeningHub, boss: Actor) -> None:
    for name, actions in CONTRACT.items():
        page = await roles.permissions(hub, boss, ListPermissions(resource=name))
        assert {one.contract_name for one in page.items} == {name}
        assert sorted(one.action for one in page.items) == sorted(actions.split())


async def test_the_built_in_roles_are_those_of_the_halls_matrix(hub: ListeningHub, boss: Actor) -> None:
    # Its columns are admin, vendor and customer; what needs no permission is owned, and walked in tests/abuse.
    for permission, columns in {
        "booking:create": (True, True, True),
        "review:create": (True, False, True),
        "venue:create": (True, True, False),
        "booking:read": (True, False, False),
        "user:read": (True, False, False),
        "user:update": (True, False, False),
        "report:read": (True, False, False),
    }.items():
        found_for = [permission in await found(hub, boss, role=role) for role in ("admin", "vendor", "customer")]
        assert tuple(found_for) == columns, permission


async def test_the_built_in_roles_stand_in_order_and_a_super_admin_may_do_everything(
    hub: ListeningHub, boss: Actor
) -> None:
    page = await roles.listed(hub, boss, ListRoles())
    assert [role.code for role in page.items] == ["super_admin", "admin", "facilitator", "vendor", "customer"]
    assert all(role.is_built_in and role.description for role in page.items)
    assert page.items[0].permissions == sorted(await found(hub, boss))
    assert set(page.items[1].permissions) >= {"user:read", "role:read", "booking:manage"}
    assert not {"role:create", "backup:create", "restore:execute"} & set(page.items[1].permissions)
    assert page.items[0].people == 1


async def test_permissions_are_looked_up_by_role_by_resource_and_by_name(hub: ListeningHub, boss: Actor) -> None:
    customers = await found(hub, boss, role="customer")
    assert sorted(customers) == ["booking:create", "review:create", "support:create"]
    customer = await by_code(hub, boss, "customer")
    assert await found(hub, boss, role=str(customer.id)) == customers
    assert await found(hub, boss, resource="booking") == await found(hub, boss, resource="BOOKING")
    assert await found(hub, boss, permission="booking:read") == ["booking:read"]
    assert await found(hub, boss, permission="BOOKING:WRITE") == ["booking:create", "booking:update"]
    assert await found(hub, boss, permission="room_management:delete") == ["room:delete"]
    assert {one.partition(":")[2] for one in await found(hub, boss, permission="write")} == {"create", "update"}
    assert await found(hub, boss, role="customer", resource="review") == ["review:create"]
    assert await found(hub, boss, role="nobody") == []
    one = (await roles.permissions(hub, boss, ListPermissions(permission="booking:create"))).items[0]
    assert one.roles == ["super_admin", "admin", "facilitator", "vendor", "customer"]


def test_every_permission_that_the_code_asks_for_exists() -> None:
    known = {f"{resource}:{action}" for resource, action in _catalogue()}
    asked = {one.may for one in table().values()} - {EVERYBODY, SIGNED_IN}
    for file in HUB_CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                named = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                if named in ("may", "needs", "manage_venue", "managed_venue", "person"):
                    asked |= {
                        str(one.value)
                        for one in node.args
                        if isinstance(one, ast.Constant) and isinstance(one.value, str) and ":" in one.value
                    }
    assert len(asked) > 10
    assert asked - known == set()


def _catalogue() -> list[tuple[str, str]]:
    text = (HUB_CODE.parent / "storage" / "migrations" / "0013_rights.sql").read_text(encoding="utf-8")
    rows = text.partition("FROM (VALUES\n")[2].partition(") AS named")[0]
    listed = [ast.literal_eval(row.strip().rstrip(",")) for row in rows.strip().splitlines()]
    return [(resource, action) for resource, actions in listed for action in actions.split()]


async def test_a_role_of_ones_own_allows_what_it_says_and_several_add_up(
    hub: ListeningHub, boss: Actor, people: People
) -> None:
    role = await made(hub, boss, permissions=["booking:read", "room:WRITE"], rank=30, description="At night")
    assert (role.code, role.rank, role.is_built_in, role.people) == ("night_desk", 30, False, 0)
    assert role.permissions == ["booking:read", "room:create", "room:update"]
    person = await people.customer()
    await _give(hub, boss, person.id, "customer", role.code)
    actor = await make_actor(hub)
    async with hub.reading() as db:
        row = await db.fetchrow("SELECT token_version FROM users WHERE id = $1", person.id)
    assert row["token_version"] == 2
    assert actor.may("booking:create")
    tokens = await accounts.log_in(hub, Actor(), log_in(person.email))
    several = await accounts.actor_of(hub, tokens.access_token)
    assert several.roles == {"customer", "night_desk"}
    assert several.rank == 30
    assert all(several.may(one) for one in ("booking:create", "booking:read", "room:update"))
    assert not several.may("room:delete")


async def test_manage_carries_every_action_on_its_resource(hub: ListeningHub, boss: Actor) -> None:
    assert Actor(user_id=1, permissions=frozenset({"booking:manage"})).may("booking:delete")
    assert not Actor(user_id=1, permissions=frozenset({"booking:manage"})).may("room:delete")
    assert not Actor(user_id=1, permissions=frozenset({"booking:read"})).may("booking:manage")


async def test_nobody_makes_or_changes_a_role_at_or_above_their_own_rank(hub: ListeningHub, boss: Actor) -> None:
    keeper = Actor(user_id=boss.user_id, permissions=boss.permissions, roles=frozenset({"keeper"}), rank=50)
    assert (await made(hub, keeper, rank=49)).rank == 49
    for rank in (50, 51, 99):
        with pytest.raises(Forbidden):
            await made(hub, keeper, name="Other", rank=rank)
    peer, low = await made(hub, boss, name="Peer", rank=50), await made(hub, boss, name="Low", rank=20)
    with pytest.raises(Forbidden):
        await roles.change(hub, keeper, ChangeRole(role_id=peer.id, name="Mine"))
    with pytest.raises(Forbidden):
        await roles.permit(hub, keeper, PermitRole(role_id=peer.id, permissions=[]))
    with pytest.raises(Forbidden):
        await roles.delete(hub, keeper, NameRole(role_id=peer.id))
    with pytest.raises(Forbidden):
        await roles.change(hub, keeper, ChangeRole(role_id=low.id, rank=50))
    with pytest.raises(ValidationError):
        CreateRole(name="God", rank=100)
    top = await by_code(hub, boss, "super_admin")
    with pytest.raises(Forbidden):
        await roles.permit(hub, boss, PermitRole(role_id=top.id, permissions=["booking:read"]))


async def test_nobody_lets_a_role_do_what_they_may_not_do_themselves(hub: ListeningHub, boss: Actor) -> None:
    few = frozenset({"role:create", "role:update", "role:read", "booking:manage"})
    keeper = Actor(user_id=boss.user_id, permissions=few, rank=60)
    role = await made(hub, keeper, permissions=["booking:update"])
    for beyond in ("backup:execute", "user:delete", "role:delete"):
        with pytest.raises(Forbidden, match=beyond):
            await made(hub, keeper, name="Beyond", permissions=["booking:read", beyond])
        with pytest.raises(Forbidden, match=beyond):
            await roles.permit(hub, keeper, PermitRole(role_id=role.id, permissions=["booking:update", beyond]))
    # What a role has already may stay, and be taken away.
    wide = await made(hub, boss, name="Wide", permissions=["backup:execute", "booking:read"])
    kept = await roles.permit(hub, keeper, PermitRole(role_id=wide.id, permissions=["backup:execute"]))
    assert kept.permissions == ["backup:execute"]
    assert (await roles.permit(hub, keeper, PermitRole(role_id=wide.id, permissions=[]))).permissions == []


async def test_permissions_that_do_not_exist_and_codes_that_do_are_refused(hub: ListeningHub, boss: Actor) -> None:
    for wrong in ("booking:fly", "moon:read", "audit:delete"):
        with pytest.raises(Invalid):
            await made(hub, boss, permissions=[wrong])
    for wrong in ("booking", "booking:", "a:b:c", "booking:read; drop"):
        with pytest.raises(ValidationError):
            CreateRole(name="x", permissions=[wrong])
    await made(hub, boss)
    with pytest.raises(AlreadyExists):
        await made(hub, boss)
    with pytest.raises(AlreadyExists):
        await made(hub, boss, name="Other", code="customer")
    with pytest.raises(Invalid):
        await made(hub, boss, name="ភាសាខ្មែរ")
    assert (await made(hub, boss, name="ភាសាខ្មែរ", code="khmer")).code == "khmer"
    assert (await made(hub, boss, name="  Ämter & Würden 2 ")).code == "amter_wurden_2"


async def test_built_in_roles_keep_their_place_but_what_they_allow_may_change(hub: ListeningHub, boss: Actor) -> None:
    admin = await by_code(hub, boss, "admin")
    with pytest.raises(roles.BuiltIn):
        await roles.change(hub, boss, ChangeRole(role_id=admin.id, rank=10))
    with pytest.raises(roles.BuiltIn):
        await roles.delete(hub, boss, NameRole(role_id=admin.id))
    fewer = await roles.permit(hub, boss, PermitRole(role_id=admin.id, permissions=["user:read"]))
    assert fewer.permissions == ["user:read"]


@pytest.mark.abuse("B11")
async def test_what_a_role_allows_holds_at_once_for_everybody_who_has_it(
    hub: ListeningHub, boss: Actor, people: People
) -> None:
    role = await made(hub, boss, permissions=["user:read"])
    person = await people.customer()
    await _give(hub, boss, person.id, "customer", role.code)
    token = (await accounts.log_in(hub, Actor(), log_in(person.email))).access_token
    assert (await accounts.actor_of(hub, token)).may("user:read")
    hub.told.clear()
    await roles.permit(hub, boss, PermitRole(role_id=role.id, permissions=["user:update"]))
    assert hub.names(f"user:{person.id}") == ["user.changed"]
    with pytest.raises(Unauthenticated):
        await accounts.actor_of(hub, token)
    token = (await accounts.log_in(hub, Actor(), log_in(person.email))).access_token
    actor = await accounts.actor_of(hub, token)
    assert (actor.may("user:read"), actor.may("user:update")) == (False, True)


async def test_a_role_that_somebody_has_is_not_deleted(hub: ListeningHub, boss: Actor, people: People) -> None:
    role, person = await made(hub, boss), await people.customer()
    await _give(hub, boss, person.id, role.code)
    with pytest.raises(roles.RoleInUse):
        await roles.delete(hub, boss, NameRole(role_id=role.id))
    await _give(hub, boss, person.id, "customer")
    await roles.delete(hub, boss, NameRole(role_id=role.id))
    with pytest.raises(NotFound):
        await roles.read(hub, boss, NameRole(role_id=role.id))


async def test_a_role_is_either_given_to_somebody_or_gone(hub: ListeningHub, boss: Actor, people: People) -> None:
    person = await people.customer()
    for number in range(5):
        role = await made(hub, boss, code=f"night_desk_{number}")
        done = await asyncio.gather(
            _give(hub, boss, person.id, "customer", role.code),
            roles.delete(hub, boss, NameRole(role_id=role.id)),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in done) in (["Invalid", "NoneType"], ["NoneType", "RoleInUse"]), done


async def test_only_who_may_sees_and_changes_roles(hub: ListeningHub, boss: Actor) -> None:
    role = await made(hub, boss)
    admin = await make_actor(hub, "admin")
    assert (await roles.read(hub, admin, NameRole(role_id=role.id))).id == role.id
    with pytest.raises(Forbidden):
        await made(hub, admin, name="Mine", rank=20)
    for actor, refusal in ((GUEST, Unauthenticated), (await make_actor(hub), Forbidden)):
        for act in (
            roles.listed(hub, actor, ListRoles()),
            roles.read(hub, actor, NameRole(role_id=role.id)),
            roles.permissions(hub, actor, ListPermissions()),
            roles.create(hub, actor, CreateRole(name="Mine")),
            roles.change(hub, actor, ChangeRole(role_id=role.id, name="Mine")),
            roles.permit(hub, actor, PermitRole(role_id=role.id, permissions=[])),
            roles.delete(hub, actor, NameRole(role_id=role.id)),
        ):
            with pytest.raises(refusal):
                await act


async def _give(hub: ListeningHub, actor: Actor, user_id: int, *codes: str) -> None:
    await administration.set_roles(hub, actor, SetRoles(user_id=user_id, roles=list(codes)))
