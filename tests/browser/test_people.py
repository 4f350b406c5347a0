"""People come in and look after their account: from signing up to being gone, each on its page."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pyotp
import pytest
from playwright.async_api import Page, Route, expect

from hub.core import Actor
from hub.jobs import queue
from hub.models.users import LogIn
from hub.services import accounts
from hub.settings import Settings
from tests.browser.conftest import Open, Window
from tests.doors import PASSWORD, AppServer, People
from tests.mailbox import code_for
from tests.openid import OpenId
from tests.photos import snapshot_with_place

OTHER_PASSWORD = "seven green bicycles"


@pytest.fixture
def settings(settings: Settings, openid: OpenId) -> Settings:
    """Let people log in with "Google", which is here, and not with Facebook."""
    return replace(settings, google_client_id="the-hub", google_client_secret="its-secret", google_issuer=openid.issuer)


async def from_the_outbox(window: Window, app_server: AppServer, recipient: str) -> Page:
    """Open the newest letter to somebody in a tab of its own, as whoever tries the hub out does."""
    await queue.work_off(app_server.hub)
    outbox: Page = await window.page.context.new_page()
    await outbox.goto(f"{app_server.url}/dev/mail")
    await outbox.fill("[name=to]", recipient)
    await outbox.get_by_role("button", name="Show").click()
    await outbox.locator(".outbox a").first.click()
    return outbox


async def test_a_facilitator_signs_up_with_a_studio_and_verifies_from_the_outbox(
    window: Open, app_server: AppServer
) -> None:
    hers: Window = await window(timezone_id="Asia/Phnom_Penh")
    page = hers.page
    await hers.open("/register?next=/account")
    await expect(page.get_by_label("About you")).to_be_hidden()
    await page.get_by_label("lead sessions").check()
    await page.get_by_label("Your name").fill("Sophea Chan")
    await page.get_by_label("E-mail").fill("sophea@example.org")
    await page.get_by_label("Password").fill("too short")
    await page.get_by_label("What you lead").fill("Yoga by the river")
    await page.get_by_label("About you").fill("Since 2011.")
    await page.get_by_label("Name of your studio").fill("River Studio")
    await page.get_by_label("Language").select_option("km")
    await page.get_by_role("button", name="Register").click()
    await expect(page.locator("#wrong-password")).to_contain_text("10 characters")
    await expect(page.get_by_label("Password")).to_be_focused()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Register").click()
    await expect(page).to_have_url(f"{app_server.url}/verify?next=%2Faccount")

    outbox = await from_the_outbox(hers, app_server, "sophea@example.org")
    code = (await outbox.locator("h1").inner_text())[-6:]
    await page.get_by_label("Six-digit code").fill("000000" if code != "000000" else "000001")
    await page.get_by_role("button", name="Verify").click()
    await expect(page.locator(".refusal")).to_contain_text("wrong, used up or too old")
    await page.get_by_label("Six-digit code").fill(code)
    await page.get_by_role("button", name="Verify").click()
    await expect(page).to_have_url(f"{app_server.url}/account")
    await expect(page.locator(".facts")).to_contain_text("verified")
    await expect(page.get_by_label("What you lead")).to_have_value("Yoga by the river")
    await expect(page.get_by_label("Language")).to_have_value("km")
    async with app_server.hub.pool.acquire() as db:
        studio = await db.fetchrow("SELECT name, timezone FROM venues WHERE kind = 'studio'")
    assert dict(studio) == {"name": "River Studio", "timezone": "Asia/Phnom_Penh"}


async def at_google(page: Page, subject: str) -> None:
    """Log in at the provider and allow what is asked."""
    await page.get_by_role("textbox", name="sub").fill(subject)
    await page.get_by_role("button", name="Authorize").click()


async def test_google_opens_an_account_and_leads_on_to_where_one_wanted_to_go(
    window: Open, app_server: AppServer, openid: OpenId
) -> None:
    await openid.knows("b-1", email="rui@example.org", email_verified=True, name="Rui Lopes")
    his: Window = await window()
    await his.open("/login?next=/account")
    await his.page.get_by_role("link", name="Go on with Google").click()
    await at_google(his.page, "b-1")
    await expect(his.page).to_have_url(f"{app_server.url}/account")
    await expect(his.page.locator(".person .name")).to_have_text("Rui Lopes")
    await expect(his.page.get_by_role("link", name="Facebook")).to_have_count(0)


async def test_an_address_with_an_account_is_linked_by_its_password_and_let_go_again(
    window: Open, app_server: AppServer, openid: OpenId, people: People
) -> None:
    ana = await people.customer("Ana Reis")
    await openid.knows("b-2", email=ana.email, email_verified=True, name="Ana Reis")
    async with app_server.hub.pool.acquire() as db:
        await db.execute("UPDATE users SET email_verified_at = clock_timestamp() WHERE id = $1", ana.id)
    hers: Window = await window()
    page = hers.page
    await hers.open("/login")
    await page.get_by_role("link", name="Go on with Google").click()
    await at_google(page, "b-2")
    await expect(page.locator(".refusal")).to_contain_text("log in to it and link the other one")
    await page.get_by_label("E-mail").fill(ana.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(f"{app_server.url}/")
    await hers.open("/account/security")
    await page.get_by_text("Link Google").click()
    form = page.get_by_role("form", name="Link Google")
    await form.get_by_label("Password as it is").fill("not the password")
    await form.get_by_role("button", name="Go to Google").click()
    await expect(form.locator(".refusal")).to_contain_text("This is not your password.")
    await form.get_by_label("Password as it is").fill(PASSWORD)
    await form.get_by_role("button", name="Go to Google").click()
    await at_google(page, "b-2")
    await expect(page.locator(".done")).to_contain_text("Google opens your account now.")
    await page.get_by_role("button", name="Unlink Google").click()
    await expect(page.get_by_text("None is linked.")).to_be_visible()


@pytest.mark.parametrize("elsewhere", ["//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example"])
async def test_no_link_leads_elsewhere_after_the_log_in(
    window: Open, app_server: AppServer, people: People, elsewhere: str
) -> None:
    ana = await people.customer("Ana Reis")
    hers: Window = await window()
    await hers.open(f"/login?{urlencode({'next': elsewhere})}")
    await hers.page.get_by_label("E-mail").fill(ana.email)
    await hers.page.get_by_label("Password").fill(PASSWORD)
    await hers.page.get_by_role("button", name="Log in").click()
    await expect(hers.page).to_have_url(f"{app_server.url}/")


async def test_what_was_typed_goes_with_whoever_logs_out(window: Open, app_server: AppServer, people: People) -> None:
    ana, rui = await people.customer("Ana Reis"), await people.customer("Rui Reis")
    theirs: Window = await window()
    await theirs.log_in(ana)
    await theirs.open("/account")
    await theirs.page.get_by_label("Gender").fill("none of your business")
    await theirs.page.get_by_role("button", name="Log out").click()
    await expect(theirs.page.locator("#content")).to_contain_text("Log in to see this page.")
    await theirs.log_in(rui)
    await theirs.open("/account")
    async with app_server.hub.pool.acquire() as db:
        his = await db.fetchval("SELECT gender FROM users WHERE id = $1", rui.id)
    await expect(theirs.page.get_by_label("Gender")).to_have_value(his)


async def forgot(window: Window, email: str) -> None:
    """Ask for a new password."""
    await window.open("/login")
    await window.page.get_by_role("link", name="Forgotten your password?").click()
    await window.page.get_by_label("E-mail", exact=True).fill(email)
    await window.page.get_by_role("button", name="Send").click()
    await window.page.wait_for_url("**/reset-password")


async def log_in_with(window: Window, email: str, password: str) -> None:
    """Log in on the log-in page."""
    await window.page.get_by_label("E-mail").fill(email)
    await window.page.get_by_label("Password").fill(password)
    await window.page.get_by_role("button", name="Log in").click()
    await expect(window.page.locator(".person .name")).to_have_text("Ana Reis")


async def test_a_forgotten_password_is_set_anew_by_the_code(
    window: Open, app_server: AppServer, people: People
) -> None:
    ana = await people.customer("Ana Reis")
    hers: Window = await window()
    page = hers.page
    await forgot(hers, "nobody@example.org")
    told = await page.locator("#sent").inner_text()
    await forgot(hers, ana.email)
    await expect(page.locator("#sent")).to_have_text(told)
    await expect(page.get_by_label("E-mail or telephone")).to_have_value(ana.email)
    await page.get_by_label("Six-digit code").fill(await code_for(app_server.hub, ana.email))
    await page.get_by_label("New password").fill(OTHER_PASSWORD)
    await page.get_by_role("button", name="Set the password").click()
    await expect(page.locator("#told")).to_have_text("The new password is set; log in with it.")
    await log_in_with(hers, ana.email, OTHER_PASSWORD)


async def test_a_forgotten_password_is_set_anew_by_the_link_which_leaves_no_trace(
    window: Open, app_server: AppServer, people: People
) -> None:
    ana = await people.customer("Ana Reis")
    hers: Window = await window()
    await forgot(hers, ana.email)
    letter = await from_the_outbox(hers, app_server, ana.email)
    await letter.frame_locator("iframe").get_by_role("link", name="Choose a new password").click()
    await letter.wait_for_url(f"{app_server.url}/reset-password")
    await letter.reload()
    await expect(letter.get_by_label("Six-digit code")).to_be_hidden()
    await letter.get_by_label("New password").fill(OTHER_PASSWORD)
    await letter.get_by_role("button", name="Set the password").click()
    await letter.wait_for_url(f"{app_server.url}/login")
    await hers.open("/login")
    await log_in_with(hers, ana.email, OTHER_PASSWORD)


async def test_a_profile_is_kept_as_it_is_typed_and_saved_as_a_whole(
    window: Open, app_server: AppServer, people: People
) -> None:
    ana = await people.customer("Ana Reis")
    hers: Window = await window()
    page = hers.page
    await hers.log_in(ana)
    await hers.open("/account")
    profile = page.get_by_role("form", name="Profile")
    await profile.get_by_label("Name", exact=True).fill("Ana Reis Lopes")
    await profile.get_by_label("Telephone").fill("not a number")
    await profile.get_by_label("Currency").select_option("KHR")
    await page.reload()
    await expect(profile.get_by_label("Name", exact=True)).to_have_value("Ana Reis Lopes")
    await profile.get_by_role("button", name="Save").click()
    await expect(profile.locator(".wrong")).to_contain_text("must be a telephone number")
    await expect(profile.get_by_label("Telephone")).to_be_focused()
    await profile.get_by_label("Telephone").fill("+855 12 345 678")
    await profile.get_by_role("button", name="Save").click()
    await expect(profile.get_by_role("status")).to_have_text("Saved.")
    await expect(page.locator(".person .name")).to_have_text("Ana Reis Lopes")
    choices = page.get_by_role("form", name="Notifications")
    await choices.get_by_label("a booking has moved").uncheck()
    await choices.get_by_role("button", name="Save").click()
    await expect(choices.get_by_role("status")).to_have_text("Saved.")
    me = await accounts.me(app_server.hub, ana.actor)
    assert (me.full_name, me.phone, me.currency) == ("Ana Reis Lopes", "+85512345678", "KHR")
    assert me.notification_choices["booking.rescheduled"] is False
    assert me.notification_choices["email"] is True

    await page.get_by_role("link", name="Verify").last.click()
    await expect(page.locator("h1")).to_have_text("Verify your telephone number")
    await page.get_by_role("button", name="Send the code").click()
    await expect(page.locator("#sent")).to_contain_text("is on its way to")
    await page.get_by_label("Six-digit code").fill(await code_for(app_server.hub, "+85512345678"))
    await page.get_by_role("button", name="Verify").click()
    await expect(page).to_have_url(f"{app_server.url}/account")
    assert (await accounts.me(app_server.hub, ana.actor)).phone_verified


async def test_a_picture_is_shown_as_soon_as_it_was_sent(
    window: Open, app_server: AppServer, people: People, tmp_path: Path
) -> None:
    ana = await people.customer("Ana Reis")
    hers: Window = await window()
    await hers.log_in(ana)
    await hers.open("/account")
    broken, good = tmp_path / "broken.jpg", tmp_path / "me.jpg"
    broken.write_bytes(b"<script>alert(1)</script>")
    good.write_bytes(snapshot_with_place())
    section = hers.page.locator("section", has=hers.page.get_by_role("heading", name="Picture"))
    await section.locator("input").set_input_files(broken)
    await expect(section.locator(".refusal")).to_be_visible()
    await section.locator("input").set_input_files(good)
    picture = section.locator("img.face")
    await expect(picture).to_be_visible()
    await expect(section.locator(".refusal")).to_have_count(0)
    assert await picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 256
    await section.get_by_role("button", name="Take it away").click()
    await expect(picture).to_have_count(0)


async def test_a_form_waits_for_its_script_and_keeps_what_was_typed_before_it_came(
    window: Open, app_server: AppServer, people: People
) -> None:
    ana = await people.customer("Ana Reis")
    hers: Window = await window()
    page = hers.page
    await hers.open("/login")
    await page.get_by_label("E-mail").fill("an")
    arrived = asyncio.Event()

    async def slowly(route: Route) -> None:
        await arrived.wait()
        await route.continue_()

    await page.route("**/js/enter.js", slowly)
    await page.reload(wait_until="commit")
    await page.get_by_label("E-mail").fill(ana.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await expect(page.get_by_role("button", name="Log in")).to_be_disabled()
    arrived.set()
    await page.get_by_role("button", name="Log in").click()
    await expect(page).to_have_url(f"{app_server.url}/")


async def test_a_device_is_logged_out_from_another_one(window: Open, people: People) -> None:
    ana = await people.customer("Ana Reis")
    here: Window = await window()
    there: Window = await window(user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1")
    for one in (there, here):
        await one.log_in(ana)
    await there.open("/bookings")
    await here.open("/account/security")
    devices = here.page.locator("[data-login]")
    await expect(devices).to_have_count(3)
    await expect(devices.filter(has_text="this one")).to_have_count(1)
    await devices.filter(has_text="Safari on iOS").get_by_role("button", name="Log out").click()
    await expect(devices).to_have_count(2)
    await there.page.goto(f"{there.base}/account")
    await expect(there.page.locator("#content")).to_contain_text("Log in to see this page.")


async def test_password_and_address_change_for_whoever_knows_the_password(
    window: Open, app_server: AppServer, people: People
) -> None:
    ana = await people.customer("Ana Reis")
    hers: Window = await window()
    page = hers.page
    await hers.log_in(ana)
    await hers.open("/account/security")
    form = page.get_by_role("form", name="Change the password")
    await form.get_by_label("Password as it is").fill("not the password")
    await form.get_by_label("New password").fill(OTHER_PASSWORD)
    await form.get_by_role("button", name="Change the password").click()
    await expect(form.locator(".refusal")).to_contain_text("This is not your password.")
    await form.get_by_label("Password as it is").fill(PASSWORD)
    await form.get_by_role("button", name="Change the password").click()
    await expect(form.get_by_role("status")).to_contain_text("your other devices are logged out")
    await expect(page.locator("[data-login]")).to_have_count(1)

    form = page.get_by_role("form", name="Change the e-mail address")
    await form.get_by_label("New e-mail").fill("ana.new@example.org")
    await form.get_by_label("Password as it is").fill(OTHER_PASSWORD)
    await form.get_by_role("button", name="Send a code there").click()
    form = page.get_by_role("form", name="Confirm the new address")
    await expect(form).to_be_visible()
    await form.get_by_label("Six-digit code").fill(await code_for(app_server.hub, "ana.new@example.org"))
    await form.get_by_role("button", name="Change to it").click()
    await expect(page.get_by_role("form", name="Change the e-mail address")).to_contain_text("ana.new@example.org")


async def test_a_second_factor_is_set_up_by_its_code_and_asked_for_at_the_next_log_in(
    window: Open, people: People, app_server: AppServer
) -> None:
    ana = await people.customer("Ana Reis")
    hers: Window = await window()
    page = hers.page
    await hers.log_in(ana)
    await hers.open("/account/security")
    form = page.get_by_role("form", name="Set up a second factor")
    await form.get_by_label("Password").fill(PASSWORD)
    await form.get_by_role("button", name="Set it up").click()
    qr = page.get_by_role("img", name="QR code")
    await expect(qr).to_be_visible()
    assert await qr.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
    secret = (await page.locator(".secret").inner_text()).replace(" ", "")
    form = page.get_by_role("form", name="Confirm the authenticator")
    await form.get_by_label("The six digits").fill(pyotp.TOTP(secret).now())
    await form.get_by_role("button", name="Turn it on").click()
    await expect(page.locator(".codes li")).to_have_count(10)
    codes = await page.locator(".codes li").all_inner_texts()
    await page.get_by_role("button", name="I have kept them").click()
    await expect(page.locator("#second-factor + p")).to_contain_text("10 recovery codes left")

    again: Window = await window()
    await again.open("/login")
    await again.page.get_by_label("E-mail").fill(ana.email)
    await again.page.get_by_label("Password").fill(PASSWORD)
    await again.page.get_by_role("button", name="Log in").click()
    code = again.page.get_by_label("Code of your authenticator app")
    await expect(code).to_be_focused()
    await code.fill("wrong")
    await again.page.get_by_role("button", name="Log in").click()
    await expect(again.page.locator(".refusal")).to_contain_text("second factor is wrong")
    await code.fill(codes[0])
    await again.page.get_by_role("button", name="Log in").click()
    await expect(again.page.locator(".person .name")).to_have_text("Ana Reis")

    # Whoever is asked to log in without leaving the page is asked for both too.
    guest: Window = await window()
    await guest.open("/verify")
    await guest.page.get_by_role("button", name="Send another code").click()
    dialog = guest.page.get_by_role("dialog")
    await dialog.get_by_label("E-mail").fill(ana.email)
    await dialog.get_by_label("Password").fill(PASSWORD)
    await dialog.get_by_role("button", name="Log in").click()
    await dialog.get_by_label("Code of your authenticator app").fill(codes[1])
    await dialog.get_by_role("button", name="Log in").click()
    await expect(guest.page.locator(".person .name")).to_have_text("Ana Reis")


async def test_my_data_comes_as_a_file_and_then_i_am_gone(
    window: Open, people: People, app_server: AppServer, tmp_path: Path
) -> None:
    ana = await people.customer("Ana Reis")
    hers: Window = await window()
    page = hers.page
    await hers.log_in(ana)
    await hers.open("/account")
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Download my data").click()
    file = tmp_path / "my-data.json"
    await (await coming.value).save_as(file)
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert kept["user"]["email"] == ana.email
    await page.get_by_text("Erase my account").first.click()
    form = page.get_by_role("form", name="Erase my account")
    await form.get_by_label("Password").fill(PASSWORD)
    await form.get_by_role("button", name="Erase my account").click()
    await expect(form.locator(".refusal")).to_contain_text("Tick the box")
    await form.get_by_label("cannot be undone").check()
    await form.get_by_role("button", name="Erase my account").click()
    await expect(page).to_have_url(f"{app_server.url}/")
    await expect(page.get_by_role("link", name="Log in")).to_be_visible()
    await refused(lambda: accounts.log_in(app_server.hub, Actor(), LogIn(email=ana.email, password=PASSWORD)))


async def refused(act: Callable[[], Awaitable[object]]) -> None:
    """Be sure that something is refused."""
    with pytest.raises(accounts.WrongCredentials):
        await act()
