"""Those who run a venue have its events sent elsewhere, see how that goes, and mend it."""

import re
from dataclasses import replace

import pytest
from playwright.async_api import expect

from hub.jobs import webhooks as job
from hub.settings import Settings
from tests.browser.conftest import Open, Town
from tests.browser.test_manners import AXE, LOOK, SMALL
from tests.builders import make_booking, slot, tomorrow
from tests.doors import AppServer
from tests.receivers import Street, let_time_pass, refusing, taking


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let webhooks lead to this machine."""
    return replace(settings, webhook_private=True)


async def test_a_webhook_is_made_tried_out_mended_and_let_go(
    window: Open, town: Town, app_server: AppServer, receivers: Street
) -> None:
    hub, inbox = app_server.hub, receivers.inbox()
    ana = await town.people.customer("Ana Reis")
    hers = await window(360, color_scheme="dark", bypass_csp=True)
    page = hers.page
    await hers.log_in(town.owner)
    await hers.open(f"/venues/{town.hall.id}/staff")
    await page.get_by_role("link", name="Webhooks").click()
    form = page.get_by_role("form", name="New webhook")
    await form.get_by_label("Address").fill("https://me:secret@example.org/")
    await form.get_by_role("button", name="Send events there").click()
    await expect(form.locator(".wrong")).to_contain_text("must not hold a name or a password")
    await form.get_by_label("Address").fill(inbox.url)
    await form.get_by_label("What it is for").fill("The till")
    await form.get_by_label("booking held").check()
    await expect(form.get_by_label("booking confirmed")).to_be_checked()
    await expect(form.get_by_label("Send bookings whole")).not_to_be_checked()
    await form.get_by_role("button", name="Send events there").click()
    inbox.secrets = [await page.locator(".secret").inner_text()]
    await page.reload()
    await expect(page.get_by_role("heading", name=inbox.url.split("/")[2])).to_be_visible()
    await expect(page.locator(".secret")).to_have_count(0)

    await page.get_by_role("button", name="Send a test").click()
    first = page.locator('[data-delivery="1"]')
    await expect(first).to_contain_text("waiting")
    await job.work_off(hub)
    await expect(first).to_contain_text("delivered webhook.test")
    assert inbox.names == ["webhook.test"]

    inbox.answer = refusing(503)
    await make_booking(hub, ana.actor, slot(town.room, tomorrow(9)))
    await job.work_off(hub)
    await page.reload()
    second = page.locator('[data-delivery="2"]')
    await expect(second).to_contain_text(re.compile("tried again booking.confirmed.*answered 503.*1 attempt"))
    await expect(page.locator("#webhook ~ p .state")).to_contain_text("takes nothing since")
    await page.evaluate(AXE)
    assert await page.evaluate(LOOK) == []
    assert await page.evaluate(SMALL) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    inbox.answer = taking
    await let_time_pass(hub)
    await job.work_off(hub)
    await expect(second).to_contain_text("delivered")
    assert inbox.names[1:] == ["booking.confirmed"]
    await page.get_by_role("button", name="Again from here, number 1").click()
    await expect(page.locator("#deliveries ~ .told")).to_contain_text("2 messages on the way again")
    await job.work_off(hub)
    assert (inbox.sequences, len(set(inbox.ids))) == ([1, 2, 1, 2], 2)

    await page.get_by_role("button", name="New secret").click()
    await page.get_by_role("button", name="Draw a new secret").click()
    await expect(page.locator(".secret")).not_to_have_text(inbox.secrets[0])
    await page.get_by_role("button", name="Switch off").click()
    await expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    await page.get_by_role("link", name="given up").click()
    await expect(page.locator(".trail")).to_contain_text("Nothing yet.")
    await page.get_by_text("Change it").click()
    change = page.get_by_role("form", name="Change the webhook")
    await change.get_by_label("What it is for").fill("The door")
    await change.get_by_role("button", name="Save").click()
    await expect(page.locator("#webhook + p")).to_have_text("The door")
    await page.get_by_role("button", name="Delete", exact=True).click()
    await page.get_by_role("group").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("form", name="New webhook")).to_be_visible()
    assert not [word for word in (ana.email, "Ana Reis") if word in str(inbox.got)]
