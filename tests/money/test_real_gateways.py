"""Through the hub's real gateways, at servers that answer as the providers do: money in is bookings and refunds."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from hub.gateways import khqr, paypal_signatures
from hub.gateways.bakong import BakongGateway
from hub.gateways.payments import Gateways, PaymentGateway
from hub.gateways.paypal import PayPalGateway
from hub.gateways.paypal_client import Client
from hub.gateways.paypal_signatures import Signatures
from hub.gateways.stripe import StripeGateway
from hub.jobs import reconciler, refunds, sweeper
from hub.models.payments import StartPayment
from hub.services import inbox, payments
from storage import payments as store
from storage.payments import PaymentRow
from storage.soundness import faults
from tests import bakong_server, paypal_server, stripe_server
from tests.doors import ListeningHub
from tests.money.provider import clearing
from tests.world import World

# How a payer pays at a provider; how it tells that, where it does; what it has taken and not given back.
Pay = Callable[[PaymentRow], None]
Tell = Callable[[PaymentRow], tuple[dict[str, str], bytes]]
Total = Callable[[], int]
Rig = tuple[PaymentGateway, Pay, Tell | None, Total]


@asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[None]:
    """Serve on this machine."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def stripe() -> AsyncIterator[Rig]:
    """Take cards."""
    server = stripe_server.Stripe()
    keys = stripe_server.SECRET_KEY, stripe_server.PUBLISHABLE_KEY, stripe_server.WEBHOOK_SECRET

    def tell(payment: PaymentRow) -> tuple[dict[str, str], bytes]:
        body = server.event("payment_intent.succeeded", server.intents[str(payment.provider_id)])
        return server.signed(body), body

    def total() -> int:
        taken = sum(one.get("amount_received", 0) for one in server.intents.values())
        return taken - sum(one["amount"] for one in server.refunds.values())

    async with serving(server.app(), server.port):
        gateway = StripeGateway(*keys, live=False, address=server.url)
        yield gateway, lambda payment: server.pays(str(payment.provider_id)), tell, total
        await gateway.close()


@asynccontextmanager
async def paypal() -> AsyncIterator[Rig]:
    """Take what is approved at PayPal."""
    server = paypal_server.PayPal(paypal_server.Signer())

    def tell(payment: PaymentRow) -> tuple[dict[str, str], bytes]:
        body = server.event("CHECKOUT.ORDER.APPROVED", server.orders[str(payment.provider_id)])
        return server.signed(body), body

    def total() -> int:
        taken = sum(_minor(one["amount"]) for one in server.captures.values())
        return taken - sum(_minor(one["amount"]) for one in server.refunds.values())

    async with serving(server.app(), server.port):
        client = Client(paypal_server.CLIENT_ID, paypal_server.CLIENT_SECRET, server.url)
        signatures = Signatures(paypal_server.WEBHOOK_ID, client, [server.signer.authority.root])
        gateway = PayPalGateway(client, paypal_server.MERCHANT, signatures)
        yield gateway, lambda payment: server.approves(str(payment.provider_id)), tell, total
        await gateway.close()


@asynccontextmanager
async def bakong() -> AsyncIterator[Rig]:
    """Take what is paid by scanning a code; the bank tells nothing and gives nothing back."""
    bank = bakong_server.Bank()

    def total() -> int:
        return sum(round(one["amount"] * 100) for one in bank.paid.values())

    async with serving(bank.app(), bank.port):
        payee = khqr.Payee("hotel@bank", "Hotel Aurora")
        gateway = BakongGateway(payee, bakong_server.TOKEN, bank.url)
        yield gateway, lambda payment: bank.pay(payment.provider_data["qr"]), None, total


def _minor(amount: dict[str, str]) -> int:
    return round(float(amount["value"]) * 100)


@pytest.mark.parametrize("rig", [stripe, paypal, bakong])
async def test_late_or_lost_money_in_is_bookings_and_refunds(
    hub: ListeningHub, rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paypal_signatures, "SECONDS_BETWEEN", 0.0)
    async with rig() as (gateway, pay, tell, total):
        hub.gateways_of_money = Gateways(gateway)
        world = await World.build(hub, confirmation="payment", currency="USD")
        ways = list(itertools.product(("in time", "late", "too late"), (True, False)))
        held = {way: await world.hold(world.slot(hour), by=_guest(world, hour)) for hour, way in enumerate(ways)}
        begun = {}
        for hour, (way, booking) in enumerate(held.items()):
            ask = StartPayment(booking_id=booking.id, gateway=gateway.name)
            started = await payments.start(hub, _guest(world, hour), ask)
            async with hub.reading() as db:
                begun[way] = await store.lock(db, started.id)
            pay(begun[way])
            if way[0] != "in time":
                await world.run_out(booking)
        await sweeper.sweep(hub)
        for hour, (when, _) in enumerate(ways):
            if when == "too late":
                await world.hold(world.slot(hour), by=world.stranger)
        for (_, is_told), payment in begun.items():
            if is_told and tell is not None:
                assert await inbox.receive(hub, gateway.name, *tell(payment))
        while await reconciler.reconcile(hub):
            pass
        async with hub.pool.acquire() as db:
            await db.execute("UPDATE payments SET ask_at = clock_timestamp() WHERE ask_at IS NOT NULL")
        while await reconciler.reconcile(hub):
            pass
        await refunds.work_off(hub)
        for (when, _), booking in held.items():
            now = await world.now(booking)
            if when == "too late":
                # What PayPal's payer has approved is not even taken, when the place is gone.
                ended = "pending" if gateway.name == "paypal" else "refunded"
                assert (now.status, now.paid, now.payment_status) == ("expired", 0, ended)
            else:
                assert (now.status, now.paid, now.payment_status) == ("confirmed", booking.price, "completed")
        assert await clearing(hub, gateway.name) == total()
        assert total() == 6000 * (6 if gateway.name == "bakong" else 4)
        assert await faults(hub.pool) == {}


def _guest(world: World, hour: int) -> Any:
    """Answer somebody who does not hold too much yet."""
    return world.customer if hour % 2 else world.rival
