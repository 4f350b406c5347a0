"""Of what is free within a tick each thing is told once, as it now is; facts are told one by one, all in order."""

import asyncio
import random
import types
import typing
from typing import Any

import orjson

from hub import rooms
from hub.core import Hub
from hub.live import coalescing, fanout
from hub.live.frames import Frame
from hub.live.seats import Batch, Seat
from hub.models.availability import Change
from storage import event_log
from tests.doors import AppServer
from tests.live.conftest import Watch, make_venue, tell
from tests.live.following import reducing

FREE = {"total": 5, "taken": 0, "held": 0, "free": 5}


def night(number: int, taken: int) -> dict[str, Any]:
    return {"kind": "night", "room_type_id": 1, "night": f"2027-01-{number:02}", **FREE, "taken": taken}


def event(version: int, name: str, data: Any) -> Frame:
    envelope = {"room": "venue:1", "epoch": "e", "version": version, "name": name, "at": "now", "data": data}
    return Frame("venue:1", version, "2" + orjson.dumps([name, envelope]).decode())


def states(version: int, *changes: dict[str, Any]) -> Frame:
    return event(version, "availability.changed", {"changes": list(changes)})


def read(frame: Frame) -> Any:
    return orjson.loads(frame.text[1:])[1]


def spans(frames: typing.Iterable[Frame]) -> list[tuple[int, int]]:
    return [(read(one).get("first_version", one.version), one.version) for one in frames]


def test_a_run_of_states_becomes_one_and_a_fact_stays_where_it_was() -> None:
    told = coalescing.coalesced(
        [
            states(4, night(1, 1), night(2, 1)),
            states(5, night(1, 2)),
            event(6, "venue.changed", {"id": 1}),
            states(7, night(3, 1)),
            event(8, "room.created", {"id": 2}),
            states(9, night(1, 0)),
            states(10, night(1, 1)),
        ]
    )
    assert spans(told) == [(4, 5), (6, 6), (7, 7), (8, 8), (9, 10)]
    assert read(told[0])["data"]["changes"] == [night(2, 1), night(1, 2)]
    assert read(told[-1])["data"]["changes"] == [night(1, 1)]
    assert "first_version" not in read(told[2])


def test_every_kind_of_change_is_known_by_what_it_is_about() -> None:
    union = typing.get_args(Change)[0]
    assert isinstance(union, types.UnionType)
    for model in typing.get_args(union):
        (kind,) = typing.get_args(model.model_fields["kind"].annotation)
        assert set(coalescing._ABOUT[kind]) <= set(model.model_fields)
    assert {typing.get_args(model.model_fields["kind"].annotation)[0] for model in typing.get_args(union)} == set(
        coalescing._ABOUT
    )


async def test_whoever_applies_what_is_coalesced_stands_where_the_log_does() -> None:
    chance = random.Random(5)
    log = [
        event(version, "room.deleted", {"id": chance.randrange(3)})
        if chance.random() < 0.1
        else states(version, *(night(chance.randrange(1, 6), chance.randrange(3)) for _ in range(chance.randrange(4))))
        for version in range(1, 200)
    ]
    snapshot = {"venue": {"id": 1}, "room_types": [], "rooms": [{"id": 1}], "sessions": [], "availability": []}
    told: list[Frame] = []
    at = 0
    while at < len(log):
        size = chance.randrange(1, 12)
        told += coalescing.coalesced(log[at : at + size])
        at += size
    assert len(told) < len(log) / 2
    async with reducing() as reduced:
        expected = await reduced(snapshot, [read(one) for one in log])
        assert await reduced(snapshot, [read(one) for one in told]) == expected


def test_who_begins_in_the_middle_of_a_batch_is_told_the_rest_only() -> None:
    heard: list[tuple[int, int]] = []

    class Ear:
        def hear(self, frames: typing.Sequence[Frame], joined: bytes) -> None:
            assert joined == b"".join(one.framed for one in frames)
            heard.extend(spans(frames))

        def cut(self, reason: str) -> None:
            raise AssertionError(reason)

    seat = Seat(Ear())
    seat.take(Batch([states(3, night(1, 1)), states(4, night(1, 2))]))
    seat.begin(3)
    seat.take(Batch([states(4, night(1, 2))]))
    seat.known = 6
    seat.take(Batch([states(version, night(version, 1)) for version in range(5, 10)]))
    assert heard == [(4, 4), (7, 9)]


async def change(hub: Hub, room: str, count: int) -> None:
    """Tell so many changes of three nights, one after the other."""
    for number in range(count):
        data = orjson.dumps({"changes": [night(1 + number % 3, number % 5)]}).decode()
        async with hub.pool.acquire() as db, db.transaction():
            told = await event_log.tell(db, [room], ["availability.changed"], [data], [], [], [])
        hub.publish(told)


async def test_what_a_watcher_costs_is_bounded_by_the_tick(
    app_server: AppServer, watch: Watch, monkeypatch: Any
) -> None:
    monkeypatch.setattr(fanout, "TICK", 1.0)
    monkeypatch.setattr(fanout, "_SECONDS_A_SEAT", 1.0)
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    watcher = await watch(app_server)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    await change(app_server.hub, room, 1)
    # The first after a quiet moment waits for nobody.
    await watcher.reach(room, 1, 0.9)
    began = asyncio.get_running_loop().time()
    await change(app_server.hub, room, 40)
    await watcher.reach(room, 41)
    ticks = asyncio.get_running_loop().time() - began
    assert len(watcher.told) <= 3 + 2 * ticks
    assert sum(len(one["data"]["changes"]) for one in watcher.told) <= 3 * len(watcher.told)
    # A fact waits for no tick, and takes along what came before it.
    await change(app_server.hub, room, 2)
    await tell(app_server.hub, room)
    await watcher.reach(room, 44, 0.9)
    assert watcher.told[-1]["name"] == "venue.changed"
    assert watcher.faults == []
