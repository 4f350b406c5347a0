"""Instalments: a guest is reminded once, and what was agreed happens when one is missed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hub.core import THE_HUB, Hub
from hub.jobs import instalments
from hub.models.bookings import Booking
from hub.models.payments import StartPayment
from hub.models.terms import CancellationStep, Terms
from hub.models.venues import ChangeVenue
from hub.services import disputes, dues, payments, venues
from hub.services import instalments as services
from storage import bookings as booking_store
from storage import payments as payment_store
from storage.instalments import Open
from tests.doors import ListeningHub
from tests.money.coming_in import paid
from tests.races.checking import faults
from tests.world import World


async def terms(world: World, **changes: Any) -> None:
    usual: dict[str, Any] = {"plans": ["deposit", "full"], "deposit_percent": 50}
    ask = ChangeVenue(venue_id=world.hotel.id, terms=Terms(**(usual | changes)))
    await venues.change(world.hub, world.owner, ask)


async def with_deposit(world: World) -> Booking:
    """Book two nights of 90 euros each in twenty days, and pay half of it."""
    booked = await world.book(world.stay(2))
    async with world.hub.pool.acquire() as db, db.transaction():
        row = await booking_store.lock(db, booked.id)
        assert row is not None
        await dues.choose(db, row, "deposit")
    await paid(world.hub, booked, 9000)
    world.hub.told.clear()
    return booked


async def rest_is_due(world: World, booking: Booking, ahead: timedelta) -> None:
    """Let the rest be due so long from now."""
    async with world.hub.pool.acquire() as db:
        await db.execute(
            "UPDATE instalments SET due_at = clock_timestamp() + $2 WHERE booking_id = $1 AND position = 1",
            booking.id,
            ahead,
        )


async def letters(world: World) -> list[str]:
    async with world.hub.pool.acquire() as db:
        rows = await db.fetch("SELECT data ->> 'fact' AS fact FROM jobs WHERE kind = 'mail' ORDER BY id")
    return [row["fact"] for row in rows if row["fact"].startswith("instalment.")]


async def test_a_guest_is_reminded_once_as_long_before_as_was_agreed(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world, remind_days=5)
    booked = await with_deposit(world)
    # What the venue wants by now is not what was agreed.
    await terms(world, remind_days=0)
    await rest_is_due(world, booked, timedelta(days=6))
    assert await instalments.look(hub) == 0
    await rest_is_due(world, booked, timedelta(days=4))
    looks = await asyncio.gather(*(instalments.look(hub) for _ in range(3)))
    assert sum(looks) == 1
    assert await instalments.look(hub) == 0
    assert await letters(world) == ["instalment.due"]


async def test_nobody_is_reminded_of_what_is_paid_or_cancelled(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world)
    booked, given_up = await with_deposit(world), await with_deposit(world)
    for one in (booked, given_up):
        await rest_is_due(world, one, timedelta(days=1))
    await paid(hub, booked, 9000)
    async with hub.pool.acquire() as db:
        await booking_store.cancel(db, [given_up.id], "", "other")
    assert await instalments.look(hub) == 0


async def test_who_has_only_begun_to_pay_has_missed_nothing(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world, missed="cancel")
    booked = await world.book(world.stay(2))
    ask = StartPayment(booking_id=booked.id, gateway="sandbox", plan="deposit")
    await payments.start(hub, world.customer, ask)
    for ahead in (timedelta(days=1), timedelta(days=-9)):
        await rest_is_due(world, booked, ahead)
        assert await instalments.look(hub) == 0
    assert (await world.now(booked)).status == "confirmed"


async def test_money_that_was_called_back_frees_nobody_of_the_rest(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world, missed="cancel")
    booked = await with_deposit(world)
    async with hub.work(THE_HUB) as work:
        row = await booking_store.lock(work.db, booked.id)
        payment_id = await work.db.fetchval("SELECT id FROM payments WHERE booking_id = $1", booked.id)
        await disputes.take_back(work, await payment_store.lock(work.db, payment_id), row)
    assert (await world.now(booked)).paid == 0
    await rest_is_due(world, booked, timedelta(days=1))
    assert await instalments.look(hub) == 1
    assert await letters(world) == ["instalment.due"]
    await rest_is_due(world, booked, timedelta(hours=-49))
    assert await instalments.look(hub) == 1
    assert (await world.now(booked)).status == "cancelled"
    assert await faults(hub.pool) == {}


async def test_a_booking_that_cannot_be_dealt_with_holds_up_no_other(
    hub: ListeningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await World.build(hub)
    await terms(world)
    booked = [await with_deposit(world) for _ in range(2)]
    for one in booked:
        await rest_is_due(world, one, timedelta(days=1))
    real = services.remind

    async def remind(hub: Hub, one: Open) -> bool:
        if one.booking_id == booked[0].id:
            raise LookupError
        return await real(hub, one)

    monkeypatch.setattr(services, "remind", remind)
    assert await instalments.look(hub) == 1


async def test_guest_and_desk_hear_of_what_was_missed_after_its_time_of_grace(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world, grace_hours=10)
    booked = await with_deposit(world)
    await rest_is_due(world, booked, timedelta(hours=-9))
    assert await instalments.look(hub) == 0
    await rest_is_due(world, booked, timedelta(hours=-11))
    assert await instalments.look(hub) == 1
    assert await instalments.look(hub) == 0
    assert await letters(world) == ["instalment.missed"]
    assert hub.names(f"desk:{world.hotel.id}") == ["booking.changed"]
    assert (await world.now(booked)).status == "confirmed"


async def test_where_it_was_agreed_a_missed_instalment_cancels_by_the_curve(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world, missed="cancel", cancellation_steps=[CancellationStep(hours_before=24, refund_percent=40)])
    booked = await with_deposit(world)
    await terms(world)
    await rest_is_due(world, booked, timedelta(hours=-49))
    assert await instalments.look(hub) == 1
    ended = await world.now(booked)
    assert (ended.status, ended.cancel_reason_code, ended.paid) == ("cancelled", "unpaid", 5400)
    assert ended.cancel_reason == "An instalment was not paid in time."
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT sum(amount) FROM refunds WHERE booking_id = $1", booked.id) == 3600
        assert await db.fetchval("SELECT count(*) FROM claims WHERE booking_id = $1", booked.id) == 0
    assert "booking.cancelled" in hub.names(f"user:{world.customer.user_id}")
    assert await faults(hub.pool) == {}


async def test_whoever_is_there_already_is_not_sent_away(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world, missed="cancel")
    booked = await with_deposit(world)
    await world.begin(booked)
    await rest_is_due(world, booked, timedelta(hours=-49))
    assert await instalments.look(hub) == 1
    assert (await world.now(booked)).status == "confirmed"
