"""For everybody: keyboard, screen reader, small phones, no scripts, slow lines; and nothing typed is lost."""

import gzip
import re
from typing import Any

import pytest
from playwright.async_api import expect

from handlers.pages import STATIC
from hub.core import Actor
from hub.services import accounts, logins
from tests.browser.conftest import Open, Town, Window
from tests.builders import make_booking, make_hold, place, slot, stay, tomorrow
from tests.doors import PASSWORD, AppServer, Person

AXE = (STATIC / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
LOOK = """async () => (await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }))
  .violations.filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => `${one.id}: ${one.nodes[0].html} ${one.nodes[0].failureSummary}`)"""

JUMPED = """() => new Promise((resolve) => {
let sum = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) sum += one.hadRecentInput ? 0 : one.value;
}).observe({ type: "layout-shift", buffered: true });
setTimeout(() => resolve(sum), 300);
})"""
SMALL = """() => [...document.querySelectorAll("button, input, select, summary, .top a, .button, [role=gridcell]")]
  .filter((one) => one.offsetParent && !one.closest(".only-read"))
  .map((one) => (one.matches("[type=radio], [type=checkbox]") ? one.closest("label") : one))
  .map((one) => [one, one.getBoundingClientRect()])
  .filter(([, box]) => box.width < 44 || box.height < 44)
  .map(([one, box]) => `${location.pathname} ${one.outerHTML.slice(0, 80)} ${box.width}x${box.height}`)"""


async def busy(app_server: AppServer, town: Town) -> Person:
    """Let somebody hold and book a little of everything; answers who."""
    ana = await town.people.customer("Ana Reis")
    hub = app_server.hub
    await make_booking(hub, ana.actor, slot(town.room, tomorrow(9)))
    await make_booking(hub, ana.actor, stay(town.double, tomorrow().date(), 2), place(town.session, 2))
    await make_hold(hub, ana.actor, slot(town.room, tomorrow(15)))
    await make_hold(hub, ana.actor, place(town.session))
    return ana


def pages(town: Town) -> list[str]:
    """List every page."""
    return [
        "/",
        f"/venues/{town.hall.id}",
        f"/venues/{town.hotel.id}",
        "/login",
        "/register",
        "/verify",
        "/forgot-password",
        "/reset-password",
        "/invitation",
        "/account",
        "/account/security",
        f"/venues/{town.hall.id}/staff",
        "/bookings",
        "/dashboard",
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
async def test_axe_finds_nothing_serious_on_any_page(
    window: Open, town: Town, app_server: AppServer, width: int, scheme: str
) -> None:
    await busy(app_server, town)
    # Their policy forbids the pages to run axe, so this one window does without it.
    guest = await window(width, color_scheme=scheme, bypass_csp=True)
    found: dict[str, Any] = {}

    async def look(name: str) -> None:
        await guest.page.evaluate(AXE)
        found[name] = await guest.page.evaluate(LOOK)

    for path in [*pages(town), "/nothing-here"]:
        await guest.page.goto(app_server.url + path)
        if path != "/nothing-here":
            await guest.alive()
        await look(path)
    await guest.log_in(town.owner)
    await guest.open("/dashboard")
    await guest.page.locator(".feed li").first.wait_for()
    await guest.page.locator(".week").wait_for()
    await look("the desk")
    await guest.page.get_by_role("button", name=re.compile("^Move ")).first.click()
    await look("moving")
    assert [one for ones in found.values() for one in ones] == []


@pytest.mark.parametrize(("width", "scheme"), [pytest.param(1280, "dark", marks=pytest.mark.slow), (320, "light")])
async def test_what_one_sees_of_oneself_and_others_is_for_everybody_too(
    window: Open, town: Town, app_server: AppServer, width: int, scheme: str
) -> None:
    await town.people.customer("Rui Reis")
    admin = await window(width, color_scheme=scheme, bypass_csp=True, has_touch=width < 400)
    await admin.log_in(await town.people.admin("Sam Super", "super_admin"))
    wrong: list[str] = []
    for path, ready in (
        ("/account", ".face"),
        ("/account/security", "[data-login]"),
        (f"/venues/{town.hall.id}/staff", "[data-person]"),
        ("/admin/users", "[data-person]"),
        ("/admin/users/2", ".facts"),
        ("/admin/roles?role=3", ".matrix"),
        ("/admin/audit", "[data-entry]"),
    ):
        await admin.open(path)
        await admin.page.locator(ready).first.wait_for()
        if await admin.page.evaluate(JUMPED) > 0.05:
            wrong.append(f"{path} jumps as it is filled")
        for closed in await admin.page.locator("summary").all():
            await closed.click()
        await admin.page.evaluate(AXE)
        wrong += [f"{path}: {one}" for one in await admin.page.evaluate(LOOK)]
        if await admin.page.evaluate("document.documentElement.scrollWidth") > width:
            wrong.append(f"{path} scrolls sideways")
        wrong += await admin.page.evaluate(SMALL) if width < 400 else []
    assert wrong == []


@pytest.mark.parametrize(("width", "scheme"), [pytest.param(1280, "light", marks=pytest.mark.slow), (360, "dark")])
async def test_what_opens_later_is_for_everybody_too(window: Open, town: Town, width: int, scheme: str) -> None:
    rui = await town.people.customer("Rui Reis")
    one = await window(width, color_scheme=scheme, bypass_csp=True)
    page = one.page
    wrong: list[str] = []

    async def look(name: str) -> None:
        await page.evaluate(AXE)
        wrong.extend(f"{name}: {found}" for found in await page.evaluate(LOOK))
        if await page.evaluate("document.documentElement.scrollWidth") > width:
            wrong.append(f"{name} scrolls sideways")

    await one.open("/register")
    await page.get_by_label("lead sessions").check()
    await page.get_by_role("button", name="Register").click()
    await page.locator("#wrong-password").wait_for()
    await look("a refused form")
    await one.log_in(await town.people.admin("Sam Super", "super_admin"))
    await one.open("/account/security")
    form = page.get_by_role("form", name="Set up a second factor")
    await form.get_by_label("Password").fill(PASSWORD)
    await form.get_by_role("button", name="Set it up").click()
    await page.locator(".qr").wait_for()
    await page.get_by_role("button", name="Log out everywhere").click()
    await look("a second factor and a question")
    await page.get_by_role("form", name="Change the password").get_by_role("button").click()
    await page.locator(".wrong").first.wait_for()
    await look("a refused password")
    await one.open(f"/admin/users/{rui.id}")
    await page.get_by_role("button", name="Act as Rui Reis").click()
    await page.locator(".banner").wait_for()
    await look("acting as somebody")
    assert wrong == []


async def test_nothing_scrolls_sideways_on_a_phone_or_at_twice_the_size(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana = await busy(app_server, town)
    phone = await window(360)
    wide: list[str] = []

    async def look(path: str) -> None:
        for width in (320, 360, 640):
            await phone.page.set_viewport_size({"width": width, "height": 800})
            if await phone.page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append(f"{path} at {width}")

    await phone.log_in(ana)
    for path in pages(town):
        await phone.open(path)
        if path == "/bookings":
            await phone.page.locator(".ticket").first.wait_for()
        await look(path)
    await phone.log_in(town.owner)
    await phone.open("/dashboard")
    await phone.page.locator(".week").wait_for()
    await look("the desk")
    assert wide == []


async def test_targets_are_large_enough_for_a_finger(window: Open, town: Town, app_server: AppServer) -> None:
    await busy(app_server, town)
    phone = await window(360, has_touch=True)
    await phone.log_in(town.owner)
    small: list[str] = []
    for path in pages(town):
        await phone.open(path)
        small += await phone.page.evaluate(SMALL)
    assert small == []


async def test_a_stay_is_held_and_booked_by_keyboard_alone(window: Open, town: Town) -> None:
    ana = await town.people.customer("Ana Reis")
    hers = await window()
    await hers.log_in(ana)
    await hers.open(f"/venues/{town.hotel.id}")
    keys = hers.page.keyboard
    await keys.press("Tab")
    await expect(hers.page.locator(":focus")).to_have_text("Skip to the content")
    await keys.press("Enter")
    for _ in range(20):
        await keys.press("Tab")
        if await hers.page.evaluate("document.activeElement.getAttribute('role')") == "gridcell":
            break
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"):
        await keys.press(key)
    await expect(hers.night(4)).to_be_focused()
    for column, chosen in ((1, "false"), (2, "true"), (3, "true"), (4, "true"), (5, "false")):
        await expect(hers.night(column)).to_have_attribute("aria-selected", chosen)
    await expect(hers.page.locator(".chosen")).to_contain_text("3 nights · €270")
    hold = hers.page.get_by_role("button", name=re.compile("^Hold"))
    for _ in range(10):
        await keys.press("Tab")
        if await hold.evaluate("(button) => button === document.activeElement"):
            break
    await keys.press("Enter")
    await expect(hers.night(4)).to_contain_text("yours")
    await hers.page.get_by_role("button", name="Confirm").focus()
    await keys.press("Enter")
    await expect(hers.page.locator(".basket")).to_contain_text("Booked")


async def test_enter_chooses_one_cell_and_a_second_one_ends_the_choice(window: Open, town: Town) -> None:
    hers = await window()
    await hers.open(f"/venues/{town.hall.id}")
    await hers.cell(9, 1).focus()
    for key in ("Enter", "ArrowDown", "ArrowDown", "Enter"):
        await hers.page.keyboard.press(key)
    await expect(hers.page.locator(".chosen")).to_contain_text("09:00\u201312:00 · €150")
    await hers.page.reload()
    await hers.alive()
    await expect(hers.page.locator(".chosen")).to_contain_text("09:00\u201312:00 · €150")
    await expect(hers.cell(10, 1)).to_have_attribute("aria-selected", "true")


async def test_a_dragged_range_is_chosen_as_it_was_drawn(window: Open, town: Town) -> None:
    hers = await window()
    await hers.open(f"/venues/{town.hall.id}")
    await hers.cell(3, 2).hover()
    await hers.page.mouse.down()
    await hers.cell(4, 2).hover()
    await hers.cell(5, 2).hover()
    await hers.page.mouse.up()
    await expect(hers.page.locator(".chosen")).to_contain_text("03:00\u201306:00 · €150")


async def test_what_is_typed_survives_a_reload_but_passwords_do_not(window: Open, town: Town) -> None:
    hers = await window()
    await hers.open("/register")
    await hers.page.fill("[name=full_name]", "Ana Reis")
    await hers.page.fill("[name=email]", "ana@example.org")
    await hers.page.fill("[name=password]", PASSWORD)
    await hers.page.reload()
    assert await hers.page.input_value("[name=full_name]") == "Ana Reis"
    assert await hers.page.input_value("[name=email]") == "ana@example.org"
    assert await hers.page.input_value("[name=password]") == ""
    await hers.open("/")
    await hers.page.fill("[name=place]", "Lisbon")
    await hers.page.reload()
    assert await hers.page.input_value("[name=place]") == "Lisbon"


async def test_a_log_in_that_ended_meanwhile_loses_nothing_that_was_typed(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana = await town.people.customer("Ana Reis")
    booking = await make_booking(app_server.hub, ana.actor, place(town.session, 2))
    hers = await window()
    await hers.log_in(ana)
    await hers.open("/bookings")
    await hers.page.get_by_role("button", name=f"Cancel {booking.reference}").click()
    await hers.page.fill("textarea", "My knee hurts")
    await logins.log_out_everywhere(app_server.hub, ana.actor)
    await hers.page.get_by_role("button", name="Cancel the booking").click()
    again = hers.page.locator("#over dialog")
    await again.locator("[name=email]").fill(ana.email)
    await again.locator("[name=password]").fill(PASSWORD)
    await again.get_by_role("button", name="Log in").click()
    await expect(hers.page.locator(f'[data-booking="{booking.id}"] .state')).to_have_text("cancelled")
    actor = await accounts.log_in(app_server.hub, Actor(), accounts.LogIn(email=ana.email, password=PASSWORD))
    async with app_server.hub.pool.acquire() as db:
        assert await db.fetchval("SELECT cancel_reason FROM bookings WHERE id = $1", booking.id) == "My knee hurts"
    assert actor.user.id == ana.id


async def test_moving_from_page_to_page_in_haste_keeps_the_log_in(window: Open, town: Town) -> None:
    ana = await town.people.customer("Ana Reis")
    hers = await window()
    await hers.log_in(ana)
    for path in ("/bookings", "/", "/dashboard", "/bookings", "/", "/bookings") * 2:
        await hers.page.goto(hers.base + path, wait_until="commit")
    await hers.open("/bookings")
    await expect(hers.page.locator(".person .name")).to_have_text("Ana Reis")


async def test_without_scripts_every_public_page_still_reads(window: Open, town: Town, app_server: AppServer) -> None:
    await busy(app_server, town)
    still = await window(java_script_enabled=False)
    await still.page.goto(f"{app_server.url}/?place=lisbon&kind=tour")
    await expect(still.page.locator("#found")).to_contain_text("Tried without the kind: 1 finding")
    await still.page.goto(f"{app_server.url}/?check_in=2027-03-05&check_out=2027-03-01")
    await expect(still.page.locator("form")).to_contain_text("check_out must be after check_in")
    await still.page.goto(f"{app_server.url}/")
    await still.page.get_by_text("Sala Norte").first.click()
    row = still.page.locator(".hours tbody tr")
    await expect(row.nth(9).locator("td").nth(1)).to_contain_text("taken")
    await expect(row.nth(15).locator("td").nth(1)).to_contain_text("held")
    await expect(still.page.locator(".sessions")).to_contain_text("7 places left")
    await still.page.get_by_role("link", name="Later").click()
    assert "check_in=" in still.page.url
    await still.page.goto(f"{app_server.url}/venues/{town.hotel.id}")
    await expect(still.page.locator(".nights tbody td").nth(1)).to_contain_text("2")


async def test_with_reduced_motion_nothing_turns_and_a_word_says_it(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana = await town.people.customer("Ana Reis")
    still = await window(reduced_motion="reduce")
    await still.open(f"/venues/{town.hall.id}")
    await make_hold(app_server.hub, ana.actor, slot(town.room, tomorrow(9)))
    cell = still.cell(9, 1)
    await expect(cell).to_have_attribute("data-lit", "true")
    word = "getComputedStyle(document.querySelector('[data-lit]'), '::after').content"
    assert await still.page.evaluate(word) == '"changed"'
    assert await cell.locator(".ring").is_hidden()
    running = await still.page.evaluate("document.getAnimations().length")
    assert running == 0


@pytest.mark.parametrize("width", [360, pytest.param(1280, marks=pytest.mark.slow)])
async def test_a_page_is_small_and_does_not_jump(window: Open, town: Town, app_server: AppServer, width: int) -> None:
    await busy(app_server, town)
    for path in pages(town)[:3]:
        guest = await window(width)
        answers: list[Any] = []
        guest.page.on("response", lambda one, kept=answers: kept.append(one))
        await guest.open(path)
        await guest.page.wait_for_load_state("networkidle")
        jumped = await guest.page.evaluate(JUMPED)
        assert jumped < 0.01, path
        size = sum([len(gzip.compress(await one.body(), 6)) for one in answers])
        assert 20_000 < size < 120_000, path


@pytest.mark.abuse("F12")
async def test_no_page_breaks_its_policy_or_fails_to_load_anything(window: Open, town: Town) -> None:
    guest = await window()
    refused: list[str] = []
    guest.page.on("response", lambda one: one.status >= 400 and refused.append(one.url))
    for path in pages(town):
        await guest.open(path)
    assert refused == []


async def see(guest: Window, zone: str) -> str:
    """Read the first row's times."""
    return str(await guest.page.locator(".hours tbody th").nth(9).inner_text()) + zone


async def test_times_are_the_venues_with_the_visitors_beside_them_where_they_differ(window: Open, town: Town) -> None:
    here, away = await window(), await window(timezone_id="Asia/Kathmandu", locale="de-DE")
    for one in (here, away):
        await one.open(f"/venues/{town.hall.id}")
    assert await see(here, "") == "09:00"
    assert "14:45" in await see(away, "")
    await expect(away.cell(9, 1)).to_contain_text("50 €")
    await expect(away.page.locator(".sessions .when")).to_contain_text("17:45 your time")
