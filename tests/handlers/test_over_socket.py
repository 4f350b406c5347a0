"""The endpoint table over Socket.IO: acknowledgements, refusals, repeats."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import socketio

from handlers import over_socket
from hub.core import Actor
from hub.services import venues
from tests.doors import AppServer, Http, Person
from tests.stock import Stock

Ask = Callable[..., Awaitable[Any]]
Connect = Callable[..., Awaitable[Ask]]


@pytest.fixture
async def connect(app_server: AppServer) -> AsyncIterator[Connect]:
    """Open sockets; each is a function that sends a command and answers its acknowledgement."""
    async with AsyncExitStack() as stack:

        async def opened(person: Person | None = None) -> Ask:
            client = socketio.AsyncClient(reconnection=False)
            await client.connect(
                app_server.url, auth={"token": person.token} if person else None, transports=["websocket"]
            )
            stack.push_async_callback(client.disconnect)

            async def ask(name: str, *payload: Any) -> Any:
                return await client.call(name, payload or None, timeout=10)

            return ask

        yield opened


async def test_a_command_is_acknowledged_with_what_it_made(connect: Connect, http: Http, stock: Stock) -> None:
    ask = await connect(stock.customer)
    held = await ask("holds.place", {"items": [stock.free_slot], "notes": "by the window"})
    assert held["ok"] is True
    assert held["data"]["status"] == "held"
    read = await http.get(f"/bookings/{held['data']['id']}", as_=stock.customer)
    assert read.data == held["data"]
    assert await ask("holds.release", {"booking_id": held["data"]["id"]}) == {"ok": True, "data": None}


async def test_a_refusal_is_the_same_problem_document(connect: Connect, stock: Stock) -> None:
    ask = await connect(stock.customer)
    refused = await ask("venues.create", {"name": "x"})
    assert refused["ok"] is False
    assert (refused["error"]["code"], refused["error"]["status"]) == ("forbidden", 403)
    assert refused["error"]["instance"] == "venues.create"
    invalid = await ask("holds.place", {"items": [{"kind": "place", "session_id": "1"}]})
    assert invalid["error"]["errors"] == [{"field": "items.0.session_id", "message": "must be a whole number"}]
    taken = await ask("bookings.make", {"items": [stock.free_slot]})
    assert taken["ok"]
    again = await ask("bookings.make", {"items": [stock.free_slot]})
    assert again["error"]["code"] == "not_available"
    assert again["error"]["reasons"]


async def test_a_guest_may_read_but_not_act(connect: Connect, stock: Stock) -> None:
    ask = await connect()
    assert (await ask("venues.get", {"venue_id": stock.ids["venue_id"]}))["ok"]
    assert (await ask("me.read"))["error"]["code"] == "unauthenticated"
    assert (await ask("holds.place", {"items": [stock.free_slot]}))["error"]["code"] == "unauthenticated"


async def test_what_is_no_command_is_unknown(connect: Connect, stock: Stock) -> None:
    ask = await connect(stock.customer)
    for name in ("booking.confirmed", "auth.login", "no.such", "__proto__", "message", "x" * 200):
        refused = await ask(name, {})
        assert (refused["ok"], refused["error"]["code"]) == (False, "unknown_command"), name


async def test_a_command_takes_one_object(connect: Connect, stock: Stock) -> None:
    ask = await connect(stock.customer)
    for payload in ([], "text", 5, True):
        assert (await ask("me.read", payload))["error"]["code"] == "malformed"
    assert (await ask("me.read", {"user_id": 1}))["error"]["errors"][0]["field"] == "user_id"
    assert (await ask("bookings.read", {"booking_id": 2**60}))["error"]["code"] == "invalid"
    assert (await ask("bookings.list", {"q": "bell \x07"}))["error"]["code"] == "invalid"


async def test_a_repeat_over_the_other_wire_is_the_same_request(connect: Connect, http: Http, stock: Stock) -> None:
    ask = await connect(stock.customer)
    body = {"items": [stock.free_slot]}
    first = await http.post("/holds", body, as_=stock.customer, headers={"Idempotency-Key": "one"})
    again = await ask("holds.place", body | {"idempotency_key": "one"})
    assert again == {"ok": True, "data": first.data}
    other = await ask("holds.place", body | {"idempotency_key": "one", "notes": "other"})
    assert other["error"]["code"] == "idempotency_key_reused"
    for key in (1, "", "x" * 256):
        assert (await ask("holds.place", body | {"idempotency_key": key}))["error"]["code"] == "invalid"


async def test_a_fault_tells_nothing_of_the_inside(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("SELECT secret FROM inside")

    monkeypatch.setattr(venues, "listed", broken)
    refused = await over_socket.answer(app_server.hub, Actor(), "venues.list", None)
    assert refused["error"]["code"] == "fault"
    assert "secret" not in str(refused)
    logged = capsys.readouterr().out
    assert refused["error"]["request_id"] in logged
    assert "SELECT secret FROM inside" in logged
