"""What providers say that cannot be right is seen by those it concerns, and settled by hand by an admin."""

import pytest
from playwright.async_api import expect

from hub.gateways.payments import Gateways
from hub.models.payments import StartPayment
from hub.services import payments, settling
from tests.browser.conftest import Open, Town
from tests.browser.test_checkout import as_, held
from tests.browser.test_manners import AXE, LOOK, SMALL
from tests.doors import AppServer
from tests.money.provider import Provider, provider_id


async def test_a_payment_of_another_amount_is_shown_until_an_admin_has_settled_it(
    window: Open, town: Town, app_server: AppServer
) -> None:
    hub = app_server.hub
    provider = Provider("bakong")
    hub.gateways_of_money = Gateways(provider)
    ana, ada = await town.people.customer("Ana Reis"), await town.people.admin("Ada Admin")
    booking = await held(app_server, town, ana)
    ask = StartPayment(booking_id=booking.id, gateway="bakong")
    begun = await payments.start(hub, ana.actor, ask)
    name = await provider_id(hub, begun.id)
    provider.books[name].amount = 1
    provider.pay(name)
    await settling.settle(hub, begun.id)

    hers = await as_(window, town.owner, f"/venues/{town.hotel.id}/operations")
    row = hers.page.locator(f"[data-payment='{begun.id}']")
    await expect(row).to_contain_text("The provider took EUR 0.01 where")
    await expect(row.get_by_label("What was done at the provider")).to_have_count(0)

    admin = await as_(window, ada, "/admin/operations", width=360, bypass_csp=True)
    page = admin.page
    waiting = page.locator(f"[data-payment='{begun.id}']")
    await expect(waiting).to_contain_text("The provider took EUR 0.01 where")
    await page.evaluate(AXE)
    assert await page.evaluate(LOOK) + await page.evaluate(SMALL) == []
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    await waiting.get_by_label("What was done at the provider").fill("It was paid back by hand.")
    await waiting.get_by_role("button", name="Settled by hand").click()
    await expect(waiting).to_have_count(0)
    await expect(page.locator(f"[data-paid='{begun.id}']")).to_contain_text("It was paid back by hand.")
    await expect(row).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1280])
async def test_the_sandbox_says_of_each_button_what_it_does(
    window: Open, town: Town, app_server: AppServer, width: int
) -> None:
    ana = await town.people.customer("Ana Reis")
    booking = await held(app_server, town, ana)
    begun = await payments.start(app_server.hub, ana.actor, StartPayment(booking_id=booking.id, gateway="sandbox"))
    assert begun.pay_at.redirect_url is not None
    hers = await window(width=width, bypass_csp=True)
    page = hers.page
    await page.goto(begun.pay_at.redirect_url)
    await expect(page.get_by_role("button", name="Pay too late")).to_have_accessible_description(
        "It is paid once the hold has run out."
    )
    await page.evaluate(AXE)
    assert await page.evaluate(LOOK) + await page.evaluate(SMALL) == []
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
