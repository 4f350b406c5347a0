"""A worker that stops: its clients are told, go one after the other, hear all until then, and resume elsewhere."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from hub import rooms
from hub.live import leaving
from hub.settings import Settings
from tests.doors import AppServer, Http
from tests.live.client import Watcher, soon
from tests.live.conftest import Start, make_venue, tell, working

COUNT, PACE = 30, 20.0


async def test_clients_are_told_when_they_go_and_go_one_after_the_other(
    start: Start, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "PACE", PACE)
    other = await start()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(working(settings))
        venue_id, _ = await make_venue(worker.hub)
        room = rooms.venue(venue_id)
        watchers = [Watcher(worker.url) for _ in range(COUNT)]
        gone: dict[Watcher, float] = {}

        async def note(watcher: Watcher) -> None:
            await watcher.closed.wait()
            gone[watcher] = loop.time() - began

        for watcher in watchers:
            await watcher.connect()
            await watcher.ask("venues.watch", {"venue_id": venue_id})
        began = loop.time()
        noting = [asyncio.create_task(note(watcher)) for watcher in watchers]
        going = asyncio.create_task(worker.running.live.send_away(60.0))
        await soon(lambda: len(gone) >= COUNT // 3, 20)
        # What happens meanwhile still reaches those who are still here.
        still = [watcher for watcher in watchers if watcher not in gone]
        assert len(still) > COUNT // 3
        await tell(other.hub, room)
        await tell(worker.hub, room)
        await soon(lambda: len(gone) == COUNT, 20)
        await going
        await asyncio.gather(*noting)
    for watcher in watchers:
        [(name, told)] = watcher.notes
        assert name == "going_away"
        # Never before its time, and times are not all the same.
        assert gone[watcher] >= told["seconds"] - 0.1
    assert len({watcher.notes[0][1]["seconds"] for watcher in watchers}) > COUNT / 3
    last = max(watchers, key=lambda watcher: watcher.notes[0][1]["seconds"])
    assert last.versions_of(room) == [1, 2]
    for watcher in watchers:
        await watcher.connect(other.url)
        await watcher.resume("venues.watch", room, venue_id=venue_id)
        assert watcher.versions_of(room) == [1, 2]
        assert watcher.faults == []
        await watcher.leave()


async def test_a_question_is_answered_before_the_one_who_asked_has_to_go(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = app_server.running.live
    asked, answered = asyncio.Event(), asyncio.Event()
    doors = live.doors
    assert doors is not None
    answer = doors.answer

    async def slowly(*asking: object) -> object:
        asked.set()
        await answered.wait()
        return await answer(*asking)  # type: ignore[arg-type]

    monkeypatch.setattr(doors, "answer", slowly)
    async with Watcher(app_server.url) as watcher:
        asking = asyncio.create_task(watcher.ask("hub.time"))
        await asked.wait()
        going = asyncio.create_task(live.send_away(0.0))
        await soon(lambda: watcher.notes != [])
        answered.set()
        assert "at" in await asking
        await going
        await asyncio.wait_for(watcher.closed.wait(), 5)


async def test_who_keeps_a_connection_for_requests_is_told_to_come_back_elsewhere(
    app_server: AppServer, http: Http
) -> None:
    before = await http.get("/venues")
    assert "Connection" not in before.headers
    await app_server.running.live.send_away(0.0)
    after = await http.get("/venues")
    assert (after.status, after.headers["Connection"]) == (200, "close")
    ready = await http.get("//health/ready")
    assert (ready.status, ready.data["checks"]["stays"]) == (503, False)
