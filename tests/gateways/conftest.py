"""Payment providers for the tests of gateways, each a server of its own on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from hub.gateways.payments import Order
from tests.paypal_server import PayPal, Signer
from tests.stripe_server import LocalStripe, Stripe, run_localstripe


@pytest.fixture
def order() -> Order:
    """Two nights, at 120.50 dollars."""
    return Order(
        payment_id=7,
        key="0f8fad5b-d9cb-469f-a165-70867728950e",
        amount=12050,
        currency="USD",
        title="Booking K7Q2: two nights",
        return_url="http://localhost:8000/checkout/5?payment=7",
        begun_at=datetime.now(UTC),
        expires_at=datetime.now(UTC) + timedelta(minutes=10),
    )


@pytest.fixture
async def stripe_server() -> AsyncIterator[Stripe]:
    """Run our own Stripe."""
    server = Stripe()
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", server.port).start()
    yield server
    await runner.cleanup()


@pytest.fixture(scope="session")
async def localstripe() -> AsyncIterator[LocalStripe]:
    """Run somebody else's Stripe."""
    async with run_localstripe() as server:
        yield server


@pytest.fixture(scope="session")
def signer() -> Signer:
    """Make PayPal's signing key."""
    return Signer()


@pytest.fixture
async def paypal_server(signer: Signer) -> AsyncIterator[PayPal]:
    """Run our own PayPal."""
    server = PayPal(signer)
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", server.port).start()
    yield server
    await runner.cleanup()
