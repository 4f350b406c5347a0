"""Several workers on one database: every follower gets the log, whatever happens to Redis and to the workers."""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from hub import rooms
from hub.jobs import housekeeping, republisher
from hub.live import line
from hub.live.fanout import Fanout
from hub.settings import Settings
from storage import event_log
from storage.embedded_server import Valkey
from tests.doors import AppServer
from tests.live.client import Watcher, again_when_late, soon
from tests.live.conftest import Start, Watch, make_venue, tell, working

OUTAGE = 3.0


async def until_redis_is_up(*workers: AppServer) -> None:
    await soon(lambda: all(worker.running.live.is_redis_up for worker in workers), 10)


@again_when_late
async def test_what_one_worker_commits_reaches_the_watchers_of_another(start: Start, watch: Watch) -> None:
    one, other = await start(), await start()
    await until_redis_is_up(one, other)
    venue_id, _ = await make_venue(one.hub)
    room = rooms.venue(venue_id)
    near, far = await watch(one), await watch(other)
    for watcher in (near, far):
        await watcher.ask("venues.watch", {"venue_id": venue_id})
    await tell(one.hub, room, 20)
    await near.hear(room, 20, within=1)
    await far.hear(room, 20, within=1)
    assert near.told == far.told
    assert near.faults == far.faults == []
    async with asyncio.timeout(2), one.hub.pool.acquire() as db:
        while await db.fetchval("SELECT count(*) FROM outbox"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@again_when_late
async def test_a_room_is_heard_only_where_somebody_watches_it(start: Start, watch: Watch) -> None:
    one, other = await start(), await start()
    await until_redis_is_up(one, other)
    venue_id, _ = await make_venue(one.hub)
    room = rooms.venue(venue_id)
    channel = one.running.live.listener.channel(room)

    async def hearers() -> int:
        return int((await one.running.redis.pubsub_numsub(channel))[0][1])

    assert await hearers() == 0
    watcher = await watch(other)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    assert await hearers() == 1
    # Leaving and coming back in one breath must not leave the worker deaf.
    for _ in range(20):
        await watcher.socket.emit("venues.unwatch", {"venue_id": venue_id})
        await watcher.socket.emit("venues.watch", {"venue_id": venue_id}, callback=lambda _: None)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    assert await hearers() == 1
    await tell(one.hub, room)
    await watcher.hear(room, 1, within=1)
    await watcher.ask("venues.unwatch", {"venue_id": venue_id})
    async with asyncio.timeout(2):
        while await hearers():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_with_writers_on_two_workers_everybody_sees_the_log(start: Start, watch: Watch) -> None:
    one, other = await start(), await start()
    await until_redis_is_up(one, other)
    venues = [(await make_venue(one.hub))[0] for _ in range(2)]
    watchers = [await watch(worker) for worker in (one, other) for _ in range(5)]
    for watcher in watchers:
        for venue_id in venues:
            await watcher.ask("venues.watch", {"venue_id": venue_id})
    chance = random.Random(7)

    async def write(worker: AppServer) -> None:
        for _ in range(40):
            await tell(worker.hub, rooms.venue(chance.choice(venues)))
            await asyncio.sleep(chance.random() * 0.005)

    await asyncio.gather(*(write(worker) for worker in (one, other) for _ in range(4)))
    for venue_id in venues:
        room = rooms.venue(venue_id)
        async with one.hub.pool.acquire() as db:
            log = await db.fetch(
                "SELECT version, data ->> 'mark' AS mark FROM events WHERE room = $1 ORDER BY version", room
            )
        for watcher in watchers:
            await watcher.reach(room, len(log))
            told = [(one["version"], one["data"]["mark"]) for one in watcher.told if one["room"] == room]
            assert told == [tuple(row) for row in log]
    assert all(watcher.faults == [] for watcher in watchers)


async def outage(start: Start, watch: Watch, settings: Settings, valkey: Valkey) -> tuple[list[Watcher], str]:
    """Kill Redis for three seconds in the middle of 150 events, 50 of which one watcher misses altogether."""
    own = replace(settings, redis_url=valkey.url)
    one, other = await start(own), await start(own)
    await until_redis_is_up(one, other)
    venue_id, _ = await make_venue(one.hub)
    room = rooms.venue(venue_id)
    watchers = [await watch(one), await watch(other), await watch(other)]
    for watcher in watchers:
        await watcher.ask("venues.watch", {"venue_id": venue_id})
    await tell(one.hub, room, 25)
    await tell(other.hub, room, 25)
    for watcher in watchers:
        await watcher.reach(room, 50)
    cut = watchers[2]
    await cut.cut()
    await valkey.kill()

    async def write(worker: AppServer, count: int) -> None:
        for _ in range(count):
            await tell(worker.hub, room)
            await asyncio.sleep(OUTAGE / count)

    await asyncio.gather(write(one, 25), write(other, 25))
    await cut.connect(one.url)
    missed = await cut.resume("venues.watch", room, venue_id=venue_id)
    assert [envelope["version"] for envelope in missed] == list(range(51, 101))
    await valkey.start()
    await tell(one.hub, room, 25)
    await tell(other.hub, room, 25)
    return watchers, room


async def test_redis_killed_for_three_seconds_loses_doubles_and_mixes_up_nothing(
    start: Start, watch: Watch, settings: Settings, valkey: Valkey
) -> None:
    watchers, room = await outage(start, watch, settings, valkey)
    for watcher in watchers:
        await watcher.reach(room, 150)
        assert watcher.versions_of(room) == list(range(1, 151))
        assert watcher.faults == []


async def test_control_without_the_gap_repair_the_outage_loses_events(
    start: Start, watch: Watch, settings: Settings, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None:
        return None

    async def mark_repaired(_: Fanout, __: str, room: object) -> None:
        room.is_repairing = False  # type: ignore[attr-defined]

    monkeypatch.setattr(Fanout, "catch_up", nothing)
    monkeypatch.setattr(Fanout, "_repair", mark_repaired)
    watchers, room = await outage(start, watch, settings, valkey)
    with pytest.raises(AssertionError, match="not within"):
        await watchers[1].reach(room, 150, seconds=4)
    assert watchers[1].versions_of(room) != list(range(1, 151))


@again_when_late
async def test_while_redis_is_down_events_still_come_within_two_seconds(
    start: Start, watch: Watch, settings: Settings, valkey: Valkey
) -> None:
    if valkey.process is None:
        await valkey.start()
    own = replace(settings, redis_url=valkey.url)
    one, other = await start(own), await start(own)
    await until_redis_is_up(one, other)
    venue_id, _ = await make_venue(one.hub)
    room = rooms.venue(venue_id)
    near, far = await watch(one), await watch(other)
    for watcher in (near, far):
        await watcher.ask("venues.watch", {"venue_id": venue_id})
    await valkey.kill()
    for version in range(1, 4):
        await tell(one.hub, room)
        await near.hear(room, version, within=0.5)
        await far.hear(room, version, within=2)
    newcomer = await watch(other)
    assert (await newcomer.ask("venues.watch", {"venue_id": venue_id}))["version"] == 3
    await tell(one.hub, room)
    await newcomer.hear(room, 4, within=2)
    await valkey.start()
    await until_redis_is_up(one, other)
    async with asyncio.timeout(3):
        while await republisher.republish(one.hub, one.running.live.publisher):
            pass
    await tell(one.hub, room)
    await far.hear(room, 5, within=1)
    assert near.faults == far.faults == newcomer.faults == []


@again_when_late
async def test_a_frozen_redis_is_noticed_and_what_it_says_late_is_dropped(
    start: Start, watch: Watch, settings: Settings, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "CANARY_EVERY", 0.3)
    monkeypatch.setattr(line, "CANARY_HEARD_WITHIN", 1.0)
    own = replace(settings, redis_url=valkey.url)
    one, other = await start(own), await start(own)
    await until_redis_is_up(one, other)
    venue_id, _ = await make_venue(one.hub)
    room = rooms.venue(venue_id)
    far = await watch(other)
    await far.ask("venues.watch", {"venue_id": venue_id})
    assert valkey.process is not None
    valkey.process.send_signal(19)
    try:
        await tell(one.hub, room, 10)
        await far.hear(room, 10, within=5)
        assert not other.running.live.is_redis_up
    finally:
        valkey.process.send_signal(18)
    await until_redis_is_up(one, other)
    await tell(one.hub, room, 10)
    await far.reach(room, 20)
    assert far.versions_of(room) == list(range(1, 21))
    assert far.faults == []


@again_when_late
async def test_a_worker_whose_line_is_cut_listens_again(start: Start, watch: Watch) -> None:
    one, other = await start(), await start()
    await until_redis_is_up(one, other)
    venue_id, _ = await make_venue(one.hub)
    room = rooms.venue(venue_id)
    far = await watch(other)
    await far.ask("venues.watch", {"venue_id": venue_id})
    assert await one.running.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub") >= 2
    await tell(one.hub, room, 10)
    await far.reach(room, 10)
    await until_redis_is_up(one, other)
    await tell(one.hub, room)
    await far.hear(room, 11, within=1)
    assert far.faults == []


@again_when_late
async def test_an_event_overtaken_by_a_later_one_waits_for_its_turn(start: Start, watch: Watch) -> None:
    worker = await start()
    venue_id, _ = await make_venue(worker.hub)
    room = rooms.venue(venue_id)
    watcher = await watch(worker)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    # Committed elsewhere and published by nobody: only the log has it.
    await tell(worker.hub, room, 2, publish=False)
    await tell(worker.hub, room)
    await watcher.hear(room, 3, within=1)
    assert watcher.versions_of(room) == [1, 2, 3]
    assert watcher.faults == []


@again_when_late
async def test_what_a_crashed_worker_left_behind_is_published_by_another_once(start: Start, watch: Watch) -> None:
    one, other = await start(), await start()
    await until_redis_is_up(one, other)
    venue_id, _ = await make_venue(one.hub)
    room = rooms.venue(venue_id)
    watcher = await watch(other)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    await tell(one.hub, room, 30, publish=False)
    async with one.hub.pool.acquire() as db:
        await db.execute("UPDATE outbox SET at = at - interval '2 seconds'")
    taken = await asyncio.gather(
        *(republisher.republish(worker.hub, worker.running.live.publisher) for worker in (one, other))
    )
    assert sum(taken) == 30
    await watcher.hear(room, 30, within=1)
    assert watcher.faults == []
    async with one.hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM outbox") == 0


@again_when_late
async def test_a_worker_killed_between_commit_and_publish_costs_at_most_seconds(start: Start, watch: Watch) -> None:
    worker = await start(with_jobs=True)
    await until_redis_is_up(worker)
    venue_id, _ = await make_venue(worker.hub)
    room = rooms.venue(venue_id)
    watcher = await watch(worker)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    await tell(worker.hub, room, 5, publish=False)
    await watcher.hear(room, 5, within=4)


async def test_publishing_neither_waits_nor_fails_whatever_redis_does(
    start: Start, settings: Settings, valkey: Valkey
) -> None:
    worker = await start(replace(settings, redis_url=valkey.url))
    await until_redis_is_up(worker)
    venue_id, _ = await make_venue(worker.hub)
    await valkey.kill()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await tell(worker.hub, rooms.venue(venue_id), 100)
    assert loop.time() - began < 2
    async with worker.hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM outbox") == 100
    worker.hub.publish([None])  # type: ignore[list-item]


async def test_a_worker_that_stops_sends_its_clients_away_and_they_resume_elsewhere(
    start: Start, settings: Settings
) -> None:
    other = await start()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(working(settings))
        venue_id, _ = await make_venue(worker.hub)
        room = rooms.venue(venue_id)
        watchers = [Watcher(worker.url) for _ in range(20)]
        for watcher in watchers:
            await watcher.connect()
            await watcher.ask("venues.watch", {"venue_id": venue_id})
        began = loop.time()
    assert loop.time() - began < 5
    await tell(other.hub, room, 5)
    for watcher in watchers:
        await asyncio.wait_for(watcher.closed.wait(), 2)
        await watcher.connect(other.url)
        assert len(await watcher.resume("venues.watch", room, venue_id=venue_id)) == 5
        await watcher.leave()


async def test_old_events_are_forgotten_and_the_floor_says_so(start: Start, watch: Watch) -> None:
    worker = await start()
    venue_id, _ = await make_venue(worker.hub)
    room = rooms.venue(venue_id)
    await tell(worker.hub, room, 10)
    async with worker.hub.pool.acquire() as db:
        await db.execute("UPDATE events SET at = at - interval '25 hours' WHERE version <= 6")
    assert await housekeeping.forget(worker.hub) == 6
    assert await housekeeping.forget(worker.hub) == 0
    watcher = await watch(worker)
    assert (await watcher.ask("venues.watch", {"venue_id": venue_id, "since": 5}))["reload"] is True
    news = await watcher.ask("venues.watch", {"venue_id": venue_id, "since": 6})
    assert [envelope["version"] for envelope in news["events"]] == [7, 8, 9, 10]


@again_when_late
async def test_what_waits_for_one_room_goes_to_redis_as_one(
    start: Start, watch: Watch, settings: Settings, valkey: Valkey
) -> None:
    own = replace(settings, redis_url=valkey.url)
    one, other = await start(own), await start(own)
    await until_redis_is_up(one, other)
    venue_id, _ = await make_venue(one.hub)
    room = rooms.venue(venue_id)
    far = await watch(other)
    await far.ask("venues.watch", {"venue_id": venue_id})

    async def published() -> int:
        return int((await one.running.redis.info("commandstats"))["cmdstat_publish"]["calls"])

    async with one.hub.pool.acquire() as db, db.transaction():
        told = await event_log.tell(db, [room] * 50, ["venue.changed"] * 50, ['{"changes":[]}'] * 50, [], [], [])
    before = await published()
    one.hub.publish(told)
    await far.reach(room, 50)
    assert far.versions_of(room) == list(range(1, 51))
    assert far.faults == []
    # Beside it only the two workers' canaries are on their way.
    assert await published() - before < 25
