"""How many sockets one person, one address and everybody who was not let in yet may have."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import ClientSession

from hub.live import crowd, roll, wire
from hub.live.crowd import Crowd, TooManySockets
from hub.settings import Settings
from storage.embedded_server import Valkey
from tests.doors import AppServer, People, Person
from tests.live.client import Refusal, Watcher, soon
from tests.live.conftest import Watch, working
from tests.live.raw import HANDSHAKE, Raw, raw


@pytest.fixture
async def limited(settings: Settings) -> AsyncIterator[AppServer]:
    async with working(replace(settings, rate_limits=True, trusted_proxies=1)) as worker:
        yield worker


def come_from(address: str) -> dict[str, dict[str, str]]:
    return {"headers": {"X-Forwarded-For": address}}


async def silent(stack: contextlib.AsyncExitStack, worker: AppServer, address: str, count: int) -> list[Raw]:
    """Open sockets that say nothing."""
    return [await stack.enter_async_context(raw(worker.url, **come_from(address))) for _ in range(count)]


async def status_of_upgrade(worker: AppServer, address: str) -> int:
    headers = come_from(address)["headers"] | {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    async with ClientSession() as session, session.get(worker.url + HANDSHAKE, headers=headers) as response:
        assert response.status != 429 or int(response.headers["Retry-After"]) > 0
        return response.status


@pytest.mark.abuse("E21", "F7")
async def test_thirty_of_an_address_may_wait_and_the_next_is_refused_before_the_upgrade(limited: AppServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await silent(stack, limited, "2001:db8::1", 15)
        waiting = await silent(stack, limited, "2001:db8::2", 15)
        # Whatever the client writes itself, and any other address of its network, is the same address.
        for address in ("2001:db8::1", "2001:db8::3", "203.0.113.1, 2001:db8::1"):
            assert await status_of_upgrade(limited, address) == 429
        assert await status_of_upgrade(limited, "2001:db8:0:1::1") == 101
        # One that brings its token is no longer counted.
        person = await People(limited.hub).customer()
        assert str(await waiting[0].connect({"token": person.token})).startswith("40{")
        assert await status_of_upgrade(limited, "2001:db8::1") == 101
    await soon(lambda: not limited.running.live.sockets.crowd.counts)


async def test_thirty_guests_of_an_address_are_let_in_and_people_still_come(limited: AppServer) -> None:
    person = await People(limited.hub).customer()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(crowd.MOST_WITHOUT_LOGIN):
            (guest,) = await silent(stack, limited, "203.0.113.1", 1)
            assert str(await guest.connect()).startswith("40{")
        (one_more,) = await silent(stack, limited, "203.0.113.1", 1)
        refused = str(await one_more.connect())
        assert refused.startswith("44{")
        assert "too_many_sockets" in refused
        assert await one_more.is_closed_within(1)
        (with_token,) = await silent(stack, limited, "203.0.113.1", 1)
        assert str(await with_token.connect({"token": person.token})).startswith("40{")
        # A guest who logs in on the open socket makes room for another.
        answer = await guest.ask("me.renew", {"token": person.token})
        assert answer["ok"]
        (next_guest,) = await silent(stack, limited, "203.0.113.1", 1)
        assert str(await next_guest.connect()).startswith("40{")
    await soon(lambda: not limited.running.live.sockets.crowd.counts)


async def test_one_person_has_ten_sockets_from_wherever(limited: AppServer) -> None:
    person = await People(limited.hub).customer()
    async with contextlib.AsyncExitStack() as stack:
        for number in range(crowd.MOST_OF_A_PERSON):
            (one,) = await silent(stack, limited, f"203.0.113.{number}", 1)
            assert str(await one.connect({"token": person.token})).startswith("40{")
        (one_more,) = await silent(stack, limited, "203.0.113.99", 1)
        assert "too_many_sockets" in str(await one_more.connect({"token": person.token}))
        (guest,) = await silent(stack, limited, "203.0.113.98", 1)
        await guest.connect()
        assert (await guest.ask("me.renew", {"token": person.token}))["error"]["code"] == "too_many_sockets"
        assert (await guest.ask("hub.time"))["ok"]
        await one.socket.close()
        assert await one.is_closed_within(2)
        assert await is_let_in_soon(guest, person)


async def is_let_in_soon(guest: Raw, person: Person) -> bool:
    """Try until the hub has noticed that another socket is gone."""
    for number in range(2, 40):
        if (await guest.ask("me.renew", {"token": person.token}, number))["ok"]:
            return True
        await asyncio.sleep(0.1)
    return False


async def test_ten_at_all_workers_together(settings: Settings, limited: AppServer) -> None:
    person = await People(limited.hub).customer()
    async with working(replace(settings, rate_limits=True)) as other, contextlib.AsyncExitStack() as stack:
        here = [await stack.enter_async_context(raw(limited.url)) for _ in range(6)]
        there = [await stack.enter_async_context(raw(other.url)) for _ in range(5)]
        for one in (*here, *there[:4]):
            assert str(await one.connect({"token": person.token})).startswith("40{")
        assert "too_many_sockets" in str(await there[4].connect({"token": person.token}))
        guest = await stack.enter_async_context(raw(other.url))
        await guest.connect()
        await here[0].socket.close()
        assert await is_let_in_soon(guest, person)
        # Nobody is forgotten while they are there, and nobody remembered for long who has crashed.
        keys = [key async for key in limited.running.redis.scan_iter("sockets:*")]
        assert len(keys) == 1
        assert 0 < await limited.running.redis.ttl(keys[0]) <= roll.BELIEVED_FOR


async def test_while_redis_is_away_each_worker_counts_its_own(settings: Settings, valkey: Valkey) -> None:
    own = replace(settings, rate_limits=True, redis_url=valkey.url)
    async with working(own) as worker, contextlib.AsyncExitStack() as stack:
        person = await People(worker.hub).customer()
        await valkey.kill()
        for _ in range(crowd.MOST_OF_A_PERSON):
            one = await stack.enter_async_context(raw(worker.url))
            assert str(await one.connect({"token": person.token})).startswith("40{")
        one = await stack.enter_async_context(raw(worker.url))
        assert "too_many_sockets" in str(await one.connect({"token": person.token}))


async def test_sockets_that_stay_are_said_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll, "SAID_EVERY", 0.3)
    monkeypatch.setattr(roll, "BELIEVED_FOR", 2)
    async with working(replace(settings, rate_limits=True)) as worker:
        person = await People(worker.hub).customer()
        key = worker.running.live.roll._key(person.id)
        async with raw(worker.url) as one:
            await one.connect({"token": person.token})
            await asyncio.sleep(3)
            assert await worker.running.redis.zcard(key) == 1
        async with asyncio.timeout(2):
            while await worker.running.redis.zcard(key):  # noqa: ASYNC110 - nothing tells a test of it
                await asyncio.sleep(0.05)


async def test_who_promises_a_token_and_does_not_get_in_is_cut(
    limited: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "SECONDS_TO_GREET", 0.4)
    person = await People(limited.hub).customer()
    doors = limited.running.live.doors
    assert doors is not None

    async def never(*_: object) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(doors, "_actor_of", never)
    async with raw(limited.url) as client:
        await client.send('40{"token":"' + person.token + '"}')
        assert await client.is_closed_within(1)


async def test_a_crowd_of_silent_sockets_keeps_nobody_out(
    limited: AppServer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "SECONDS_TO_GREET", 1.0)
    people = [await People(limited.hub).customer() for _ in range(5)]
    async with contextlib.AsyncExitStack() as stack:
        for number in range(10):
            await silent(stack, limited, f"198.51.100.{number}", 10)
        for person in people:
            async with Watcher(limited.url, person.token) as watcher:
                assert await watcher.ask("hub.time")
        wires = limited.running.live.sockets.wires
        await soon(lambda: not wires, 3)


async def test_a_refused_ask_is_told_when_to_come_back(limited: AppServer, watch: Watch) -> None:
    person = await People(limited.hub).customer()
    watchers = [await watch(limited, person.token) for _ in range(crowd.MOST_OF_A_PERSON)]
    guest = await watch(limited)
    with pytest.raises(Refusal) as refused:
        await guest.ask("me.renew", {"token": person.token})
    assert refused.value.problem["status"] == 429
    assert refused.value.problem["retry_after"] > 0
    assert all(watcher.socket.connected for watcher in watchers)


def test_all_that_wait_are_limited_together() -> None:
    counted = Crowd(is_limited=True)
    places = [counted.come(f"192.0.{number // 250}.{number % 250}") for number in range(crowd.MOST_WAITING)]
    with pytest.raises(TooManySockets):
        counted.come("203.0.113.1")
    places[0].settle(7)
    places[1].leave()
    places[1].leave()
    counted.come("203.0.113.1")
    counted.come("203.0.113.1")
    with pytest.raises(TooManySockets):
        counted.come("203.0.113.1")
    assert not places[2].is_settled


def test_without_limits_nothing_is_refused() -> None:
    counted = Crowd(is_limited=False)
    for _ in range(100):
        place = counted.come("203.0.113.1")
        place.settle(None)
        place.settle(7)
        place.settle(7)
    assert counted.counts == {("person", 7): 100}
