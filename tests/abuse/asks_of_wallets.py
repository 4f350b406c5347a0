"""How wallets are asked about, where something has to be prepared first."""

from __future__ import annotations

from hub.models.wallet import Adjust
from hub.services import adjustments
from tests.abuse.asks import Ask, ask, plain
from tests.abuse.scene import Scene

for _name in ("wallet.show", "wallet.entries", "wallet.adjustments", "points.show"):
    plain(_name)


@ask("wallet.show/somebodys", "wallet.entries/somebodys", "points.show/somebodys")
async def _somebodys(scene: Scene, who: str) -> Ask:
    return Ask(body={"user_id": scene.colleague.id})


@ask("wallet.top_up")
async def _top_up(scene: Scene, who: str) -> Ask:
    return Ask(body={"gateway": "sandbox", "amount": 500, "currency": "EUR"})


@ask("wallet.adjust")
async def _adjust(scene: Scene, who: str) -> Ask:
    body = {"user_id": scene.colleague.id, "amount": 500, "currency": "EUR", "reason": "The tea was cold."}
    return Ask(body=body)


@ask("wallet.approve", "wallet.reject")
async def _decide(scene: Scene, who: str) -> Ask:
    asked = Adjust(user_id=scene.colleague.id, amount=500_000, currency="EUR", reason="The roof leaked.")
    made = await adjustments.adjust(scene.hub, scene.admin_too.actor, asked)
    return Ask({"adjustment_id": made.id}, {"reason": "So it did."})


@ask("wallet.unfreeze")
async def _unfreeze(scene: Scene, who: str) -> Ask:
    user_id = scene.colleague.id
    async with scene.hub.reading() as db:
        await db.execute(
            """
            INSERT INTO accounts (kind, user_id, currency, frozen_at) VALUES ('wallet', $1, 'EUR', clock_timestamp())
            ON CONFLICT ON CONSTRAINT account_once DO UPDATE SET frozen_at = excluded.frozen_at
            """,
            user_id,
        )
    return Ask(body={"user_id": user_id, "currency": "EUR", "reason": "It was settled."})
