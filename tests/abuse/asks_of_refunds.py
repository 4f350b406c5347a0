"""How cancellations and refunds are asked about; money is paid and asked back first each time."""

from __future__ import annotations

from typing import Any

from hub.core import THE_HUB
from hub.services import refunds
from storage import bookings
from tests.abuse.asks import Ask, Make, ask, plain, venue
from tests.abuse.scene import Scene
from tests.money.coming_in import paid

plain("bookings.cancellation", lambda scene: {"booking_id": scene.booking.id})
plain("refunds.list")


@ask("refunds.list/venue")
async def _of_venue(scene: Scene, who: str) -> Ask:
    return Ask(body=venue(scene))


@ask("refunds.list/somebodys")
async def _somebodys(scene: Scene, who: str) -> Ask:
    return Ask(body={"user_id": scene.colleague.id})


def _asked_back(*, waits: bool, gateway: str = "sandbox", **body: Any) -> Make:
    async def make(scene: Scene, who: str) -> Ask:
        await paid(scene.hub, scene.booking, 100, gateway)
        async with scene.hub.work(THE_HUB) as work:
            await bookings.lock(work.db, scene.booking.id)
            limit = 0 if waits else None
            (refund,) = await refunds.give_back(work, scene.booking.id, 100, "It rained.", approval_above=limit)
        return Ask({"refund_id": refund.id}, body or None)

    return make


ask("refunds.read")(_asked_back(waits=True))
ask("refunds.approve", "refunds.reject")(_asked_back(waits=True, reason="So it did."))
ask("refunds.retry")(_asked_back(waits=False))
ask("refunds.hand_over")(_asked_back(waits=False, gateway="cash"))
