"""No link leads a visitor of the log-in page to another site."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from tests.doors import AppServer


@pytest.fixture
async def page(browser: Browser, app_server: AppServer) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=app_server.url)
    yield await context.new_page()
    await context.close()


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
