"""For every write: a snapshot, and the events after it, are what a fresh snapshot says; for everybody who may look."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.table import table
from hub.jobs import sweeper
from tests.doors import AppServer, Http, People, Person
from tests.equality.watching import differences
from tests.live.following import Reducer, reducing

# What changes people, pictures, prices and money: tests/equality does each of them, and compares in the same way.
ELSEWHERE = {
    "auth.register",
    "bookings.cash",
    "check_ins.create",
    "me.check_verification",
    "me.confirm_email",
    "me.erase",
    "me.link",
    "me.remove_picture",
    "payments.cancel",
    "payments.check",
    "payments.resolve",
    "payments.start",
    "rates.change",
    "rates.create",
    "rates.delete",
    "refunds.approve",
    "refunds.hand_over",
    "refunds.reject",
    "refunds.retry",
    "roles.permit",
    "room_types.remove_image",
    "rooms.remove_image",
    "users.change",
    "users.delete",
    "users.set_roles",
    "venues.remove_image",
    "wallet.adjust",
    "wallet.approve",
    "wallet.top_up",
    "wallet.unfreeze",
}
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def at(days: int, hour: int) -> str:
    return (TODAY + timedelta(days=days, hours=hour)).isoformat()


def day(days: int) -> str:
    return (TODAY + timedelta(days=days)).date().isoformat()


@dataclass
class View:
    """A room as one person sees it."""

    path: str
    person: Person | None
    name: str
    known: Any = None


@dataclass
class Stage:
    """Two venues, and everybody who looks at them."""

    http: Http
    reduce: Reducer
    views: list[View] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        """Take the snapshots."""
        for view in self.views:
            answer = await self.http.get(f"{view.path}snapshot", as_=view.person)
            assert answer.status == 200, (view.name, answer.data)
            view.known = answer.data

    async def compare(self, after: str) -> int:
        """Bring every snapshot up to date by its events, and compare it with a fresh one; answers how many events."""
        count = 0
        for view in self.views:
            events: list[Any] = []
            version, epoch = view.known["version"], view.known["epoch"]
            while True:
                news = (await self.http.get(f"{view.path}events?since={version}&epoch={epoch}", as_=view.person)).data
                assert not news["reload"]
                events += news["events"]
                version = news["version"]
                if not news["more"]:
                    break
            fresh = (await self.http.get(f"{view.path}snapshot", as_=view.person)).data
            assert fresh["version"] == version
            reached, expected = (
                await self.reduce(view.known["snapshot"], events),
                await self.reduce(fresh["snapshot"], []),
            )
            if reached != expected:
                self.wrong.append(f"{after}, {view.name}: {differences(reached, expected)}")
            count += len(events)
            view.known = fresh
        return count

    async def act(self, name: str, path: str, body: Any = None, *, as_: Person, **how: Any) -> Any:
        """Do something by its endpoint, and compare."""
        endpoint = table()[name]
        answer = await self.http.ask(endpoint.method, path, body, as_=as_, **how)
        assert answer.status < 300, (name, answer.data)
        self.done.add(name)
        told = await self.compare(name)
        assert told > 0, f"{name} told nobody"
        return answer.data


@pytest.fixture
async def stage(http: Http) -> AsyncIterator[Stage]:
    """Run the reducer of the pages."""
    async with reducing() as reduce:
        yield Stage(http, reduce)


async def house(stage: Stage, people: People) -> tuple[Any, Any, Person, Person, Person]:
    """Open a hotel and a hall of one owner, with a clerk at both, and let everybody look."""
    owner, clerk, customer = await people.vendor(), await people.customer("Carla Clerk"), await people.customer()
    venues = []
    for kind in ("hotel", "hall"):
        made = await stage.http.post("/venues", {"name": f"The {kind}", "kind": kind}, as_=owner)
        assert made.status == 201, made.data
        venues.append(made.data)
        async with people.hub.pool.acquire() as db:
            await db.execute("INSERT INTO venue_staff (venue_id, user_id) VALUES ($1, $2)", made.data["id"], clerk.id)
        public, desk = f"/venues/{made.data['id']}/", f"/venues/{made.data['id']}/desk/"
        stage.views += [
            View(public, None, f"guest at the {kind}"),
            View(public, customer, f"customer at the {kind}"),
            View(desk, clerk, f"clerk of the {kind}"),
            View(desk, owner, f"owner of the {kind}"),
        ]
    stage.views += [View("/me/", customer, "customer"), View("/me/", owner, "owner")]
    await stage.begin()
    return *venues, owner, clerk, customer


async def test_every_write_is_told_so_that_followers_know_what_a_fresh_snapshot_says(
    app_server: AppServer, stage: Stage
) -> None:
    people = People(app_server.hub)
    hotel, hall, owner, clerk, customer = await house(stage, people)
    act = stage.act
    await act("venues.change", f"/venues/{hall['id']}", {"name": "Sala Norte", "hold_seconds": 2}, as_=owner)

    pool = await act(
        "room_types.create",
        "/room-types",
        {"venue_id": hotel["id"], "name": "Double", "sold_as": "pool", "price": 9000, "total_rooms": 3, "capacity": 2},
        as_=owner,
    )
    await act("room_types.change", f"/room-types/{pool['id']}", {"price": 9500, "total_rooms": 4}, as_=owner)
    hourly = await act(
        "room_types.create",
        "/room-types",
        {"venue_id": hall["id"], "name": "Stage", "sold_as": "room", "price": 5000, "price_unit": "hour"},
        as_=owner,
    )
    room = await act(
        "rooms.create", "/rooms", {"venue_id": hall["id"], "room_type_id": hourly["id"], "number": "1"}, as_=owner
    )
    spare = await act(
        "rooms.create", "/rooms", {"venue_id": hall["id"], "room_type_id": hourly["id"], "number": "2"}, as_=owner
    )
    await act("rooms.change", f"/rooms/{spare['id']}", {"number": "2b", "floor": 3}, as_=owner)
    session = await act(
        "sessions.create",
        "/sessions",
        {"venue_id": hall["id"], "title": "Flow", "starts_at": at(20, 9), "ends_at": at(20, 10), "capacity": 8},
        as_=owner,
    )
    await act("sessions.change", f"/sessions/{session['id']}", {"capacity": 6, "title": "Morning flow"}, as_=owner)
    inside = await act(
        "sessions.create",
        "/sessions",
        {
            "venue_id": hall["id"],
            "title": "In the room",
            "starts_at": at(21, 9),
            "ends_at": at(21, 10),
            "capacity": 5,
            "room_id": room["id"],
        },
        as_=owner,
    )

    stay = {"kind": "stay", "room_type_id": pool["id"], "check_in": day(30), "check_out": day(32), "guests": 2}
    slot = {"kind": "slot", "room_id": room["id"], "starts_at": at(30, 10), "ends_at": at(30, 12)}
    place = {"kind": "place", "session_id": session["id"], "quantity": 2}
    later = {**slot, "starts_at": at(30, 14), "ends_at": at(30, 15)}

    basket = await act("holds.place", "/holds", {"items": [stay, place]}, as_=customer)
    await asyncio.sleep(1.1)
    await act("holds.renew", f"/holds/{basket['id']}/renew", as_=customer)
    item = basket["items"][0]["id"]
    await act("holds.release_item", f"/holds/{basket['id']}/items/{item}", as_=customer)
    await act("holds.confirm", f"/holds/{basket['id']}/confirm", as_=customer)
    given_back = await act("holds.place", "/holds", {"items": [stay, slot]}, as_=customer)
    await act("holds.release", f"/holds/{given_back['id']}", as_=customer)
    whole = await act("bookings.make", "/bookings", {"items": [stay, slot, place], "notes": "hello"}, as_=customer)
    moved = await act(
        "bookings.reschedule", f"/bookings/{whole['id']}/reschedule", {"items": [later, place]}, as_=customer
    )
    assert len(moved["items"]) == 2
    await act("bookings.cancel", f"/bookings/{whole['id']}/cancel", {"reason": "rain"}, as_=customer)
    desk_made = await act("bookings.make", "/bookings", {"items": [slot], "user_id": customer.id}, as_=clerk)

    closure = await act(
        "closures.create",
        "/closures",
        {"venue_id": hotel["id"], "room_type_id": pool["id"], "quantity": 1, "check_in": day(40), "check_out": day(42)},
        as_=owner,
    )
    await act("closures.change", f"/closures/{closure['id']}", {"quantity": 2, "reason": "paint"}, as_=owner)
    await act("closures.delete", f"/closures/{closure['id']}", as_=owner)
    shut = await act(
        "closures.create",
        "/closures",
        {"venue_id": hall["id"], "starts_at": at(50, 8), "ends_at": at(50, 20), "reason": "holiday"},
        as_=owner,
    )
    await act("closures.delete", f"/closures/{shut['id']}", as_=owner)

    # A hold that nobody confirms, and bookings whose time has come.
    held = await act("holds.place", "/holds", {"items": [{**later, "room_id": spare["id"]}]}, as_=customer)
    await asyncio.sleep(2.1)
    await sweeper.sweep(app_server.hub)
    assert await stage.compare("expiry") > 0
    assert held["status"] == "held"
    async with app_server.hub.pool.acquire() as db:
        await db.execute(
            "UPDATE booking_items SET starts_at = clock_timestamp() - interval '2 hours',"
            " ends_at = clock_timestamp() - interval '1 hour' WHERE booking_id = ANY ($1)",
            [basket["id"], desk_made["id"]],
        )
    await stage.begin()
    await act("bookings.complete", f"/bookings/{desk_made['id']}/complete", as_=owner)
    await act("bookings.no_show", f"/bookings/{basket['id']}/no-show", as_=owner)

    full = await act("bookings.make", "/bookings", {"items": [{**place, "session_id": inside["id"]}]}, as_=customer)
    assert full["status"] == "confirmed"
    await act("sessions.cancel", f"/sessions/{inside['id']}/cancel", {"reason": "ill"}, as_=owner)
    await act("sessions.delete", f"/sessions/{inside['id']}", as_=owner)
    await act("rooms.delete", f"/rooms/{spare['id']}", as_=owner)
    await act("me.change", "/me", {"full_name": "Ana Maria Reis", "phone": "+855 12 345 678"}, as_=customer)
    await act("me.change", "/me", {"full_name": "Vera Maria Lopes"}, as_=owner)
    await act("room_types.delete", f"/room-types/{pool['id']}", as_=owner)
    await act("venues.change", f"/venues/{hotel['id']}", {"currency": "EUR"}, as_=owner)

    made = await stage.http.post("/venues", {"name": "Short-lived", "kind": "hall"}, as_=owner)
    stage.done.add("venues.create")
    watched = (await stage.http.get(f"/venues/{made.data['id']}/snapshot")).data
    assert (await stage.http.delete(f"/venues/{made.data['id']}", as_=owner)).status == 204
    stage.done.add("venues.delete")
    async with app_server.hub.pool.acquire() as db:
        last = await db.fetchrow(
            "SELECT version, name FROM events WHERE room = $1 ORDER BY version DESC LIMIT 1", watched["room"]
        )
    assert tuple(last) == (watched["version"] + 1, "venue.deleted")

    telling = {name for name, one in table().items() if one.method != "GET" and one.tells}
    assert stage.wrong == []
    assert telling - stage.done == ELSEWHERE


async def test_with_twenty_people_at_once_the_followers_end_where_the_snapshot_is(
    app_server: AppServer, stage: Stage
) -> None:
    people = People(app_server.hub)
    hotel, hall, owner, _, customer = await house(stage, people)
    pool = await stage.act(
        "room_types.create",
        "/room-types",
        {"venue_id": hotel["id"], "name": "Double", "sold_as": "pool", "price": 9000, "total_rooms": 3},
        as_=owner,
    )
    hourly = await stage.act(
        "room_types.create",
        "/room-types",
        {"venue_id": hall["id"], "name": "Stage", "sold_as": "room", "price": 5000, "price_unit": "hour"},
        as_=owner,
    )
    room = await stage.act(
        "rooms.create", "/rooms", {"venue_id": hall["id"], "room_type_id": hourly["id"], "number": "1"}, as_=owner
    )
    session = await stage.act(
        "sessions.create",
        "/sessions",
        {"venue_id": hall["id"], "title": "Flow", "starts_at": at(20, 9), "ends_at": at(20, 10), "capacity": 12},
        as_=owner,
    )
    crowd = [customer, *[await people.customer(f"Person {number}") for number in range(19)]]

    async def actor(person: Person, chance: random.Random) -> None:
        for _ in range(4):
            first = chance.randrange(30, 34)
            item = chance.choice(
                [
                    {
                        "kind": "stay",
                        "room_type_id": pool["id"],
                        "check_in": day(first),
                        "check_out": day(first + chance.randrange(1, 4)),
                    },
                    {"kind": "slot", "room_id": room["id"], "starts_at": at(30, first), "ends_at": at(30, first + 1)},
                    {"kind": "place", "session_id": session["id"], "quantity": chance.randrange(1, 3)},
                ]
            )
            answer = await stage.http.post(chance.choice(["/holds", "/bookings"]), {"items": [item]}, as_=person)
            assert answer.status in (201, 409), answer.data
            if answer.status == 201:
                booking = answer.data
                undo = chance.choice(["cancel", "confirm", "nothing"])
                if booking["status"] == "held" and undo == "cancel":
                    await stage.http.delete(f"/holds/{booking['id']}", as_=person)
                elif booking["status"] == "held" and undo == "confirm":
                    await stage.http.post(f"/holds/{booking['id']}/confirm", as_=person)
                elif undo == "cancel":
                    await stage.http.post(f"/bookings/{booking['id']}/cancel", {}, as_=person)

    await asyncio.gather(*(actor(person, random.Random(seed)) for seed, person in enumerate(crowd)))
    assert await stage.compare("twenty at once") > 50
    assert stage.wrong == []


async def test_control_a_write_that_is_not_told_is_noticed(app_server: AppServer, stage: Stage) -> None:
    _, hall, *_ = await house(stage, People(app_server.hub))
    async with app_server.hub.pool.acquire() as db:
        await db.execute("UPDATE venues SET name = 'Changed behind the hub' WHERE id = $1", hall["id"])
    await stage.compare("a change that nobody was told")
    assert [line for line in stage.wrong if "guest at the hall" in line]
