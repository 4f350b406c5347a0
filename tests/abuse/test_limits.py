"""Nobody asks more often than they may: not from many addresses of one network, not as many people, not by spelling."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from handlers import guards, limits
from handlers.endpoint import EVERYBODY
from handlers.limits import Pace
from handlers.table import table
from hub.settings import Settings
from storage.embedded_server import Valkey
from tests.doors import PASSWORD, Answer, AppServer, Http, People
from tests.live.client import Refusal, Watcher
from tests.live.conftest import working
from tests.servers import PATIENCE

# Far from the end of a window, so that no test crosses it.
NOON_MINUTE = 20


@pytest.fixture
async def limited(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AppServer]:
    """Run a hub behind one proxy, with limits that a test reaches."""
    monkeypatch.setattr(limits, "READING", Pace("read", 60, address=10, person=5))
    monkeypatch.setattr(limits, "WRITING", Pace("write", 60, address=10, person=5))
    # On a busy machine; how long a hub waits is judged where Redis is frozen.
    monkeypatch.setattr(limits, "_REDIS_SECONDS", 5.0)
    async with working(replace(settings, rate_limits=True, trusted_proxies=1)) as worker:
        hold_the_clock(worker)
        yield worker


def hold_the_clock(worker: AppServer, seconds: float = 0) -> None:
    """Let the limits think it is the middle of a window, or so many seconds later."""
    then = worker.hub.clock.now().replace(minute=NOON_MINUTE, second=10, microsecond=0) + timedelta(seconds=seconds)
    worker.running.limits._now = lambda: then


@pytest.fixture
async def asking(limited: AppServer) -> AsyncIterator[Http]:
    async with ClientSession() as session:
        yield Http(session, limited.url)


async def from_(http: Http, address: str, path: str = "/venues", method: str = "GET", **how: Any) -> Answer:
    """Ask from an address, as the proxy names it."""
    how["headers"] = {"X-Forwarded-For": address} | how.get("headers", {})
    return await http.ask(method, path, **how)


@pytest.mark.abuse("F7")
async def test_an_address_that_asks_too_often_is_told_when_to_come_back(limited: AppServer, asking: Http) -> None:
    first = await from_(asking, "203.0.113.7")
    assert first.headers["RateLimit-Policy"] == '"read-address";q=10;w=60'
    assert first.headers["RateLimit"] == '"read-address";r=9;t=50'
    for _ in range(9):
        assert (await from_(asking, "203.0.113.7")).status == 200
    refused = await from_(asking, "203.0.113.7")
    assert (refused.status, refused.data["code"]) == (429, "too_many_requests")
    assert (refused.headers["Retry-After"], refused.data["retry_after"]) == ("50", 50)
    assert refused.headers["Cache-Control"] == "no-store"
    assert (await from_(asking, "203.0.113.8")).status == 200
    hold_the_clock(limited, 60)
    assert (await from_(asking, "203.0.113.7")).status == 200


@pytest.mark.abuse("F7")
async def test_a_thousand_addresses_of_one_network_are_one(asking: Http) -> None:
    answers = [await from_(asking, f"2001:db8:1:2::{number:x}") for number in range(1, 101)]
    answers += [await from_(asking, f"2001:db8:1:2:{number:x}:ffff::1") for number in range(900)]
    assert sum(answer.status == 200 for answer in answers) == 10
    assert (await from_(asking, "2001:db8:1:3::1")).status == 200
    # The same IPv4 address in the dress of the other protocol.
    for _ in range(10):
        await from_(asking, "203.0.113.7")
    assert (await from_(asking, "::ffff:203.0.113.7")).status == 429


@pytest.mark.abuse("F7", "E21")
async def test_what_a_client_writes_before_the_proxy_changes_nothing(asking: Http) -> None:
    for number in range(10):
        assert (await from_(asking, f"198.51.100.{number}, 10.0.0.1, 203.0.113.7")).status == 200
    assert (await from_(asking, "192.0.2.1, 203.0.113.7")).status == 429
    assert (await from_(asking, "192.0.2.1, 203.0.113.7:4711")).status == 429
    assert (await from_(asking, "203.0.113.7, 192.0.2.1")).status == 200


@pytest.mark.abuse("F7", "E21")
async def test_without_a_proxy_nobody_is_believed_about_their_address(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READING", Pace("read", 60, address=10))
    async with working(replace(settings, rate_limits=True)) as worker, ClientSession() as session:
        hold_the_clock(worker)
        http = Http(session, worker.url)
        statuses = [(await from_(http, f"203.0.113.{number}")).status for number in range(12)]
        assert statuses == [200] * 10 + [429] * 2


@pytest.mark.abuse("F7")
async def test_no_spelling_and_no_method_is_another_count(asking: Http) -> None:
    asked = [
        ("/venues", "GET"),
        ("/venues/", "GET"),
        ("/venues", "HEAD"),
        ("/venues?page=2", "GET"),
        ("/sessions", "GET"),
    ]
    for number in range(10):
        path, method = asked[number % len(asked)]
        assert (await from_(asking, "203.0.113.7", path, method)).status == 200
    for path, method in asked:
        assert (await from_(asking, "203.0.113.7", path, method)).status == 429
    # What is no address of the hub is counted too, and as one.
    statuses = [(await from_(asking, "203.0.113.9", f"//VENUES/{number}")).status for number in range(610)]
    assert statuses[:600] == [404] * 600
    assert statuses[600:] == [429] * 10


@pytest.mark.abuse("F7")
async def test_one_person_from_many_addresses_and_many_people_from_one_are_counted(
    limited: AppServer, asking: Http
) -> None:
    people = People(limited.hub)
    customer = await people.customer()
    statuses = [(await from_(asking, f"203.0.113.{number}", "/me", as_=customer)).status for number in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    told = await from_(asking, "203.0.113.99", "/me", as_=await people.customer())
    assert told.headers["RateLimit"] == '"read-address";r=9;t=50, "read-person";r=4;t=50'
    crowd = [await people.customer() for _ in range(12)]
    statuses = [(await from_(asking, "198.51.100.1", "/me", as_=person)).status for person in crowd]
    assert statuses == [200] * 10 + [429] * 2


@pytest.mark.abuse("D1", "F7")
@pytest.mark.parametrize("path", ["/auth/login", "//session/login"])
async def test_log_ins_that_fail_add_up_by_address_and_those_that_succeed_do_not(
    limited: AppServer, asking: Http, path: str
) -> None:
    person = await People(limited.hub).customer()
    origin = {"Origin": asking.base}

    async def try_(email: str, password: str) -> int:
        body = {"email": email, "password": password}
        return (await from_(asking, "203.0.113.7", path, "POST", body=body, headers=origin)).status

    for _ in range(25):
        assert await try_(person.email, PASSWORD) == 200
    statuses = await asyncio.gather(*(try_(f"nobody-{number}@example.org", "wrong-password") for number in range(30)))
    assert sorted(statuses) == [401] * 20 + [429] * 10
    assert await try_(person.email, PASSWORD) == 429


@pytest.mark.abuse("F7")
async def test_signing_up_is_for_people_and_not_for_programs(asking: Http) -> None:
    most = limits.SIGNING_UP.address
    statuses = [
        (
            await from_(
                asking,
                "203.0.113.7",
                "/auth/register",
                "POST",
                body={"email": f"ana-{number}@example.org", "password": PASSWORD, "full_name": "Ana"},
            )
        ).status
        for number in range(most + 3)
    ]
    assert statuses == [201] * most + [429] * 3


@pytest.mark.abuse("F7")
async def test_codes_are_tried_by_one_person_a_few_times_an_hour(limited: AppServer, asking: Http) -> None:
    person = await People(limited.hub).customer()
    most = limits.CODES.person
    assert most is not None
    body = {"channel": "email", "code": "000000"}
    statuses = [
        (await from_(asking, f"203.0.113.{number}", "/me/verifications/check", "POST", as_=person, body=body)).status
        for number in range(most + 2)
    ]
    assert 429 not in statuses[:5]
    assert statuses[most:] == [429] * 2


async def test_pictures_are_paced_too(limited: AppServer, asking: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await People(limited.hub).customer()
    monkeypatch.setattr(guards, "UPLOADING", Pace("upload", 600, address=10, person=3))
    statuses = [
        (await from_(asking, "203.0.113.7", "/me/picture", "POST", as_=person, data=b"x")).status for _ in range(5)
    ]
    assert 429 not in statuses[:3]
    assert statuses[3:] == [429] * 2
    shown = await from_(asking, "203.0.113.8", "//files/none.webp")
    assert shown.headers["RateLimit"].startswith('"picture-address"')


def test_whoever_needs_no_token_to_change_something_is_paced_tightly() -> None:
    tight = {limits.LOGGING_IN, limits.SIGNING_UP, limits.CODES, limits.REFRESHING}
    for endpoint in table().values():
        if endpoint.may == EVERYBODY and endpoint.method != "GET":
            assert limits.pace_of(endpoint) in tight, endpoint.name
    assert limits.BY_NAME.keys() <= table().keys()


async def test_all_workers_count_together(settings: Settings, limited: AppServer, asking: Http) -> None:
    async with working(replace(settings, rate_limits=True, trusted_proxies=1)) as other, ClientSession() as session:
        hold_the_clock(other)
        both = [asking, Http(session, other.url)]
        statuses = [(await from_(both[number % 2], "203.0.113.7")).status for number in range(12)]
        assert statuses == [200] * 10 + [429] * 2


async def test_commands_over_a_socket_are_counted_with_the_rest(limited: AppServer, asking: Http) -> None:
    person = await People(limited.hub).customer()
    for _ in range(3):
        await from_(asking, "203.0.113.7", "/me", as_=person)
    async with Watcher(limited.url, person.token) as watcher:
        for _ in range(2):
            await watcher.ask("me.read")
        with pytest.raises(Refusal) as refused:
            await watcher.ask("me.read")
        assert (refused.value.code, refused.value.problem["retry_after"]) == ("too_many_requests", 50)


async def test_while_redis_is_away_each_worker_counts_by_itself_and_nobody_waits(
    settings: Settings, limited: AppServer, valkey: Valkey
) -> None:
    own = replace(settings, rate_limits=True, trusted_proxies=1, redis_url=valkey.url)
    async with working(own) as worker, ClientSession() as session:
        hold_the_clock(worker)
        http = Http(session, worker.url)
        assert (await from_(http, "203.0.113.7")).headers["RateLimit"].startswith('"read-address";r=9;')
        await valkey.kill()
        statuses = [(await from_(http, "203.0.113.7")).status for _ in range(11)]
        assert statuses == [200] * 9 + [429] * 2
        await valkey.start()
        trying = worker.running.limits._trying
        assert trying is not None
        await asyncio.wait_for(trying, PATIENCE)
        assert (await from_(http, "203.0.113.7")).headers["RateLimit"].startswith('"read-address";r=')
        await from_(http, "203.0.113.7")
        # No count outlives its window, not even one that began while Redis was away.
        redis = worker.running.redis
        keys = await redis.keys("pace:*")
        assert keys
        assert all([await redis.ttl(key) > 0 for key in keys])


async def test_a_frozen_redis_slows_one_request_and_not_the_next(settings: Settings, valkey: Valkey) -> None:
    own = replace(settings, rate_limits=True, redis_url=valkey.url)
    async with working(own) as worker, ClientSession() as session:
        http = Http(session, worker.url)
        await http.get("/venues")
        await worker.running.redis.execute_command("CLIENT", "PAUSE", 4000, "ALL")
        began = time.monotonic()
        assert (await http.get("/venues")).status == 200
        assert 0.2 < time.monotonic() - began < 1.5
        began = time.monotonic()
        for _ in range(5):
            assert (await http.get("/venues")).status == 200
        assert time.monotonic() - began < 1.0


async def test_switched_off_nothing_is_counted(http: Http) -> None:
    for _ in range(30):
        answer = await http.post("/auth/login", {"email": "nobody@example.org", "password": "wrong-password"})
        assert (answer.status, answer.headers.get("RateLimit")) == (401, None)


def test_a_name_of_a_limit_can_stand_in_a_header() -> None:
    for pace in vars(limits).values():
        if isinstance(pace, Pace):
            assert re.fullmatch(r"[a-z_]+", pace.name)
