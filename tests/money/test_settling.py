"""Payments come in once, for what they were begun for, whatever their provider says, and when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from hub.core import THE_HUB, Actor
from hub.errors import (
    AccountFrozen,
    Forbidden,
    GatewayUnreachable,
    HoldExpired,
    Invalid,
    KeyReused,
    NotFound,
    NothingDue,
    PaymentRefused,
    TooLittle,
    WrongState,
)
from hub.jobs import reconciler, sweeper
from hub.jobs import refunds as sending
from hub.models.bookings import CancelBooking, NameBooking
from hub.models.folio import AskOperations, RecordCash
from hub.models.payments import ListPayments, NamePayment, Payment, ResolvePayment, StartedPayment, StartPayment
from hub.models.venues import ChangeVenue
from hub.models.wallet import ReadWallet
from hub.services import bookings, folio, payments, refunds, settling, venues, wallet
from hub.work import Repeat, Repeated
from storage import bookings as booking_store
from storage import payments as store
from storage.payments import PaymentRow
from storage.soundness import MONEY, faults
from tests import builders
from tests.money.coming_in import filled
from tests.money.provider import Provider, clearing, provide
from tests.world import World, refusal


@pytest.fixture
async def shop(hub: Any) -> World:
    """Open venues that confirm only what is paid."""
    return await World.build(hub, confirmation="payment")


async def start(world: World, booking_id: int, gateway: str = "stripe", **more: Any) -> StartedPayment:
    """Begin to pay as the customer."""
    ask = StartPayment.model_validate({"booking_id": booking_id, "gateway": gateway} | more)
    return await payments.start(world.hub, world.customer, ask)


async def row(world: World, payment_id: int) -> PaymentRow:
    """Read a payment with all that the hub knows of it."""
    async with world.hub.reading() as db:
        found = await store.find(db, payment_id)
    assert found is not None
    return found


async def named(world: World, payment: StartedPayment) -> str:
    """Answer how the provider knows a payment."""
    known = (await row(world, payment.id)).provider_id
    assert known is not None
    return known


async def paid(world: World, provider: Provider, booking_id: int, **more: Any) -> StartedPayment:
    """Begin to pay, approve it at the provider, and come back."""
    begun = await start(world, booking_id, provider.name, **more)
    provider.pay(await named(world, begun))
    return await payments.check(world.hub, world.customer, NamePayment(payment_id=begun.id))


async def is_sound(world: World, *providers: Provider) -> None:
    """See that all money is where it should be, at providers and with us."""
    assert await faults(world.hub.pool, MONEY) == {}
    for provider in providers:
        assert await clearing(world.hub, provider.name) == provider.total


async def test_a_paid_hold_is_a_booking_and_both_sides_are_told(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    shop.hub.told.clear()
    begun = await start(shop, held.id)
    assert (begun.status, begun.amount, begun.currency, begun.plan) == ("pending", held.price, "EUR", "full")
    assert begun.pay_at.redirect_url
    provider.pay(await named(shop, begun))
    done = await payments.check(shop.hub, shop.customer, NamePayment(payment_id=begun.id))
    assert (done.status, done.pay_at.redirect_url) == ("completed", None)
    booking = await shop.now(held)
    assert (booking.status, booking.paid, booking.payment_status) == ("confirmed", held.price, "completed")
    for room in (f"user:{shop.customer.user_id}", f"desk:{shop.hall.id}"):
        assert shop.hub.names(room).count("payment.changed") == 3
        assert "booking.confirmed" in shop.hub.names(room)
    await is_sound(shop, provider)


@pytest.mark.abuse("I2")
async def test_a_payment_under_way_keeps_the_place_as_far_as_the_holds_cap(shop: World) -> None:
    provide(shop.hub, "stripe")
    for wanted, until in ((700, 700), (86_400, 1800)):
        shop.hub.settings = replace(shop.hub.settings, pay_seconds=wanted)
        held = await shop.hold(shop.place())
        begun = await start(shop, held.id)
        kept = await shop.now(held)
        assert kept.status == "held"
        assert kept.expires_at is not None
        assert begun.expires_at is not None
        assert round((kept.expires_at - held.created_at).total_seconds()) == until
        assert abs((begun.expires_at - kept.expires_at).total_seconds()) < 1


async def test_what_the_bank_refuses_is_told_and_can_be_paid_another_way(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    first = await start(shop, held.id)
    provider.fail(await named(shop, first))
    failed = await payments.check(shop.hub, shop.customer, NamePayment(payment_id=first.id))
    assert (failed.status, failed.failure) == ("failed", "The bank said no.")
    assert (await paid(shop, provider, held.id)).status == "completed"
    assert (await shop.now(held)).status == "confirmed"
    await is_sound(shop, provider)


async def test_a_booking_can_be_paid_in_parts_and_is_firm_with_the_last(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot(), shop.stay())
    await paid(shop, provider, held.id, amount=100)
    part = await shop.now(held)
    assert (part.status, part.paid, part.payment_status) == ("held", 100, "partial")
    assert isinstance(await refusal(start(shop, held.id, amount=held.price)), Invalid)
    assert (await paid(shop, provider, held.id)).amount == held.price - 100
    assert (await shop.now(held)).status == "confirmed"
    assert isinstance(await refusal(start(shop, held.id)), NothingDue)
    await is_sound(shop, provider)


@pytest.mark.abuse("I4")
async def test_what_is_cancelled_or_has_run_out_cannot_be_paid(shop: World) -> None:
    provide(shop.hub, "stripe")
    held, late = await shop.hold(shop.slot()), await shop.hold(shop.slot(12))
    await bookings.cancel(shop.hub, shop.customer, CancelBooking(booking_id=held.id))
    await shop.run_out(late)
    assert isinstance(await refusal(start(shop, held.id)), WrongState)
    assert isinstance(await refusal(start(shop, late.id)), HoldExpired)
    stranger = StartPayment(booking_id=held.id, gateway="stripe")
    assert isinstance(await refusal(payments.start(shop.hub, shop.stranger, stranger)), NotFound)


@pytest.mark.abuse("H1", "H4")
async def test_a_payer_cannot_choose_the_currency_a_negative_amount_or_a_way_that_is_not_there(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    provider.currencies = frozenset({"USD"})
    held = await shop.hold(shop.slot())
    assert isinstance(await refusal(start(shop, held.id)), PaymentRefused)
    assert isinstance(await refusal(start(shop, held.id, "paypal")), NotFound)
    for wrong in ({"amount": -5}, {"amount": 0}, {"amount": 1.5}, {"currency": "USD"}, {"price": 1}):
        with pytest.raises(ValueError, match="validation error"):
            await start(shop, held.id, **wrong)


@pytest.mark.abuse("H17")
async def test_a_provider_that_goes_silent_after_it_took_the_order_is_asked_with_the_same_key(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    provider.silent = 1
    assert isinstance(await refusal(start(shop, held.id)), GatewayUnreachable)
    (begun,) = (await payments.listed(shop.hub, shop.customer, ListPayments())).items
    assert begun.status == "starting"
    settled = await settling.settle(shop.hub, begun.id)
    assert settled.status == "pending"
    assert len(provider.books) == 1
    # The same silence while it takes what was approved.
    provider.pay(await named(shop, await payments.read(shop.hub, shop.customer, NamePayment(payment_id=begun.id))))
    provider.silent = 1
    assert isinstance(await refusal(settling.settle(shop.hub, begun.id)), GatewayUnreachable)
    await settling.settle(shop.hub, begun.id)
    assert (await shop.now(held)).status == "confirmed"
    assert [taken.captured for taken in provider.books.values()] == [1]
    await is_sound(shop, provider)


async def test_the_same_request_begins_one_payment_also_when_its_answer_was_lost(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    ask = StartPayment(booking_id=held.id, gateway="stripe")
    assert shop.customer.user_id is not None
    again = replace(shop.customer, repeat=Repeat(shop.customer.user_id, "payments.start", "one", b"{}"))
    provider.silent = 1
    assert isinstance(await refusal(payments.start(shop.hub, again, ask)), GatewayUnreachable)
    begun = await payments.start(shop.hub, again, ask)
    assert begun.status == "pending"
    with pytest.raises(Repeated):
        await payments.start(shop.hub, again, ask)
    other = replace(shop.customer, repeat=Repeat(shop.customer.user_id, "payments.start", "two", b"{}"))
    provider.silent = 1
    assert isinstance(await refusal(payments.start(shop.hub, other, ask)), GatewayUnreachable)
    changed = StartPayment(booking_id=held.id, gateway="stripe", amount=5)
    assert isinstance(await refusal(payments.start(shop.hub, other, changed)), KeyReused)
    assert len(provider.books) == 2


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


async def test_a_wallet_pays_at_once_also_in_part_but_not_more_than_it_has(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    await filled(shop.hub, shop.customer, 1000)
    held = await shop.hold(shop.slot())
    assert isinstance(await refusal(start(shop, held.id, "wallet")), TooLittle)
    part = await start(shop, held.id, "wallet", amount=1000)
    assert part.status == "completed"
    assert (await shop.now(held)).payment_status == "partial"
    await paid(shop, provider, held.id)
    assert (await shop.now(held)).status == "confirmed"
    ask = StartPayment(booking_id=held.id, gateway="wallet")
    assert isinstance(await refusal(payments.start(shop.hub, shop.clerk, ask)), PaymentRefused)
    await is_sound(shop, provider)


async def test_cash_is_recorded_by_the_desk_alone(shop: World) -> None:
    held = await shop.hold(shop.slot())
    ask = RecordCash(booking_id=held.id, amount=held.price)
    assert isinstance(await refusal(folio.record_cash(shop.hub, shop.customer, ask)), Forbidden)
    assert isinstance(await refusal(folio.record_cash(shop.hub, shop.stranger, ask)), NotFound)
    too_much = RecordCash(booking_id=held.id, amount=held.price + 1)
    assert isinstance(await refusal(folio.record_cash(shop.hub, shop.clerk, too_much)), Invalid)
    done = await folio.record_cash(shop.hub, shop.clerk, ask)
    assert (done.gateway, done.status, done.user_id) == ("cash", "completed", shop.customer.user_id)
    assert ((await shop.now(held)).status, (await shop.now(held)).payment_status) == ("confirmed", "completed")
    assert isinstance(await refusal(folio.record_cash(shop.hub, shop.clerk, ask)), NothingDue)
    both = await shop.hold(shop.slot(12), shop.stay())
    unnamed = RecordCash(booking_id=both.id, amount=5)
    assert isinstance(await refusal(folio.record_cash(shop.hub, shop.clerk, unnamed)), Invalid)
    await folio.record_cash(shop.hub, shop.clerk, unnamed.model_copy(update={"venue_id": shop.hotel.id}))
    assert (await shop.now(both)).paid == 5
    await is_sound(shop)


async def test_a_plan_is_chosen_with_the_first_payment_and_its_parts_are_shown(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    terms = {"plans": ["full", "deposit"], "deposit_percent": 50}
    await venues.change(shop.hub, shop.owner, ChangeVenue.model_validate({"venue_id": shop.hotel.id, "terms": terms}))
    held = await shop.hold(shop.stay(2, days=40))
    full = await start(shop, held.id, plan="full")
    assert full.amount < held.price
    begun = await paid(shop, provider, held.id, plan="deposit")
    assert (begun.amount, begun.plan) == (held.price // 2, "deposit")
    booking = await shop.now(held)
    assert (booking.status, booking.plan, booking.price, booking.payment_status) == (
        "confirmed",
        "deposit",
        held.price,
        "partial",
    )
    assert isinstance(await refusal(start(shop, held.id, plan="full")), WrongState)
    shown = await folio.read(shop.hub, shop.customer, NameBooking(booking_id=held.id))
    assert [(one.state, one.amount) for one in shown.instalments] == [
        ("paid", held.price // 2),
        ("coming", held.price - held.price // 2),
    ]
    assert (shown.due, shown.next, shown.open) == (0, held.price - held.price // 2, held.price - held.price // 2)
    assert [one.amount for one in shown.movements] == [held.price // 2]
    assert {one.status for one in shown.payments} == {"completed", "pending"}
    assert (await paid(shop, provider, held.id)).amount == held.price - held.price // 2
    assert (await shop.now(held)).payment_status == "completed"
    await is_sound(shop, provider)


async def test_the_plan_of_the_payment_that_came_is_the_bookings(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    terms = {"plans": ["full", "deposit"], "deposit_percent": 50}
    await venues.change(shop.hub, shop.owner, ChangeVenue.model_validate({"venue_id": shop.hotel.id, "terms": terms}))
    held = await shop.hold(shop.stay(2, days=40))
    full = await start(shop, held.id, plan="full")
    await start(shop, held.id, plan="deposit")
    provider.pay(await named(shop, full))
    await settling.settle(shop.hub, full.id)
    booking = await shop.now(held)
    assert (booking.plan, booking.price, booking.paid, booking.payment_status) == (
        "full",
        full.amount,
        full.amount,
        "completed",
    )
    await is_sound(shop, provider)


async def test_what_a_plan_changes_of_a_booking_is_told_also_where_nothing_is_held(hub: Any) -> None:
    world = await World.build(hub)
    provide(hub, "stripe")
    booked = await world.book(world.stay())
    hub.told.clear()
    await start(world, booked.id)
    assert hub.names(f"user:{world.customer.user_id}").count("booking.changed") == 1
    await start(world, booked.id)
    assert hub.names(f"user:{world.customer.user_id}").count("booking.changed") == 1


async def test_only_those_it_concerns_see_a_payment_and_only_its_payer_how_to_go_on(shop: World) -> None:
    provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    begun = await start(shop, held.id)
    ask = NamePayment(payment_id=begun.id)
    assert (await payments.read(shop.hub, shop.customer, ask)).pay_at.redirect_url
    assert (await payments.read(shop.hub, shop.clerk, ask)).pay_at.redirect_url is None
    for nobody in (shop.stranger, Actor()):
        assert isinstance(await refusal(payments.read(shop.hub, nobody, ask)), NotFound)
    seen = await payments.listed(shop.hub, shop.clerk, ListPayments(venue_id=shop.hall.id))
    assert [one.id for one in seen.items] == [begun.id]
    assert (await payments.listed(shop.hub, shop.stranger, ListPayments())).items == []
    foreign = ListPayments(user_id=shop.customer.user_id)
    assert isinstance(await refusal(payments.listed(shop.hub, shop.stranger, foreign)), NotFound)


async def test_a_payer_can_leave_a_payment_and_not_one_that_came_in(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    begun = await start(shop, held.id)
    left = await payments.cancel(shop.hub, shop.customer, NamePayment(payment_id=begun.id))
    assert left.status == "cancelled"
    done = await paid(shop, provider, held.id)
    assert isinstance(
        await refusal(payments.cancel(shop.hub, shop.customer, NamePayment(payment_id=done.id))), WrongState
    )
    await is_sound(shop, provider)


async def test_a_booking_has_not_more_than_ten_payments_of_one_way_under_way(shop: World) -> None:
    provide(shop.hub, "stripe", "paypal")
    held = await shop.hold(shop.slot())
    for _ in range(payments.MOST_UNDER_WAY):
        await start(shop, held.id)
    assert isinstance(await refusal(start(shop, held.id)), payments.TooManyUnderWay)
    assert (await start(shop, held.id, "paypal")).status == "pending"


async def test_a_desk_sees_of_a_folio_what_is_its_venues(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    clerk = await builders.make_staff(shop.hub, shop.hall)
    held = await shop.hold(shop.slot(), shop.stay())
    await paid(shop, provider, held.id)
    ask = NameBooking(booking_id=held.id)
    whole, part = await folio.read(shop.hub, shop.customer, ask), await folio.read(shop.hub, clerk, ask)
    assert (whole.paid, whole.open, len(whole.payments), len(whole.instalments)) == (held.price, 0, 1, 1)
    assert (part.paid, part.booking.price, part.open) == (6000, 6000, 0)
    assert (part.quote, part.payments, part.refunds, part.instalments) == (None, [], [], [])
    assert [one.amount for one in part.movements] == [6000]
    assert isinstance(await refusal(folio.read(shop.hub, shop.stranger, ask)), NotFound)


async def test_a_provider_that_stays_silent_is_asked_within_a_minute_then_ever_more_seldom(shop: World) -> None:
    (provider,) = provide(shop.hub, "bakong")
    held = await shop.hold(shop.slot())
    begun = await start(shop, held.id, "bakong")
    async with shop.hub.pool.acquire() as db:
        until = "SELECT extract(epoch FROM ask_at - clock_timestamp()) FROM payments WHERE id = $1"
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
    provider.pay(await named(shop, begun))
    await settling.settle(shop.hub, begun.id)
    assert ((await row(shop, begun.id)).status, (await row(shop, begun.id)).finding) == ("completed", None)
