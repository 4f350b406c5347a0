"""How payments, cash, folios and what waits for somebody are asked about; a payment is begun first each time."""

from __future__ import annotations

from typing import Any

from hub.models.payments import StartPayment
from hub.services import payments
from storage import payments as store
from tests.abuse.asks import Ask, Make, ask, plain, venue
from tests.abuse.scene import Scene

plain("payments.methods")
plain("payments.list")
plain("operations.list")
plain("bookings.folio", lambda scene: {"booking_id": scene.booking.id})


@ask("payments.list/venue", "operations.list/venue")
async def _of_venue(scene: Scene, who: str) -> Ask:
    return Ask(body=venue(scene))


@ask("payments.list/somebodys")
async def _somebodys(scene: Scene, who: str) -> Ask:
    return Ask(body={"user_id": scene.colleague.id})


@ask("payments.start")
async def _start(scene: Scene, who: str) -> Ask:
    return Ask(body={"booking_id": scene.booking.id, "gateway": "sandbox"})


def _begun(**body: Any) -> Make:
    async def make(scene: Scene, who: str) -> Ask:
        payer = scene.person("customer").actor
        begun = await payments.start(scene.hub, payer, StartPayment(booking_id=scene.booking.id, gateway="sandbox"))
        return Ask({"payment_id": begun.id}, body or None)

    return make


ask("payments.read", "payments.check", "payments.cancel")(_begun())


@ask("payments.resolve")
async def _resolve(scene: Scene, who: str) -> Ask:
    made = await _begun(reason="It was paid back by hand.")(scene, who)
    async with scene.hub.reading() as db:
        await store.note(db, made.path["payment_id"], "It took another amount.")
    return made


@ask("bookings.cash")
async def _cash(scene: Scene, who: str) -> Ask:
    return Ask({"booking_id": scene.booking.id}, {"amount": 100})


@ask("POST /payments/events/{gateway}")
async def _event(scene: Scene, who: str) -> Ask:
    # Everybody may knock, and only the provider is believed.
    return Ask({"gateway": "sandbox"}, done=(400,))
