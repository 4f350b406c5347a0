"""What is taken away over the API is taken from the live sockets too, within two seconds, on whichever worker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from hub import rooms
from tests.doors import AppServer, Http, People, Person
from tests.live.client import Watcher, soon
from tests.live.conftest import Start, Watch, make_venue

WITHIN = 2.0


class Stage:
    """Two workers, a venue, and people with something to lose; everything is asked of the first over HTTP."""

    def __init__(self, workers: list[AppServer], http: Http, venue_id: int, owner: Person, boss: Person) -> None:
        self.workers, self.http, self.venue_id, self.owner, self.boss = workers, http, venue_id, owner, boss
        self.people = People(workers[0].hub)

    async def works_here(self, name: str = "Dan Desk") -> Person:
        """Let somebody be invited, and accept."""
        person = await self.people.customer(name)
        invited = await self.do(
            "POST", f"/venues/{self.venue_id}/staff/invitations", {"email": person.email}, self.owner
        )
        async with self.workers[0].hub.pool.acquire() as db:
            link = await db.fetchval(
                "SELECT data->'facts'->>'link' FROM jobs WHERE kind = 'mail' AND data->>'to' = $1 ORDER BY id DESC",
                invited["email"],
            )
        await self.do("POST", "/invitations/accept", {"token": link.partition("#token=")[2]}, person)
        return person

    async def do(self, method: str, path: str, body: Any, by: Person | str) -> Any:
        """Do something over HTTP that must succeed."""
        answer = await self.http.ask(method, path, body, as_=by)
        assert answer.status < 300, answer.text
        return answer.data

    async def sit_down(self, watch: Watch, token: str, *, desk: bool = True) -> list[Watcher]:
        """Watch oneself and the desk, once on each worker."""
        watchers = [await watch(worker, token) for worker in self.workers]
        for watcher in watchers:
            await watcher.ask("me.watch")
            if desk:
                await watcher.ask("desks.watch", {"venue_id": self.venue_id})
        return watchers

    def hearing(self, room: str) -> int:
        """Count the seats of a room on both workers."""
        return sum(len(worker.running.live.fanout.members(room)) for worker in self.workers)

    async def empties(self, room: str) -> None:
        """Expect that nobody is left in a room in time."""
        await soon(lambda: self.hearing(room) == 0, WITHIN)


@pytest.fixture
async def stage(start: Start) -> Any:
    """Start two workers, and open a venue."""
    workers = [await start(), await start()]
    hub = workers[0].hub
    venue_id, owner = await make_venue(hub)
    boss = await People(hub).admin("Sue Super", "super_admin")
    async with ClientSession() as session:
        yield Stage(workers, Http(session, workers[0].url), venue_id, owner, boss)


@pytest.mark.abuse("B11", "A12")
async def test_who_is_removed_from_a_desk_hears_it_no_more_and_keeps_their_own_room(stage: Stage, watch: Watch) -> None:
    gone, stays = await stage.works_here(), await stage.works_here("Stan Stays")
    watchers = await stage.sit_down(watch, gone.token)
    await stage.sit_down(watch, stays.token)
    assert stage.hearing(rooms.desk(stage.venue_id)) == 4
    await stage.do("DELETE", f"/venues/{stage.venue_id}/staff/{gone.id}", None, stage.owner)
    await soon(lambda: stage.hearing(rooms.desk(stage.venue_id)) == 2, WITHIN)
    await soon(lambda: all(("room.closed", {"room": rooms.desk(stage.venue_id)}) in one.notes for one in watchers))
    assert stage.hearing(rooms.user(gone.id)) == 2


@pytest.mark.abuse("C7", "B11")
@pytest.mark.parametrize("how", ["suspended", "erased", "demoted", "role narrowed"])
async def test_who_loses_account_or_role_hears_nothing_private_any_more(how: str, stage: Stage, watch: Watch) -> None:
    person = await stage.people.admin("Al Admin")
    await stage.sit_down(watch, person.token)
    desk, own = rooms.desk(stage.venue_id), rooms.user(person.id)
    assert (stage.hearing(desk), stage.hearing(own)) == (2, 2)
    if how == "suspended":
        await stage.do("POST", f"/users/{person.id}/suspend", {"reason": "chair"}, stage.boss)
    elif how == "erased":
        await stage.do("DELETE", f"/users/{person.id}", None, stage.boss)
    elif how == "demoted":
        await stage.do("PUT", f"/users/{person.id}/roles", {"roles": ["customer"]}, stage.boss)
    else:
        listed = await stage.do("GET", "/roles", None, stage.boss)
        admin = next(role for role in listed["items"] if role["code"] == "admin")
        await stage.do("PUT", f"/roles/{admin['id']}/permissions", {"permissions": ["user:read"]}, stage.boss)
    assert (await stage.http.get("/me", as_=person)).status == 401
    await asyncio.gather(stage.empties(desk), stage.empties(own))


@pytest.mark.abuse("C7", "C11")
@pytest.mark.parametrize("how", ["logs out", "is demoted", "is suspended"])
async def test_who_acts_for_somebody_hears_nothing_once_they_may_no_longer(
    how: str, stage: Stage, watch: Watch
) -> None:
    person, other = await stage.people.customer(), await stage.people.admin("Otto Other", "super_admin")
    acting = await stage.do("POST", f"/users/{person.id}/impersonate", {}, stage.boss)
    await stage.sit_down(watch, acting["access_token"], desk=False)
    watchers = await stage.sit_down(watch, person.token, desk=False)
    assert stage.hearing(rooms.user(person.id)) == 4
    if how == "logs out":
        await stage.do("POST", "/auth/logout", {}, stage.boss)
    elif how == "is demoted":
        await stage.do("PUT", f"/users/{stage.boss.id}/roles", {"roles": ["admin"]}, other)
    else:
        await stage.do("POST", f"/users/{stage.boss.id}/suspend", {"reason": "left"}, other)
    await soon(lambda: stage.hearing(rooms.user(person.id)) == 2, WITHIN)
    assert (await stage.http.get("/me", as_=acting["access_token"])).status == 401
    # Whom they acted for stays.
    assert (await stage.http.get("/me", as_=person)).status == 200
    assert all(not one.notes for one in watchers)
