"""static/js/live.js in node: snapshots, versions, gaps, reconnects, tokens and the hub's clock."""

import asyncio
import time
from datetime import timedelta

from hub import rooms
from tests.doors import AppServer, People
from tests.live.conftest import make_room, make_venue, slot, tell
from tests.live.following import following, reducing
from tests.live.test_rights import token_that_lasts


async def test_it_follows_a_venue_through_holds_and_stands_where_a_fresh_snapshot_does(app_server: AppServer) -> None:
    venue_id, owner = await make_venue(app_server.hub)
    room_id = await make_room(app_server.hub, venue_id)
    customer = await People(app_server.hub).customer()
    async with following(app_server.url, customer.token) as me, following(app_server.url, owner.token) as desk:
        await me.tell("watch", room="venue", id=venue_id)
        await me.tell("watch", room="me")
        await desk.tell("watch", room="desk", id=venue_id)
        await me.until(lambda said: said.get("snapshot") == "me")
        await desk.until(lambda said: said.get("snapshot") == "desk")
        held = (await me.ask("holds.place", {"items": [slot(room_id)]}))["answer"]
        taken = (await me.ask("bookings.make", {"items": [slot(room_id, 30)]}))["answer"]
        await me.ask("holds.release", {"booking_id": held["id"]})
        refused = await me.ask("holds.place", {"items": [slot(room_id, 30)]})
        assert refused["refusal"]["code"] == "not_available"
        shown = await me.reach("venue", 3)
        (state,) = shown["state"]["availability"].values()
        assert (state["state"], state["room_id"]) == ("taken", room_id)
        at_desk = (await desk.reach("desk", 3))["state"]["bookings"]
        assert {int(key): one["status"] for key, one in at_desk.items()} == {
            held["id"]: "cancelled",
            taken["id"]: "confirmed",
        }
        assert (await me.reach("me", 3))["state"]["bookings"].keys() == at_desk.keys()
        async with following(app_server.url, owner.token) as fresh:
            await fresh.tell("watch", room="venue", id=venue_id)
            await fresh.tell("watch", room="desk", id=venue_id)
            assert (await fresh.reach("venue", 3))["state"] == shown["state"]
            assert (await fresh.reach("desk", 3))["state"]["bookings"] == at_desk


async def test_cut_while_50_events_happen_it_resumes_with_exactly_those_in_order(app_server: AppServer) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    async with following(app_server.url) as follower:
        await follower.tell("watch", room="venue", id=venue_id)
        await follower.until(lambda said: said.get("snapshot") == "venue")
        await tell(app_server.hub, room, 3)
        await follower.reach("venue", 3)
        for wire in list(app_server.running.live.sockets.wires.values()):
            wire.abort()
        await tell(app_server.hub, room, 50)
        await follower.reach("venue", 53)
        await tell(app_server.hub, room, 2)
        await follower.reach("venue", 55)
        assert follower.versions("venue") == list(range(1, 56))
        names = [said["state"]["name"] for said in follower.said if "state" in said and "name" in said["state"]]
        assert "offline" in names
        assert names[-1] == "live"
        assert sum("snapshot" in said for said in follower.said) == 1


async def test_it_asks_for_events_that_never_came(app_server: AppServer) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    async with following(app_server.url) as follower:
        await follower.tell("watch", room="venue", id=venue_id)
        await follower.until(lambda said: said.get("snapshot") == "venue")
        await follower.tell("swallow", count=3)
        await follower.show("venue")
        await tell(app_server.hub, room, 4)
        await follower.reach("venue", 4)
        assert follower.versions("venue") == [1, 2, 3, 4]


async def test_it_reloads_when_the_log_no_longer_reaches_back(app_server: AppServer) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    await tell(app_server.hub, room, 5)
    async with app_server.hub.pool.acquire() as db:
        await db.execute("UPDATE live_rooms SET floor = 4")
        await db.execute("DELETE FROM events WHERE version <= 4")
    async with following(app_server.url) as follower:
        await follower.tell("watch", room="venue", id=venue_id, since=2)
        assert (await follower.until(lambda said: said.get("snapshot") == "venue"))["version"] == 5
        assert follower.versions("venue") == []


async def test_who_knows_a_version_hears_only_what_came_later(app_server: AppServer) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    await tell(app_server.hub, room, 5)
    async with following(app_server.url) as follower:
        await follower.tell("watch", room="venue", id=venue_id, since=3, epoch=app_server.running.live.epoch)
        await follower.reach("venue", 5)
        await tell(app_server.hub, room)
        await follower.reach("venue", 6)
        assert follower.versions("venue") == [4, 5, 6]
        assert not any("snapshot" in said for said in follower.said)


async def test_sent_away_by_a_worker_that_stops_it_comes_back_and_resumes(app_server: AppServer) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    async with following(app_server.url) as follower:
        await follower.tell("watch", room="venue", id=venue_id)
        await follower.until(lambda said: said.get("snapshot") == "venue")
        for wire in list(app_server.running.live.sockets.wires.values()):
            await wire.go_away()
        await tell(app_server.hub, room, 3)
        await follower.reach("venue", 3)
        assert follower.versions("venue") == [1, 2, 3]


async def test_a_token_that_runs_out_is_renewed_and_nothing_is_missed(app_server: AppServer) -> None:
    venue_id, owner = await make_venue(app_server.hub)
    desk = rooms.desk(venue_id)
    async with following(app_server.url, token_that_lasts(app_server, owner, 3)) as follower:
        await follower.tell("watch", room="desk", id=venue_id)
        await follower.until(lambda said: said.get("snapshot") == "desk")
        await asyncio.sleep(3.5)
        await tell(app_server.hub, desk, 3)
        assert follower.versions("desk") == []
        await follower.tell("token", value=owner.token)
        await follower.reach("desk", 3)
        await tell(app_server.hub, desk)
        await follower.reach("desk", 4)


async def test_a_revoked_token_makes_a_guest_of_it_and_logging_in_somebody_again(app_server: AppServer) -> None:
    venue_id, owner = await make_venue(app_server.hub)
    async with following(app_server.url, "revoked.or.forged") as follower:
        await follower.tell("watch", room="venue", id=venue_id)
        await follower.tell("watch", room="me")
        await follower.until(lambda said: said.get("snapshot") == "venue", 10)
        assert (await follower.until(lambda said: said.get("refused") == "me"))["code"] == "unauthenticated"
        await follower.tell("token", value=owner.token)
        await follower.until(lambda said: said.get("snapshot") == "me")
        after = len(follower.said)
        await follower.tell("token", value=None)
        await follower.until(lambda said: said.get("refused") == "me", after=after)
        assert (await follower.show("me"))["state"] is None
        await follower.until(lambda said: said.get("state", {}).get("name") == "live", after=after)


async def test_it_knows_the_hubs_time(app_server: AppServer) -> None:
    app_server.hub.clock._anchor += timedelta(hours=3)
    async with following(app_server.url) as follower:
        await follower.until(lambda said: said.get("state", {}).get("name") == "live")
        await follower.ask("hub.time")
        await follower.tell("time")
        shown = await follower.until(lambda said: "time" in said)
        assert abs(shown["time"] / 1000 - time.time() - 3 * 3600) < 1


async def test_nothing_is_sent_while_offline(app_server: AppServer) -> None:
    async with following("http://127.0.0.1:9") as follower:
        assert (await follower.ask("hub.time"))["refusal"]["code"] == "offline"


async def test_the_reducer_applies_what_it_knows_and_lets_the_rest_be() -> None:
    night = {"kind": "night", "room_type_id": 1, "night": "2027-01-01", "total": 5, "taken": 2, "held": 0, "free": 3}
    busy = {"kind": "room", "room_id": 2, "starts_at": "a", "ends_at": "b", "state": "held", "held_until": "c"}
    snapshot = {
        "venue": {"id": 7, "name": "old"},
        "room_types": [{"id": 1}],
        "rooms": [{"id": 2, "number": "1"}, {"id": 3, "number": "2"}],
        "sessions": [],
        "availability": [night, busy],
    }

    def event(name: str, data: object) -> dict[str, object]:
        return {"name": name, "data": data}

    events = [
        event("venue.changed", {"id": 7, "name": "new"}),
        event("room.created", {"id": 4, "number": "3"}),
        event("room.deleted", {"id": 2}),
        event("session.created", {"id": 9, "status": "active"}),
        event("session.cancelled", {"id": 9, "status": "cancelled"}),
        event("availability.changed", {"changes": [{**night, "taken": 0, "free": 5}, {**busy, "room_id": 3}]}),
        event("availability.changed", {"changes": [{**busy, "room_id": 3, "state": "free"}]}),
        event("booking.held", {"id": 1}),
        event("something.new", {"id": 1}),
    ]
    async with reducing() as reduced:
        state = await reduced(snapshot, events)
    assert state == {
        "venue": {"id": 7, "name": "new"},
        "room_types": {"1": {"id": 1}},
        "rooms": {"3": {"id": 3, "number": "2"}, "4": {"id": 4, "number": "3"}},
        "sessions": {"9": {"id": 9, "status": "cancelled"}},
        "availability": {},
    }
