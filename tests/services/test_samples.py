"""The sample world: whole, loaded once, and never in production."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hub.core import GUEST, Hub
from hub.errors import Forbidden
from hub.models.availability import AskRoomAvailability
from hub.models.dashboard import AskDashboard
from hub.models.rooms import ListRooms
from hub.models.sessions import ListSessions
from hub.models.users import LogIn
from hub.models.venues import ListVenues
from hub.services import accounts, acting, availability, dashboard, rooms, samples, sessions, venues
from tests.doors import ListeningHub

TABLES = (
    *("users", "venues", "room_types", "rooms", "sessions", "addons", "rates", "offers", "bookings", "claims"),
    *("payments", "ledger_entries", "events"),
)


async def counts(hub: Hub) -> dict[str, int]:
    async with hub.pool.acquire() as db:
        return {table: await db.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}  # noqa: S608


@pytest.fixture
async def loaded(hub: ListeningHub) -> ListeningHub:
    await samples.load(hub)
    return hub


async def test_everybody_who_is_named_can_log_in_in_their_role(loaded: ListeningHub) -> None:
    roles = {}
    for login in samples.LOGINS:
        tokens = await accounts.log_in(
            loaded, GUEST, LogIn.model_validate({"email": login.email, "password": login.password})
        )
        roles[login.email.partition("@")[0]] = tokens.user.roles
    assert roles == {
        "ana": ["facilitator"],
        "marta": ["vendor"],
        "chloe": ["customer"],
        "admin": ["admin"],
        "super": ["super_admin"],
    }


async def test_the_world_has_every_kind_of_venue_and_session(loaded: ListeningHub) -> None:
    listed = (await venues.listed(loaded, GUEST, ListVenues())).items
    assert {(venue.name, venue.kind, venue.currency) for venue in listed} == {
        ("Hotel Aurora", "hotel", "EUR"),
        ("Sala Norte", "hall", "EUR"),
        ("Himal Sabha", "hall", "NPR"),
        ("Lotus Studio", "studio", "USD"),
        ("Riverside Guesthouse", "hotel", "USD"),
    }
    found = (await sessions.listed(loaded, GUEST, ListSessions(per_page=100))).items
    assert {session.kind for session in found} == {"session", "retreat", "tour", "event"}
    now = loaded.clock.now()
    assert all(now < session.starts_at < now + timedelta(days=15) for session in found)


async def test_loading_again_changes_nothing(loaded: ListeningHub) -> None:
    before = await counts(loaded)
    assert await samples.load(loaded) == samples.LOGINS
    assert await counts(loaded) == before


async def test_an_interrupted_loading_is_completed(hub: ListeningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    made, create = [], samples.sessions.create

    async def few(*asked: Any) -> Any:
        made.append(asked)
        if len(made) == 4:
            raise ConnectionResetError
        return await create(*asked)

    monkeypatch.setattr(samples.sessions, "create", few)
    with pytest.raises(ConnectionResetError):
        await samples.load(hub)
    assert not await samples.are_loaded(hub)
    await samples.load(hub)
    monkeypatch.undo()
    whole = await counts(hub)
    assert await samples.are_loaded(hub)
    assert (whole["venues"], whole["sessions"], whole["addons"], whole["rates"], whole["offers"]) == (5, 12, 4, 1, 2)


async def test_a_facilitator_sees_bookings_on_the_dashboard(loaded: ListeningHub) -> None:
    for email, least in (("ana@example.org", 10), ("marta@example.org", 15)):
        actor = await acting.as_person(loaded, email)
        assert actor is not None
        shown = await dashboard.show(loaded, actor, AskDashboard())
        assert shown.figures.bookings >= least
        assert sum(shown.figures.revenue.values()) > 0


async def test_there_is_something_free_and_something_taken_in_the_hall(loaded: ListeningHub) -> None:
    [hall] = [
        room
        for room in (await rooms.listed(loaded, GUEST, ListRooms(number="Hall", per_page=100))).items
        if room.venue_id == next(v.id for v in (await venues.listed(loaded, GUEST, ListVenues(q="Norte"))).items)
    ]
    now = loaded.clock.now()
    ask = AskRoomAvailability.model_validate({"room_id": hall.id, "from": now, "to": now + timedelta(days=4)})
    states = {slot.state for slot in (await availability.of_room(loaded, GUEST, ask)).slots}
    assert {"free", "taken"} <= states


async def test_production_refuses_the_samples(hub: ListeningHub) -> None:
    hub.settings = replace(
        hub.settings,
        env="production",
        secret="Zq3vN8xW1bT6yR4mK9pL2sD7fG5hJ0aC",
        rate_limits=True,
        password_memory_kb=65_536,
    )
    with pytest.raises(Forbidden):
        await samples.load(hub)
    assert (await counts(hub))["users"] == 0
