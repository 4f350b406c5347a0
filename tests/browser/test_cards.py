"""A card is typed into the provider's own form, which the page's policy lets in: nothing of it meets the hub."""

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from playwright.async_api import Route, expect

from hub.gateways.payments import Gateways
from hub.gateways.stripe import StripeGateway
from tests.browser.conftest import Open, Town
from tests.builders import make_hold, slot, tomorrow
from tests.doors import AppServer
from tests.stripe_server import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET, Stripe

CARD = "4242424242424242"
# What Stripe's script does, as far as a page sees it: a frame of its own, and asks of its own.
SCRIPT = """
globalThis.Stripe = (key) => ({
  elements: ({ clientSecret }) => ({
    secret: clientSecret,
    create: () => ({ mount: (place) => {
      const frame = document.createElement("iframe");
      Object.assign(frame, { src: "https://js.stripe.com/form", title: "Card" });
      place.append(frame);
    } }),
  }),
  confirmPayment: async ({ elements }) => {
    const asked = { method: "POST", body: `${key} ${elements.secret}` };
    const answer = await fetch("https://api.stripe.com/v1/confirm", asked);
    return answer.ok ? {} : { error: { message: "Your card was declined." } };
  },
});
"""


@pytest.fixture
async def stripe_server(app_server: AppServer) -> AsyncIterator[Stripe]:
    """Let the application take cards at our own Stripe."""
    server = Stripe()
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", server.port).start()
    gateway = StripeGateway(SECRET_KEY, PUBLISHABLE_KEY, WEBHOOK_SECRET, live=False, address=server.url)
    app_server.hub.gateways_of_money = Gateways(gateway)
    yield server
    await gateway.close()
    await runner.cleanup()


async def test_a_guest_pays_by_card_after_one_was_refused(
    window: Open, town: Town, app_server: AppServer, stripe_server: Stripe
) -> None:
    ana = await town.people.customer("Ana Reis")
    held = await make_hold(app_server.hub, ana.actor, slot(town.room, tomorrow(10, days=3)))
    refusals = [True, False]

    async def stripe(route: Route) -> None:
        address, posted = route.request.url, route.request.post_data or ""
        if address == "https://js.stripe.com/endive/stripe.js":
            await route.fulfill(body=SCRIPT, content_type="text/javascript")
        elif address == "https://js.stripe.com/form":
            await route.fulfill(body="<input aria-label='Card number'>", content_type="text/html")
        else:
            key, secret = posted.split()
            assert key == PUBLISHABLE_KEY
            is_refused = refusals.pop(0)
            if not is_refused:
                stripe_server.pays(secret.partition("_secret_")[0])
            across = {"Access-Control-Allow-Origin": "*"}
            await route.fulfill(status=402 if is_refused else 200, headers=across, json={})

    hers = await window()
    page = hers.page
    await page.route("https://*.stripe.com/**", stripe)
    await hers.log_in(ana)
    await hers.open(f"/checkout/{held.id}")
    await page.get_by_role("radio", name="Card").check()
    await page.get_by_role("button", name=re.compile("^Pay €")).click()
    await page.frame_locator("iframe[title=Card]").get_by_label("Card number").fill(CARD)
    pay = page.get_by_role("button", name="Pay by card")
    await pay.click()
    await expect(page.get_by_text("Your card was declined.")).to_be_visible()
    await pay.click()
    await expect(page.locator(".result")).to_contain_text("Booked and paid.")
    assert CARD not in "\n".join(hers.said)
    (intent,) = stripe_server.intents.values()
    assert (intent["amount_received"], intent["currency"]) == (held.price, "eur")
