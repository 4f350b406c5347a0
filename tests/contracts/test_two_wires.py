"""The same ask has the same outcome over HTTP and over the socket, whoever asks."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from handlers import over_socket
from handlers.describe.schemas import schemas
from handlers.over_http import WITH_BODY
from handlers.table import table
from hub.core import Actor
from tests.doors import Answer, Http, ListeningHub, People, Person
from tests.handlers.bad_input import base
from tests.stock import Stock, stock

# Different for each request by their nature.
OF_THE_REQUEST = ("instance", "request_id")
_SIGNED = re.compile(r'ticket=[\w.-]+|"expires_at": "[^"]+"')


@pytest.fixture(name="stock")
async def _stock(hub: ListeningHub, people: People) -> Stock:
    return await stock(hub, people)


def over_http(answer: Answer) -> dict[str, Any]:
    """Put an HTTP answer as the socket would."""
    if answer.status < 400:
        return {"ok": True, "data": answer.data}
    return {"ok": False, "error": _plain(answer.data)}


def _plain(problem: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in problem.items() if key not in OF_THE_REQUEST}


def _unsigned(answer: dict[str, Any]) -> str:
    """Write an answer without the links that were signed at that very moment, and without until when they are good."""
    return _SIGNED.sub("ticket", json.dumps(answer, sort_keys=True))


async def test_both_wires_answer_alike(http: Http, hub: ListeningHub, stock: Stock) -> None:
    known, differences = schemas(), []
    people: list[Person | None] = [None, stock.customer, stock.stranger, stock.owner, stock.admin]
    for one in table().values():
        if not one.over_socket:
            continue
        parameters = [part.strip("{}") for part in one.path.split("/") if part.startswith("{")]
        ids = stock.ids | ({"booking_id": stock.hold.id} if one.path.startswith("/holds/") else {})
        named = {name: ids[name] if name != "login_id" else str(ids[name]) for name in parameters}
        asks: list[dict[str, Any]] = [{"no_such_field": True}]
        if one.method == "GET":
            asks.append({})
        elif one.method in WITH_BODY and one.ask:
            # Lacks a field or has one too many, so that nothing changes between the two.
            asks += [base(one, known) | {"no_such_field": 1}, {"items": [{"kind": "x"}]}]
        for person in people:
            actor = person.actor if person else Actor()
            for ask in asks:
                query = "" if one.method in WITH_BODY or not ask else "?no_such_field=True"
                body = ask if one.method in WITH_BODY else None
                http_answer = over_http(await http.ask(one.method, stock.path(one.path) + query, body, as_=person))
                answer = await over_socket.answer(hub, actor, one.name, named | ask)
                if not answer["ok"]:
                    answer = {"ok": False, "error": _plain(answer["error"])}
                if _unsigned(answer) != _unsigned(http_answer):
                    differences.append(f"{one.name} {ask} {person and person.full_name}: {http_answer} {answer}"[:500])
    assert not differences, "\n".join(differences)
