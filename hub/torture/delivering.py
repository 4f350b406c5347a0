"""P7: everybody sees every event of their rooms once and in order, whatever breaks in between."""

from __future__ import annotations

import asyncio
from random import Random

from hub.torture.asking import Asker, Person, percentile
from hub.torture.follower import Crowd
from hub.torture.ground import Hall, hall, people, slot
from hub.torture.judging import judge_followers
from hub.torture.play import Play
from storage import torture

_SECONDS_TO_RESUME = 3.0
# What a machine may take at the end until everybody knows everything; nobody is lost who needs it.
_SECONDS_TO_CONVERGE = 60.0
_MOST_HOURS = 5_000


async def deliver(play: Play) -> None:
    """Let followers of desks and venues live through everything that may break, while bookings come and go."""
    play.faults(
        "worker killed", "Redis killed", "Redis frozen", "pub/sub clients killed", "clients cut", "clients frozen"
    )
    seconds = play.lasts(120, 12)
    await play.start(2)
    async with Asker(play.ports, play.chance) as asker:
        halls = await _halls(play, asker)
        crowd = Crowd(play.chance, play.ports)
        for number in range(play.many(150, 18, "followers")):
            watched = halls[number % len(halls)]
            # One in three is a guest who watches the venue; the others follow its desk, where every fact is told.
            if number % 9 < 3:
                crowd.add("venues", {"venue_id": watched.id})
            else:
                crowd.add("desks", {"venue_id": watched.id}, watched.owner.token)
        play.must("everybody is let in", await crowd.settled(_SECONDS_TO_CONVERGE))
        rate = play.many(20, 4, "bookings or cancellations a second at each of 3 venues") if halls else 0
        guests = await people(asker, 6)
        over = asyncio.Event()
        writing = [
            asyncio.create_task(keep_booking(play, asker, venue, guests, rate / len(guests), over, number))
            for venue in halls
            for number in range(len(guests))
        ]
        await _break_things(play, crowd, seconds)
        over.set()
        await asyncio.gather(*writing)
        at_last = await torture.versions(
            play.pool, [f"venue:{one.id}" for one in halls] + [f"desk:{one.id}" for one in halls]
        )
        play.must(
            "everybody knows everything in the end",
            await crowd.reach(at_last, 10.0 if play.control else _SECONDS_TO_CONVERGE),
        )
        await crowd.leave()
        await judge_followers(play, crowd)
        reloads = sum(one.reloads for one in crowd.followers)
        play.must("nobody had to reload", reloads == 0, f"{reloads} did" if reloads else "")
        refused = {status: times for status, times in asker.statuses.items() if status >= 500 and status != 503}
        play.must("no request met a fault", not refused, refused or "")
        play.within("who lost the line knew everything again, p95", percentile(crowd.resumed, 0.95), _SECONDS_TO_RESUME)
    await _restore(play, halls)


async def _halls(play: Play, asker: Asker) -> list[Hall]:
    owners = await people(asker, 3, "vendor")
    return [await hall(asker, owner, rooms=4) for owner in owners]


async def keep_booking(
    play: Play, asker: Asker, venue: Hall, guests: list[Person], rate: float, over: asyncio.Event, number: int
) -> None:
    """Book and cancel in turns at a pace until it is over; each ask is made until it is answered."""
    chance = Random(f"{play.chance.random()} {venue.id} {number}")
    guest, booked, asks = guests[number % len(guests)], None, 0
    while not over.is_set():
        asks += 1
        key = f"{venue.id}-{number}-{asks}"
        if booked is None:
            room = chance.choice(venue.room_ids)
            body = {"items": [slot(room, chance.randrange(_MOST_HOURS))], "notes": key}
            answer = await asker.insist("POST", "/bookings", body, guest, key)
            booked = answer.data["id"] if answer.status == 201 else None
        else:
            await asker.insist("POST", f"/bookings/{booked}/cancel", {"reason": "torture"}, guest, key)
            booked = None
        await asyncio.sleep(chance.uniform(0.5, 1.5) / rate)


async def _break_things(play: Play, crowd: Crowd, seconds: float) -> None:
    """Break one thing after the other, each on a schedule of its own, for so long."""
    servers, whole = play.servers, seconds / 120

    async def after(moment: float) -> None:
        await asyncio.sleep(moment * whole)

    async def kill_workers() -> None:
        for _ in range(4 if not play.is_quick else 1):
            await after(25 if not play.is_quick else 75)
            await play.kill_a_worker()

    async def kill_redis() -> None:
        for pause in (20, 45) if not play.is_quick else (20,):
            await after(pause)
            await servers.valkey.kill()
            await asyncio.sleep(5 if not play.is_quick else 2)
            await servers.valkey.start()
            play.bit("Redis killed")

    async def freeze_redis() -> None:
        await after(45)
        servers.freeze_redis(frozen=True)
        await asyncio.sleep(8 if not play.is_quick else 1.5)
        servers.freeze_redis(frozen=False)
        play.bit("Redis frozen")

    async def kill_listeners() -> None:
        for pause in (10, 50, 45) if not play.is_quick else (10, 90):
            await after(pause)
            play.bit("pub/sub clients killed", await servers.kill_listeners())

    async def cut_clients() -> None:
        for _ in range(11 if not play.is_quick else 4):
            await after(10 if not play.is_quick else 25)
            play.bit("clients cut", crowd.cut(max(1, len(crowd.followers) // 10)))

    async def freeze_clients() -> None:
        await after(30)
        frozen = [one.line for one in crowd.followers if one.is_live and one.line is not None][:5]
        for line in frozen:
            line.stop_reading()
            play.bit("clients frozen")
        await asyncio.sleep(30 if not play.is_quick else 2)
        for line in frozen:
            line.read_on()

    for errand in (kill_workers(), kill_redis(), freeze_redis(), kill_listeners(), cut_clients(), freeze_clients()):
        play.send(errand)
    await asyncio.sleep(seconds)
    await play.errands_done()


async def _restore(play: Play, halls: list[Hall]) -> None:
    """Begin a new epoch, as a restore does: whoever comes back with an old version is told to reload."""
    if play.is_quick:
        return
    crowd = Crowd(play.chance, play.ports)
    for venue in halls:
        crowd.add("venues", {"venue_id": venue.id})
    await crowd.settled(_SECONDS_TO_CONVERGE)
    await torture.renew_epoch(play.pool)
    for worker in play.workers:
        await worker.stop()
        await worker.start()
    await crowd.settled(_SECONDS_TO_CONVERGE)
    reloaded = sum(one.reloads > 0 for one in crowd.followers)
    play.must("after a restore everybody reloads", reloaded == len(halls), f"{reloaded} of {len(halls)}")
    await crowd.leave()
