"""Paying in the browser: from the hold to the receipt, and back into the wallet; every page follows by itself."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from aiohttp import web
from PIL import Image
from playwright.async_api import Locator, Page, Route, expect

from hub.gateways import khqr
from hub.gateways.bakong import BakongGateway
from hub.gateways.payments import Gateways
from hub.models.bookings import Booking, NameBooking
from hub.models.payments import ListPayments, NamePayment
from hub.models.venues import ChangeVenue
from hub.services import bookings, payments, venues
from tests.bakong_server import TOKEN, Bank
from tests.browser.conftest import Open, Town, Window
from tests.browser.test_manners import AXE, JUMPED, LOOK, SMALL
from tests.builders import (
    day_after,
    make_addon,
    make_booking,
    make_hold,
    make_room_type,
    make_venue,
    place,
    stay,
)
from tests.doors import AppServer, Person
from tests.papers import pages, pay

TERMS = {
    "plans": ["full", "deposit"],
    "taxes": [{"name": "City tax", "basis_points": 200}],
    "full_bonus": ["Late check-out"],
    "refund_to": "wallet",
    "refund_approval_above": 5_000,
    "cancellation_steps": [{"hours_before": 48, "refund_percent": 80}],
}

# Let what the page first asks of an address be done, and its answer be lost on the way back.
LOSE = """(path) => {
  const whole = globalThis.fetch;
  globalThis.fetch = async (...asked) => {
    const answer = await whole(...asked);
    if (!asked[0].endsWith(path)) return answer;
    globalThis.fetch = whole;
    throw new TypeError("The line was cut.");
  };
}"""


@pytest.fixture
async def strict(town: Town, app_server: AppServer) -> Town:
    """Let the hotel confirm what is paid only, take deposits and look at large refunds."""
    ask = ChangeVenue.model_validate({"venue_id": town.hotel.id, "confirmation": "payment", "terms": TERMS})
    await venues.change(app_server.hub, town.owner.actor, ask)
    return town


async def as_(window: Open, person: Person, path: str, **how: Any) -> Window:
    """Open a page as somebody."""
    found: Window = await window(**how)
    await found.log_in(person)
    await found.open(path)
    return found


async def held(app_server: AppServer, town: Town, person: Person, nights: int = 2) -> Booking:
    """Hold nights at the hotel, three weeks ahead."""
    return await make_hold(app_server.hub, person.actor, stay(town.double, day_after(21), nights))


async def scan(image: Locator) -> str:
    """Read a QR code from the screen, as a phone does."""
    await expect(image).to_be_visible()
    await image.evaluate("(image) => image.decode()")
    [scanned] = zxingcpp.read_barcodes(Image.open(io.BytesIO(await image.screenshot())).convert("L"))
    return str(scanned.text)


async def press(page: Page, button: str) -> None:
    """Choose at the sandbox what becomes of the payment, and come back."""
    await page.wait_for_url("**/sandbox/pay/*")
    await page.get_by_role("button", name=button, exact=True).click()
    await page.wait_for_url("**/checkout/*")


async def test_a_stay_is_held_paid_by_a_plan_and_given_back_by_its_terms_while_every_page_follows(
    window: Open, strict: Town, app_server: AppServer, tmp_path: Path
) -> None:
    await make_addon(app_server.hub, strict.owner.actor, strict.hotel, name="Breakfast", price=1_000)
    ana, ada = await strict.people.customer("Ana Reis"), await strict.people.admin("Ada Admin")
    desk = await as_(window, strict.owner, "/dashboard")
    hers = await as_(window, ana, f"/venues/{strict.hotel.id}?check_in={day_after(21)}")
    page = hers.page
    await hers.night(0).click()
    await hers.night(1).click()
    await page.locator(".extras summary").first.click()
    await page.get_by_role("button", name="More Breakfast").click()
    # Two nights and a breakfast, and two percent of city tax.
    await expect(page.locator(".chosen .sum tfoot")).to_contain_text("€193.80")
    await page.get_by_role("button", name=re.compile("^Hold")).click()
    await expect(page.locator(".basket .total")).to_contain_text("€193.80")
    await page.locator(".basket").get_by_role("link", name="Pay").click()

    pay = page.locator("section", has=page.get_by_role("heading", name="Pay", exact=True))
    await expect(pay.get_by_role("timer")).to_be_visible()
    await expect(pay.get_by_label("All at once")).to_be_checked()
    await expect(page.locator(".sum tfoot")).to_contain_text("€184.11")
    await pay.get_by_label("Deposit first").check()
    await expect(page.locator(".sum tfoot")).to_contain_text("€193.80")
    await page.reload()
    await expect(pay.get_by_label("Deposit first")).to_be_checked()
    async with page.expect_request("**/api/v1/payments") as begun:
        await pay.get_by_role("button", name="Pay €116.28").click()
    # A page that is behind the times never takes another sum than it shows.
    assert (await begun.value).post_data_json["amount"] == 11_628
    await press(page, "Pay")
    result = page.locator(".result")
    await expect(result).to_contain_text("Booked.")
    await expect(pay).to_contain_text("€116.28 of €193.80 are paid.")
    await expect(desk.page.locator(".figures")).to_contain_text("€116.28")
    await expect(desk.page.locator(".feed li").first).to_contain_text("€116.28 of it paid")
    reference = await result.locator("b.number").inner_text()

    async with page.expect_download() as coming:
        await result.get_by_role("button", name="Receipt").click()
    file = tmp_path / "receipt.pdf"
    await (await coming.value).save_as(file)
    [receipt] = pages(file.read_bytes())
    assert reference in receipt
    assert "116.28" in receipt
    await result.get_by_role("button", name="Check-in code").click()
    code = result.get_by_role("img", name=f"Check-in code of {reference}")
    assert await code.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0

    wallet = await as_(window, ana, "/account/wallet")
    await result.get_by_role("link", name="My bookings").click()
    await page.get_by_role("button", name=f"Cancel {reference}").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Hotel Aurora: Double").uncheck()
    await expect(dialog.get_by_role("button", name="Cancel this part")).to_be_visible()
    await expect(dialog.locator(".sum tfoot")).to_contain_text("€4.90")
    await dialog.get_by_label("Hotel Aurora: Double").check()
    # Eighty percent of what was paid of each.
    await expect(dialog.locator(".sum tfoot")).to_contain_text("€93.03")
    await expect(dialog).to_contain_text("once the venue has approved it")
    await dialog.get_by_role("button", name="Cancel the booking").click()
    await expect(page.locator(".ticket .state")).to_have_text("cancelled")
    await page.get_by_role("link", name=f"Payments of {reference}").click()
    await expect(page.locator(".moves")).to_contain_text("waits for approval")

    admin = await as_(window, ada, "/admin/operations")
    waiting = admin.page.locator("[data-refund]")
    await expect(waiting).to_contain_text("€93.03")
    await waiting.get_by_label("Reason").fill("As agreed.")
    await waiting.get_by_role("button", name=re.compile("^Approve")).click()
    await expect(waiting).to_have_count(0)
    await expect(wallet.page.locator("[data-currency=EUR]")).to_contain_text("€93.03")
    await expect(wallet.page.locator(".moves li")).to_have_count(1)
    await expect(page.locator(".moves")).to_contain_text("paid back")
    await expect(page.locator(".moves")).to_contain_text("As agreed.")
    await expect(desk.page.locator(".figures")).to_contain_text("€23.25")


async def test_who_pays_by_keyboard_on_a_phone_and_goes_back_loses_neither_hold_nor_way(
    window: Open, strict: Town, app_server: AppServer
) -> None:
    ana = await strict.people.customer("Ana Reis")
    booking = await held(app_server, strict, ana)
    hers = await as_(window, ana, f"/checkout/{booking.id}", width=360, color_scheme="dark", bypass_csp=True)
    page, keys = hers.page, hers.page.keyboard
    wrong: list[str] = []

    async def look(name: str) -> None:
        await page.evaluate(AXE)
        wrong.extend(f"{name}: {one}" for one in await page.evaluate(LOOK) + await page.evaluate(SMALL))
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{name} scrolls sideways")

    await page.get_by_label("All at once").focus()
    assert await page.evaluate(JUMPED) < 0.01
    await keys.press("ArrowDown")
    await expect(page.get_by_label("Deposit first")).to_be_checked()
    await look("the choice")
    await page.get_by_role("button", name=re.compile("^Pay €")).focus()
    await keys.press("Enter")
    await page.wait_for_url("**/sandbox/pay/*")
    await page.go_back()
    await expect(page.get_by_role("link", name="Go on to pay")).to_be_visible()
    await look("under way")
    await page.get_by_role("link", name="Go on to pay").press("Enter")
    await press(page, "Fail")
    await expect(page.locator(".moves li")).to_contain_text("failed")
    await expect(page.get_by_role("timer")).to_be_visible()
    await page.get_by_role("button", name=re.compile("^Pay €")).press("Enter")
    await page.wait_for_url("**/sandbox/pay/*")
    await page.get_by_role("link", name="Back to the booking hub").click()
    await page.get_by_role("button", name="Pay another way").press("Enter")
    await page.get_by_role("button", name=re.compile("^Pay €")).press("Enter")
    await press(page, "Pay, told never")
    await expect(page.locator(".result")).to_contain_text("Booked.")
    await look("the result")
    await hers.open("/bookings")
    await page.get_by_role("button", name=re.compile("^Cancel ")).focus()
    assert await page.evaluate(JUMPED) < 0.01
    await keys.press("Enter")
    await page.get_by_role("dialog").locator(".sum").wait_for()
    await look("the preview")
    assert wrong == []


async def test_a_wallet_is_filled_pays_its_part_and_says_how_it_went(
    window: Open, strict: Town, app_server: AppServer
) -> None:
    ana = await strict.people.customer("Ana Reis")
    booking = await held(app_server, strict, ana)
    hers = await as_(window, ana, "/account/wallet")
    page = hers.page
    form = page.get_by_role("form", name="Fill the wallet")
    await form.get_by_label("Amount").fill("fifty")
    await form.get_by_label("Currency").select_option("EUR")
    await form.get_by_role("button", name="Fill the wallet").click()
    await expect(form.locator(".wrong")).to_contain_text("must be an amount")
    await form.get_by_label("Amount").fill("50.00")
    await page.evaluate(LOSE, "/wallet/top-ups")
    await form.get_by_role("button", name="Fill the wallet").click()
    await expect(form.locator(".refusal")).to_contain_text("cannot be reached")
    await form.get_by_role("button", name="Fill the wallet").click()
    await page.wait_for_url("**/sandbox/pay/*")
    # Whoever asks again because no answer came has it done once.
    [_] = (await payments.listed(app_server.hub, ana.actor, ListPayments())).items
    await page.get_by_role("button", name="Pay, told three times", exact=True).click()
    await page.wait_for_url("**/account/wallet*")
    await expect(page.locator("[data-currency=EUR]")).to_contain_text("€50")
    await expect(page.locator('[data-entry="top_up"]')).to_have_count(1)

    await hers.open(f"/checkout/{booking.id}")
    await page.get_by_label("Deposit first").check()
    await page.get_by_label(re.compile("^Wallet")).check()
    await expect(page.locator(".choice", has_text="Wallet")).to_contain_text("pays €50 of it")
    await page.get_by_role("button", name="Pay €50").click()
    await expect(page.locator(".moves li")).to_contain_text("Wallet")
    await expect(page.get_by_role("button", name="Pay €60.16")).to_be_visible()
    await page.get_by_text("Pay another amount").click()
    other = page.get_by_role("form", name="Pay another amount")
    await other.get_by_label("Amount").fill("1000")
    await other.get_by_role("button").click()
    await expect(other.locator(".wrong")).to_contain_text("is more than is still to be paid")


@pytest.mark.slow
async def test_a_second_tab_follows_the_first_and_says_when_a_hold_ran_out(
    window: Open, strict: Town, app_server: AppServer
) -> None:
    ana = await strict.people.customer("Ana Reis")
    ask = ChangeVenue(venue_id=strict.hotel.id, hold_seconds=5, hold_cap_seconds=600)
    await venues.change(app_server.hub, strict.owner.actor, ask)
    booking = await held(app_server, strict, ana)
    first = await as_(window, ana, f"/checkout/{booking.id}")
    await expect(first.page.locator(".result")).to_contain_text("The hold ran out before it was paid.")
    await expect(first.page.get_by_role("timer")).to_have_count(0)
    ask = ChangeVenue(venue_id=strict.hotel.id, hold_seconds=600)
    await venues.change(app_server.hub, strict.owner.actor, ask)
    booking = await held(app_server, strict, ana)
    first, second = [await as_(window, ana, f"/checkout/{booking.id}") for _ in range(2)]
    owner = await as_(window, strict.owner, f"/checkout/{booking.id}")
    await expect(owner.page.locator("#pay")).to_be_visible()
    await first.page.get_by_role("button", name=re.compile("^Pay €")).click()
    await first.page.wait_for_url("**/sandbox/pay/*")
    await expect(second.page.get_by_role("link", name="Go on to pay")).to_be_visible()
    await press(first.page, "Pay")
    await expect(second.page.locator(".result")).to_contain_text("Booked and paid.")
    await expect(owner.page.locator(".result")).to_contain_text("Booked and paid.")
    await expect(owner.page.get_by_role("heading", name="What Ana Reis books")).to_be_visible()


async def test_fewer_places_are_cancelled_than_were_booked_for_what_was_shown(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana = await town.people.customer("Ana Reis")
    booking = await make_booking(app_server.hub, ana.actor, place(town.session, 3))
    await pay(app_server.hub, booking)
    hers = await as_(window, ana, "/bookings")
    page = hers.page
    await page.get_by_role("button", name=f"Cancel {booking.reference}").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.locator(".sum tfoot")).to_contain_text("€75")
    await dialog.get_by_label("How many").select_option("2 places fewer")
    await expect(dialog.locator(".sum tfoot")).to_contain_text("€50")
    await dialog.get_by_role("button", name="Cancel this part").click()
    ticket = page.locator(f'[data-booking="{booking.id}"]')
    await expect(ticket).to_contain_text("1 place")
    await expect(ticket).to_contain_text("€25 paid")


async def test_what_costs_nothing_is_booked_at_the_checkout_and_its_calendar_subscribed_to(
    window: Open, strict: Town, app_server: AppServer
) -> None:
    hub, ana = app_server.hub, await strict.people.customer("Ana Reis")
    free = await make_room_type(hub, strict.owner.actor, strict.hotel, name="Bench", total_rooms=1, price=0)
    booking = await make_hold(hub, ana.actor, stay(free, day_after(21)))
    hers = await as_(window, ana, f"/checkout/{booking.id}")
    page = hers.page
    await page.get_by_role("button", name="Book it").click()
    await expect(page.locator(".result")).to_contain_text("Booked.")
    await page.get_by_role("link", name="My bookings").last.click()
    await page.get_by_text("In your own calendar").click()
    await page.get_by_role("button", name="Get an address").click()
    address = await page.locator(".secret").inner_text()
    assert booking.reference in await (await page.context.request.get(address)).text()


@pytest.fixture
async def bank(app_server: AppServer) -> AsyncIterator[Bank]:
    """Let the application be paid through Bakong, at a bank of our own."""
    bank = Bank()
    runner = web.AppRunner(bank.app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", bank.port).start()
    gateway = BakongGateway(khqr.Payee("hotel@bank", "Hotel Aurora"), TOKEN, bank.url)
    app_server.hub.gateways_of_money = Gateways(gateway)
    yield bank
    await gateway.close()
    await runner.cleanup()


async def test_a_khqr_code_is_scanned_from_the_page_and_paid_by_a_phone(
    window: Open, town: Town, app_server: AppServer, bank: Bank
) -> None:
    hub = app_server.hub
    venue = await make_venue(hub, town.owner.actor, name="Mekong House", kind="hotel", currency="USD")
    double = await make_room_type(hub, town.owner.actor, venue, name="Double", total_rooms=3, price=12_050)
    ana = await town.people.customer("Ana Reis")
    booking = await make_hold(hub, ana.actor, stay(double, day_after(21)))
    hers = await as_(window, ana, f"/checkout/{booking.id}")
    page = hers.page
    await page.get_by_role("button", name="Pay US$120.50").click()
    image = page.get_by_role("img", name="KHQR code to pay with a banking app")
    scanned = await scan(image)
    [begun] = (await payments.listed(hub, ana.actor, ListPayments(booking_id=booking.id))).items
    assert scanned == (await payments.read(hub, ana.actor, NamePayment(payment_id=begun.id))).pay_at.qr
    assert khqr.read(scanned)["54"] == "120.50"
    await page.reload()
    await expect(page.locator(".scan")).to_be_visible()
    bank.pay(scanned)
    await expect(page.locator(".result")).to_contain_text("Booked and paid.")


async def test_a_desk_takes_cash_and_lets_the_guest_in_by_code(
    window: Open, strict: Town, app_server: AppServer
) -> None:
    ana = await strict.people.customer("Ana Reis")
    booking = await make_booking(app_server.hub, ana.actor, stay(strict.double, day_after(0)))
    desk = await as_(window, strict.owner, "/dashboard")
    page = desk.page
    row = page.locator(f'[data-booking="{booking.id}"]')
    await expect(row).to_contain_text("€91.80, not paid yet")
    await row.get_by_role("button", name="Cash").click()
    dialog = page.get_by_role("dialog")
    # Who pays all at once pays five percent less.
    await expect(dialog.get_by_label("Amount, EUR")).to_have_value("87.21")
    await dialog.get_by_label("Amount, EUR").fill("1000")
    await dialog.get_by_role("button", name="It was paid").click()
    await expect(dialog.locator(".wrong")).to_contain_text("is more than is still to be paid")
    await dialog.get_by_label("Amount, EUR").fill("87,21")
    await dialog.get_by_role("button", name="It was paid").click()
    await expect(row).to_contain_text("€87.21, paid")
    await expect(row.locator(".state")).to_have_text("confirmed")
    await expect(page.locator(".figures")).to_contain_text("€87.21")
    form = page.get_by_role("form", name="Check in by code")
    await form.get_by_label("Check-in code").fill("made up")
    await form.get_by_role("button", name="Check in").click()
    await expect(form.locator(".refusal")).to_be_visible()
    hers = await as_(window, ana, "/bookings")
    await hers.page.get_by_role("button", name=f"Check-in code of {booking.reference}").click()
    shown = await scan(hers.page.get_by_role("img", name=f"Check-in code of {booking.reference}"))
    await form.get_by_label("Check-in code").fill(shown)
    await form.get_by_role("button", name="Check in").click()
    await expect(form.get_by_role("status")).to_contain_text(f"Ana Reis is in: {booking.reference}")

    # It is too late for anything back, unless it is the venue's doing; and nothing is done that was not shown.
    looked = asyncio.Event()

    async def slowly(route: Route) -> None:
        await looked.wait()
        await route.continue_()

    await page.route(re.compile("/cancellation.*reason_code=venue"), slowly)
    await row.get_by_role("button", name="Cancel").click()
    await expect(dialog.locator(".sum tfoot")).to_contain_text("€0")
    await dialog.get_by_label("Why").select_option("venue")
    await expect(dialog.get_by_role("button", name="Cancel the booking")).to_be_disabled()
    looked.set()
    await expect(dialog.locator(".sum tfoot")).to_contain_text("€87.21")
    await dialog.get_by_role("button", name="Cancel the booking").click()
    await expect(row.locator(".state")).to_have_text("cancelled")
    assert (await bookings.read(app_server.hub, strict.owner.actor, NameBooking(booking_id=booking.id))).paid == 0
