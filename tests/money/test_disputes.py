"""What a payer calls back at their bank is taken from where it went, and nothing of it twice."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core import THE_HUB
from hub.jobs import refunds as sending
from hub.models.bookings import CancelBooking
from hub.models.folio import AskOperations, RecordCash
from hub.models.refunds import ListRefunds
from hub.models.wallet import ReadWallet
from hub.services import bookings, folio, refunds, settling, wallet
from storage import bookings as booking_store
from storage import escrow
from tests.money.provider import Provider, clearing, provide
from tests.money.till import is_sound, named, paid
from tests.world import World


@pytest.fixture
async def shop(hub: Any) -> World:
    """Open venues that confirm only what is paid."""
    return await World.build(hub, confirmation="payment")


async def call_back(shop: World, provider: Provider, payment: Any) -> None:
    """Let the payer have called a payment back, and the hub look at it."""
    provider.books[await named(shop, payment)].disputed = True
    await settling.settle(shop.hub, payment.id)


@pytest.mark.abuse("H6")
@pytest.mark.parametrize("becomes", ["approved", "failed"])
async def test_what_was_on_its_way_back_has_arrived_when_it_is_called_back(shop: World, becomes: str) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    done = await paid(shop, provider, held.id)
    await bookings.cancel(shop.hub, shop.customer, CancelBooking(booking_id=held.id))
    if becomes == "failed":
        provider.gives_back = False
        await sending.work_off(shop.hub)
    (refund,) = (await refunds.listed(shop.hub, shop.customer, ListRefunds())).items
    assert refund.status == becomes
    await call_back(shop, provider, done)
    (refund,) = (await refunds.listed(shop.hub, shop.customer, ListRefunds())).items
    assert (refund.status, (await shop.now(held)).paid) == ("completed", 0)
    assert await clearing(shop.hub, "stripe") == 0
    provider.gives_back = True
    assert await sending.work_off(shop.hub) == 0 or provider.total == held.price
    await is_sound(shop)


@pytest.mark.abuse("H6")
async def test_what_of_it_went_into_the_wallet_is_taken_there_and_not_from_what_was_paid_since(shop: World) -> None:
    (provider,) = provide(shop.hub, "bakong")
    held = await shop.hold(shop.slot())
    done = await paid(shop, provider, held.id)
    async with shop.hub.work(THE_HUB) as work:
        await booking_store.lock(work.db, held.id)
        await refunds.give_back(work, held.id, held.price, "The tea was cold.")
    await folio.record_cash(shop.hub, shop.clerk, RecordCash(booking_id=held.id, amount=held.price))
    await call_back(shop, provider, done)
    shown = await wallet.show(shop.hub, shop.customer, ReadWallet())
    assert [(one.balance, one.frozen_at) for one in shown.balances] == [(0, None)]
    assert ((await shop.now(held)).paid, await clearing(shop.hub, "bakong")) == (held.price, 0)
    await is_sound(shop)


@pytest.mark.abuse("H6")
async def test_each_venue_loses_what_the_payment_brought_it(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot(), shop.stay())
    first = await paid(shop, provider, held.id, amount=12_000)
    await paid(shop, provider, held.id)
    await call_back(shop, provider, first)
    async with shop.hub.reading() as db:
        left = {one.venue_id: one.escrow for one in await escrow.shares(db, held.id)}
    assert left == {shop.hall.id: 3000, shop.hotel.id: 9000}
    assert await clearing(shop.hub, "stripe") == 12_000
    await is_sound(shop)


async def test_somebody_is_shown_that_the_money_of_a_dispute_is_back(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    done = await paid(shop, provider, held.id)
    await call_back(shop, provider, done)
    ask = AskOperations(venue_id=shop.hall.id)
    assert (await folio.operations(shop.hub, shop.clerk, ask)).payments == []
    provider.books[await named(shop, done)].disputed = False
    await settling.settle(shop.hub, done.id)
    (shown,) = (await folio.operations(shop.hub, shop.clerk, ask)).payments
    assert (shown.id, shown.finding) == (done.id, settling.CAME_BACK)
    assert (await shop.now(held)).paid == 0
    await is_sound(shop)
