"""Letters about bookings as a mailbox gets them: with the calendar file, the code to show and the receipt."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
import zxingcpp
from icalendar import Calendar
from PIL import Image

from hub.jobs import queue, reminders
from hub.models.bookings import Booking, CancelBooking, RescheduleBooking
from hub.services import bookings, check_ins
from storage import booking_letters
from storage import letters as store
from storage.check_ins import Known
from tests.doors import ListeningHub
from tests.mail_server import MailServer, mail_server
from tests.mailbox import letters_to
from tests.papers import pages, pay
from tests.world import World


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
async def world(hub: ListeningHub, mails: MailServer) -> World:
    hub.settings = replace(hub.settings, smtp_url=mails.url)
    world = await World.build(hub)
    await change(world, email_verified_at=hub.clock.now())
    return world


async def change(world: World, **columns: Any) -> None:
    async with world.hub.pool.acquire() as db:
        for column, value in columns.items():
            await db.execute(f'UPDATE users SET "{column}" = $2 WHERE id = $1', world.customer.user_id, value)  # noqa: S608


async def received(world: World, mails: MailServer) -> list[EmailMessage]:
    """Have everything sent, and answer what came since the last look."""
    seen = len(mails.received)
    await queue.work_off(world.hub)
    return mails.received[seen:]


def files(letter: EmailMessage) -> dict[str, Any]:
    assert letter.get_content_type() == "multipart/mixed"
    return {str(part.get_filename()): part.get_content() for part in letter.iter_attachments()}


def text(letter: EmailMessage) -> str:
    body = letter.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def entry(letter: EmailMessage, booked: Booking) -> Any:
    """Read the one entry of the calendar file."""
    (event,) = Calendar.from_ical(files(letter)[f"booking-{booked.reference}.ics"]).walk("VEVENT")
    return event


async def test_a_confirmation_brings_the_calendar_file_and_the_code_to_show(world, mails):
    booked = await world.book(world.slot(10))
    (letter,) = await received(world, mails)
    assert letter["Subject"] == f"Booking {booked.reference} is confirmed"
    attached = files(letter)
    assert set(attached) == {f"booking-{booked.reference}.ics", f"code-{booked.reference}.png"}
    assert entry(letter, booked)["DTSTART"].dt == world.at(10)
    (scanned,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(attached[f"code-{booked.reference}.png"])).convert("L"))
    assert scanned.text == check_ins.code(world.hub, Known(id=booked.id, reference=booked.reference))
    (calendar,) = (part for part in letter.iter_attachments() if part.get_content_type() == "text/calendar")
    assert calendar["Content-Type"].params["method"] == "PUBLISH"


async def test_moving_brings_the_same_entry_anew_and_cancelling_takes_it_out(world, mails):
    booked = await world.book(world.slot(10))
    (confirmed,) = await received(world, mails)
    ask = RescheduleBooking.model_validate({"booking_id": booked.id, "items": [world.slot(15)]})
    await bookings.reschedule(world.hub, world.customer, ask)
    (moved,) = await received(world, mails)
    assert entry(moved, booked)["UID"] == entry(confirmed, booked)["UID"]
    assert entry(moved, booked)["DTSTART"].dt == world.at(15)
    await pay(world.hub, booked)
    await received(world, mails)
    await bookings.cancel(world.hub, world.clerk, CancelBooking(booking_id=booked.id, reason_code="venue"))
    (cancelled,) = await received(world, mails)
    assert set(files(cancelled)) == {f"booking-{booked.reference}.ics"}
    assert str(entry(cancelled, booked)["STATUS"]) == "CANCELLED"
    assert "Given back: EUR 60.00" in text(cancelled)


async def test_each_payment_that_comes_in_brings_the_receipt_as_it_then_is(world, mails):
    booked = await world.book(world.slot(10, 2))
    await received(world, mails)
    await pay(world.hub, booked, 7000)
    (first,) = await received(world, mails)
    assert first["Subject"] == f"Your payment for booking {booked.reference}"
    assert "Received: EUR 70.00" in text(first)
    assert "Still to pay: EUR 50.00" in text(first)
    (page,) = pages(files(first)[f"receipt-{booked.reference}.pdf"])
    assert f"R-{world.hall.id}-000001" in page
    await pay(world.hub, booked, 5000)
    (second,) = await received(world, mails)
    assert "Still to pay" not in text(second)
    (page,) = pages(files(second)[f"receipt-{booked.reference}.pdf"])
    assert "Received in all EUR 120.00" in page
    assert await received(world, mails) == []


async def test_who_has_booked_is_reminded_once_a_day_before_and_again_if_it_has_moved(world, mails):
    soon, later = await world.book(world.slot(10)), await world.book(world.slot(10, days=5))
    held = await world.hold(world.slot(12))
    await received(world, mails)
    assert await reminders.remind(world.hub) == 0
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE bookings SET confirmed_at = confirmed_at - interval '9 days'")
        await db.execute(
            "UPDATE booking_items SET starts_at = clock_timestamp() + interval '9 hours' WHERE booking_id = ANY ($1)",
            [soon.id, held.id],
        )
    assert await reminders.remind(world.hub) == 1
    assert await reminders.remind(world.hub) == 0
    (letter,) = await received(world, mails)
    assert letter["Subject"] == f"Booking {soon.reference} begins soon"
    assert set(files(letter)) == {f"booking-{soon.reference}.ics", f"code-{soon.reference}.png"}
    async with world.hub.pool.acquire() as db:
        await db.execute(
            "UPDATE booking_items SET starts_at = clock_timestamp() + interval '3 hours' WHERE booking_id = ANY ($1)",
            [soon.id, later.id],
        )
        await db.execute("INSERT INTO check_ins (booking_id, venue_id) VALUES ($1, $2)", later.id, world.hall.id)
    assert await reminders.remind(world.hub) == 1


async def test_an_instalment_is_told_once_when_it_is_due_and_once_when_it_was_missed(world, mails):
    booked = await world.book(world.slot(10, 2))
    await received(world, mails)
    await pay(world.hub, booked, 7000)
    await received(world, mails)
    async with world.hub.pool.acquire() as db:
        await db.execute("DELETE FROM instalments WHERE booking_id = $1", booked.id)
        await db.execute(
            "INSERT INTO instalments (booking_id, position, due_at, amount) "
            "VALUES ($1, 1, $2, 6000), ($1, 2, $3, 6000)",
            booked.id, world.at(9, days=1), world.at(9, days=4),
        )  # fmt: skip
        assert await booking_letters.enqueue_instalment(db, booked.id, 2, "due") == 1
        assert await booking_letters.enqueue_instalment(db, booked.id, 2, "due") == 0
        assert await booking_letters.enqueue_instalment(db, booked.id, 2, "missed") == 1
    due, missed = await received(world, mails)
    assert due["Subject"] == f"A payment for booking {booked.reference} is due"
    assert "Due: EUR 50.00, " in text(due)
    assert f"/checkout/{booked.id}" in text(due)
    assert missed["Subject"] == f"A payment for booking {booked.reference} was missed"


async def test_nobody_is_reminded_of_what_was_cancelled_or_paid_before_the_letter_was_written(world, mails):
    goes, stays = await world.book(world.slot(10)), await world.book(world.slot(12))
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE bookings SET confirmed_at = confirmed_at - interval '9 days'")
        await db.execute(
            "UPDATE booking_items SET starts_at = clock_timestamp() + interval '9 hours' WHERE booking_id = $1", goes.id
        )
        await db.execute(
            "INSERT INTO instalments (booking_id, position, due_at, amount) VALUES ($1, 1, $2, 6000)",
            stays.id,
            world.at(9),
        )
        assert await booking_letters.enqueue_instalment(db, stays.id, 1, "due") == 1
    assert await reminders.remind(world.hub) == 1
    await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=goes.id))
    await pay(world.hub, stays)
    subjects = [str(letter["Subject"]) for letter in await received(world, mails)]
    assert len(subjects) == 4
    assert not any("soon" in subject or "is due" in subject for subject in subjects)


async def test_who_wants_no_receipts_or_reminders_gets_none(world, mails):
    await change(world, notification_choices={"payment.completed": False, "booking.reminder": False})
    booked = await world.book(world.slot(10))
    await received(world, mails)
    await pay(world.hub, booked)
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE bookings SET confirmed_at = confirmed_at - interval '9 days'")
        await db.execute("UPDATE booking_items SET starts_at = clock_timestamp() + interval '9 hours'")
    assert await reminders.remind(world.hub) == 0
    assert await received(world, mails) == []


async def test_what_goes_with_a_letter_is_kept_in_the_outbox_too(hub):
    world = await World.build(hub)
    booked = await world.book(world.slot(10))
    (letter, *_) = await letters_to(hub)
    async with hub.reading() as db:
        attached = await store.attached(db, letter.id)
        file = await store.attachment(db, letter.id, attached[0].position)
    assert [one.name for one in attached] == [f"booking-{booked.reference}.ics", f"code-{booked.reference}.png"]
    assert file is not None
    assert file.body.startswith(b"BEGIN:VCALENDAR")
