"""What people type is a value and nothing else: no query, no pattern that never ends, no address to be led to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from handlers.describe.schemas import schemas
from handlers.endpoint import EVERYBODY, Endpoint
from handlers.table import table
from tests.doors import AppServer, Http, People
from tests.handlers.bad_input import base, fields_of
from tests.live.following import reducing
from tests.stock import Stock, stock

INJECTIONS = (
    "id; DROP TABLE users",
    "name' OR '1'='1",
    "(SELECT pg_sleep(3))",
    "name DESC NULLS LAST",
    "1;SELECT pg_sleep(3)--",
    "data->>'x'",
    "%",
    "{1,2}",
    "ARRAY[1]",
    "-name,price",
)


@pytest.fixture(name="stock")
async def _stock(app_server: AppServer) -> Stock:
    return await stock(app_server.hub, People(app_server.hub))


def reading() -> list[Endpoint]:
    return [one for one in table().values() if one.method == "GET" and one.ask is not None]


@pytest.mark.abuse("F1")
async def test_what_a_list_is_sorted_and_narrowed_by_is_never_a_piece_of_a_query(http: Http, stock: Stock) -> None:
    known = schemas()
    tried = 0
    for endpoint in reading():
        if "{" in endpoint.path and not all(part in stock.ids for part in _parts(endpoint.path)):
            continue
        for name in {"sort", "order", "fields", "group", "filter", *fields_of(endpoint, known)}:
            for text in INJECTIONS:
                began = time.perf_counter()
                answer = await http.get(f"{stock.path(endpoint.path)}?{name}={_quoted(text)}", as_=stock.owner)
                assert answer.status < 500, (endpoint.name, name, text)
                assert time.perf_counter() - began < 2.5, (endpoint.name, name, text)
                if name in {"sort", "order", "fields", "group", "filter"}:
                    assert answer.status in {403, 404, 422}, (endpoint.name, name, text)
                tried += 1
    assert tried > 500


@pytest.mark.abuse("F1")
async def test_signs_of_a_pattern_mean_themselves(http: Http, stock: Stock) -> None:
    assert (await http.get("/venues?q=Aurora")).data["meta"]["total_items"] == 1
    for text in ("%25", "_urora", "Au%25ra", "%5C", "A.*a", "%5B%5E%5D"):
        assert (await http.get(f"/venues?q={text}")).data["meta"]["total_items"] == 0, text


@pytest.mark.abuse("F1")
async def test_no_statement_runs_for_longer_than_five_seconds(app_server: AppServer) -> None:
    async with app_server.hub.pool.acquire() as db:
        assert await db.fetchval("SELECT current_setting('statement_timeout')") == "5s"


# What makes a pattern go back and forth for ever, if anything does.
WORST = (
    "a" * 10_000,
    "a" * 9_999 + "!",
    "@" * 10_000,
    "a@" * 5_000,
    "a." * 5_000 + "@",
    "a@" + "a." * 4_999,
    "-" * 10_000,
    " " * 10_000 + "x",
    "+855 " * 2_000,
    "1:" * 5_000,
    "2027-01-01T" * 900,
    "\u0301" * 10_000,
    "\ufdfa" * 3_000,
    "(" * 10_000,
    ("ab" * 20 + " ") * 240,
)


@pytest.mark.abuse("F3")
async def test_no_text_however_chosen_keeps_the_hub_thinking(http: Http, stock: Stock) -> None:
    known = schemas()
    slowest: list[tuple[float, str, str]] = []
    endpoints = [
        one for one in table().values() if one.ask is not None and one.method == "POST" and "{" not in one.path
    ]
    for endpoint in endpoints:
        asked = base(endpoint, known)
        for name in fields_of(endpoint, known):
            for text in WORST:
                took = []
                # The machine may be busy; a pattern that never ends is slow every time.
                for _ in range(3):
                    began = time.perf_counter()
                    answer = await http.post(endpoint.path, asked | {name: text}, as_=_person(endpoint, stock))
                    took.append(time.perf_counter() - began)
                    assert answer.status < 500
                    if took[-1] < 0.05:
                        break
                slowest.append((min(took), f"{endpoint.name} {name}", text[:20]))
    late = [one for one in slowest if one[0] > 0.25]
    assert not late, sorted(late)[-5:]
    assert sorted(took for took, _, _ in slowest)[int(len(slowest) * 0.99)] < 0.1


def _person(endpoint: Endpoint, stock: Stock) -> Any:
    return None if endpoint.may == EVERYBODY else stock.owner


def _parts(path: str) -> list[str]:
    return [part.partition("}")[0] for part in path.split("{")[1:]]


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


@pytest.fixture
async def page(browser: Browser, app_server: AppServer) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=app_server.url)
    yield await context.new_page()
    await context.close()


@pytest.mark.abuse("F11")
async def test_no_address_and_nothing_the_hub_says_changes_what_every_object_is(page: Page, stock: Stock) -> None:
    polluting = "__proto__[x]=1&__proto__.x=1&constructor[prototype][x]=1&constructor.prototype.x=1"
    for path in ("/", "/login", stock.path("/venues/{venue_id}"), "/bookings", "/docs", "/docs/events"):
        await page.goto(f"{path}?{polluting}#{polluting}")
        await page.wait_for_load_state("networkidle")
        assert await page.evaluate("[({}).x, [].x, Object.prototype.x].every((one) => one === undefined)"), path
    applied = await page.evaluate(
        """async () => {
            const { begin, applyEvent } = await import("/static/js/live-state.js");
            let state = begin(JSON.parse('{"rooms": [{"id": "__proto__", "x": 1}], "__proto__": {"x": 1}}'));
            const data = JSON.parse('{"id": "__proto__", "x": 1, "__proto__": {"x": 1}}');
            for (const subject of ["__proto__", "constructor", "room", "venue", "user"]) {
                state = applyEvent(state, { name: `${subject}.changed`, data });
            }
            return [({}).x, Object.prototype.x, [].x].every((one) => one === undefined);
        }"""
    )
    assert applied


ELSEWHERE = (
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    "/.//evil.example",
    "/%09/evil.example",
    "javascript:alert(1)",
    " javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "http:evil.example",
    "///evil.example",
    "/..//evil.example",
    "@evil.example",
    "https:evil.example",
)


@pytest.mark.abuse("F15")
async def test_no_link_leads_a_visitor_elsewhere_after_the_log_in(page: Page, app_server: AppServer) -> None:
    await page.goto("/login")
    for wanted in ELSEWHERE:
        led = await page.evaluate(
            """async (wanted) => {
                history.replaceState(null, "", "/login?" + new URLSearchParams({ next: wanted }));
                const { next } = await import("/static/js/entering.js");
                return [next(), new URL(next(), location.href).href];
            }""",
            wanted,
        )
        assert led[1].startswith(f"{app_server.url}/"), (wanted, led)
    kept = "/venues/1?check_in=2027-01-01#hours"
    await page.evaluate(
        "(kept) => history.replaceState(null, '', '/login?' + new URLSearchParams({ next: kept }))", kept
    )
    assert await page.evaluate("async () => (await import('/static/js/entering.js')).next()") == kept


@pytest.mark.abuse("F11")
async def test_the_reducer_of_clients_elsewhere_is_not_polluted_either() -> None:
    event = {"name": "room.created", "data": {"id": "__proto__", "x": 1}}
    async with reducing() as reduced:
        state = await reduced({"rooms": []}, [event])
    assert "x" not in state
