"""What is sent can widen no list, reach no SQL, keep no worker busy, and learn nothing of the inside."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import handlers
import hub
import storage
from handlers.table import table
from hub import logs
from tests import builders
from tests.doors import Answer, AppServer, Http, ListeningHub, People
from tests.stock import Stock, contents, stock

QUERIES = (
    "' OR '1'='1",
    "1) UNION SELECT password_hash FROM users --",
    "%' ESCAPE '",
    "\\",
    "{1,2}",
    "(SELECT pg_sleep(5))",
    "id; SELECT 1",
    "->>'password_hash'",
    "\u02bc OR 1=1; \uff10",
)
BODIES = (
    b"",
    b"{",
    b"null",
    b"\xff\xfe",
    b'{"a":' * 5000,
    b'{"items": [{"kind": "stay"}]}',
    b'{"email": {"$ne": null}, "password": []}',
    b"<xml/>",
)
PATHS = (
    "//%00",
    "//%ff",
    "//..%2f..%2fetc/passwd",
    "//static/js/%2e%2e/x",
    "//" + "a" * 5000,
    "/venues/1e9",
    "/venues/-1",
)
SORTS = ["sort", "order", "order_by", "fields", "group", "group_by", "filter", "where", "include", "select", "columns"]
# What is only inside: libraries, files, statements, versions.
INSIDE = re.compile(
    r"traceback|file \"|\.py\b|line \d+, in|asyncpg|pydantic|aiohttp|python/|postgres|syntax error|relation \"|"
    r"column \"|select .* from|insert into|constraint|sqlstate|valkey|redis|0x[0-9a-f]{6,}|site-packages|/hub/",
    re.IGNORECASE,
)


@pytest.fixture
async def things(hub: ListeningHub, people: People) -> Stock:
    return await stock(hub, people)


@pytest.mark.abuse("A9")
async def test_no_filter_widens_what_somebody_sees(http: Http, things: Stock) -> None:
    customer, stranger, venue = things.customer.id, things.stranger, things.ids["venue_id"]
    own = await http.get("/bookings", as_=things.customer)
    assert own.data["meta"]["total_items"] == 3
    for query in ({"user_id": customer}, {"session_id": things.ids["session_id"]}, {"room_id": things.ids["room_id"]}):
        assert (await http.get("/bookings", as_=stranger, query=query)).data["items"] == []
    for query in ({"q": things.customer.full_name}, {"q": "%"}, {"q": "_"}, {"q": things.booking.reference}):
        assert (await http.get("/bookings", as_=stranger, query=query)).data["items"] == []
    for query in (
        *("user_id=*", "user_id=0", f"user_id={customer}&user_id={stranger.id}", f"user_id[]={customer}"),
        *(f"venue_id[]={venue}", f"venue_id=1,{venue}", "include=user.payments", "fields=guest.email", "all=true"),
        *("scope=all", "user_id=null", "user_id=", "status=*", "expand=guest"),
    ):
        answer = await http.get(f"/bookings?{query}", as_=stranger)
        assert answer.status == 422, query
    for path in (f"/bookings?venue_id={venue}", f"/closures?venue_id={venue}", f"/audit?venue_id={venue}"):
        answer = await http.get(path, as_=stranger)
        assert answer.status == 404 or answer.data["items"] == [], path
    for path in ("/audit", "/users", "/roles", f"/users?q={things.customer.email}"):
        assert (await http.get(path, as_=stranger)).status == 403, path


@pytest.mark.abuse("F1")
async def test_no_query_reaches_the_database_as_code(http: Http, hub: ListeningHub, things: Stock) -> None:
    before = await contents(hub)
    lists = [one for one in table().values() if one.method == "GET" and one.ask is not None and "{" not in one.path]
    assert len(lists) > 10
    for endpoint in lists:
        assert endpoint.ask is not None
        for name, field in endpoint.ask.model_fields.items():
            for value in QUERIES:
                started = time.monotonic()
                spelled = field.alias or name
                answer = await http.get(f"{endpoint.path}?{spelled}={quote(value)}", as_=things.admin)
                assert answer.status in (200, 404, 422), (endpoint.name, spelled, value, answer.text)
                assert not INSIDE.search(answer.text) or answer.status == 200, answer.text
                assert time.monotonic() - started < 4
    for path in ("/bookings", "/venues", "/users", "/audit", "/sessions", "/rooms"):
        for name in SORTS:
            for value in ("password_hash", "id; DROP TABLE users", "(SELECT 1)", "newest,oldest"):
                assert (await http.get(f"{path}?{name}={quote(value)}", as_=things.admin)).status == 422, (path, name)
    assert await contents(hub) == before


@pytest.mark.abuse("F1")
async def test_signs_of_a_pattern_are_looked_for_as_they_are(http: Http, hub: ListeningHub, things: Stock) -> None:
    for wild in ("%", "_", "%%%", "Sala_Norte", "S%e"):
        assert (await http.get("/venues", query={"q": wild})).data["items"] == [], wild
    await builders.make_venue(hub, things.owner.actor, name="100 % wool_house")
    assert len((await http.get("/venues", query={"q": "0 % w"})).data["items"]) == 1
    assert len((await http.get("/venues", query={"q": "l_h"})).data["items"]) == 1


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Find every regular expression in the code."""
    for package in (hub, handlers, storage):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            for name, thing in vars(importlib.import_module(module.name)).items():
                for pattern in _patterns_in(thing):
                    yield f"{module.name}.{name}", pattern


def _patterns_in(thing: Any) -> Iterator[re.Pattern[str]]:
    if isinstance(thing, re.Pattern):
        yield thing
    elif isinstance(thing, dict):
        for one in thing.values():
            yield from _patterns_in(one)
    elif isinstance(thing, tuple | list):
        for one in thing:
            yield from _patterns_in(one)


PIECES = (*'a0.-_@%({\\"=,é', " ", "\t", "a@", "a.", "1.", "a b", "+1", "{a", "a=", "::")
REPEATED = ("http://", "://", "eyJ", "a.", "1 ", "input_value=", "token=", "Bearer ", "DETAIL:")
WORST = [piece * (10_000 // len(piece)) + end for piece in (*PIECES, *REPEATED) for end in ("", "!", "\n", "@")]


def searched() -> set[str]:
    """Name the expressions that are looked for anywhere in a text; all others must begin at its start."""
    calls = re.compile(r"\b(\w+)\.(?:search|sub|findall|finditer|split)\(")
    folders = [Path(package.__path__[0]) for package in (hub, handlers, storage)]
    return {name for folder in folders for file in folder.rglob("*.py") for name in calls.findall(file.read_text())}


@pytest.mark.abuse("F3")
def test_no_pattern_takes_long_over_anything() -> None:
    anywhere, slow, seen = searched(), [], set()
    for where, pattern in patterns():
        if where.startswith("hub.logs.") or (where, pattern.pattern) in seen:
            continue
        seen.add((where, pattern.pattern))
        used: list[Any] = [pattern.match, pattern.fullmatch]
        if where.rpartition(".")[2] in anywhere:
            used.append(pattern.search)
        for text in WORST:
            started = time.process_time()
            for judge in used:
                judge(text.encode() if isinstance(pattern.pattern, bytes) else text)
            took = time.process_time() - started
            if took > 0.05:
                slow.append(f"{where} took {took:.2f} s over {text[:20]!r}...")
    assert len(seen) > 20
    assert slow == []


@pytest.mark.abuse("F3")
def test_no_log_line_takes_long_to_clean() -> None:
    for text in WORST:
        started = time.process_time()
        logs.redacted(text)
        assert time.process_time() - started < 0.5, text[:20]


@pytest.mark.abuse("F3")
async def test_long_texts_are_judged_quickly(http: Http, things: Stock) -> None:
    fields = ("full_name", "phone", "bio", "gender", "specialisation", "birth_date")
    for text in WORST[::5]:
        for name in fields:
            started = time.perf_counter()
            answer = await http.patch("/me", {name: text}, as_=things.customer)
            assert answer.status in (200, 422)
            assert time.perf_counter() - started < 1
    for path in ("/venues", "/search"):
        name = "q" if path == "/venues" else "place"
        assert (await http.get(path, query={name: "a" * 3000})).status == 422


@pytest.mark.abuse("F13")
async def test_no_refusal_tells_of_the_inside(http: Http, app_server: AppServer, things: Stock) -> None:
    answers: list[Answer] = []
    for endpoint in table().values():
        path = things.path(endpoint.path, provider="google", name="x.jpg", invitation_id=1, role_id=1, user_id=1)
        asks = [(method, f"{path}/x", None) for method in ("TRACE", "PROPFIND") if method != endpoint.method]
        if endpoint.method in ("POST", "PUT", "PATCH"):
            asks += [(endpoint.method, path, body) for body in BODIES]
        answers += [await http.ask(method, at, data=body, as_=things.stranger) for method, at, body in asks]
    answers += [await http.get(path) for path in PATHS]
    assert len(answers) > 400
    for answer in answers:
        assert answer.status != 500, answer.text
        assert not INSIDE.search(answer.text), answer.text
        assert answer.headers["Server"] == "booking-hub"
        assert not {"X-Powered-By", "X-AspNet-Version", "Via"} & set(answer.headers)


@pytest.mark.abuse("F13")
@pytest.mark.parametrize(
    "sent",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/v1/holds HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_http_learns_nothing_either(app_server: AppServer, sent: bytes) -> None:
    port = int(app_server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    try:
        writer.write(sent)
        async with asyncio.timeout(10):
            said = (await reader.read(4000)).decode(errors="replace")
    finally:
        writer.close()
    assert " 500 " not in said
    assert not INSIDE.search(said), said
