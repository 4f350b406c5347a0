"""Every path into a live claim meets every other at one slot: one has it, and nothing else has changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime

import pytest

from hub.core import THE_HUB, Actor
from hub.errors import Conflict, HubError, Unavailable
from hub.models.bookings import MakeBooking, NameBooking, PlaceHold, RescheduleBooking
from hub.models.closures import CreateClosure
from hub.models.sessions import CreateSession
from hub.services import bookings, closures, holds, sessions
from storage import expiry
from storage.claims import extend
from tests.doors import ListeningHub
from tests.races import guards, stage
from tests.races.checking import deadlocks, faults

Contender = tuple[str, Callable[[], Awaitable[object]]]
A_HEAD_START = 0.0005


async def hold(hub: ListeningHub, actor: Actor, item: stage.Item) -> int:
    return (await holds.place(hub, actor, PlaceHold.model_validate({"items": [item]}))).id


async def book(hub: ListeningHub, actor: Actor, item: stage.Item, for_: Actor | None = None) -> int:
    ask = MakeBooking.model_validate({"items": [item], "user_id": for_ and for_.user_id})
    return (await bookings.make(hub, actor, ask)).id


async def move(hub: ListeningHub, actor: Actor, booking_id: int, item: stage.Item) -> object:
    return await bookings.reschedule(
        hub, actor, RescheduleBooking.model_validate({"booking_id": booking_id, "items": [item]})
    )


async def run_out(hub: ListeningHub, booking_id: int) -> None:
    """Let a hold's time be over, as if it had been placed earlier."""
    async with hub.pool.acquire() as db, db.transaction():
        past = await db.fetchval(
            """
            UPDATE bookings SET expires_at = clock_timestamp() - interval '1 second' WHERE id = $1 RETURNING expires_at
            """,
            booking_id,
        )
        await extend(db, booking_id, past)


async def contenders(
    hubs: Sequence[ListeningHub], house: stage.House, who: Sequence[Actor], item: stage.Item, elsewhere: int
) -> list[Contender]:
    """Bring one of each path to the same slot; those who would move there have something else already."""
    one, other = hubs
    begin, end = datetime.fromisoformat(item["starts_at"]), datetime.fromisoformat(item["ends_at"])
    hall = house.halls[0]
    firm = await book(one, who[0], stage.slot(hall, elsewhere))
    waiting = await hold(other, who[1], stage.slot(hall, elsewhere + 1))
    session = CreateSession(
        venue_id=house.venue_id, title="Workshop", starts_at=begin, ends_at=end, room_id=hall, capacity=5
    )
    closure = CreateClosure(venue_id=house.venue_id, room_id=hall, starts_at=begin, ends_at=end)
    # A hold on the very slot that has run out, for the fastest to take over.
    late = await hold(one, who[2], item)
    await run_out(one, late)
    return [
        ("hold", lambda: hold(one, who[3], item)),
        ("hold elsewhere", lambda: hold(other, who[4], item)),
        ("book", lambda: book(other, who[5], item)),
        # a desk books for guests that it knows
        ("staff", lambda: book(one, house.owner, item, who[0])),
        ("import", lambda: book(other, THE_HUB, item, who[7])),
        ("move a booking", lambda: move(one, who[0], firm, item)),
        ("move a hold", lambda: move(other, who[1], waiting, item)),
        ("session", lambda: sessions.create(one, house.owner, session)),
        ("closure", lambda: closures.create(other, house.owner, closure)),
        ("confirm too late", lambda: holds.confirm(one, who[2], NameBooking(booking_id=late))),
    ]


async def compete(
    hubs: Sequence[ListeningHub],
    asked: Sequence[Contender],
    turn: int,
    refusals: tuple[type[HubError], ...] = (Conflict,),
    *,
    won_before: Counter[str],
) -> list[str]:
    """Start all at once, in another order each time, with a sweeper among them; answers who succeeded."""

    async def one(way: str, attempt: Callable[[], Awaitable[object]]) -> str | None:
        # Some have more to do before they reach the database: who won starts that much later the next time.
        await asyncio.sleep(A_HEAD_START * won_before[way])
        try:
            await attempt()
        except refusals:
            return None
        except Exception as error:
            if getattr(error, "status", 500) == 410 and way == "confirm too late":
                return None
            raise
        return way

    async def sweep() -> None:
        with suppress(*refusals):
            async with hubs[turn % 2].reading() as db:
                await expiry.expire(db, 100)

    order = list(asked[turn % len(asked) :]) + list(asked[: turn % len(asked)])
    ways = await asyncio.gather(*(one(way, attempt) for way, attempt in order), sweep())
    return [way for way in ways if way]


async def test_whatever_the_path_one_has_the_slot(hubs: list[ListeningHub]) -> None:
    pool = hubs[0].pool
    before = await deadlocks(pool)
    house = await stage.house(pool, halls=1)
    winners: Counter[str] = Counter()
    for turn in range(160):
        who = await stage.people(pool, 8)
        asked = await contenders(hubs, house, who, stage.slot(house.halls[0], 3 * turn), 3 * turn + 1)
        won = await compete(hubs, asked, turn, won_before=winners)
        assert len(won) == 1, f"in round {turn} these all had it: {won}"
        winners.update(won)
        if turn >= 40 and len(winners) >= 4:
            break
    assert await faults(pool) == {}
    assert await deadlocks(pool) == before
    # A race that always ends the same way is none.
    assert len(winners) >= 4, winners


@pytest.mark.parametrize("constraint", [False, True], ids=["no guard", "the constraint alone"])
async def test_control_without_locks_only_the_constraint_keeps_the_paths_apart(
    hubs: list[ListeningHub], constraint: bool
) -> None:
    pool = hubs[0].pool
    await guards.without_locks(pool)
    if not constraint:
        await guards.without_constraints(pool)
    house = await stage.house(pool, halls=1)
    shared, winners = False, Counter[str]()
    for turn in range(60):
        who = await stage.people(pool, 8)
        asked = await contenders(hubs, house, who, stage.slot(house.halls[0], 3 * turn), 3 * turn + 1)
        # Without locks the contenders also deadlock now and then, which is the other thing the locks are for.
        won = await compete(hubs, asked, turn, (Conflict, Unavailable), won_before=winners)
        winners.update(won)
        shared = len(won) > 1
        if shared:
            break
    assert shared is not constraint
    assert ("a room is claimed twice for one time" in await faults(pool)) is not constraint
