"""How offers are asked about; one is made first each time."""

from __future__ import annotations

from hub.models.offers import Offer
from tests import builders
from tests.abuse.asks import Ask, ask, plain, venue
from tests.abuse.scene import Scene

plain("offers.list")


@ask("offers.create")
async def _create(scene: Scene, who: str) -> Ask:
    return Ask(body=venue(scene) | {"code": "SPRING", "basis_points": 500})


@ask("offers.create/of_the_hub")
async def _create_everywhere(scene: Scene, who: str) -> Ask:
    return Ask(body={"code": "SPRING", "basis_points": 500})


@ask("offers.get", "offers.delete")
async def _one(scene: Scene, who: str) -> Ask:
    return Ask({"offer_id": (await _made(scene)).id})


@ask("offers.get/not_public")
async def _secret(scene: Scene, who: str) -> Ask:
    return Ask({"offer_id": (await _made(scene, is_public=False)).id})


@ask("offers.delete/of_the_hub")
async def _one_everywhere(scene: Scene, who: str) -> Ask:
    return Ask({"offer_id": (await _made_everywhere(scene)).id})


@ask("offers.change")
async def _change(scene: Scene, who: str) -> Ask:
    return Ask({"offer_id": (await _made(scene)).id}, {"basis_points": 600})


@ask("offers.change/of_the_hub")
async def _change_everywhere(scene: Scene, who: str) -> Ask:
    return Ask({"offer_id": (await _made_everywhere(scene)).id}, {"basis_points": 600})


async def _made(scene: Scene, **fields: bool) -> Offer:
    return await builders.make_offer(scene.hub, scene.person("owner").actor, scene.venue, **fields)


async def _made_everywhere(scene: Scene) -> Offer:
    return await builders.make_offer(scene.hub, scene.person("super").actor)
