"""What a refund that waits for its approval promises pays for nothing, stays where it is, and is nobody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hub.jobs import instalments
from hub.models.bookings import Booking, CancelBooking, RescheduleBooking
from hub.models.refunds import DecideRefund, Refund
from hub.models.sessions import CancelSession
from hub.models.terms import Terms
from hub.services import booking_letters, bookings, refunds, sessions
from storage import escrow
from storage.soundness import faults
from tests.doors import ListeningHub
from tests.money import till
from tests.money.coming_in import paid
from tests.money.provider import provide
from tests.world import World

WAITS = Terms(plans=["full", "deposit"], deposit_percent=50, missed="cancel", refund_approval_above=1000)


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub, terms=WAITS)


async def waits(world: World, booking: Booking, **what: Any) -> Refund:
    """Cancel some of a booking, so that its refund waits for approval."""
    ask = CancelBooking(booking_id=booking.id, **what)
    (refund,) = (await bookings.cancel(world.hub, world.customer, ask)).refunds
    assert refund.status == "pending"
    return refund


async def half_paid(world: World) -> tuple[Booking, Refund]:
    """Pay half of three hours in the hall, and give up two of them; half of these is to be given back."""
    (provider,) = provide(world.hub, "stripe")
    booked = await world.book(world.slot(10, 2), world.slot(14))
    await till.paid(world, provider, booked.id, plan="deposit")
    refund = await waits(world, booked, item_ids=[booked.items[0].id])
    assert refund.amount == 6000
    return booked, refund


async def rest_is_due(world: World, booking: Booking, ahead: timedelta) -> None:
    """Let the rest be due so long from now."""
    async with world.hub.pool.acquire() as db:
        await db.execute(
            "UPDATE instalments SET due_at = clock_timestamp() + $2 WHERE booking_id = $1 AND position = 1",
            booking.id,
            ahead,
        )


@pytest.mark.parametrize("approved", [True, False])
async def test_the_rest_can_be_paid_and_was_not_missed(world: World, approved: bool) -> None:
    booked, refund = await half_paid(world)
    (provider,) = provide(world.hub, "paypal")
    done = await till.paid(world, provider, booked.id)
    assert (done.status, done.amount) == ("completed", 3000)
    await rest_is_due(world, booked, timedelta(days=-9))
    decide = refunds.approve if approved else refunds.reject
    await decide(world.hub, world.owner, DecideRefund(refund_id=refund.id, reason="So it was agreed."))
    assert await instalments.look(world.hub) == 0
    left = await world.now(booked)
    assert (left.status, left.payment_status) == ("confirmed", "completed")
    assert left.paid == left.price == (6000 if approved else 12_000)
    assert await faults(world.hub.pool) == {}


async def test_a_guest_is_reminded_of_all_that_is_still_to_be_paid(world: World) -> None:
    booked, _ = await half_paid(world)
    await rest_is_due(world, booked, timedelta(days=1))
    assert await instalments.look(world.hub) == 1
    written = await booking_letters.mail(world.hub, booked.id, "instalment.due")
    assert written is not None
    assert "EUR 30.00" in written[1].text


async def test_it_stays_with_its_venue_when_the_booking_moves_and_more_is_paid(world: World) -> None:
    booked = await world.book(world.slot(10, 2), world.stay())
    await paid(world.hub, booked)
    refund = await waits(world, booked, item_ids=[booked.items[0].id])
    ask = RescheduleBooking.model_validate({"booking_id": booked.id, "items": [world.stay(3), world.slot(12)]})
    await bookings.reschedule(world.hub, world.customer, ask)
    await paid(world.hub, booked, 15_000)
    await refunds.approve(world.hub, world.owner, DecideRefund(refund_id=refund.id))
    async with world.hub.reading() as db:
        shares = {share.venue_id: (share.price, share.escrow) for share in await escrow.shares(db, booked.id)}
    assert shares == {world.hall.id: (6000, 6000), world.hotel.id: (27_000, 27_000)}
    assert await faults(world.hub.pool) == {}


async def test_a_session_that_is_cancelled_leaves_nothing_for_somebody_to_refuse(world: World) -> None:
    booked = await world.book(world.place(4), world.slot())
    await paid(world.hub, booked)
    refund = await waits(world, booked, item_ids=[booked.items[0].id], guests=2)
    await sessions.cancel(world.hub, world.owner, CancelSession(session_id=world.session.id, reason="It burnt down."))
    decided = await refunds.read(world.hub, world.customer, refunds.NameRefund(refund_id=refund.id))
    assert (decided.status, decided.decision) == ("approved", "It burnt down.")
    assert ((await world.now(booked)).status, (await world.now(booked)).paid) == ("cancelled", 0)
    assert await faults(world.hub.pool) == {}
