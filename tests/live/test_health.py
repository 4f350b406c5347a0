"""A worker says that it is ready only while what it publishes comes back to it."""

from dataclasses import replace

import pytest
from aiohttp import ClientSession
from redis.asyncio import Redis

from hub.live import line
from hub.settings import Settings
from storage.embedded_server import Valkey
from tests.doors import Http
from tests.live.client import soon
from tests.live.conftest import Start

PATIENCE = 20


async def test_a_worker_that_does_not_hear_itself_is_not_ready_though_redis_answers(
    start: Start, settings: Settings, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "CANARY_EVERY", 0.3)
    monkeypatch.setattr(line, "CANARY_HEARD_WITHIN", 1.5)
    worker = await start(replace(settings, redis_url=valkey.url))
    listener = worker.running.live.listener
    async with ClientSession() as session, Redis.from_url(valkey.url) as redis:
        http = Http(session, worker.url)
        await soon(lambda: listener.is_heard, PATIENCE)
        assert (await http.get("//health/ready")).status == 200
        await redis.acl_setuser("default", enabled=True, commands=["-publish"])
        await soon(lambda: not listener.is_heard, PATIENCE)
        ready = await http.get("//health/ready")
        assert (ready.status, ready.data["checks"]["redis"], ready.data["checks"]["listener"]) == (503, True, False)
        await redis.acl_setuser("default", enabled=True, commands=["+publish"])
        await soon(lambda: listener.is_heard, PATIENCE)
        assert (await http.get("//health/ready")).status == 200
