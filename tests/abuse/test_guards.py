"""By which name, in what dress and from which page the hub may be asked; and that nothing reads a request two ways."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession, http_parser

from hub.settings import Settings, SettingsRefused
from tests.doors import AppServer, Http, People
from tests.live.client import soon
from tests.live.conftest import working
from tests.mailbox import letters_to, link_for
from tests.servers import PATIENCE
from tests.stock import Stock, stock

OWN_PAGES = ("//", "//login", "//docs", "//docs/events")


@pytest.fixture(name="stock")
async def _stock(app_server: AppServer) -> Stock:
    return await stock(app_server.hub, People(app_server.hub))


# Nobody waits for whether the hub has more to say.
LAST = "Connection: close\n"


async def say(worker: AppServer, head: str, body: bytes = b"", *, seconds: float = 3.0) -> bytes:
    """Write bytes to the hub as they are, and read until it closes or has nothing more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(worker.url.rpartition(":")[2]))
    writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n" + body)
    heard = b""
    try:
        async with asyncio.timeout(seconds):
            while some := await reader.read(65_536):
                heard += some
    except TimeoutError:
        heard += b"(still open)"
    except ConnectionError:
        pass
    writer.close()
    return heard


FOREIGN = (
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "localhost:80:80",
    "localhost:port",
    "localhost/evil",
    "user@localhost",
    "",
    " ",
    "[::1",
    "hub.example.org#x",
)


@pytest.mark.abuse("F9", "D9")
@pytest.mark.parametrize("host", FOREIGN)
async def test_by_a_foreign_name_nothing_is_answered(http: Http, app_server: AppServer, host: str) -> None:
    await soon(lambda: app_server.running.live.listener.is_heard, PATIENCE)
    for path in ("/venues", "//", "//docs", "//socket.io/?EIO=4&transport=websocket", "//static/js/docs.js"):
        answer = await http.get(path, headers={"Host": host})
        assert answer.status in {400, 421}, path
        assert "Set-Cookie" not in answer.headers
    for path in ("//health", "//health/ready", "//metrics"):
        assert (await http.get(path, headers={"Host": host})).status == 200


@pytest.mark.abuse("F9")
async def test_only_the_names_an_operator_gave_are_known_in_production(settings: Settings) -> None:
    production = replace(
        settings,
        env="production",
        secret="Zq7v1mB3xK9wT5rY2nL8pD4sF6gH0jQc",
        rate_limits=True,
        password_memory_kb=65_536,
        allowed_hosts=("hub.internal",),
    )
    async with working(production) as worker, ClientSession() as session:
        http = Http(session, worker.url)
        for host, status in (
            ("127.0.0.1", 200),
            ("hub.internal", 200),
            ("HUB.internal:443", 200),
            ("hub.internal.", 200),
            ("localhost", 421),
            ("192.0.2.1", 421),
        ):
            assert (await http.get("/venues", headers={"Host": host})).status == status, host


@pytest.mark.abuse("F9")
async def test_a_host_that_is_named_twice_or_in_the_request_line_is_refused(app_server: AppServer) -> None:
    twice = await say(app_server, "GET /api/v1/venues HTTP/1.1\nHost: localhost\nHost: evil.example\n")
    assert twice.startswith(b"HTTP/1.0 400")
    assert b"aiohttp" not in twice
    assert b"frame-ancestors 'none'" in twice
    in_line = await say(app_server, f"GET http://evil.example/api/v1/venues HTTP/1.1\nHost: localhost\n{LAST}")
    assert in_line.startswith((b"HTTP/1.1 421", b"HTTP/1.1 400"))
    connected = await say(app_server, f"CONNECT evil.example:443 HTTP/1.1\nHost: localhost\n{LAST}")
    assert connected.startswith(b"HTTP/1.")
    assert not connected.startswith(b"HTTP/1.1 2")
    forwarded = (
        "GET /api/v1/venues HTTP/1.1\nHost: localhost\nX-Forwarded-Host: evil.example\n"
        f"X-Forwarded-Proto: gopher\nForwarded: host=evil.example\n{LAST}"
    )
    answer = await say(app_server, forwarded)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"evil.example" not in answer
    assert b"gopher" not in answer


@pytest.mark.abuse("D9")
async def test_links_lead_to_the_public_address_whatever_a_request_says(app_server: AppServer, http: Http) -> None:
    person = await People(app_server.hub).customer()
    body = {"email": person.email, "channel": "email"}
    assert (await http.post("/auth/forgot-password", body, headers={"Host": "evil.example"})).status == 421
    poison = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "X-Original-Host": "evil.example"}
    assert (await http.post("/auth/forgot-password", body, headers=poison)).status == 202
    assert (await link_for(app_server.hub, person.email)).startswith(f"{app_server.url}/reset-password#token=")
    assert "evil.example" not in str(await letters_to(app_server.hub))


@pytest.mark.parametrize("wrong", ["hub.example.org:443", "https://hub.example.org", "a/b", "user@host"])
def test_a_name_in_the_settings_is_a_name(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="HUB_ALLOWED_HOSTS"):
        Settings.from_env({"HUB_DATA": str(tmp_path), "HUB_ALLOWED_HOSTS": wrong}, tmp_path / "none")


@pytest.mark.abuse("F4")
async def test_nothing_compressed_is_read_however_small(http: Http, stock: Stock) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    members = gzip.compress(b"") * 20_000
    for path in ("/venues", "/auth/login", "//session/login", "//session/refresh", "/no/such/address"):
        for encoding, data in (
            ("gzip", bomb),
            ("gzip", members),
            ("deflate", zlib.compress(b"0" * 50_000_000)),
            ("br", b"\x00"),
            ("zstd", b"\x28\xb5\x2f\xfd"),
            ("identity, gzip", bomb),
        ):
            began = time.perf_counter()
            answer = await http.post(
                path, data=data, as_=stock.owner, headers={"Content-Encoding": encoding, "Origin": http.base}
            )
            assert answer.status in {413, 415, 400}, (path, encoding)
            assert time.perf_counter() - began < 2


@pytest.mark.abuse("F4")
async def test_bodies_that_never_end_are_cut_at_their_limit(app_server: AppServer, stock: Stock) -> None:
    head = (
        "POST /api/v1/venues HTTP/1.1\nHost: localhost\nContent-Type: application/json\n"
        f"Authorization: Bearer {stock.owner.token}\nTransfer-Encoding: chunked\n"
    )
    flood = b"".join(b"1\r\nx\r\n" for _ in range(300_000))
    assert b" 413 " in (await say(app_server, head, flood, seconds=10)).partition(b"\r\n")[0]
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' for _ in range(5000))
    form = (
        "POST /session/login HTTP/1.1\nHost: localhost\nContent-Type: multipart/form-data; boundary=x\n"
        f"Content-Length: {len(parts)}\nConnection: close\n"
    )
    assert b" 415 " in (await say(app_server, form, parts)).partition(b"\r\n")[0]


LOGIN = "POST /api/v1/auth/login HTTP/1.1\nHost: localhost\nContent-Type: application/json\n"
SMUGGLED = b"0\r\n\r\nGET /api/v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Two readers, a proxy and the hub, could see one request here or two.
AMBIGUOUS = {
    "a length and chunks": (LOGIN + "Content-Length: 5\nTransfer-Encoding: chunked\n", SMUGGLED),
    "chunks that are not chunked": (LOGIN + "Transfer-Encoding: xchunked\n", SMUGGLED),
    "chunks twice": (LOGIN + "Transfer-Encoding: chunked, chunked\n", SMUGGLED),
    "chunks and something after them": (LOGIN + "Transfer-Encoding: chunked, identity\n", SMUGGLED),
    "chunks of other letters": (LOGIN + "Transfer-Encoding: chun\u212aed".replace("\u212a", "\xe4") + "\n", SMUGGLED),
    "two lengths": (LOGIN + "Content-Length: 2\nContent-Length: 40\n", SMUGGLED),
    "a length with a sign": (LOGIN + "Content-Length: +2\n", b"{}"),
    "a length below nothing": (LOGIN + "Content-Length: -2\n", b"{}"),
    "a length in other digits": (LOGIN + "Content-Length: \xb2\n", b"{}"),
    "a length of two numbers": (LOGIN + "Content-Length: 2, 40\n", SMUGGLED),
    "a folded header": (LOGIN + "X-Folded: one\n two\nContent-Length: 2\n", b"{}"),
    "a space before the colon": (LOGIN + "Transfer-Encoding : chunked\n", SMUGGLED),
    "a chunk whose size is none": (LOGIN + "Transfer-Encoding: chunked\n", b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk with a bare newline": (LOGIN + "Transfer-Encoding: chunked\n", b"2\n{}\n0\n\n"),
    "an end of line in a header": (LOGIN + "X-Odd: a\rb\nContent-Length: 2\n", b"{}"),
    "a nul in a header": (LOGIN + "X-Odd: a\x00b\nContent-Length: 2\n", b"{}"),
    "a method that is none": ("GE T /api/v1/me HTTP/1.1\nHost: localhost\n", b""),
    "another version": ("GET /api/v1/me HTTP/3.7\nHost: localhost\n", b""),
    "a header without a name": (LOGIN + ": nothing\nContent-Length: 2\n", b"{}"),
}


@pytest.mark.abuse("F5")
@pytest.mark.parametrize("case", AMBIGUOUS)
async def test_what_two_could_read_differently_is_refused_and_the_line_closed(app_server: AppServer, case: str) -> None:
    head, body = AMBIGUOUS[case]
    answer = await say(app_server, head, body)
    first = answer.partition(b"\r\n")[0]
    assert first.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")), answer[:300]
    assert answer.count(b"HTTP/1.") == 1, "what follows was answered as a request of its own"
    assert b"(still open)" not in answer
    assert b"Traceback" not in answer


@pytest.mark.abuse("F5")
async def test_an_upgrade_with_a_body_smuggles_nothing(app_server: AppServer) -> None:
    hidden = b"GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def upgrade(what: str) -> bytes:
        head = (
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\nHost: localhost\nConnection: Upgrade\n"
            f"Upgrade: {what}\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n"
            f"Content-Length: {len(hidden)}\n"
        )
        return await say(app_server, head, hidden, seconds=1.5)

    for answer in await asyncio.gather(upgrade("websocket"), upgrade("h2c")):
        assert b"unauthenticated" not in answer


@pytest.mark.abuse("F5")
def test_the_parser_is_the_one_written_in_c() -> None:
    # The other one has let requests be smuggled (CVE-2026-111750).
    assert http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy


@pytest.mark.abuse("F8")
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "{own}.evil.example",
        "https://evil{name}",
        "{own}@evil.example",
        "*",
        "{own}/",
        "",
    ],
)
async def test_only_pages_of_allowed_origins_may_read_along(http: Http, stock: Stock, origin: str) -> None:
    given = origin.format(own=http.base, name=http.base.partition("://")[2])
    asked = {"Origin": given, "Access-Control-Request-Method": "POST"}
    for path in ("/holds", "/venues", "//session/login", "//socket.io/?EIO=4&transport=websocket"):
        answer = await http.ask("OPTIONS", path, headers=asked)
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert (await http.ask("OPTIONS", "/holds", headers=asked)).status == 403
    for path in ("/venues", "/me", "/no-such-thing"):
        answer = await http.get(path, as_=stock.owner, headers={"Origin": given})
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.abuse("F12")
async def test_no_answer_lets_itself_be_framed_sniffed_or_written_into(http: Http, stock: Stock) -> None:
    answers = [await http.get(path) for path in (*OWN_PAGES, "/venues", "//static/js/docs.js", "//lib/swagger-ui.js")]
    answers += [
        await http.get("/me"),
        await http.get("//no-such-page", headers={"Accept": "text/html"}),
        await http.get("/venues", headers={"Host": "evil.example"}),
        await http.post("/venues", data=b"{", as_=stock.owner),
        await http.ask("OPTIONS", "/venues"),
        await http.ask("TRACE", "/venues"),
    ]
    for answer in answers:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert not {"unsafe-inline", "unsafe-eval", "*", "http:", "https:"} & set(
            " ".join(policy.values()).replace("'", "").split()
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Server"] == "booking-hub"


PERSONAL = (
    "/me",
    "/me/logins",
    "/me/snapshot",
    "/bookings",
    "/bookings/{booking_id}",
    "/venues/{venue_id}/desk/snapshot",
)


@pytest.mark.abuse("F12")
async def test_what_is_personal_is_kept_by_no_cache(http: Http, stock: Stock) -> None:
    for path in PERSONAL:
        for person in (stock.owner, stock.customer, None):
            answer = await http.get(stock.path(path), as_=person)
            assert answer.headers["Cache-Control"] == "no-store", path
            assert "Authorization" in answer.headers["Vary"]
    # The same address with a token is answered for one person only.
    assert (await http.get("/venues")).headers["Cache-Control"] == "no-cache"
    assert (await http.get("/venues", as_=stock.owner)).headers["Cache-Control"] == "no-store"


@pytest.mark.abuse("C17")
@pytest.mark.parametrize("what", ["login", "register", "refresh", "logout"])
async def test_no_other_site_uses_the_cookie(http: Http, what: str) -> None:
    for headers, status in (
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"{http.base}.evil.example"}, 403),
        ({"Origin": http.base.replace("http", "https", 1)}, 403),
        ({"Origin": http.base, "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Referer": http.base}, 403),
        ({"Origin": http.base, "Content-Type": "text/plain"}, 415),
        ({"Origin": http.base, "Content-Type": "application/x-www-form-urlencoded"}, 415),
    ):
        cookie = {"Cookie": "hub_session=" + "0" * 32 + "." + "A" * 43}
        answer = await http.post(f"//session/{what}", {}, headers=cookie | headers)
        assert answer.status == status, headers
        assert not answer.headers.getall("Set-Cookie", [])
    assert (await http.get(f"//session/{what}")).status == 405


@pytest.mark.abuse("E9")
async def test_a_token_in_an_address_lets_nobody_in(http: Http, stock: Stock) -> None:
    for name in ("token", "access_token", "auth", "authorization", "jwt"):
        for path in ("/me", "/me/events", "/bookings", "/venues", stock.path("/venues/{venue_id}/desk/events")):
            assert (await http.get(f"{path}?{name}={stock.owner.token}")).status in {401, 422}, path
        for path in ("//", "//dashboard", "//bookings", "//account"):
            assert stock.owner.email not in (await http.get(f"{path}?{name}={stock.owner.token}")).text


HEADS = {
    "a long address": ("GET /api/v1/venues?x=" + "y" * 9000 + " HTTP/1.1\nHost: localhost\n", b""),
    "a long header": ("GET /api/v1/venues HTTP/1.1\nHost: localhost\nX-Long: " + "y" * 9000 + "\n", b""),
    "many headers": ("GET /api/v1/venues HTTP/1.1\nHost: localhost\n" + "X-Many: y\n" * 200, b""),
}


@pytest.mark.abuse("F4")
@pytest.mark.parametrize("case", HEADS)
async def test_a_head_is_as_large_as_a_head_may_be(app_server: AppServer, case: str) -> None:
    answer = await say(app_server, *HEADS[case])
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400", b"HTTP/1.1 431")), answer[:200]
