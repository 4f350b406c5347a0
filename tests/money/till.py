"""Begin to pay, pay and look at what came of it, as a customer and their provider do."""

from __future__ import annotations

from typing import Any

from hub.models.payments import NamePayment, StartedPayment, StartPayment
from hub.services import payments
from storage import payments as store
from storage.payments import PaymentRow
from storage.soundness import MONEY, faults
from tests.money.provider import Provider, clearing
from tests.world import World


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
