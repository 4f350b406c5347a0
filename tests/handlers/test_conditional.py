"""If-Match: a change is made only to what the caller has read, judged once nobody else can change it any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from handlers.endpoint import Endpoint
from handlers.table import table
from hub.core import Hub
from hub.work import Work
from tests.doors import AppServer, Http, People, Person
from tests.stock import Stock

CONTENDERS = 10


def conditional() -> list[Endpoint]:
    """List the endpoints that change what can be read at the same address."""
    readable = {one.path for one in table().values() if one.method == "GET"}
    changing = [one for one in table().values() if one.method in ("PUT", "PATCH", "DELETE")]
    return [one for one in changing if one.path in readable]


# What to change of a thing.
CHANGES: dict[str, dict[str, Any]] = {
    "me.change": {"full_name": "Olga Owner"},
    "addons.change": {"name": "Towels"},
    "offers.change": {"description": "Leaves fall"},
    "rates.change": {"name": "Long weekend"},
    "closures.change": {"reason": "Paint"},
    "room_types.change": {"name": "Twin"},
    "rooms.change": {"number": "Small hall"},
    "sessions.change": {"title": "Tango"},
    "venues.change": {"name": "Sala Sul"},
    "users.change": {"full_name": "Sid Changed"},
    "roles.change": {"name": "Renamed"},
    "webhooks.change": {"description": "For the till"},
}


async def person_of(stock: Stock, hub: Hub, name: str) -> Person:
    """Answer who may change this: the owner of the stock, or for people and roles a super admin."""
    if name.startswith(("users.", "roles.")):
        return await People(hub).admin("Berta Boss", role="super_admin")
    return stock.owner


def test_every_change_of_what_can_be_read_is_tried_here() -> None:
    names = {one.name for one in conditional()}
    assert {name for name in names if not name.endswith(".delete")} == CHANGES.keys()


@pytest.mark.parametrize("endpoint", conditional(), ids=lambda one: one.name)
async def test_what_was_not_read_is_neither_changed_nor_deleted(
    endpoint: Endpoint, http: Http, stock: Stock, app_server: AppServer
) -> None:
    body = CHANGES.get(endpoint.name)
    path, person = stock.path(endpoint.path), await person_of(stock, app_server.hub, endpoint.name)
    before = await http.get(path, as_=person)
    stale = await http.ask(endpoint.method, path, body, as_=person, headers={"If-Match": '"of another day"'})
    assert (stale.status, stale.data["code"]) == (412, "changed_meanwhile")
    assert (await http.get(path, as_=person)).headers["ETag"] == before.headers["ETag"]
    if body is not None:
        fresh = await http.ask(endpoint.method, path, body, as_=person, headers={"If-Match": before.headers["ETag"]})
        assert fresh.status == 200


async def race(http: Http, stock: Stock) -> list[int]:
    """Change one venue from many sides at once, each having read the same; answers the statuses."""
    path = stock.path("/venues/{venue_id}")
    tag = (await http.get(path, as_=stock.owner)).headers["ETag"]
    changes = [
        http.patch(path, {"name": f"Name {number} of {tag}"}, as_=stock.owner, headers={"If-Match": tag})
        for number in range(CONTENDERS)
    ]
    return sorted([answer.status for answer in await asyncio.gather(*changes)])


async def test_of_many_who_have_read_the_same_one_changes_it(http: Http, stock: Stock) -> None:
    for _ in range(3):
        assert await race(http, stock) == [200] + [412] * (CONTENDERS - 1)


async def test_control_judged_before_the_lock_several_change_it(
    http: Http, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Work, "expect", lambda work, _: setattr(work, "_has_expected", True))
    assert (await race(http, stock)).count(200) > 1


async def test_a_change_that_forgets_to_look_is_undone(
    http: Http, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Work, "expect", lambda *_: None)
    path = stock.path("/venues/{venue_id}")
    answer = await http.patch(path, {"name": "X"}, as_=stock.owner, headers={"If-Match": "*"})
    assert answer.status == 500
    assert (await http.get(path)).data["name"] != "X"
