"""Redis is reached by one address, however it is run: alone, over TLS, behind Sentinels, or as a cluster."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from handlers import limits
from hub import rooms
from hub.errors import TooManyRequests
from hub.live import roll
from hub.live.crowd import MOST_OF_A_PERSON, TooManySockets
from hub.live.reach import Reach, slot_of
from hub.settings import Settings, SettingsRefused
from storage.embedded_server import Valkey
from tests.doors import AppServer
from tests.live.client import Watcher, soon
from tests.live.conftest import Start, Watch, make_venue, tell
from tests.valkeys import (
    PRIMARY,
    OnPort,
    SentinelOnPort,
    ValkeyCluster,
    behind_tls,
    valkey_cluster,
    watched_by_sentinel,
)

# A machine that is busy takes its time; how quick the hub is by itself is measured elsewhere.
PATIENCE = 40


@pytest.fixture
def folder() -> AsyncIterator[Path]:
    """Give a test a folder whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hub-") as name:
        yield Path(name)


@pytest.fixture
async def secured(valkey: Valkey, folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """Run a Valkey behind TLS; answers where it is, and the file of its authority."""
    async with behind_tls(valkey, folder) as known:
        yield known


@pytest.fixture
async def sentinels(folder: Path) -> AsyncIterator[tuple[OnPort, OnPort, SentinelOnPort]]:
    """Run a primary, a replica, and a Sentinel."""
    async with watched_by_sentinel(folder) as servers:
        yield servers


@pytest.fixture
async def cluster(folder: Path) -> AsyncIterator[ValkeyCluster]:
    """Run a cluster."""
    async with valkey_cluster(folder) as servers:
        yield servers


async def pair(start: Start, settings: Settings, url: str) -> tuple[AppServer, AppServer]:
    """Start two workers on a Redis, and wait until each hears itself by it."""
    own = replace(settings, redis_url=url)
    one, other = await start(own), await start(own)
    await heard(one, other)
    return one, other


async def heard(*workers: AppServer) -> None:
    await soon(
        lambda: all(one.running.live.listener.is_heard and one.running.live.is_redis_up for one in workers), PATIENCE
    )


async def watched(one: AppServer, other: AppServer, watch: Watch, venues: int = 1) -> tuple[Watcher, list[str]]:
    """Make venues and watch them at the other worker; answers the watcher and the rooms."""
    watcher = await watch(other)
    names = []
    for _ in range(venues):
        venue_id, _ = await make_venue(one.hub)
        await watcher.ask("venues.watch", {"venue_id": venue_id})
        names.append(rooms.venue(venue_id))
    return watcher, names


async def by_redis(one: AppServer, watcher: Watcher, room: str, count: int = 1) -> None:
    """Tell a room something, and see that Redis took all of it and the watcher got it in order."""
    before = len(watcher.versions_of(room))
    await tell(one.hub, room, count)
    await watcher.reach(room, before + count)
    assert watcher.versions_of(room) == list(range(1, before + count + 1))
    assert watcher.faults == []


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("valkey://cache:1/3", {"host": "cache", "port": 1, "db": 3}),
        ("valkeys://cache:1", {"host": "cache", "port": 1}),
        ("rediss://ana:pass%40word@valkey:1", {"host": "valkey", "username": "ana", "password": "pass@word"}),
        ("unix:///run/valkey.sock?db=9", {"path": "/run/valkey.sock", "db": 9}),
    ],
)
def test_a_valkey_is_reached_like_a_redis(url: str, reached: dict[str, object]) -> None:
    client = Reach(url).client()
    known = client.connection_pool.connection_kwargs  # type: ignore[union-attr]
    assert {name: known[name] for name in reached} == reached
    assert ("SSL" in client.connection_pool.connection_class.__name__) is url.startswith(("rediss", "valkeys"))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("valkey+cluster://one:6379,two:6379/3", "no numbered databases"),
        ("valkey+cluster://one:6379,:99999", "one:6379,two:6379"),
        ("redis+sentinel://one,two", "the name under which the Sentinels know"),
        ("redis+sentinel://one,two/zero/hub", "the name under which the Sentinels know"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_with_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(SettingsRefused, match=sentence):
        Reach(url)


async def test_over_tls_events_come_and_a_stranger_is_not_trusted(
    secured: tuple[str, Path], start: Start, watch: Watch, settings: Settings
) -> None:
    place, authority = secured
    one, other = await pair(start, settings, f"valkeys://{place}/2?ssl_ca_certs={authority}")
    watcher, (room,) = await watched(one, other, watch)
    await by_redis(one, watcher, room, 5)
    client = Reach(f"valkeys://{place}").client()
    with pytest.raises(RedisError, match="certificate"):
        await client.ping()
    await client.aclose()


async def test_a_primary_that_the_sentinels_replace_is_left_for_its_successor(
    sentinels: tuple[OnPort, OnPort, SentinelOnPort], start: Start, watch: Watch, settings: Settings
) -> None:
    primary, replica, sentinel = sentinels
    one, other = await pair(start, settings, f"valkey+sentinel://{sentinel.address},127.0.0.1:1/3/{PRIMARY}")
    watcher, (room,) = await watched(one, other, watch)
    channel = one.running.live.listener.channel(room)
    await by_redis(one, watcher, room, 5)
    assert await primary.ask("PUBSUB", "NUMSUB", channel) == [channel, 1]
    await primary.kill()
    # Nothing waits for the successor: the log has it.
    await by_redis(one, watcher, room, 5)
    await soon(lambda: not one.running.live.is_redis_up, PATIENCE)
    await heard(one, other)
    assert await replica.ask("PUBSUB", "NUMSUB", channel) == [channel, 1]
    await by_redis(one, watcher, room, 5)


async def test_in_a_cluster_each_room_is_published_on_its_own_server_and_asks_and_sockets_are_counted(
    cluster: ValkeyCluster, start: Start, watch: Watch, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for counting in (limits, roll):
        monkeypatch.setattr(counting, "_REDIS_SECONDS", 20.0)
    one, other = await pair(start, settings, cluster.url)
    watcher, names = await watched(one, other, watch, venues=8)
    servers = set()
    for room in names:
        channel = one.running.live.listener.channel(room)
        server = cluster.primary_of(slot_of(channel))
        servers.add(server.port)
        await by_redis(one, watcher, room, 3)
        for each in cluster.primaries:
            assert await each.ask("PUBSUB", "SHARDNUMSUB", channel) == [channel, int(each is server)]
    assert len(servers) > 1
    limited = replace(settings, redis_url=cluster.url, rate_limits=True)
    near, far = (limits.Limits(limited, one.hub.clock.now) for _ in range(2))
    async with AsyncExitStack() as stack:
        for each in (near, far):
            stack.push_async_callback(each.close)
        for number in range(limits.LOGGING_IN.address):
            await (near, far)[number % 2].by_address(limits.LOGGING_IN, "192.0.2.1")
        with pytest.raises(TooManyRequests):
            await near.by_address(limits.LOGGING_IN, "192.0.2.1")
    rolls = [worker.running.live.roll for worker in (one, other)]
    for each in rolls:
        each.is_limited = True
    for number in range(MOST_OF_A_PERSON):
        await rolls[number % 2].enter(7, f"socket {number}")
    with pytest.raises(TooManySockets):
        await rolls[0].enter(7, "one too many")
    # The slot of a room goes to another server: whoever listened is told so, and listens there.
    channel = one.running.live.listener.channel(names[0])
    before = cluster.primary_of(slot_of(channel))
    after = next(each for each in cluster.primaries if each is not before)
    await cluster.give(slot_of(channel), after)
    await by_redis(one, watcher, names[0], 3)
    async with asyncio.timeout(PATIENCE):
        while await after.ask("PUBSUB", "SHARDNUMSUB", channel) != [channel, 1]:  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.05)
    await heard(one, other)
    await by_redis(one, watcher, names[0], 3)


@pytest.mark.slow
async def test_a_cluster_that_loses_a_server_is_listened_to_by_its_new_map(
    cluster: ValkeyCluster, start: Start, watch: Watch, settings: Settings
) -> None:
    # The only server that the address names is the one that will be lost.
    one, other = await pair(start, settings, f"valkey+cluster://{cluster.primaries[0].address}")
    watcher, names = await watched(one, other, watch, venues=4)
    await cluster.primaries[0].kill()
    for room in names:
        await by_redis(one, watcher, room, 3)
    await soon(lambda: not other.running.live.is_redis_up, PATIENCE)
    await heard(one, other)
    for room in names:
        await by_redis(one, watcher, room, 3)
    assert {shard.address for shard in await Reach(cluster.url).shards()} == {
        ("127.0.0.1", each.port) for each in (*cluster.primaries[1:], cluster.replica)
    }
