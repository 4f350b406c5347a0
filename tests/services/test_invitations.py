"""Invitations to a venue's staff: by mail, once, for one address, and only while whoever invited still may."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from hub.core import GUEST, Actor
from hub.errors import AlreadyExists, Forbidden, NotFound, TooManyRequests, Unauthenticated
from hub.models.people import NamePerson, SetRoles, SuspendPerson
from hub.models.staff import (
    ChangeColleague,
    Colleague,
    Invitation,
    Invite,
    ListInvitations,
    ListStaff,
    NameColleague,
    NameInvitation,
    ShowInvitation,
)
from hub.models.venues import NameVenue, Venue
from hub.services import access, invitations, staff, venues
from hub.services import people as administration
from hub.services.invitations import InvitationOver
from tests.builders import make_actor, make_staff, make_venue
from tests.doors import ListeningHub, People, Person
from tests.world import refusal


@pytest.fixture
async def owner(hub: ListeningHub) -> Actor:
    """Give a test the owner of a venue."""
    return await make_actor(hub, "vendor", full_name="Vera Lopes", language="zh")


@pytest.fixture
async def venue(hub: ListeningHub, owner: Actor) -> Venue:
    """Give a test a venue."""
    return await make_venue(hub, owner, name="Sala Norte")


async def invite(hub: ListeningHub, by: Actor, venue: Venue, email: str, role: Any = "desk") -> tuple[Invitation, str]:
    """Invite somebody, and read the token in their mail."""
    made = await invitations.invite(hub, by, Invite(venue_id=venue.id, email=email, role=role))
    return made, (await letter(hub, made.email))["link"].partition("#token=")[2]


async def letter(hub: ListeningHub, to: str) -> Any:
    """Read the facts of the newest invitation that was mailed to an address."""
    async with hub.pool.acquire() as db:
        data = await db.fetchval(
            "SELECT data FROM jobs WHERE kind = 'mail' AND data->>'to' = $1 AND data->>'template' = 'invitation'"
            " ORDER BY id DESC LIMIT 1",
            to,
        )
    read = data if isinstance(data, dict) else orjson.loads(data)
    return read["facts"] | {"language": read["language"]}


async def accept(hub: ListeningHub, actor: Actor, token: str) -> Colleague:
    """Accept an invitation."""
    return await invitations.accept(hub, actor, ShowInvitation(token=SecretStr(token)))


async def show(hub: ListeningHub, token: str) -> Any:
    """Look at an invitation."""
    return await invitations.show(hub, GUEST, ShowInvitation(token=SecretStr(token)))


async def test_an_invited_person_accepts_and_works_there(
    hub: ListeningHub, owner: Actor, venue: Venue, people: People
) -> None:
    person = await people.customer()
    revoked: list[int] = []
    hub.revoke = revoked.extend
    made, token = await invite(hub, owner, venue, person.email.upper())
    facts = await letter(hub, person.email)
    assert (facts["inviter"], facts["venue"], facts["role"], facts["days"], facts["language"]) == (
        "Vera Lopes",
        "Sala Norte",
        "desk",
        7,
        "zh",
    )
    assert facts["link"].startswith(f"{hub.settings.public_url}/invitation#token=")
    assert len(token) == 43
    assert token not in made.model_dump_json()
    seen = await show(hub, token)
    assert (seen.venue_name, seen.role, seen.email, seen.invited_by) == (
        "Sala Norte",
        "desk",
        person.email,
        "Vera Lopes",
    )
    colleague = await accept(hub, person.actor, token)
    assert (colleague.user_id, colleague.role, colleague.venue_id) == (person.id, "desk", venue.id)
    assert revoked == [person.id]
    async with hub.reading() as db:
        await access.desk(db, person.actor, venue.id)
    assert (await invitations.listed(hub, owner, ListInvitations(venue_id=venue.id))).items == []
    assert isinstance(
        await refusal(invitations.invite(hub, owner, Invite(venue_id=venue.id, email=person.email))), AlreadyExists
    )


async def test_only_a_hash_of_the_token_is_kept(hub: ListeningHub, owner: Actor, venue: Venue) -> None:
    _, token = await invite(hub, owner, venue, "ana@example.org")
    async with hub.pool.acquire() as db:
        rows = await db.fetch("SELECT i::text AS text FROM venue_invitations AS i")
    assert rows
    assert not any(token in row["text"] for row in rows)


@pytest.mark.abuse("B6")
async def test_a_token_works_once_and_only_for_the_address_it_was_sent_to(
    hub: ListeningHub, owner: Actor, venue: Venue, people: People
) -> None:
    person, thief = await people.customer(), await people.customer("Theo Thief")
    _, token = await invite(hub, owner, venue, person.email)
    for actor, expected in ((thief.actor, Forbidden), (owner, Forbidden), (GUEST, Unauthenticated)):
        assert type(await refusal(accept(hub, actor, token))) is expected
    done = await asyncio.gather(*(accept(hub, person.actor, token) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, Colleague) for one in done) == 1
    assert all(isinstance(one, Colleague | InvitationOver | AlreadyExists) for one in done)
    assert isinstance(await refusal(accept(hub, person.actor, token)), InvitationOver)
    assert isinstance(await refusal(accept(hub, thief.actor, token)), InvitationOver)
    assert isinstance(await refusal(show(hub, token)), InvitationOver)
    await staff.remove(hub, owner, NameColleague(venue_id=venue.id, user_id=person.id))
    assert isinstance(await refusal(accept(hub, person.actor, token)), InvitationOver)


@pytest.mark.abuse("B6")
async def test_a_token_that_was_never_drawn_is_not_found(hub: ListeningHub, people: People) -> None:
    person = await people.customer()
    for token in ("", "x", "A" * 43, "A" * 200, "' OR 1=1 --", "\u00e9" * 43):
        assert isinstance(await refusal(accept(hub, person.actor, token)), NotFound)
        assert isinstance(await refusal(show(hub, token)), NotFound)


@pytest.mark.abuse("B6")
@pytest.mark.parametrize(
    "how",
    ["expired", "withdrawn", "newer", "inviter left", "inviter demoted", "inviter suspended", "venue gone", "hired"],
)
async def test_an_invitation_ends_with_its_time_its_venue_and_the_right_of_whoever_invited(
    how: str, hub: ListeningHub, owner: Actor, venue: Venue, people: People
) -> None:
    person, manager = await people.customer(), await make_staff(hub, venue, "manager")
    admin = await make_actor(hub, "admin")
    manager_id = manager.user_id or 0
    made, token = await invite(hub, manager, venue, person.email)
    await show(hub, token)
    if how == "expired":
        async with hub.pool.acquire() as db:
            await db.execute("UPDATE venue_invitations SET expires_at = clock_timestamp() WHERE id = $1", made.id)
    elif how == "withdrawn":
        await invitations.withdraw(hub, owner, NameInvitation(venue_id=venue.id, invitation_id=made.id))
        assert isinstance(
            await refusal(invitations.withdraw(hub, owner, NameInvitation(venue_id=venue.id, invitation_id=made.id))),
            NotFound,
        )
    elif how == "newer":
        _, newer = await invite(hub, owner, venue, person.email, "manager")
        assert (await accept(hub, person.actor, newer)).role == "manager"
    elif how == "inviter left":
        await staff.remove(hub, manager, NameColleague(venue_id=venue.id, user_id=manager_id))
    elif how == "inviter demoted":
        await staff.change(hub, owner, ChangeColleague(venue_id=venue.id, user_id=manager_id, role="desk"))
    elif how == "inviter suspended":
        await administration.suspend(hub, admin, SuspendPerson(user_id=manager_id, reason="x"))
    elif how == "venue gone":
        await venues.delete(hub, owner, NameVenue(venue_id=venue.id))
    else:
        async with hub.pool.acquire() as db:
            await db.execute("INSERT INTO venue_staff (venue_id, user_id) VALUES ($1, $2)", venue.id, person.id)
        ask = ChangeColleague(venue_id=venue.id, user_id=person.id, role="manager")
        await staff.change(hub, owner, ask)
        await staff.remove(hub, owner, NameColleague(venue_id=venue.id, user_id=person.id))
    assert isinstance(await refusal(accept(hub, person.actor, token)), InvitationOver)
    assert isinstance(await refusal(show(hub, token)), InvitationOver)


@pytest.mark.abuse("B6")
async def test_who_invited_by_a_role_that_they_lost_invited_nobody(
    hub: ListeningHub, venue: Venue, people: People
) -> None:
    person, boss = await people.customer(), await make_actor(hub, "super_admin")
    admin = await make_actor(hub, "admin")
    _, token = await invite(hub, admin, venue, person.email, "manager")
    await show(hub, token)
    await administration.set_roles(hub, boss, SetRoles(user_id=admin.user_id or 0, roles=["customer"]))
    assert isinstance(await refusal(accept(hub, person.actor, token)), InvitationOver)
    assert (await administration.read(hub, boss, NamePerson(user_id=admin.user_id or 0))).roles == ["customer"]


@pytest.mark.abuse("A7")
async def test_an_invitation_of_another_venue_is_not_found(hub: ListeningHub, owner: Actor, venue: Venue) -> None:
    rival = await make_actor(hub, "vendor")
    theirs = await make_venue(hub, rival, name="Rival")
    made, token = await invite(hub, rival, theirs, "ana@example.org")
    for venue_id in (venue.id, theirs.id):
        ask = NameInvitation(venue_id=venue_id, invitation_id=made.id)
        assert isinstance(await refusal(invitations.withdraw(hub, owner, ask)), NotFound)
    assert (await show(hub, token)).venue_id == theirs.id


async def test_open_invitations_are_listed_for_who_runs_the_venue(
    hub: ListeningHub, owner: Actor, venue: Venue
) -> None:
    first, _ = await invite(hub, owner, venue, "ana@example.org")
    second, _ = await invite(hub, owner, venue, "bo@example.org", "manager")
    again, _ = await invite(hub, owner, venue, "ana@example.org", "manager")
    page = await invitations.listed(hub, owner, ListInvitations(venue_id=venue.id))
    assert [one.id for one in page.items] == [again.id, second.id]
    assert first.id not in [one.id for one in page.items]
    assert {one.invited_by for one in page.items} == {"Vera Lopes"}
    assert len((await staff.listed(hub, owner, ListStaff(venue_id=venue.id))).items) == 1


async def test_nobody_is_flooded_with_invitations(
    hub: ListeningHub, owner: Actor, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(invitations.TO_ONE_ADDRESS):
        await invite(hub, owner, venue, "ana@example.org")
    other = await make_venue(hub, owner, name="Other")
    for one in (venue, other):
        ask = Invite(venue_id=one.id, email="ana@example.org")
        assert isinstance(await refusal(invitations.invite(hub, owner, ask)), TooManyRequests)
    monkeypatch.setattr(invitations, "BY_ONE_VENUE", 6)
    await invite(hub, owner, venue, "bo@example.org")
    ask = Invite(venue_id=venue.id, email="cy@example.org")
    assert isinstance(await refusal(invitations.invite(hub, owner, ask)), TooManyRequests)


async def test_the_owner_is_not_invited_to_their_own_venue(hub: ListeningHub, people: People) -> None:
    owner: Person = await people.vendor()
    venue = await make_venue(hub, owner.actor)
    ask = Invite(venue_id=venue.id, email=owner.email)
    assert isinstance(await refusal(invitations.invite(hub, owner.actor, ask)), AlreadyExists)
