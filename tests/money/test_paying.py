"""Whoever pays chooses a way, a plan and an amount, and sees what becomes of it; nobody else does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hub.core import THE_HUB, Actor
from hub.errors import (
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
from hub.gateways.payments import Began, Declined
from hub.models.bookings import CancelBooking, NameBooking
from hub.models.folio import RecordCash
from hub.models.payments import ListPayments, NamePayment, StartPayment
from hub.models.venues import ChangeVenue
from hub.services import bookings, folio, payments, refunds, settling, venues
from hub.work import Repeat, Repeated
from storage import bookings as booking_store
from tests import builders
from tests.money.coming_in import filled
from tests.money.provider import provide
from tests.money.till import is_sound, named, paid, start
from tests.world import World, refusal


@pytest.fixture
async def shop(hub: Any) -> World:
    """Open venues that confirm only what is paid."""
    return await World.build(hub, confirmation="payment")


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
        # However long it took to begin.
        assert until - 1 < (kept.expires_at - held.created_at).total_seconds() < until + 60
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


async def test_who_did_not_come_is_not_asked_to_pay_again_what_was_given_back(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot(10, 2))
    await paid(shop, provider, held.id)
    async with shop.hub.work(THE_HUB) as work:
        await booking_store.lock(work.db, held.id)
        await refunds.give_back(work, held.id, 2000, "The tea was cold.")
    await shop.begin(held)
    await bookings.no_show(shop.hub, shop.clerk, NameBooking(booking_id=held.id))
    assert isinstance(await refusal(start(shop, held.id)), WrongState)
    cash = RecordCash(booking_id=held.id, amount=100)
    assert isinstance(await refusal(folio.record_cash(shop.hub, shop.clerk, cash)), WrongState)


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


async def test_what_is_declined_at_once_stays_so_however_often_it_is_asked(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def decline(*_: Any) -> Began:
        raise Declined("This card is stolen.")

    (provider,) = provide(shop.hub, "stripe")
    held = await shop.hold(shop.slot())
    ask = StartPayment(booking_id=held.id, gateway="stripe")
    assert shop.customer.user_id is not None
    again = replace(shop.customer, repeat=Repeat(shop.customer.user_id, "payments.start", "one", b"{}"))
    monkeypatch.setattr(provider, "begin", decline)
    for _ in range(2):
        refused = await refusal(payments.start(shop.hub, again, ask))
        assert (type(refused), refused.sentence) == (PaymentRefused, "This card is stolen.")
    (begun,) = (await payments.listed(shop.hub, shop.customer, ListPayments())).items
    for act in (payments.check, payments.cancel):
        assert (await act(shop.hub, shop.customer, NamePayment(payment_id=begun.id))).status == "failed"
    assert (await settling.settle(shop.hub, begun.id)).status == "failed"


async def test_the_same_key_is_for_the_same_plan_and_currency(shop: World) -> None:
    (provider,) = provide(shop.hub, "stripe")
    assert shop.customer.user_id is not None
    one, two = (
        replace(shop.customer, repeat=Repeat(shop.customer.user_id, "payments.start", key, b"{}"))
        for key in ("one", "two")
    )
    ask = StartPayment(booking_id=(await shop.hold(shop.slot())).id, gateway="stripe")
    provider.silent = 2
    assert isinstance(await refusal(payments.start(shop.hub, one, ask)), GatewayUnreachable)
    assert isinstance(await refusal(payments.start_top_up(shop.hub, two, "stripe", 5, "EUR")), GatewayUnreachable)
    other = ask.model_copy(update={"plan": "deposit"})
    assert isinstance(await refusal(payments.start(shop.hub, one, other)), KeyReused)
    assert isinstance(await refusal(payments.start_top_up(shop.hub, two, "stripe", 5, "USD")), KeyReused)
    assert len(provider.books) == 2


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


async def test_whoever_only_reads_payments_stops_none(shop: World) -> None:
    [provider] = provide(shop.hub, "stripe")
    begun = await start(shop, (await shop.hold(shop.slot())).id, provider.name)
    ask = NamePayment(payment_id=begun.id)
    reader = replace(shop.stranger, permissions=frozenset({"booking:read", "payment:read"}))
    assert isinstance(await refusal(payments.cancel(shop.hub, reader, ask)), Forbidden)
    assert isinstance(await refusal(payments.cancel(shop.hub, shop.stranger, ask)), NotFound)
    assert (await payments.cancel(shop.hub, shop.clerk, ask)).status == "cancelled"


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
    own = await shop.hold(shop.slot(16), by=shop.clerk)
    taken = RecordCash(booking_id=own.id, amount=own.price)
    assert isinstance(await refusal(folio.record_cash(shop.hub, shop.clerk, taken)), Forbidden)
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
