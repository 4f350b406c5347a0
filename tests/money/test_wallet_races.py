"""What one wallet has is spent once, however many want to spend it at the same moment."""

import asyncio
from collections import Counter

import pytest

from hub.core import Actor
from hub.errors import HubError
from hub.models.bookings import Booking
from hub.models.payments import StartPayment
from hub.models.wallet import ReadWallet
from hub.services import payments, settling, wallet
from storage import sandbox, torture
from storage.soundness import MONEY, faults
from tests.doors import ListeningHub
from tests.money.coming_in import filled
from tests.world import World, another

PRICE = 6000


async def spend(hub: ListeningHub, actor: Actor, booking: Booking, amount: int | None = None) -> str:
    try:
        ask = StartPayment(booking_id=booking.id, gateway="wallet", amount=amount)
        return (await payments.start(hub, actor, ask)).status
    except HubError as refusal:
        return refusal.code


async def booked(world: World, count: int, days: int = 10) -> list[Booking]:
    """Book hours in either room by turns: payments for one room wait for each other."""
    rooms = (world.room, world.other_room)
    return [
        await world.book(world.slot(8 + number % 12, days=days + number // 12, room=rooms[number % 2]))
        for number in range(count)
    ]


async def held_by(hub: ListeningHub, actor: Actor) -> int:
    return sum(one.balance for one in (await wallet.show(hub, actor, ReadWallet())).balances)


@pytest.mark.abuse("H5")
async def test_twelve_bookings_at_once_from_a_wallet_worth_five(hub: ListeningHub) -> None:
    world = await World.build(hub)
    wanted = await booked(world, 12)
    await filled(hub, world.customer, 5 * PRICE + 1)
    async with another(hub) as other:
        said = Counter(
            await asyncio.gather(
                *(spend((hub, other)[number % 2], world.customer, one) for number, one in enumerate(wanted))
            )
        )
    assert said == {"completed": 5, "too_little": 7}
    assert await held_by(hub, world.customer) == 1
    assert sorted([(await world.now(one)).paid for one in wanted]) == [0] * 7 + [PRICE] * 5
    assert await faults(hub.pool) == {}


async def test_one_booking_is_paid_once_however_often_it_is_asked_for_at_once(hub: ListeningHub) -> None:
    world = await World.build(hub)
    (one,) = await booked(world, 1)
    await filled(hub, world.customer, 3 * PRICE)
    said = Counter(await asyncio.gather(*(spend(hub, world.customer, one) for _ in range(6))))
    assert said == {"completed": 1, "nothing_due": 5}
    parts = Counter(await asyncio.gather(*(spend(hub, world.customer, one, 100) for _ in range(3))))
    assert parts == {"nothing_due": 3}
    assert await held_by(hub, world.customer) == 2 * PRICE
    assert await faults(hub.pool) == {}


async def test_a_wallet_pays_a_part_and_nobody_elses_wallet_can(hub: ListeningHub) -> None:
    world = await World.build(hub)
    (one,) = await booked(world, 1)
    await filled(hub, world.customer, 1000)
    await filled(hub, world.rival, PRICE)
    assert await spend(hub, world.customer, one) == "too_little"
    assert await spend(hub, world.customer, one, 400) == "completed"
    assert await spend(hub, world.customer, one, 600) == "completed"
    assert await spend(hub, world.customer, one, 1) == "too_little"
    assert await spend(hub, world.rival, one) == "not_found"
    assert ((await world.now(one)).paid, (await world.now(one)).payment_status) == (1000, "partial")
    assert hub.names(f"user:{world.customer.user_id}").count("wallet.changed") >= 3
    assert await faults(hub.pool) == {}


@pytest.mark.abuse("H6")
async def test_a_wallet_is_filled_when_the_money_has_come_in_and_once(hub: ListeningHub) -> None:
    world = await World.build(hub)
    begun = await payments.start_top_up(hub, world.customer, "sandbox", 2 * PRICE, "EUR")

    async def settle(times: int) -> set[str]:
        return {one.status for one in await asyncio.gather(*(settling.settle(hub, begun.id) for _ in range(times)))}

    assert await settle(2) == {"pending"}
    assert await held_by(hub, world.customer) == 0
    async with hub.reading() as db:
        provider_id = await db.fetchval("SELECT provider_id FROM payments WHERE id = $1", begun.id)
        await sandbox.decide(db, provider_id, "completed", None)
    assert await held_by(hub, world.customer) == 0
    assert await settle(5) == {"completed"}
    assert await held_by(hub, world.customer) == 2 * PRICE

    (one,) = await booked(world, 1)
    assert await spend(hub, world.customer, one) == "completed"
    async with hub.reading() as db:
        await sandbox.dispute(db, provider_id)
    assert await settle(3) == {"completed"}
    assert await held_by(hub, world.customer) == -PRICE
    assert (await world.now(one)).paid == PRICE
    (other,) = await booked(world, 1, days=30)
    assert await spend(hub, world.customer, other) == "too_little"
    await filled(hub, world.customer, 3 * PRICE)
    assert await spend(hub, world.customer, other) == "account_frozen"
    assert await faults(hub.pool) == {}


async def test_control_a_wallet_that_is_read_first_and_written_then_is_overspent(hub: ListeningHub) -> None:
    await torture.rewrite(hub.pool, torture.WALLETS_UNLOCKED)
    world = await World.build(hub)
    wanted = await booked(world, 24)
    for first in range(0, len(wanted), 2):
        await filled(hub, world.customer, max(PRICE - await held_by(hub, world.customer), 0))
        said = await asyncio.gather(*(spend(hub, world.customer, one) for one in wanted[first : first + 2]))
        if said.count("completed") > 1:
            break
    found = await faults(hub.pool, MONEY)
    assert "a wallet has held less than nothing though nothing was called back" in found
