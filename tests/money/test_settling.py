"""Payments come in once, for what they were begun for, whatever their provider says, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from hub.core import THE_HUB, Hub
from hub.errors import (
    AccountFrozen,
    Forbidden,
    NothingDue,
    TooLittle,
    WrongState,
)
from hub.gateways.payments import Began, Gateways, Look, Order, Refunding
from hub.jobs import reconciler, sweeper
from hub.jobs import refunds as sending
from hub.models.bookings import CancelBooking
from hub.models.folio import AskOperations, RecordCash
from hub.models.payments import ListPayments, NamePayment, Payment, ResolvePayment, StartPayment
from hub.models.wallet import ReadWallet
from hub.services import bookings, folio, inbox, payments, refunds, settling, wallet
from storage import bookings as booking_store
from storage.pool import as_owner
from storage.soundness import faults
from tests import builders
from tests.money.coming_in import filled
from tests.money.provider import Provider, clearing, provide
from tests.money.till import is_sound, named, paid, row, start
from tests.world import World, refusal


@pytest.fixture
async def shop(hub: Any) -> World:
    """Open venues that confirm only what is paid."""
    return await World.build(hub, confirmation="payment")


async def test_the_second_success_goes_back_and_what_else_is_under_way_is_stopped(shop: World) -> None:
    stripe, paypal, bakong = provide(shop.hub, "stripe", "paypal", "bakong")
    held = await shop.hold(shop.slot())
    begun = [await start(shop, held.id, one.name) for one in (stripe, paypal, bakong)]
    stripe.pay(await named(shop, begun[0]))
    bakong.pay(await named(shop, begun[2]))
    for one in begun:
        await settling.settle(shop.hub, one.id)
    states = [(await row(shop, one.id)).status for one in begun]
    assert states == ["completed", "cancelled", "completed"]
    booking = await shop.now(held)
    assert (booking.status, booking.paid) == ("confirmed", held.price)
    async with shop.hub.pool.acquire() as db:
        (refund,) = await db.fetch("SELECT payment_id, amount, target, reason FROM refunds")
    assert (refund["payment_id"], refund["amount"], refund["target"]) == (begun[2].id, held.price, "wallet")
    assert refund["reason"] == settling.CAME_TWICE
    await is_sound(shop, stripe, paypal)


@pytest.mark.abuse("H5")
async def test_whoever_pays_in_five_ways_at_once_has_paid_once(shop: World) -> None:
    stripe, bakong = provide(shop.hub, "stripe", "bakong")
    await filled(shop.hub, shop.customer, 6000)
    held = await shop.hold(shop.slot())
    begun = [await start(shop, held.id, one.name) for one in (stripe, bakong)]
    for one, provider in zip(begun, (stripe, bakong), strict=True):
        provider.take(await named(shop, one))
    cash = RecordCash(booking_id=held.id, amount=held.price)
    ways = [
        *(settling.settle(shop.hub, one.id) for one in begun * 3),
        *(folio.record_cash(shop.hub, shop.clerk, cash) for _ in range(2)),
        *(start(shop, held.id, "wallet") for _ in range(2)),
    ]
    done = await asyncio.gather(*ways, return_exceptions=True)
    assert [one for one in done if not isinstance(one, Payment | NothingDue)] == []
    await sending.work_off(shop.hub)
    booking = await shop.now(held)
    assert (booking.status, booking.paid) == ("confirmed", held.price)
    came_in = await payments.listed(shop.hub, shop.customer, ListPayments(status="completed"))
    async with shop.hub.pool.acquire() as db:
        gone_back = await db.fetchval("SELECT coalesce(sum(amount), 0) FROM refunds WHERE status = 'completed'")
    assert sum(one.amount for one in came_in.items) == booking.paid + gone_back
    await is_sound(shop, stripe, bakong)


@pytest.mark.parametrize("swept", [False, True])
async def test_money_that_comes_late_takes_the_place_again_where_it_is_free(shop: World, swept: bool) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot(), shop.stay(), shop.place(2))
    begun = await start(shop, held.id)
    provider.take(await named(shop, begun))
    await shop.run_out(held)
    if swept:
        await sweeper.sweep(shop.hub)
        assert (await shop.now(held)).status == "expired"
    await settling.settle(shop.hub, begun.id)
    booking = await shop.now(held)
    assert (booking.status, booking.paid) == ("confirmed", held.price)
    assert await faults(shop.hub.pool) == {}
    await is_sound(shop, provider)


async def test_money_that_comes_too_late_goes_back_and_both_sides_are_told(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot(), shop.place())
    begun = await start(shop, held.id)
    provider.take(await named(shop, begun))
    await shop.run_out(held)
    await shop.hold(shop.slot(), by=shop.rival)
    await sweeper.sweep(shop.hub)
    shop.hub.told.clear()
    await settling.settle(shop.hub, begun.id)
    booking = await shop.now(held)
    assert (booking.status, booking.paid, booking.payment_status) == ("expired", 0, "refunded")
    for room in (f"user:{shop.customer.user_id}", f"desk:{shop.hall.id}"):
        assert {"payment.changed", "refund.changed", "booking.changed"} <= set(shop.hub.names(room))
    assert await faults(shop.hub.pool) == {}
    await is_sound(shop)


@pytest.mark.parametrize(
    "taken_out",
    [
        "UPDATE rooms SET deleted_at = clock_timestamp()",
        "UPDATE rooms SET status = 'maintenance'",
        "UPDATE room_types SET deleted_at = clock_timestamp()",
        "UPDATE room_types SET is_active = false",
        "UPDATE venues SET is_active = false",
    ],
)
async def test_money_for_what_is_not_let_any_more_goes_back(shop: World, taken_out: str) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    begun = await start(shop, held.id)
    provider.take(await named(shop, begun))
    await shop.run_out(held)
    await sweeper.sweep(shop.hub)
    async with shop.hub.pool.acquire() as db:
        await db.execute(taken_out)
    await settling.settle(shop.hub, begun.id)
    assert ((await shop.now(held)).status, (await shop.now(held)).paid) == ("expired", 0)
    await is_sound(shop)


async def test_money_for_a_session_that_was_cancelled_meanwhile_goes_back(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.place())
    begun = await start(shop, held.id)
    provider.take(await named(shop, begun))
    await shop.run_out(held)
    await sweeper.sweep(shop.hub)
    async with shop.hub.pool.acquire() as db:
        await db.execute("UPDATE sessions SET status = 'cancelled' WHERE id = $1", shop.session.id)
    await settling.settle(shop.hub, begun.id)
    assert ((await shop.now(held)).status, (await shop.now(held)).paid) == ("expired", 0)
    await is_sound(shop)


async def test_money_for_a_booking_that_was_cancelled_meanwhile_goes_back_whole(shop: World) -> None:
    (provider,) = provide(shop.hub, "bakong")
    held = await shop.hold(shop.slot())
    begun = await start(shop, held.id, "bakong")
    await bookings.cancel(shop.hub, shop.customer, CancelBooking(booking_id=held.id))
    provider.pay(await named(shop, begun))
    await settling.settle(shop.hub, begun.id)
    assert ((await shop.now(held)).status, (await shop.now(held)).paid) == ("cancelled", 0)
    await is_sound(shop)


async def test_what_is_not_wanted_any_more_is_stopped_at_the_provider(shop: World) -> None:
    (provider,) = provide(shop.hub, "paypal")
    held = await shop.hold(shop.slot())
    begun = await start(shop, held.id, "paypal")
    provider.pay(await named(shop, begun))
    await bookings.cancel(shop.hub, shop.customer, CancelBooking(booking_id=held.id))
    assert (await settling.settle(shop.hub, begun.id)).status == "cancelled"
    assert provider.total == 0
    await is_sound(shop, provider)


@pytest.mark.abuse("H4", "H16")
@pytest.mark.parametrize("wrong", [{"amount": 1}, {"currency": "KHR"}])
async def test_another_amount_or_currency_confirms_nothing_and_is_shown(shop: World, wrong: dict[str, Any]) -> None:
    (provider,) = provide(shop.hub, "bakong")
    held = await shop.hold(shop.slot())
    begun = await start(shop, held.id, "bakong")
    taken = provider.books[await named(shop, begun)]
    for name, said in wrong.items():
        setattr(taken, name, said)
    provider.pay(await named(shop, begun))
    await settling.settle(shop.hub, begun.id)
    assert (await row(shop, begun.id)).status == "pending"
    assert ((await shop.now(held)).status, (await shop.now(held)).paid) == ("held", 0)
    for actor in (shop.clerk, shop.owner):
        waiting = await folio.operations(shop.hub, actor, AskOperations(venue_id=shop.hall.id))
        assert [one.id for one in waiting.payments] == [begun.id]
        assert "was asked for" in waiting.payments[0].finding
    assert isinstance(await refusal(folio.operations(shop.hub, shop.clerk, AskOperations())), Forbidden)
    by_hand = ResolvePayment(payment_id=begun.id, reason="It was paid back by hand.")
    assert isinstance(await refusal(payments.resolve(shop.hub, shop.owner, by_hand)), Forbidden)
    admin = await builders.make_actor(shop.hub, "admin")
    assert (await payments.resolve(shop.hub, admin, by_hand)).failure == by_hand.reason
    assert (await folio.operations(shop.hub, admin, AskOperations())).payments == []
    assert isinstance(await refusal(payments.resolve(shop.hub, admin, by_hand)), WrongState)
    await is_sound(shop)


@pytest.mark.abuse("H6")
async def test_money_that_is_called_back_is_taken_out_once(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot(), shop.stay())
    done = await paid(shop, provider, held.id)
    provider.books[await named(shop, done)].disputed = True
    for _ in range(2):
        await settling.settle(shop.hub, done.id)
    booking = await shop.now(held)
    assert (booking.status, booking.paid) == ("confirmed", 0)
    assert await clearing(shop.hub, "stripe") == 0
    assert (await row(shop, done.id)).disputed_at is not None
    await is_sound(shop)


@pytest.mark.abuse("H6")
async def test_what_is_called_back_and_not_there_any_more_freezes_the_wallet(shop: World) -> None:
    (provider,) = provide(shop.hub, "bakong")
    held = await shop.hold(shop.slot())
    done = await paid(shop, provider, held.id)
    async with shop.hub.work(THE_HUB) as work:
        await booking_store.lock(work.db, held.id)
        await refunds.give_back(work, held.id, 1000, "The tea was cold.")
    await sending.work_off(shop.hub)
    provider.books[await named(shop, done)].disputed = True
    await settling.settle(shop.hub, done.id)
    shown = await wallet.show(shop.hub, shop.customer, ReadWallet())
    assert [(one.balance, one.frozen_at is None) for one in shown.balances] == [(0, True)]
    assert ((await shop.now(held)).paid, await clearing(shop.hub, "bakong")) == (0, 0)
    other = await shop.hold(shop.slot(12))
    again = await paid(shop, provider, other.id)
    async with shop.hub.work(THE_HUB) as work:
        await booking_store.lock(work.db, other.id)
        await refunds.give_back(work, other.id, 1000, "The tea was cold.")
    await start(shop, (await shop.hold(shop.place())).id, "wallet", amount=600)
    provider.books[await named(shop, again)].disputed = True
    await settling.settle(shop.hub, again.id)
    shown = await wallet.show(shop.hub, shop.customer, ReadWallet())
    assert [(one.balance, one.frozen_at is None) for one in shown.balances] == [(-600, False)]
    ask = StartPayment(booking_id=(await shop.hold(shop.place())).id, gateway="wallet", amount=1)
    assert isinstance(await refusal(payments.start(shop.hub, shop.customer, ask)), TooLittle | AccountFrozen)
    await is_sound(shop)


async def test_what_a_provider_gave_back_by_itself_is_shown(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    done = await paid(shop, provider, held.id)
    provider.books[await named(shop, done)].refunds["by hand"] = 5
    await settling.settle(shop.hub, done.id)
    waiting = await folio.operations(shop.hub, shop.clerk, AskOperations(venue_id=shop.hall.id))
    assert ["given back EUR 0.05" in one.finding for one in waiting.payments] == [True]


async def test_a_provider_that_stays_silent_is_asked_within_a_minute_then_ever_more_seldom(shop: World) -> None:
    (provider,) = provide(shop.hub, "bakong")
    held = await shop.hold(shop.slot())
    begun = await start(shop, held.id, "bakong")
    async with shop.hub.pool.acquire() as db:
        until = "SELECT extract(epoch FROM ask_at - updated_at) FROM payments WHERE id = $1"
        assert 0 < await db.fetchval(until, begun.id) <= 60
        await db.execute(
            """
            UPDATE payments SET ask_at = clock_timestamp(), created_at = created_at - interval '8 hours',
                   expires_at = expires_at - interval '8 hours' WHERE id = $1
            """,
            begun.id,
        )
        provider.silent = 1
        assert await reconciler.reconcile(shop.hub) == 1
        assert 600 < await db.fetchval(until, begun.id) <= 3600
        assert (await row(shop, begun.id)).finding == "The provider does not say what became of it."
        # What somebody has been shown is asked about as seldom.
        await db.execute("UPDATE payments SET ask_at = clock_timestamp()")
        assert await reconciler.reconcile(shop.hub) == 1
        assert 600 < await db.fetchval(until, begun.id) <= 3600
    provider.pay(await named(shop, begun))
    await settling.settle(shop.hub, begun.id)
    assert ((await row(shop, begun.id)).status, (await row(shop, begun.id)).finding) == ("completed", None)


class Hasty(Provider):
    """Tells of what becomes of a payment just when it has answered something older."""

    def __init__(self, hub: Hub) -> None:
        super().__init__("stripe")
        self.hub = hub

    async def look(self, provider_id: str, data: Mapping[str, Any]) -> Look:
        look = await super().look(provider_id, data)
        taken = self.books[provider_id]
        if look.state == "completed" and not taken.disputed:
            taken.disputed = True
            body = self.event(provider_id, "disputed")
            await inbox.receive(self.hub, self.name, self.headers(body), body)
        return look


async def test_what_a_provider_tells_while_it_is_asked_is_looked_at_too(shop: World) -> None:
    provider = Hasty(shop.hub)
    shop.hub.gateways_of_money = Gateways(provider)
    held = await shop.hold(shop.slot())
    begun = await start(shop, held.id)
    provider.take(await named(shop, begun))
    body = provider.event(await named(shop, begun), "completed")
    await inbox.receive(shop.hub, "stripe", provider.headers(body), body)
    assert await reconciler.reconcile(shop.hub) == 1
    assert ((await row(shop, begun.id)).status, (await row(shop, begun.id)).disputed_at) == ("completed", None)
    assert await reconciler.reconcile(shop.hub) == 1
    assert (await row(shop, begun.id)).disputed_at is not None
    assert await reconciler.reconcile(shop.hub) == 0


class Watchful(Provider):
    """Looks at each ask whether the hub has a transaction open meanwhile."""

    def __init__(self, world: World) -> None:
        super().__init__("stripe")
        self.world, self.seen = world, list[str]()

    async def begin(self, order: Order) -> Began:
        await self._watch("begin")
        return await super().begin(order)

    async def capture(self, provider_id: str, key: str) -> Look:
        await self._watch("capture")
        return await super().capture(provider_id, key)

    async def cancel(self, provider_id: str) -> Look:
        await self._watch("cancel")
        return await super().cancel(provider_id)

    async def refund(self, provider_id: str, amount: int, currency: str, key: str) -> Refunding:
        await self._watch("refund")
        return await super().refund(provider_id, amount, currency, key)

    async def _watch(self, what: str) -> None:
        self.seen.append(what)
        async with as_owner(self.world.hub.pool) as db:
            begun = await db.fetchval(
                """
                SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()
                """
            )
        assert begun == 0, what


async def test_no_transaction_is_open_while_a_provider_is_asked(shop: World) -> None:
    provider = Watchful(shop)
    shop.hub.gateways_of_money = Gateways(provider)
    left = await start(shop, (await shop.hold(shop.slot())).id)
    await payments.cancel(shop.hub, shop.customer, NamePayment(payment_id=left.id))
    held = await shop.hold(shop.slot(12))
    await paid(shop, provider, held.id)
    await bookings.cancel(shop.hub, shop.customer, CancelBooking(booking_id=held.id))
    await sending.work_off(shop.hub)
    assert (await shop.now(held)).payment_status == "refunded"
    assert provider.seen == ["begin", "cancel", "begin", "capture", "refund"]
