"""The whole way of money by card and PayPal: the hub, its gateways and a provider that is a server of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

import pytest
import stripe
from aiohttp import web

from hub.core import Hub
from hub.gateways.payments import Gateways, PaymentGateway
from hub.gateways.paypal import PayPalGateway
from hub.gateways.paypal_client import Client
from hub.gateways.paypal_signatures import Signatures
from hub.gateways.stripe import StripeGateway
from hub.jobs import reconciler, refunds
from hub.models.bookings import Booking, CancelBooking
from hub.models.payments import StartPayment
from hub.services import bookings, payments, settling
from storage.soundness import MONEY, faults
from tests import stripe_server
from tests.doors import AppServer, Http
from tests.money.provider import clearing, provider_id
from tests.paypal_server import CLIENT_ID, CLIENT_SECRET, MERCHANT, WEBHOOK_ID, PayPal, Signer
from tests.stripe_server import Stripe
from tests.world import World

Event = tuple[dict[str, str], bytes]


class Shore(ABC):
    """A provider as a payer and a bank see it."""

    gateway: PaymentGateway
    server: Stripe | PayPal

    @abstractmethod
    def pays(self, named: str) -> None:
        """Let the payer do what a payer does at the provider."""

    @abstractmethod
    def calls_back(self, named: str) -> None:
        """Let the payer dispute a payment."""

    @abstractmethod
    def event(self, named: str) -> Event:
        """Write an event about a payment, as it is sent."""

    @property
    @abstractmethod
    def total(self) -> int:
        """Sum up, in cents, what has come in there and not gone back."""

    @property
    @abstractmethod
    def begun(self) -> int:
        """Count the payments that were ever begun there."""


class Cards(Shore):
    """Stripe."""

    def __init__(self) -> None:
        self.server = self.stripe = Stripe()
        keys = (stripe_server.SECRET_KEY, stripe_server.PUBLISHABLE_KEY, stripe_server.WEBHOOK_SECRET)
        self.gateway = StripeGateway(*keys, live=False, address=self.stripe.url)

    def pays(self, named: str) -> None:
        """Confirm with a good card."""
        self.stripe.pays(named)

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


class Wallets(Shore):
    """PayPal."""

    def __init__(self, signer: Signer) -> None:
        self.server = self.paypal = PayPal(signer)
        signatures = Signatures(WEBHOOK_ID, self.paypal.url, [signer.authority.root])
        self.gateway = PayPalGateway(Client(CLIENT_ID, CLIENT_SECRET, self.paypal.url), MERCHANT, signatures)

    def pays(self, named: str) -> None:
        """Approve."""
        self.paypal.approves(named)

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


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture(params=["stripe", "paypal"])
async def shore(
    request: pytest.FixtureRequest, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shore]:
    # The library waits before it repeats itself.
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    shore: Shore = Cards() if request.param == "stripe" else Wallets(signer)
    runner = web.AppRunner(shore.server.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", shore.server.port).start()
    yield shore
    await shore.gateway.close()
    await runner.cleanup()


async def open_shop(hub: Any, shore: Shore) -> World:
    """Open venues that confirm only what is paid, and take money there only."""
    hub.gateways_of_money = Gateways(shore.gateway)
    return await World.build(hub, confirmation="payment")


async def begin(world: World, shore: Shore, booking: Booking) -> tuple[int, str]:
    """Begin to pay; answers the payment, and how the provider knows it."""
    ask = StartPayment.model_validate({"booking_id": booking.id, "gateway": shore.gateway.name})
    begun = await payments.start(world.hub, world.customer, ask)
    return begun.id, await provider_id(world.hub, begun.id)


async def is_sound(hub: Hub, shore: Shore) -> None:
    """See that the hub's books are in order and equal to the provider's."""
    assert await faults(hub.pool, MONEY) == {}
    assert await clearing(hub, shore.gateway.name) == shore.total


async def tell(http: Http, shore: Shore, event: Event) -> tuple[int, Any]:
    """Send an event to the door for providers."""
    headers, body = event
    answer = await http.post(f"/payments/events/{shore.gateway.name}", data=body, headers=headers)
    return answer.status, answer.data


@pytest.mark.abuse("H12", "H13", "H17")
async def test_a_payment_is_begun_once_told_three_times_and_booked_once(
    app_server: AppServer, http: Http, shore: Shore
) -> None:
    hub = app_server.hub
    world = await open_shop(hub, shore)
    held = await world.hold(world.slot())
    shore.server.loses = 1
    payment_id, named = await begin(world, shore, held)
    assert shore.begun == 1

    shore.pays(named)
    event = shore.event(named)
    forged = {name: said[:-4] + "beef" for name, said in event[0].items()}
    assert (await tell(http, shore, (forged, event[1])))[0] == 400
    assert await tell(http, shore, event) == (200, {"received": True, "known": False})
    for _ in range(2):
        assert await tell(http, shore, event) == (200, {"received": True, "known": True})
    while await reconciler.reconcile(hub):
        pass
    booking = await world.now(held)
    assert (booking.status, booking.paid, booking.payment_status) == ("confirmed", held.price, "completed")
    await settling.settle(hub, payment_id)
    assert (await world.now(held)).paid == held.price
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM provider_events") == 1
        kept = await db.fetchval("SELECT provider_data::text FROM payments WHERE id = $1", payment_id)
    assert "number" not in kept
    await is_sound(hub, shore)


@pytest.mark.abuse("H17")
async def test_what_is_cancelled_goes_back_once_though_the_answer_is_lost(hub: Any, shore: Shore) -> None:
    world = await open_shop(hub, shore)
    held = await world.hold(world.slot(days=30))
    payment_id, named = await begin(world, shore, held)
    shore.pays(named)
    await settling.settle(hub, payment_id)
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


async def test_money_for_a_place_that_is_gone_goes_back_or_is_never_taken(hub: Any, shore: Shore) -> None:
    world = await open_shop(hub, shore)
    held = await world.hold(world.slot())
    payment_id, named = await begin(world, shore, held)
    await world.run_out(held)
    await world.book(world.slot(), by=world.rival)
    shore.pays(named)
    await settling.settle(hub, payment_id)
    await refunds.work_off(hub)
    booking = await world.now(held)
    assert (booking.status, booking.paid) == ("expired", 0)
    assert shore.total == 0
    await is_sound(hub, shore)


async def test_what_nobody_wants_any_more_can_not_be_paid_there(hub: Any, shore: Shore) -> None:
    world = await open_shop(hub, shore)
    held = await world.hold(world.slot())
    payment_id, _ = await begin(world, shore, held)
    await bookings.cancel(hub, world.customer, CancelBooking(booking_id=held.id))
    assert (await settling.settle(hub, payment_id)).status == "cancelled"
    assert shore.total == 0


async def test_what_a_payer_calls_back_is_taken_out_of_the_booking(
    app_server: AppServer, http: Http, shore: Shore
) -> None:
    hub = app_server.hub
    world = await open_shop(hub, shore)
    held = await world.hold(world.slot())
    payment_id, named = await begin(world, shore, held)
    shore.pays(named)
    await settling.settle(hub, payment_id)
    shore.calls_back(named)
    assert (await tell(http, shore, shore.event(named)))[0] == 200
    while await reconciler.reconcile(hub):
        pass
    assert (await world.now(held)).paid == 0
    assert await clearing(hub, shore.gateway.name) == 0
    assert await faults(hub.pool, MONEY) == {}
