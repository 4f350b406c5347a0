"""The pages as the server draws them first: readable, escaped, under one policy, and refusing like pages."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from hub.gateways.payments import Gateways
from hub.gateways.stripe import StripeGateway
from tests.builders import make_booking, make_room_type, make_session, make_venue, place
from tests.doors import Answer, AppServer, Http, People

BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
VOID = {"meta", "link", "input", "br", "path", "rect", "polyline", "circle"}
PAGES = (
    *("/login", "/register", "/verify", "/verify?channel=phone", "/forgot-password", "/reset-password", "/invitation"),
    *(
        "/bookings",
        "/dashboard",
        "/account",
        "/account/security",
        "/account/wallet",
        "/checkout/1",
        "/admin/operations",
        "/admin/offers",
    ),
    *("/admin/users?q=ana&status=active", "/admin/users/1", "/admin/roles", "/admin/audit?entity=user&venue_id=x"),
)


class Reader(HTMLParser):
    """Reads a page: its elements, each closed where it should be, and its ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.styled: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note an element."""
        self.ids += [value for name, value in attrs if name == "id"]
        self.styled += [tag for name, _ in attrs if name == "style" or name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        """Note an element that ends at once."""

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        assert self.open.pop() == tag


async def page(http: Http, path: str) -> Answer:
    """Open a page as a browser does."""
    return await http.get(f"/{path}", headers=BROWSER)


@pytest.mark.abuse("F12")
async def test_every_page_is_whole_and_obeys_the_policy_of_no_inline_style_or_script(
    http: Http, app_server: AppServer, people: People
) -> None:
    vera = await People(app_server.hub).vendor()
    hotel = await make_venue(app_server.hub, vera.actor, kind="hotel")
    await make_room_type(app_server.hub, vera.actor, hotel, total_rooms=2)
    await make_session(app_server.hub, vera.actor, hotel)
    kept = [f"/venues/{hotel.id}{name}" for name in ("", "/staff", "/prices", "/terms", "/operations")]
    for path in ("/", *kept, f"/admin/audit?venue_id={hotel.id}", *PAGES):
        answer = await page(http, path)
        assert answer.status == 200, path
        reader = Reader()
        reader.feed(answer.text)
        assert reader.open == [], path
        assert len(set(reader.ids)) == len(reader.ids), path
        assert reader.styled == [], path
        import_map = re.search(r'<script type="importmap">(.*?)</script>', answer.text, re.DOTALL)
        assert import_map is not None
        digest = base64.b64encode(hashlib.sha256(import_map[1].encode()).digest()).decode()
        policy = answer.headers["Content-Security-Policy"]
        assert f"'sha256-{digest}'" in policy
        assert "unsafe" not in policy


async def test_only_pages_where_cards_are_paid_with_load_anything_from_elsewhere(
    http: Http, app_server: AppServer
) -> None:
    assert "https:" not in (await page(http, "/checkout/1")).headers["Content-Security-Policy"]
    app_server.hub.gateways_of_money = Gateways(StripeGateway("sk_test_1", "pk_test_1", "whsec_1", live=False))
    for path in ("/checkout/1", "/account/wallet"):
        policy = (await page(http, path)).headers["Content-Security-Policy"].split("; ")
        assert "connect-src 'self' https://api.stripe.com" in policy
        assert "frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com" in policy
        assert any(one.startswith("script-src 'self' https://js.stripe.com ") and "'sha256-" in one for one in policy)
        assert "unsafe" not in str(policy)
    assert "https:" not in (await page(http, "/account")).headers["Content-Security-Policy"]


async def test_a_page_that_needs_scripts_says_so_and_where_the_same_is_without_them(http: Http) -> None:
    for path in PAGES:
        told = re.search(r"<noscript>(.*?)</noscript>", (await page(http, path)).text, re.DOTALL)
        assert told is not None, path
        assert "needs scripts" in told[1], path
        assert "/api/v1/" in told[1], path


async def test_every_script_and_style_a_page_names_is_there(http: Http) -> None:
    for path in ("/", *PAGES):
        named = re.findall(r'(?:href|src)="(/(?:static|lib)/[^"]+)"', (await page(http, path)).text)
        assert len(named) > 10
        for one in named:
            assert (await http.get(f"/{one}")).status == 200, one


async def test_what_people_write_is_shown_and_never_run(http: Http, app_server: AppServer) -> None:
    vera = await People(app_server.hub).vendor()
    evil = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
    venue = await make_venue(app_server.hub, vera.actor, name=evil, description=evil)
    await make_room_type(app_server.hub, vera.actor, venue, name=evil, total_rooms=1)
    for path in ("/", f"/venues/{venue.id}", "/?place=%3Cscript%3Ealert(3)%3C/script%3E"):
        text = (await page(http, path)).text
        assert "<script>alert" not in text
        assert "<img" not in text
    assert "&lt;script&gt;alert(1)" in (await page(http, f"/venues/{venue.id}")).text


async def test_first_paint_counts_as_the_commit_would(http: Http, app_server: AppServer) -> None:
    people = People(app_server.hub)
    bruno, ana = await people.facilitator(), await people.customer()
    session = await make_session(app_server.hub, bruno.actor, capacity=5)
    await make_booking(app_server.hub, ana.actor, place(session, 2))
    for path in ("/", f"/venues/{session.venue_id}"):
        assert "3 places left" in (await page(http, path)).text
        assert "Ana" not in (await page(http, path)).text


async def test_a_wrong_filter_is_told_at_its_field_and_the_rest_goes_on(http: Http) -> None:
    for query, sentence in (
        ("guests=many", "must be a whole number"),
        ("check_in=soon", "must be a"),
        ("kind=castle", "must be"),
        ("max_price=9.5", "must be a whole number"),
        ("check_in=2027-03-05&check_out=2027-03-01", "check_out must be after check_in"),
        ("page=0", "Find a room"),
    ):
        answer = await page(http, f"/?{query}")
        assert answer.status == 200, query
        assert sentence in answer.text, query


@pytest.mark.parametrize(
    "path", ["/venues/999999", "/venues/0", "/venues/abc", "/nowhere", "/venues/1/x", "/venues/9/staff"]
)
async def test_a_page_that_is_not_there_says_so_as_a_page(http: Http, path: str) -> None:
    answer = await page(http, path)
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Find something" in answer.text


async def test_strange_queries_on_a_venues_page_change_nothing(http: Http, app_server: AppServer) -> None:
    vera = await People(app_server.hub).vendor()
    venue = await make_venue(app_server.hub, vera.actor)
    for query in ("check_in=yesterday", "check_in=1999-01-01", "check_in=9999-12-31", "room=x", "check_in=%00"):
        assert (await page(http, f"/venues/{venue.id}?{query}")).status == 200, query


async def test_strange_queries_on_the_other_pages_change_nothing(http: Http) -> None:
    evil = "%3Cscript%3Ealert(1)%3C/script%3E%00"
    for path, status in (
        (f"/login?provider={evil}&refused={evil}&next={evil}", 200),
        ("/login?provider=google&refused=invalid", 200),
        (f"/account/security?linked={evil}&refused={evil}", 200),
        (f"/verify?channel={evil}", 200),
        (f"/admin/users?q={evil}&role={evil}&status={evil}&sort={evil}", 200),
        (f"/admin/audit?entity={evil}&from={evil}&venue_id={evil}", 200),
        ("/admin/audit?venue_id=999999", 404),
        ("/admin/audit?venue_id=9999999999999999999", 200),
        ("/admin/users/9999999999999999999", 404),
        ("/venues/999999/staff", 404),
    ):
        answer = await page(http, path)
        assert answer.status == status, path
        assert "<script>alert" not in answer.text, path


@pytest.mark.parametrize(
    ("wanted", "language"), [("", "en"), ("zh-CN,zh;q=0.9", "zh"), ("de-DE,km;q=0.5", "km"), ("fr", "en"), (",;", "en")]
)
async def test_mail_is_offered_in_the_browsers_language(http: Http, wanted: str, language: str) -> None:
    text = (await http.get("//register", headers=BROWSER | {"Accept-Language": wanted})).text
    assert f'value="{language}" selected' in text
