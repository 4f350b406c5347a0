"""The endpoint table over HTTP: what it reads, what it refuses, and the manners of every answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from handlers import over_http
from hub.errors import HubError
from hub.services import venues
from tests.doors import AppServer, Http, People
from tests.live.client import soon
from tests.stock import Stock


async def test_a_hub_says_that_it_lives_and_is_ready(http: Http, app_server: AppServer) -> None:
    health = await http.get("//health")
    assert health.status == 200
    assert health.data["database"] == "connected"
    assert health.data["status"] == "ok"
    await soon(lambda: app_server.running.live.listener.is_heard, 20)
    ready = await http.get("//health/ready")
    assert ready.status == 200
    assert set(ready.data["checks"]) == {"database", "migrations", "redis", "listener", "stays"}
    assert all(ready.data["checks"].values())


async def test_a_hub_without_its_database_lives_but_is_not_ready(http: Http, app_server: AppServer) -> None:
    await app_server.hub.pool.close()
    health, ready = await http.get("//health"), await http.get("//health/ready")
    assert (health.status, health.data["database"]) == (200, "unreachable")
    assert (ready.status, ready.data["checks"]["database"]) == (503, False)
    answer = await http.get("/venues")
    assert (answer.status, answer.data["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_jobs_that_were_given_up_are_counted_where_operators_look(http: Http, app_server: AppServer) -> None:
    async with app_server.hub.pool.acquire() as db:
        await db.execute(
            """
            INSERT INTO jobs (kind, data, failed_at)
            VALUES ('webhook', '{}', NULL), ('webhook', '{}', now()), ('webhook', '{}', now())
            """
        )
    assert (await http.get("//health/ready")).data["jobs"] == {"webhook": {"waiting": 1, "failed": 2}}
    figures = (await http.get("//metrics")).text
    assert 'hub_jobs_waiting{kind="webhook"} 1.0' in figures
    assert 'hub_jobs_failed{kind="webhook"} 2.0' in figures


async def test_figures_name_endpoints_and_never_ids(http: Http, stock: Stock) -> None:
    await http.get(stock.path("/venues/{venue_id}"))
    await http.get("/no/such/thing")
    figures = (await http.get("//metrics")).text
    assert 'hub_http_requests_total{endpoint="venues.get",method="GET",status="200"}' in figures
    assert "no/such/thing" not in figures
    assert "hub_sockets 0.0" in figures
    assert "hub_placing_waiting 0.0" in figures
    assert "\nhub_outbox_waiting " in figures
    assert "\nhub_webhooks_waiting 0.0" in figures
    assert "\nhub_webhooks_seconds 0.0" in figures
    assert "hub_loop_lag_seconds_count" in figures
    assert "hub_publish_seconds_count" in figures


async def test_a_body_that_drips_in_is_not_waited_for(
    http: Http, app_server: AppServer, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_http, "SECONDS_TO_SEND", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", app_server.hub.settings.port)
    head = f"POST /api/v1/holds HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {stock.customer.token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_what_is_not_there_is_a_problem_document(http: Http) -> None:
    answer = await http.get("/no-such-thing")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.data["code"] == "not_found"
    assert answer.data["request_id"] == answer.headers["X-Request-Id"]


async def test_a_slash_at_the_end_changes_nothing(http: Http, stock: Stock) -> None:
    path = stock.path("/venues/{venue_id}")
    assert (await http.get(path)).data == (await http.get(f"{path}/")).data
    assert (await http.get(f"{path}//")).status == 404
    assert (await http.get(path.upper())).status == 404


async def test_each_address_says_which_methods_it_takes(http: Http) -> None:
    wrong = await http.ask("PUT", "/venues")
    assert (wrong.status, wrong.data["code"]) == (405, "method_not_allowed")
    assert wrong.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    asked = await http.ask("OPTIONS", "/venues")
    assert (asked.status, asked.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    overridden = await http.get("/venues", headers={"X-HTTP-Method-Override": "DELETE"})
    assert overridden.status == 200


async def test_head_answers_as_get_without_a_body(http: Http, stock: Stock) -> None:
    path = stock.path("/venues/{venue_id}")
    read, head = await http.get(path), await http.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["ETag"] == read.headers["ETag"]
    assert int(head.headers["Content-Length"]) == len(read.body)
    assert (await http.ask("HEAD", "/no-such-thing")).status == 404


AMBIGUOUS = [
    (b"{", 400, "malformed"),
    (b"[]", 400, "malformed"),
    (b'"text"', 400, "malformed"),
    (b"null", 400, "malformed"),
    (b"\xff\xfe{}", 400, "malformed"),
    (b'{"name": "x"} {}', 400, "malformed"),
    (b"[" * 200_000, 400, "malformed"),
    (b'{"name": "x", "name": "y"}', 422, "invalid"),
    (b'{"cancellation": {"free_until_hours": 1, "free_until_hours": 2}}', 422, "invalid"),
    (b'{"latitude": NaN}', 422, "invalid"),
    (b'{"latitude": -Infinity}', 422, "invalid"),
    (b'{"latitude": 1e400}', 422, "invalid"),
    (b'{"min_nights": 123456789012345678901234567890}', 422, "invalid"),
    (b'{"min_nights": ' + b"9" * 5000 + b"}", 400, "malformed"),
    (b'{"name": ' + b'{"a":' * 50 + b"1" + b"}" * 50 + b"}", 422, "invalid"),
    (b'{"__proto__": {"is_admin": true}, "name": "x"}', 422, "invalid"),
    (b'{"name\\u0000": "x"}', 422, "invalid"),
]


async def test_bodies_that_two_readers_could_read_differently_are_refused(http: Http, people: People) -> None:
    vendor = await people.vendor()
    for sent, status, code in AMBIGUOUS:
        answer = await http.post("/venues", data=sent, as_=vendor)
        assert (answer.status, answer.data["code"]) == (status, code), sent[:100]
        if code == "invalid":
            assert answer.data["errors"]


@pytest.mark.abuse("F4")
async def test_only_json_of_a_sensible_size_is_read(http: Http, people: People) -> None:
    vendor = await people.vendor()
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/xml", ""):
        answer = await http.post("/venues", data=b'{"name": "x"}', as_=vendor, headers={"Content-Type": media})
        assert (answer.status, answer.data["code"]) == (415, "wrong_media_type")
    squeezed = await http.post("/venues", data=b"x", as_=vendor, headers={"Content-Encoding": "gzip"})
    assert squeezed.status == 415
    answer = await http.post("/venues", data=b'{"name": "' + b"x" * 300_000 + b'"}', as_=vendor)
    assert (answer.status, answer.data["code"]) == (413, "too_large")
    with_charset = {"Content-Type": "application/json; charset=utf-8"}
    answer = await http.post("/venues", data='{"name": "Ólafur"}'.encode(), as_=vendor, headers=with_charset)
    assert (answer.status, answer.data["name"]) == (201, "Ólafur")


async def test_a_body_is_read_strictly_and_a_query_as_text(http: Http, people: People) -> None:
    vendor = await people.vendor()
    answer = await http.post("/venues", {"name": "x", "min_nights": "2"}, as_=vendor)
    assert answer.data["errors"] == [{"field": "min_nights", "message": "must be a whole number"}]
    assert (await http.get("/venues?per_page=2&mine=true", as_=vendor)).data["meta"]["per_page"] == 2
    twice = await http.get("/venues?page=1&page=2")
    assert twice.data["errors"] == [{"field": "page", "message": "is named twice"}]
    for query in ("amenities=pool&amenities=spa", "amenities=pool,spa"):
        assert (await http.get(f"/venues?{query}")).status == 200
    belongs = await http.post("/venues?name=x", {"name": "x"}, as_=vendor)
    assert belongs.data["errors"] == [{"field": "name", "message": "belongs into the body"}]


async def test_a_field_of_the_path_is_not_named_again(http: Http, stock: Stock) -> None:
    path = stock.path("/venues/{venue_id}")
    answer = await http.patch(path, {"venue_id": 1, "name": "Mine"}, as_=stock.owner)
    assert answer.data["errors"] == [{"field": "venue_id", "message": "is named by the path already"}]
    assert (await http.get(f"{path}?venue_id=1")).status == 422


async def test_what_is_wrong_is_told_in_words_at_its_place(http: Http, stock: Stock) -> None:
    body: dict[str, Any] = {"items": [stock.free_slot, {"kind": "place", "session_id": 0}, {"kind": "boat"}], "x": 1}
    answer = await http.post("/holds", body, as_=stock.customer)
    assert answer.data["errors"] == [
        {"field": "items.1.session_id", "message": "must be greater than or equal to 1"},
        {"field": "items.2", "message": "must be one of 'stay', 'slot', 'place', 'addon'"},
        {"field": "x", "message": "is not known here"},
    ]


async def test_a_token_that_is_no_good_is_refused_even_where_none_is_needed(http: Http, stock: Stock) -> None:
    for header in ("Bearer x", "Bearer", "Basic abc", "Bearer a b", "x", ""):
        answer = await http.get("/venues", headers={"Authorization": header})
        assert (answer.status, answer.data["code"]) == (401, "unauthenticated"), header
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="booking-hub", error="invalid_token"'
    missing = await http.get("/me")
    assert missing.headers["WWW-Authenticate"] == 'Bearer realm="booking-hub"'


async def test_a_right_that_is_missing_is_forbidden(http: Http, stock: Stock) -> None:
    answer = await http.post("/venues", {"name": "x"}, as_=stock.customer)
    assert (answer.status, answer.data["code"]) == (403, "forbidden")


async def test_what_is_read_can_be_asked_for_only_if_it_changed(http: Http, stock: Stock) -> None:
    path = stock.path("/venues/{venue_id}")
    tag = (await http.get(path)).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await http.get(path, headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert (await http.get(path, headers={"If-None-Match": '"other"'})).status == 200


async def test_a_change_can_be_made_only_if_nobody_was_faster(http: Http, stock: Stock) -> None:
    path = stock.path("/venues/{venue_id}")
    tag = (await http.get(path, as_=stock.owner)).headers["ETag"]
    first = await http.patch(path, {"name": "First"}, as_=stock.owner, headers={"If-Match": tag})
    assert first.status == 200
    second = await http.patch(path, {"name": "Second"}, as_=stock.owner, headers={"If-Match": tag})
    assert (second.status, second.data["code"]) == (412, "changed_meanwhile")
    assert (await http.get(path)).data["name"] == "First"
    assert (await http.delete(path, as_=stock.owner, headers={"If-Match": tag})).status == 412
    anyway = await http.patch(path, {"name": "Third"}, as_=stock.owner, headers={"If-Match": "*"})
    assert anyway.status == 200


async def test_a_repeated_request_is_answered_once_more_and_carried_out_once(http: Http, stock: Stock) -> None:
    key, body = {"Idempotency-Key": "a-key"}, {"items": [stock.free_slot], "notes": "ñ"}
    first = await http.post("/holds", body, as_=stock.customer, headers=key)
    again = await http.post("/holds", dict(reversed(body.items())), as_=stock.customer, headers=key)
    assert (first.status, again.status) == (201, 201)
    assert again.data == first.data
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await http.post("/holds", body | {"notes": "n"}, as_=stock.customer, headers=key)
    assert (other.status, other.data["code"]) == (422, "idempotency_key_reused")
    renewed = await http.post(f"/holds/{first.data['id']}/renew", as_=stock.customer, headers=key)
    assert renewed.status == 200


async def test_the_same_request_many_times_at_once_is_carried_out_once(http: Http, stock: Stock) -> None:
    asks = [
        http.post("/bookings", {"items": [stock.free_slot]}, as_=stock.customer, headers={"Idempotency-Key": "once"})
        for _ in range(10)
    ]
    answers = await asyncio.gather(*asks)
    assert {answer.status for answer in answers} <= {201, 409}
    assert {answer.data["code"] for answer in answers if answer.status == 409} <= {"in_flight"}
    assert len({answer.data["id"] for answer in answers if answer.status == 201}) == 1
    mine = await http.get("/bookings?status=confirmed", as_=stock.customer)
    assert mine.data["meta"]["total_items"] == 3


async def test_a_key_that_is_none_is_refused(http: Http, stock: Stock) -> None:
    for key in ("", "x" * 256, "ключ", "tab\there"):
        body = {"items": [stock.free_slot]}
        answer = await http.post("/holds", body, as_=stock.customer, headers={"Idempotency-Key": key})
        assert answer.data["errors"][0]["field"] == "Idempotency-Key"


async def test_a_fault_tells_nothing_of_the_inside(
    http: Http, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("SELECT secret FROM inside")

    monkeypatch.setattr(venues, "listed", broken)
    answer = await http.get("/venues", headers={"X-Request-Id": "from-a-proxy-1"})
    assert (answer.status, answer.data["code"]) == (500, "fault")
    assert "secret" not in answer.text
    assert answer.data["request_id"] == "from-a-proxy-1"
    logged = capsys.readouterr().out
    assert "from-a-proxy-1" in logged
    assert "SELECT secret FROM inside" in logged


@pytest.mark.abuse("F12")
async def test_every_answer_has_its_security_headers(http: Http, stock: Stock) -> None:
    answers = [
        await http.get("/venues"),
        await http.get("/no-such-thing"),
        await http.get("//docs"),
        await http.get("//static/js/docs.js"),
        await http.post("/venues", data=b"{", as_=stock.owner),
    ]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Server"] == "booking-hub"
        assert len(answer.headers["X-Request-Id"]) >= 8
    assert (await http.get("/me", as_=stock.owner)).headers["Cache-Control"] == "no-store"


async def test_a_strange_request_id_is_not_repeated(http: Http) -> None:
    for given in ("short", "x" * 65, "<script>alert(1)</script>", "spaces are not"):
        assert (await http.get("/venues", headers={"X-Request-Id": given})).headers["X-Request-Id"] != given


@pytest.mark.abuse("F8")
async def test_only_pages_of_allowed_origins_may_read_along(http: Http, app_server: AppServer) -> None:
    asks = {"Access-Control-Request-Method": "POST"}
    own = await http.ask("OPTIONS", "/holds", headers={"Origin": app_server.url} | asks)
    assert own.status == 204
    assert own.headers["Access-Control-Allow-Origin"] == app_server.url
    assert "Idempotency-Key" in own.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in own.headers
    for origin in ("https://evil.example", "null", f"{app_server.url}.evil.example"):
        answer = await http.ask("OPTIONS", "/holds", headers={"Origin": origin} | asks)
        assert answer.status == 403
        read = await http.get("/venues", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Origin" not in read.headers


async def test_files_come_compressed_and_once(http: Http) -> None:
    plain = await http.get("//static/js/docs-events.js", headers={"Accept-Encoding": "identity"})
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"
    squeezed = await http.get("//static/js/docs-events.js", headers={"Accept-Encoding": "gzip"})
    assert squeezed.headers["Content-Encoding"] == "gzip"
    assert int(squeezed.headers["Content-Length"]) < len(plain.body) / 2
    again = await http.get("//static/js/docs-events.js", headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


OUTSIDE = [
    "//static/js/../package.json",
    "//static/js/%2e%2e%2fpackage.json",
    "//static/node_modules/preact/package.json",
    "//static/package.json",
    "//static/js/.hidden",
    "//static/js/",
    "//lib/..%2f..%2fpackage.json",
    "//lib/no-such.js",
    "//static/js/%00",
]


async def test_no_path_leads_out_of_the_files_that_are_offered(http: Http) -> None:
    for path in OUTSIDE:
        assert (await http.get(path)).status == 404, path


async def test_a_refusal_of_the_hub_never_becomes_a_fault() -> None:
    def below(kind: type[HubError]) -> list[type[HubError]]:
        return [one for sub in kind.__subclasses__() for one in (sub, *below(sub))]

    for refusal in below(HubError):
        assert refusal().sentence
        assert 400 <= refusal.status < 600
