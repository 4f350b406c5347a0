"""Cancelling: what is given back was agreed with the booking, and is what the preview has shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hub.core import THE_HUB, Actor
from hub.errors import Forbidden, HoldExpired, Invalid, NotFound, WrongState
from hub.jobs import queue, sweeper
from hub.models.bookings import AskCancellation, Booking, CancelBooking, NameBooking, ReleaseItem, RescheduleBooking
from hub.models.cancellations import CancellationPreview, CancelledBooking
from hub.models.folio import RecordCash
from hub.models.room_types import ChangeRoomType
from hub.models.sessions import CancelSession, ChangeSession
from hub.models.terms import CancellationStep, Terms
from hub.models.venues import Cancellation as Policy
from hub.models.venues import ChangeVenue, Venue
from hub.services import booking_letters, bookings, dues, erasure, folio, holds, room_types, sessions, venues
from storage import bookings as booking_store
from storage import dues as due_store
from storage import ledger
from tests import builders
from tests.doors import ListeningHub
from tests.money.coming_in import paid
from tests.races.checking import faults
from tests.world import Item, World, refusal

HALF_LATE = Policy(free_until_hours=48, refund_percent_after=50)


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub, cancellation=HALF_LATE)


async def preview(world: World, booking: Booking, by: Actor | None = None, **what: Any) -> CancellationPreview:
    ask = AskCancellation(booking_id=booking.id, **what)
    return await bookings.cancellation(world.hub, by or world.customer, ask)


async def cancel(world: World, booking: Booking, by: Actor | None = None, **what: Any) -> CancelledBooking:
    return await bookings.cancel(world.hub, by or world.customer, CancelBooking(booking_id=booking.id, **what))


async def terms(world: World, venue: Venue, **changes: Any) -> None:
    ask = ChangeVenue(venue_id=venue.id, terms=Terms(**changes))
    await venues.change(world.hub, world.owner, ask)


async def given_back(world: World, booking: Booking) -> int:
    """Answer what was given back of a booking, as the ledger has it."""
    async with world.hub.reading() as db:
        return booking.price - await ledger.paid(db, booking.id)


async def instalments(world: World, booking: Booking) -> list[int]:
    async with world.hub.reading() as db:
        return [one.amount for one in await due_store.instalments(db, booking.id)]


# By when


async def test_the_share_that_is_given_back_falls_step_by_step(hub: ListeningHub) -> None:
    steps = [(96, 100), (48, 80), (2, 25)]
    curve = [CancellationStep(hours_before=before, refund_percent=share) for before, share in steps]
    world = await World.build(hub, terms=Terms(cancellation_steps=curve))
    for hours, percent in ((200, 100), (100, 100), (95, 80), (49, 80), (46, 25), (4, 25), (1, 0)):
        booked = await book_in(world, hours)
        await paid(hub, booked)
        shown = await preview(world, booked)
        assert (shown.items[0].percent, shown.gives_back) == (percent, 6000 * percent // 100)
        done = await cancel(world, booked)
        assert sum(one.amount for one in done.refunds) == shown.gives_back
        assert done.paid == 6000 - shown.gives_back


async def book_in(world: World, hours: int, *items: Item, by: Actor | None = None, **more: Any) -> Booking:
    """Book the hall for an hour, so many hours from now and up to one more."""
    begin = world.hub.clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours + 1)
    return await world.book(builders.slot(world.room, begin), *items, by=by, **more)


async def test_later_changes_of_policies_and_prices_change_nothing_for_what_is_booked(world: World) -> None:
    booked = await world.book(world.slot())
    await paid(world.hub, booked)
    before = await preview(world, booked)
    await terms(world, world.hall, non_refundable=True, refund_to="wallet", refund_approval_above=0)
    await venues.change(
        world.hub, world.owner, ChangeVenue(venue_id=world.hall.id, cancellation=Policy(free_until_hours=8000))
    )
    assert await preview(world, booked) == before
    assert [one.target for one in (await cancel(world, booked)).refunds] == ["original"]
    assert await given_back(world, booked) == 6000


async def test_what_was_never_firm_and_what_is_the_venues_doing_costs_its_guest_nothing(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=Terms(non_refundable=True, refund_to="wallet", refund_approval_above=0))
    held, booked = await world.hold(world.slot(10)), await world.book(world.slot(12))
    for one in (held, booked):
        await paid(hub, one, 1000)
    assert (await preview(world, booked)).gives_back == 0
    assert (await preview(world, booked, reason_code="venue")).gives_back == 0
    # The desk's word is enough for the whole amount, but not to go past who approves.
    assert (await preview(world, booked, world.clerk, reason_code="venue")).needs_approval
    shown = await preview(world, booked, world.owner, reason_code="venue")
    assert (shown.gives_back, shown.needs_approval, shown.refunds[0].target) == (1000, False, "original")
    await cancel(world, booked, world.owner, reason_code="venue", reason="The roof is wet.")
    assert (await preview(world, held)).gives_back == 1000
    await cancel(world, held)
    assert [await given_back(world, one) for one in (held, booked)] == [held.price, booked.price]


async def test_whoever_may_only_read_all_bookings_moves_nothing_of_them(world: World) -> None:
    booked, held = await world.book(world.slot(10)), await world.hold(world.slot(12))
    await paid(world.hub, booked)
    auditor = replace(world.stranger, permissions=frozenset({"booking:read", "refund:read", "payment:read"}))
    assert await bookings.read(world.hub, auditor, NameBooking(booking_id=booked.id)) is not None
    moved = RescheduleBooking(booking_id=booked.id, items=[world.slot(14)])
    for refused in (
        cancel(world, booked, auditor, reason_code="venue"),
        preview(world, booked, auditor),
        bookings.reschedule(world.hub, auditor, moved),
        bookings.no_show(world.hub, auditor, NameBooking(booking_id=booked.id)),
        holds.confirm(world.hub, auditor, NameBooking(booking_id=held.id)),
        folio.record_cash(world.hub, auditor, RecordCash(booking_id=held.id, amount=100)),
    ):
        assert isinstance(await refusal(refused), NotFound | Forbidden)
    assert await given_back(world, booked) == 0


async def test_staff_are_kind_to_guests_and_not_to_themselves(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=Terms(non_refundable=True))
    own = await world.book(world.slot(10), world.slot(12), by=world.clerk)
    await paid(hub, own)
    await bookings.reschedule(hub, world.clerk, RescheduleBooking(booking_id=own.id, items=[world.slot(14)]))
    assert await given_back(world, own) == 0


async def test_nothing_is_given_back_of_what_was_not_paid_and_ended_bookings_have_no_preview(world: World) -> None:
    booked = await world.book(world.slot())
    assert (await preview(world, booked)).refunds == []
    assert (await cancel(world, booked)).refunds == []
    assert isinstance(await refusal(preview(world, booked)), WrongState)
    held = await world.hold(world.slot())
    await world.run_out(held)
    assert isinstance(await refusal(preview(world, held)), HoldExpired)


async def test_only_whoever_may_cancel_sees_what_that_would_give_back(world: World) -> None:
    booked = await world.book(world.slot(), world.stay())
    half = await builders.make_staff(world.hub, world.hall)
    assert await preview(world, booked, world.clerk) == await preview(world, booked)
    assert isinstance(await refusal(preview(world, booked, world.stranger)), NotFound)
    assert isinstance(await refusal(preview(world, booked, half)), Forbidden)


# Some of it


async def test_an_item_that_is_cancelled_leaves_the_booking_and_what_is_kept_of_it_stays_in_its_price(
    world: World,
) -> None:
    soon = builders.slot(
        world.room, world.hub.clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    )
    booked = await world.book(soon, world.stay())
    await paid(world.hub, booked)
    shown = await preview(world, booked, item_ids=[booked.items[0].id])
    assert (shown.is_whole, shown.gives_back, shown.kept) == (False, 3000, 3000)
    done = await cancel(world, booked, item_ids=[booked.items[0].id], reason="It rains.")
    assert sum(one.amount for one in done.refunds) == 3000
    assert [(one.kind, one.venue_id, one.price) for one in done.items] == [
        ("stay", world.hotel.id, 18_000),
        ("fee", world.hall.id, 3000),
    ]
    assert (done.status, done.price, done.paid, done.payment_status) == ("confirmed", 21_000, 21_000, "completed")
    assert await book_in(world, 24, by=world.rival)
    (change,) = await bookings.history(world.hub, world.customer, NameBooking(booking_id=booked.id))
    assert (len(change.before), len(change.after), change.reason) == (2, 2, "It rains.")
    rest = await cancel(world, booked)
    assert (rest.status, rest.paid) == ("cancelled", 3000)
    assert await faults(world.hub.pool) == {}


async def test_a_guest_is_written_what_is_left_and_what_is_given_back(world: World) -> None:
    booked = await world.book(world.slot(), world.place(2))
    await paid(world.hub, booked)
    await cancel(world, booked, item_ids=[booked.items[1].id], guests=1)
    written = await booking_letters.mail(world.hub, booked.id, "booking.reduced")
    assert written is not None
    _, letter, attached = written
    assert letter.subject == f"Part of booking {booked.reference} is cancelled"
    assert "EUR 25.00" in letter.text
    assert [one.name for one in attached] == [f"booking-{booked.reference}.ics"]
    async with world.hub.pool.acquire() as db:
        facts = await db.fetch("SELECT data ->> 'fact' AS fact FROM jobs WHERE kind = 'mail' ORDER BY id")
    assert "booking.reduced" in {row["fact"] for row in facts}


async def test_fewer_places_rooms_and_guests_give_back_exactly_those(world: World) -> None:
    booked = await world.book(world.place(4), world.stay(2, 3, guests=4), world.slot(10, guests=5))
    place, stay, slot = (item.id for item in booked.items)
    await paid(world.hub, booked)
    await cancel(world, booked, item_ids=[place], guests=3)
    await cancel(world, booked, item_ids=[stay], guests=1)
    done = await cancel(world, booked, item_ids=[slot], guests=2)
    assert [(one.quantity, one.guests, one.price) for one in done.items] == [
        (1, 1, 2500),
        (2, 3, 36_000),
        (1, 3, 6000),
    ]
    assert done.paid == done.price == 44_500
    assert await given_back(world, booked) == 3 * 2500 + 18_000
    await world.book(world.place(9), world.stay(2, 1), by=world.rival)
    assert isinstance(await refusal(cancel(world, booked, item_ids=[place], guests=2)), Invalid)
    assert isinstance(await refusal(cancel(world, booked, guests=1)), Invalid)
    assert isinstance(await refusal(cancel(world, booked, item_ids=[10**6])), NotFound)
    assert await faults(world.hub.pool) == {}


async def test_addons_go_with_the_last_of_what_they_are_sold_beside(world: World) -> None:
    breakfast = await builders.make_addon(world.hub, world.owner, world.hotel, price=700)
    addon = {"kind": "addon", "addon_id": breakfast.id, "quantity": 2}
    booked = await world.book(world.slot(), world.stay(), addon)
    await paid(world.hub, booked)
    slot, stay, extra = (item.id for item in booked.items)
    one_less = await cancel(world, booked, item_ids=[extra], guests=1)
    assert one_less.items[2].price * 2 == booked.items[2].price
    shown = await preview(world, booked, item_ids=[stay])
    assert {part.item_id for part in shown.items} == {stay, extra}
    left = await cancel(world, booked, item_ids=[stay])
    assert [item.id for item in left.items] == [slot]
    assert (await cancel(world, booked, item_ids=[slot])).status == "cancelled"
    assert await given_back(world, booked) == booked.price


async def test_what_is_left_is_due_as_agreed(world: World) -> None:
    await terms(world, world.hotel, plans=["deposit"], deposit_percent=60)
    booked = await world.book(world.stay(2, 2), world.suite_stay())
    async with world.hub.reading() as db:
        row = await booking_store.find(db, booked.id)
        assert row is not None
        await dues.choose(db, row, "deposit")
    assert await instalments(world, booked) == [45_600, 30_400]
    await paid(world.hub, booked, 45_600)
    done = await cancel(world, booked, item_ids=[booked.items[0].id], guests=1)
    assert (done.price, done.paid, await instalments(world, booked)) == (58_000, 34_800, [34_800, 23_200])
    done = await cancel(world, booked, item_ids=[booked.items[1].id])
    assert (done.price, done.paid, await instalments(world, booked)) == (18_000, 10_800, [10_800, 7_200])
    async with world.hub.reading() as db:
        quote = await due_store.quote(db, booked.id)
    assert quote is not None
    assert (quote.total, quote.plans[0].total, quote.item_prices) == (18_000, 18_000, [18_000])


async def test_of_a_booking_that_has_begun_a_guest_cancels_only_what_is_still_to_come(world: World) -> None:
    booked = await world.book(world.slot(), world.stay())
    await paid(world.hub, booked)
    async with world.hub.pool.acquire() as db:
        await db.execute(
            "UPDATE booking_items SET starts_at = clock_timestamp() - interval '1 minute' WHERE id = $1",
            booked.items[0].id,
        )
    assert isinstance(await refusal(cancel(world, booked)), WrongState)
    assert isinstance(await refusal(preview(world, booked, item_ids=[booked.items[0].id])), WrongState)
    done = await cancel(world, booked, item_ids=[booked.items[1].id])
    assert sum(one.amount for one in done.refunds) == booked.items[1].price


# By others


async def test_a_session_that_is_cancelled_makes_everybody_whole_whatever_was_agreed(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=Terms(non_refundable=True, refund_approval_above=0))
    booked = [await world.book(world.place(), by=who) for who in (world.customer, world.rival, world.stranger)]
    for one in booked[:2]:
        await paid(hub, one, 2000)
    await sessions.cancel(hub, world.owner, CancelSession(session_id=world.session.id, reason="The teacher is ill."))
    now = [await world.now(one) for one in booked]
    assert [(one.status, one.paid, one.payment_status) for one in now] == [
        ("cancelled", 0, "refunded"),
        ("cancelled", 0, "refunded"),
        ("cancelled", 0, "pending"),
    ]


async def test_what_was_paid_for_a_hold_comes_back_when_it_is_released_or_runs_out(world: World) -> None:
    released, late = await world.hold(world.slot(10), world.stay()), await world.hold(world.slot(12))
    lessened = await world.hold(world.slot(14), world.stay())
    for one, amount in ((released, 5000), (late, 5000), (lessened, 22_000)):
        await paid(world.hub, one, amount)
    ask = ReleaseItem(booking_id=lessened.id, item_id=lessened.items[0].id)
    less = await holds.release_item(world.hub, world.customer, ask)
    assert (less.status, less.price, less.paid) == ("confirmed", 18_000, 18_000)
    await holds.release(world.hub, world.customer, NameBooking(booking_id=released.id))
    await world.run_out(late)
    await sweeper.sweep(world.hub)
    await queue.work_off(world.hub)
    assert [(await world.now(one)).paid for one in (released, late)] == [0, 0]
    assert (await world.now(late)).status == "expired"


async def test_whoever_erases_themselves_gets_back_what_they_paid_for_holds_and_leaves_no_reasons(world: World) -> None:
    held, booked = await world.hold(world.slot(10)), await world.book(world.slot(12))
    for one in (held, booked):
        await paid(world.hub, one)
    await cancel(world, booked, reason="My mother is ill.")
    assert world.customer.user_id
    async with world.hub.work(THE_HUB) as work:
        await erasure.erase(work, world.customer.user_id)
    assert (await world.now(held)).paid == 0
    async with world.hub.pool.acquire() as db:
        reasons = await db.fetch("SELECT reason FROM refunds UNION ALL SELECT reason FROM ledger_transactions")
    assert {row["reason"] for row in reasons} == {""}


async def test_whoever_does_not_come_loses_what_cancelling_then_would_keep(world: World) -> None:
    await world.book(world.place())
    booked = await book_in(world, -2, world.stay(), by=world.clerk, user_id=world.customer.user_id)
    await paid(world.hub, booked)
    await bookings.no_show(world.hub, world.clerk, NameBooking(booking_id=booked.id))
    assert (await world.now(booked)).paid == booked.items[0].price


# Moving


async def move(world: World, booking: Booking, *items: Any, by: Actor | None = None) -> Booking:
    ask = RescheduleBooking.model_validate({"booking_id": booking.id, "items": items})
    return await bookings.reschedule(world.hub, by or world.customer, ask)


async def test_moving_to_what_costs_more_leaves_the_rest_due_and_to_what_costs_less_gives_it_back(world: World) -> None:
    booked = await world.book(world.slot(10, 2))
    await paid(world.hub, booked)
    longer = await move(world, booked, world.slot(10, 3))
    assert (longer.price, longer.paid, longer.payment_status) == (18_000, 12_000, "partial")
    shorter = await move(world, booked, world.slot(10, 1))
    assert (shorter.price, shorter.paid, shorter.payment_status) == (6000, 6000, "completed")
    elsewhere = await move(world, booked, world.stay(1))
    assert (elsewhere.price, elsewhere.paid) == (9000, 6000)
    assert await faults(world.hub.pool) == {}


async def test_moving_gives_back_no_more_than_cancelling_would_unless_the_venue_moves(world: World) -> None:
    begin = world.hub.clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=30)
    for by, back in ((world.customer, 6000), (world.clerk, 12_000)):
        booked = await world.book(builders.slot(world.room, begin, 3))
        await paid(world.hub, booked)
        moved = await move(world, booked, builders.slot(world.room, begin, 1), by=by)
        assert (moved.paid, moved.price) == (18_000 - back, 18_000 - back)
        assert [one.kind for one in moved.items] == (["slot", "fee"] if back == 6000 else ["slot"])
        again = await move(world, booked, builders.slot(world.other_room, begin, 1))
        assert (again.paid, again.price) == (moved.paid, moved.price)
        await cancel(world, booked, world.clerk)


async def test_moving_far_away_does_not_bring_back_what_cancelling_would_have_lost(world: World) -> None:
    for by, percent in ((world.customer, 50), (world.clerk, 100)):
        booked = await book_in(world, 24)
        await paid(world.hub, booked)
        await move(world, booked, world.slot(10), by=by)
        shown = await preview(world, booked)
        assert (shown.items[0].percent, shown.gives_back) == (percent, 6000 * percent // 100)
        again = await move(world, booked, world.slot(12), by=world.customer)
        assert again.price == 6000
        assert (await preview(world, booked)).items[0].percent == percent
        await cancel(world, booked)


async def test_a_session_that_is_put_off_can_be_cancelled_as_long_before_as_was_agreed(world: World) -> None:
    soon = await builders.make_session(world.hub, world.owner, world.hall, starts_at=builders.tomorrow())
    booked = await world.book(world.slot(), builders.place(soon, 2))
    await paid(world.hub, booked)
    place = booked.items[1].id
    assert (await preview(world, booked, item_ids=[place])).gives_back == 2500
    before = await preview(world, booked, item_ids=[booked.items[0].id])
    # Brought forward again, it is still as free to leave as it was.
    for days in (20, 5):
        begin = builders.tomorrow(days=days)
        ask = ChangeSession(session_id=soon.id, starts_at=begin, ends_at=begin + timedelta(hours=1))
        await sessions.change(world.hub, world.owner, ask)
        assert (await preview(world, booked, item_ids=[place])).gives_back == 5000
    assert await preview(world, booked, item_ids=[booked.items[0].id]) == before


@pytest.mark.abuse("H21")
async def test_a_price_that_staff_change_later_changes_no_booking_and_no_refund(world: World) -> None:
    booked = await world.book(world.slot(10, 2))
    await paid(world.hub, booked)
    await room_types.change(world.hub, world.owner, ChangeRoomType(room_type_id=world.hall_type.id, price=1_000_000))
    assert (await world.now(booked)).price == 12_000
    assert sum(one.amount for one in (await cancel(world, booked, world.clerk)).refunds) == 12_000
    assert (await world.now(booked)).paid == 0
