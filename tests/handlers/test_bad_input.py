"""Bad input everywhere: a problem document with code and fields, and nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest

from handlers.describe.schemas import schemas
from handlers.endpoint import EVERYBODY, SIGNED_IN, Endpoint
from handlers.over_http import WITH_BODY
from handlers.table import table
from tests.builders import day_after, tomorrow
from tests.doors import Answer, Http, ListeningHub
from tests.handlers.bad_input import base, fields_of, write, wrong_json, wrong_texts
from tests.stock import Stock, contents

ENDPOINTS = sorted(table().values(), key=lambda one: one.name)


@dataclass
class Judge:
    """Gathers what was not refused as it should be, so that one run tells of every endpoint."""

    faults: list[str] = field(default_factory=list)

    def expect(self, endpoint: Endpoint, asked: object, answer: Answer, *statuses: int, field: str = "") -> None:
        """Expect a problem document, and that it names the field."""
        try:
            assert_refused(answer, *statuses)
            if field:
                assert_names(answer, field)
        except (AssertionError, KeyError) as fault:
            self.faults.append(f"{endpoint.name} {asked!r:.200}: {fault!s:.300}")


@pytest.fixture
def judge() -> Iterator[Judge]:
    """Lend a judge, and fail with all it found."""
    judge = Judge()
    yield judge
    assert not judge.faults, "\n".join(judge.faults)


def assert_refused(answer: Answer, *statuses: int) -> None:
    """Expect a problem document with a code."""
    assert answer.status in statuses, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.data
    assert document["status"] == answer.status
    assert {"type", "title", "detail", "code", "instance", "request_id"} <= set(document)
    assert "Traceback" not in answer.text
    assert "SELECT" not in answer.text


def assert_names(answer: Answer, field: str) -> None:
    """Expect that the field is named with what is wrong."""
    named = [error["field"] for error in answer.data["errors"]]
    assert any(name == field or name.startswith(f"{field}.") for name in named), (field, answer.data)
    assert all(error["message"] for error in answer.data["errors"])


async def test_no_field_takes_what_it_cannot_mean(http: Http, hub: ListeningHub, stock: Stock, judge: Judge) -> None:
    known, before = schemas(), await contents(hub)
    for endpoint in ENDPOINTS:
        if endpoint.method not in WITH_BODY or endpoint.ask is None:
            continue
        path, usual = stock.path(endpoint.path), base(endpoint, known)
        for name, one in fields_of(endpoint, known).items():
            for wrong in wrong_json(one, known):
                answer = await http.ask(endpoint.method, path, data=write(usual | {name: wrong}), as_=stock.admin)
                judge.expect(endpoint, {name: wrong}, answer, 422, field=name)
        answer = await http.ask(endpoint.method, path, usual | {"no_such_field": 1}, as_=stock.admin)
        judge.expect(endpoint, "no_such_field", answer, 422, field="no_such_field")
    assert await contents(hub) == before


async def test_no_query_takes_what_it_cannot_mean(http: Http, hub: ListeningHub, stock: Stock, judge: Judge) -> None:
    known, before = schemas(), await contents(hub)
    for endpoint in ENDPOINTS:
        if endpoint.method in WITH_BODY:
            continue
        path, fields = stock.path(endpoint.path), fields_of(endpoint, known).items()
        wrongs = [
            (f"{name}={quote(wrong, safe='')}", name) for name, one in fields for wrong in wrong_texts(one, known)
        ]
        wrongs += [("no_such_field=1", "no_such_field"), ("user_id%5B%5D=1", "user_id[]"), ("a=1&a=2", "a")]
        for query, name in wrongs:
            answer = await http.ask(endpoint.method, f"{path}?{query}", as_=stock.admin)
            judge.expect(endpoint, query, answer, 422, field=name)
    assert await contents(hub) == before


async def test_a_path_to_nothing_is_not_found(http: Http, hub: ListeningHub, stock: Stock, judge: Judge) -> None:
    known, before = schemas(), await contents(hub)
    for endpoint in ENDPOINTS:
        parameters = [part.strip("{}") for part in endpoint.path.split("/") if part.startswith("{")]
        body = base(endpoint, known) if endpoint.method in WITH_BODY and endpoint.ask else None
        for wrong in ["0", "-1", "1.5", "x", "9" * 15, "9" * 40, "%00", "%EF%BC%91", "1%20", "..", "1;drop"]:
            if parameters:
                path = stock.path(endpoint.path, **dict.fromkeys(parameters, wrong))
                answer = await http.ask(endpoint.method, path, body, as_=stock.admin)
                # What is asked is judged before it is looked for, and a path may be another's.
                judge.expect(endpoint, wrong, answer, 404, 405, *([422] if wrong == "9" * 15 else []))
    assert await contents(hub) == before


async def test_a_guest_is_asked_to_log_in(http: Http, hub: ListeningHub, stock: Stock, judge: Judge) -> None:
    before = await contents(hub)
    for endpoint in ENDPOINTS:
        if endpoint.may != EVERYBODY:
            answer = await http.ask(endpoint.method, stock.path(endpoint.path))
            judge.expect(endpoint, "as a guest", answer, 401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert await contents(hub) == before


async def test_a_stranger_changes_nothing_of_others(http: Http, hub: ListeningHub, stock: Stock, judge: Judge) -> None:
    known, before = schemas(), await contents(hub)
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET" or "{" not in endpoint.path or endpoint.may == EVERYBODY:
            continue
        if endpoint.path.startswith("/me/identities/"):
            # Of these everybody has their own.
            continue
        body: dict[str, Any] | None = base(endpoint, known) if endpoint.method in WITH_BODY and endpoint.ask else None
        if endpoint.name == "bookings.reschedule":
            body = {"items": [stock.free_slot]}
        answer = await http.ask(endpoint.method, stock.path(endpoint.path), body, as_=stock.stranger)
        judge.expect(endpoint, "as a stranger", answer, 404 if endpoint.may == SIGNED_IN else 403)
    assert await contents(hub) == before


PRIVATE = ["bookings.read", "bookings.history", "closures.get", "desks.events", "desks.snapshot"]


@pytest.mark.parametrize("name", PRIVATE)
async def test_a_stranger_reads_nothing_of_others(name: str, http: Http, stock: Stock) -> None:
    path = stock.path(table()[name].path)
    there = await http.get(path, as_=stock.stranger)
    assert_refused(there, 404)
    ids = dict.fromkeys(stock.ids, 99999)
    missing = await http.get(stock.path(table()[name].path, **ids), as_=stock.stranger)
    told = ("type", "title", "status", "detail", "code")
    assert [there.data[key] for key in told] == [missing.data[key] for key in told]


def _stay(**fields: Any) -> dict[str, Any]:
    usual = {"kind": "stay", "check_in": str(day_after(3)), "check_out": str(day_after(4))}
    return {"items": [usual | fields]}


@pytest.mark.parametrize("path", ["/holds", "/bookings"])
async def test_baskets_that_make_no_sense_are_refused(path: str, http: Http, hub: ListeningHub, stock: Stock) -> None:
    room, room_type, session = (stock.ids[name] for name in ("room_id", "room_type_id", "session_id"))
    begin, end = tomorrow(10).isoformat(), tomorrow(11).isoformat()
    slot = {"kind": "slot", "room_id": room, "starts_at": begin, "ends_at": end}
    before = await contents(hub)
    senseless: list[tuple[Any, int, str]] = [
        ({"items": []}, 422, "items"),
        ({}, 422, "items"),
        ({"items": [{}]}, 422, "items.0"),
        ({"items": [{"kind": "yacht"}]}, 422, "items.0"),
        ({"items": [slot] * 21}, 422, "items"),
        (_stay(room_type_id=room_type, check_in=str(day_after(4)), check_out=str(day_after(4))), 422, "items.0"),
        (_stay(room_type_id=room_type, check_in=str(day_after(5))), 422, "items.0"),
        (_stay(room_type_id=room_type, check_in=1), 422, "items.0.check_in"),
        (_stay(room_type_id=room_type, check_in="0001-01-01"), 422, "items.0.check_in"),
        (_stay(room_type_id=room_type, room_id=room), 422, "items.0"),
        (_stay(), 422, "items.0"),
        ({"items": [slot | {"ends_at": "yesterday"}]}, 422, "items.0.ends_at"),
        ({"items": [slot | {"price": 1}]}, 422, "items.0.price"),
        ({"items": [slot | {"guests": 0}]}, 422, "items.0.guests"),
        ({"items": [{"kind": "place", "session_id": session, "quantity": 0}]}, 422, "items.0.quantity"),
        ({"items": [{"kind": "place", "session_id": session, "quantity": 10**6}]}, 422, "items.0.quantity"),
        ({"items": [slot], "price": 1, "status": "confirmed"}, 422, "price"),
        ({"items": [slot], "__proto__": {"admin": True}}, 422, "__proto__"),
    ]
    for body, status, name in senseless:
        answer = await http.post(path, body, as_=stock.customer)
        assert_refused(answer, status)
        assert_names(answer, name)
    impossible: list[Any] = [
        {"items": [slot | {"starts_at": end, "ends_at": begin}]},
        {"items": [slot | {"starts_at": begin, "ends_at": begin}]},
        {"items": [slot | {"starts_at": "2020-01-01T10:00:00Z", "ends_at": "2020-01-01T11:00:00Z"}]},
        {"items": [slot | {"starts_at": "2199-01-01T10:00:00Z", "ends_at": "2199-01-01T11:00:00Z"}]},
        {"items": [slot | {"guests": 51}]},
        {"items": [slot | {"room_id": 10**9}]},
        {"items": [{"kind": "place", "session_id": 10**9}]},
        _stay(room_type_id=10**9),
        _stay(room_id=room, check_in="2020-01-01", check_out="2020-01-02"),
    ]
    for body in impossible:
        answer = await http.post(path, body, as_=stock.customer)
        assert_refused(answer, 404, 409, 422)
    foreign = await http.post(path, {"items": [slot], "user_id": stock.stranger.id}, as_=stock.customer)
    assert_refused(foreign, 403, 404)
    assert await contents(hub) == before
