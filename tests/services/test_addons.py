from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from hub.core import GUEST
from hub.errors import Forbidden, NotFound, Unauthenticated
from hub.models.addons import ChangeAddon, CreateAddon, ListAddons, NameAddon
from hub.models.room_types import CreateRoomType
from hub.models.sessions import CreateSession
from hub.services import addons
from tests.builders import make_actor, make_addon, make_staff, make_venue
from tests.doors import ListeningHub


async def test_an_addon_is_sold_in_the_venues_currency(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, currency="JPY")
    addon = await make_addon(hub, owner, venue, price=800, price_per="guest")
    assert (addon.currency, addon.price, addon.price_per) == ("JPY", 800, "guest")
    assert addon == await addons.read(hub, GUEST, NameAddon(addon_id=addon.id))
    changed = await addons.change(hub, owner, ChangeAddon(addon_id=addon.id, price=900))
    assert changed.model_dump(exclude={"price", "updated_at"}) == addon.model_dump(exclude={"price", "updated_at"})
    assert changed.price == 900


async def test_a_deleted_addon_is_gone(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    addon = await make_addon(hub, owner, await make_venue(hub, owner))
    await addons.delete(hub, owner, NameAddon(addon_id=addon.id))
    assert (await addons.listed(hub, owner, ListAddons())).items == []
    for gone in [
        addons.read(hub, owner, NameAddon(addon_id=addon.id)),
        addons.change(hub, owner, ChangeAddon(addon_id=addon.id, price=1)),
        addons.delete(hub, owner, NameAddon(addon_id=addon.id)),
    ]:
        with pytest.raises(NotFound):
            await gone


async def test_addons_are_found_by_what_they_are(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue, hidden = await make_venue(hub, owner), await make_venue(hub, owner, is_active=False)
    await make_addon(hub, owner, venue, name="Breakfast", price=900, price_per="guest")
    await make_addon(hub, owner, venue, name="Projector", price=5000, is_active=False)
    await make_addon(hub, owner, hidden, name="Sauna", price=100)

    async def names(actor: Any = GUEST, **filters: Any) -> list[str]:
        return [one.name for one in (await addons.listed(hub, actor, ListAddons(**filters))).items]

    for filters, expected in [
        ({}, ["Breakfast", "Projector"]),
        ({"venue_id": venue.id, "sort": "-price"}, ["Projector", "Breakfast"]),
        ({"venue_id": hidden.id}, []),
        ({"q": "fast"}, ["Breakfast"]),
        ({"price_per": "guest"}, ["Breakfast"]),
        ({"is_active": False}, ["Projector"]),
    ]:
        assert await names(**filters) == expected, filters
    assert await names(owner, sort="price") == ["Sauna", "Breakfast", "Projector"]


async def test_only_those_who_run_the_venue_change_its_addons(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    addon = await make_addon(hub, owner, venue)
    for actor in [await make_staff(hub, venue, "manager"), await make_actor(hub, "admin")]:
        await addons.change(hub, actor, ChangeAddon(addon_id=addon.id, price=actor.user_id))
    for actor, refusal in [
        (await make_staff(hub, venue, "desk"), Forbidden),
        (await make_actor(hub, "vendor"), NotFound),
        (GUEST, Unauthenticated),
    ]:
        for refused in [
            make_addon(hub, actor, venue),
            addons.change(hub, actor, ChangeAddon(addon_id=addon.id, price=1)),
            addons.delete(hub, actor, NameAddon(addon_id=addon.id)),
        ]:
            with pytest.raises(refusal):
                await refused


@pytest.mark.parametrize(("field", "value"), [("price", -1), ("price_per", "day"), ("name", ""), ("currency", "EUR")])
def test_what_an_addon_cannot_have_is_refused_by_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        CreateAddon.model_validate({"venue_id": 1, "name": "Breakfast", field: value})
    assert refused.value.errors()[0]["loc"][0] == field


@pytest.mark.abuse("H24")
@pytest.mark.parametrize("price", [0.3, 5.0, 1e3, "5", True, None, 10**13])
@pytest.mark.parametrize("ask", [CreateAddon, CreateRoomType, CreateSession])
def test_a_price_is_a_whole_number_of_minor_units(ask: type[BaseModel], price: Any) -> None:
    for said, is_refused in ((price, True), (5, False)):
        with pytest.raises(ValidationError) as refused:
            ask.model_validate({"price": said})
        assert ("price" in {error["loc"][0] for error in refused.value.errors()}) == is_refused
