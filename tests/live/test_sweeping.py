"""Holds that run out are told to their watchers within a second, once, whoever sweeps."""

import asyncio
from dataclasses import replace

import pytest

from hub import rooms
from hub.jobs import sweeper
from hub.models.bookings import PlaceHold
from hub.services import holds
from hub.settings import Settings
from tests.doors import People
from tests.live.conftest import Start, Watch, make_room, make_venue, slot


async def test_what_a_hold_gave_back_reaches_the_watchers_within_a_second_of_its_end(
    start: Start, watch: Watch, settings: Settings
) -> None:
    worker, other = await start(with_jobs=True), await start(with_jobs=True)
    people = People(worker.hub)
    venue_id, owner = await make_venue(worker.hub, hold_seconds=2)
    room_id = await make_room(worker.hub, venue_id)
    customer = await people.customer()
    public, desk, guest = await watch(other), await watch(other, owner.token), await watch(worker, customer.token)
    await public.ask("venues.watch", {"venue_id": venue_id})
    await desk.ask("desks.watch", {"venue_id": venue_id})
    await guest.ask("me.watch")
    delays: list[float] = []
    # Three in time, of five at most: the machine may be busy with something else.
    while sum(delay < 1 for delay in delays) < 3 and len(delays) < 5:
        round_ = len(delays) + 1
        hours = 23 + round_
        held = await guest.ask("holds.place", {"items": [slot(room_id, hours)]})
        await public.until(lambda told=2 * round_: len(public.told) == told)
        (change,) = public.told[-1]["data"]["changes"]
        assert (change["room_id"], change["state"], change["held_until"]) == (room_id, "free", None)
        async with worker.hub.pool.acquire() as db:
            delays.append(
                await db.fetchval(
                    "SELECT extract(epoch FROM clock_timestamp() - $1::text::timestamptz)::float8", held["expires_at"]
                )
            )
    assert min(delays) >= 0
    assert sum(delay < 1 for delay in delays) == 3, delays
    await desk.until(lambda: len(desk.told) == 2 * len(delays))
    assert [envelope["name"] for envelope in desk.told] == ["booking.held", "booking.expired"] * len(delays)
    await guest.until(lambda: len(guest.told) == 2 * len(delays))
    assert desk.told[-1]["data"]["status"] == guest.told[-1]["data"]["status"] == "expired"
    assert public.faults == desk.faults == guest.faults == []


@pytest.mark.usefixtures("patient")
async def test_ten_sweepers_end_a_hundred_holds_once(start: Start, settings: Settings) -> None:
    worker = await start(replace(settings, holds_per_person=1000, holds_per_venue=1000))
    hub = worker.hub
    venue_id, _ = await make_venue(hub, hold_seconds=1)
    room_id = await make_room(hub, venue_id)
    customer = await People(hub).customer()
    await asyncio.gather(
        *(
            holds.place(hub, customer.actor, PlaceHold.model_validate({"items": [slot(room_id, hours)]}))
            for hours in range(24, 124)
        )
    )
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM bookings WHERE status = 'held'") == 100
        await db.execute("UPDATE bookings SET expires_at = clock_timestamp() - interval '1 second'")
        await db.execute("UPDATE claims SET expires_at = clock_timestamp() - interval '1 second'")
    await asyncio.gather(*(sweeper.sweep(hub) for _ in range(10)))
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM bookings WHERE status = 'expired'") == 100
        assert await db.fetchval("SELECT count(*) FROM claims") == 0
        told = await db.fetch(
            "SELECT data ->> 'id' AS id FROM events WHERE room = $1 AND name = 'booking.expired'", rooms.desk(venue_id)
        )
    assert len(told) == len({row["id"] for row in told}) == 100
