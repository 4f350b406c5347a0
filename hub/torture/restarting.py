"""P15 and P16: a worker's crash is no more than a reconnect, and a new release loses nothing."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from functools import partial

from hub.torture.asking import Asker, percentile
from hub.torture.follower import Crowd, until
from hub.torture.ground import hall, people
from hub.torture.judging import judge_followers
from hub.torture.outages import Pace, gathered, rooms_of
from hub.torture.play import Play
from hub.torture.postbox import Postbox
from hub.torture.servers import Worker
from storage import torture

_PATIENCE = 60.0
SECONDS_TO_EXIT = 10.0


async def survive_crashes(play: Play) -> None:
    """Kill workers one after the other and freeze one that has a job under way, while people book and watch."""
    play.faults("worker killed", "worker frozen with a job", "lease ended under it")
    postbox = await play.postbox()
    await play.start(3, smtp_url=postbox.url, mail_from="hub@example.org")
    async with Asker(play.ports, play.chance) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        venue = await hall(asker, owner, rooms=5)
        guests = await people(asker, play.many(40, 10, "people"))
        crowd = await gathered(play, venue, play.many(150, 12, "followers"))
        pace = Pace(play, asker, venue, guests, play.many(20, 6, "bookings a second"))
        keeping = asyncio.create_task(pace.keep())
        seconds = play.lasts(120, 10)
        await _freeze_with_a_job(play, postbox, 30 if not play.is_quick else 3)
        ends = time.monotonic() + seconds - (30 if not play.is_quick else 3)
        while time.monotonic() < ends:
            await asyncio.sleep(15 if not play.is_quick else 3)
            await play.kill_a_worker()
        pace.over.set()
        await keeping
        known = await crowd.reach(await torture.versions(play.pool, rooms_of(venue)), _PATIENCE)
        play.must("everybody knows everything in the end", known)
        play.within("back after a crash, p95", percentile(crowd.resumed, 0.95), 5)
        await crowd.leave()
        # Killed workers leave their jobs to others once the leases are over.
        done = await _mail_done(play)
        play.must("every mail was sent in the end", done)
        _judge_mail(play, postbox)
        refused = play.logged("somebody else has it now")
        play.must("whoever lost a lease is not believed", refused > 0, refused)
        twice = await torture.told_twice(play.pool, "booking.confirmed")
        play.must("every fact was told once", not twice, twice[:5] or "")
        await pace.judge()
        await judge_followers(play, crowd)


async def _freeze_with_a_job(play: Play, postbox: Postbox, seconds: float) -> None:
    """Freeze a worker while it hands a mail over, let another take the job over, and wake the first again."""
    postbox.holds = True
    await until(lambda: bool(postbox.held), 30)
    zombies = [worker for worker in play.workers if worker.is_up]
    # All of them hold still while the leases end, so that none is taken for the one that sends.
    frozen = postbox.whose(zombies) or zombies[0]
    frozen.freeze()
    play.bit("worker frozen with a job")
    play.bit("lease ended under it", await torture.end_leases(play.pool))
    postbox.holds = False
    await asyncio.sleep(seconds)
    frozen.thaw()


async def _mail_done(play: Play) -> bool:
    deadline = time.monotonic() + (15.0 if play.control else 90.0)
    while time.monotonic() < deadline:
        await torture.end_leases(play.pool)
        if not await torture.jobs_waiting(play.pool):
            return True
        await asyncio.sleep(0.5)
    return False


def _judge_mail(play: Play, postbox: Postbox) -> None:
    counted = Counter(postbox.taken)
    doubled = sum(times - 1 for times in counted.values())
    crashes = play.bitten["worker killed"] + play.bitten["lease ended under it"]
    play.must(
        "a mail comes twice only for a crash, and then under one number",
        doubled <= crashes,
        f"{doubled} of {len(counted)} mails twice, {crashes} crashes or lost leases",
    )


async def restart_without_loss(play: Play) -> None:
    """Replace the workers of one port again and again under load, then end one that has sockets open."""
    play.faults("workers replaced", "worker asked to stop")
    house = await play.start_supervised(2)
    async with Asker(play.ports, play.chance, connects_anew=True) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        venue = await hall(asker, owner, rooms=5)
        guests = await people(asker, play.many(40, 10, "people"))
        crowd = await gathered(play, venue, play.many(200, 16, "followers"))
        pace = Pace(play, asker, venue, guests, play.many(30, 6, "bookings a second"))
        keeping = asyncio.create_task(pace.keep())
        # At any moment some requests are under way.
        hurrying = [asyncio.create_task(pace.hurry()) for _ in range(play.many(8, 6, "in a hurry"))]
        crowd.connects.clear()
        for _ in range(3 if not play.is_quick else 1):
            before = {child.pid for child in house.kernel.children()}
            house.signal(signal.SIGHUP)
            replaced = await until(partial(_are_new, house, before), 90)
            play.bit("workers replaced", 2 * replaced)
            await asyncio.sleep(5 if not play.is_quick else 1)
        pace.over.set()
        await asyncio.gather(keeping, *hurrying)
        failed = [status for _, _, status in pace.history if status not in (201, 409)]
        play.must("no request failed", not failed, Counter(failed) or f"{len(pace.history)} asked")
        known = await crowd.reach(await torture.versions(play.pool, rooms_of(venue)), _PATIENCE)
        play.must("everybody knows everything in the end", known)
        play.within("clients that came back in one second", _peak(crowd.connects), 60, "")
        await crowd.leave()
        await pace.judge()
        await judge_followers(play, crowd)
    await house.stop()
    (worker,) = await play.start(1)
    crowd = Crowd(play.chance, play.ports)
    for _ in range(20):
        crowd.add("venues", {"venue_id": venue.id})
    await crowd.settled(_PATIENCE)
    took = await worker.stop(SECONDS_TO_EXIT + 2)
    play.bit("worker asked to stop")
    play.must("a worker with sockets open ends in time", took <= SECONDS_TO_EXIT, f"{took:.1f} s")
    await crowd.leave()


def _are_new(house: Worker, before: set[int]) -> bool:
    return not before & {child.pid for child in house.kernel.children()}


def _peak(moments: list[float]) -> int:
    """Answer how many of these moments fall into the busiest second."""
    ordered = sorted(moments)
    most = begin = 0
    for end, moment in enumerate(ordered):
        while moment - ordered[begin] > 1:
            begin += 1
        most = max(most, end - begin + 1)
    return most
