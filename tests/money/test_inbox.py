"""Whatever webhooks do, each payment changes its state once, to its provider's, and all money is accounted for (P6)."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from hub.core import Hub
from hub.jobs import reconciler, refunds, sweeper
from hub.models.bookings import Booking
from hub.models.payments import StartPayment
from hub.services import escrow, inbox, payments, settling
from storage import payments as store
from storage.soundness import MONEY, faults
from tests import builders
from tests.doors import AppServer, Http
from tests.money.provider import NAMES, Provider, clearing, provide, provider_id
from tests.world import World

KINDS = ("payment.created", "payment.processing", "payment.ended")
SENDERS, AT_ONCE = 16, 8
# What of all payments never has a webhook, comes ten minutes after its hold ran out, and is tried in their name.
NEVER, LATE, FORGED, STALE = 0.05, 0.02, 0.05, 0.05
# Of all webhooks, after how many the answer is lost; of all bookings of money, amid how many the worker dies.
UNANSWERED, KILLED = 0.1, 0.05


@dataclass
class Bill:
    """A payment under way, and how its provider knows it."""

    booking: Booking
    payment_id: int
    name: str
    provider: Provider


async def begun(hub: Hub, world: World, provider: Provider, item: dict[str, Any]) -> Bill:
    """Hold something and begin to pay for it."""
    held = await builders.make_hold(hub, world.customer, item)
    ask = StartPayment.model_validate({"booking_id": held.id, "gateway": provider.name})
    payment = await payments.start(hub, world.customer, ask)
    return Bill(held, payment.id, await provider_id(hub, payment.id), provider)


async def open_shop(hub: Any) -> World:
    """Open venues that confirm only what is paid, where one person may hold as much as they like."""
    hub.settings = replace(hub.settings, holds_per_person=5000, holds_per_venue=5000)
    return await World.build(hub, confirmation="payment")


async def a_minute_goes_by(hub: Hub) -> None:
    """Let the reconciler's minute be over, and all that is due then be asked and sent."""
    async with hub.pool.acquire() as db:
        assert not await db.fetchval(
            """
            SELECT count(*) FROM payments
            WHERE status IN ('starting', 'pending') AND finding IS NULL
              AND coalesce(ask_at > clock_timestamp() + interval '60 seconds', true)
            """
        )
        await db.execute("UPDATE payments SET ask_at = clock_timestamp() WHERE ask_at IS NOT NULL")
    while await reconciler.reconcile(hub):
        pass
    await refunds.work_off(hub)


async def is_settled(hub: Hub, bills: list[Bill]) -> None:
    """See that every payment is as its provider says, and that all money in is of bookings or goes back."""
    async with hub.pool.acquire() as db:
        states = dict(await db.fetch("SELECT id, status FROM payments"))
        came_in = await db.fetchval("SELECT coalesce(sum(amount), 0) FROM payments WHERE status = 'completed'")
        of_bookings = await db.fetchval(
            """
            SELECT coalesce(sum(amount), 0) FROM ledger_entries
            WHERE booking_id IS NOT NULL AND kind IN ('escrow', 'venue', 'fees', 'tax')
            """
        )
        gone_back = await db.fetchval("SELECT coalesce(sum(amount), 0) FROM refunds WHERE status = 'completed'")
    assert {one.payment_id: states[one.payment_id] for one in bills} == {
        one.payment_id: one.provider.books[one.name].state for one in bills
    }
    assert all(one.provider.books[one.name].captured <= 1 for one in bills)
    assert came_in == of_bookings + gone_back
    for provider in {one.provider.name: one.provider for one in bills}.values():
        assert await clearing(hub, provider.name) == provider.total
    assert await faults(hub.pool) == {}


class Weather:
    """Providers' webhooks to the hub's door: three times each, in any order, some forged, some stale, some unheard."""

    def __init__(self, http: Http, chance: random.Random) -> None:
        self.http, self.chance = http, chance
        self.sent: set[str] = set()
        self.answers: list[tuple[str, int, float]] = []

    def about(self, bill: Bill) -> list[tuple[str, Bill, bytes, dict[str, str]]]:
        """Write all that is sent about a payment: (what it is, of which, body, headers)."""
        events: list[tuple[str, Bill, bytes, dict[str, str]]] = []
        written = [bill.provider.event(bill.name, kind) for kind in KINDS]
        if self.chance.random() >= NEVER:
            events += [("genuine", bill, body, bill.provider.headers(body)) for body in written for _ in range(3)]
        if self.chance.random() < FORGED:
            body = bill.provider.event(bill.name, KINDS[-1])
            events.append(("forged", bill, body, bill.provider.forged(body)))
        if self.chance.random() < STALE:
            body = bill.provider.event(bill.name, KINDS[-1])
            events.append(("stale", bill, body, bill.provider.headers(body, seconds_old=3600)))
        return events

    async def blow(self, events: list[tuple[str, Bill, bytes, dict[str, str]]]) -> None:
        """Send all of it at once, through a few connections."""
        self.chance.shuffle(events)
        waiting = iter(events)
        await asyncio.gather(*(self._send(waiting) for _ in range(SENDERS)))

    async def _send(self, waiting: Any) -> None:
        for what, bill, body, headers in waiting:
            # Whoever does not hear the answer sends again.
            for _ in range(1 + (self.chance.random() < UNANSWERED)):
                started = time.perf_counter()
                answer = await self.http.post(
                    f"/payments/events/{bill.provider.name}", data=body, headers={**headers, "Accept": "*/*"}
                )
                self.answers.append((what, answer.status, time.perf_counter() - started))


async def storm(app_server: AppServer, http: Http, monkeypatch: pytest.MonkeyPatch, count: int) -> Weather:
    """Have so many payments made through three providers in bad weather, and see that all is settled after a minute."""
    hub, chance = app_server.hub, random.Random(20)
    world = await open_shop(hub)
    providers = provide(hub, *NAMES)
    session = await builders.make_session(
        hub, world.owner, world.hall, capacity=2 * count, starts_at=builders.tomorrow(days=5)
    )
    bills: list[Bill] = []
    for first in range(0, count, AT_ONCE):
        bills += await asyncio.gather(
            *(
                begun(hub, world, providers[n % len(providers)], builders.place(session))
                for n in range(first, min(first + AT_ONCE, count))
            )
        )
    late = chance.sample(bills, max(1, round(count * LATE)))
    for bill in bills:
        fate = chance.random()
        if bill in late:
            bill.provider.take(bill.name)
        elif fate < 0.85:
            bill.provider.pay(bill.name)
        elif fate < 0.95:
            bill.provider.fail(bill.name)
        else:
            # The payer has gone; the provider ends it by itself.
            bill.provider.books[bill.name].state = "cancelled"
    await World.run_out(world, *(bill.booking for bill in late))
    await sweeper.sweep(hub)

    weather = Weather(http, chance)
    _kill_now_and_then(monkeypatch, chance)
    events = [event for bill in bills for event in weather.about(bill)]
    reconciling = asyncio.create_task(reconciler.run(hub))
    await weather.blow(events)
    reconciling.cancel()
    await asyncio.wait({reconciling})
    for _ in range(3):
        await a_minute_goes_by(hub)
    monkeypatch.undo()
    await a_minute_goes_by(hub)
    await is_settled(hub, bills)

    statuses = {what: {status for one, status, _ in weather.answers if one == what} for what in ("genuine", "forged")}
    assert statuses["genuine"] == {200}
    assert {status for what, status, _ in weather.answers if what != "genuine"} == {400}
    genuine = {(bill.provider.name, body) for what, bill, body, _ in events if what == "genuine"}
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM provider_events") == len(genuine)
    return weather


def _kill_now_and_then(monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
    """Let a worker die now and then in the middle of booking money."""
    take_in = escrow.take_in

    async def die(*how: Any, **more: Any) -> None:
        await take_in(*how, **more)
        if chance.random() < KILLED:
            raise RuntimeError("the worker died")

    monkeypatch.setattr(escrow, "take_in", die)


@pytest.mark.abuse("H12", "H13", "H17", "P6")
@pytest.mark.usefixtures("patient")
async def test_webhooks_in_bad_weather_settle_every_payment_once(
    app_server: AppServer, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storm(app_server, http, monkeypatch, 60)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("patient")
async def test_a_thousand_payments_are_settled_and_their_webhooks_answered_within_a_second(
    app_server: AppServer, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    weather = await storm(app_server, http, monkeypatch, 1000)
    seconds = sorted(seconds for what, _, seconds in weather.answers if what == "genuine")
    assert seconds[round(len(seconds) * 0.99)] < 1


async def test_without_states_that_only_go_forward_an_event_told_twice_is_money_twice(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def once_more(work: Any, payment: Any, booking: Any, look: Any) -> None:
        await settling._completed(work, payment, booking, (), look)

    world = await open_shop(hub)
    (provider,) = provide(hub, "bakong")
    bill = await begun(hub, world, provider, world.place())
    provider.pay(bill.name)
    monkeypatch.setattr(settling, "_after", once_more)
    # Two workers, each of which remembers only what it has seen itself.
    for _ in range(2):
        await settling.settle(hub, bill.payment_id)
    assert "a payment has come in that the ledger does not have once, or the other way round" in await faults(
        hub.pool, MONEY
    )


Late = Callable[[Hub, World, list[Bill]], Awaitable[None]]


@pytest.mark.parametrize("name", NAMES)
async def test_late_and_twice_and_lost_money_in_is_bookings_and_refunds(hub: Any, name: str) -> None:
    world = await open_shop(hub)
    (provider,) = provide(hub, name)
    # (when the money comes, how often that is told), each with an hour of its own.
    ways = list(itertools.product(("in time", "late", "too late"), (0, 1, 3)))
    bills: dict[tuple[str, int], Bill] = {}
    for hour, way in enumerate(ways):
        bills[way] = await begun(hub, world, provider, world.slot(hour))
    for (when, _), bill in bills.items():
        provider.take(bill.name)
        if when != "in time":
            await world.run_out(bill.booking)
    await sweeper.sweep(hub)
    for hour, (when, _) in enumerate(ways):
        if when == "too late":
            await builders.make_hold(hub, world.rival, world.slot(hour))
    for (_, times), bill in bills.items():
        body = provider.event(bill.name, "payment.ended")
        news = [await inbox.receive(hub, name, provider.headers(body), body) for _ in range(times)]
        assert news == [True, False, False][:times]
    while await reconciler.reconcile(hub):
        pass
    for (_, times), bill in bills.items():
        async with hub.reading() as db:
            found = await store.find(db, bill.payment_id)
        assert found is not None
        # What was told is known at once, what was lost not yet.
        assert found.status == ("completed" if times else "pending")
    await a_minute_goes_by(hub)
    for (when, _), bill in bills.items():
        booking = await world.now(bill.booking)
        assert (booking.status, booking.paid) == (
            ("expired", 0) if when == "too late" else ("confirmed", bill.booking.price)
        )
    await is_settled(hub, list(bills.values()))
