"""Escrow: what was paid waits until it is over, and is released to its venue once."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from hub.core import THE_HUB
from hub.errors import TooLittle
from hub.jobs import queue, releasing, sweeper
from hub.models.bookings import Booking, CancelBooking, NameBooking
from hub.models.refunds import DecideRefund, ListRefunds
from hub.models.venues import ChangeVenue
from hub.models.wallet import ReadWallet
from hub.services import bookings, escrow, refunds, venues, wallet
from storage import bookings as booking_store
from storage import escrow as store
from storage.escrow import Due, Share
from storage.soundness import faults
from tests.doors import ListeningHub
from tests.money.coming_in import paid
from tests.world import World, another


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub)


async def standing(world: World, booking: Booking) -> list[tuple[int, int, int, int]]:
    """Answer of each venue what is in escrow, and what the venue, the hub and the treasury have."""
    async with world.hub.reading() as db:
        return [(one.escrow, one.venue, one.fees, one.tax) for one in await store.shares(db, booking.id)]


async def over(world: World, booking: Booking, hours: int = 25, of: int | None = None) -> None:
    """Let a booking, or its items at one venue, have ended so many hours ago."""
    async with world.hub.pool.acquire() as db:
        await db.execute(
            """
            UPDATE booking_items SET starts_at = clock_timestamp() - ($2 + 1) * interval '1 hour',
                ends_at = clock_timestamp() - $2 * interval '1 hour'
            WHERE booking_id = $1 AND ($3::bigint IS NULL OR venue_id = $3)
            """,
            booking.id,
            hours,
            of,
        )


async def told(world: World, venue_id: int) -> list[Any]:
    return [one.data for one in world.hub.told if one.room == f"desk:{venue_id}" and one.name == "escrow.released"]


async def test_what_is_paid_waits_in_escrow_until_long_enough_after_the_end(world: World) -> None:
    booked = await world.book(world.slot(10))
    await paid(world.hub, booked)
    assert await standing(world, booked) == [(6000, 0, 0, 0)]
    await over(world, booked, hours=23)
    assert await releasing.release(world.hub) == 0
    await over(world, booked)
    assert await releasing.release(world.hub) == 1
    assert await standing(world, booked) == [(0, 6000, 0, 0)]
    assert (await world.now(booked)).paid == 6000
    assert len(await told(world, world.hall.id)) == 1
    assert await releasing.release(world.hub) == 0
    assert await faults(world.hub.pool) == {}


async def test_of_several_venues_each_is_paid_what_is_its_own_when_its_part_is_over(world: World) -> None:
    booked = await world.book(world.slot(10), world.stay())
    await paid(world.hub, booked, 10_000)
    await paid(world.hub, booked, booked.price - 10_000)
    prices = {item.venue_id: item.price for item in booked.items}
    assert [one[0] for one in await standing(world, booked)] == [prices[one] for one in sorted(prices)]
    await over(world, booked, of=world.hall.id)
    assert await releasing.release(world.hub) == 1
    shares = dict(zip(sorted(prices), await standing(world, booked), strict=True))
    assert shares[world.hall.id] == (0, 6000, 0, 0)
    assert shares[world.hotel.id] == (prices[world.hotel.id], 0, 0, 0)
    await over(world, booked)
    assert await releasing.release(world.hub) == 1
    assert await faults(world.hub.pool) == {}


async def test_whoever_releases_it_happens_once(world: World) -> None:
    booked = [await world.book(world.slot(8 + hour)) for hour in range(4)]
    for one in booked:
        await paid(world.hub, one)
        await over(world, one)
    async with another(world.hub) as other:
        times = await asyncio.gather(*(releasing.release(hub) for hub in (world.hub, other) * 3))
    assert sum(times) == len(booked)
    assert [await standing(world, one) for one in booked] == [[(0, 6000, 0, 0)]] * len(booked)
    assert await faults(world.hub.pool) == {}


async def test_control_without_the_booking_locked_it_is_released_twice_or_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    booked = await world.book(world.slot(10))
    await paid(world.hub, booked)
    await over(world, booked)
    together = asyncio.Barrier(2)
    real = store.shares

    async def all_at_once(db: Any, booking_id: int) -> list[Share]:
        found = await real(db, booking_id)
        await together.wait()
        return found

    monkeypatch.setattr(booking_store, "lock", booking_store.find)
    monkeypatch.setattr(store, "shares", all_at_once)
    (due,) = await escrow.due(world.hub)
    done = await asyncio.gather(*(escrow.release(world.hub, due) for _ in range(2)), return_exceptions=True)
    monkeypatch.undo()
    # The books refuse it only where the one sees the other's lines.
    assert {type(one) for one in done} <= {bool, TooLittle}
    assert done == [True, True] or done.count(True) == 1
    if done == [True, True]:
        assert await standing(world, booked) == [(-6000, 12_000, 0, 0)]


async def test_a_booking_that_cannot_be_released_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    booked = [await world.book(world.slot(8 + hour)) for hour in range(3)]
    for one in booked:
        await paid(world.hub, one)
        await over(world, one)
    real = escrow.release

    async def release(hub: Any, due: Due) -> bool:
        if due.booking_id == booked[0].id:
            raise LookupError
        return await real(hub, due)

    with monkeypatch.context() as patched:
        patched.setattr(escrow, "release", release)
        assert await releasing.release(world.hub) == 2
    assert await releasing.release(world.hub) == 1


async def test_who_came_or_did_not_is_settled_by_when_that_was_known(world: World) -> None:
    await terms(world, non_refundable=True)
    came, absent = await world.book(world.slot(10)), await world.book(world.slot(12))
    for one in (came, absent):
        await paid(world.hub, one)
        await world.begin(one)
    await bookings.complete(world.hub, world.clerk, NameBooking(booking_id=came.id))
    await bookings.no_show(world.hub, world.clerk, NameBooking(booking_id=absent.id))
    assert await releasing.release(world.hub) == 0
    await terms(world, release_hours=0)
    assert await releasing.release(world.hub) == 2
    assert await faults(world.hub.pool) == {}


@pytest.mark.parametrize("approved", [True, False])
async def test_what_a_cancelled_booking_has_left_is_the_venues_once_its_refund_is_decided(
    world: World, approved: bool
) -> None:
    half = [{"hours_before": 0, "refund_percent": 50}]
    await terms(world, release_hours=0, cancellation_steps=half, refund_approval_above=1000)
    booked = await world.book(world.slot(10))
    await paid(world.hub, booked)
    await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=booked.id))
    assert await releasing.release(world.hub) == 0
    (waiting,) = (await refunds.listed(world.hub, world.customer, ListRefunds())).items
    assert (waiting.status, waiting.amount) == ("pending", 3000)
    decide = refunds.approve if approved else refunds.reject
    await decide(world.hub, world.owner, DecideRefund(refund_id=waiting.id, reason="They were ill."))
    assert await releasing.release(world.hub) == 1
    assert await standing(world, booked) == [(0, 3000 if approved else 6000, 0, 0)]
    assert await faults(world.hub.pool) == {}


async def test_the_hub_keeps_its_fee(world: World) -> None:
    booked = await world.book(world.slot(10))
    await paid(world.hub, booked)
    await over(world, booked)
    world.hub.settings = replace(world.hub.settings, fee_basis_points=250)
    assert await releasing.release(world.hub) == 1
    assert await standing(world, booked) == [(0, 5850, 150, 0)]
    assert (await world.now(booked)).paid == 6000
    assert await faults(world.hub.pool) == {}


async def test_who_came_earns_points_and_who_did_not_does_not(world: World) -> None:
    await terms(world, points_basis_points=100, release_hours=0, non_refundable=True)
    came, absent = await world.book(world.slot(10)), await world.book(world.slot(12), by=world.rival)
    for one in (came, absent):
        await paid(world.hub, one)
        await world.begin(one)
    await bookings.complete(world.hub, world.clerk, NameBooking(booking_id=came.id))
    await bookings.no_show(world.hub, world.clerk, NameBooking(booking_id=absent.id))
    assert await releasing.release(world.hub) == 2
    points = await wallet.points(world.hub, world.customer, ReadWallet())
    assert (points.points, points.earned, points.used) == (60, 60, 0)
    assert (await wallet.points(world.hub, world.rival, ReadWallet())).points == 0
    assert "points.changed" in world.hub.names(f"user:{world.customer.user_id}")
    assert "points.changed" not in world.hub.names(f"user:{world.rival.user_id}")
    assert (await wallet.show(world.hub, world.customer, ReadWallet())).balances == []
    assert await faults(world.hub.pool) == {}


async def test_points_go_back_with_the_money_that_they_were_earned_by(world: World) -> None:
    await terms(world, points_basis_points=100, release_hours=0)
    booked, other = await world.book(world.slot(10)), await world.book(world.slot(12))
    await paid(world.hub, booked)
    await over(world, booked)
    assert await releasing.release(world.hub) == 1
    async with world.hub.work(THE_HUB) as work:
        await booking_store.lock(work.db, booked.id)
        await refunds.give_back(work, booked.id, 2000, "The tea was cold.")
    assert (await wallet.points(world.hub, world.customer, ReadWallet())).points == 40
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE bookings SET points = 15 WHERE id = $1", other.id)
    world.hub.told.clear()
    ask = CancelBooking(booking_id=booked.id, reason_code="venue")
    await bookings.cancel(world.hub, world.owner, ask)
    assert (await world.now(booked)).paid == 0
    points = await wallet.points(world.hub, world.customer, ReadWallet())
    assert (points.points, points.earned, points.used) == (0, 15, 15)
    assert "points.changed" in world.hub.names(f"user:{world.customer.user_id}")
    assert await faults(world.hub.pool) == {}


async def test_money_that_comes_after_a_release_is_released_too(world: World) -> None:
    booked = await world.book(world.slot(10))
    await paid(world.hub, booked, 4000)
    await over(world, booked)
    assert await releasing.release(world.hub) == 1
    await paid(world.hub, booked, 2000)
    assert await releasing.release(world.hub) == 1
    assert await standing(world, booked) == [(0, 6000, 0, 0)]


async def test_what_was_paid_for_a_hold_that_ran_out_is_never_the_venues(world: World) -> None:
    await terms(world, release_hours=0)
    held = await world.hold(world.slot(10))
    await paid(world.hub, held, 1000)
    await world.run_out(held)
    await sweeper.sweep(world.hub)
    assert await releasing.release(world.hub) == 0
    assert await standing(world, held) == [(1000, 0, 0, 0)]
    await queue.work_off(world.hub)
    assert await standing(world, held) == [(0, 0, 0, 0)]
    assert await releasing.release(world.hub) == 0
    async with world.hub.reading() as db:
        assert await db.fetchval("SELECT count(*) FROM open_escrows") == 0
    assert await faults(world.hub.pool) == {}


async def test_escrow_is_levelled_when_items_have_moved_between_venues(world: World) -> None:
    booked = await world.book(world.slot(10), world.stay())
    await paid(world.hub, booked, 12_000)
    async with world.hub.pool.acquire() as db:
        await db.execute(
            "UPDATE booking_items SET price = 12000 WHERE booking_id = $1 AND venue_id = $2", booked.id, world.hall.id
        )
        await db.execute(
            "UPDATE booking_items SET price = 4000 WHERE booking_id = $1 AND venue_id = $2", booked.id, world.hotel.id
        )
        await db.execute("UPDATE bookings SET price = 16000 WHERE id = $1", booked.id)
    async with world.hub.work(world.customer) as work:
        row = await booking_store.lock(work.db, booked.id)
        assert row is not None
        await escrow.level(work, row)
    venue_ids = sorted((world.hall.id, world.hotel.id))
    levelled = dict(zip(venue_ids, await standing(world, booked), strict=True))
    assert levelled == {world.hall.id: (9000, 0, 0, 0), world.hotel.id: (3000, 0, 0, 0)}
    assert await faults(world.hub.pool) == {}


async def terms(world: World, **fields: Any) -> None:
    for venue in (world.hall, world.hotel):
        ask = ChangeVenue.model_validate({"venue_id": venue.id, "terms": fields})
        await venues.change(world.hub, world.owner, ask)
