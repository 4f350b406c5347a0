"""Watch, snapshot, events, resume: one worker, and stock clients."""

import pytest
from socketio.exceptions import ConnectionError as Refused

from hub import rooms
from tests.doors import AppServer, People
from tests.live.client import Refusal, Watcher
from tests.live.conftest import Watch, make_room, make_venue, slot, tell


async def test_a_watcher_begins_with_a_snapshot_and_then_hears_what_changes(
    app_server: AppServer, watch: Watch
) -> None:
    people = People(app_server.hub)
    venue_id, owner = await make_venue(app_server.hub)
    room_id = await make_room(app_server.hub, venue_id)
    customer = await people.customer()
    public, desk, guest = (
        await watch(app_server),
        await watch(app_server, owner.token),
        await watch(app_server, customer.token),
    )
    seen = await public.ask("venues.watch", {"venue_id": venue_id})
    assert seen["snapshot"]["venue"]["id"] == venue_id
    assert [room["id"] for room in seen["snapshot"]["rooms"]] == [room_id]
    assert seen["snapshot"]["availability"] == []
    await desk.ask("desks.watch", {"venue_id": venue_id})
    me = await guest.ask("me.watch")
    assert me["snapshot"]["user"]["email"] == customer.email

    held = await guest.ask("holds.place", {"items": [slot(room_id)], "notes": "by the window"})

    await public.reach(rooms.venue(venue_id), seen["version"] + 1)
    await desk.until(lambda: len(desk.told) == 1)
    await guest.until(lambda: len(guest.told) == 1)
    (change,) = public.told[0]["data"]["changes"]
    assert (change["room_id"], change["state"]) == (room_id, "held")
    assert change["held_until"] is not None
    assert desk.told[0]["name"] == guest.told[0]["name"] == "booking.held"
    assert desk.told[0]["data"]["id"] == held["id"]
    assert desk.told[0]["data"]["notes"] == "by the window"
    assert "notes" not in str(public.told)
    assert customer.email not in str(public.told)
    assert public.faults == desk.faults == guest.faults == []


async def test_a_client_cut_while_50_events_happen_resumes_with_exactly_those_in_order(
    app_server: AppServer, watch: Watch
) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    watcher = await watch(app_server)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    await tell(app_server.hub, room, 3)
    await watcher.reach(room, 3)
    await watcher.cut()
    await tell(app_server.hub, room, 50)
    await watcher.connect()
    missed = await watcher.resume("venues.watch", room, venue_id=venue_id)
    assert [envelope["version"] for envelope in missed] == list(range(4, 54))
    await tell(app_server.hub, room)
    await watcher.reach(room, 54)
    assert watcher.faults == []


@pytest.mark.abuse("E22")
async def test_more_than_500_missed_events_come_in_pages_and_then_live(app_server: AppServer, watch: Watch) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    watcher = await watch(app_server)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    await watcher.cut()
    async with app_server.hub.pool.acquire() as db:
        await db.fetch(
            "SELECT version FROM append_events(array_fill($1::text, ARRAY[1203]), array_fill('x'::text, ARRAY[1203]),"
            " array_fill('{}'::json, ARRAY[1203]))",
            room,
        )
    await watcher.connect()
    first = await watcher.ask("venues.watch", {"venue_id": venue_id, "since": 0})
    assert (first["version"], first["more"], len(first["events"])) == (500, True, 500)
    await tell(app_server.hub, room)
    missed = await watcher.resume("venues.watch", room, venue_id=venue_id)
    assert watcher.versions[room] == 1204
    assert len(missed) == 704
    await tell(app_server.hub, room)
    await watcher.reach(room, 1205)
    assert watcher.faults == []


@pytest.mark.abuse("E22")
async def test_what_cannot_be_continued_is_a_reload(app_server: AppServer, watch: Watch) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    await tell(app_server.hub, room, 10)
    watcher = await watch(app_server)
    epoch = (await watcher.ask("venues.watch", {"venue_id": venue_id}))["epoch"]
    for known in ({"since": 11}, {"since": 2**53}, {"since": 5, "epoch": "another"}):
        news = await watcher.ask("venues.watch", {"venue_id": venue_id, **known})
        assert news["reload"] is True
        assert news["version"] == 10
        assert news["snapshot"]["venue"]["id"] == venue_id
    news = await watcher.ask("venues.watch", {"venue_id": venue_id, "since": 5, "epoch": epoch})
    assert [envelope["version"] for envelope in news["events"]] == [6, 7, 8, 9, 10]
    async with app_server.hub.pool.acquire() as db:
        await db.execute("UPDATE live_rooms SET floor = 7 WHERE room = $1", room)
        await db.execute("DELETE FROM events WHERE room = $1 AND version <= 7", room)
    assert (await watcher.ask("venues.watch", {"venue_id": venue_id, "since": 6}))["reload"] is True
    news = await watcher.ask("venues.watch", {"venue_id": venue_id, "since": 7})
    assert [envelope["version"] for envelope in news["events"]] == [8, 9, 10]


@pytest.mark.abuse("E22")
@pytest.mark.parametrize("since", [-1, 1.5, "7", 2**53 + 1, True])
async def test_a_version_that_is_none_is_refused(app_server: AppServer, watch: Watch, since: object) -> None:
    watcher = await watch(app_server)
    with pytest.raises(Refusal) as refused:
        await watcher.ask("venues.watch", {"venue_id": 1, "since": since})
    assert refused.value.code == "invalid"
    assert refused.value.problem["errors"][0]["field"] == "since"


@pytest.mark.abuse("E22")
async def test_only_the_desk_watches_the_desk_and_only_one_self_oneself(app_server: AppServer, watch: Watch) -> None:
    venue_id, owner = await make_venue(app_server.hub)
    stranger = await People(app_server.hub).customer()
    for token, name, code in (
        (stranger.token, "desks.watch", "not_found"),
        (None, "desks.watch", "unauthenticated"),
        (None, "me.watch", "unauthenticated"),
    ):
        watcher = await watch(app_server, token)
        with pytest.raises(Refusal) as refused:
            await watcher.ask(name, {"venue_id": venue_id} if name == "desks.watch" else {})
        assert refused.value.code == code
    with pytest.raises(Refusal) as refused:
        await (await watch(app_server, owner.token)).ask("desks.watch", {"venue_id": venue_id + 1})
    assert refused.value.code == "not_found"
    with pytest.raises(Refusal) as refused:
        await (await watch(app_server)).ask("venues.watch", {"venue_id": venue_id + 1})
    assert refused.value.code == "not_found"


@pytest.mark.abuse("E1")
@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", 7, {"a": 1}])
async def test_a_bad_token_is_refused_at_the_door(app_server: AppServer, token: object) -> None:
    watcher = Watcher(app_server.url, token)  # type: ignore[arg-type]
    with pytest.raises(Refused):
        await watcher.connect()
    assert watcher.refused["data"]["code"] == "unauthenticated"
    await watcher.leave()


async def test_who_leaves_a_room_hears_it_no_longer_and_it_is_forgotten(app_server: AppServer, watch: Watch) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    watcher, other = await watch(app_server), await watch(app_server)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    await other.ask("venues.watch", {"venue_id": venue_id})
    assert (await watcher.ask("venues.unwatch", {"venue_id": venue_id})) == {"room": room}
    await tell(app_server.hub, room)
    await other.reach(room, 1)
    await watcher.ask("hub.time")
    assert watcher.told == []
    await other.cut()
    await other.until(lambda: not app_server.running.live.fanout.members(room))


@pytest.mark.abuse("E5")
async def test_one_connection_watches_at_most_50_rooms(app_server: AppServer, watch: Watch) -> None:
    venues = [(await make_venue(app_server.hub))[0] for _ in range(2)]
    async with app_server.hub.pool.acquire() as db:
        venues += [
            row[0]
            for row in await db.fetch(
                """
                INSERT INTO venues (owner_id, kind, name)
                SELECT owner_id, kind, name FROM venues, generate_series(1, 30) RETURNING id
                """
            )
        ]
    watcher = await watch(app_server)
    for venue_id in venues[:50]:
        await watcher.ask("venues.watch", {"venue_id": venue_id})
    with pytest.raises(Refusal) as refused:
        await watcher.ask("venues.watch", {"venue_id": venues[50]})
    assert refused.value.code == "too_many_rooms"
    await watcher.ask("venues.watch", {"venue_id": venues[0]})
    await watcher.ask("venues.unwatch", {"venue_id": venues[0]})
    await watcher.ask("venues.watch", {"venue_id": venues[50]})


async def test_asks_of_one_connection_are_carried_out_in_their_order(app_server: AppServer, watch: Watch) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    watcher = await watch(app_server)
    answers: list[str] = []
    for _ in range(10):
        await watcher.socket.emit(
            "venues.watch", {"venue_id": venue_id}, callback=lambda answer: answers.append(f"in {answer['ok']}")
        )
        await watcher.socket.emit(
            "venues.unwatch", {"venue_id": venue_id}, callback=lambda answer: answers.append(f"out {answer['ok']}")
        )
    await watcher.until(lambda: len(answers) == 20)
    assert answers == ["in True", "out True"] * 10
    assert app_server.running.live.fanout.members(rooms.venue(venue_id)) == []
