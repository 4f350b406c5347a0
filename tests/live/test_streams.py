"""Live rooms as server-sent events, and as requests that wait: the same envelopes, versions and rights as a socket."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import ClientSession

from handlers import following
from handlers.describe import openapi
from hub import rooms
from hub.live import replay
from hub.live import stream as streams
from hub.settings import Settings
from storage import event_log
from tests.doors import Answer, AppServer, Http, People, Person
from tests.live.client import soon
from tests.live.conftest import Start, make_venue, tell, working
from tests.live.streams import EVENT_STREAM, Reader, Unopened, streaming
from tests.live.test_revoking import WITHIN, ban, change_password, log_out, log_out_everywhere, run, take_desk, two
from tests.live.test_rights import token_that_lasts

LONG = 50
# On a busy machine, too; long before anybody is looked at again by turns.
IN_TIME = 4 * WITHIN


async def test_a_stream_begins_with_a_snapshot_goes_on_with_events_and_resumes_by_the_last_id(
    app_server: AppServer,
) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room, path = rooms.venue(venue_id), f"/venues/{venue_id}/events"
    await tell(app_server.hub, room, 2)
    async with streaming(app_server.url, path) as stream:
        await stream.until(2)
        await tell(app_server.hub, room, 3)
        await stream.until(5)
        (snapshot,) = stream.named("snapshot")
        assert (snapshot.data["version"], snapshot.data["snapshot"]["venue"]["id"]) == (2, venue_id)
        assert stream.versions == [3, 4, 5]
        assert stream.number == f"{app_server.running.live.epoch}:5"
        assert stream.retry is not None
        headers = stream.response.headers
        assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
        assert "Accept" in ", ".join(headers.getall("Vary"))
        last = stream.number
    await tell(app_server.hub, room, 2)
    # The address still says where it once began, as that of a browser that comes back does.
    async with streaming(app_server.url, f"{path}?since=1", last=last) as stream:
        await stream.until(7)
        await tell(app_server.hub, room)
        await stream.until(8)
        assert stream.versions == [6, 7, 8]
        assert stream.named("snapshot") == []


async def test_more_missed_events_than_a_page_holds_are_all_sent_and_what_cannot_be_continued_is_a_snapshot(
    app_server: AppServer,
) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room, path = rooms.venue(venue_id), f"/venues/{venue_id}/events"
    async with app_server.hub.pool.acquire() as db:
        await db.fetch(
            "SELECT version FROM append_events(array_fill($1::text, ARRAY[1203]), array_fill('x'::text, ARRAY[1203]),"
            " array_fill(E'{\"lines\": [1,\\n 2]}'::json, ARRAY[1203]))",
            room,
        )
    async with streaming(app_server.url, f"{path}?since=0") as stream:
        await stream.until(1203)
        await tell(app_server.hub, room)
        await stream.until(1204)
        assert stream.versions == list(range(1, 1205))
        # A line break between two tokens, as the database writes them, is put back where it was.
        assert stream.sent[0].text.endswith('"data":{"lines": [1,\n 2]}}')
    for last in ("elsewhere:1203", f"{app_server.running.live.epoch}:1205"):
        async with streaming(app_server.url, path, last=last) as stream:
            await stream.until(name="snapshot")
            assert (stream.named("snapshot")[0].data["reload"], stream.versions) == (True, [])


async def test_the_desk_and_oneself_are_followed_by_the_same_rights_as_over_the_socket(
    app_server: AppServer, http: Http
) -> None:
    people = People(app_server.hub)
    venue_id, owner = await make_venue(app_server.hub, people)
    stranger = await people.customer()
    desk = f"/venues/{venue_id}/desk/events"
    for path, person, status in (
        (desk, None, 401),
        (desk, stranger, 404),
        (f"/venues/{venue_id + 1}/events", None, 404),
        ("/me/events", None, 401),
    ):
        with pytest.raises(Unopened) as refused:
            async with streaming(app_server.url, path, person and person.token):
                pass
        assert refused.value.status == refused.value.problem["status"] == status
        # Whoever may not know is not kept waiting either.
        began = time.monotonic()
        assert (await http.get(f"{path}?since=0&wait={LONG}", as_=person)).status == status
        assert time.monotonic() - began < LONG / 5
    async with app_server.hub.pool.acquire() as db:
        denied = await db.fetchval(
            "SELECT count(*) FROM audit WHERE operation = 'denied' AND actor_id = $1", stranger.id
        )
        assert denied == 2
    for path, room in ((desk, rooms.desk(venue_id)), ("/me/events", rooms.user(owner.id))):
        async with streaming(app_server.url, path, owner.token) as stream:
            await stream.until(name="snapshot")
            (version,) = await tell(app_server.hub, room)
            await stream.until(version)
            assert stream.versions == [version]


@pytest.mark.parametrize("last", ["7", "a:b", ":7", "a:-1", f"a:{2**53 + 1}", "a b:7", "é:1"])
async def test_an_id_that_no_event_has_is_refused(app_server: AppServer, last: str) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    with pytest.raises(Unopened) as refused:
        async with streaming(app_server.url, f"/venues/{venue_id}/events", last=last):
            pass
    assert (refused.value.status, refused.value.problem["errors"][0]["field"]) == (422, "Last-Event-ID")


async def test_who_does_not_ask_for_a_stream_alone_gets_a_page(app_server: AppServer, http: Http) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    path = f"/venues/{venue_id}/events"
    for method, accept in (("GET", f"application/json, {EVENT_STREAM}"), ("GET", "*/*"), ("HEAD", EVENT_STREAM)):
        answer = await http.ask(method, path, headers={"Accept": accept})
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
        assert "Accept" in ", ".join(answer.headers.getall("Vary"))


async def test_an_answer_waits_until_there_is_something_to_tell(app_server: AppServer, http: Http) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room, path = rooms.venue(venue_id), f"/venues/{venue_id}/events"
    await tell(app_server.hub, room, 3)
    began = time.monotonic()
    # What is known to be new, cannot be continued or was never begun is told at once.
    for query in ("since=1", "since=9", "since=3&epoch=elsewhere", "epoch=elsewhere"):
        assert (await http.get(f"{path}?{query}&wait={LONG}")).status == 200
    waiting = asyncio.create_task(http.get(f"{path}?since=3&epoch={app_server.running.live.epoch}&wait={LONG}"))
    await soon(lambda: bool(app_server.running.live.fanout.members(room)))
    assert not waiting.done()
    await tell(app_server.hub, room)
    news = (await waiting).data
    assert ([one["version"] for one in news["events"]], news["version"]) == ([4], 4)
    assert time.monotonic() - began < LONG / 2
    assert app_server.running.live.fanout.members(room) == []
    empty = await http.get(f"{path}?since=4&wait=1")
    assert (empty.data["events"], empty.data["version"]) == ([], 4)
    again = await http.get(f"{path}?since=4", headers={"If-None-Match": empty.headers["ETag"]})
    assert again.status == 304


@pytest.mark.parametrize(
    # One, unless the machine is so busy that some are woken after others have been answered.
    "most",
    [20, pytest.param(1, marks=pytest.mark.slow)],
)
async def test_a_crowd_that_waits_for_the_same_is_answered_by_few_looks_into_the_log(
    app_server: AppServer, http: Http, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room, path = rooms.venue(venue_id), f"/venues/{venue_id}/events"
    looks: list[object] = []
    look = replay.tell

    async def counted(*asked: Any) -> Any:
        looks.append(asked)
        return await look(*asked)

    monkeypatch.setattr(replay, "tell", counted)
    waiting = [asyncio.create_task(http.get(f"{path}?since=0&wait={LONG}")) for _ in range(40)]
    await soon(lambda: len(app_server.running.live.fanout.members(room)) == 40)
    assert looks == []
    await tell(app_server.hub, room)
    answers = await asyncio.gather(*waiting)
    assert len({answer.body for answer in answers}) == 1
    assert 1 <= len(looks) <= most
    assert answers[0].data["version"] == 1


async def test_a_crowd_of_streams_that_begins_at_once_takes_turns(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    looking, most = 0, 0
    look = replay.tell

    async def counted(*asked: Any) -> Any:
        nonlocal looking, most
        looking += 1
        most = max(most, looking)
        await asyncio.sleep(0.01)
        told = await look(*asked)
        looking -= 1
        return told

    async def open_one(stack: AsyncExitStack) -> None:
        stream = await stack.enter_async_context(streaming(app_server.url, f"/venues/{venue_id}/events"))
        await stream.until(name="snapshot", seconds=20)

    monkeypatch.setattr(replay, "tell", counted)
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(open_one(stack) for _ in range(40)))
    assert most == following.LOOKING_AT_ONCE


@pytest.mark.parametrize("wait", ["-1", "56", "1.5", "NaN", "soon"])
async def test_nobody_waits_for_ever(http: Http, app_server: AppServer, wait: str) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    refused = await http.get(f"/venues/{venue_id}/events?since=0&wait={wait}")
    assert (refused.status, refused.data["errors"][0]["field"]) == (422, "wait")


@pytest.mark.abuse("F7")
async def test_sockets_streams_and_waiting_requests_of_a_person_or_a_network_count_together(
    start: Start, settings: Settings
) -> None:
    limited = replace(settings, rate_limits=True, trusted_proxies=1)
    one, other = await start(limited), await start(limited)
    people = People(one.hub)
    venue_id, owner = await make_venue(one.hub, people)
    path = f"/venues/{venue_id}/events"
    async with AsyncExitStack() as stack:
        for number in range(10):
            worker = (one, other)[number % 2]
            stream = await stack.enter_async_context(streaming(worker.url, "/me/events", owner.token))
            await stream.until(name="snapshot")
        session = await stack.enter_async_context(ClientSession())
        http = Http(session, one.url)
        for asked in (f"{path}?since=0&wait={LONG}", f"/venues/{venue_id}/desk/events?since=0&wait={LONG}"):
            refused = await http.get(asked, as_=owner)
            assert (refused.status, refused.data["code"]) == (429, "too_many_sockets")
            assert int(refused.headers["Retry-After"]) > 0
        with pytest.raises(Unopened) as unopened:
            async with streaming(other.url, path, owner.token):
                pass
        assert unopened.value.problem["code"] == "too_many_sockets"
        # Who waits for nothing is no connection.
        assert (await http.get(f"{path}?since=0", as_=owner)).status == 200
        stream.response.close()
        await soon(lambda: sum(1 for _ in other.running.live.connections) == 4)
        await soon_admitted(other.url, owner.token)
    async with AsyncExitStack() as stack:
        near = {"X-Forwarded-For": "203.0.113.7"}
        for _ in range(30):
            await stack.enter_async_context(streaming(one.url, path, **near))
        with pytest.raises(Unopened, match="too_many_sockets"):
            async with streaming(one.url, path, **near):
                pass
        async with streaming(one.url, path, **{"X-Forwarded-For": "203.0.113.8"}) as stream:
            await stream.until(name="snapshot")
    await soon(lambda: not list(one.running.live.connections))
    assert not one.running.live.sockets.crowd.counts


async def soon_admitted(url: str, token: str) -> None:
    """Come back until a place that was left is free; workers tell each other of it."""
    async with asyncio.timeout(8):
        while True:
            try:
                async with streaming(url, "/me/events", token):
                    return
            except Unopened:
                await asyncio.sleep(0.1)


async def test_a_quiet_stream_beats_and_one_whose_client_goes_is_forgotten_at_once(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room, path = rooms.venue(venue_id), f"/venues/{venue_id}/events"
    fanout = app_server.running.live.fanout
    async with streaming(app_server.url, path) as stream:
        await stream.until(name="snapshot")
        assert len(fanout.members(room)) == 1
    # Long before the next beat.
    await soon(lambda: not fanout.members(room), following.HEARTBEAT_SECONDS / 3)
    async with ClientSession() as session:
        waiting = asyncio.create_task(Http(session, app_server.url).get(f"{path}?since=0&wait={LONG}"))
        await soon(lambda: bool(fanout.members(room)))
        waiting.cancel()
        await soon(lambda: not fanout.members(room))
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.1)
    async with streaming(app_server.url, path) as stream:
        await stream.wait(lambda: stream.beats >= 3)


async def test_who_does_not_read_is_cut_and_slows_nobody(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST_WAITING_BYTES", 256 * 1024)
    venue_id, _ = await make_venue(app_server.hub)
    room, path = rooms.venue(venue_id), f"/venues/{venue_id}/events"
    hub, live = app_server.hub, app_server.running.live
    large = f'{{"mark":"{"x" * 200_000}"}}'
    asked = f"GET /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAccept: {EVENT_STREAM}\r\n\r\n".encode()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", int(app_server.url.rpartition(":")[2])))
        slow.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(slow, asked)
        async with streaming(app_server.url, path) as stream:
            await stream.until(name="snapshot")
            await soon(lambda: len(live.fanout.members(room)) == 2)
            for number in range(1, 41):
                async with hub.pool.acquire() as db, db.transaction():
                    told = await event_log.tell(db, [room], ["venue.changed"], [large], [], [], [])
                hub.publish(told)
                await stream.until(number)
            assert stream.versions == list(range(1, 41))
            await soon(lambda: len(live.fanout.members(room)) == 1)


async def test_a_worker_that_stops_ends_its_streams_and_answers_who_waits(start: Start, settings: Settings) -> None:
    other = await start()
    loop = asyncio.get_running_loop()
    async with ClientSession() as session, AsyncExitStack() as clients:
        async with working(settings) as worker:
            venue_id, _ = await make_venue(worker.hub)
            room, path = rooms.venue(venue_id), f"/venues/{venue_id}/events"
            followers = [await clients.enter_async_context(streaming(worker.url, path)) for _ in range(5)]
            for stream in followers:
                await stream.until(name="snapshot")
            http = Http(session, worker.url)
            waiting = [asyncio.create_task(http.get(f"{path}?since=0&wait={LONG}")) for _ in range(5)]
            await soon(lambda: len(worker.running.live.fanout.members(room)) == 10)
            began = loop.time()
        assert loop.time() - began < 5
        answers = await asyncio.gather(*waiting)
        assert {(answer.status, answer.data["version"]) for answer in answers} == {(200, 0)}
        for stream in followers:
            await stream.ends()
        # Not all in the same moment.
        assert len({stream.retry for stream in followers}) > 1
    await tell(other.hub, room, 2)
    async with streaming(other.url, path, last=followers[0].number) as stream:
        await stream.until(2)
        assert stream.versions == [1, 2]


async def test_pages_of_other_origins_may_say_where_they_stand(app_server: AppServer, http: Http) -> None:
    asking = {"Origin": app_server.url, "Access-Control-Request-Method": "GET"}
    answer = await http.ask("OPTIONS", "/me/events", headers=asking)
    assert "Last-Event-ID" in answer.headers["Access-Control-Allow-Headers"]


def test_streams_are_described() -> None:
    paths: Any = openapi()["paths"]
    for path in ("/venues/{venue_id}/events", "/venues/{venue_id}/desk/events", "/me/events"):
        described = paths[f"/api/v1{path}"]["get"]
        assert set(described["responses"]["200"]["content"]) == {"application/json", EVENT_STREAM}
        assert {"since", "epoch", "wait", "Last-Event-ID"} <= {one["name"] for one in described["parameters"]}


@dataclass
class Losing:
    """Somebody who follows a desk and themselves on both workers, by streams and by a request that waits."""

    person: Person
    streams: list[Reader]
    waiting: list[asyncio.Task[Answer]]

    async def end(self, word: str, status: int, within: float = IN_TIME) -> None:
        """Expect that all of it ends in time, and says why."""
        for stream in self.streams:
            await stream.ends(within)
            assert [one.name for one in stream.sent if one.name not in ("message", "snapshot")] == [word]
        answers = await asyncio.wait_for(asyncio.gather(*self.waiting), within)
        assert {answer.status for answer in answers} == {status}


class Stage:
    """Two workers, a venue, and people who work there."""

    def __init__(self, workers: list[AppServer], stack: AsyncExitStack) -> None:
        self.workers, self.stack = workers, stack
        self.hub = workers[0].hub
        self.people = People(self.hub)
        self.venue_id = 0
        self.session = ClientSession()

    async def follow(self, lasts: float = 900, *, desk: bool = True) -> Losing:
        """Let somebody work here, and follow the desk, or only themselves."""
        person = await self.people.customer()
        await run(self.hub, "INSERT INTO venue_staff (venue_id, user_id) VALUES ($1, $2)", self.venue_id, person.id)
        token = token_that_lasts(self.workers[0], person, lasts)
        path = f"/venues/{self.venue_id}/desk/events" if desk else "/me/events"
        losing, before = Losing(person, [], []), self.following()
        for worker in self.workers:
            stream = await self.stack.enter_async_context(streaming(worker.url, path, token))
            await stream.until(name="snapshot")
            losing.streams.append(stream)
            at = stream.number.rpartition(":")[2]
            http = Http(self.session, worker.url)
            losing.waiting.append(asyncio.create_task(http.get(f"{path}?since={at}&wait={LONG}", as_=token)))
        await soon(lambda: self.following() == before + 4)
        return losing

    def following(self) -> int:
        """Count who follows on both workers."""
        return sum(1 for worker in self.workers for _ in worker.running.live.connections)


@pytest.fixture
async def stage(start: Start) -> AsyncIterator[Stage]:
    """Start two workers, and open a venue."""
    workers = await two(start)
    async with AsyncExitStack() as stack:
        stage = Stage(workers, stack)
        stage.venue_id, _ = await make_venue(stage.hub, stage.people)
        await stack.enter_async_context(stage.session)
        yield stage


@pytest.mark.abuse("E11", "C11", "C7", "B11", "A12", "E10")
async def test_whoever_loses_a_right_is_followed_by_nothing_more_within_two_seconds(stage: Stage) -> None:
    stays = await stage.follow()
    losing = [(await stage.follow(), act) for act in (log_out, ban, change_password, log_out_everywhere)]
    leaves, himself = await stage.follow(), await stage.follow(desk=False)
    expires = await stage.follow(lasts=5)
    for other, act in losing:
        await act(stage.hub, other.person)
    await log_out(stage.hub, himself.person)
    await take_desk(stage.hub, leaves.person)
    for other in (*(other for other, _ in losing), himself):
        await other.end("auth_revoked", 401)
    await leaves.end("room.closed", 404)
    await expires.end("auth_expired", 401)
    (version,) = await tell(stage.hub, rooms.desk(stage.venue_id))
    for stream in stays.streams:
        await stream.until(version)
    for answer in await asyncio.gather(*stays.waiting):
        assert [one["version"] for one in answer.data["events"]] == [version]
    for other in (*(other for other, _ in losing), leaves, expires):
        assert [stream.versions for stream in other.streams] == [[], []]


async def test_control_without_the_word_to_all_workers_those_elsewhere_go_on_hearing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for worker in stage.workers:
        monkeypatch.setattr(worker.running.live.publisher, "order", lambda *_: None)
    losing = await stage.follow()
    await log_out(stage.hub, losing.person)
    with pytest.raises(AssertionError):
        await losing.end("auth_revoked", 401, WITHIN)
    (version,) = await tell(stage.hub, rooms.desk(stage.venue_id))
    await losing.streams[1].until(version)
    assert [answer.status for answer in await asyncio.gather(*losing.waiting)] == [401, 200]


async def test_a_right_that_is_lost_while_a_stream_begins_is_noticed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (worker, _), person = stage.workers, await stage.people.customer()
    await run(stage.hub, "INSERT INTO venue_staff (venue_id, user_id) VALUES ($1, $2)", stage.venue_id, person.id)
    enter = worker.running.live.enter

    async def fired_on_the_way(connection: Any, room: str) -> Any:
        await take_desk(stage.hub, person)
        return await enter(connection, room)

    monkeypatch.setattr(worker.running.live, "enter", fired_on_the_way)
    with pytest.raises(Unopened, match="not_found"):
        async with streaming(worker.url, f"/venues/{stage.venue_id}/desk/events", person.token):
            pass
    assert stage.following() == 0
