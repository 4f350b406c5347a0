"""What goes with a booking is fetched with the booking's rights, or by a link that is good for one person, shortly."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import zxingcpp
from icalendar import Calendar
from PIL import Image, ImageDraw

from hub.services import logins
from tests.doors import Answer, AppServer, Http, Log, People, Person
from tests.papers import pages, pay
from tests.stock import Stock, stock

FILES = ("receipt.pdf", "invoice.pdf", "calendar.ics", "code.svg")
KINDS = ("application/pdf", "application/pdf", "text/calendar", "image/svg+xml")


@pytest.fixture(name="stock")
async def _stock(app_server: AppServer) -> Stock:
    stocked = await stock(app_server.hub, People(app_server.hub))
    await pay(app_server.hub, stocked.booking)
    return stocked


async def fetch(http: Http, stock: Stock, file: str, person: Person | None, **query: Any) -> Answer:
    return await http.ask("GET", f"/bookings/{stock.booking.id}/{file}", as_=person, query=query or None)


async def links(http: Http, stock: Stock, person: Person) -> dict[str, str]:
    answer = await http.ask("GET", f"/bookings/{stock.booking.id}/papers", as_=person)
    assert answer.status == 200
    return {kind: url for kind, url in answer.data.items() if kind != "expires_at"}


async def test_guest_and_desk_fetch_every_file_and_nobody_else_any(http, stock):
    for file, kind in zip(FILES, KINDS, strict=True):
        for person in (stock.customer, stock.owner):
            answer = await fetch(http, stock, file, person)
            assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, kind), file
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "script" not in answer.headers["Content-Security-Policy"]
            assert f"{stock.booking.id}-{file}" in answer.headers["Content-Disposition"]
    assert "EUR" in pages((await fetch(http, stock, "receipt.pdf", stock.customer)).body)[0]
    assert Calendar.from_ical((await fetch(http, stock, "calendar.ics", stock.customer)).body).walk("VEVENT")


@pytest.mark.abuse("A4")
async def test_the_papers_of_somebody_else_are_not_found_and_that_is_kept(http, stock, app_server):
    for file in FILES:
        assert (await fetch(http, stock, file, None)).status == 401
        answer = await fetch(http, stock, file, stock.stranger)
        assert (answer.status, answer.data["code"]) == (404, "not_found")
    async with app_server.hub.reading() as db:
        denied = await db.fetchval(
            "SELECT count(*) FROM audit WHERE operation = 'denied' AND actor_id = $1 AND entity = 'booking'",
            stock.stranger.id,
        )
    assert denied == len(FILES)


@pytest.mark.abuse("A4")
async def test_a_link_is_good_for_its_person_its_file_and_five_minutes(http, stock, app_server, monkeypatch):
    signed = await links(http, stock, stock.customer)
    assert [urlsplit(url).path.rpartition("/")[2] for url in signed.values()] == list(FILES)
    for url, kind in zip(signed.values(), KINDS, strict=True):
        answer = await http.get(f"/{url}")
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, kind)
        assert answer.headers["Cache-Control"] == "private, no-store"
    tickets_of = {kind: urlsplit(url).query.removeprefix("ticket=") for kind, url in signed.items()}
    # Neither another file, nor another booking, nor anything else that the hub signs, nor later.
    assert (await fetch(http, stock, "receipt.pdf", None, ticket=tickets_of["code"])).status == 401
    path = f"/bookings/{stock.hold.id}/receipt.pdf"
    assert (await http.ask("GET", path, query={"ticket": tickets_of["receipt"]})).status == 401
    assert (await fetch(http, stock, "receipt.pdf", None, ticket=tickets_of["receipt"][:-2])).status == 401
    assert (await fetch(http, stock, "receipt.pdf", None, ticket="x" * 5000)).status == 422
    assert (await fetch(http, stock, "receipt.pdf", None, token="x")).status == 422
    now = app_server.hub.clock.now
    monkeypatch.setattr(app_server.hub.clock, "now", lambda: now() + timedelta(minutes=5, seconds=1))
    assert (await fetch(http, stock, "receipt.pdf", None, ticket=tickets_of["receipt"])).status == 401


async def test_a_link_ends_with_the_login_that_it_was_signed_for(http, stock, app_server):
    signed = await links(http, stock, stock.owner)
    assert (await http.get(f"/{signed['invoice']}")).status == 200
    await logins.log_out_everywhere(app_server.hub, stock.owner.actor)
    assert (await http.get(f"/{signed['invoice']}")).status == 401


async def test_a_code_in_the_browser_is_scanned_back_and_lets_in_over_http_once(http, stock, app_server):
    svg = (await fetch(http, stock, "code.svg", stock.customer)).body.decode()
    code = _scanned(svg)
    async with app_server.hub.reading() as db:
        await db.execute(
            "UPDATE booking_items SET starts_at = clock_timestamp() - interval '1 minute' WHERE booking_id = $1",
            stock.booking.id,
        )
    assert (await http.ask("POST", "/check-ins", {"code": code}, as_=stock.stranger)).status == 404
    assert (await http.ask("POST", "/check-ins", {"code": code}, as_=stock.customer)).status == 404
    headers = {"Idempotency-Key": "at the desk"}
    first = await http.ask("POST", "/check-ins", {"code": code}, as_=stock.owner, headers=headers)
    again = await http.ask("POST", "/check-ins", {"code": code}, as_=stock.owner, headers=headers)
    assert (first.status, again.status) == (201, 201)
    assert again.data == first.data
    second = await http.ask("POST", "/check-ins", {"code": code}, as_=stock.owner)
    assert (second.status, second.data["code"]) == (409, "already_checked_in")


def _scanned(svg: str) -> str:
    """Draw the code's dark runs as a picture, and scan it."""
    size = int(re.findall(r'width="(\d+)"', svg)[0])
    scaled = re.findall(r"scale\((\d+)\)", svg)
    scale = int(scaled[0]) if scaled else 1
    picture = Image.new("L", (size, size), 255)
    draw, x, y = ImageDraw.Draw(picture), 0.0, 0.0
    for command, numbers in re.findall(r"([Mmh])([^Mmh]*)", re.findall(r'<path[^>]* d="([^"]+)"', svg)[0]):
        values = [float(one) for one in re.findall(r"-?[\d.]+", numbers)]
        if command == "M":
            x, y = values
        elif command == "m":
            x, y = x + values[0], y + values[1]
        else:
            draw.rectangle((x * scale, (y - 0.5) * scale, (x + values[0]) * scale - 1, (y + 0.5) * scale - 1), fill=0)
            x += values[0]
    (found,) = zxingcpp.read_barcodes(picture)
    return str(found.text)


async def test_a_feed_is_fetched_by_its_secret_alone_and_leaves_no_trace_of_it_in_the_logs(http, stock, log: Log):
    assert (await http.ask("GET", "/me/calendar", as_=stock.customer)).data["is_on"] is False
    answer = await http.ask("POST", "/me/calendar", {}, as_=stock.customer)
    assert answer.status == 201
    path = urlsplit(answer.data["url"]).path
    feed = await http.get(f"/{path}")
    assert (feed.status, feed.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    assert stock.booking.reference in feed.text
    known = await http.get(f"/{path}", headers={"If-None-Match": feed.headers["ETag"]})
    assert known.status == 304
    secret = path.rpartition("/")[2].removesuffix(".ics")
    assert (await http.get(f"/{path.replace(secret, 'x' * 43)}")).status == 404
    assert "/api/v1/calendar/{token}.ics" in log.getvalue()
    assert secret not in log.getvalue()
    assert (await http.ask("DELETE", "/me/calendar", as_=stock.customer)).status == 204
    assert (await http.get(f"/{path}")).status == 404
