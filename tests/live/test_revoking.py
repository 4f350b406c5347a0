"""The loss of a right reaches a hundred live sockets on two workers within two seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import ClientSession

from handlers import connect
from hub import rooms
from hub.core import Actor
from hub.live import server
from hub.models.credentials import ChangePassword
from hub.models.people import NamePerson, SetRoles, SuspendPerson
from hub.models.staff import NameColleague
from hub.services import accounts, credentials, impersonation, logins, people, staff
from hub.settings import Settings
from storage.embedded_server import Valkey
from tests.doors import PASSWORD, AppServer, People, Person
from tests.live.client import Watcher, soon
from tests.live.conftest import Start, Watch, make_venue, tell
from tests.live.test_rights import token_that_lasts

SOCKETS, EACH = 100, 5
WITHIN = 2.0
# Here people may see the desk by their role, elsewhere because they work there.
BY_ROLE = ("roles", "right")


@dataclass
class Crowd:
    """A hundred sockets at the desk of one venue, over two workers; some of their people stay as they are."""

    workers: list[AppServer]
    venue_id: int
    victims: list[Person]
    others: list[Person]
    watchers: dict[int, list[Watcher]]

    @property
    def desk(self) -> str:
        return rooms.desk(self.venue_id)

    def of(self, people: list[Person]) -> list[Watcher]:
        return [watcher for person in people for watcher in self.watchers[person.id]]

    def hearing(self, room: str) -> int:
        return sum(len(worker.running.live.fanout.members(room)) for worker in self.workers)


async def gather_crowd(workers: list[AppServer], watch: Watch, kind: str) -> Crowd:
    hub = workers[0].hub
    everybody = People(hub)
    venue_id, _ = await make_venue(hub)
    crowd = Crowd(workers, venue_id, [], [], {})
    for number in range(SOCKETS // EACH):
        person = await (everybody.admin() if kind in BY_ROLE else everybody.customer())
        if kind not in BY_ROLE:
            await run(hub, "INSERT INTO venue_staff (venue_id, user_id) VALUES ($1, $2)", venue_id, person.id)
        (crowd.others if number % 10 == 0 else crowd.victims).append(person)

    async def sit_down(person: Person, worker: AppServer) -> None:
        token = token_that_lasts(worker, person, 900) if person in crowd.victims else person.token
        watcher = await watch(worker, token)
        await watcher.ask("desks.watch", {"venue_id": venue_id})
        await watcher.ask("me.watch")
        crowd.watchers.setdefault(person.id, []).append(watcher)

    for number in range(EACH):
        worker = workers[number % len(workers)]
        await asyncio.gather(*(sit_down(person, worker) for person in [*crowd.victims, *crowd.others]))
    assert crowd.hearing(crowd.desk) == SOCKETS
    return crowd


async def run(hub: Any, statement: str, *values: Any) -> None:
    async with hub.pool.acquire() as db:
        await db.execute(statement, *values)


async def written(hub: Any, person: Person, statement: str) -> None:
    """Change somebody's standing as a service does: in a unit of work that says so."""
    async with hub.work(person.actor) as work:
        await work.db.execute(statement, person.id)
        work.revoke(person.id)


async def log_out(hub: Any, person: Person) -> None:
    await logins.log_out(hub, person.actor)


async def log_out_everywhere(hub: Any, person: Person) -> None:
    await logins.log_out_everywhere(hub, person.actor)


async def ban(hub: Any, person: Person) -> None:
    ask = SuspendPerson.model_validate({"user_id": person.id, "reason": "Spam"})
    await people.suspend(hub, await boss(hub), ask)


async def change_roles(hub: Any, person: Person) -> None:
    ask = SetRoles.model_validate({"user_id": person.id, "roles": ["customer"]})
    await people.set_roles(hub, await boss(hub), ask)


async def boss(hub: Any) -> Actor:
    """Act as a super admin."""
    return (await People(hub).admin("Berta Boss", role="super_admin")).actor


async def change_password(hub: Any, person: Person) -> None:
    ask = ChangePassword.model_validate({"current_password": PASSWORD, "password": f"{PASSWORD} {person.id}"})
    await credentials.change_password(hub, person.actor, ask)


async def take_right(hub: Any, person: Person) -> None:
    await written(hub, person, "DELETE FROM user_roles WHERE user_id = $1")


async def take_desk(hub: Any, person: Person) -> None:
    async with hub.pool.acquire() as db:
        venue_id = await db.fetchval("SELECT venue_id FROM venue_staff WHERE user_id = $1", person.id)
    ask = NameColleague.model_validate({"venue_id": venue_id, "user_id": person.id})
    await staff.remove(hub, await boss(hub), ask)


Act = Callable[[Any, Person], Awaitable[None]]
# What ends the login ends the connection; what only takes a right away empties its seat.
ENDS: dict[str, Act] = {
    "logout": log_out,
    "logout everywhere": log_out_everywhere,
    "ban": ban,
    "password": change_password,
    "roles": change_roles,
}
NARROWS: dict[str, Act] = {"right": take_right, "staff": take_desk}


async def two(start: Start, settings: Settings | None = None) -> list[AppServer]:
    workers = [await (start() if settings is None else start(settings)) for _ in range(2)]
    await soon(lambda: all(worker.running.live.is_redis_up for worker in workers), 10)
    return workers


async def act_on_all(crowd: Crowd, act: Act) -> None:
    """Take away the right of every victim, by one worker alone."""
    hub = crowd.workers[0].hub
    await asyncio.gather(*(act(hub, person) for person in crowd.victims))


async def judge_silence(crowd: Crowd) -> None:
    """Tell desk and people something: who lost the right hears nothing of it, everybody else does."""
    before = {id(watcher): len(watcher.told) for watcher in crowd.of(crowd.victims)}
    hub = crowd.workers[1].hub
    (version,) = await tell(hub, crowd.desk)
    for watcher in crowd.of(crowd.others):
        await watcher.reach(crowd.desk, version)
    for watcher in crowd.of(crowd.victims):
        news = watcher.told[before[id(watcher)] :]
        assert [one for one in news if one["room"] == crowd.desk] == []


async def status_of(worker: AppServer, path: str, person: Person) -> int:
    bearing = {"Authorization": f"Bearer {person.token}"}
    async with ClientSession(headers=bearing) as session, session.get(f"{worker.url}/api/v1{path}") as response:
        return response.status


@pytest.mark.abuse("C11", "C7", "E11", "A12", "B11")
@pytest.mark.parametrize("kind", ENDS)
async def test_a_login_that_ends_ends_its_sockets_on_every_worker(start: Start, watch: Watch, kind: str) -> None:
    crowd = await gather_crowd(await two(start), watch, kind)
    await act_on_all(crowd, ENDS[kind])
    for worker in crowd.workers:
        assert await status_of(worker, "/me", crowd.victims[0]) == 401
    stayed = EACH * len(crowd.others)
    await soon(lambda: crowd.hearing(crowd.desk) == stayed, WITHIN)
    await judge_silence(crowd)
    for watcher in crowd.of(crowd.victims):
        await asyncio.wait_for(watcher.closed.wait(), WITHIN)
        assert [name for name, _ in watcher.notes] == ["auth_revoked"]
    assert all(watcher.socket.connected for watcher in crowd.of(crowd.others))


@pytest.mark.abuse("B11", "E11", "A12")
@pytest.mark.parametrize("kind", NARROWS)
async def test_a_right_that_is_taken_empties_only_the_seats_it_gave(start: Start, watch: Watch, kind: str) -> None:
    crowd = await gather_crowd(await two(start), watch, kind)
    await act_on_all(crowd, NARROWS[kind])
    for worker in crowd.workers:
        assert await status_of(worker, f"/venues/{crowd.venue_id}/desk/snapshot", crowd.victims[0]) == 404
    await soon(lambda: crowd.hearing(crowd.desk) == EACH * len(crowd.others), WITHIN)
    await judge_silence(crowd)
    for watcher in crowd.of(crowd.victims):
        await watcher.until(lambda: bool(watcher.notes), WITHIN)  # noqa: B023
        assert watcher.notes == [("room.closed", {"room": crowd.desk})]
        assert watcher.socket.connected
    assert crowd.hearing(rooms.user(crowd.victims[0].id)) == EACH


@pytest.mark.abuse("E10")
async def test_a_hundred_tokens_that_run_out_hear_nothing_private_and_are_cut_unless_renewed(
    start: Start, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "SECONDS_TO_RENEW", 5.0)
    crowd = await gather_crowd(await two(start), watch, "staff")
    victims = crowd.of(crowd.victims)
    # Only who sits gets a token that runs out: a slow machine takes long to seat a hundred people.
    for person in crowd.victims:
        token = token_that_lasts(crowd.workers[0], person, 3)
        await asyncio.gather(*(watcher.ask("me.renew", {"token": token}) for watcher in crowd.watchers[person.id]))
    await soon(lambda: all(watcher.notes for watcher in victims), 12)
    assert {name for watcher in victims for name, _ in watcher.notes} == {"auth_expired"}
    assert crowd.hearing(crowd.desk) == EACH * len(crowd.others)
    await judge_silence(crowd)
    renewed, forgetful = crowd.victims[0], crowd.of(crowd.victims[1:])
    for watcher in crowd.watchers[renewed.id]:
        await watcher.ask("me.renew", {"token": renewed.token})
        assert len(await watcher.resume("desks.watch", crowd.desk, venue_id=crowd.venue_id)) == 1
    await asyncio.wait_for(asyncio.gather(*(watcher.closed.wait() for watcher in forgetful)), 8)
    assert all(watcher.socket.connected for watcher in crowd.watchers[renewed.id])


async def test_with_redis_stopped_the_sockets_here_end_at_once_and_those_elsewhere_by_the_next_look(
    start: Start, watch: Watch, settings: Settings, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In production 30 seconds; a look every 4 shows the same.
    monkeypatch.setattr(connect, "RECHECK_SECONDS", 4.0)
    monkeypatch.setattr(server, "RECHECK_SECONDS", 4.0)
    crowd = await gather_crowd(await two(start, replace(settings, redis_url=valkey.url)), watch, "ban")
    here, elsewhere = (worker.running.live.fanout for worker in crowd.workers)
    await valkey.kill()
    await soon(lambda: not any(worker.running.live.listener.up for worker in crowd.workers), 5)
    await act_on_all(crowd, ban)
    theirs = {watcher.url for watcher in crowd.of(crowd.others)}
    assert len(theirs) == len(crowd.workers)
    await soon(lambda: len(here.members(crowd.desk)) == 3 * len(crowd.others), WITHIN)
    await soon(lambda: len(elsewhere.members(crowd.desk)) == 2 * len(crowd.others), 4 + WITHIN)
    await judge_silence(crowd)


async def test_a_word_that_redis_did_not_take_is_sent_again(
    start: Start, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await two(start)
    _, owner = await make_venue(one.hub)
    watcher = await watch(other, owner.token)
    publisher, sent = one.running.live.publisher, one.running.live.publisher._publish
    failures = iter([False, False])

    async def failing(messages: Any) -> bool:
        return next(failures, True) and await sent(messages)

    monkeypatch.setattr(publisher, "_publish", failing)
    await log_out(one.hub, owner)
    await asyncio.wait_for(watcher.closed.wait(), 8)
    assert next(failures, None) is None
    await soon(lambda: not publisher._orders)


async def test_when_redis_comes_back_everybody_is_looked_at(
    start: Start, watch: Watch, settings: Settings, valkey: Valkey
) -> None:
    one, other = await two(start, replace(settings, redis_url=valkey.url))
    venue_id, owner = await make_venue(one.hub)
    watcher = await watch(other, owner.token)
    await watcher.ask("desks.watch", {"venue_id": venue_id})
    await valkey.kill()
    await soon(lambda: not other.running.live.listener.up, 5)
    await log_out(one.hub, owner)
    await valkey.start()
    # Long before the look that comes every 30 seconds.
    await asyncio.wait_for(watcher.closed.wait(), 10)


async def test_control_without_the_word_to_all_workers_the_sockets_elsewhere_go_on_hearing(
    start: Start, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = await gather_crowd(await two(start), watch, "logout")
    for worker in crowd.workers:
        monkeypatch.setattr(worker.running.live.publisher, "order", lambda *_: None)
    await act_on_all(crowd, log_out)
    elsewhere = crowd.workers[1].running.live.fanout
    with pytest.raises(TimeoutError):
        await soon(lambda: len(elsewhere.members(crowd.desk)) == 2 * len(crowd.others), WITHIN)
    with pytest.raises(AssertionError):
        await judge_silence(crowd)


async def test_a_right_that_is_lost_while_a_room_is_entered_is_noticed(
    start: Start, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    (worker,) = [await start()]
    venue_id, _ = await make_venue(worker.hub)
    clerk = await People(worker.hub).customer()
    await run(worker.hub, "INSERT INTO venue_staff (venue_id, user_id) VALUES ($1, $2)", venue_id, clerk.id)
    watcher = await watch(worker, clerk.token)
    enter = worker.running.live.enter

    async def fired_on_the_way(connection: Any, room: str) -> Any:
        await take_desk(worker.hub, clerk)
        await asyncio.sleep(0.3)
        return await enter(connection, room)

    monkeypatch.setattr(worker.running.live, "enter", fired_on_the_way)
    with pytest.raises(Exception, match="not_found"):
        await watcher.ask("desks.watch", {"venue_id": venue_id})
    assert worker.running.live.fanout.members(rooms.desk(venue_id)) == []


async def test_a_look_that_began_before_the_loss_does_not_hide_it(
    start: Start, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    (worker,) = [await start()]
    _, owner = await make_venue(worker.hub)
    stood = accounts.actor_of

    async def slowly(*asked: Any, **more: Any) -> Any:
        seen = await stood(*asked, **more)
        await asyncio.sleep(0.5)
        return seen

    monkeypatch.setattr(accounts, "actor_of", slowly)
    connecting = asyncio.create_task(watch(worker, owner.token))
    await asyncio.sleep(0.3)
    await log_out(worker.hub, owner)
    watcher = await connecting
    await asyncio.wait_for(watcher.closed.wait(), 3)


@pytest.mark.abuse("E11")
async def test_who_acts_for_somebody_loses_their_sockets_with_the_own_login(start: Start, watch: Watch) -> None:
    one, other = await two(start)
    admin = await People(one.hub).admin("Berta Boss", role="super_admin")
    ana = await People(one.hub).customer()
    acting = await impersonation.begin(one.hub, admin.actor, NamePerson(user_id=ana.id))
    watcher, own = await watch(other, acting.access_token), await watch(other, ana.token)
    await watcher.ask("me.watch")
    await logins.log_out(one.hub, admin.actor)
    await asyncio.wait_for(watcher.closed.wait(), WITHIN)
    assert [name for name, _ in watcher.notes] == ["auth_revoked"]
    assert await own.ask("me.read")
