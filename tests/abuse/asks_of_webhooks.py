"""How a venue's webhooks are asked about; one is made first each time."""

from __future__ import annotations

from typing import Any

from tests.abuse.asks import Ask, Make, ask, venue
from tests.abuse.scene import Scene

# Public, and nobody's: nothing is ever sent there, for no job runs while rights are judged.
ADDRESS = "https://1.1.1.1/hooks"


async def _made(scene: Scene, venue_id: int) -> int:
    async with scene.hub.reading() as db:
        webhook_id: int = await db.fetchval(
            """
            INSERT INTO webhooks (venue_id, url, events, secret) VALUES ($1, $2, '{booking.confirmed}', 'x')
            RETURNING id
            """,
            venue_id,
            ADDRESS,
        )
        await db.execute("INSERT INTO webhook_lanes (webhook_id) VALUES ($1)", webhook_id)
    return webhook_id


def _with_one(**body: Any) -> Make:
    async def make(scene: Scene, who: str) -> Ask:
        return Ask(venue(scene) | {"webhook_id": await _made(scene, scene.venue.id)}, body or None)

    return make


@ask("webhooks.create")
async def _create(scene: Scene, who: str) -> Ask:
    return Ask(venue(scene), {"url": ADDRESS})


@ask("webhooks.get/another_venues")
async def _of_another_venue(scene: Scene, who: str) -> Ask:
    return Ask(venue(scene) | {"webhook_id": await _made(scene, scene.spare["venue_id"])})


ask("webhooks.list", "webhooks.get", "webhooks.delete", "webhooks.rotate")(_with_one())
ask("webhooks.try_out", "webhooks.deliveries")(_with_one())
ask("webhooks.change")(_with_one(description="For the till"))
ask("webhooks.replay")(_with_one(since=0))
