"""Refunds: decided by those who run the venue, carried out once whatever providers do, never more than was paid."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.core import GUEST, THE_HUB, Actor
from hub.errors import Conflict, Forbidden, HubError, Invalid, NotFound, TooLittle, Unauthenticated
from hub.gateways.bakong import BakongGateway
from hub.gateways.payments import Refunding
from hub.gateways.sandbox import SandboxGateway
from hub.jobs import refunds as sending
from hub.models.bookings import AskCancellation, Booking, CancelBooking, NameBooking, RescheduleBooking
from hub.models.cancellations import CancelledBooking
from hub.models.check_ins import CheckIn
from hub.models.refunds import DecideRefund, ListRefunds, NameRefund, Refund, RetryRefund
from hub.models.terms import Terms
from hub.services import bookings, check_ins, refunds
from hub.services.refunds import ONE_WAY, RefundDecided, RefundUnderWay
from storage import bookings as booking_store
from storage import ledger
from storage.check_ins import Known
from storage.soundness import faults
from tests import builders
from tests.doors import ListeningHub
from tests.money.coming_in import paid
from tests.money.provider import Provider, provide
from tests.money.provider import Taken as InBooks
from tests.world import World, another, refusal

WAITS = Terms(refund_approval_above=5000)


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub)


async def booked(world: World, *payments: tuple[str, int], days: int = 10) -> Booking:
    """Book the hall for two hours, which is 12,000, and let it have been paid in these parts."""
    made = await world.book(world.slot(10, 2, days=days))
    for gateway, amount in payments or (("stripe", 12_000),):
        await paid(world.hub, made, amount, gateway)
    return made


async def cancel(world: World, booking: Booking, by: Actor | None = None, **what: Any) -> CancelledBooking:
    return await bookings.cancel(world.hub, by or world.customer, CancelBooking(booking_id=booking.id, **what))


async def now(world: World, refund: Refund) -> Refund:
    return await refunds.read(world.hub, world.owner, NameRefund(refund_id=refund.id))


async def listed(world: World, by: Actor, **which: Any) -> list[int]:
    return [one.id for one in (await refunds.listed(world.hub, by, ListRefunds(**which))).items]


async def balance(world: World, kind: Any, **of: Any) -> int:
    async with world.hub.reading() as db:
        return await ledger.balance(db, kind, "EUR", **of)


def decide(refund: Refund, reason: str = "") -> DecideRefund:
    return DecideRefund(refund_id=refund.id, reason=reason)


# Where it goes


async def test_the_latest_payment_is_given_back_first_and_each_to_where_it_came_from(world: World) -> None:
    one = await booked(world, ("stripe", 5000), ("bakong", 4000), ("cash", 2000), ("paypal", 1000))
    given = (await cancel(world, one)).refunds
    assert [(each.amount, each.target, each.status) for each in given] == [
        (1000, "original", "approved"),
        (2000, "cash", "approved"),
        (4000, "wallet", "completed"),
        (5000, "original", "approved"),
    ]
    assert await balance(world, "wallet", user_id=world.customer.user_id) == 4000
    assert await balance(world, "refunds") == 8000
    assert {"refund.changed", "wallet.changed"} <= set(world.hub.names(f"user:{world.customer.user_id}"))
    assert world.hub.names(f"desk:{world.hall.id}").count("refund.changed") == 4


async def test_where_it_is_agreed_everything_goes_into_the_wallet(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=Terms(refund_to="wallet"))
    one = await booked(world, ("stripe", 5000), ("paypal", 7000))
    given = (await cancel(world, one)).refunds
    assert {each.target for each in given} == {"wallet"}
    assert await balance(world, "wallet", user_id=world.customer.user_id) == 12_000
    assert await sending.work_off(hub) == 0
    assert await faults(hub.pool) == {}


async def test_what_a_desk_says_it_took_in_cash_never_becomes_money_in_a_wallet(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=Terms(refund_to="wallet"))
    one = await booked(world, ("cash", 12_000))
    assert [each.target for each in (await cancel(world, one)).refunds] == ["cash"]
    assert await balance(world, "wallet", user_id=world.customer.user_id) == 0


def test_what_goes_into_the_wallet_at_once_is_what_its_gateway_cannot_give_back() -> None:
    assert {one.name for one in (BakongGateway, SandboxGateway) if not one.gives_back} == ONE_WAY


async def test_cash_is_handed_over_at_the_desk_that_took_it_and_once(world: World) -> None:
    one = await booked(world, ("cash", 12_000))
    (refund,) = (await cancel(world, one)).refunds
    name = NameRefund(refund_id=refund.id)
    for who, said in ((world.customer, Forbidden), (world.stranger, NotFound)):
        assert isinstance(await refusal(refunds.hand_over(world.hub, who, name)), said)
    done = await refunds.hand_over(world.hub, world.clerk, name)
    assert (done.status, await balance(world, "cash", venue_id=world.hall.id)) == ("completed", 0)
    assert isinstance(await refusal(refunds.hand_over(world.hub, world.clerk, name)), Conflict)
    assert await faults(world.hub.pool) == {}


async def test_after_release_the_venue_pays_it(world: World) -> None:
    one = await booked(world)
    async with world.hub.work(THE_HUB) as work:
        await booking_store.lock(work.db, one.id)
        of: Any = {"venue_id": world.hall.id, "booking_id": one.id}
        parts = [("escrow", -12_000), ("venue", 11_000), ("fees", 1000)]
        entries = [ledger.Entry(kind, amount, **of) for kind, amount in parts]  # type: ignore[arg-type]
        await ledger.post(work.db, "release", "EUR", entries, booking_id=one.id)
    await cancel(world, one)
    assert await balance(world, "venue", venue_id=world.hall.id) == -1000
    assert (await world.now(one)).paid == 0


# Approval


async def test_above_the_limit_it_waits_until_whoever_runs_the_venue_has_decided(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=WAITS)
    one = await booked(world)
    shown = await bookings.cancellation(hub, world.customer, AskCancellation(booking_id=one.id))
    cancelled = await cancel(world, one)
    (refund,) = cancelled.refunds
    assert (shown.needs_approval, refund.status, cancelled.paid) == (True, "pending", 12_000)
    for who, said in ((world.clerk, Forbidden), (world.customer, Forbidden), (world.stranger, NotFound)):
        assert isinstance(await refusal(refunds.approve(hub, who, decide(refund))), said)
        assert isinstance(await refusal(refunds.reject(hub, who, decide(refund, "No."))), said)
    approved = await refunds.approve(hub, world.owner, decide(refund, "They are ill."))
    assert (approved.status, approved.decision, (await world.now(one)).paid) == ("approved", "They are ill.", 0)
    assert isinstance(await refusal(refunds.approve(hub, world.owner, decide(refund))), RefundDecided)
    assert isinstance(await refusal(refunds.reject(hub, world.owner, decide(refund, "No."))), RefundDecided)
    assert await faults(hub.pool) == {}


async def test_what_is_rejected_says_why_and_is_kept_by_the_venue(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=WAITS)
    one = await world.book(world.slot(10, 2), world.slot(14, 1))
    await paid(hub, one, gateway="stripe")
    (refund,) = (await cancel(world, one, item_ids=[one.items[0].id])).refunds
    assert isinstance(await refusal(refunds.reject(hub, world.owner, decide(refund))), Invalid)
    done = await refunds.reject(hub, world.owner, decide(refund, "It was promised to be used."))
    left = await world.now(one)
    assert (done.status, left.paid, left.price) == ("rejected", 18_000, 18_000)
    assert [item.kind for item in left.items] == ["slot", "fee"]
    (rest,) = (await cancel(world, one)).refunds
    assert rest.amount == 6000
    assert await faults(hub.pool) == {}


async def test_slices_below_the_limit_do_not_go_past_it(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=WAITS)
    one = await world.book(world.place(6))
    await paid(hub, one, gateway="stripe")
    said = [(await cancel(world, one, guests=1)).refunds[0].status for _ in range(4)]
    assert said == ["approved", "approved", "pending", "pending"]
    assert (await world.now(one)).paid == 10_000
    assert sum(each.amount for each in (await cancel(world, one)).refunds) == 5000
    assert await faults(hub.pool) == {}


async def test_nobody_decides_about_their_own_refund_or_at_the_expense_of_a_venue_they_do_not_run(
    hub: ListeningHub,
) -> None:
    world = await World.build(hub, terms=WAITS)
    own = await world.book(world.slot(10, 2), by=world.owner)
    await paid(hub, own, gateway="stripe")
    (refund,) = (await cancel(world, own, world.owner)).refunds
    assert isinstance(await refusal(refunds.approve(hub, world.owner, decide(refund))), Forbidden)
    manager = await builders.make_staff(hub, world.hall, "manager")
    assert (await refunds.approve(hub, manager, decide(refund))).status == "approved"
    both = await world.book(world.slot(14), world.stay())
    await paid(hub, both, gateway="stripe")
    (refund,) = (await cancel(world, both)).refunds
    assert isinstance(await refusal(refunds.approve(hub, manager, decide(refund))), Forbidden)
    admin = await builders.make_actor(hub, "admin")
    assert (await refunds.approve(hub, admin, decide(refund))).status == "approved"


async def test_a_guest_lists_their_own_and_a_desk_those_of_its_venue(world: World) -> None:
    mine, theirs = await booked(world), await world.book(world.stay(), by=world.rival)
    await paid(world.hub, theirs, gateway="stripe")
    (first,), (second,) = (await cancel(world, mine)).refunds, (await cancel(world, theirs, world.rival)).refunds
    desk = await builders.make_staff(world.hub, world.hall)
    assert await listed(world, world.customer) == [first.id]
    assert await listed(world, world.rival) == [second.id]
    assert await listed(world, desk, venue_id=world.hall.id) == [first.id]
    assert await listed(world, await builders.make_actor(world.hub, "admin"), status="approved") == [
        second.id,
        first.id,
    ]
    for who, which, said in (
        (desk, {"venue_id": world.hotel.id}, NotFound),
        (world.customer, {"user_id": world.rival.user_id}, NotFound),
        (GUEST, {}, Unauthenticated),
    ):
        assert isinstance(await refusal(listed(world, who, **which)), said)
    assert isinstance(await refusal(refunds.read(world.hub, desk, NameRefund(refund_id=second.id))), NotFound)


# At the provider


async def at_provider(world: World, amount: int = 12_000) -> tuple[Provider, Refund]:
    """Cancel what was paid at a provider in memory."""
    (provider,) = provide(world.hub, "stripe")
    one = await booked(world, ("stripe", amount))
    async with world.hub.pool.acquire() as db:
        known = await db.fetchval("SELECT provider_id FROM payments")
    provider.books[known] = InBooks(None, "completed", amount=amount, currency="EUR")  # type: ignore[arg-type]
    (refund,) = (await cancel(world, one)).refunds
    return provider, refund


async def again(world: World) -> int:
    """Send what waits for its next try."""
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE refunds SET ask_at = clock_timestamp() WHERE ask_at IS NOT NULL")
    return await sending.work_off(world.hub)


async def test_a_provider_gives_back_once_however_often_it_is_asked(world: World) -> None:
    provider, refund = await at_provider(world)
    assert await sending.work_off(world.hub) == 1
    assert await again(world) == 0
    assert (await now(world, refund)).status == "completed"
    assert [taken.refunded for taken in provider.books.values()] == [12_000]
    assert await balance(world, "refunds") == 0
    assert await faults(world.hub.pool) == {}


@pytest.mark.abuse("H17")
async def test_a_provider_that_is_silent_is_asked_again_with_the_same_key_and_that_is_visible(world: World) -> None:
    provider, refund = await at_provider(world)
    provider.silent = 2
    for _ in range(2):
        await again(world)
        waiting = await now(world, refund)
        assert waiting.status == "approved"
        assert waiting.failure
    await again(world)
    done = await now(world, refund)
    assert (done.status, done.failure) == ("completed", None)
    assert [taken.refunded for taken in provider.books.values()] == [12_000]


async def test_what_a_provider_refuses_for_good_goes_into_the_wallet_when_somebody_says_so(world: World) -> None:
    provider, refund = await at_provider(world)
    provider.gives_back = False
    await sending.work_off(world.hub)
    failed = await now(world, refund)
    assert (failed.status, failed.failure) == ("failed", "That cannot be given back.")
    assert await again(world) == 0
    ask = RetryRefund(refund_id=refund.id, target="wallet")
    assert isinstance(await refusal(refunds.retry(world.hub, world.clerk, ask)), Forbidden)
    done = await refunds.retry(world.hub, world.owner, ask)
    assert (done.status, done.target) == ("completed", "wallet")
    assert await balance(world, "wallet", user_id=world.customer.user_id) == 12_000
    assert isinstance(await refusal(refunds.retry(world.hub, world.owner, ask)), RefundUnderWay)
    assert await faults(world.hub.pool) == {}


async def test_tried_again_after_a_refusal_it_is_another_refund_to_the_provider(world: World) -> None:
    provider, refund = await at_provider(world)
    provider.gives_back = False
    await sending.work_off(world.hub)
    provider.gives_back = True
    ask = RetryRefund(refund_id=refund.id)
    assert (await refunds.retry(world.hub, world.owner, ask)).status == "approved"
    elsewhere = RetryRefund(refund_id=refund.id, target="wallet")
    assert isinstance(await refusal(refunds.retry(world.hub, world.owner, elsewhere)), Conflict)
    await sending.work_off(world.hub)
    assert (await now(world, refund)).status == "completed"


async def test_what_a_provider_is_at_work_on_is_looked_at_until_it_has_arrived(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, refund = await at_provider(world)

    async def slow(*_: Any) -> Refunding:
        return Refunding("re_1", "processing")

    with monkeypatch.context() as patched:
        patched.setattr(provider, "refund", slow)
        patched.setattr(provider, "look_at_refund", slow)
        await again(world)
        await again(world)
        assert (await now(world, refund)).status == "processing"
    await again(world)
    assert (await now(world, refund)).status == "completed"
    told = [one.data for one in world.hub.told if one.name == "refund.changed" and one.room.startswith("user:")]
    assert len(told) == 3


async def test_what_was_called_back_at_the_bank_is_not_given_back_as_well(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=WAITS)
    one = await booked(world)
    (refund,) = (await cancel(world, one)).refunds
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE payments SET disputed_at = clock_timestamp()")
    assert isinstance(await refusal(refunds.approve(hub, world.owner, decide(refund))), Conflict)


# Races


async def refunded(world: World) -> int:
    async with world.hub.pool.acquire() as db:
        return int(await db.fetchval("SELECT coalesce(sum(amount), 0) FROM refunds WHERE status <> 'rejected'"))


async def take(hub: ListeningHub, booking_id: int, amount: int) -> bool:
    """Give some of a booking back, as whoever cancels part of it does."""
    try:
        async with hub.work(THE_HUB) as work:
            await booking_store.lock(work.db, booking_id)
            await refunds.give_back(work, booking_id, amount, "Rain.")
    except TooLittle:
        return False
    return True


async def test_however_many_give_back_at_once_it_is_never_more_than_was_paid(world: World) -> None:
    one = await booked(world, ("stripe", 7000), ("paypal", 5000))
    async with another(world.hub) as other:
        done = await asyncio.gather(*(take(hub, one.id, 5000) for hub in (world.hub, other) * 6))
    assert done.count(True) == 2
    assert await refunded(world) == 10_000
    assert await faults(world.hub.pool) == {}


async def test_control_without_the_booking_locked_more_is_given_back_than_was_paid(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await booked(world)
    # Whoever opens an account lets the others wait for it.
    await take(world.hub, one.id, 1000)
    together = asyncio.Barrier(3)
    real = ledger.post

    async def all_at_once(*what: Any, **more: Any) -> int:
        posted = await real(*what, **more)
        await together.wait()
        return posted

    monkeypatch.setattr(booking_store, "lock", booking_store.find)
    monkeypatch.setattr(ledger, "post", all_at_once)
    done = await asyncio.gather(*(take(world.hub, one.id, 11_000) for _ in range(3)))
    monkeypatch.undo()
    assert done.count(True) > 1
    assert await refunded(world) > 12_000


async def test_of_all_who_decide_at_once_one_does(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=Terms(refund_approval_above=5000, refund_to="wallet"))
    one = await booked(world)
    (refund,) = (await cancel(world, one)).refunds
    acts = [refunds.approve(hub, world.owner, decide(refund)) for _ in range(4)]
    acts += [refunds.reject(hub, world.owner, decide(refund, "No.")) for _ in range(2)]
    done = await asyncio.gather(*acts, return_exceptions=True)
    (decided,) = (each for each in done if isinstance(each, Refund))
    assert sum(isinstance(each, RefundDecided) for each in done) == 5
    kept = 0 if decided.status == "completed" else 12_000
    assert await balance(world, "wallet", user_id=world.customer.user_id) == 12_000 - kept
    assert (await world.now(one)).paid == kept
    assert await faults(hub.pool) == {}


@pytest.mark.abuse("H8")
async def test_whoever_cancels_moves_and_ends_a_booking_at_once_leaves_it_in_one_state(hub: ListeningHub) -> None:
    world = await World.build(hub, terms=Terms(non_refundable=True))
    for days in (10, 11, 12):
        one = await booked(world, days=days)
        move = RescheduleBooking.model_validate({"booking_id": one.id, "items": [world.slot(16, 2, days=days)]})
        name = NameBooking(booking_id=one.id)
        await world.begin(one)
        acts = (
            cancel(world, one, world.clerk, reason_code="venue"),
            cancel(world, one, world.clerk, reason_code="venue"),
            bookings.reschedule(world.hub, world.clerk, move),
            bookings.complete(world.hub, world.clerk, name),
            bookings.no_show(world.hub, world.clerk, name),
        )
        done = await asyncio.gather(*acts, return_exceptions=True)
        assert all(not isinstance(each, BaseException) or isinstance(each, HubError) for each in done)
        ended = [each for place, each in enumerate(done) if isinstance(each, Booking) and place != 2]
        left = await world.now(one)
        assert len(ended) == 1
        assert left.status == ended[0].status
        assert left.paid == (0 if left.status == "cancelled" else 12_000)
    assert await faults(world.hub.pool) == {}


@pytest.mark.abuse("H8")
async def test_a_guest_who_cancels_while_their_code_is_read_is_either_gone_or_here(world: World) -> None:
    for hour in (6, 8, 10):
        one = await world.book(world.slot(hour))
        await paid(world.hub, one, gateway="stripe")
        async with world.hub.pool.acquire() as db:
            await db.execute(
                "UPDATE booking_items SET starts_at = clock_timestamp() + interval '1 hour' WHERE booking_id = $1",
                one.id,
            )
        code = check_ins.code(world.hub, Known(id=one.id, reference=one.reference))
        done = await asyncio.gather(
            cancel(world, one), check_ins.check_in(world.hub, world.clerk, CheckIn(code=code)), return_exceptions=True
        )
        gone, here = (isinstance(each, Booking) for each in done)
        assert gone != here
        left = await world.now(one)
        assert (left.status, left.paid) == (("cancelled", 0) if gone else ("confirmed", 6000))
    assert await faults(world.hub.pool) == {}
