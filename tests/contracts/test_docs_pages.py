"""The interactive documentation in a real browser, under the same strict content policy as everything else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from handlers.pages import STATIC
from handlers.table import table
from tests.doors import AppServer


@pytest.fixture
async def page(browser: Browser, app_server: AppServer) -> AsyncIterator[Page]:
    """Open a page, and fail on whatever the content policy refuses or a script throws."""
    context = await browser.new_context(base_url=app_server.url)
    page = await context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: refused.append(str(error)))
    yield page
    await context.close()
    assert refused == []


async def test_the_http_api_can_be_tried_out_in_the_browser(page: Page) -> None:
    await page.goto("/docs")
    # Every part is listed, and opens to all that it holds.
    await page.locator("#operations-tag-service").wait_for()
    assert (
        await page.locator(".opblock-tag").count() == len({one.name.partition(".")[0] for one in table().values()}) + 1
    )
    await page.locator("#operations-tag-bookings").click()
    bookings = [one for one in table().values() if one.name.startswith("bookings.")]
    await expect(page.locator("#operations-tag-bookings + * .opblock")).to_have_count(len(bookings))
    await page.locator("#operations-tag-service").click()
    health = page.locator(".opblock", has=page.locator("[data-path='/health/ready']"))
    await health.locator(".opblock-summary-control").click()
    await health.get_by_role("button", name="Execute").click()
    await expect(health.locator(".live-responses-table")).to_contain_text("migrations")


async def test_the_live_api_can_be_tried_out_in_the_browser(page: Page) -> None:
    await page.goto("/docs/events")
    await page.get_by_role("button", name="Connect").click()
    await expect(page.get_by_role("status").first).to_have_text("connected as a guest")
    command = page.locator("#command-hub\\.time")
    await command.locator("summary").click()
    await command.get_by_role("button", name="Send").click()
    await expect(command.locator("pre[role=status]")).to_contain_text('"ok": true')
    fact = page.locator("#fact-availability\\.changed")
    await fact.locator("summary").click()
    await expect(fact).to_contain_text("version")


async def test_the_live_page_can_be_read_by_everybody(browser: Browser, app_server: AppServer) -> None:
    # The policy forbids the page to run axe, so this one window does without it.
    context = await browser.new_context(
        base_url=app_server.url, bypass_csp=True, viewport={"width": 390, "height": 800}
    )
    page = await context.new_page()
    await page.goto("/docs/events")
    for entry in ("#command-holds\\.place", "#fact-booking\\.held"):
        await page.locator(entry).locator("summary").click()
    await page.add_script_tag(path=STATIC / "node_modules" / "axe-core" / "axe.min.js")
    found = await page.evaluate(
        "async () => (await axe.run(document)).violations.map((one) => `${one.id}: ${one.help}`)"
    )
    assert found == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await context.close()
