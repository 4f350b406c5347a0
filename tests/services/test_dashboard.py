"""The dashboard counts what is firm and what came in, at one's own venues only, on the venue's calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.core import GUEST, Actor
from hub.errors import NotFound, Unauthenticated
from hub.models.bookings import Booking, CancelBooking, NameBooking
from hub.models.dashboard import AskDashboard, Dashboard
from hub.services import bookings, dashboard, holds
from storage import ledger
from storage.ledger import AccountKind, Entry
from tests.builders import (
    day_after,
    make_actor,
    make_booking,
    make_hold,
    make_room,
    make_room_type,
    make_session,
    make_staff,
    make_venue,
    place,
    slot,
    stay,
    tomorrow,
)
from tests.doors import ListeningHub


async def show(hub: ListeningHub, actor: Actor, venue_id: int | None = None) -> Dashboard:
    """Look at a dashboard."""
    return await dashboard.show(hub, actor, AskDashboard(venue_id=venue_id))


async def come_in(hub: ListeningHub, booking: Booking, *percents: int) -> None:
    """Let shares of a booking's price come in, one after the other; below zero they go back."""
    for percent in percents:
        shares = [(item.venue_id, item.price * percent // 100) for item in booking.items]
        entries = [Entry("escrow", share, venue_id=venue_id, booking_id=booking.id) for venue_id, share in shares]
        entries.append(Entry("clearing", -sum(share for _, share in shares), gateway="sandbox"))
        async with hub.work(GUEST) as work:
            await ledger.post(work.db, "payment", booking.currency, entries, booking_id=booking.id)


async def test_holds_given_back_cancelled_and_unpaid_bookings_earn_nothing(hub: ListeningHub) -> None:
    owner, guest = await make_actor(hub, "facilitator"), await make_actor(hub)
    session = await make_session(hub, owner)
    paid = await make_booking(hub, guest, place(session, 2))
    assert (await show(hub, owner)).figures.revenue == {}
    await come_in(hub, paid, 60, 40)
    cancelled = await make_booking(hub, guest, place(session, 3))
    await come_in(hub, cancelled, 100, -100)
    await bookings.cancel(hub, guest, CancelBooking(booking_id=cancelled.id))
    held = await make_hold(hub, guest, place(session))
    await holds.release(hub, guest, NameBooking(booking_id=held.id))
    await make_hold(hub, guest, place(session))
    seen = await show(hub, owner)
    assert seen.figures.revenue == {"USD": 5_000}
    assert (seen.figures.bookings, seen.figures.active_bookings, seen.figures.upcoming_bookings) == (1, 2, 1)
    assert (seen.figures.sessions, seen.figures.active_sessions, seen.figures.upcoming_sessions) == (1, 1, 1)
    today = seen.past[-1]
    assert (today.bookings, today.cancelled, today.revenue) == (1, 1, {"USD": 5_000})
    assert len(seen.past) == len(seen.ahead) == 30
    assert [day.sessions for day in seen.ahead[:3]] == [0, 1, 0]


async def test_a_dashboard_shows_only_the_venues_where_one_works(hub: ListeningHub) -> None:
    owner, other, guest = [await make_actor(hub, role) for role in ("vendor", "vendor", "customer")]
    mine, theirs = await make_venue(hub, owner, name="Mine"), await make_venue(hub, other, name="Theirs")
    clerk = await make_staff(hub, mine)
    hall = await make_room_type(hub, other, theirs)
    room = await make_room(hub, other, hall)
    await make_booking(hub, guest, slot(room, tomorrow()))
    assert [venue.name for venue in (await show(hub, owner)).venues] == ["Mine"]
    assert (await show(hub, clerk, mine.id)).figures.bookings == 0
    assert (await show(hub, other)).figures.bookings == 1
    assert (await show(hub, guest)).venues == []
    for actor in (owner, guest):
        with pytest.raises(NotFound):
            await show(hub, actor, theirs.id)
    with pytest.raises(Unauthenticated):
        await show(hub, GUEST)


async def test_a_basket_of_two_venues_earns_each_its_part(hub: ListeningHub) -> None:
    owner, other, guest = [await make_actor(hub, role) for role in ("vendor", "vendor", "customer")]
    rooms = []
    for person, price in ((owner, 5_000), (other, 7_000)):
        venue = await make_venue(hub, person)
        kind = await make_room_type(hub, person, venue, price=price)
        rooms.append(await make_room(hub, person, kind))
    booking = await make_booking(hub, guest, *(slot(room, tomorrow()) for room in rooms))
    await come_in(hub, booking, 100)
    assert (await show(hub, owner)).figures.revenue == {"EUR": 5_000}
    assert (await show(hub, other)).figures.revenue == {"EUR": 7_000}


async def test_what_is_paid_out_to_the_venue_counts_on(hub: ListeningHub) -> None:
    owner, guest = await make_actor(hub, "facilitator"), await make_actor(hub)
    session = await make_session(hub, owner)
    booking = await make_booking(hub, guest, place(session, 2))
    await come_in(hub, booking, 100)
    async with hub.work(GUEST) as work:
        kinds: tuple[tuple[AccountKind, int], ...] = (
            ("escrow", -5_000), ("venue", 4_000), ("fees", 250), ("tax", 750),
        )  # fmt: skip
        lines = [Entry(kind, amount, venue_id=session.venue_id, booking_id=booking.id) for kind, amount in kinds]
        await ledger.post(work.db, "release", booking.currency, lines, booking_id=booking.id)
    seen = await show(hub, owner)
    assert seen.figures.revenue == seen.past[-1].revenue == {"USD": 5_000}


async def test_the_roster_lists_today_with_who_is_expected(hub: ListeningHub) -> None:
    owner, guest = await make_actor(hub, "vendor"), await make_actor(hub, full_name="Ana Reis")
    hotel = await make_venue(hub, owner, kind="hotel", check_in_time="23:59")
    double = await make_room_type(hub, owner, hotel, name="Double", total_rooms=3)
    await make_booking(hub, guest, stay(double, datetime.now(UTC).date(), 2, quantity=2))
    await make_booking(hub, guest, stay(double, day_after(1)))
    roster = (await show(hub, owner)).roster
    assert [(line.kind, line.booked, line.capacity) for line in roster] == [("arrival", 2, None), ("night", 2, 3)]
    assert [(one.full_name, one.quantity, one.status) for one in roster[0].expected] == [("Ana Reis", 2, "confirmed")]


async def test_a_session_under_way_is_on_the_roster_with_its_places(hub: ListeningHub) -> None:
    owner, guest = await make_actor(hub, "facilitator"), await make_actor(hub, full_name="Ana Reis")
    now = datetime.now(UTC)
    soon = min(now + timedelta(minutes=5), now.replace(hour=23, minute=59, second=59, microsecond=0))
    session = await make_session(hub, owner, starts_at=soon, ends_at=soon + timedelta(hours=1))
    await make_booking(hub, guest, place(session, 3), guest_details={"full_name": "Rui Reis"})
    await make_hold(hub, guest, place(session))
    [line] = (await show(hub, owner)).roster
    assert (line.kind, line.booked, line.capacity) == ("session", 3, 10)
    assert [(one.full_name, one.quantity) for one in line.expected] == [("Rui Reis", 3)]
