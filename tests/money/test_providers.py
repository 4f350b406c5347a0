"""The whole way of money: the hub, its gateways, and providers that are servers of their own."""

from __future__ import annotations

import contextlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import stripe
from aiohttp import web

from hub.core import Hub
from hub.errors import GatewayUnreachable
from hub.gateways import khqr
from hub.gateways.bakong import BakongGateway
from hub.gateways.payments import Gateways, PaymentGateway
from hub.gateways.paypal import PayPalGateway
from hub.gateways.paypal_client import Client
from hub.gateways.paypal_signatures import Signatures
from hub.gateways.stripe import StripeGateway
from hub.jobs import reconciler, refunds
from hub.models.bookings import Booking, CancelBooking
from hub.models.payments import StartPayment
from hub.services import bookings, inbox, payments, settling
from storage import payments as store
from storage.payments import PaymentRow
from storage.soundness import MONEY, faults
from tests import stripe_server
from tests.bakong_server import TOKEN, Bank
from tests.doors import AppServer, Http
from tests.money.provider import clearing
from tests.paypal_server import CLIENT_ID, CLIENT_SECRET, MERCHANT, WEBHOOK_ID, PayPal, Signer
from tests.stripe_server import Stripe
from tests.world import World

Event = tuple[dict[str, str], bytes]


class Shore(ABC):
    """A provider as a payer and a bank see it."""

    gateway: PaymentGateway
    server: Stripe | PayPal | Bank

    @abstractmethod
    def pays(self, payment: PaymentRow) -> None:
        """Let the payer do what a payer does at the provider."""

    @abstractmethod
    def falters(self) -> None:
        """Let the next answer be lost."""

    @property
    @abstractmethod
    def total(self) -> int:
        """Sum up, in cents, what has come in there and not gone back."""


class Telling(Shore):
    """A provider that tells by itself, and gives back."""

    server: Stripe | PayPal

    @abstractmethod
    def calls_back(self, named: str) -> None:
        """Let the payer dispute a payment."""

    @abstractmethod
    def event(self, named: str) -> Event:
        """Write an event about a payment, as it is sent."""

    @property
    @abstractmethod
    def begun(self) -> int:
        """Count the payments that were ever begun there."""

    def falters(self) -> None:
        """Lose the next answer after its effect."""
        self.server.loses = 1


class Cards(Telling):
    """Stripe."""

    def __init__(self) -> None:
        self.server = self.stripe = Stripe()
        keys = (stripe_server.SECRET_KEY, stripe_server.PUBLISHABLE_KEY, stripe_server.WEBHOOK_SECRET)
        self.gateway = StripeGateway(*keys, live=False, address=self.stripe.url)

    def pays(self, payment: PaymentRow) -> None:
        """Confirm with a good card."""
        self.stripe.pays(str(payment.provider_id))

    def calls_back(self, named: str) -> None:
        """Have the bank take it back."""
        self.stripe.disputes_it(named, "needs_response")

    def event(self, named: str) -> Event:
        """Tell of the PaymentIntent."""
        body = self.stripe.event("payment_intent.succeeded", {"id": named, "object": "payment_intent"})
        return self.stripe.signed(body), body

    @property
    def total(self) -> int:
        """Add charges up."""
        charges = [one["latest_charge"] for one in self.stripe.intents.values() if one["latest_charge"]]
        return sum(one["amount_captured"] - one["amount_refunded"] for one in charges)

    @property
    def begun(self) -> int:
        """Count PaymentIntents."""
        return len(self.stripe.intents)


class Wallets(Telling):
    """PayPal."""

    def __init__(self, signer: Signer) -> None:
        self.server = self.paypal = PayPal(signer)
        client = Client(CLIENT_ID, CLIENT_SECRET, self.paypal.url)
        signatures = Signatures(WEBHOOK_ID, client, [signer.authority.root])
        self.gateway = PayPalGateway(client, MERCHANT, signatures)

    def pays(self, payment: PaymentRow) -> None:
        """Approve."""
        self.paypal.approves(str(payment.provider_id))

    def calls_back(self, named: str) -> None:
        """Have PayPal take it back."""
        self.paypal.disputes = [{"status": "UNDER_REVIEW", "dispute_life_cycle_stage": "CHARGEBACK"}]

    def event(self, named: str) -> Event:
        """Tell of the order."""
        body = self.paypal.event("CHECKOUT.ORDER.APPROVED", {"id": named})
        return self.paypal.signed(body), body

    @property
    def total(self) -> int:
        """Add captures up."""
        taken = sum(_cents(one) for one in self.paypal.captures.values())
        return taken - sum(_cents(one) for one in self.paypal.refunds.values())

    @property
    def begun(self) -> int:
        """Count orders."""
        return len(self.paypal.orders)


def _cents(one: dict[str, Any]) -> int:
    return int(one["amount"]["value"].replace(".", ""))


class Codes(Shore):
    """Bakong, which neither tells nor gives back."""

    def __init__(self) -> None:
        self.server = self.bank = Bank()
        self.gateway = BakongGateway(khqr.Payee("hotel@bank", "Hotel Aurora"), TOKEN, self.bank.url)

    def pays(self, payment: PaymentRow) -> None:
        """Scan the code."""
        self.bank.pay(payment.provider_data["qr"])

    def falters(self) -> None:
        """Be down until it is asked again."""
        self.bank.is_down = True

    @property
    def total(self) -> int:
        """Add up what was scanned."""
        return sum(round(one["amount"] * 100) for one in self.bank.paid.values())


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer()


@asynccontextmanager
async def running(shore: Shore) -> AsyncIterator[Shore]:
    """Run a provider."""
    runner = web.AppRunner(shore.server.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", shore.server.port).start()
    yield shore
    await shore.gateway.close()
    await runner.cleanup()


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Stripe's library repeat itself without waiting."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)


@pytest.fixture(params=["stripe", "paypal"])
async def shore(request: pytest.FixtureRequest, signer: Signer) -> AsyncIterator[Telling]:
    telling = Cards() if request.param == "stripe" else Wallets(signer)
    async with running(telling):
        yield telling


async def open_shop(hub: Any, *shores: Shore) -> World:
    """Open venues that confirm only what is paid, and take money there only."""
    hub.gateways_of_money = Gateways(*(shore.gateway for shore in shores))
    hub.settings = replace(hub.settings, holds_per_person=500, holds_per_venue=500)
    return await World.build(hub, confirmation="payment", currency="USD")


async def begin(world: World, shore: Shore, booking: Booking) -> PaymentRow:
    """Begin to pay."""
    ask = StartPayment.model_validate({"booking_id": booking.id, "gateway": shore.gateway.name})
    begun = await payments.start(world.hub, world.customer, ask)
    async with world.hub.reading() as db:
        found = await store.find(db, begun.id)
    assert found is not None
    assert found.provider_id is not None
    return found


async def is_sound(hub: Hub, shore: Shore) -> None:
    """See that the hub's books are in order and equal to the provider's."""
    assert await faults(hub.pool, MONEY) == {}
    assert await clearing(hub, shore.gateway.name) == shore.total


async def tell(http: Http, shore: Telling, event: Event) -> tuple[int, Any]:
    """Send an event to the door for providers."""
    headers, body = event
    answer = await http.post(f"/payments/events/{shore.gateway.name}", data=body, headers=headers)
    return answer.status, answer.data


@pytest.mark.abuse("H12", "H13", "H17")
async def test_a_payment_is_begun_once_told_three_times_and_booked_once(
    app_server: AppServer, http: Http, shore: Telling
) -> None:
    hub = app_server.hub
    world = await open_shop(hub, shore)
    held = await world.hold(world.slot())
    shore.falters()
    payment = await begin(world, shore, held)
    assert shore.begun == 1

    shore.pays(payment)
    event = shore.event(str(payment.provider_id))
    forged = {name: said[:-4] + "beef" for name, said in event[0].items()}
    assert (await tell(http, shore, (forged, event[1])))[0] == 400
    assert await tell(http, shore, event) == (200, {"received": True, "known": False})
    for _ in range(2):
        assert await tell(http, shore, event) == (200, {"received": True, "known": True})
    while await reconciler.reconcile(hub):
        pass
    booking = await world.now(held)
    assert (booking.status, booking.paid, booking.payment_status) == ("confirmed", held.price, "completed")
    await settling.settle(hub, payment.id)
    assert (await world.now(held)).paid == held.price
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM provider_events") == 1
        kept = await db.fetchval("SELECT provider_data::text FROM payments WHERE id = $1", payment.id)
    assert "number" not in kept
    await is_sound(hub, shore)


@pytest.mark.abuse("H17")
async def test_what_is_cancelled_goes_back_once_though_the_answer_is_lost(hub: Any, shore: Telling) -> None:
    world = await open_shop(hub, shore)
    held = await world.hold(world.slot(days=30))
    payment = await begin(world, shore, held)
    shore.pays(payment)
    await settling.settle(hub, payment.id)
    assert shore.total == held.price
    await bookings.cancel(hub, world.customer, CancelBooking(booking_id=held.id))
    # Every answer is lost; the refund is sent again with the same key.
    shore.server.loses = 4
    await refunds.work_off(hub)
    shore.server.loses = 0
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE refunds SET ask_at = clock_timestamp() WHERE status <> 'completed'")
    await refunds.work_off(hub)
    assert (shore.total, len(shore.server.refunds)) == (0, 1)
    booking = await world.now(held)
    assert (booking.status, booking.paid, booking.payment_status) == ("cancelled", 0, "refunded")
    await is_sound(hub, shore)


async def test_money_for_a_place_that_is_gone_goes_back_or_is_never_taken(hub: Any, shore: Telling) -> None:
    world = await open_shop(hub, shore)
    held = await world.hold(world.slot())
    payment = await begin(world, shore, held)
    await world.run_out(held)
    await world.book(world.slot(), by=world.rival)
    shore.pays(payment)
    await settling.settle(hub, payment.id)
    await refunds.work_off(hub)
    booking = await world.now(held)
    assert (booking.status, booking.paid) == ("expired", 0)
    assert shore.total == 0
    await is_sound(hub, shore)


async def test_what_nobody_wants_any_more_can_not_be_paid_there(hub: Any, shore: Telling) -> None:
    world = await open_shop(hub, shore)
    held = await world.hold(world.slot())
    payment = await begin(world, shore, held)
    await bookings.cancel(hub, world.customer, CancelBooking(booking_id=held.id))
    assert (await settling.settle(hub, payment.id)).status == "cancelled"
    assert shore.total == 0


async def test_what_a_payer_calls_back_is_taken_out_of_the_booking(
    app_server: AppServer, http: Http, shore: Telling
) -> None:
    hub = app_server.hub
    world = await open_shop(hub, shore)
    held = await world.hold(world.slot())
    payment = await begin(world, shore, held)
    shore.pays(payment)
    await settling.settle(hub, payment.id)
    shore.calls_back(str(payment.provider_id))
    assert (await tell(http, shore, shore.event(str(payment.provider_id))))[0] == 200
    while await reconciler.reconcile(hub):
        pass
    assert (await world.now(held)).paid == 0
    assert await clearing(hub, shore.gateway.name) == 0
    assert await faults(hub.pool, MONEY) == {}


@pytest.mark.abuse("H12", "H17", "P6")
async def test_late_told_again_or_never_and_lost_all_money_is_of_a_booking_or_goes_back(
    hub: Any, signer: Signer
) -> None:
    async with running(Cards()) as cards, running(Wallets(signer)) as wallets, running(Codes()) as codes:
        shores = (cards, wallets, codes)
        world = await open_shop(hub, *shores)
        ways = itertools.product(shores, ("in time", "late", "too late"), (0, 3), (False, True))
        ended: dict[int, tuple[Booking, str]] = {}
        for day, (shore, when, told, is_lost) in enumerate(ways, start=10):
            slot = world.slot(days=day)
            held = await world.hold(slot)
            if is_lost and isinstance(shore, Telling):
                shore.falters()
            payment = await begin(world, shore, held)
            if when != "in time":
                await world.run_out(held)
            if when == "too late":
                await world.book(slot, by=world.rival)
            shore.pays(payment)
            if is_lost:
                shore.falters()
            await heard(hub, shore, payment, told)
            codes.bank.is_down = False
            ended[held.id] = held, when
        await a_minute_goes_by(hub)

        for held, when in ended.values():
            booking = await world.now(held)
            is_booked = ("expired", 0) if when == "too late" else ("confirmed", held.price)
            assert (booking.status, booking.paid) == is_booked, when
        for shore in shores:
            await is_sound(hub, shore)
        async with hub.pool.acquire() as db:
            came_in = await db.fetchval("SELECT sum(amount) FROM payments WHERE status = 'completed'")
            booked = sum(held.price for held, when in ended.values() if when != "too late")
            back = await db.fetchval("SELECT sum(amount) FROM refunds WHERE status = 'completed'")
            in_wallets = await db.fetchval("SELECT sum(amount) FROM ledger_entries WHERE kind = 'wallet'")
        assert back > in_wallets > 0
        assert came_in == booked + back
        assert sum(shore.total for shore in shores) == booked + in_wallets


async def heard(hub: Hub, shore: Shore, payment: PaymentRow, told: int) -> None:
    """Hear of a payment so many times, and be asked about it by whoever comes back from there."""
    if isinstance(shore, Telling):
        headers, body = shore.event(str(payment.provider_id))
        for _ in range(told):
            await inbox.receive(hub, shore.gateway.name, headers, body)
    with contextlib.suppress(GatewayUnreachable):
        for _ in range(told):
            await settling.settle(hub, payment.id)


async def a_minute_goes_by(hub: Hub) -> None:
    """Let the reconciler's minute be over, and all be asked and sent that is due then."""
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE payments SET ask_at = clock_timestamp() WHERE ask_at IS NOT NULL")
    while await reconciler.reconcile(hub):
        pass
    await refunds.work_off(hub)


async def test_control_without_giving_back_late_money_stays_with_a_booking_that_ran_out(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def keep(*_: Any) -> None:
        """Give nothing back."""

    monkeypatch.setattr(settling, "_give_back", keep)
    async with running(Cards()) as cards:
        world = await open_shop(hub, cards)
        held = await world.hold(world.slot())
        payment = await begin(world, cards, held)
        await world.run_out(held)
        await world.book(world.slot(), by=world.rival)
        cards.pays(payment)
        await settling.settle(hub, payment.id)
        await a_minute_goes_by(hub)
        booking = await world.now(held)
        assert (booking.status, booking.paid, cards.total) == ("expired", held.price, held.price)
