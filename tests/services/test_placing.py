"""Placing a basket: all of it or nothing, at the venue's rules, and a "no" that says why and what else there is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from hub.core import GUEST, THE_HUB
from hub.errors import (
    Forbidden,
    HubError,
    Invalid,
    MixedCurrencies,
    NotAvailable,
    NotFound,
    NotOffered,
    Unauthenticated,
)
from hub.models.bookings import MakeBooking, NameBooking
from hub.models.rooms import ChangeRoom
from hub.models.venues import ChangeVenue
from hub.services import baskets, holds, rooms, venues
from storage.placing import AskBooking, place
from storage.pool import as_owner
from tests import builders
from tests.doors import ListeningHub
from tests.races import guards
from tests.races.checking import faults, fetched
from tests.world import Item, World, refusal


def reasons(error: HubError) -> list[tuple[int, str]]:
    return [(one["item"], one["reason"]) for one in error.details["reasons"]]


async def test_a_basket_of_everything_is_one_booking_with_one_price(hub: ListeningHub) -> None:
    world = await World.build(hub)
    booked = await world.book(
        world.slot(hours=1.5),
        world.stay(2, 2, guests=4),
        world.suite_stay(3),
        world.place(2),
        notes="Two cots, please",
        guest_details={"full_name": "Bia Reis", "email": "bia@example.org"},
    )
    slot, stay, suite, place = booked.items
    assert (slot.kind, slot.unit_price, slot.price, slot.guests) == ("slot", 6000, 9000, 1)
    assert (stay.kind, stay.unit_price, stay.price, stay.quantity, stay.guests) == ("stay", 9000, 36_000, 2, 4)
    assert (suite.room_id, suite.price) == (world.suite.id, 60_000)
    assert (place.kind, place.unit_price, place.price, place.quantity) == ("place", 2500, 5000, 2)
    assert booked.price == 9000 + 36_000 + 60_000 + 5000
    assert (booked.status, booked.currency, booked.user_id) == ("confirmed", "EUR", world.customer.user_id)
    assert booked.guest.full_name == "Ana Reis"
    assert booked.guest_details is not None
    assert booked.guest_details["email"] == "bia@example.org"
    assert len(booked.reference) == 7
    assert await faults(hub.pool) == {}


async def test_one_item_that_cannot_be_had_takes_the_whole_basket_with_it(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await world.book(world.slot(10), world.stay(1, 3), by=world.rival)
    refused = await refusal(world.book(world.place(3), world.slot(10), world.slot(12), world.stay(3)))
    assert isinstance(refused, NotAvailable)
    assert (refused.status, refused.code) == (409, "not_available")
    assert reasons(refused) == [(1, "taken"), (3, "taken")]
    assert all(one["sentence"] for one in refused.details["reasons"])
    assert {one["for_item"] for one in refused.details["alternatives"]} == {1, 3}
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM bookings") == 1
    assert await faults(hub.pool) == {}


async def test_what_is_held_says_until_when_and_what_is_closed_says_so(hub: ListeningHub) -> None:
    world = await World.build(hub)
    held = await world.hold(world.slot(10), by=world.rival)
    await builders.make_closure(
        hub, world.owner, world.hall, room_id=world.room.id, starts_at=world.at(14), ends_at=world.at(16)
    )
    refused = await refusal(world.book(world.slot(10), world.slot(15)))
    assert reasons(refused) == [(0, "held"), (1, "closed")]
    first, second = refused.details["reasons"]
    assert held.expires_at is not None
    assert str(first["held_until"])[:19] == held.expires_at.isoformat()[:19]
    assert second["held_until"] is None


@pytest.mark.parametrize(
    "twice",
    [
        lambda world: [world.slot(10, 2), world.slot(11, 2)],
        lambda world: [world.stay(2, 2), world.stay(1, 2)],
        lambda world: [world.place(6), world.place(5)],
        lambda world: [builders.stay(world.suite, world.day(), 2), builders.stay(world.suite, world.day(21), 2)],
    ],
    ids=["a slot", "a pool's night", "places", "a room"],
)
async def test_a_basket_cannot_have_more_of_a_thing_than_there_is(hub: ListeningHub, twice: Any) -> None:
    world = await World.build(hub)
    refused = await refusal(world.book(*twice(world)))
    assert isinstance(refused, NotAvailable)
    assert refused.details["reasons"]
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM claims WHERE booking_id IS NOT NULL") == 0
    assert await faults(hub.pool) == {}


async def test_a_room_is_found_for_a_stay_that_names_a_type_around_those_that_name_rooms(hub: ListeningHub) -> None:
    world = await World.build(hub)
    for _ in range(3):
        booked = await world.book(world.suite_stay(), builders.stay(world.suite, world.day(), 2))
        assert len({item.room_id for item in booked.items}) == 2
        assert await faults(hub.pool) == {}
        async with hub.pool.acquire() as db:
            await db.execute("DELETE FROM claims WHERE booking_id = $1", booked.id)
            await db.execute("UPDATE bookings SET status = 'cancelled' WHERE id = $1", booked.id)


async def test_one_room_serves_two_stays_of_a_basket_that_follow_each_other(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await world.book(builders.stay(world.suite, world.day(), 6), by=world.rival)
    booked = await world.book(world.suite_stay(2), world.suite_stay(2, days=22))
    assert len({item.room_id for item in booked.items}) == 1


async def test_several_rooms_of_a_type_are_several_items_and_refused_as_the_one_that_was_asked_for(
    hub: ListeningHub,
) -> None:
    world = await World.build(hub)
    two = world.suite_stay(2, quantity=2, guests=4)
    await world.book(world.slot(10), by=world.rival)
    refused = await refusal(world.book(two, world.slot(10)))
    assert reasons(refused) == [(1, "taken")]
    assert refused.details["alternatives"]
    assert {one["item"]["kind"] for one in refused.details["alternatives"]} == {"slot"}
    booked = await world.book(two, world.slot(11))
    assert [(item.kind, item.guests) for item in booked.items] == [("stay", 2), ("stay", 2), ("slot", 1)]
    refused = await refusal(world.book(world.slot(12), two, by=world.rival))
    assert reasons(refused) == [(1, "taken")]


async def test_when_no_room_of_a_type_is_left_there_are_other_rooms_and_other_nights(hub: ListeningHub) -> None:
    world = await World.build(hub)
    held = await world.hold(world.suite_stay(2, quantity=2), by=world.rival)
    refused = await refusal(world.book(world.suite_stay(2)))
    assert isinstance(refused, NotAvailable)
    assert reasons(refused) == [(0, "held")]
    assert str(refused.details["reasons"][0]["held_until"])[:10] == str(held.expires_at)[:10]
    found = refused.details["alternatives"]
    assert [one["item"]["room_type_id"] for one in found] == [world.pool.id, world.suites.id, world.suites.id]
    await holds.confirm(hub, world.rival, NameBooking(booking_id=held.id))
    refused = await refusal(world.book(world.suite_stay(2)))
    assert reasons(refused) == [(0, "taken")]
    for one in refused.details["alternatives"]:
        assert (await world.book(one["item"])).price == one["price"]


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        (lambda world: world.slot(10, 2), 3),
        (lambda world: builders.stay(world.suite, world.day(), 2), 3),
        (lambda world: world.stay(2, 2), 3),
        (lambda world: world.place(8), 2),
    ],
    ids=["a slot", "a numbered room", "a pool", "places"],
)
async def test_every_alternative_can_be_had_at_its_price(hub: ListeningHub, asked: Any, count: int) -> None:
    world = await World.build(hub)
    await builders.make_session(hub, world.owner, world.hall, starts_at=world.at(9, days=12), price=1700)
    await world.book(
        world.slot(9, 4), builders.stay(world.suite, world.day(), 2), world.stay(2, 2), world.place(5), by=world.rival
    )
    refused = await refusal(world.book(asked(world)))
    found = refused.details["alternatives"]
    assert len(found) == count
    assert len({str(one["item"]) for one in found}) == count
    for one in found:
        assert one["label"]
        booked = await world.book(one["item"])
        assert (booked.price, booked.currency) == (one["price"], one["currency"])
        async with hub.pool.acquire() as db:
            await db.execute("SELECT release_claims(ARRAY[$1::bigint], '{}', '{}')", booked.id)
            await db.execute("UPDATE bookings SET status = 'cancelled' WHERE id = $1", booked.id)
    assert await faults(hub.pool) == {}


async def test_the_nearest_alternatives_come_first(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await world.book(world.slot(9, 3), by=world.rival)
    refused = await refusal(world.book(world.slot(10)))
    elsewhere, *later = [one["item"] for one in refused.details["alternatives"]]
    assert (elsewhere["room_id"], elsewhere["starts_at"][11:16]) == (world.other_room.id, "10:00")
    assert {item["room_id"] for item in later} == {world.room.id}
    assert {item["starts_at"][11:16] for item in later} == {"08:00", "12:00"}


async def test_the_rules_refuse_with_every_reason_and_its_field(hub: ListeningHub) -> None:
    world = await World.build(
        hub, min_nights=2, slot_step_minutes=60, min_slot_minutes=60, lead_time_minutes=60 * 24 * 30
    )
    refused = await refusal(world.book(world.slot(10, 0.5, guests=99), world.stay(1, days=60), world.place(99)))
    assert isinstance(refused, NotOffered)
    assert (refused.status, refused.code) == (422, "not_offered")
    assert set(reasons(refused)) == {
        (0, "too_soon"),
        (0, "too_short"),
        (0, "off_step"),
        (0, "capacity"),
        (1, "min_stay"),
        (2, "too_soon"),
        (2, "capacity"),
    }
    fields = {one["field"] for one in refused.details["errors"]}
    assert {"items.0.guests", "items.1.check_out", "items.2.quantity"} <= fields


async def test_what_is_not_offered_is_refused_as_such_even_when_all_of_it_is_taken(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await world.book(world.suite_stay(2, quantity=2), by=world.rival)
    await venues.change(hub, world.owner, ChangeVenue(venue_id=world.hotel.id, min_nights=3))
    refused = await refusal(world.book(world.suite_stay(2)))
    assert isinstance(refused, NotOffered)
    assert reasons(refused) == [(0, "min_stay")]


async def test_what_waits_for_a_repair_is_not_chosen_for_anybody(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await rooms.change(hub, world.owner, ChangeRoom(room_id=world.suite.id, status="maintenance"))
    booked = await world.book(world.suite_stay())
    assert booked.items[0].room_id != world.suite.id
    refused = await refusal(world.book(world.suite_stay(2), by=world.rival))
    assert reasons(refused) == [(0, "taken")]
    refused = await refusal(world.book(builders.stay(world.suite, world.day(30)), by=world.rival))
    assert reasons(refused) == [(0, "out_of_service")]


async def test_a_basket_has_one_currency(hub: ListeningHub) -> None:
    world = await World.build(hub)
    abroad = await builders.make_venue(hub, world.owner, currency="USD")
    session = await builders.make_session(hub, world.owner, abroad)
    assert isinstance(await refusal(world.book(world.slot(), builders.place(session))), MixedCurrencies)


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "slot", "room_id": 10**9, "starts_at": "2030-01-01T10:00:00Z", "ends_at": "2030-01-01T11:00:00Z"},
        {"kind": "stay", "room_type_id": 10**9, "check_in": "2030-01-01", "check_out": "2030-01-02"},
        {"kind": "stay", "room_id": 10**9, "check_in": "2030-01-01", "check_out": "2030-01-02"},
        {"kind": "place", "session_id": 10**9},
    ],
)
async def test_what_does_not_exist_is_not_found(hub: ListeningHub, item: Item) -> None:
    world = await World.build(hub)
    assert isinstance(await refusal(world.book(item)), NotFound)


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "stay", "check_in": "2030-01-01", "check_out": "2030-01-02"},
        {"kind": "stay", "room_id": 1, "room_type_id": 1, "check_in": "2030-01-01", "check_out": "2030-01-02"},
        {"kind": "stay", "room_id": 1, "check_in": "2030-01-02", "check_out": "2030-01-01"},
        {"kind": "stay", "room_id": 1, "check_in": "2030-01-01", "check_out": "2030-01-01"},
        {"kind": "stay", "room_id": 1, "check_in": "2030-01-01", "check_out": "2030-01-02", "quantity": 2},
        {"kind": "stay", "room_type_id": 1, "check_in": "2030-02-29", "check_out": "2030-03-02"},
        {"kind": "place", "session_id": 1, "quantity": 0},
        {"kind": "place", "session_id": 1, "price": 0},
        {"kind": "slot", "room_id": 1, "starts_at": 0, "ends_at": 3600},
        {"kind": "lease", "room_id": 1},
    ],
)
def test_what_makes_no_sense_cannot_even_be_asked(item: Item) -> None:
    with pytest.raises(ValidationError):
        MakeBooking.model_validate({"items": [item]})


async def test_a_time_without_an_offset_is_the_venues_own(hub: ListeningHub) -> None:
    world = await World.build(hub, timezone="Asia/Kathmandu")
    local = world.at(10).replace(tzinfo=None)
    booked = await world.book(builders.slot(world.room, local, 1))
    assert booked.items[0].starts_at.isoformat()[11:] == "04:15:00+00:00"


async def test_a_time_that_the_clocks_skip_is_refused_by_its_field(hub: ListeningHub) -> None:
    world = await World.build(hub, timezone="Europe/Lisbon", advance_days=1825)
    item = {
        "kind": "slot",
        "room_id": world.room.id,
        "starts_at": "2027-03-28T01:30:00",
        "ends_at": "2027-03-28T03:00:00",
    }
    refused = await refusal(world.book(item))
    assert isinstance(refused, Invalid)
    assert [one["field"] for one in refused.details["errors"]] == ["items.0.starts_at"]
    item = item | {"starts_at": "2027-03-28T00:30:00", "ends_at": "2027-03-28T01:30:00"}
    refused = await refusal(world.book(item))
    assert [one["field"] for one in refused.details["errors"]] == ["items.0.ends_at"]


# Whose booking it is


async def test_nobody_books_as_nobody(hub: ListeningHub) -> None:
    world = await World.build(hub)
    assert isinstance(await refusal(world.book(world.slot(), by=GUEST)), Unauthenticated)


async def test_only_who_works_at_every_venue_of_a_basket_books_for_somebody_else(hub: ListeningHub) -> None:
    world = await World.build(hub)
    for_rival = {"user_id": world.rival.user_id}
    await world.book(world.place(), by=world.rival)
    booked = await world.book(world.slot(), world.stay(), by=world.clerk, **for_rival)
    assert (booked.user_id, booked.booked_by) == (world.rival.user_id, world.clerk.user_id)
    half = await builders.make_staff(hub, world.hall)
    assert (await world.book(world.slot(12), by=half, **for_rival)).status == "confirmed"
    for who in (half, world.stranger):
        assert isinstance(await refusal(world.book(world.slot(14), world.stay(), by=who, **for_rival)), Forbidden)


async def test_the_desk_cannot_book_for_somebody_who_does_not_exist(hub: ListeningHub) -> None:
    world = await World.build(hub)
    refused = await refusal(world.book(world.slot(), by=world.clerk, user_id=10**9))
    assert isinstance(refused, Invalid)
    assert [one["field"] for one in refused.details["errors"]] == ["user_id"]
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM claims WHERE booking_id IS NOT NULL") == 0


@pytest.mark.abuse("A1", "A8")
async def test_no_desk_learns_who_somebody_is_by_booking_for_them(hub: ListeningHub) -> None:
    world = await World.build(hub)
    missing = await refusal(world.book(world.slot(), by=world.owner, user_id=10**9))
    # Anybody may open a venue and try all numbers; a booking would tell a name and an address for each.
    for take in (world.book, world.hold):
        unknown = await refusal(take(world.slot(), by=world.owner, user_id=world.stranger.user_id))
        assert (type(unknown), unknown.details) == (Invalid, missing.details)
    await world.book(world.stay(), by=world.stranger)
    assert isinstance(await refusal(world.book(world.slot(), by=world.owner, user_id=world.stranger.user_id)), Invalid)
    await world.book(world.place(), by=world.stranger)
    for by in (world.owner, world.clerk):
        held = await world.hold(world.slot(12 if by is world.owner else 14), by=by, user_id=world.stranger.user_id)
        assert held.user_id == world.stranger.user_id
    for hour, known in ((8, world.clerk), (16, world.owner)):
        assert (await world.hold(world.slot(hour), by=world.owner, user_id=known.user_id)).user_id == known.user_id
    admin = await builders.make_actor(hub, "admin")
    booked = await world.book(world.slot(18), by=admin, user_id=world.rival.user_id)
    assert booked.user_id == world.rival.user_id


async def test_the_desk_is_bound_by_what_is_taken_but_not_by_notice(hub: ListeningHub) -> None:
    world = await World.build(hub, lead_time_minutes=60 * 24 * 100, opening_hours={})
    ask: dict[str, Any] = {"by": world.clerk, "user_id": world.owner.user_id}
    assert isinstance(await refusal(world.book(world.slot())), NotOffered)
    assert (await world.book(world.slot(), **ask)).status == "confirmed"
    assert isinstance(await refusal(world.book(world.slot(), **ask)), NotAvailable)
    assert isinstance(await refusal(world.book(world.slot(12, guests=11), **ask)), NotOffered)


async def test_the_hub_itself_books_for_people_it_names(hub: ListeningHub) -> None:
    world = await World.build(hub, confirmation="payment")
    booked = await world.book(world.stay(), by=THE_HUB, user_id=world.customer.user_id)
    assert (booked.status, booked.user_id, booked.booked_by) == (
        "confirmed",
        world.customer.user_id,
        world.customer.user_id,
    )


async def test_of_one_request_sent_twice_into_one_batch_the_second_is_told_that_it_is_in_flight(
    hub: ListeningHub,
) -> None:
    world = await World.build(hub)
    basket = await baskets.made(hub, MakeBooking.model_validate({"items": [world.slot()]}).items, by_staff=False)
    customer = world.customer.user_id
    assert customer is not None
    ask = AskBooking(
        user_id=customer,
        booked_by=customer,
        status="confirmed",
        currency=basket.currency,
        price=basket.price,
        items=basket.items,
        repeat_route="bookings.make",
        repeat_key="once",
        repeat_hash="00",
    )
    async with hub.reading() as db:
        outcomes, _ = await place(db, [ask, ask, ask])
        again, _ = await place(db, [ask])
    assert [one.kind for one in outcomes] == ["placed", "in_flight", "in_flight"]
    assert [one.kind for one in again] == ["repeated"]
    assert await faults(hub.pool) == {}


@pytest.mark.parametrize("guarded", [True, False], ids=["a lookup", "a join"])
async def test_a_key_is_looked_up_by_index_though_the_plan_was_made_when_there_was_none(
    hub: ListeningHub, guarded: bool
) -> None:
    world = await World.build(hub)
    if not guarded:
        await guards.rewrite(hub.pool, "repeated_asks", (" LIMIT 1", ""))
    ask = {"ask": 1, "booked_by": world.customer.user_id, "repeat_route": "r", "repeat_key": "7"}
    look = "SELECT count(*) FROM repeated_asks(ARRAY[json_populate_record(NULL::booking_ask, $1)])"
    async with as_owner(hub.pool) as db:
        await db.execute("ANALYZE repeat_keys; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
        try:
            assert await db.fetchval(look, json.dumps(ask)) == 0
            await db.execute(
                """
                INSERT INTO repeat_keys (user_id, route, key, body_hash, status, answer)
                SELECT $1, 'r', n, '', 201, '{}' FROM generate_series(1, 500) AS n
                """,
                ask["booked_by"],
            )
            async with db.transaction():
                assert await db.fetchval(look, json.dumps(ask)) == 1
                fetched = await db.fetchval(
                    "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'repeat_keys'"
                )
        finally:
            await db.execute("RESET plan_cache_mode; RESET enable_seqscan")
    assert (fetched == 1) is guarded


# How each comes to be read from one end to the other where nothing stands against it.
READ_WHOLE = {
    "bookings": (
        "hoarding_asks",
        [("coalesce(h.expires_at > clock_timestamp(), false)", "h.expires_at > clock_timestamp()")],
    ),
    "venues": (
        "place_bookings",
        [
            (
                "(SELECT v.catalogue_version FROM venues AS v WHERE v.id = i.venue_id) IS DISTINCT FROM",
                "NOT EXISTS (SELECT 1 FROM venues AS v WHERE v.id = i.venue_id AND v.catalogue_version =",
            ),
            ("i.catalogue_version);", "i.catalogue_version));"),
        ],
    ),
}


@pytest.mark.parametrize("unguarded", [None, *READ_WHOLE])
async def test_a_hold_is_judged_by_index_though_the_plans_are_those_of_a_new_hub(
    hub: ListeningHub, unguarded: str | None
) -> None:
    world = await World.build(hub)
    if unguarded is not None:
        function, changes = READ_WHOLE[unguarded]
        await guards.rewrite(hub.pool, function, *changes)
    ask = await world.ask(world.place())
    async with as_owner(hub.pool) as db:
        await db.execute("ANALYZE bookings, venues")
        outcomes, _ = await place(db, [ask])
        await db.execute(
            """
            INSERT INTO bookings (user_id, booked_by, status, currency, price, expires_at)
            SELECT 1000000 + n, 1000000 + n, 'held', 'EUR', 1, clock_timestamp() + interval '1 hour'
            FROM generate_series(1, 500) AS n;
            INSERT INTO venues (owner_id, kind, name, currency)
            SELECT v.owner_id, v.kind, v.name || n, v.currency
            FROM generate_series(1, 500) AS n, LATERAL (SELECT * FROM venues LIMIT 1) AS v;
            """
        )
        async with db.transaction():
            before = await fetched(db, *READ_WHOLE)
            outcomes += (await place(db, [ask]))[0]
            read = await fetched(db, *READ_WHOLE) - before
    assert [one.kind for one in outcomes] == ["placed", "placed"]
    assert {name for name, count in read.items() if count > 20} == {unguarded} - {None}
