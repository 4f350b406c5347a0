"""Nothing about a person gets to anybody but those whom audiences.txt names: over a wire, by mail, or into a log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
import pytest
from aiohttp import hdrs

from handlers.endpoint import Endpoint
from hub.app import build
from hub.models.bookings import CancelBooking
from hub.services import bookings
from storage.pool import prepare
from tests import builders
from tests.abuse.asks import ASKS, Ask
from tests.abuse.canaries import CanaryPeople, Record, allowed, guest_details
from tests.abuse.scene import Scene, open_scene
from tests.abuse.walking import Rehearsal, Walk
from tests.doors import Answer, AppServer, Http, Log, Person
from tests.live.client import Watcher
from tests.mailbox import letters_to

pytestmark = pytest.mark.usefixtures("patient")
# Letters of everybody, for whoever tries the hub out on their own machine; production has no such page.
NOT_PUBLIC = ("/dev/mail",)
# Names of fields by which a holder could be recognised from one event to the next.
TELLING = {
    "user_id",
    "booked_by",
    "booking_id",
    "hold_id",
    "item_id",
    "login_id",
    "reference",
    "guest",
    "watchers",
    "online",
}


@dataclass
class Nest:
    """A scene of canaries in the whole application, a record of who sees them, and the log as production writes it."""

    scene: Scene
    people: CanaryPeople
    record: Record
    http: Http
    app_server: AppServer
    log: Log


@pytest.fixture
async def nest(app_server: AppServer, http: Http, log: Log) -> AsyncIterator[Nest]:
    """Open the scene with canaries, who say as much as they can."""
    hub = app_server.hub
    people = CanaryPeople(hub)
    scene = await open_scene(hub, people)
    customer = scene.person("customer")
    async with hub.pool.acquire() as db:
        for booking in (scene.hold, scene.booking):
            told = people.tell(customer, "customer")
            await db.execute(
                "UPDATE bookings SET notes = $2, guest_details = $3 WHERE id = $1",
                booking.id,
                told["notes"],
                guest_details(told),
            )
    told = people.tell(customer, "customer")
    slot = builders.slot(scene.room, builders.tomorrow(days=6), 2)
    third = await builders.make_booking(
        hub, customer.actor, slot, guest_details=guest_details(told), notes=told["notes"]
    )
    await bookings.cancel(hub, customer.actor, CancelBooking(booking_id=third.id, reason=told["cancel_reason"]))
    yield Nest(scene, people, Record(people), http, app_server, log)
    assert '"event":"request"' in log.getvalue()
    assert list(people.seen_in(log.getvalue())) == []


class Watched(Walk):
    """A walk that writes down what everybody is answered."""

    record: Record

    async def _over_http(self, name: str, endpoint: Endpoint | None, who: str, ask: Ask) -> Answer:
        answer = await super()._over_http(name, endpoint, who, ask)
        person = self.scene.people[who]
        text = answer.body.decode(errors="replace")
        said = orjson.dumps(ask.body or {}).decode()
        # What somebody says themselves they may be told again.
        for word in {one for one in _words(text) if one in _words(said)}:
            text = text.replace(word, "")
        own = {person and person.id, self._now_is(answer)}
        self.record.note(who, own, name, f"{text} {answer.headers}")
        if "no-store" not in answer.headers.get(hdrs.CACHE_CONTROL, ""):
            self.record.note("cache", (), name, text)
        return answer

    def _now_is(self, answer: Answer) -> int | None:
        """Tell whom somebody became by proving to be somebody: by logging in, or by the token of a letter."""
        said = answer.data if answer.headers.get(hdrs.CONTENT_TYPE, "").startswith("application/json") else None
        if not isinstance(said, dict):
            return None
        if "access_token" in said:
            return int(said["user"]["id"])
        if {"email", "venue_name", "invited_by"} <= said.keys():
            return next((canary.user_id for canary in self.record.people.seen_in(said["email"])), None)
        return None


def _words(text: str) -> set[str]:
    return {one for one in text.replace('"', " ").replace("@", " ").split() if one.startswith("zq")}


@asynccontextmanager
async def undone(nest: Nest) -> AsyncIterator[Watched]:
    """Walk on a connection on which everything is undone."""
    hub = nest.app_server.hub
    assert hub.settings.database_url
    connection = await asyncpg.connect(hub.settings.database_url, server_settings={"timezone": "UTC"})
    await prepare(connection)
    stage, pool = Rehearsal(connection), hub.pool
    hub.pool = stage  # type: ignore[assignment]
    try:
        walk = Watched(nest.scene, stage, nest.http)
        walk.record = nest.record
        yield walk
    finally:
        hub.pool = pool
        await connection.close()


async def walk_everything(nest: Nest) -> None:
    """Ask everything as everybody."""
    async with undone(nest) as walk:
        for name in ASKS:
            for who in nest.scene.people:
                endpoint = _endpoint(name)
                async with walk._alone():
                    await walk._over_http(name, endpoint, who, await ASKS[name](nest.scene, who))


def _endpoint(name: str) -> Endpoint | None:
    from handlers.table import table

    return table().get(name.partition("/")[0]) if " " not in name else None


async def search_everything(nest: Nest) -> None:
    """Look for people by their words wherever something is looked for, as everybody."""
    scene, record = nest.scene, nest.record
    customer = scene.person("customer")
    venue, booking = scene.venue.id, scene.booking.id
    queries: list[tuple[str, dict[str, Any]]] = [
        ("/users", {"q": customer.email}),
        ("/bookings", {"venue_id": venue}),
        ("/bookings", {"venue_id": venue, "q": customer.full_name}),
        ("/bookings", {"user_id": customer.id}),
        ("/bookings", {"status": "cancelled", "venue_id": venue}),
        ("/audit", {"per_page": 100, "entity": "user"}),
        ("/audit", {"per_page": 100, "entity": "booking"}),
        ("/audit", {"per_page": 100, "venue_id": venue}),
        ("/audit", {"per_page": 100, "actor_id": customer.id}),
        ("/venues", {"q": customer.full_name}),
        ("/search", {"place": customer.full_name}),
        ("/sessions", {"venue_id": venue}),
        (f"/venues/{venue}/events", {"since": 0}),
        (f"/venues/{venue}/desk/events", {"since": 0}),
        ("/me/events", {"since": 0}),
        (f"/bookings/{booking}/log", {}),
        (f"/bookings/{booking}/changes", {}),
    ]
    for who, person in scene.people.items():
        for path, query in queries:
            answer = await nest.http.get(path, as_=person, query=query)
            record.note(who, {person and person.id}, f"GET {path}", answer.text)
            if "no-store" not in answer.headers.get(hdrs.CACHE_CONTROL, ""):
                record.note("cache", (), f"GET {path}", answer.text)


async def visit_every_page(nest: Nest) -> None:
    """Read every page and file that has an address without ids, and the venue's own, as a stranger would."""
    for route in build(nest.app_server.running).router.routes():
        path = route.resource.canonical if route.resource is not None else ""
        path = path.replace("{venue_id}", str(nest.scene.venue.id))
        if route.method != "GET" or path.startswith(("/api/", "/socket.io", *NOT_PUBLIC)) or "{" in path:
            continue
        answer = await nest.http.get(f"/{path}", headers={"Accept": "text/html"})
        nest.record.note("guest", (), f"page {path}", answer.body.decode(errors="replace"))


async def act_before_watchers(nest: Nest) -> None:
    """Do what is told live, while people of every kind watch whatever they may, and try what they may not."""
    scene, record, http = nest.scene, nest.record, nest.http
    customer, owner, boss = scene.person("customer"), scene.person("owner"), scene.person("super")
    async with AsyncExitStack() as stack:
        watchers: dict[str, Watcher] = {}
        for who, person in scene.people.items():
            token = person.token if person else None
            watcher = watchers[who] = await stack.enter_async_context(Watcher(nest.app_server.url, token))
            for name in ("venues.watch", "desks.watch", "me.watch"):
                asked = {} if name == "me.watch" else {"venue_id": scene.venue.id}
                answer = await watcher.socket.call(name, asked)
                record.note(who, {person and person.id}, name, orjson.dumps(answer).decode())
        told = nest.people.tell(customer, "customer")
        basket = {"items": [scene.slot(7)], "notes": told["notes"], "guest_details": guest_details(told)}
        hold = (await http.post("/holds", basket, as_=customer)).data
        acts: list[tuple[str, str, Any, Person]] = [
            ("POST", f"/holds/{hold['id']}/confirm", {}, customer),
            ("POST", f"/bookings/{hold['id']}/reschedule", {"items": [scene.slot(8)]}, customer),
            ("PATCH", "/me", {"specialisation": "none"}, owner),
            ("PATCH", "/me", {"gender": "none"}, customer),
            ("PATCH", f"/sessions/{scene.session.id}", {"title": "Evening flow"}, owner),
            ("POST", f"/bookings/{hold['id']}/cancel", {"reason": told["cancel_reason"]}, customer),
            (
                "POST",
                f"/venues/{scene.venue.id}/staff/invitations",
                {"email": scene.person("other").email, "role": "desk"},
                owner,
            ),
            ("POST", "/auth/forgot-password", {"email": customer.email, "channel": "email"}, customer),
            ("POST", f"/users/{scene.person('other').id}/suspend", {"reason": "a test"}, boss),
            ("POST", f"/sessions/{scene.session.id}/cancel", {"reason": "storm"}, owner),
        ]
        for method, path, body, person in acts:
            answer = await http.ask(method, path, body, as_=person)
            assert answer.status < 300, f"{method} {path}: {answer.text}"
        events = (await http.get(f"/venues/{scene.venue.id}/events", query={"since": 0})).data
        await watchers["guest"].reach(f"venue:{scene.venue.id}", events["version"])
        for who, watcher in watchers.items():
            person = scene.people[who]
            heard = orjson.dumps([watcher.told, watcher.notes], default=str).decode()
            record.note(who, {person and person.id}, "live events", heard)
        # What everybody hears says what is free, held or taken, and by no word or number by whom; nor who else listens.
        public = [envelope for envelope in watchers["guest"].told if envelope["name"] == "availability.changed"]
        assert public
        assert not names_in([envelope["data"] for envelope in public]) & TELLING
        assert {envelope["room"] for envelope in watchers["guest"].told} == {f"venue:{scene.venue.id}"}


def names_in(thing: Any) -> set[str]:
    """Name every field in a document."""
    if isinstance(thing, dict):
        return set(thing).union(*(names_in(one) for one in thing.values()))
    return set().union(*(names_in(one) for one in thing)) if isinstance(thing, list) else set()


async def open_the_mail(nest: Nest) -> None:
    """Read what everybody was written."""
    by_address = {person.email: (who, person.id) for who, person in nest.scene.people.items() if person}
    letters = await letters_to(nest.app_server.hub)
    assert len(letters) > 5
    for letter in letters:
        who, user_id = by_address.get(letter.recipient, ("somebody else", None))
        # A letter to somebody who is not in the scene may name them all the same.
        own = {user_id, *(canary.user_id for canary in nest.people.seen_in(letter.recipient))}
        nest.record.note(who, own, f"letter {letter.subject!r}", f"{letter.subject} {letter.text} {letter.html}")


@pytest.mark.timeout(900)
@pytest.mark.abuse("P12", "K5", "E25", "E26")
async def test_words_about_people_get_only_to_those_whom_the_list_names(nest: Nest) -> None:
    await walk_everything(nest)
    await search_everything(nest)
    await visit_every_page(nest)
    await act_before_watchers(nest)
    await open_the_mail(nest)
    leaks, unseen = nest.record.leaks(allowed()), nest.record.unseen(allowed())
    assert not leaks, "\n".join([*leaks, "", nest.record.write()])
    assert not unseen, "\n".join(unseen)


async def test_control_a_public_event_with_a_telephone_number_is_noticed(nest: Nest) -> None:
    owner = nest.scene.person("owner")
    async with nest.app_server.hub.pool.acquire() as db:
        phone = await db.fetchval("SELECT phone FROM users WHERE id = $1", nest.scene.person("customer").id)
    changed = await nest.http.patch(f"/venues/{nest.scene.venue.id}", {"description": f"Call {phone}"}, as_=owner)
    assert changed.status == 200
    await visit_every_page(nest)
    assert ("customer.phone", "guest") in nest.record.seen
    assert any("customer.phone was seen by guest" in leak for leak in nest.record.leaks(allowed()))
