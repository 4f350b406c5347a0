"""A crowd that comes at once costs one look into the database, and each of it knows what everybody else does."""

import asyncio
from typing import Any

import pytest

from hub import rooms
from hub.live import fanout, replay
from hub.live.beginning import MOST_LATER
from tests.doors import AppServer, People
from tests.live.client import Refusal
from tests.live.conftest import Watch, make_room, make_venue, slot, tell
from tests.live.following import following, reducing
from tests.live.raw import raw


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every look at where a room stands."""
    noted: list[str] = []
    tell_told = replay.tell

    async def noting(pool: Any, room: str, *rest: Any) -> Any:
        noted.append(room)
        return await tell_told(pool, room, *rest)

    monkeypatch.setattr(replay, "tell", noting)
    return noted


async def test_a_crowd_costs_one_look_and_all_end_where_a_fresh_snapshot_does(
    app_server: AppServer, watch: Watch, looks: list[str]
) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room_id = await make_room(app_server.hub, venue_id)
    room = rooms.venue(venue_id)
    customer = await watch(app_server, (await People(app_server.hub).customer()).token)
    crowd = [await watch(app_server) for _ in range(12)]
    await asyncio.gather(*(one.ask("venues.watch", {"venue_id": venue_id}) for one in crowd[:6]))
    assert looks == [room]
    # Those who come between the changes are told what came after the snapshot that they begin with.
    for hour, one in enumerate(crowd[6:], 24):
        held = await customer.ask("holds.place", {"items": [slot(room_id, hour)]})
        await one.ask("venues.watch", {"venue_id": venue_id})
        await customer.ask("holds.release", {"booking_id": held["id"]})
    for one in crowd:
        await one.reach(room, 12)
        assert one.faults == []
    fresh = await watch(app_server)
    app_server.running.live.fanout._rooms[room].beginning = None
    known = (await fresh.ask("venues.watch", {"venue_id": venue_id}))["snapshot"]
    async with reducing() as reduced:
        expected = await reduced(known, [])
        for one in crowd:
            assert await reduced(one.snapshots[room], one.told) == expected


async def test_the_pages_follow_from_where_others_began(
    app_server: AppServer, watch: Watch, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "KEPT_SECONDS", 60)
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    first = await watch(app_server)
    await first.ask("venues.watch", {"venue_id": venue_id})
    await tell(app_server.hub, room, 3, name="availability.changed")
    await first.reach(room, 3)
    async with following(app_server.url) as follower:
        await follower.tell("watch", room="venue", id=venue_id)
        await follower.reach("venue", 3)
        assert looks == [room]
        (begun,) = [said for said in follower.said if said.get("snapshot") == "venue"]
        assert begun["version"] == 0


async def test_after_a_fact_and_after_many_states_it_is_read_anew(
    app_server: AppServer, watch: Watch, looks: list[str]
) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    first = await watch(app_server)
    await first.ask("venues.watch", {"venue_id": venue_id})
    for reads, (name, count) in enumerate([("venue.changed", 1), ("availability.changed", MOST_LATER + 1)], 2):
        versions = await tell(app_server.hub, room, count, name=name)
        await first.reach(room, versions[-1])
        one = await watch(app_server)
        assert (await one.ask("venues.watch", {"venue_id": venue_id}))["version"] == versions[-1]
        assert len(looks) == reads


async def test_a_venue_that_is_closed_is_shown_to_nobody_by_what_was_kept(app_server: AppServer, watch: Watch) -> None:
    venue_id, owner = await make_venue(app_server.hub)
    one, desk = await watch(app_server), await watch(app_server, owner.token)
    await one.ask("venues.watch", {"venue_id": venue_id})
    await desk.ask("venues.change", {"venue_id": venue_id, "is_active": False})
    await one.reach(rooms.venue(venue_id), 1)
    late = await watch(app_server)
    with pytest.raises(Refusal, match="not_found"):
        await late.ask("venues.watch", {"venue_id": venue_id})
    # Nor does who may see it let others in.
    await desk.ask("venues.watch", {"venue_id": venue_id})
    with pytest.raises(Refusal, match="not_found"):
        await late.ask("venues.watch", {"venue_id": venue_id})


@pytest.mark.parametrize("payload", [{"venue_id": True}, {"venue_id": 1.0}, {"venue_id": "1"}, {"id": 1}, [], None])
async def test_what_is_no_venue_is_refused_however_many_watch(
    app_server: AppServer, watch: Watch, payload: object
) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    one = await watch(app_server)
    await one.ask("venues.watch", {"venue_id": venue_id})
    async with raw(app_server.url) as client:
        await client.connect()
        assert (await client.ask("venues.watch", payload))["error"]["code"] in ("invalid", "malformed")
