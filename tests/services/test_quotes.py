"""Quotes: what a basket comes to is promised with a token, frozen when held, and nothing changes it after that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import asyncpg
import pytest
from pydantic import ValidationError

from hub.core import GUEST, Actor
from hub.errors import Forbidden, Invalid, NoStudentLeft, NotOffered, OfferRefused, QuoteExpired, Unauthenticated
from hub.models.addons import Addon, ChangeAddon
from hub.models.availability import AskPlaceAvailability, AskRoomAvailability, AskStayAvailability
from hub.models.bookings import Booking, NameBooking, PlaceHold, ReleaseItem, RescheduleBooking
from hub.models.offers import CreateOffer
from hub.models.quotes import AskQuote, FrozenQuote, Quote
from hub.models.room_types import ChangeRoomType
from hub.models.terms import CancellationStep, Plan, Tax, Terms
from hub.models.venues import ChangeVenue
from hub.services import addons, availability, bookings, holds, offers, quotes, room_types, tickets, venues
from hub.work import Repeat, Repeated
from storage import dues as dues_store
from storage import quotes as store
from storage.quotes import Content
from tests import builders
from tests.doors import ListeningHub
from tests.money.taking import earn
from tests.races.checking import faults
from tests.world import Item, World, another, refusal

TERMS = {
    "plans": ["full", "deposit", "milestone"],
    "taxes": [Tax(name="VAT", basis_points=600, inclusive=True), Tax(name="City tax", basis_points=250)],
    "full_bonus": ["Airport pickup"],
    "student_percent": 10,
    "point_value": 1,
    "cancellation_steps": [CancellationStep(hours_before=48, refund_percent=80)],
}


async def terms(world: World, **changes: Any) -> None:
    for venue in (world.hall, world.hotel):
        ask = ChangeVenue(venue_id=venue.id, terms=Terms(**(TERMS | changes)))
        await venues.change(world.hub, world.owner, ask)


async def priced(world: World, *items: Item, by: Actor = GUEST, **more: Any) -> Quote:
    return await quotes.quote(world.hub, by, AskQuote.model_validate({"items": items} | more))


async def frozen(world: World, booking: Booking) -> FrozenQuote:
    async with world.hub.reading() as db:
        found = await dues_store.quote(db, booking.id)
    assert found is not None
    return found


def addon(thing: Addon, quantity: int = 1) -> Item:
    return {"kind": "addon", "addon_id": thing.id, "quantity": quantity}


async def everything(world: World) -> list[Item]:
    breakfast = await builders.make_addon(world.hub, world.owner, world.hotel, price=1250, price_per="guest")
    bicycle = await builders.make_addon(world.hub, world.owner, world.hotel, price=999, price_per="night")
    lights = await builders.make_addon(world.hub, world.owner, world.hall, price=700, price_per="hour")
    return [
        addon(breakfast),
        world.stay(3, 2, guests=3),
        world.suite_stay(2, quantity=2, guests=3),
        addon(bicycle, 2),
        world.slot(10, 1.5),
        addon(lights),
        world.place(2),
    ]


async def test_a_basket_of_everything_is_quoted_to_anybody_and_held_at_just_that(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world)
    items = await everything(world)
    quote = await priced(world, *items)
    by_item: dict[int, int] = dict.fromkeys(range(8), 0)
    for line in quote.lines:
        by_item[line.item] += 0 if line.included else line.amount
    assert sum(by_item.values()) == quote.total
    assert len(quote.cancellation) == 8
    held = await world.hold(*items, quote=quote.token)
    assert held.price == quote.total
    assert [item.price for item in held.items] == list(by_item.values())
    assert [item.kind for item in held.items] == [
        "addon", "stay", "stay", "stay", "addon", "slot", "addon", "place",
    ]  # fmt: skip
    assert await frozen(world, held) == FrozenQuote.model_validate(quote.model_dump())
    assert await faults(hub.pool) == {}


async def test_what_is_shown_as_free_costs_what_it_says_with_taxes_that_come_on_top(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world)
    day = world.day(20)
    nights = {"room_type_id": world.pool.id, "check_in": day, "check_out": day + timedelta(days=3), "quantity": 2}
    stay = await availability.of_type(hub, GUEST, AskStayAvailability.model_validate(nights))
    assert stay.price == (await priced(world, world.stay(3, 2))).total == 54_000 + 1350
    places = AskPlaceAvailability(session_id=world.session.id, quantity=3)
    assert (await availability.of_session(hub, GUEST, places)).price == (await priced(world, world.place(3))).total
    hours = {"room_id": world.room.id, "from": world.at(9), "to": world.at(15), "minutes": 75}
    for slot in (await availability.of_room(hub, GUEST, AskRoomAvailability.model_validate(hours))).slots[:3]:
        wanted = builders.slot(world.room, slot.starts_at, 1.25)
        assert slot.price == (await priced(world, wanted)).total
    await world.book(world.slot(10), by=world.rival)
    refused = await refusal(world.hold(world.slot(10)))
    for one in refused.details["alternatives"]:
        assert one["price"] == (await priced(world, one["item"])).total == 6150


async def test_an_addon_counts_the_guests_nights_and_hours_that_are_booked_beside_it(hub: ListeningHub) -> None:
    world = await World.build(hub)
    held = await world.hold(*await everything(world))
    breakfast, _, _, _, bicycle, _, lights, _ = held.items
    # Three guests in the pool, and two and one in the suites; three nights in two rooms and two nights in two.
    assert (breakfast.quantity, breakfast.price) == (6, 6 * 1250)
    assert (bicycle.quantity, bicycle.price) == (2, 2 * 10 * 999)
    # Ninety minutes in the hall, and the session's hour.
    assert (lights.quantity, lights.price) == (1, 1750)
    assert (breakfast.starts_at, breakfast.addon_id is not None) == (held.items[1].starts_at, True)
    # Whoever asks for the same again knows how many were asked for.
    assert [item.quantity // item.guests for item in (breakfast, bicycle, lights)] == [1, 2, 1]


async def test_an_addon_is_sold_only_beside_what_it_is_for(hub: ListeningHub) -> None:
    world = await World.build(hub)
    breakfast = await builders.make_addon(hub, world.owner, world.hotel, price=1250, price_per="guest")
    bicycle = await builders.make_addon(hub, world.owner, world.hall, price=999, price_per="night")
    for items, place in [([world.slot(10), addon(breakfast)], 1), ([addon(bicycle), world.slot(10)], 0)]:
        refused = await refusal(world.hold(*items))
        assert isinstance(refused, NotOffered)
        assert [(one["item"], one["reason"]) for one in refused.details["reasons"]] == [(place, "nothing_beside")]
    await addons.change(hub, world.owner, ChangeAddon(addon_id=breakfast.id, is_active=False))
    refused = await refusal(world.hold(world.stay(), addon(breakfast)))
    assert [one["reason"] for one in refused.details["reasons"]] == ["not_offered"]


@pytest.mark.abuse("H2")
async def test_a_quote_whose_price_has_changed_that_is_forged_or_old_holds_nothing(hub: ListeningHub) -> None:
    world = await World.build(hub)
    items = [world.stay(2), world.slot(10)]
    token = (await priced(world, *items)).token
    async with another(hub) as other:
        # A worker that does not know of the change yet must not promise the old price.
        await quotes.quote(other, GUEST, AskQuote.model_validate({"items": items}))
        await room_types.change(hub, world.owner, ChangeRoomType(room_type_id=world.pool.id, price=9001))
        fresh = await quotes.quote(other, GUEST, AskQuote.model_validate({"items": items}))
    content = tickets.read(hub, "quote", fresh.token)
    assert content is not None
    for wrong in [
        token,
        f"{fresh.token[:-4]}AAAA",
        "nonsense",
        tickets.issue(hub, "quote", content, -1),
        tickets.issue(hub, "another purpose", content, 60),
        (await priced(world, world.stay(1), world.slot(10))).token,
    ]:
        assert isinstance(await refusal(world.hold(*items, quote=wrong)), QuoteExpired)
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM bookings") == 0
    assert (await world.hold(*items, quote=fresh.token)).price == 18_002 + 6000


async def test_a_worker_that_remembers_old_prices_still_honours_a_fresh_quote(hub: ListeningHub) -> None:
    world = await World.build(hub)
    async with another(hub) as other:
        ask = {"items": [world.stay(2)]}
        await quotes.quote(other, GUEST, AskQuote.model_validate(ask))
        await room_types.change(hub, world.owner, ChangeRoomType(room_type_id=world.pool.id, price=7000))
        fresh = await priced(world, world.stay(2))
        hold = PlaceHold.model_validate(ask | {"quote": fresh.token})
        assert (await holds.place(other, world.customer, hold)).price == 14_000


async def test_a_hold_that_is_repeated_is_answered_as_before_whatever_its_quote_is_worth_by_then(
    hub: ListeningHub,
) -> None:
    world = await World.build(hub)
    ask = PlaceHold.model_validate({"items": [world.stay(2)], "quote": (await priced(world, world.stay(2))).token})
    assert world.customer.user_id
    repeat = Repeat(world.customer.user_id, "POST /holds", "the same key", b"{}")
    held = await holds.place(hub, replace(world.customer, repeat=repeat), ask)
    await room_types.change(hub, world.owner, ChangeRoomType(room_type_id=world.pool.id, price=7000))
    with pytest.raises(Repeated) as repeated:
        await holds.place(hub, replace(world.customer, repeat=repeat), ask)
    assert Booking.model_validate_json(repeated.value.answer).price == held.price == 18_000
    assert isinstance(await refusal(holds.place(hub, world.customer, ask)), QuoteExpired)


@pytest.mark.abuse("H1", "H21")
async def test_nothing_that_rates_or_terms_become_changes_what_was_agreed(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world)
    held = await world.hold(*await everything(world))
    before, agreed = await world.now(held), await frozen(world, held)
    await terms(world, taxes=[Tax(basis_points=5000)], plans=["full"], non_refundable=True, cancellation_steps=[])
    for room_type in (world.pool, world.suites, world.hall_type):
        await room_types.change(hub, world.owner, ChangeRoomType(room_type_id=room_type.id, price=1))
    confirmed = await holds.confirm(hub, world.customer, NameBooking(booking_id=held.id))
    assert (confirmed.price, [item.price for item in confirmed.items]) == (
        before.price,
        [item.price for item in before.items],
    )
    assert await frozen(world, held) == agreed
    assert (await priced(world, world.slot(15))).plans[0].total == 2


@pytest.mark.abuse("H1")
@pytest.mark.parametrize("field", ["price", "total", "currency", "tax", "discount", "lines", "quote_id"])
def test_no_price_is_taken_from_who_asks(field: str) -> None:
    item = {"kind": "place", "session_id": 1}
    for model in (AskQuote, PlaceHold):
        for given in ({"items": [item], field: 1}, {"items": [item | {field: 1}]}):
            with pytest.raises(ValidationError, match="Extra inputs"):
                model.model_validate(given)


@pytest.mark.abuse("H24")
@pytest.mark.parametrize("points", [0.1 + 0.2, 1e-7, 5.0, "5", -1, True])
def test_points_are_whole(points: Any) -> None:
    for model in (AskQuote, PlaceHold):
        with pytest.raises(ValidationError):
            model.model_validate({"items": [{"kind": "place", "session_id": 1}], "points": points})


async def test_the_same_agreement_is_kept_once_and_never_written_again_by_who_knows_it(hub: ListeningHub) -> None:
    world = await World.build(hub)
    held = [await world.hold(world.place(), by=by) for by in (world.customer, world.rival, world.stranger)]
    async with hub.pool.acquire() as db:
        ids = await db.fetch("SELECT DISTINCT quote_id FROM bookings WHERE id = ANY ($1)", [one.id for one in held])
        kept = await db.fetch("SELECT id, hash FROM frozen_quotes")
    assert [row["id"] for row in kept] == [row["quote_id"] for row in ids]
    assert [row["id"] for row in kept] == [int.from_bytes(row["hash"][:8], "big") >> 1 for row in kept]


async def test_another_agreement_under_the_same_id_is_not_taken_for_it(hub: ListeningHub) -> None:
    agreed = Content.of("{}")
    async with hub.pool.acquire() as db:
        await store.keep(db, agreed)
        await store.keep(db, agreed)
        with pytest.raises(asyncpg.RaiseError, match="one id"):
            await store.keep(db, replace(agreed, text="[]", hash=b"another"))


async def test_students_pay_less_as_often_as_their_venue_allows_in_a_year(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world, student_bookings_a_year=1)
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE users SET is_student = true WHERE id = $1", world.customer.user_id)
    quote = await priced(world, world.place(), by=world.customer, as_student=True)
    assert [(line.kind, line.amount) for line in quote.lines if line.kind == "student"] == [("student", -250)]
    assert (await world.hold(world.place(), as_student=True, quote=quote.token)).price == quote.total
    for by, kind in [(world.customer, NoStudentLeft), (world.rival, OfferRefused), (GUEST, Unauthenticated)]:
        assert isinstance(await refusal(priced(world, world.place(), by=by, as_student=True)), kind)
    assert isinstance(await refusal(world.hold(world.place(), as_student=True)), NoStudentLeft)


@pytest.mark.abuse("H9")
async def test_an_offer_is_taken_off_what_it_is_for_and_goes_with_nothing_else(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world)
    ask = CreateOffer(venue_id=world.hall.id, code="SPRING", basis_points=2000, minimum=5000)
    offer = await offers.create(hub, world.owner, ask)
    quote = await priced(world, world.slot(10), world.stay(1), offer="spring", by=world.customer)
    assert [(line.title, line.amount) for line in quote.lines if line.kind == "offer"] == [("Offer SPRING", -1200)]
    held = await world.hold(world.slot(10), world.stay(1), offer="SPRING", quote=quote.token)
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT offer_id FROM bookings WHERE id = $1", held.id) == offer.id
    for items, more in [
        ([world.stay(1)], {}),  # of another venue
        ([world.place()], {}),  # below the minimum
        ([world.slot(12)], {"as_student": True}),  # two at once
    ]:
        assert isinstance(await refusal(priced(world, *items, offer="SPRING", by=world.customer, **more)), OfferRefused)
    item = ReleaseItem(booking_id=held.id, item_id=held.items[1].id)
    assert isinstance(await refusal(holds.release_item(hub, world.customer, item)), OfferRefused)


async def test_only_who_has_earned_points_uses_them_and_no_more_than_there_are(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world)
    await world.book(world.place())
    refused = await refusal(world.hold(world.slot(10), points=5, by=world.clerk, user_id=world.customer.user_id))
    assert isinstance(refused, Forbidden)
    assert isinstance(await refusal(priced(world, world.slot(10), points=5)), Unauthenticated)
    quote = await priced(world, world.slot(10), points=5, by=world.customer)
    assert (quote.points, [line for line in quote.lines if line.kind == "points"]) == (0, [])
    await earn(hub, world.customer, 1000)
    for left in (700, 300):
        quote = await priced(world, world.slot(10 + left // 100), points=700, by=world.customer)
        assert [(line.kind, line.amount) for line in quote.lines if line.kind == "points"] == [("points", -left)]
        held = await world.hold(world.slot(10 + left // 100), points=700, quote=quote.token)
        assert (held.price, quote.points) == (quote.total, left)


async def test_what_leaves_a_basket_leaves_what_was_agreed_and_its_addons_go_with_the_last(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await terms(world)
    held = await world.hold(*await everything(world))
    agreed = await frozen(world, held)
    slot, place = held.items[5], held.items[7]
    after = await holds.release_item(hub, world.customer, ReleaseItem(booking_id=held.id, item_id=slot.id))
    assert [item.price for item in after.items] == [item.price for item in held.items if item.id != slot.id]
    after = await holds.release_item(hub, world.customer, ReleaseItem(booking_id=held.id, item_id=place.id))
    assert [item.id for item in after.items] == [item.id for item in held.items[:5]]
    left = await frozen(world, held)
    assert left.item_prices == agreed.item_prices[:5] == [item.price for item in after.items]
    assert left.total == after.price
    assert [len(plan.item_prices) for plan in left.plans] == [5, 5, 5]
    assert all(sum(part.amount for part in plan.instalments) == plan.total for plan in left.plans)
    assert [one.item for one in left.cancellation] == list(range(5))
    assert await faults(hub.pool) == {}


async def test_a_booking_that_moves_is_priced_anew_and_keeps_what_it_was_granted(hub: ListeningHub) -> None:
    world = await World.build(hub)
    await offers.create(hub, world.owner, CreateOffer(venue_id=world.hall.id, code="SPRING", basis_points=5000))
    booked = await world.book(world.slot(10), offer="SPRING")
    ask = RescheduleBooking.model_validate({"booking_id": booked.id, "items": [world.slot(12, 2)]})
    moved = await bookings.reschedule(hub, world.customer, ask)
    assert moved.price == 6000
    assert (await frozen(world, moved)).offer_id is not None
    ask = RescheduleBooking.model_validate({"booking_id": booked.id, "items": [world.stay(1)]})
    assert (await bookings.reschedule(hub, world.customer, ask)).price == 9000
    assert (await frozen(world, moved)).offer_id is None


async def test_a_price_that_nobody_can_mean_is_refused(hub: ListeningHub) -> None:
    world = await World.build(hub)
    ask = ChangeRoomType(room_type_id=world.hall_type.id, price=1_000_000_000_000)
    await room_types.change(hub, world.owner, ask)
    dear = await builders.make_addon(hub, world.owner, world.hall, price=1_000_000_000_000, price_per="guest")
    refused = await refusal(world.hold(world.slot(10, 12, guests=10), addon(dear, 1000)))
    assert isinstance(refused, Invalid)


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_is_quoted_is_held_at_just_that(hub: ListeningHub, seed: int) -> None:
    world, chance = await World.build(hub), Random(seed)
    extra = [
        await builders.make_addon(hub, world.owner, venue, price=chance.randint(0, 5000), price_per=per)
        for venue in (world.hall, world.hotel)
        for per in ("booking", "guest")
    ]
    for room_type in (world.pool, world.suites, world.hall_type):
        await builders.make_rate(hub, world.owner, room_type, weekdays=["sat", "sun"], percent=chance.randint(0, 300))
        ask = ChangeRoomType(room_type_id=room_type.id, discount_percentage=chance.randint(0, 9999) / 100)
        await room_types.change(hub, world.owner, ask)
    for turn in range(6):
        if turn % 2 == 0:
            await terms(world, **_any_terms(chance))
        wanted = [
            world.stay(chance.randint(1, 4), chance.randint(1, 2), days=20 + 8 * turn),
            world.suite_stay(chance.randint(1, 4), days=20 + 8 * turn),
            world.slot(chance.randint(1, 20), chance.choice([0.25, 1, 1.5, 3]), days=10 + turn),
        ]
        items = chance.sample(wanted, chance.randint(1, 3))
        items += [addon(one, chance.randint(1, 3)) for one in extra if one.venue_id == world.hotel.id][: turn % 3]
        if all(item["kind"] in ("slot", "addon") for item in items):
            items.append(world.stay(1, days=20 + 8 * turn))
        quote = await priced(world, *items)
        held = await world.hold(*items, quote=quote.token)
        assert (held.price, [item.price for item in held.items]) == (quote.total, quote.item_prices)
        assert await frozen(world, held) == FrozenQuote.model_validate(quote.model_dump())
        await holds.release(hub, world.customer, NameBooking(booking_id=held.id))
    assert await faults(hub.pool) == {}


def _any_terms(chance: Random) -> dict[str, Any]:
    plans: list[Plan] = chance.sample(["full", "deposit", "milestone"], chance.randint(1, 3))
    return {
        "plans": plans,
        "taxes": [Tax(basis_points=chance.randint(0, 3000), inclusive=chance.random() < 0.5) for _ in range(2)],
        "deposit_percent": chance.randint(50, 70),
        "balance_days": chance.randint(0, 30),
        "full_discount_percent": chance.randint(0, 100),
        "cancellation_steps": [],
        "non_refundable": chance.random() < 0.2,
    }
