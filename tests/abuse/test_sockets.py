"""What a socket may not do to others: hear before it is let in, ask as somebody else, or learn who is there."""

import asyncio
import time
from dataclasses import replace

import orjson
import pytest

from hub import rooms
from hub.settings import Settings
from hub.tokens import issue_access
from tests.doors import AppServer, Http, People
from tests.live.client import Refusal, Watcher
from tests.live.conftest import Start, Watch, make_room, make_venue, slot, tell
from tests.live.raw import raw
from tests.live.test_rights import token_that_lasts


@pytest.mark.abuse("E1")
async def test_without_a_good_token_nobody_is_let_in_and_the_line_is_closed_within_a_second(
    app_server: AppServer, settings: Settings
) -> None:
    person = await People(app_server.hub).customer()
    expired = token_that_lasts(app_server, person, -60)
    foreign, _ = issue_access(
        replace(settings, secret="of-another-hub-" + "y" * 32),
        app_server.hub.clock.now(),
        user_id=person.id,
        login_id=person.actor.login_id,  # type: ignore[arg-type]
        version=1,
        roles=(),
    )
    for token in (expired, foreign, "", person.token[:-2], 7, None, {"alg": "none"}):
        async with raw(app_server.url) as client:
            answer = str(await client.connect({"token": token}))
            if token is None:
                # No token is a guest, who may watch what everybody may.
                assert answer.startswith("40{")
                assert (await client.ask("me.watch"))["error"]["code"] == "unauthenticated"
                continue
            assert orjson.loads(answer[2:])["data"]["code"] == "unauthenticated"
            began = time.monotonic()
            assert await client.is_closed_within(2)
            assert time.monotonic() - began < 1


@pytest.mark.abuse("E5")
async def test_ten_thousand_rooms_are_fifty(app_server: AppServer, watch: Watch) -> None:
    people = People(app_server.hub)
    venue_id, owner = await make_venue(app_server.hub, people)
    async with app_server.hub.pool.acquire() as db:
        await db.execute(
            """
            INSERT INTO venues (owner_id, kind, name)
            SELECT $1, 'hall', 'Hall ' || n FROM generate_series(1, 200) AS n
            """,
            owner.id,
        )
        ids = [row["id"] for row in await db.fetch("SELECT id FROM venues ORDER BY id")]
    watcher = await watch(app_server)
    for number in range(50):
        await watcher.ask("venues.watch", {"venue_id": ids[number]})
    for number in range(50, 400):
        with pytest.raises(Refusal, match="too_many_rooms"):
            await watcher.ask("venues.watch", {"venue_id": ids[50 + number % 150]})
    fanout = app_server.running.live.fanout
    assert sum(len(fanout.members(rooms.venue(one))) for one in ids) == 50
    await watcher.ask("venues.unwatch", {"venue_id": ids[0]})
    await watcher.ask("venues.watch", {"venue_id": ids[100]})
    assert venue_id == ids[0]


@pytest.mark.abuse("E7")
async def test_who_asks_is_known_by_the_token_and_by_nothing_in_the_ask(
    app_server: AppServer, watch: Watch, http: Http
) -> None:
    people = People(app_server.hub)
    ana, other = await people.customer(), await people.customer("Otto Other")
    venue_id, _ = await make_venue(app_server.hub, people)
    room_id = await make_room(app_server.hub, venue_id)
    watcher = await watch(app_server, ana.token)
    asked = {"items": [slot(room_id)]}
    for forged in (
        {"user_id": other.id},
        {"actor": {"user_id": other.id}},
        {"roles": ["admin"]},
        {"price": {"total": 1}},
        {"token": other.token},
        {"status": "confirmed"},
        {"__proto__": {"user_id": other.id}},
    ):
        with pytest.raises(Refusal) as refused:
            await watcher.ask("holds.place", asked | forged)
        # Only those who work there may name a guest; all the rest is not known at all.
        assert refused.value.code == ("forbidden" if "user_id" in forged else "invalid")
    held = await watcher.ask("holds.place", asked)
    assert (held["guest"]["id"], held["price"]) == (ana.id, 5000)
    assert (await http.get(f"/bookings/{held['id']}", as_=other)).status == 404


@pytest.mark.abuse("E13")
async def test_a_socket_that_is_not_let_in_hears_nothing(
    app_server: AppServer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue_id, owner = await make_venue(app_server.hub)
    let_in = asyncio.Event()
    doors = app_server.running.live.doors
    assert doors is not None
    arrive = doors.arrive

    async def slowly(*arriving: object) -> None:
        await let_in.wait()
        await arrive(*arriving)  # type: ignore[arg-type]

    witness = await watch(app_server, owner.token)
    for command in ("venues.watch", "desks.watch"):
        await witness.ask(command, {"venue_id": venue_id})
    monkeypatch.setattr(doors, "arrive", slowly)
    async with raw(app_server.url) as silent, raw(app_server.url) as waiting:
        await waiting.send('40{"token":"forged"}')
        await waiting.send(f'421["venues.watch",{{"venue_id":{venue_id}}}]')
        for room in (rooms.venue(venue_id), rooms.desk(venue_id), rooms.user(owner.id)):
            await tell(app_server.hub, room, 5)
        await witness.reach(rooms.desk(venue_id), 5)
        let_in.set()
        assert await waiting.is_closed_within(2)
        assert [packet[:2] for packet in waiting.heard[1:]] == ["44"]
        assert silent.heard[1:] == []


@pytest.mark.abuse("E18")
async def test_acknowledgements_of_nothing_do_nothing_and_a_flood_of_them_is_cut_within_a_second(
    start: Start, settings: Settings
) -> None:
    worker = await start(replace(settings, rate_limits=True))
    async with raw(worker.url) as bystander, raw(worker.url) as client:
        await bystander.connect()
        await client.connect()
        for number in range(20):
            await client.send(f'43{number}[{{"ok":true}}]')
        assert (await client.ask("hub.time", None, 7))["ok"]
        began = time.monotonic()
        for number in range(500):
            await client.send(f'42{number}["hub.time",{{}}]')
        assert await client.is_closed_within(1)
        assert time.monotonic() - began < 2
        assert (await bystander.ask("hub.time"))["ok"]


@pytest.mark.abuse("E22")
async def test_whatever_version_is_named_a_room_that_is_not_ones_own_stays_closed(
    app_server: AppServer, watch: Watch, http: Http
) -> None:
    venue_id, owner = await make_venue(app_server.hub)
    await tell(app_server.hub, rooms.desk(venue_id), 3)
    stranger = await People(app_server.hub).customer("Sid Stranger")
    mine = await watch(app_server, owner.token)
    epoch = (await mine.ask("desks.watch", {"venue_id": venue_id}))["epoch"]
    watcher = await watch(app_server, stranger.token)
    for since in (0, 1, 3, 2**53 - 1):
        with pytest.raises(Refusal) as refused:
            await watcher.ask("desks.watch", {"venue_id": venue_id, "since": since, "epoch": epoch})
        assert refused.value.code == "not_found"
        path = f"/venues/{venue_id}/desk/events?since={since}&epoch={epoch}"
        assert (await http.get(path, as_=stranger)).status == 404
    # Their own room, asked for as if it were somebody else's.
    news = await watcher.ask("me.watch", {"since": 3, "epoch": epoch})
    assert (news["room"], news["reload"]) == (rooms.user(stranger.id), True)
    for name in ("room", "user_id", "venue_id"):
        with pytest.raises(Refusal) as refused:
            await watcher.ask("me.watch", {name: rooms.user(owner.id)})
        assert refused.value.code == "invalid"
    assert watcher.told == []


@pytest.mark.abuse("E25")
async def test_nobody_learns_who_is_there(app_server: AppServer, watch: Watch) -> None:
    people = People(app_server.hub)
    venue_id, owner = await make_venue(app_server.hub, people)
    witnesses = [await watch(app_server), await watch(app_server, owner.token)]
    for witness in witnesses:
        await witness.ask("venues.watch", {"venue_id": venue_id})
    await witnesses[1].ask("desks.watch", {"venue_id": venue_id})
    ana = await people.customer()
    async with Watcher(app_server.url, ana.token) as visitor:
        await visitor.ask("venues.watch", {"venue_id": venue_id})
        await visitor.ask("me.watch")
        await visitor.ask("venues.unwatch", {"venue_id": venue_id})
    for witness in witnesses:
        await witness.ask("hub.time")
        assert witness.told == witness.notes == []


@pytest.mark.abuse("E26")
async def test_what_everybody_hears_of_a_hold_is_the_slot_and_never_whose(
    app_server: AppServer, watch: Watch, http: Http
) -> None:
    people = People(app_server.hub)
    ana = await people.customer("Ana Verysecret")
    venue_id, _ = await make_venue(app_server.hub, people)
    room_id = await make_room(app_server.hub, venue_id)
    public = await watch(app_server)
    await public.ask("venues.watch", {"venue_id": venue_id})
    held = (await http.post("/holds", {"items": [slot(room_id)], "notes": "quiet-please"}, as_=ana)).data
    await public.reach(rooms.venue(venue_id), 1)
    (envelope,) = public.told
    assert envelope.keys() == {"room", "epoch", "version", "name", "at", "data"}
    (change,) = envelope["data"]["changes"]
    assert change.keys() == {"kind", "room_id", "starts_at", "ends_at", "state", "held_until"}
    written = orjson.dumps(public.told).decode()
    for secret in (ana.full_name, ana.email, held["reference"], "quiet-please"):
        assert secret not in written
    # Neither by its hold's number nor by whose it is can two slots be told to be one person's.
    snapshot = (await http.get(f"/venues/{venue_id}/snapshot")).text
    for secret in (ana.full_name, ana.email, held["reference"], "quiet-please", f'"user_id":{ana.id}'):
        assert secret not in snapshot


@pytest.mark.abuse("E19", "E18")
async def test_one_who_floods_is_cut_within_a_second_and_nobody_notices(start: Start, settings: Settings) -> None:
    """P10, short: one floods, some send the largest frames, some what is malformed; the others are answered."""
    worker = await start(replace(settings, rate_limits=True))
    async with Watcher(worker.url) as healthy, raw(worker.url) as flooding:
        await flooding.connect()
        took: list[float] = []

        async def live_on() -> None:
            for _ in range(20):
                began = time.monotonic()
                await healthy.ask("hub.time")
                took.append(time.monotonic() - began)
                await asyncio.sleep(0.06)

        async def abuse(packet: str) -> None:
            async with raw(worker.url) as client:
                await client.connect()
                for _ in range(100):
                    await client.send(packet)
                assert await client.is_closed_within(1)

        largest = '42["hub.time",{"x":"' + "y" * 32_000 + '"}]'
        await asyncio.gather(
            live_on(),
            *(abuse(packet) for packet in (largest, "42{}", "9", '450-["x"]', '42["connect"]')),
        )
        for _ in range(5_000):
            await flooding.send('42["hub.time"]')
        assert await flooding.is_closed_within(1)
    assert sorted(took)[len(took) // 2] < 0.3
