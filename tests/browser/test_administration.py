"""Those who run venues and the hub: staff is invited, people are suspended, roles made, and the trail read."""

import re
from dataclasses import replace

import pyotp
import pytest
from playwright.async_api import expect

from hub.core import THE_HUB, Actor
from hub.errors import Forbidden
from hub.models.users import LogIn
from hub.services import accounts
from hub.settings import Settings
from storage import ledger
from storage.ledger import Entry
from tests.browser.conftest import Open, Town, Window
from tests.doors import PASSWORD, AppServer, Person
from tests.mailbox import link_for
from tests.sealing import seal_all


async def as_super(window: Open, town: Town, path: str) -> Window:
    """Open a page of the administration as a super admin."""
    found: Window = await window()
    await found.log_in(await town.people.admin("Sam Super", "super_admin"))
    await found.open(path)
    return found


async def test_staff_is_invited_by_mail_accepts_and_is_let_go(window: Open, town: Town, app_server: AppServer) -> None:
    clara = await town.people.customer("Clara Clerk")
    hers, theirs = await window(), await window()
    owner = theirs.page
    await theirs.log_in(town.owner)
    await theirs.open("/dashboard")
    await owner.locator(".board-head select").first.select_option("Sala Norte")
    await owner.get_by_role("link", name="Staff").click()
    form = owner.get_by_role("form", name="Invite somebody")
    await form.get_by_label("E-mail").fill("nobody")
    await form.get_by_role("button", name="Invite").click()
    await expect(form.locator(".wrong")).to_contain_text("must be an e-mail address")
    await form.get_by_label("E-mail").fill(clara.email)
    await form.get_by_role("button", name="Invite").click()
    await expect(form.get_by_role("status")).to_contain_text(f"on its way to {clara.email}")
    await expect(owner.locator("[data-invitation]")).to_contain_text(clara.email)

    # Who is not logged in yet reads what it is, logs in, and comes back to accept.
    await hers.page.goto(await link_for(app_server.hub, clara.email))
    await expect(hers.page.locator("#invitation")).to_contain_text("Sala Norte")
    assert "token" not in hers.page.url
    await hers.page.locator("#invitation").get_by_role("link", name="Log in").click()
    await hers.page.get_by_label("E-mail").fill(clara.email)
    await hers.page.get_by_label("Password").fill(PASSWORD)
    await hers.page.get_by_role("button", name="Log in").click()
    await hers.page.get_by_role("button", name="Accept").click()
    await expect(hers.page.locator("h1")).to_have_text("Welcome to Sala Norte")
    await hers.open("/dashboard")
    await hers.page.locator(".feed").wait_for()

    await owner.reload()
    row = owner.locator(f'[data-person="{clara.id}"]')
    await row.get_by_label("What Clara Clerk does").select_option("manager")
    await hers.open(f"/venues/{town.hall.id}/staff")
    await expect(hers.page.locator(f'[data-person="{clara.id}"]')).to_contain_text("(you)")
    await row.get_by_role("button", name="Remove Clara Clerk").click()
    await row.get_by_role("button", name="Remove", exact=True).click()
    await expect(row).to_have_count(0)
    await hers.page.reload()
    await expect(hers.page.locator("#staff + .refusal")).to_be_visible()

    await owner.get_by_role("link", name="Audit trail").click()
    await expect(owner.locator("h1")).to_have_text("Sala Norte")
    entry = owner.locator("[data-entry]").first
    await expect(entry).to_contain_text(f"delete venue staff {clara.id} by {town.owner.full_name}")
    await expect(entry).to_contain_text("staff.remove")
    await expect(owner.get_by_role("button", name="Check that the record")).to_have_count(0)


async def test_whoever_the_invitation_is_not_for_cannot_accept_it(
    window: Open, town: Town, app_server: AppServer
) -> None:
    clara, rui = await town.people.customer("Clara Clerk"), await town.people.customer("Rui Reis")
    owner: Window = await window()
    await owner.log_in(town.owner)
    await owner.open(f"/venues/{town.hall.id}/staff")
    await owner.page.get_by_role("form", name="Invite somebody").get_by_label("E-mail").fill(clara.email)
    await owner.page.get_by_role("button", name="Invite", exact=True).click()
    await expect(owner.page.locator("[data-invitation]")).to_have_count(1)
    link = await link_for(app_server.hub, clara.email)
    his: Window = await window()
    await his.log_in(rui)
    await his.page.goto(link)
    await expect(his.page.locator("#invitation")).to_contain_text(f"You are logged in as {rui.email}")
    await expect(his.page.get_by_role("button", name="Accept")).to_have_count(0)
    await owner.page.get_by_role("button", name="Withdraw").click()
    await expect(owner.page.locator("[data-invitation]")).to_have_count(0)
    await his.page.reload()
    await expect(his.page.locator("#invitation .refusal")).to_contain_text("used, withdrawn or has run out")


async def suspended(admin: Window, person: Person) -> None:
    """Find somebody among all people, and suspend them."""
    page = admin.page
    await page.get_by_label("Name, e-mail or telephone").fill("rui reis")
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator("[data-person]")).to_have_count(1)
    await page.get_by_role("link", name="Rui Reis").click()
    form = page.get_by_role("form", name="Suspend")
    await form.get_by_role("button", name="Suspend").click()
    await expect(form.locator(".wrong")).to_be_visible()
    await form.get_by_label("Reason").fill("Sold places twice.")
    await form.get_by_role("button", name="Suspend").click()
    await expect(page.locator(".who .state")).to_have_text("suspended")
    assert page.url.endswith(f"/admin/users/{person.id}")


async def test_somebody_is_suspended_and_reinstated_and_the_trail_says_by_whom(
    window: Open, town: Town, app_server: AppServer
) -> None:
    rui = await town.people.customer("Rui Reis")
    his: Window = await window()
    await his.log_in(rui)
    admin = await as_super(window, town, "/admin/users")
    await suspended(admin, rui)
    await his.open("/account")
    await expect(his.page.locator("#content")).to_contain_text("Log in to see this page.")
    with pytest.raises(Forbidden):
        await accounts.log_in(app_server.hub, Actor(), LogIn(email=rui.email, password=PASSWORD))
    await his.open("/login")
    await his.page.get_by_label("E-mail").fill(rui.email)
    await his.page.get_by_label("Password").fill(PASSWORD)
    await his.page.get_by_role("button", name="Log in").click()
    await expect(his.page.locator(".refusal")).to_contain_text("suspended")

    page = admin.page
    await page.get_by_role("button", name="Reinstate").click()
    await expect(page.locator(".who .state")).to_have_text("active")
    await page.get_by_role("link", name="What was changed about them").click()
    entry = page.locator("[data-entry]", has_text="users.suspend").first
    await expect(entry).to_contain_text("update user")
    await expect(entry).to_contain_text("by Sam Super")
    await expect(entry).to_contain_text("from 127.0.0.1")
    await entry.locator("summary").click()
    status = entry.get_by_role("row", name=re.compile("^status"))
    await expect(status).to_contain_text("suspended")
    await expect(entry).not_to_contain_text("Rui")
    await page.get_by_label("Asked as").fill("users.reinstate")
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator("[data-entry]")).to_have_count(1)
    await expect(page.get_by_label("Its number")).to_have_value(str(rui.id))
    await page.get_by_label("To", exact=True).fill("2020-01-01")
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator(".trail")).to_contain_text("Nothing was changed that fits.")
    await seal_all(app_server.hub)
    await page.get_by_role("button", name="Check that the record is whole").click()
    await expect(page.locator(".whole")).to_contain_text("Whole:")


async def test_a_role_is_made_given_its_permissions_and_granted(
    window: Open, town: Town, app_server: AppServer
) -> None:
    rui = await town.people.customer("Rui Reis")
    admin = await as_super(window, town, "/admin/roles")
    page = admin.page
    await expect(page.locator("#content")).to_contain_text("you can only look")
    await page.get_by_text("New role").click()
    form = page.get_by_role("form", name="New role")
    await form.get_by_label("Name").fill("Auditor")
    await form.get_by_label("Rank").fill("100")
    await form.get_by_role("button", name="Make it").click()
    await expect(form.locator(".wrong")).to_be_visible()
    await form.get_by_label("Rank").fill("40")
    await form.get_by_role("button", name="Make it").click()
    await expect(page.locator("#role")).to_have_text("Auditor")
    await page.get_by_label("audit, read").check()
    await page.reload()
    await expect(page.get_by_label("audit, read")).to_be_checked()
    await page.get_by_role("button", name="Save what it allows").click()
    await expect(page.get_by_label("audit, read")).to_be_checked()

    his: Window = await window()
    await his.log_in(rui)
    await his.open("/admin/audit")
    await expect(his.page.locator("#content")).to_contain_text("Your role does not let you see this page.")
    await expect(his.page.get_by_role("link", name="Admin")).to_have_count(0)
    await admin.open(f"/admin/users/{rui.id}")
    await page.get_by_label("Auditor").check()
    await page.get_by_role("button", name="Set the roles").click()
    await expect(page.locator(".facts")).to_contain_text("auditor")
    await his.open("/admin/audit")
    await expect(his.page.locator("[data-entry]").first).to_be_visible()
    await expect(his.page.get_by_role("link", name="Admin")).to_be_visible()


async def test_a_super_admin_acts_as_somebody_under_a_banner_and_is_themselves_again(
    window: Open, town: Town, app_server: AppServer
) -> None:
    rui = await town.people.customer("Rui Reis")
    admin = await as_super(window, town, f"/admin/users/{rui.id}")
    page = admin.page
    await page.get_by_role("button", name="Act as Rui Reis").click()
    await expect(page).to_have_url(f"{app_server.url}/")
    banner = page.get_by_role("region", name="Acting as somebody else")
    await expect(banner).to_contain_text("You act as Rui Reis.")
    await admin.open("/account")
    await expect(banner).to_be_visible()
    profile = page.get_by_role("form", name="Profile")
    await profile.get_by_label("First name").fill("Rui")
    await profile.get_by_role("button", name="Save").click()
    await expect(profile.get_by_role("status")).to_have_text("Saved.")
    await admin.open("/account/security")
    await expect(page.locator("#linked + .refusal")).to_contain_text("only they themselves can")
    await page.get_by_role("button", name="Be yourself again").click()
    await expect(page.locator(".person .name")).to_have_text("Sam Super")
    await expect(banner).to_have_count(0)
    await admin.open("/admin/audit?asked=me.change")
    await expect(page.locator("[data-entry]")).to_contain_text("by Rui Reis, for whom person")


async def test_an_account_is_opened_for_somebody_who_chooses_their_password(
    window: Open, town: Town, app_server: AppServer
) -> None:
    admin = await as_super(window, town, "/admin/users")
    page = admin.page
    await page.get_by_text("New account").click()
    form = page.get_by_role("form", name="New account")
    await form.get_by_label("Name", exact=True).fill("Nora New")
    await form.get_by_label("E-mail").fill("nora@example.org")
    await form.get_by_label(re.compile("^Vendor")).check()
    await form.get_by_role("button", name="Open the account").click()
    await expect(page.locator(".who h2")).to_have_text("Nora New")
    await expect(page.locator(".facts")).to_contain_text("vendor, customer")
    assert "/login" in await link_for(app_server.hub, "nora@example.org")


@pytest.mark.slow
async def test_a_wallet_is_corrected_by_two_and_paid_from_again_and_the_whole_hub_has_an_offer(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana = await town.people.customer("Ana Reis")
    async with app_server.hub.work(THE_HUB) as work:
        lines = [Entry("wallet", -500, user_id=ana.id), Entry("clearing", 500, gateway="sandbox")]
        await ledger.post(work.db, "dispute", "EUR", lines, may_overdraw=True)
    admin = await as_super(window, town, "/admin/operations")
    page = admin.page
    await page.get_by_text("Correct a wallet").click()
    form = page.get_by_role("form", name="Correct a wallet")
    for amount, told in (("20", "Done."), ("-", "must be an amount"), ("100000", "It waits for somebody else")):
        await form.get_by_label("Person number").fill(str(ana.id))
        await form.get_by_label("Currency").select_option("EUR")
        await form.get_by_label("Amount").fill(amount)
        await form.get_by_label("Why").fill("For the broken shower")
        await form.get_by_role("button", name="Correct it").click()
        await expect(form).to_contain_text(told)
    waiting = page.locator("[data-adjustment]")
    await expect(waiting).to_contain_text("Somebody else approves it.")
    other: Window = await window()
    await other.log_in(await town.people.admin("Ada Admin"))
    await other.open("/admin/operations")
    await other.page.get_by_role("button", name=re.compile("^Reject correction")).click()
    await expect(other.page.locator("[data-adjustment]")).to_have_count(0)
    # Nobody's room tells of everybody's money, so this page looks again by itself.
    await expect(waiting).to_have_count(0)

    await admin.open(f"/admin/users/{ana.id}")
    await expect(page.locator("#wallet + .lines")).to_contain_text("€15")
    form = page.get_by_role("form", name="Unfreeze EUR")
    await form.get_by_label("Why").fill("She has settled it.")
    await form.get_by_role("button", name="Let it be paid from again").click()
    await expect(form).to_have_count(0)

    await admin.open("/admin/offers")
    await page.get_by_text("New offer").click()
    form = page.get_by_role("form", name="New offer")
    await form.get_by_label("Code").fill("HUB10")
    await form.get_by_label("Takes off").select_option("amount")
    await form.get_by_label("Percentage or amount").fill("10")
    await form.get_by_label("Currency of amounts").select_option("EUR")
    await form.get_by_role("button", name="Make it").click()
    await expect(page.locator(".listing li")).to_contain_text("€10 off")


class TestWhereAdminsNeedASecondFactor:
    """The operator requires a second factor of admins."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Require it."""
        return replace(settings, admin_totp=True)

    async def test_an_admin_is_led_to_set_one_up_before_anything_else(
        self, window: Open, town: Town, app_server: AppServer
    ) -> None:
        ada = await town.people.customer("Ada Admin")
        async with app_server.hub.pool.acquire() as db:
            admins = "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE code = 'admin'"
            await db.execute(admins, ada.id)
        admin: Window = await window()
        page = admin.page
        await admin.log_in(ada)
        await page.goto(f"{admin.base}/admin/users")
        await expect(page.locator("#content .refusal").first).to_contain_text("needs a second factor")
        await page.get_by_role("link", name="Set it up").click()
        form = page.get_by_role("form", name="Set up a second factor")
        await form.get_by_label("Password").fill(PASSWORD)
        await form.get_by_role("button", name="Set it up").click()
        secret = (await page.locator(".secret").inner_text()).replace(" ", "")
        form = page.get_by_role("form", name="Confirm the authenticator")
        await form.get_by_label("The six digits").fill(pyotp.TOTP(secret).now())
        await form.get_by_role("button", name="Turn it on").click()
        await page.get_by_role("button", name="I have kept them").click()
        await expect(page.get_by_text("so it stays on")).to_be_visible()
        await admin.open("/admin/users")
        await expect(page.locator("[data-person]").first).to_be_visible()
        await expect(page.locator(".banner")).to_have_count(0)
