"""Rights act on sockets that are open: tokens that end, logins that are ended, desks that are left."""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from socketio.exceptions import ConnectionError as NotConnected

from handlers import connect
from hub import rooms, tokens
from hub.services import logins
from tests.doors import AppServer, Http, People, Person
from tests.live.client import Refusal, Watcher, soon
from tests.live.conftest import Watch, make_venue, tell


async def until_nobody(app: AppServer, room: str) -> None:
    await soon(lambda: not app.running.live.fanout.members(room), 3)


def token_that_lasts(app: AppServer, person: Person, seconds: float) -> str:
    assert person.actor.login_id is not None
    token, _ = tokens.issue_access(
        app.hub.settings,
        app.hub.clock.now(),
        user_id=person.id,
        login_id=uuid.UUID(person.actor.login_id),
        version=1,
        roles=(),
        lasts=timedelta(seconds=seconds),
    )
    return token


async def watched(watch: Watch, app: AppServer, token: str, venue_id: int) -> Watcher:
    watcher = await watch(app, token)
    await watcher.ask("desks.watch", {"venue_id": venue_id})
    await watcher.ask("me.watch")
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    return watcher


async def test_an_admin_who_comes_to_need_a_second_factor_hears_nothing_more_until_it_is_set_up(
    app_server: AppServer, watch: Watch
) -> None:
    hub = app_server.hub
    admin, customer = await People(hub).admin(), await People(hub).customer()
    watcher, other = await watch(app_server, admin.token), await watch(app_server, customer.token)
    await watcher.ask("me.watch")
    hub.settings = replace(hub.settings, admin_totp=True)
    hub.revoke([admin.id, customer.id])
    await asyncio.wait_for(watcher.closed.wait(), 3)
    assert [(name, note["code"]) for name, note in watcher.notes] == [("auth_revoked", "second_factor_required")]
    await until_nobody(app_server, rooms.user(admin.id))
    assert (other.socket.connected, other.notes) == (True, [])
    refused = Watcher(app_server.url, admin.token)
    with pytest.raises(NotConnected):
        await refused.connect()
    assert "second_factor_required" in str(refused.refused)


@pytest.mark.abuse("E10")
async def test_a_token_that_runs_out_takes_the_private_rooms_and_a_fresh_one_brings_them_back(
    app_server: AppServer, watch: Watch
) -> None:
    venue_id, owner = await make_venue(app_server.hub)
    desk, mine, public = rooms.desk(venue_id), rooms.user(owner.id), rooms.venue(venue_id)
    watcher = await watched(watch, app_server, token_that_lasts(app_server, owner, 2), venue_id)
    await watcher.until(lambda: bool(watcher.notes), 4)
    assert watcher.notes[0][0] == "auth_expired"
    assert watcher.notes[0][1]["code"] == "token_expired"
    await until_nobody(app_server, desk)
    await until_nobody(app_server, mine)
    await tell(app_server.hub, desk)
    await tell(app_server.hub, public)
    await watcher.reach(public, 1)
    assert watcher.versions_of(desk) == []
    with pytest.raises(Refusal) as refused:
        await watcher.ask("desks.watch", {"venue_id": venue_id})
    assert refused.value.code == "unauthenticated"
    stranger = await People(app_server.hub).customer()
    with pytest.raises(Refusal) as refused:
        await watcher.ask("me.renew", {"token": stranger.token})
    assert refused.value.code == "forbidden"
    assert (await watcher.ask("me.renew", {"token": owner.token}))["user_id"] == owner.id
    missed = await watcher.resume("desks.watch", desk, venue_id=venue_id)
    assert [envelope["version"] for envelope in missed] == [1]
    assert watcher.faults == []


@pytest.mark.abuse("E10")
async def test_who_brings_no_fresh_token_is_cut(
    app_server: AppServer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "SECONDS_TO_RENEW", 0.5)
    _, owner = await make_venue(app_server.hub)
    watcher = await watch(app_server, token_that_lasts(app_server, owner, 2))
    await asyncio.wait_for(watcher.closed.wait(), 6)


async def log_out(app: AppServer, person: Person) -> None:
    await logins.log_out(app.hub, person.actor)


async def suspend(app: AppServer, person: Person) -> None:
    async with app.hub.pool.acquire() as db:
        await db.execute("UPDATE users SET status = 'suspended' WHERE id = $1", person.id)


async def void_tokens(app: AppServer, person: Person) -> None:
    await logins.log_out_everywhere(app.hub, person.actor)


@pytest.mark.abuse("E11")
@pytest.mark.parametrize("end", [log_out, suspend, void_tokens])
async def test_a_login_that_is_ended_loses_its_rooms_at_once_when_the_live_part_is_told(
    app_server: AppServer, watch: Watch, end: Callable[..., object]
) -> None:
    venue_id, owner = await make_venue(app_server.hub)
    watcher = await watched(watch, app_server, owner.token, venue_id)
    await end(app_server, owner)  # type: ignore[misc]
    app_server.running.live.drop([owner.id])
    began = time.monotonic()
    await until_nobody(app_server, rooms.desk(venue_id))
    await until_nobody(app_server, rooms.user(owner.id))
    assert time.monotonic() - began < 2
    await asyncio.wait_for(watcher.closed.wait(), 2)
    assert watcher.notes[0][0] == "auth_revoked"


async def test_without_being_told_the_live_part_looks_by_itself(
    app_server: AppServer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "RECHECK_SECONDS", 1.0)
    venue_id, owner = await make_venue(app_server.hub)
    await watched(watch, app_server, owner.token, venue_id)
    await log_out(app_server, owner)
    await until_nobody(app_server, rooms.desk(venue_id))


@pytest.mark.abuse("E11")
async def test_who_no_longer_works_at_a_desk_hears_it_no_longer(app_server: AppServer, watch: Watch) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    clerk = await People(app_server.hub).customer()
    async with app_server.hub.pool.acquire() as db:
        await db.execute("INSERT INTO venue_staff (venue_id, user_id) VALUES ($1, $2)", venue_id, clerk.id)
    watcher = await watched(watch, app_server, clerk.token, venue_id)
    async with app_server.hub.pool.acquire() as db:
        await db.execute("DELETE FROM venue_staff WHERE venue_id = $1", venue_id)
    app_server.running.live.drop([clerk.id])
    await until_nobody(app_server, rooms.desk(venue_id))
    await watcher.until(lambda: watcher.notes == [("room.closed", {"room": rooms.desk(venue_id)})])
    assert len(app_server.running.live.fanout.members(rooms.user(clerk.id))) == 1


async def test_a_guest_may_log_in_on_the_open_socket(app_server: AppServer, watch: Watch) -> None:
    customer = await People(app_server.hub).customer()
    watcher = await watch(app_server)
    renewed = await watcher.ask("me.renew", {"token": customer.token})
    assert renewed["user_id"] == customer.id
    assert (await watcher.ask("me.watch"))["snapshot"]["user"]["id"] == customer.id


async def test_the_same_rooms_over_http_with_the_same_rights(app_server: AppServer, http: Http, watch: Watch) -> None:
    venue_id, owner = await make_venue(app_server.hub)
    stranger = await People(app_server.hub).customer()
    for path, person, status in (
        (f"/venues/{venue_id}/events", None, 200),
        (f"/venues/{venue_id}/snapshot", None, 200),
        (f"/venues/{venue_id + 1}/events", None, 404),
        (f"/venues/{venue_id}/desk/events", None, 401),
        (f"/venues/{venue_id}/desk/events", stranger, 404),
        (f"/venues/{venue_id}/desk/snapshot", stranger, 404),
        (f"/venues/{venue_id}/desk/snapshot", owner, 200),
        (f"/venues/{venue_id}/desk/events", owner, 200),
        ("/me/events", None, 401),
        ("/me/snapshot", owner, 200),
        ("/me/events", owner, 200),
    ):
        assert (await http.get(path, as_=person)).status == status, path


async def test_plain_http_tells_the_same_events_in_pages(app_server: AppServer, http: Http, watch: Watch) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    watcher = await watch(app_server)
    first = await watcher.ask("venues.watch", {"venue_id": venue_id})
    plain = (await http.get(f"/venues/{venue_id}/events")).data
    assert plain["snapshot"] == first["snapshot"]
    assert (plain["version"], plain["epoch"], plain["reload"]) == (0, first["epoch"], False)
    await tell(app_server.hub, room, 7)
    await watcher.reach(room, 7)
    news = (await http.get(f"/venues/{venue_id}/events?since=2&epoch={plain['epoch']}")).data
    assert news["events"] == watcher.told[2:]
    assert (news["version"], news["more"], news["snapshot"]) == (7, False, None)
    assert (await http.get(f"/venues/{venue_id}/events?since=8")).data["reload"] is True
    assert (await http.get(f"/venues/{venue_id}/events?since=2&epoch=other")).data["reload"] is True
    for since in ("-1", "x", "1.5", str(2**60)):
        assert (await http.get(f"/venues/{venue_id}/events?since={since}")).status == 422
