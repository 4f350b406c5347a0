"""Who may call what: every endpoint as everybody, over both wires, compared with the table of rights."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from handlers.table import table
from hub.app import build
from hub.core import Actor
from hub.errors import NotFound
from hub.services import access
from storage import access as ties
from storage import bookings
from storage import logins as login_store
from storage import people as people_store
from storage import venues as venue_store
from storage.pool import prepare
from storage.query import Db
from tests.abuse.asks import ASKS
from tests.abuse.scene import open_scene
from tests.abuse.walking import Rehearsal, Walk, doors, rights
from tests.doors import AppServer, Http, People

pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture
async def walk(app_server: AppServer, http: Http) -> AsyncIterator[Walk]:
    """Open a scene in the whole application, and let all that follows be undone."""
    hub = app_server.hub
    scene = await open_scene(hub, People(hub))
    assert hub.settings.database_url
    connection = await asyncpg.connect(hub.settings.database_url, server_settings={"timezone": "UTC"})
    await prepare(connection)
    stage, pool = Rehearsal(connection), hub.pool
    hub.pool = stage  # type: ignore[assignment]
    try:
        yield Walk(scene, stage, http)
    finally:
        hub.pool = pool
        await connection.close()


def test_every_endpoint_and_every_door_beside_the_table_has_a_declared_right(app_server: AppServer) -> None:
    declared = {name.partition("/")[0] if " " not in name else name for name in rights()}
    assert set(table()) | doors(build(app_server.running)) == declared
    assert set(rights()) == set(ASKS)


@pytest.mark.timeout(600)
@pytest.mark.abuse("A1", "A3", "A7", "A8", "A12", "B1")
async def test_everybody_may_do_what_is_declared_and_nothing_else(walk: Walk) -> None:
    wrong = await walk.through()
    assert walk.asked > len(rights()) * 10
    assert not wrong, f"{len(wrong)} of {walk.asked} asks:\n" + "\n".join(wrong)


Loosen = Callable[[pytest.MonkeyPatch], None]


async def _yes(*_: Any, **__: Any) -> bool:
    return True


async def _everybody_owns(*_: Any) -> str:
    return "owner"


async def _any_booking(db: Db, actor: Actor, booking_id: int, **_: Any) -> Any:
    return await bookings.lock(db, booking_id, ())


async def _any_person(db: Db, actor: Actor, user_id: int, permission: str) -> Any:
    return await people_store.lock(db, user_id)


async def _any_manager(db: Db, actor: Actor, venue_id: int, *_: str) -> Any:
    return await access.manage_venue(db, actor, venue_id, "venue:update")


async def _telling_venue(db: Db, actor: Actor, venue_id: int) -> Any:
    found = await venue_store.find(db, venue_id)
    if found is None:
        raise NotFound()
    if not (found.is_active or await access.works_at(db, actor, venue_id)):
        raise NotFound("This venue is closed to the public.")
    return found


# What is loosened by hand, which rows of the table must notice, and as whom.
LOOSENED: dict[str, tuple[Loosen, dict[str, str]]] = {
    "everybody owns every venue": (
        lambda patch: patch.setattr(ties, "tie", _everybody_owns),
        {"rooms.change": "other", "staff.list": "former", "desks.snapshot": "elsewhere", "venues.delete": "desk"},
    ),
    "everybody works everywhere": (
        lambda patch: patch.setattr(access, "works_at", _yes),
        {"desks.events": "customer", "bookings.read": "other", "venues.get/inactive": "guest"},
    ),
    "every booking is everybody's": (
        lambda patch: patch.setattr(access, "booking", _any_booking),
        {"bookings.cancel": "other", "holds.release": "elsewhere", "bookings.complete": "customer"},
    ),
    "every role may everything": (
        lambda patch: patch.setattr(Actor, "may", lambda actor, permission: True),
        {"users.list": "customer", "roles.create": "admin", "venues.create": "desk", "audit.verify": "former"},
    ),
    "ranks count for nothing": (
        lambda patch: patch.setattr(access, "stands_above", lambda actor, rank: True),
        {"users.change/admin": "admin"},
    ),
    "whoever may change an account may change all": (
        lambda patch: patch.setattr(access, "person", _any_person),
        {"users.suspend/admin": "admin", "users.delete/admin": "admin"},
    ),
    "everybody grants everything": (
        lambda patch: patch.setattr(access, "grant", lambda actor, roles: None),
        {"users.create/admin": "admin", "users.set_roles/admin": "admin"},
    ),
    "managers make managers": (
        lambda patch: patch.setattr(access, "staff", _any_manager),
        {"invitations.create/manager": "manager", "staff.remove/manager": "manager"},
    ),
    "everybody ends everybody's logins": (
        lambda patch: patch.setattr(login_store, "revoke", _yes),
        {"me.end_login": "other"},
    ),
    "a closed venue says that it is closed": (
        lambda patch: patch.setattr(access, "venue", _telling_venue),
        {"venues.get/inactive": "guest"},
    ),
}


@pytest.mark.timeout(300)
async def test_a_right_that_is_loosened_by_hand_is_noticed(walk: Walk) -> None:
    for what, (loosen, rows) in LOOSENED.items():
        walk.wrong.clear()
        with pytest.MonkeyPatch.context() as patch:
            loosen(patch)
            await walk.through(rows)
        for name, who in rows.items():
            assert [one for one in walk.wrong if one.startswith(f"{name} as {who}:")], f"{what}: {name} as {who}"
    walk.wrong.clear()
    assert await walk.through({name for _, rows in LOOSENED.values() for name in rows}) == []


def test_an_endpoint_without_a_declared_right_is_noticed(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(table(), "users.crown", replace(table()["users.get"], name="users.crown"))
    with pytest.raises(AssertionError):
        test_every_endpoint_and_every_door_beside_the_table_has_a_declared_right(app_server)
