"""Places in a session and rooms of a pool: as many are sold as there are, and no more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from hub.core import Actor
from hub.errors import HubError
from hub.models.bookings import MakeBooking
from hub.services import placing
from storage.pool import Pool
from tests.doors import ListeningHub
from tests.races import guards, stage
from tests.races.checking import faults

CLIENTS = 200


async def rush(hubs: Sequence[ListeningHub], who: Sequence[Actor], items: Sequence[dict[str, Any]]) -> Counter[int]:
    """Let each ask for one item, all at once; every second only holds it."""

    async def one(number: int, actor: Actor, item: dict[str, Any]) -> int:
        try:
            ask = MakeBooking.model_validate({"items": [item]})
            await placing.place(hubs[number % len(hubs)], actor, ask, at_once=number % 4 < 2)
        except HubError as error:
            return error.status
        return 201

    return Counter(
        await asyncio.gather(*(one(n, actor, item) for n, (actor, item) in enumerate(zip(who, items, strict=True))))
    )


def stays(house: stage.House, seed: int, most: int = 1) -> list[dict[str, Any]]:
    """Draw overlapping stays of one to seven nights within three weeks."""
    chance = Random(seed)
    return [
        stage.stay(chance.randrange(14), chance.randint(1, 7), chance.randint(1, most), room_type_id=house.pool_type)
        for _ in range(CLIENTS)
    ]


async def most_booked(pool: Pool, house: stage.House) -> int:
    """Count the rooms on the fullest night, by the items that were sold."""
    async with pool.acquire() as db:
        return int(
            await db.fetchval(
                """
                SELECT max(rooms) FROM (
                    SELECT sum(i.quantity) AS rooms
                    FROM booking_items AS i JOIN bookings AS b ON b.id = i.booking_id
                    CROSS JOIN generate_series(i.check_in, i.check_out - 1, interval '1 day') AS night
                    WHERE i.room_type_id = $1 AND b.status IN ('held', 'pending', 'confirmed')
                    GROUP BY night
                ) AS nights
                """,
                house.pool_type,
            )
        )


async def test_two_hundred_clients_want_ten_places(hubs: list[ListeningHub]) -> None:
    who = await stage.people(hubs[0].pool, CLIENTS)
    house = await stage.house(hubs[0].pool)
    for _ in range(3):
        item = stage.place(await house.session(10))
        assert await rush(hubs, who, [item] * CLIENTS) == {201: 10, 409: CLIENTS - 10}
    assert await faults(hubs[0].pool) == {}


async def test_parties_fill_a_session_but_never_overfill_it(hubs: list[ListeningHub]) -> None:
    who = await stage.people(hubs[0].pool, CLIENTS)
    house = await stage.house(hubs[0].pool)
    session = await house.session(100)
    chance = Random(7)
    got = await rush(hubs, who, [stage.place(session, chance.randint(1, 4)) for _ in range(CLIENTS)])
    assert set(got) == {201, 409}
    async with hubs[0].pool.acquire() as db:
        taken = await db.fetchval("SELECT taken FROM session_places WHERE session_id = $1", session)
    # Whoever was refused wanted more than the few places that were left.
    assert 97 <= taken <= 100
    assert await faults(hubs[0].pool) == {}


async def test_two_hundred_overlapping_stays_in_a_pool_of_five(hubs: list[ListeningHub]) -> None:
    pool = hubs[0].pool
    who = await stage.people(pool, CLIENTS)
    for seed in range(3):
        house = await stage.house(pool, pool_size=5)
        got = await rush(hubs, who, stays(house, seed, most=2))
        assert set(got) == {201, 409}
        assert await most_booked(pool, house) == 5
    assert await faults(pool) == {}


async def test_two_hundred_overlapping_stays_in_five_numbered_rooms(hubs: list[ListeningHub]) -> None:
    """Whoever loses the room chosen for them gets another one while there is one."""
    pool = hubs[0].pool
    who = await stage.people(pool, CLIENTS)
    house = await stage.house(pool, rooms=5)
    chance = Random(3)
    items = [
        stage.stay(chance.randrange(14), chance.randint(1, 7), room_type_id=house.room_type) for _ in range(CLIENTS)
    ]
    got = await rush(hubs, who, items)
    assert set(got) == {201, 409}
    assert await faults(pool) == {}


async def test_the_last_room_is_found_for_everybody_there_is_one_for(hubs: list[ListeningHub]) -> None:
    who = await stage.people(hubs[0].pool, 20)
    house = await stage.house(hubs[0].pool, rooms=20)
    item = stage.stay(0, 2, room_type_id=house.room_type)
    assert (await rush(hubs, who, [item] * 20))[201] == 20
    assert await faults(hubs[0].pool) == {}


async def test_control_without_its_guards_more_places_are_sold_than_there_are(hubs: list[ListeningHub]) -> None:
    pool = hubs[0].pool
    await guards.without_locks(pool)
    await guards.without_constraints(pool)
    who = await stage.people(pool, CLIENTS)
    house = await stage.house(pool)
    for _ in range(20):
        item = stage.place(await house.session(10))
        if (await rush(hubs, who, [item] * CLIENTS))[201] > 10:
            break
    found = await faults(pool)
    assert "more claims on a session than it has places" in found
    assert "more places booked in a session than it has" in found


async def test_control_without_its_guards_a_pool_is_overbooked(hubs: list[ListeningHub]) -> None:
    pool = hubs[0].pool
    await guards.without_locks(pool)
    await guards.without_constraints(pool)
    who = await stage.people(pool, CLIENTS)
    for seed in range(20):
        house = await stage.house(pool, pool_size=5)
        await rush(hubs, who, stays(house, seed))
        if await most_booked(pool, house) > 5:
            break
    found = await faults(pool)
    assert "more claims on a night than there are rooms" in found
    assert "more rooms booked on a night than there are" in found
