"""What the hub would send is read at /dev/mail, where it sends nothing and no stranger depends on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Browser

from hub.app import build
from hub.core import GUEST
from hub.gateways.mail import Attachment, Mail, Outbox
from hub.jobs import queue
from hub.services import mail
from hub.settings import Settings
from storage import letters
from tests.doors import AppServer, Http

RESET = {"name": "Ana", "code": "123456", "minutes": 10}


async def write(app_server: AppServer, to: str = "ana@example.org", **changes: Any) -> None:
    hub = app_server.hub
    facts = RESET | {"link": f"{hub.settings.public_url}/login"} | changes
    async with hub.work(GUEST) as work:
        await mail.send(work, to, "reset_password", "en", facts)
        await mail.send_sms(work, "+85512345678", "verify_phone", "en", {"code": "654321", "minutes": 10})
    await queue.work_off(hub)


async def test_the_outbox_lists_mail_and_sms_newest_first_for_all_or_one(http: Http, app_server: AppServer):
    assert "Nothing was written yet." in (await http.get("//dev/mail")).text
    await write(app_server)
    await write(app_server, to="rui@example.org")
    page = await http.get("//dev/mail")
    assert (page.status, page.headers["Cache-Control"]) == (200, "no-store")
    listed = [page.text.index(told) for told in ("mail to rui@example.org", "mail to ana@example.org")]
    assert listed == sorted(listed)
    assert "Your code is 654321" in page.text
    only = (await http.get("//dev/mail?to=ana%40example.org")).text
    assert "mail to ana@example.org" in only
    assert "rui@example.org" not in only
    assert "Nothing was written to &lt;b&gt; yet." in (await http.get("//dev/mail?to=%3Cb%3E")).text
    assert (await http.get("//dev/mail?to=%00")).status == 200


@pytest.mark.abuse("J10")
async def test_a_letter_is_shown_as_text_and_in_a_frame_that_can_do_nothing(http: Http, app_server: AppServer):
    await write(app_server, name="<script>alert(1)</script>")
    async with app_server.hub.reading() as db:
        (letter,) = await letters.newest(db, "ana@example.org", 10)
    page = await http.get(f"//dev/mail/{letter.id}")
    assert "Hello &lt;script&gt;alert(1)&lt;/script&gt;," in page.text
    assert "<script>" not in page.text
    assert f'src="/dev/mail/{letter.id}/html" sandbox=' in page.text
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    framed = await http.get(f"//dev/mail/{letter.id}/html")
    policy = framed.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-top-navigation-by-user-activation" in policy
    assert "script-src" not in policy
    assert "allow-scripts" not in policy
    assert framed.headers["Cache-Control"] == "no-store"
    assert "&lt;script&gt;" in framed.text


async def test_what_goes_with_a_letter_is_saved_from_its_page(http: Http, app_server: AppServer):
    file = Attachment("booking.ics", "text/calendar; method=PUBLISH", b"BEGIN:VCALENDAR")
    letter = Mail(1, "ana@example.org", "Hello", "Hello.", "<p>Hello.</p>", datetime.now(UTC), (file,))
    for _ in range(2):
        await Outbox(app_server.hub.pool).send(letter)
    async with app_server.hub.reading() as db:
        (kept,) = await letters.newest(db, "ana@example.org", 10)
    page = await http.get(f"//dev/mail/{kept.id}")
    assert f'<a href="/dev/mail/{kept.id}/1">booking.ics</a>' in page.text
    saved = await http.get(f"//dev/mail/{kept.id}/1")
    assert (saved.body, saved.headers["Cache-Control"]) == (file.body, "no-store")
    assert saved.headers["Content-Disposition"] == 'attachment; filename="booking.ics"'
    assert (await http.get(f"//dev/mail/{kept.id}/2")).status == 404


async def test_an_sms_has_no_html_and_nobody_no_letter(http: Http, app_server: AppServer):
    await write(app_server)
    async with app_server.hub.reading() as db:
        (sms,) = await letters.newest(db, "+85512345678", 10)
    page = (await http.get(f"//dev/mail/{sms.id}")).text
    assert "Your code is 654321." in page
    assert "<iframe" not in page
    for path in (f"{sms.id}/html", "999999", "999999/html", "x", "-1", "9" * 16):
        assert (await http.get(f"//dev/mail/{path}")).status == 404


async def test_a_letter_in_the_browser_wears_its_style_and_its_button_leads_out_of_the_frame(
    app_server: AppServer, browser: Browser, tmp_path: Any
):
    await write(app_server)
    context = await browser.new_context()
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    await page.goto(f"{app_server.url}/dev/mail")
    await page.get_by_role("link", name="Choose a new password").click()
    frame = page.frame_locator("iframe.letter")
    button = frame.get_by_role("link", name="Choose a new password")
    assert await button.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(10, 107, 94)"
    assert faults == []
    await button.click()
    await page.wait_for_url(f"{app_server.url}/login")
    await context.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"smtp_url": "smtp://localhost:1025"},
        {"env": "production", "secret": "kX9vQ2mZ7rT4wB8nC1sJ6hL3pD5fG0aE", "rate_limits": True},
    ],
)
async def test_there_is_no_outbox_in_production_nor_where_mail_is_sent(
    app_server: AppServer, settings: Settings, changes: dict[str, Any]
):
    def addresses() -> set[str]:
        return {resource.canonical for resource in build(app_server.running).router.resources()}

    assert "/dev/mail" in addresses()
    changed = replace(app_server.hub.settings, password_memory_kb=65_536, **changes)
    app_server.hub.settings = changed
    assert not any(address.startswith("/dev") for address in addresses())
