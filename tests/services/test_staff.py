"""A venue's staff: who sees them, who changes them, and that what they lose is lost at once."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core import GUEST, Actor
from hub.errors import Forbidden, HubError, NotFound, Unauthenticated
from hub.models.staff import ChangeColleague, Invite, ListInvitations, ListStaff, NameColleague
from hub.models.venues import Venue
from hub.services import access, invitations, staff
from hub.services.staff import LastOwner
from tests.builders import make_actor, make_staff, make_venue
from tests.doors import ListeningHub
from tests.world import refusal


@pytest.fixture
async def owner(hub: ListeningHub) -> Actor:
    """Give a test the owner of a venue."""
    return await make_actor(hub, "vendor", full_name="Vera Lopes")


@pytest.fixture
async def venue(hub: ListeningHub, owner: Actor) -> Venue:
    """Give a test a venue."""
    return await make_venue(hub, owner)


def named(venue: Venue, actor: Actor) -> NameColleague:
    """Name somebody who works at a venue."""
    return NameColleague(venue_id=venue.id, user_id=actor.user_id or 0)


async def change(hub: ListeningHub, by: Actor, venue: Venue, whom: Actor, role: Any) -> Any:
    """Change how far somebody's work reaches."""
    return await staff.change(hub, by, ChangeColleague(venue_id=venue.id, user_id=whom.user_id or 0, role=role))


async def test_who_works_at_a_venue_is_listed_the_owner_first(hub: ListeningHub, owner: Actor, venue: Venue) -> None:
    desk, manager = await make_staff(hub, venue), await make_staff(hub, venue, "manager")
    page = await staff.listed(hub, owner, ListStaff(venue_id=venue.id))
    assert [(one.user_id, one.role) for one in page.items] == [
        (owner.user_id, "owner"),
        (manager.user_id, "manager"),
        (desk.user_id, "desk"),
    ]
    assert page.meta.total_items == 3
    assert len((await staff.listed(hub, manager, ListStaff(venue_id=venue.id))).items) == 3
    admin = await make_actor(hub, "admin")
    assert len((await staff.listed(hub, admin, ListStaff(venue_id=venue.id))).items) == 3


async def test_a_desk_is_forbidden_and_a_stranger_finds_nothing(hub: ListeningHub, owner: Actor, venue: Venue) -> None:
    desk, colleague = await make_staff(hub, venue), await make_staff(hub, venue)
    elsewhere = await make_staff(hub, await make_venue(hub, owner, name="Other"), "manager")
    former = await make_staff(hub, venue, "manager")
    await staff.remove(hub, owner, named(venue, former))
    for actor, expected in (
        (GUEST, Unauthenticated),
        (desk, Forbidden),
        (elsewhere, NotFound),
        (former, NotFound),
        (await make_actor(hub), NotFound),
        (await make_actor(hub, "vendor"), NotFound),
    ):
        for act in (
            staff.listed(hub, actor, ListStaff(venue_id=venue.id)),
            change(hub, actor, venue, colleague, "manager"),
            staff.remove(hub, actor, named(venue, colleague)),
            invitations.invite(hub, actor, Invite(venue_id=venue.id, email="x@example.org")),
            invitations.listed(hub, actor, ListInvitations(venue_id=venue.id)),
        ):
            assert type(await refusal(act)) is expected, act


async def test_managers_manage_the_desk_and_the_owner_the_managers(
    hub: ListeningHub, owner: Actor, venue: Venue
) -> None:
    desk, manager, other = [await make_staff(hub, venue, role) for role in ("desk", "manager", "manager")]
    for act in (
        change(hub, manager, venue, desk, "manager"),
        change(hub, manager, venue, other, "desk"),
        staff.remove(hub, manager, named(venue, other)),
        invitations.invite(hub, manager, Invite(venue_id=venue.id, email="x@example.org", role="manager")),
    ):
        assert isinstance(await refusal(act), Forbidden)
    assert (await change(hub, owner, venue, desk, "manager")).role == "manager"
    assert (await change(hub, owner, venue, desk, "desk")).role == "desk"
    await staff.remove(hub, manager, named(venue, desk))
    assert not await works_at(hub, desk, venue)
    admin = await make_actor(hub, "admin")
    assert (await change(hub, admin, venue, other, "desk")).role == "desk"


@pytest.mark.abuse("B5")
async def test_a_venue_keeps_its_owner(hub: ListeningHub, owner: Actor, venue: Venue) -> None:
    manager, admin = await make_staff(hub, venue, "manager"), await make_actor(hub, "admin")
    for actor in (owner, manager, admin):
        assert isinstance(await refusal(staff.remove(hub, actor, named(venue, owner))), LastOwner)
        assert isinstance(await refusal(change(hub, actor, venue, owner, "desk")), LastOwner)
    assert await works_at(hub, owner, venue)


async def test_everybody_may_leave_and_nobody_is_removed_twice(hub: ListeningHub, owner: Actor, venue: Venue) -> None:
    for role in ("desk", "manager"):
        colleague = await make_staff(hub, venue, role)
        await staff.remove(hub, colleague, named(venue, colleague))
        assert not await works_at(hub, colleague, venue)
        assert isinstance(await refusal(staff.remove(hub, colleague, named(venue, colleague))), NotFound)
        assert isinstance(await refusal(staff.remove(hub, owner, named(venue, colleague))), NotFound)
        assert isinstance(await refusal(change(hub, owner, venue, colleague, "desk")), NotFound)


@pytest.mark.abuse("B11")
async def test_the_sockets_of_whom_it_concerns_are_looked_at_at_once(
    hub: ListeningHub, owner: Actor, venue: Venue
) -> None:
    revoked: list[int] = []
    hub.revoke = revoked.extend
    desk = await make_staff(hub, venue)
    await change(hub, owner, venue, desk, "manager")
    await change(hub, owner, venue, desk, "manager")
    await staff.remove(hub, owner, named(venue, desk))
    assert revoked == [desk.user_id, desk.user_id]


async def works_at(hub: ListeningHub, actor: Actor, venue: Venue) -> bool:
    """Tell whether somebody sees a venue's desk."""
    try:
        async with hub.reading() as db:
            await access.desk(db, actor, venue.id)
    except HubError:
        return False
    return True
