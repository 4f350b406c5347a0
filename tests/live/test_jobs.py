"""The jobs run on whatever happens to one of them, and a fault behind a command is an answer."""

import asyncio
import contextlib
import logging

import pytest

from hub.core import Hub
from hub.errors import Unavailable
from hub.jobs import runner, sweeper
from hub.live import replay
from tests.doors import AppServer
from tests.live.client import Refusal, soon
from tests.live.conftest import Watch, make_venue


async def test_a_job_that_fails_says_so_and_goes_on_while_the_others_run(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[Hub] = []

    async def fails(hub: Hub) -> None:
        tries.append(hub)
        raise Unavailable() if len(tries) == 1 else ValueError("broken")

    monkeypatch.setattr(sweeper, "run", fails)
    monkeypatch.setattr(runner, "PAUSE_AFTER_FAILURE", 0.01)
    caplog.set_level(logging.WARNING)
    job = asyncio.create_task(runner.run(app_server.hub, app_server.running.live.publisher))
    await soon(lambda: len(tries) > 3)
    assert not job.done()
    job.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await job
    assert "the sweeper has to wait" in caplog.text
    assert "the sweeper failed and starts again" in caplog.text


async def test_the_hubs_clock_follows_the_databases(app_server: AppServer) -> None:
    app_server.hub.clock._at += 3600
    keeping = asyncio.create_task(runner.keep_time(app_server.hub))
    async with app_server.hub.pool.acquire() as db:
        now = await db.fetchval("SELECT clock_timestamp()")
    await soon(lambda: abs((app_server.hub.clock.now() - now).total_seconds()) < 5)
    keeping.cancel()


async def test_a_fault_behind_a_command_is_answered_and_the_socket_lives(
    app_server: AppServer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object) -> None:
        raise ValueError("broken")

    venue_id, _ = await make_venue(app_server.hub)
    watcher = await watch(app_server)
    with monkeypatch.context() as broken:
        broken.setattr(replay, "tell", breaks)
        with pytest.raises(Refusal) as refused:
            await watcher.ask("venues.watch", {"venue_id": venue_id})
    assert (refused.value.code, refused.value.problem["status"]) == ("fault", 500)
    assert "broken" not in str(refused.value.problem)
    assert app_server.running.live.fanout.members(f"venue:{venue_id}") == []
    assert (await watcher.ask("venues.watch", {"venue_id": venue_id}))["version"] == 0
