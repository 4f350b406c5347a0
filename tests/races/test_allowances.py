"""The last use of an offer, one person's only one, points that are enough for one basket, the last of an add-on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from hub.core import Actor
from hub.errors import HubError
from hub.models.addons import ChangeAddon, CreateAddon
from hub.models.bookings import MakeBooking, NameBooking, PlaceHold, RescheduleBooking
from hub.models.offers import ChangeOffer, ListOffers
from hub.models.terms import Terms
from hub.models.venues import ChangeVenue
from hub.services import addons, bookings, holds, offers, venues
from storage.pool import Pool
from tests.builders import make_offer
from tests.doors import ListeningHub
from tests.money.taking import earn
from tests.races import guards, stage
from tests.races.checking import deadlocks, faults

CLIENTS = 50


async def done(act: Awaitable[Any]) -> int | str:
    """Answer 201, or why it was refused."""
    try:
        await act
    except HubError as error:
        return next((reason["reason"] for reason in error.details.get("reasons", [])), error.code)
    return 201


async def rush(
    hubs: Sequence[ListeningHub], who: Sequence[Actor], baskets: Sequence[dict[str, Any]]
) -> Counter[int | str]:
    """Let each hold a basket, all at once; answers how many got theirs, and why others did not."""

    async def one(number: int, actor: Actor, basket: dict[str, Any]) -> int | str:
        return await done(holds.place(hubs[number % len(hubs)], actor, PlaceHold.model_validate(basket)))

    return Counter(
        await asyncio.gather(
            *(one(n, actor, basket) for n, (actor, basket) in enumerate(zip(who, baskets, strict=True)))
        )
    )


def apart(house: stage.House, number: int, **more: Any) -> list[dict[str, Any]]:
    """Want what nobody else wants, each time anew, so that only the allowance is in anybody's way."""
    return [{"items": [stage.slot(house.halls[client], number)], **more} for client in range(len(house.halls))]


async def without_locks(pool: Pool) -> None:
    """Let what is used be summed while others use it too."""
    await guards.rewrite(pool, "lock_allowances", (" FOR NO KEY UPDATE", ""))
    await guards.rewrite(pool, "hoarding_asks", (" FOR NO KEY UPDATE", ""))


async def most_in_use(pool: Pool, addon_id: int) -> int:
    """Count how many of an add-on are in use where most are."""
    async with pool.acquire() as db:
        return int(
            await db.fetchval(
                """
                SELECT coalesce(max(addons_in_use(addon_id, starts_at, ends_at)), 0) FROM booking_items
                WHERE addon_id = $1
                """,
                addon_id,
            )
        )


async def test_fifty_want_the_last_use_of_an_offer(hubs: list[ListeningHub]) -> None:
    who = await stage.people(hubs[0].pool, CLIENTS)
    house = await stage.house(hubs[0].pool, halls=CLIENTS)
    for number in range(5):
        await make_offer(hubs[0], house.owner, venue_id=house.venue_id, code=f"LAST{number}", total_limit=1)
        got = await rush(hubs, who, apart(house, number, offer=f"last{number}"))
        assert got == {201: 1, "offer_used_up": CLIENTS - 1}
    assert await faults(hubs[0].pool) == {}
    assert await deadlocks(hubs[0].pool) == 0


async def test_one_person_redeems_an_offer_fifty_times_at_once(hubs: list[ListeningHub]) -> None:
    (person,) = await stage.people(hubs[0].pool, 1)
    await verified(hubs[0].pool, person)
    house = await stage.house(hubs[0].pool, halls=CLIENTS)
    for number in range(5):
        await make_offer(hubs[0], house.owner, venue_id=house.venue_id, code=f"ONCE{number}", per_person_limit=1)
        got = await rush(hubs, [person] * CLIENTS, apart(house, number, offer=f"ONCE{number}"))
        assert got == {201: 1, "offer_used_up": CLIENTS - 1}
    assert await faults(hubs[0].pool) == {}


async def test_points_enough_for_one_basket_pay_for_one(hubs: list[ListeningHub]) -> None:
    (person,) = await stage.people(hubs[0].pool, 1)
    house = await stage.house(hubs[0].pool, halls=CLIENTS)
    terms = ChangeVenue(venue_id=house.venue_id, terms=Terms(point_value=10))
    await venues.change(hubs[0], house.owner, terms)
    await earn(hubs[0], person, 100)
    got = await rush(hubs, [person] * CLIENTS, apart(house, 0, points=100))
    async with hubs[0].pool.acquire() as db:
        used = await db.fetchval("SELECT sum(points) FROM bookings")
    # Whoever is told in time that none are left pays with money.
    assert set(got) <= {201, "too_few_points"}
    assert used == 100
    assert await faults(hubs[0].pool) == {}


async def test_fifty_want_the_last_of_an_addon(hubs: list[ListeningHub]) -> None:
    who = await stage.people(hubs[0].pool, CLIENTS)
    house = await stage.house(hubs[0].pool, halls=CLIENTS)
    ask = CreateAddon(venue_id=house.venue_id, name="Projector", price=500, stock=1)
    projector = await addons.create(hubs[0], house.owner, ask)
    for number in range(5):
        baskets = apart(house, number)
        for basket in baskets:
            basket["items"].append({"kind": "addon", "addon_id": projector.id})
        assert await rush(hubs, who, baskets) == {201: 1, "sold_out": CLIENTS - 1}
    assert await most_in_use(hubs[0].pool, projector.id) == 1
    assert await faults(hubs[0].pool) == {}
    assert await deadlocks(hubs[0].pool) == 0


async def test_who_holds_and_who_moves_want_the_last_of_an_addon(hubs: list[ListeningHub]) -> None:
    who = await stage.people(hubs[0].pool, CLIENTS)
    house = await stage.house(hubs[0].pool, halls=CLIENTS)
    ask = CreateAddon(venue_id=house.venue_id, name="Projector", price=500, stock=1)
    projector = await addons.create(hubs[0], house.owner, ask)
    early = [MakeBooking.model_validate(basket) for basket in apart(house, 0)[: CLIENTS // 2]]
    booked = [await bookings.make(hubs[0], actor, basket) for actor, basket in zip(who, early, strict=False)]
    for number in (1, 2, 3):
        wanted = apart(house, number)
        for basket in wanted:
            basket["items"].append({"kind": "addon", "addon_id": projector.id})

        async def move(nth: int, wanted: list[dict[str, Any]] = wanted) -> int | str:
            ask = RescheduleBooking.model_validate({"booking_id": booked[nth].id, **wanted[nth]})
            return await done(bookings.reschedule(hubs[nth % 2], who[nth], ask))

        got, moved = await asyncio.gather(
            rush(hubs, who[CLIENTS // 2 :], wanted[CLIENTS // 2 :]),
            asyncio.gather(*(move(nth) for nth in range(CLIENTS // 2))),
        )
        assert got + Counter(moved) == {201: 1, "sold_out": CLIENTS - 1}
    assert await most_in_use(hubs[0].pool, projector.id) == 1
    assert await faults(hubs[0].pool) == {}
    assert await deadlocks(hubs[0].pool) == 0


async def test_whatever_is_taken_given_back_moved_and_changed_at_once_nobody_waits_in_a_circle(
    hubs: list[ListeningHub],
) -> None:
    pool, chance = hubs[0].pool, Random(5)
    who = await stage.people(pool, 20)
    house = await stage.house(pool, halls=10, pool_size=10)
    made = [CreateAddon(venue_id=house.venue_id, name=f"Cot {number}", price=500, stock=4) for number in range(2)]
    cots = [(await addons.create(hubs[0], house.owner, ask)).id for ask in made]
    codes = ["ONE", "TWO"]
    for code in codes:
        await make_offer(hubs[0], house.owner, venue_id=house.venue_id, code=code, total_limit=6)
    codes_of = {one.code: one for one in (await offers.listed(hubs[0], house.owner, ListOffers())).items}

    def basket() -> dict[str, Any]:
        items = [
            stage.slot(chance.choice(house.halls), chance.randrange(3)),
            stage.stay(0, 2, room_type_id=house.pool_type),
        ]
        items += [{"kind": "addon", "addon_id": cot} for cot in chance.sample(cots, chance.randrange(3))]
        chance.shuffle(items)
        return {"items": items}

    async def act(number: int, actor: Actor) -> None:
        hub = hubs[number % len(hubs)]
        for _ in range(6):
            with suppress(HubError):
                held = await holds.place(
                    hub, actor, PlaceHold.model_validate(basket() | {"offer": chance.choice(codes)})
                )
                move = RescheduleBooking.model_validate({"booking_id": held.id, **basket()})
                await bookings.reschedule(hub, actor, move)
                if chance.random() < 0.7:
                    await holds.release(hub, actor, NameBooking(booking_id=held.id))

    async def run_the_house() -> None:
        for number in range(10):
            offer = codes_of[codes[number % 2]]
            await offers.change(hubs[0], house.owner, ChangeOffer(offer_id=offer.id, description=f"Take {number}"))
            await addons.change(hubs[1], house.owner, ChangeAddon(addon_id=cots[number % 2], description=f"{number}"))

    await asyncio.gather(run_the_house(), *(act(number, actor) for number, actor in enumerate(who)))
    assert max([await most_in_use(pool, cot) for cot in cots]) <= 4
    assert max(one.uses or 0 for one in (await offers.listed(hubs[0], house.owner, ListOffers())).items) <= 6
    async with pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM bookings") > 10
    assert await faults(pool) == {}
    assert await deadlocks(pool) == 0


async def test_control_without_its_locks_an_offer_is_used_more_often(hubs: list[ListeningHub]) -> None:
    pool = hubs[0].pool
    await without_locks(pool)
    who = await stage.people(pool, CLIENTS)
    house = await stage.house(pool, halls=CLIENTS)
    for number in range(40):
        await make_offer(hubs[0], house.owner, venue_id=house.venue_id, code=f"LAST{number}", total_limit=1)
        if (await rush(hubs, who, apart(house, number, offer=f"LAST{number}")))[201] > 1:
            return
    raise AssertionError("nobody used it twice")


async def test_control_without_its_locks_one_person_redeems_an_offer_twice(hubs: list[ListeningHub]) -> None:
    pool = hubs[0].pool
    await without_locks(pool)
    (person,) = await stage.people(pool, 1)
    await verified(pool, person)
    house = await stage.house(pool, halls=CLIENTS)
    for number in range(40):
        await make_offer(hubs[0], house.owner, venue_id=house.venue_id, code=f"ONCE{number}", per_person_limit=1)
        if (await rush(hubs, [person] * CLIENTS, apart(house, number, offer=f"ONCE{number}")))[201] > 1:
            return
    raise AssertionError("nobody redeemed it twice")


async def test_control_without_its_locks_more_of_an_addon_is_sold_than_there_is(hubs: list[ListeningHub]) -> None:
    pool = hubs[0].pool
    await without_locks(pool)
    who = await stage.people(pool, CLIENTS)
    house = await stage.house(pool, halls=CLIENTS)
    ask = CreateAddon(venue_id=house.venue_id, name="Projector", price=500, stock=1)
    projector = await addons.create(hubs[0], house.owner, ask)
    for number in range(40):
        baskets = apart(house, number)
        for basket in baskets:
            basket["items"].append({"kind": "addon", "addon_id": projector.id})
        await rush(hubs, who, baskets)
        if await most_in_use(pool, projector.id) > 1:
            return
    raise AssertionError("nobody had the second of one")


async def verified(pool: Pool, person: Actor) -> None:
    """Let somebody have shown that their address is theirs."""
    async with pool.acquire() as db:
        await db.execute("UPDATE users SET email_verified_at = clock_timestamp() WHERE id = $1", person.user_id)
