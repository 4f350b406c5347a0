"""The audit over HTTP: who may read what of it, what is found in it, and that refusals are in it."""

from __future__ import annotations

from typing import Any

import pytest

import hub.app as hub_app
from hub.services.audit import AuditBroken
from storage.pool import as_owner
from tests import builders
from tests.doors import AppServer, Http, ListeningHub, People, Person
from tests.live.client import Watcher
from tests.sealing import seal_all
from tests.stock import Stock, stock


@pytest.fixture
async def things(hub: ListeningHub, people: People) -> Stock:
    return await stock(hub, people)


async def read(http: Http, who: Person, **query: Any) -> list[dict[str, Any]]:
    """Read the audit."""
    answer = await http.get("/audit", as_=who, query={"per_page": 100} | query)
    assert answer.status == 200, answer.text
    items: list[dict[str, Any]] = answer.data["items"]
    return items


async def test_an_admin_reads_what_was_done_through_the_api(http: Http, things: Stock) -> None:
    venue_id = things.ids["venue_id"]
    headers = {"X-Request-Id": "my-request-0001"}
    answer = await http.patch(f"/venues/{venue_id}", {"name": "Sala Sul"}, as_=things.owner, headers=headers)
    assert answer.status == 200
    [entry] = await read(http, things.admin, entity="venue", entity_id=venue_id, operation="update")
    assert entry["actor_id"] == things.owner.id
    assert entry["actor_name"] == things.owner.full_name
    assert entry["address"] == "127.0.0.1"
    assert entry["asked"] == "venues.change"
    assert entry["request_id"] == "my-request-0001"
    assert (entry["before"], entry["after"]) == ({"name": "Sala Norte"}, {"name": "Sala Sul"})


async def test_filters_narrow_and_pages_turn(http: Http, things: Stock) -> None:
    everything = await read(http, things.admin)
    assert [one["id"] for one in everything] == sorted((one["id"] for one in everything), reverse=True)
    rooms = await read(http, things.admin, entity="room")
    assert {one["entity"] for one in rooms} == {"room"}
    assert await read(http, things.admin, actor_id=things.customer.id, operation="create", entity="booking")
    assert await read(http, things.admin, asked="nobody.asked") == []
    moment = rooms[0]["at"]
    assert all(one["at"] < moment for one in await read(http, things.admin, to=moment))
    assert all(one["at"] >= moment for one in await read(http, things.admin, **{"from": moment}))
    first = await http.get("/audit", as_=things.admin, query={"per_page": 2})
    second = await http.get("/audit", as_=things.admin, query={"per_page": 2, "page": 2})
    assert [one["id"] for one in first.data["items"] + second.data["items"]] == [one["id"] for one in everything[:4]]
    # looking is no change
    assert first.data["meta"]["total_items"] == len(everything) == second.data["meta"]["total_items"]
    for wrong in ({"operation": "drop"}, {"entity_id": "x"}, {"from": "yesterday"}, {"sort": "id; DROP TABLE audit"}):
        assert (await http.get("/audit", as_=things.admin, query=wrong)).status == 422


async def test_an_owner_reads_their_venue_and_nobody_elses(http: Http, hub: ListeningHub, things: Stock) -> None:
    venue_id = things.ids["venue_id"]
    own = await read(http, things.owner, venue_id=venue_id)
    assert {"venue", "room", "room_type", "session", "booking"} <= {one["entity"] for one in own}
    assert all(one["venue_id"] in (None, venue_id) for one in own)
    assert {one["entity"] for one in own if one["venue_id"] is None} == {"booking"}
    assert all(one["address"] is None and one["request_id"] is None for one in own)
    assert (await http.get("/audit", as_=things.owner)).status == 403
    assert (await http.get("/audit", as_=things.stranger, query={"venue_id": venue_id})).status == 404
    assert (await http.get("/audit", as_=things.owner, query={"venue_id": 987654})).status == 404
    assert (await http.get("/audit")).status == 401
    other = await builders.make_actor(hub, "vendor")
    next_door = await builders.make_venue(hub, other)
    assert (await http.get("/audit", as_=things.owner, query={"venue_id": next_door.id})).status == 404


async def test_staff_of_a_venue_do_not_read_its_audit(
    http: Http, hub: ListeningHub, people: People, things: Stock
) -> None:
    clerk = await people.customer("Carla Clerk")
    async with hub.pool.acquire() as db:
        await db.execute(
            "INSERT INTO venue_staff (venue_id, user_id, role) VALUES ($1, $2, 'manager')",
            things.ids["venue_id"],
            clerk.id,
        )
    assert (await http.get("/audit", as_=clerk, query={"venue_id": things.ids["venue_id"]})).status == 403


async def test_the_log_of_a_booking_is_for_its_desk(http: Http, things: Stock) -> None:
    path = f"/bookings/{things.booking.id}"
    await http.post(f"{path}/cancel", {"reason": "she phoned"}, as_=things.owner)
    log = await http.get(f"{path}/log", as_=things.owner)
    assert log.status == 200
    written = [(one["operation"], one["actor_name"]) for one in log.data["items"]]
    # What lies between is the customer's payment.
    assert written[0] == ("create", things.customer.full_name)
    assert written[-1] == ("update", things.owner.full_name)
    assert set(written[1:-1]) <= {("update", things.customer.full_name)}
    assert log.data["items"][-1]["after"]["status"] == "cancelled"
    assert "she phoned" not in log.text
    assert (await http.get(f"{path}/log", as_=things.admin)).status == 200
    assert (await http.get(f"{path}/log", as_=things.customer)).status == 403
    assert (await http.get(f"{path}/log", as_=things.stranger)).status == 404


async def test_a_desk_reads_only_its_part_of_a_booking_of_two(http: Http, hub: ListeningHub, people: People) -> None:
    one, other, guest = await people.vendor("One Owner"), await people.vendor("Other Owner"), await people.customer()
    rooms = []
    for owner, price in ((one, 7777), (other, 3333)):
        venue = await builders.make_venue(hub, owner.actor)
        kind = await builders.make_room_type(hub, owner.actor, venue, price=price)
        rooms.append(await builders.make_room(hub, owner.actor, kind))
    when = builders.tomorrow(days=3)
    booking = await builders.make_booking(hub, guest.actor, *(builders.slot(room, when) for room in rooms))
    log = await http.get(f"/bookings/{booking.id}/log", as_=one)
    assert log.status == 200
    assert "11110" not in log.text
    seen = await http.get("/audit", as_=one, query={"venue_id": rooms[0].venue_id, "entity": "booking"})
    assert seen.data["items"]
    assert "11110" not in seen.text
    assert (await http.get(f"/bookings/{booking.id}/log", as_=await people.admin())).data["items"][0]["after"][
        "price"
    ] == 11110


@pytest.mark.abuse("A1", "A3", "B1")
async def test_what_is_refused_leaves_an_entry_and_nothing_else(http: Http, things: Stock) -> None:
    booking, hold = things.booking.id, things.hold.id
    tried = [
        ("GET", f"/bookings/{booking}", None, 404, "bookings.read", "booking", booking),
        ("POST", f"/bookings/{booking}/cancel", {"reason": "mine"}, 404, "bookings.cancel", "booking", booking),
        ("POST", f"/holds/{hold}/confirm", {}, 404, "holds.confirm", "booking", hold),
        ("DELETE", f"/holds/{hold}", None, 404, "holds.release", "booking", hold),
        ("PATCH", f"/venues/{things.ids['venue_id']}", {"name": "Mine"}, 404, "venues.change", "venue", None),
        ("GET", "/audit", None, 403, "audit.list", "audit", None),
        ("GET", "/audit/verify", None, 403, "audit.verify", "audit", None),
    ]
    for method, path, body, status, *_ in tried:
        assert (await http.ask(method, path, body, as_=things.stranger)).status == status
    denied = await read(http, things.admin, operation="denied", actor_id=things.stranger.id)
    for entry, (_, _, _, status, asked, entity, entity_id) in zip(reversed(denied), tried, strict=True):
        assert (entry["asked"], entry["entity"]) == (asked, entity)
        assert entity_id in (None, entry["entity_id"])
        assert entry["after"] == {"code": "forbidden" if status == 403 else "not_found"}
        assert entry["address"]
    # an owner learns nothing of who tried
    assert await read(http, things.owner, venue_id=things.ids["venue_id"], operation="denied") == []


async def test_nobody_floods_the_record_by_being_refused(http: Http, things: Stock) -> None:
    for _ in range(30):
        assert (await http.get("/audit/verify", as_=things.stranger)).status == 403
    assert len(await read(http, things.admin, operation="denied", actor_id=things.stranger.id)) == 20
    assert (await http.get("/audit/verify", as_=things.customer)).status == 403
    assert len(await read(http, things.admin, operation="denied", actor_id=things.customer.id)) == 1


async def test_guests_and_public_things_leave_no_refusals(http: Http, things: Stock) -> None:
    assert (await http.get("/audit")).status == 401
    assert (await http.get("/venues/987654", as_=things.stranger)).status == 404
    assert await read(http, things.admin, operation="denied") == []


async def test_the_audit_is_verified_over_http_and_on_the_command_line(
    http: Http,
    hub: ListeningHub,
    things: Stock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # a command has the log of its process to itself
    monkeypatch.setattr(hub_app, "configure_logs", lambda _: None)
    await seal_all(hub)
    found = (await http.get("/audit/verify", as_=things.admin)).data
    assert found["holds"] is True
    assert found["broken"] is None
    assert found["entries"] > 20
    await hub_app.verify_audit(hub.settings)
    said = capsys.readouterr().out
    assert "are as they were written" in said
    assert found["head"] in said
    async with as_owner(hub.pool) as db:
        row = await db.fetchval("SELECT min(id) + 2 FROM audit")
        await db.execute("ALTER TABLE audit DISABLE TRIGGER audit_is_kept")
        await db.execute("UPDATE audit SET actor_id = 1 WHERE id = $1", row)
    found = (await http.get("/audit/verify", as_=things.admin)).data
    assert found["holds"] is False
    assert found["broken"] == {"seal": 1, "row": row, "reason": "the row was changed"}
    with pytest.raises(AuditBroken, match=f"seal 1, entry {row}: the row was changed"):
        await hub_app.verify_audit(hub.settings)


async def test_a_desk_that_is_not_theirs_is_refused_over_the_socket_and_kept(
    app_server: AppServer, http: Http, things: Stock
) -> None:
    venue_id = things.ids["venue_id"]
    async with Watcher(app_server.url, things.stranger.token) as stranger, Watcher(app_server.url) as guest:
        for watcher in (stranger, guest):
            for asked in ({"venue_id": venue_id}, {"venue_id": "x"}, {"venue_id": 2**70}, {}, [], None):
                assert not (await watcher.socket.call("desks.watch", asked))["ok"]
        assert not (await stranger.socket.call("bookings.read", {"booking_id": things.booking.id}))["ok"]
    denied = await read(http, things.admin, operation="denied")
    assert [(one["asked"], one["entity"], one["entity_id"], one["actor_id"]) for one in reversed(denied)] == [
        ("desks.watch", "desk", venue_id, things.stranger.id),
        ("bookings.read", "booking", things.booking.id, things.stranger.id),
    ]
    assert all(one["address"] == "127.0.0.1" for one in denied)
