"""Rates: weekdays and seasons cost what their venue says, on boards, in quotes and in what is held."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from hub.core import GUEST, Actor
from hub.errors import Forbidden, Invalid, NotFound, Unauthenticated
from hub.models.availability import AskRoomAvailability, AskStayAvailability
from hub.models.rates import ChangeRate, CreateRate, ListRates, NameRate, Rate
from hub.models.room_types import NameRoomType
from hub.models.search import Search
from hub.services import availability, rates, room_types, search
from tests.builders import make_actor, make_room_type, make_staff, make_venue, slot
from tests.doors import ListeningHub
from tests.world import World, refusal


async def make_rate(world: World, **fields: Any) -> Rate:
    usual = {"room_type_id": world.pool.id, "name": "Weekend", "weekdays": ["fri", "sat"]}
    return await rates.create(world.hub, world.owner, CreateRate(**(usual | fields)))


def next_thursday() -> date:
    day = World.day(20)
    return day + timedelta(days=(3 - day.weekday()) % 7)


async def test_a_weekend_costs_its_own_price_wherever_it_is_shown_and_when_it_is_held(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await make_rate(world, percent=150)
    thursday = next_thursday()
    ask = AskStayAvailability(
        room_type_id=world.pool.id, check_in=thursday, check_out=thursday + timedelta(days=4), quantity=2
    )
    shown = await availability.of_type(hub, GUEST, ask)
    assert [night.price for night in shown.nights] == [9000, 13_500, 13_500, 9000]
    assert shown.price == 2 * 45_000
    days = (thursday - World.day(0)).days
    held = await world.hold(world.stay(4, 2, days=days))
    assert (held.price, held.items[0].unit_price) == (shown.price, 9000)


async def test_who_looks_for_a_day_is_shown_what_that_day_costs(hub: ListeningHub) -> None:
    world = await World.build(hub)
    friday = next_thursday() + timedelta(days=1)
    weekend = await make_rate(world, percent=150)
    await rates.change(hub, world.owner, ChangeRate(rate_id=weekend.id, weekdays=["fri"]))
    await make_rate(world, room_type_id=world.hall_type.id, weekdays=["fri"], price=100)
    await make_rate(world, starts_on=friday, ends_on=friday, weekdays=[], percent=201, name="Fair")
    for day, night, hour in [(friday - timedelta(days=1), 9000, 6000), (friday, 18_090, 100)]:
        ask = Search(check_in=day, check_out=day + timedelta(days=1), kind="hotel")
        assert [one.from_price for one in (await search.find(hub, GUEST, ask)).items] == [night]
        ask = Search(date=day, kind="hall")
        assert [one.from_price for one in (await search.find(hub, GUEST, ask)).items] == [hour]


async def test_hours_cost_the_rate_of_their_day(hub: ListeningHub) -> None:
    world = await World.build(hub)
    day = world.at(0).date()
    await make_rate(world, room_type_id=world.hall_type.id, weekdays=[], starts_on=day, ends_on=day, price=12_000)
    ask = AskRoomAvailability.model_validate(
        {"room_id": world.room.id, "from": world.at(22), "to": world.at(2, days=11), "minutes": 120}
    )
    slots = {one.starts_at: one.price for one in (await availability.of_room(hub, GUEST, ask)).slots}
    assert slots[world.at(22)] == 24_000
    assert slots[world.at(23)] == 18_000
    assert slots[world.at(0, days=11)] == 12_000
    assert (await world.hold(slot(world.room, world.at(23), 2))).price == 18_000


async def test_a_room_type_shows_its_rates_and_tells_when_one_changes(hub: ListeningHub) -> None:
    world = await World.build(hub)
    hub.told.clear()
    season = await make_rate(
        world, name="Season", weekdays=[], starts_on=world.day(), ends_on=world.day(50), price=11_000
    )
    weekend = await make_rate(world, percent=150)
    short = await make_rate(
        world, name="Fair", weekdays=["sat"], starts_on=world.day(), ends_on=world.day(22), price=20_000
    )
    assert hub.names(f"venue:{world.hotel.id}") == ["room_type.changed"] * 3
    shown = (await room_types.read(hub, GUEST, NameRoomType(room_type_id=world.pool.id))).rates
    assert [one.id for one in shown] == [short.id, season.id, weekend.id]
    changed = await rates.change(hub, world.owner, ChangeRate(rate_id=season.id, percent=90, ends_on=None))
    assert (changed.price, changed.percent, changed.ends_on, changed.starts_on) == (None, 90, None, world.day())
    await rates.delete(hub, world.owner, NameRate(rate_id=short.id))
    shown = (await room_types.read(hub, GUEST, NameRoomType(room_type_id=world.pool.id))).rates
    assert [one.id for one in shown] == [season.id, weekend.id]
    with pytest.raises(NotFound):
        await rates.read(hub, GUEST, NameRate(rate_id=short.id))


async def test_what_is_held_keeps_its_price_whatever_rates_become(hub: ListeningHub) -> None:
    world = await World.build(hub)
    rate = await make_rate(world, weekdays=[], price=5000)
    held = await world.hold(world.stay(2))
    await rates.change(hub, world.owner, ChangeRate(rate_id=rate.id, price=50_000))
    assert (await world.now(held)).price == held.price == 10_000
    assert (await world.hold(world.stay(2), by=world.rival)).price == 100_000


async def test_a_room_type_has_no_more_rates_than_everybody_can_be_told(hub: ListeningHub) -> None:
    world = await World.build(hub)
    async with hub.pool.acquire() as db:
        await db.execute(
            """
            INSERT INTO rates (venue_id, room_type_id, name, percent)
            SELECT $1, $2, 'Day ' || n, 100 FROM generate_series(1, 99) AS n
            """,
            world.hotel.id,
            world.pool.id,
        )
    last = await make_rate(world, percent=150)
    with pytest.raises(rates.TooManyRates):
        await make_rate(world, percent=150)
    await rates.delete(hub, world.owner, NameRate(rate_id=last.id))
    await make_rate(world, percent=150)


async def test_rates_are_found_by_what_they_are_about(hub: ListeningHub) -> None:
    world = await World.build(hub)
    season = await make_rate(world, name="Season", weekdays=[], starts_on=world.day(), ends_on=world.day(50), price=1)
    weekend = await make_rate(world, percent=150)
    hourly = await make_rate(world, room_type_id=world.hall_type.id, percent=50, name="Quiet")

    async def ids(actor: Actor = GUEST, **filters: Any) -> list[int]:
        return [one.id for one in (await rates.listed(hub, actor, ListRates(**filters))).items]

    for filters, expected in [
        ({}, [weekend.id, hourly.id, season.id]),
        ({"venue_id": world.hall.id}, [hourly.id]),
        ({"room_type_id": world.pool.id, "sort": "newest"}, [weekend.id, season.id]),
        ({"q": "seas"}, [season.id]),
        ({"on": world.day(51), "venue_id": world.hotel.id}, [weekend.id]),
    ]:
        assert await ids(**filters) == expected, filters


async def test_only_those_who_run_the_venue_set_its_rates(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    ask = CreateRate(room_type_id=room_type.id, name="Weekend", weekdays=["sat"], percent=120)
    rate = await rates.create(hub, owner, ask)
    for actor in [await make_staff(hub, venue, "manager"), await make_actor(hub, "admin")]:
        await rates.change(hub, actor, ChangeRate(rate_id=rate.id, percent=100 + (actor.user_id or 0) % 100))
    for actor, refused in [
        (await make_staff(hub, venue, "desk"), Forbidden),
        (await make_actor(hub, "vendor"), NotFound),
        (GUEST, Unauthenticated),
    ]:
        for act in [
            rates.create(hub, actor, ask),
            rates.change(hub, actor, ChangeRate(rate_id=rate.id, percent=1)),
            rates.delete(hub, actor, NameRate(rate_id=rate.id)),
        ]:
            with pytest.raises(refused):
                await act


async def test_a_season_that_ends_before_it_begins_is_refused(hub: ListeningHub) -> None:
    world = await World.build(hub)
    rate = await make_rate(world, weekdays=[], starts_on=world.day(), price=1)
    refused = await refusal(rates.change(hub, world.owner, ChangeRate(rate_id=rate.id, ends_on=world.day(1))))
    assert isinstance(refused, Invalid)
    assert refused.details["errors"][0]["field"] == "ends_on"


@pytest.mark.abuse("H24")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"price": 0.1 + 0.2}, "price"),
        ({"price": 1e-7}, "price"),
        ({"price": 100.0}, "price"),
        ({"price": "100"}, "price"),
        ({"price": -1}, "price"),
        ({"percent": 12.5}, "percent"),
        ({"percent": 1001}, "percent"),
        ({"percent": 1, "weekdays": ["sat", "sat"]}, "weekdays"),
        ({"percent": 1, "weekdays": ["someday"]}, "weekdays"),
    ],
)
def test_what_a_rate_cannot_be_is_refused_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        CreateRate.model_validate({"room_type_id": 1, "name": "Weekend"} | fields)
    assert refused.value.errors()[0]["loc"][0] == field


def test_a_rate_names_a_price_or_a_percent_and_not_both() -> None:
    for fields in ({}, {"price": 1, "percent": 1}):
        with pytest.raises(ValidationError, match="price or a percent"):
            CreateRate.model_validate({"room_type_id": 1, "name": "Weekend"} | fields)
