"""Fifty want one slot at once: one has it, whatever way they come, and without the guards they would share it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg

from hub.core import Actor
from hub.errors import HubError
from hub.models.bookings import MakeBooking
from hub.services import placing
from storage.pool import as_owner
from tests.doors import AppServer, Http, ListeningHub, People
from tests.races import guards, stage
from tests.races.checking import faults

CLIENTS = 50


async def rush(hubs: Sequence[ListeningHub], who: Sequence[Actor], item: dict[str, Any]) -> Counter[int]:
    """Let everybody ask for the same at once, half of them to hold and half to book; answers who got what."""

    async def one(number: int, actor: Actor) -> int:
        try:
            ask = MakeBooking.model_validate({"items": [item]})
            await placing.place(hubs[number % len(hubs)], actor, ask, at_once=number % 4 < 2)
        except HubError as error:
            return error.status
        return 201

    return Counter(await asyncio.gather(*(one(number, actor) for number, actor in enumerate(who))))


async def test_fifty_clients_want_one_slot_in_a_hundred_and_eighty_rounds(hubs: list[ListeningHub]) -> None:
    who = await stage.people(hubs[0].pool, CLIENTS)
    house = await stage.house(hubs[0].pool, halls=1)
    for number in range(180):
        assert await rush(hubs, who, stage.slot(house.halls[0], number)) == {201: 1, 409: CLIENTS - 1}
    assert await faults(hubs[0].pool) == {}


async def test_fifty_clients_want_one_slot_over_http_in_twenty_rounds(app_server: AppServer, http: Http) -> None:
    people = People(app_server.hub)
    who = [await people.customer(f"Client {number}") for number in range(CLIENTS)]
    house = await stage.house(app_server.hub.pool, halls=1)
    for number in range(20):
        body = {"items": [stage.slot(house.halls[0], number)]}
        paths = ("/holds", "/bookings")
        # The first to arrive often wins; another one each time, for nobody may hold too much at one venue.
        who = who[7:] + who[:7]
        answers = await asyncio.gather(
            *(http.post(paths[place % 2], body, as_=person) for place, person in enumerate(who))
        )
        assert Counter(answer.status for answer in answers) == {201: 1, 409: CLIENTS - 1}
        assert {answer.data["code"] for answer in answers if answer.status == 409} == {"not_available"}
        assert all(answer.data["reasons"] and answer.data["alternatives"] for answer in answers if answer.status == 409)
    assert await faults(app_server.hub.pool) == {}


async def test_control_without_its_guards_the_slot_is_sold_twice(hubs: list[ListeningHub]) -> None:
    pool = hubs[0].pool
    await guards.without_locks(pool)
    await guards.without_constraints(pool)
    who = await stage.people(pool, CLIENTS)
    house = await stage.house(pool, halls=1)
    for number in range(180):
        if (await rush(hubs, who, stage.slot(house.halls[0], number)))[201] > 1:
            break
    found = await faults(pool)
    assert "a room is claimed twice for one time" in found
    assert "two live bookings have one room at one time" in found


async def test_the_constraint_alone_would_do(hubs: list[ListeningHub]) -> None:
    await guards.without_locks(hubs[0].pool)
    who = await stage.people(hubs[0].pool, CLIENTS)
    house = await stage.house(hubs[0].pool, halls=1)
    for number in range(20):
        assert (await rush(hubs, who, stage.slot(house.halls[0], number)))[201] == 1
    assert await faults(hubs[0].pool) == {}


async def test_control_to_look_and_then_to_write_sells_twice(hubs: list[ListeningHub]) -> None:
    """What everybody writes first: SELECT whether it is free, INSERT if so."""
    pool = hubs[0].pool
    async with as_owner(pool) as db:
        await db.execute("CREATE TABLE naive (slot integer, client integer); GRANT ALL ON naive TO hub_app")

    async def one(db: asyncpg.Connection, slot: int, client: int) -> None:  # type: ignore[type-arg]
        async with db.transaction():
            if await db.fetchval("SELECT count(*) FROM naive WHERE slot = $1", slot) == 0:
                await db.execute("INSERT INTO naive VALUES ($1, $2)", slot, client)

    connections = [await pool.acquire() for _ in range(8)]
    try:
        for slot in range(100):
            await asyncio.gather(*(one(db, slot, client) for client, db in enumerate(connections)))
    finally:
        for db in connections:
            await pool.release(db)
    async with pool.acquire() as db:
        twice = await db.fetchval(
            "SELECT count(*) FROM (SELECT slot FROM naive GROUP BY slot HAVING count(*) > 1) AS t"
        )
    assert twice > 0
