"""What the audit keeps of every change: who, from where, what was and what is, and no word about a person."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import asyncpg
import orjson
import pytest

from hub.core import THE_HUB, Actor
from hub.jobs import sweeper
from hub.models.bookings import CancelBooking, MakeBooking, NameBooking, RescheduleBooking
from hub.models.users import ChangeMe
from hub.models.venues import ChangeVenue
from hub.services import accounts, bookings, holds, venues
from hub.work import Author
from storage import placing
from storage.pool import as_owner
from tests import builders
from tests.doors import ListeningHub, People
from tests.world import World


async def entries(hub: ListeningHub, entity: str, operation: str | None = None) -> list[dict[str, Any]]:
    """Read what was kept about a kind of thing, oldest first."""
    async with hub.pool.acquire() as db:
        rows = await db.fetch(
            "SELECT * FROM audit WHERE entity = $1 AND ($2::text IS NULL OR operation = $2) ORDER BY id",
            entity,
            operation,
        )
    return [dict(row) for row in rows]


def from_afar(actor: Actor, asked: str = "some.thing") -> Actor:
    """Let somebody ask from somewhere, by a request with an id."""
    return replace(actor, address="203.0.113.9", asked=asked, request_id="request-0001")


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub)


async def test_every_table_is_audited_or_says_why_not(hub: ListeningHub) -> None:
    async with as_owner(hub.pool) as db:
        tables = await db.fetch(
            """
            SELECT c.relname::text AS name, a.name IS NOT NULL AS is_listed, a.exempt, a.operations,
                   ARRAY(SELECT t.tgname::text FROM pg_trigger AS t
                         WHERE t.tgrelid = c.oid AND t.tgname ~ '^audit_(insert|update|delete)$' AND t.tgenabled = 'O'
                         ORDER BY t.tgname) AS triggers
            FROM pg_class AS c LEFT JOIN audited AS a ON a.name = c.relname
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            """
        )
    assert len(tables) > 25
    assert [table["name"] for table in tables if not table["is_listed"]] == [], "list them in 0015_audit.sql"
    for table in tables:
        expected = [] if table["exempt"] else sorted(f"audit_{name.lower()}" for name in table["operations"])
        assert table["triggers"] == expected, table["name"]
        assert table["exempt"] is None or len(table["exempt"]) > 10


async def test_every_column_that_is_kept_as_it_is_is_named_as_plain(hub: ListeningHub) -> None:
    async with hub.pool.acquire() as db:
        unknown = await db.fetch(
            """
            SELECT a.name, p.plain FROM audited AS a CROSS JOIN unnest(a.plain || a.quiet) AS p (plain)
            WHERE NOT EXISTS (SELECT FROM pg_attribute AS f
                              WHERE f.attrelid = to_regclass(a.name) AND f.attname = p.plain AND NOT f.attisdropped)
            """
        )
    assert unknown == []


async def test_a_table_that_a_later_migration_adds_is_audited_with_its_texts_masked(hub: ListeningHub) -> None:
    async with as_owner(hub.pool) as db:
        await db.execute("CREATE TABLE notes (id bigint PRIMARY KEY, stars integer, words text, said_on date)")
        await db.execute("SELECT audit_every_table(), let_application_work()")
        await db.execute("SELECT audit_every_table(), let_application_work()")
    async with hub.pool.acquire() as db:
        await db.execute("INSERT INTO notes VALUES (7, 5, 'quiet room, says Ana', '2026-01-01'), (8, 1, NULL, NULL)")
        await db.execute("UPDATE notes SET stars = stars - 1, words = 'loud', said_on = said_on + 1")
        await db.execute("DELETE FROM notes WHERE id = 7")
    kept = await entries(hub, "notes")
    assert [(one["operation"], one["entity_id"]) for one in kept] == [
        ("create", 7),
        ("create", 8),
        ("update", 7),
        ("update", 8),
        ("delete", 7),
    ]
    assert kept[0]["after"] == {"id": 7, "stars": 5}
    assert (kept[2]["before"], kept[2]["after"]) == (
        {"stars": 5, "words": "***", "said_on": "***"},
        {"stars": 4, "words": "***", "said_on": "***"},
    )
    assert (kept[3]["before"], kept[3]["after"]) == ({"stars": 1, "words": None}, {"stars": 0, "words": "***"})
    assert kept[4]["before"] == {"id": 7, "stars": 4}


async def test_a_change_is_kept_with_who_where_and_by_which_ask(world: World) -> None:
    hub, owner = world.hub, world.owner
    acting = replace(from_afar(owner, "venues.change"), impersonator_id=4711)
    await venues.change(hub, acting, ChangeVenue(venue_id=world.hall.id, name="Sala Sul", min_nights=2))
    [entry] = await entries(hub, "venue", "update")
    assert (entry["actor_id"], entry["impersonator_id"]) == (owner.user_id, 4711)
    assert (entry["address"], entry["asked"], entry["request_id"]) == ("203.0.113.9", "venues.change", "request-0001")
    assert (entry["entity_id"], entry["venue_id"]) == (world.hall.id, world.hall.id)
    assert (entry["before"], entry["after"]) == (
        {"name": "Sala Norte", "min_nights": 1},
        {"name": "Sala Sul", "min_nights": 2},
    )


async def test_what_fails_leaves_nothing(world: World) -> None:
    async def fail() -> None:
        async with world.hub.work(world.owner) as work:
            await work.db.execute("UPDATE venues SET name = 'Never'")
            raise ZeroDivisionError

    before = len(await entries(world.hub, "venue"))
    with pytest.raises(ZeroDivisionError):
        await fail()
    assert len(await entries(world.hub, "venue")) == before


async def test_a_statement_that_failed_unnoticed_is_no_success(world: World) -> None:
    async def fail_carelessly() -> None:
        async with world.hub.work(world.owner) as work:
            with contextlib.suppress(asyncpg.PostgresError):
                await work.db.execute("SELECT 1 / 0")

    with pytest.raises(RuntimeError, match="nothing was committed"):
        await fail_carelessly()


@pytest.mark.parametrize("address", ["'; DROP TABLE audit; --", "\\'", 'a"b', "日本\n\x1b[31m", "%s $1 {}", ""])
async def test_nothing_in_an_author_can_break_out(world: World, address: str) -> None:
    acting = replace(world.owner, address=address, asked=address, request_id=address)
    await venues.change(world.hub, acting, ChangeVenue(venue_id=world.hall.id, name="Sala Sul"))
    await world.book(world.slot(), by=replace(world.customer, address=address, asked=address, request_id=address))
    for entity in ("venue", "booking"):
        entry = (await entries(world.hub, entity))[-1]
        kept = "".join(filter(str.isprintable, address))
        assert {entry[name].replace("\n", "").replace("\x1b", "") for name in ("address", "asked", "request_id")} == {
            kept
        }


async def test_a_profile_shows_that_it_changed_and_never_what_it_says(hub: ListeningHub, people: People) -> None:
    person = await people.customer("Canary Fullname")
    await accounts.change_me(
        hub, person.actor, ChangeMe(full_name="Canary Second", phone="+351910000001", bio="Canary bio", language="km")
    )
    async with hub.pool.acquire() as db:
        rows = await db.fetch("SELECT audit::text FROM audit")
    said = "\n".join(row[0] for row in rows)
    for word in ("Canary", "351910000001", person.email, "argon2", 'password_hash": "$'):
        assert word not in said
    [update] = [one for one in await entries(hub, "user", "update") if one["actor_id"] == person.id]
    assert update["before"] == {"full_name": "***", "phone": None, "bio": None, "language": "en"}
    assert update["after"] == {"full_name": "***", "phone": "***", "bio": "***", "language": "km"}


async def test_a_booking_is_followed_from_its_hold_to_its_end(world: World) -> None:
    hub = world.hub
    by = from_afar(world.customer, "holds.place")
    hold = await world.hold(world.slot(), by=by, notes="a word about me")
    await holds.confirm(hub, from_afar(world.customer, "holds.confirm"), NameBooking(booking_id=hold.id))
    await bookings.cancel(
        hub, from_afar(world.clerk, "bookings.cancel"), CancelBooking(booking_id=hold.id, reason="she phoned")
    )
    kept = [one for one in await entries(hub, "booking") if one["entity_id"] == hold.id]
    assert [one["operation"] for one in kept] == ["create", "update", "update"]
    assert [one["asked"] for one in kept] == ["holds.place", "holds.confirm", "bookings.cancel"]
    assert [one["actor_id"] for one in kept] == [world.customer.user_id, world.customer.user_id, world.clerk.user_id]
    assert kept[0]["after"]["status"] == "held"
    assert (kept[1]["before"]["status"], kept[1]["after"]["status"]) == ("held", "confirmed")
    assert kept[2]["after"]["status"] == "cancelled"
    assert kept[2]["after"]["cancel_reason"] == "***"
    assert "a word about me" not in str(kept)


async def test_items_that_move_are_kept_as_they_were(world: World) -> None:
    booking = await world.book(world.slot(10))
    ask = RescheduleBooking.model_validate({"booking_id": booking.id, "items": [world.slot(15)]})
    await bookings.reschedule(world.hub, from_afar(world.customer), ask)
    kept = await entries(world.hub, "booking_item")
    assert {one["entity_id"] for one in kept} == {booking.id}
    assert all(one["venue_id"] == world.hall.id for one in kept)
    before = [one["before"] for one in kept if one["before"] and "starts_at" in one["before"]]
    assert str(world.at(10).date()) in before[0]["starts_at"]


async def test_bookings_of_one_batch_have_each_their_own_author(world: World) -> None:
    hub = world.hub
    asks = []
    for number, actor in enumerate([world.customer, world.rival, world.stranger]):
        assert actor.user_id
        item = {
            "kind": "place",
            "venue_id": world.hall.id,
            "catalogue_version": 1,
            "session_id": world.session.id,
            "title": "x",
            "starts_at": world.at(12).isoformat(),
            "ends_at": world.at(13).isoformat(),
            "guests": 1,
            "quantity": 1,
            "unit_price": 1,
            "price": 1,
            "currency": "EUR",
        }
        author = {"address": f"10.0.0.{number}", "asked": "bookings.make", "request_id": f"request-{number}"}
        asks.append(placing.AskBooking(actor.user_id, actor.user_id, "confirmed", "EUR", 1, [item], author=author))
    async with hub.pool.acquire() as db:
        version = await db.fetchval("SELECT catalogue_version FROM venues WHERE id = $1", world.hall.id)
        for ask in asks:
            ask.items[0]["catalogue_version"] = version
        outcomes, _ = await placing.place(db, asks)
    assert [outcome.kind for outcome in outcomes] == ["placed"] * 3
    kept = await entries(hub, "booking")
    assert [(one["actor_id"], one["address"], one["request_id"]) for one in kept] == [
        (ask.booked_by, f"10.0.0.{number}", f"request-{number}") for number, ask in enumerate(asks)
    ]


async def test_who_books_for_somebody_is_the_author(world: World) -> None:
    ask = MakeBooking.model_validate({"items": [world.slot()], "user_id": world.owner.user_id})
    booking = await bookings.make(world.hub, from_afar(world.clerk, "bookings.make"), ask)
    [entry] = await entries(world.hub, "booking")
    assert (entry["entity_id"], entry["actor_id"]) == (booking.id, world.clerk.user_id)
    assert entry["after"]["user_id"] == world.owner.user_id


async def test_what_time_does_is_done_by_nobody(world: World) -> None:
    hold = await world.hold(world.slot())
    await world.run_out(hold)
    await sweeper.sweep(world.hub)
    entry = (await entries(world.hub, "booking"))[-1]
    assert (entry["actor_id"], entry["asked"], entry["after"]["status"]) == (None, "expiry", "expired")


async def test_the_author_of_one_transaction_is_not_that_of_the_next(world: World) -> None:
    await venues.change(world.hub, from_afar(world.owner), ChangeVenue(venue_id=world.hall.id, name="Sala Sul"))
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE venues SET name = 'Sala Este' WHERE id = $1", world.hall.id)
    async with world.hub.work(THE_HUB) as work:
        await work.db.execute("UPDATE venues SET name = 'Sala Oeste' WHERE id = $1", world.hall.id)
    assert [one["actor_id"] for one in await entries(world.hub, "venue", "update")] == [world.owner.user_id, None, None]


async def test_many_rows_of_one_statement_keep_their_own_values(world: World) -> None:
    async with world.hub.pool.acquire() as db:
        await db.execute(
            """
            INSERT INTO rooms (venue_id, room_type_id, number, floor)
            SELECT $1, $2, 'N' || n, n FROM generate_series(1, 500) AS n
            """,
            world.hall.id,
            world.hall_type.id,
        )
        await db.execute("UPDATE rooms SET floor = -floor WHERE number LIKE 'N%'")
        await db.execute("UPDATE rooms SET floor = floor")
    kept = await entries(world.hub, "room", "update")
    assert len(kept) == 500
    assert all(one["before"]["floor"] == -one["after"]["floor"] for one in kept)
    async with world.hub.pool.acquire() as db:
        numbers = dict(await db.fetch("SELECT id, floor FROM rooms WHERE number LIKE 'N%'"))
    assert {one["entity_id"]: one["after"]["floor"] for one in kept} == numbers


def test_an_author_says_only_what_is_known() -> None:
    assert orjson.loads(Author(7, address="::1").json()) == {"user_id": 7, "address": "::1"}
    assert orjson.loads(Author().json()) == {}


async def test_rooms_that_nobody_owns_are_no_venue(hub: ListeningHub) -> None:
    admin = await builders.make_actor(hub, "admin")
    async with hub.work(admin) as work:
        await work.db.execute("UPDATE roles SET description = 'changed' WHERE code = 'vendor'")
    [entry] = [one for one in await entries(hub, "role") if one["operation"] == "update" and one["actor_id"]]
    assert (entry["venue_id"], entry["after"]) == (None, {"description": "changed"})
