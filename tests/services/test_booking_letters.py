"""Guests are told of what is firm, moved or cancelled: by the ways and in the language they chose, and once."""

from __future__ import annotations

import pytest

from hub.events.bookings import BookingConfirmed
from hub.models.bookings import CancelBooking, NameBooking, RescheduleBooking
from hub.models.sessions import CancelSession
from hub.services import bookings, holds, sessions
from storage import bookings as store
from storage.letters import Kept
from tests.doors import ListeningHub
from tests.mailbox import letters_to
from tests.world import World


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub)


async def mail_to(world: World) -> list[Kept]:
    async with world.hub.reading() as db:
        email = await db.fetchval("SELECT email::text FROM users WHERE id = $1", world.customer.user_id)
    return await letters_to(world.hub, email)


async def choose(world: World, **choices: bool) -> None:
    async with world.hub.pool.acquire() as db:
        await db.execute(
            "UPDATE users SET notification_choices = $2 WHERE id = $1",
            world.customer.user_id,
            {name.replace("_", "."): chosen for name, chosen in choices.items()},
        )


async def change(world: World, **columns: object) -> None:
    async with world.hub.pool.acquire() as db:
        for column, value in columns.items():
            await db.execute(f'UPDATE users SET "{column}" = $2 WHERE id = $1', world.customer.user_id, value)  # noqa: S608


async def test_a_booking_made_at_once_is_confirmed_by_one_mail(world):
    booked = await world.book(world.slot(10), world.place(2))
    (letter,) = await mail_to(world)
    assert letter.subject == f"Booking {booked.reference} is confirmed"
    assert "Hello Ana Reis," in letter.text
    assert "Sala Norte: 1" in letter.text
    assert "Morning flow: 2 × Sala Norte" in letter.text  # noqa: RUF001
    assert "10:00 \u2013 11:00 (UTC), EUR 60.00" in letter.text
    assert "Total: EUR 110.00" in letter.text
    assert letter.html is not None
    assert booked.reference in letter.html


async def test_a_hold_is_no_news_until_it_is_confirmed(world):
    released = await world.hold(world.slot(9))
    await holds.release(world.hub, world.customer, NameBooking(booking_id=released.id))
    held = await world.hold(world.slot(10))
    assert await mail_to(world) == []
    await holds.confirm(world.hub, world.customer, NameBooking(booking_id=held.id))
    assert [letter.subject for letter in await mail_to(world)] == [f"Booking {held.reference} is confirmed"]


async def test_moving_and_cancelling_are_told_with_the_new_time_and_the_reason(world):
    booked = await world.book(world.slot(10))
    ask = RescheduleBooking.model_validate({"booking_id": booked.id, "items": [world.slot(15)]})
    await bookings.reschedule(world.hub, world.customer, ask)
    moved, _ = await mail_to(world)
    assert moved.subject == f"Booking {booked.reference} has moved"
    assert "15:00 \u2013 16:00" in moved.text
    ask = CancelBooking(booking_id=booked.id, reason="A pipe burst.", reason_code="venue")
    await bookings.cancel(world.hub, world.clerk, ask)
    cancelled, *_ = await mail_to(world)
    assert cancelled.subject == f"Booking {booked.reference} is cancelled"
    assert "Reason: A pipe burst." in cancelled.text


@pytest.mark.abuse("J9")
async def test_an_address_nobody_has_verified_is_not_buried_in_mail(world):
    booked = [await world.book(world.slot(hour)) for hour in range(8, 15)]
    for hour in range(16, 22):
        ask = RescheduleBooking.model_validate({"booking_id": booked[0].id, "items": [world.slot(hour)]})
        await bookings.reschedule(world.hub, world.customer, ask)
    for one in booked:
        await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=one.id))
    subjects = [letter.subject for letter in await mail_to(world)]
    assert [subject for subject in subjects if "confirmed" in subject] == [
        f"Booking {one.reference} is confirmed" for one in reversed(booked[:5])
    ]
    assert len([subject for subject in subjects if "moved" in subject]) == 3
    assert len(subjects) <= 13
    await change(world, email_verified_at=world.hub.clock.now())
    await world.book(world.slot(8))
    assert len(await mail_to(world)) == len(subjects) + 1


async def test_a_session_that_does_not_take_place_is_told_to_everybody_who_had_a_place(world):
    mine = await world.book(world.place())
    theirs = await world.book(world.place(), by=world.rival)
    await world.hold(world.place(), by=world.stranger)
    await letters_to(world.hub)
    await sessions.cancel(world.hub, world.owner, CancelSession(session_id=world.session.id, reason="Ill."))
    told = [letter.subject for letter in (await letters_to(world.hub))[:-2]]
    assert sorted(told) == sorted(f"Booking {one.reference} is cancelled" for one in (mine, theirs))


async def test_who_wants_no_mail_gets_none(world):
    await choose(world, email=False)
    await world.book(world.slot(10))
    assert await mail_to(world) == []


async def test_who_wants_not_this_news_gets_the_other(world):
    await choose(world, booking_confirmed=False)
    booked = await world.book(world.slot(10))
    await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=booked.id))
    assert [letter.subject for letter in await mail_to(world)] == [f"Booking {booked.reference} is cancelled"]


async def test_an_sms_goes_only_to_a_number_that_was_verified_and_only_if_wanted(world):
    await change(world, phone="+85512345678")
    await choose(world, sms=True)
    await world.book(world.slot(10))
    assert await letters_to(world.hub, "+85512345678") == []
    await change(world, phone_verified_at=world.hub.clock.now())
    booked = await world.book(world.slot(12))
    (sms,) = await letters_to(world.hub, "+85512345678")
    assert (sms.channel, sms.text) == ("sms", f"Your booking {booked.reference} is confirmed.")
    await choose(world)
    await world.book(world.slot(14))
    assert len(await letters_to(world.hub, "+85512345678")) == 1


@pytest.mark.parametrize(("language", "said"), [("km", "ត្រូវបានបញ្ជាក់"), ("zh", "已确认")])
async def test_a_guest_is_written_in_their_language(world, language, said):
    await change(world, language=language)
    booked = await world.book(world.slot(10))
    (letter,) = await mail_to(world)
    assert said in letter.subject
    assert booked.reference in letter.subject
    assert f'lang="{language}"' in (letter.html or "")


async def test_whoever_has_gone_is_not_written(world):
    await world.book(world.slot(10))
    await change(world, status="deleted")
    assert await mail_to(world) == []


async def test_a_booking_that_did_not_happen_sends_no_mail(world):
    """The letter is enqueued in the transaction of the booking, so what is undone takes it along."""
    held = await world.hold(world.slot(10))

    async def fail() -> None:
        async with world.hub.work(world.customer) as work:
            await store.confirm(work.db, held.id)
            work.tell(BookingConfirmed(booking_id=held.id))
            await work._end()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await mail_to(world) == []
