"""The dashboard: rows arrive, are marked until seen, and are acted on in place."""

import re
from datetime import timedelta

from playwright.async_api import expect

from hub.models.folio import RecordCash
from hub.services import folio
from tests.browser.conftest import Open, Town, Window
from tests.builders import (
    day_after,
    make_addon,
    make_booking,
    make_hold,
    make_room,
    make_room_type,
    make_venue,
    place,
    slot,
    stay,
    tomorrow,
)
from tests.doors import AppServer


async def at_the_desk(window: Open, town: Town) -> Window:
    """Open the dashboard as the owner."""
    desk: Window = await window()
    await desk.log_in(town.owner)
    await desk.open("/dashboard")
    await desk.page.locator(".feed").wait_for()
    return desk


async def test_a_booking_arrives_on_top_marked_until_it_was_seen(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana, rui = await town.people.customer("Ana Reis"), await town.people.customer("Rui Reis")
    his = await make_booking(app_server.hub, rui.actor, place(town.session))
    desk = await at_the_desk(window, town)
    await expect(desk.page.locator(".feed li")).to_have_count(1)
    await expect(desk.page.locator(".unseen")).to_have_count(0)
    # The marks last some seconds, and a busy machine may look too late: so the page itself notes that they were there.
    await desk.page.evaluate(
        """() => {
          globalThis.marks = new Set();
          new MutationObserver(() => {
            marks.add(document.title);
            if (document.querySelector(".feed li:first-child .unseen")) marks.add("the first row");
          }).observe(document, { childList: true, characterData: true, subtree: true });
        }"""
    )
    await make_booking(app_server.hub, ana.actor, place(town.session, 2), notes="with a dog")
    first = desk.page.locator(".feed li").first
    await expect(first).to_contain_text("Ana Reis")
    await expect(first).to_contain_text("with a dog")
    await desk.until('marks.has("the first row") && marks.has("(1) Dashboard · Booking hub")')
    await expect(first.locator(".unseen")).to_have_count(0)
    await expect(desk.page).to_have_title("Dashboard · Booking hub")
    await expect(desk.page.locator("#announce")).to_have_text("1 booking new")
    await expect(desk.page.locator(".figures")).not_to_contain_text("€")
    await folio.record_cash(app_server.hub, town.owner.actor, RecordCash(booking_id=his.id, amount=2_500))
    await expect(desk.page.locator(".figures")).to_contain_text("€25")
    await expect(desk.page.locator(f'[data-booking="{his.id}"]')).to_contain_text("€25, paid")


async def test_what_arrived_while_nobody_was_there_is_there_in_order(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana = await town.people.customer("Ana Reis")
    desk = await at_the_desk(window, town)
    for connection in app_server.running.live.connections:
        connection.cut("for a test")
    booked = [await make_booking(app_server.hub, ana.actor, place(town.session)) for _ in range(3)]
    rows = desk.page.locator(".feed li")
    await expect(rows).to_have_count(3)
    for row, booking in enumerate(reversed(booked)):
        await expect(rows.nth(row)).to_have_attribute("data-booking", str(booking.id))


async def test_a_hold_is_confirmed_and_a_booking_moved_and_cancelled_in_place(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana = await town.people.customer("Ana Reis")
    held = await make_hold(app_server.hub, ana.actor, slot(town.room, tomorrow(9)))
    desk = await at_the_desk(window, town)
    row = desk.page.locator(f'[data-booking="{held.id}"]')
    await row.get_by_role("button", name="Confirm").click()
    await expect(row.locator(".state")).to_have_text("confirmed")
    await expect(row.locator(".unseen")).to_have_count(0)

    await row.get_by_role("button", name="Move").click()
    form = desk.page.locator("dialog[open] form")
    day = (tomorrow() + timedelta(days=1)).date().isoformat()
    for field, hour in (("From", 14), ("To", 16)):
        await form.get_by_label(field, exact=True).fill(f"{day}T{hour}:00")
    await form.get_by_role("button", name="Move it").click()
    await expect(row).to_contain_text("14:00")
    await expect(row).to_contain_text("€100")

    await row.get_by_role("button", name="Cancel").click()
    await desk.page.locator("dialog[open] select").select_option("venue")
    await desk.page.fill("dialog[open] textarea", "A burst pipe")
    await desk.page.get_by_role("button", name="Cancel the booking").click()
    await expect(row.locator(".state")).to_have_text("cancelled")
    await expect(row).to_contain_text("A burst pipe")
    await expect(row.get_by_role("button")).to_have_count(0)


async def test_a_move_to_where_somebody_is_says_so_and_offers_another_time(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana, rui = await town.people.customer("Ana Reis"), await town.people.customer("Rui Reis")
    booking = await make_booking(app_server.hub, ana.actor, slot(town.room, tomorrow(9)))
    await make_booking(app_server.hub, rui.actor, slot(town.room, tomorrow(11)))
    desk = await at_the_desk(window, town)
    row = desk.page.locator(f'[data-booking="{booking.id}"]')
    await row.get_by_role("button", name="Move").click()
    form = desk.page.locator("dialog[open] form")
    day = tomorrow().date().isoformat()
    for field, hour in (("From", 11), ("To", 12)):
        await form.get_by_label(field, exact=True).fill(f"{day}T{hour}:00")
    await form.get_by_role("button", name="Move it").click()
    await expect(form.locator(".refusal")).to_contain_text("This is taken")
    await form.locator(".refusal button").first.click()
    await expect(desk.page.locator("dialog[open]")).to_have_count(0)
    await expect(row).not_to_contain_text("09:00")


async def test_an_add_on_moves_along_with_what_it_is_beside(window: Open, town: Town, app_server: AppServer) -> None:
    hub, ana = app_server.hub, await town.people.customer("Ana Reis")
    breakfast = await make_addon(hub, town.owner.actor, town.hotel, name="Breakfast", price=1_000, price_per="guest")
    bicycle = await make_addon(hub, town.owner.actor, town.hotel, name="Bicycle", price=500, price_per="night")
    asked = [{"kind": "addon", "addon_id": one.id, "quantity": 2} for one in (breakfast, bicycle)]
    booking = await make_booking(hub, ana.actor, stay(town.double, day_after(9), guests=2), *asked)
    desk = await at_the_desk(window, town)
    row = desk.page.locator(f'[data-booking="{booking.id}"]')
    await expect(row).to_contain_text("€140")
    await row.get_by_role("button", name="Move").click()
    form = desk.page.locator("dialog[open] form")
    await form.get_by_label("Departure").fill(day_after(11).isoformat())
    await form.get_by_role("button", name="Move it").click()
    # Another night for the two of them and their bicycles, and as many breakfasts as before.
    await expect(row).to_contain_text("€240")
    await expect(row).to_contain_text(re.compile("Breakfast . 4"))
    await expect(row).to_contain_text(re.compile("Bicycle . 2"))


async def test_the_calendar_and_the_table_list_the_same_bookings(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana = await town.people.customer("Ana Reis")
    await make_booking(app_server.hub, ana.actor, slot(town.room, tomorrow(9)), place(town.session, 2))
    desk = await at_the_desk(window, town)
    calendar = desk.page.locator(".calendar")
    await calendar.get_by_role("button", name="Sala Norte").click()
    await expect(calendar.locator(".chip", has_text="Ana Reis")).to_have_count(1)
    await expect(calendar.locator(".chip", has_text="Morning flow")).to_contain_text("2 of 10")
    await calendar.get_by_role("button", name="Table").click()
    await expect(calendar.locator("tbody tr")).to_have_count(2)


async def test_a_hold_that_runs_out_is_free_again_for_all_and_can_be_had_again(
    window: Open, town: Town, app_server: AppServer
) -> None:
    ana = await town.people.customer("Ana Reis")
    hub, owner = app_server.hub, town.owner.actor
    hall = await make_venue(hub, owner, name="Sala Breve", slot_step_minutes=60, min_slot_minutes=60, hold_seconds=5)
    room = await make_room(hub, owner, await make_room_type(hub, owner, hall, price_unit="hour"))
    hers, public = await window(), await window()
    await hers.log_in(ana)
    for one in (hers, public):
        await one.open(f"/venues/{hall.id}")
    await make_hold(hub, ana.actor, slot(room, tomorrow(9)))
    await expect(public.cell(9, 1)).to_have_attribute("data-state", "held")
    await expect(hers.page.locator(".basket")).to_contain_text("Your basket")
    await expect(public.cell(9, 1)).to_have_attribute("data-state", "free")
    await hers.page.get_by_role("button", name="Hold again").click()
    await expect(public.cell(9, 1)).to_have_attribute("data-state", "held")
    await expect(hers.page.locator(".basket")).to_contain_text("Your basket")
