"""What a venue charges on which terms, set by its owner in the browser, and seen by guests as they choose."""

import re

import pytest
from playwright.async_api import expect

from hub.core import THE_HUB
from hub.models.rates import CreateRate
from hub.models.venues import ChangeVenue, NameVenue
from hub.services import rates, venues
from storage import ledger
from storage.ledger import Entry
from storage.wallet import POINTS
from tests.browser.conftest import Open, Town
from tests.browser.test_checkout import as_
from tests.browser.test_manners import AXE, JUMPED, LOOK, SMALL
from tests.builders import day_after
from tests.doors import AppServer


async def test_rates_offers_and_add_ons_are_set_and_priced_as_they_are_chosen(
    window: Open, town: Town, app_server: AppServer
) -> None:
    day = day_after(21)
    guest = await window()
    await guest.open(f"/venues/{town.hotel.id}?check_in={day}")
    owner = await as_(window, town.owner, f"/venues/{town.hotel.id}/prices")
    page = owner.page
    await page.get_by_text("New rate").click()
    form = page.get_by_role("form", name="New rate")
    await form.get_by_label("Name").fill("Fair")
    await form.get_by_label("First day").fill(day.isoformat())
    await form.get_by_label("Last day").fill(day.isoformat())
    await form.get_by_label("Price in EUR, or percentage").fill("a lot")
    await form.get_by_role("button", name="Make it").click()
    await expect(form.locator(".wrong")).to_contain_text("must be an amount such as 12.50")
    await form.get_by_label("Price in EUR, or percentage").fill("120.50")
    await form.get_by_role("button", name="Make it").click()
    rate = page.locator("#rates ~ .listing li")
    await expect(rate).to_contain_text("Double · €120.50 a night")
    # Who looks at the board sees it at once.
    await expect(guest.night(0)).to_contain_text("€120.50")
    await expect(guest.night(1)).to_contain_text("left")

    await page.get_by_text("New offer").click()
    form = page.get_by_role("form", name="New offer")
    await form.get_by_label("Code").fill("AUTUMN")
    await form.get_by_label("Percentage, or amount in EUR").fill("12.5")
    await form.get_by_label("Times a person").fill("1")
    await form.get_by_role("button", name="Make it").click()
    offer = page.locator("#offers ~ .listing li")
    await expect(offer).to_contain_text("12.5 % off · 1 a person")
    await page.get_by_text("New add-on").click()
    form = page.get_by_role("form", name="New add-on")
    await form.get_by_label("Name").fill("Bicycle")
    await form.get_by_label("Price, EUR").fill("10")
    await form.get_by_label("How many there are").fill("1")
    await form.get_by_role("button", name="Make it").click()
    addon = page.locator("#addons ~ .listing li")
    await expect(addon).to_contain_text("€10 a booking · 1 there at a time")

    await guest.night(0).click()
    await guest.night(1).click()
    extras = guest.page.locator(".extras").first
    await extras.locator("summary").click()
    await extras.get_by_role("button", name="More Bicycle").click()
    await expect(extras.get_by_role("button", name="More Bicycle")).to_be_disabled()
    await expect(extras.locator(".sum tfoot")).to_contain_text("€220.50")
    await extras.get_by_label("Code of an offer").fill("SPRING")
    await extras.get_by_role("button", name="Use it").click()
    await expect(extras.get_by_role("alert")).to_be_visible()
    await extras.get_by_label("Code of an offer").fill("autumn")
    await extras.get_by_label("Code of an offer").press("Enter")
    await expect(extras.locator(".sum")).to_contain_text("-€27.56")
    await expect(extras.locator("summary")).to_contain_text("€192.94")

    await addon.get_by_text("Change it").click()
    form = page.get_by_role("form", name="Change Bicycle")
    await form.get_by_label("Sold now").uncheck()
    await form.get_by_role("button", name="Save").click()
    await expect(addon).to_contain_text("not sold")
    await offer.get_by_role("button", name="Delete AUTUMN").click()
    await offer.get_by_role("group").get_by_role("button", name="Delete").click()
    await expect(page.locator("#offers ~ .listing")).to_contain_text("No offer yet.")


async def test_terms_are_set_as_a_whole_and_refused_at_the_field_that_is_wrong(
    window: Open, town: Town, app_server: AppServer
) -> None:
    owner = await as_(window, town.owner, f"/venues/{town.hotel.id}/terms")
    page = owner.page
    form = page.get_by_role("form", name="Terms")
    await form.get_by_label("A deposit, the rest before the start").check()
    await form.get_by_label("Deposit, %").fill("80")
    await form.get_by_label("Tax", exact=True).fill("VAT")
    await form.get_by_label("Of the price, %").fill("7.25")
    await form.get_by_role("button", name="Another step").click()
    steps = form.get_by_label("Hours before the start")
    await steps.nth(0).fill("72")
    await steps.nth(1).fill("24")
    await form.get_by_label("Paid back, %").nth(1).fill("50")
    await form.get_by_label("Refunds wait for approval above, EUR").fill("99.90")
    await page.reload()
    await expect(form.get_by_label("Deposit, %")).to_have_value("80")
    await form.get_by_role("button", name="Save the terms").click()
    await expect(form.locator(".wrong")).to_contain_text("70")
    await expect(form.get_by_label("Deposit, %")).to_be_focused()
    await form.get_by_label("Deposit, %").fill("70")
    await form.get_by_role("button", name="Save the terms").click()
    await expect(form.get_by_role("status")).to_contain_text("Saved.")
    terms = (await venues.read(app_server.hub, town.owner.actor, NameVenue(venue_id=town.hotel.id))).terms
    assert terms.plans == ["full", "deposit"]
    assert (terms.deposit_percent, terms.refund_approval_above) == (70, 9_990)
    assert [(tax.name, tax.basis_points, tax.inclusive) for tax in terms.taxes] == [("VAT", 725, False)]
    assert [(step.hours_before, step.refund_percent) for step in terms.cancellation_steps] == [(72, 100), (24, 50)]


@pytest.mark.parametrize(("width", "scheme"), [pytest.param(1280, "light", marks=pytest.mark.slow), (360, "dark")])
async def test_the_pages_of_those_who_take_money_are_for_everybody(
    window: Open, town: Town, app_server: AppServer, width: int, scheme: str
) -> None:
    hub, owner = app_server.hub, town.owner
    ask = CreateRate.model_validate({"room_type_id": town.double.id, "name": "Weekend", "percent": 120})
    await rates.create(hub, owner.actor, ask)
    wrong: list[str] = []
    look = await window(width, color_scheme=scheme, bypass_csp=True, has_touch=width < 400)
    page = look.page
    for person, pages in (
        (owner, (("prices", "#addons ~ *"), ("terms", ".trio"), ("operations", "#payments ~ *"))),
        (await town.people.admin("Sam Super", "super_admin"), (("/admin/operations", "#adjustments ~ *"),)),
        (await town.people.customer("Ana Reis"), (("/account/wallet", "#fill ~ *"),)),
    ):
        await look.log_in(person)
        for name, ready in pages:
            path = name if name.startswith("/") else f"/venues/{town.hotel.id}/{name}"
            await look.open(path)
            await page.locator(ready).first.wait_for()
            if await page.evaluate(JUMPED) > 0.05:
                wrong.append(f"{path} jumps as it is filled")
            for closed in await page.locator("summary").all():
                await closed.click()
            await page.evaluate(AXE)
            wrong += [f"{path}: {one}" for one in await page.evaluate(LOOK)]
            if await page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append(f"{path} scrolls sideways")
            wrong += await page.evaluate(SMALL) if width < 400 else []
    assert wrong == []


async def test_whoever_may_not_sees_nothing_of_it(window: Open, town: Town) -> None:
    ana = await town.people.customer("Ana Reis")
    hers = await as_(window, ana, f"/venues/{town.hotel.id}/operations")
    await expect(hers.page.locator("#content .refusal").first).to_be_visible()
    await expect(hers.page.get_by_role("heading", name=re.compile("Refunds"))).to_have_count(0)
    await hers.open("/admin/operations")
    await expect(hers.page.locator("#content")).to_contain_text("Your role does not let you see this page.")
    await hers.open("/checkout/1")
    await expect(hers.page.locator("#content .refusal")).to_be_visible()


async def test_a_price_that_changed_meanwhile_is_said_shown_anew_and_held_only_then(
    window: Open, town: Town, app_server: AppServer
) -> None:
    hub, day = app_server.hub, day_after(21)
    hers = await as_(window, await town.people.customer("Ana Reis"), f"/venues/{town.hotel.id}?check_in={day}")
    page = hers.page
    await hers.night(0).click()
    await expect(page.locator(".extras summary").first).to_contain_text("€90")
    ask = CreateRate.model_validate(
        {"room_type_id": town.double.id, "name": "Fair", "starts_on": day, "ends_on": day, "price": 12_000}
    )
    await rates.create(hub, town.owner.actor, ask)
    hold = page.get_by_role("button", name=re.compile("^Hold"))
    await hold.click()
    await expect(page.locator(".chosen .refusal")).to_contain_text("This price is not good any more")
    await expect(page.locator(".extras summary").first).to_contain_text("€120")
    await hold.click()
    await expect(page.locator(".basket .total")).to_contain_text("€120")


async def test_a_students_discount_and_points_are_taken_off_by_whoever_has_them(
    window: Open, town: Town, app_server: AppServer
) -> None:
    hub, day = app_server.hub, day_after(21)
    terms = {"student_percent": 10, "point_value": 2}
    ask = ChangeVenue.model_validate({"venue_id": town.hotel.id, "terms": terms})
    await venues.change(hub, town.owner.actor, ask)
    ana = await town.people.customer("Ana Reis")
    async with hub.work(THE_HUB) as work:
        await work.db.execute("UPDATE users SET is_student = true WHERE id = $1", ana.id)
        lines = [Entry("points", 500, user_id=ana.id), Entry("corrections", -500)]
        await ledger.post(work.db, "points", POINTS, lines)
    hers = await as_(window, ana, f"/venues/{town.hotel.id}?check_in={day}")
    page = hers.page
    await hers.night(0).click()
    extras = page.locator(".extras").first
    await extras.locator("summary").click()
    await extras.get_by_label("Student: 10 % off").check()
    await expect(extras.locator("summary")).to_contain_text("€81")
    await extras.get_by_label("Use my 500 points").check()
    await expect(extras.locator("summary")).to_contain_text("€71")
    await page.get_by_role("button", name=re.compile("^Hold")).click()
    await expect(page.locator(".basket .total")).to_contain_text("€71")
