"""Offers: made, seen, changed and ended by who may; found by their code, and by nobody who only guesses."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from hub.core import GUEST, Actor, Hub
from hub.errors import AlreadyExists, Forbidden, Invalid, NotFound, OfferRefused, Unauthenticated
from hub.models.offers import ChangeOffer, CreateOffer, ListOffers, NameOffer, Offer
from hub.services import offers
from hub.services.attempts import TooManyTries
from hub.work import Repeat
from tests.builders import make_actor, make_offer, make_staff, make_venue
from tests.doors import ListeningHub
from tests.world import refusal

SOON = datetime.now(UTC) + timedelta(days=1)


async def codes(hub: Hub, actor: Actor = GUEST, **filters: Any) -> list[str]:
    return [one.code for one in (await offers.listed(hub, actor, ListOffers(**filters))).items]


async def changed(hub: Hub, actor: Actor, offer: Offer, **fields: Any) -> Offer:
    return await offers.change(hub, actor, ChangeOffer(offer_id=offer.id, **fields))


async def test_an_offer_is_made_changed_and_ended(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, timezone="Europe/Lisbon")
    offer = await make_offer(hub, owner, venue, valid_until="2099-07-01T00:00", total_limit=100)
    assert (offer.code, offer.basis_points, offer.amount, offer.currency) == ("AUTUMN", 1000, None, "EUR")
    assert offer.valid_until == datetime(2099, 6, 30, 23, tzinfo=UTC)
    assert offer == await offers.read(hub, GUEST, NameOffer(offer_id=offer.id))
    by_amount = await changed(hub, owner, offer, amount=500, minimum=2000, total_limit=None)
    assert (by_amount.basis_points, by_amount.amount, by_amount.minimum) == (None, 500, 2000)
    assert (by_amount.total_limit, by_amount.valid_until) == (None, offer.valid_until)
    assert (await changed(hub, owner, offer, basis_points=10_000)).amount is None
    await offers.end(hub, owner, NameOffer(offer_id=offer.id))
    async with hub.pool.acquire() as db:
        kept = await db.fetch("SELECT operation, actor_id, venue_id FROM audit WHERE entity = 'offer' ORDER BY id")
    assert [tuple(one) for one in kept] == [
        (operation, owner.user_id, venue.id) for operation in ("create", "update", "update", "update")
    ]
    assert isinstance(await refusal(offers.read(hub, owner, NameOffer(offer_id=offer.id))), NotFound)
    assert (await make_offer(hub, owner, venue)).id != offer.id


async def test_two_offers_cannot_have_one_code_however_it_is_written(hub: ListeningHub) -> None:
    owner, other = await make_actor(hub, "vendor"), await make_actor(hub, "vendor")
    await make_offer(hub, owner, await make_venue(hub, owner), code="Autumn")
    with pytest.raises(AlreadyExists):
        await make_offer(hub, other, await make_venue(hub, other), code="aUTUMN")


async def test_who_runs_the_venue_makes_its_offers_and_who_has_the_right_those_of_the_hub(hub: ListeningHub) -> None:
    owner, admin = await make_actor(hub, "vendor"), await make_actor(hub, "admin")
    venue = await make_venue(hub, owner)
    offer, everywhere = await make_offer(hub, owner, venue), await make_offer(hub, admin, code="EVERYWHERE")
    hidden = await make_offer(hub, admin, code="HIDDEN", is_public=False)
    manager = await make_staff(hub, venue, "manager")
    for actor, more in ((manager, 7), (admin, 8)):
        assert (await changed(hub, actor, offer, total_limit=more)).total_limit == more
    for actor, refused in (
        (await make_staff(hub, venue, "desk"), Forbidden),
        (await make_actor(hub, "vendor"), NotFound),
        (GUEST, Unauthenticated),
    ):
        for act in (
            make_offer(hub, actor, venue, code="MINE"),
            changed(hub, actor, offer, total_limit=1),
            offers.end(hub, actor, NameOffer(offer_id=offer.id)),
        ):
            with pytest.raises(refused):
                await act
    for act in (make_offer(hub, owner, code="MINE"), changed(hub, owner, everywhere, total_limit=1)):
        with pytest.raises(Forbidden):
            await act
    with pytest.raises(NotFound):
        await changed(hub, owner, hidden, total_limit=1)


async def test_everybody_finds_what_is_public_and_on_and_who_works_there_everything(hub: ListeningHub) -> None:
    owner, admin = await make_actor(hub, "vendor"), await make_actor(hub, "admin")
    venue, closed = await make_venue(hub, owner), await make_venue(hub, owner, is_active=False)
    await make_offer(hub, owner, venue, code="NOW", description="Leaves fall")
    await make_offer(hub, owner, venue, code="LATER", valid_from=SOON)
    await make_offer(hub, owner, venue, code="OVER", valid_until=datetime(2020, 1, 1, tzinfo=UTC))
    await make_offer(hub, owner, venue, code="PAUSED", is_active=False)
    secret = await make_offer(hub, owner, venue, code="SECRET", is_public=False)
    await make_offer(hub, owner, closed, code="SHUT")
    await make_offer(hub, admin, code="EVERYWHERE")
    assert await codes(hub) == ["EVERYWHERE", "NOW"]
    assert await codes(hub, await make_actor(hub, "vendor"), venue_id=venue.id) == ["NOW"]
    desk = await make_staff(hub, venue, "desk")
    assert await codes(hub, desk, venue_id=venue.id) == ["LATER", "NOW", "OVER", "PAUSED", "SECRET"]
    assert await codes(hub, owner, can_be_used=True) == ["EVERYWHERE", "NOW", "SECRET", "SHUT"]
    assert await codes(hub, owner, venue_id=venue.id, can_be_used=False, sort="newest") == ["PAUSED", "OVER", "LATER"]
    assert len(await codes(hub, admin)) == 7
    assert await codes(hub, q="fall") == await codes(hub, q="no") == ["NOW"]
    for actor, refused in ((GUEST, NotFound), (owner, None)):
        act = offers.read(hub, actor, NameOffer(offer_id=secret.id))
        assert type(await refusal(act)) is refused if refused else await act == secret


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": 500, "currency": "USD"}, "currency"),
        ({"valid_from": "2099-01-02T00:00Z", "valid_until": "2099-01-01T00:00Z"}, "valid_until"),
        ({"valid_from": "2099-03-29T01:30"}, "valid_from"),
    ],
)
async def test_what_does_not_fit_together_is_refused_by_its_field(
    hub: ListeningHub, fields: dict[str, Any], field: str
) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, timezone="Europe/Lisbon")
    offer = await make_offer(hub, owner, venue)
    for act in (make_offer(hub, owner, venue, code="MORE", **fields), changed(hub, owner, offer, **fields)):
        refused = await refusal(act)
        assert isinstance(refused, Invalid)
        assert refused.details["errors"][0]["field"] == field


async def test_an_amount_everywhere_names_its_currency(hub: ListeningHub) -> None:
    admin = await make_actor(hub, "admin")
    wanting: list[dict[str, Any]] = [{"amount": 500}, {"minimum": 500}]
    for fields in wanting:
        assert isinstance(await refusal(make_offer(hub, admin, **fields)), Invalid)
        assert (await make_offer(hub, admin, code="".join(fields), currency="KHR", **fields)).currency == "KHR"


@pytest.mark.abuse("H24")
@pytest.mark.parametrize(
    "fields",
    [
        {"basis_points": 0},
        {"basis_points": 10_001},
        {"basis_points": 10.0},
        {"amount": -500},
        {"amount": 0.3},
        {"amount": "500"},
        {"amount": 500, "basis_points": 500},
        {},
        {"basis_points": 500, "minimum": -1},
        {"basis_points": 500, "minimum": 1e3},
        {"basis_points": 500, "total_limit": 0},
        {"basis_points": 500, "code": "ÀUTUMN"},
        {"basis_points": 500, "code": "AU"},
        {"basis_points": 500, "currency": "XXX"},
    ],
)
def test_what_is_no_offer_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CreateOffer.model_validate({"venue_id": 1, "code": "AUTUMN"} | fields)


@pytest.mark.abuse("H9")
async def test_a_code_is_found_in_any_letters_while_it_is_on(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    offer = await make_offer(hub, owner, venue)
    assert await offers.named(hub, GUEST, " autumn ", guest_id=None) == offer
    for over in ({"is_active": False}, {"is_active": True, "valid_from": SOON}):
        await changed(hub, owner, offer, **over)
        assert isinstance(await refusal(offers.named(hub, GUEST, "AUTUMN", guest_id=None)), OfferRefused)
    for nothing in ("AUTUMN2", "", "' OR 1=1", "AUTUMN\N{ZERO WIDTH SPACE}", "A" * 500):
        assert isinstance(await refusal(offers.named(hub, GUEST, nothing, guest_id=None)), OfferRefused)


@pytest.mark.abuse("H9")
async def test_an_offer_is_only_for_what_it_says(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    offer = await make_offer(hub, owner, await make_venue(hub, owner), amount=500, minimum=2000)
    offers.judge(offer, "EUR", 2000, is_at_its_venue=True)
    for currency, spent, at_its_venue in (("EUR", 1999, True), ("USD", 2000, True), ("EUR", 2000, False)):
        with pytest.raises(OfferRefused):
            offers.judge(offer, currency, spent, is_at_its_venue=at_its_venue)


@pytest.mark.abuse("H9", "D18")
async def test_an_offer_for_each_person_once_is_for_persons_whose_address_is_known(hub: ListeningHub) -> None:
    owner, made_up = await make_actor(hub, "vendor"), await make_actor(hub)
    known = await make_actor(hub, email_verified_at=datetime.now(UTC))
    await make_offer(hub, owner, await make_venue(hub, owner), per_person_limit=1)
    assert isinstance(await refusal(offers.named(hub, made_up, "AUTUMN", guest_id=made_up.user_id)), OfferRefused)
    for who in (known, GUEST):
        assert (await offers.named(hub, who, "AUTUMN", guest_id=who.user_id)).per_person_limit == 1


@pytest.fixture
def strict(hub: ListeningHub) -> ListeningHub:
    """Count what may be tried only so often."""
    hub.settings = replace(hub.settings, rate_limits=True)
    return hub


@pytest.mark.abuse("H9")
async def test_who_guesses_at_codes_is_stopped_at_ten_an_hour(strict: ListeningHub) -> None:
    owner, guesser = await make_actor(strict, "vendor"), replace(await make_actor(strict), address="192.0.2.7")
    venue = await make_venue(strict, owner)
    await make_offer(strict, owner, venue, code="SECRET", is_public=False)
    await make_offer(strict, owner, venue)

    async def named(code: str, who: Actor = guesser) -> bool:
        return bool(await offers.named(strict, who, code, guest_id=who.user_id))

    # Whoever knows it may say it as often as they like.
    again = replace(guesser, repeat=Repeat(guesser.user_id or 0, "quotes.ask", "one", b"{}"))
    for _ in range(12):
        assert await named("secret", again)
    guesses = [type(await refusal(named(f"SECRET{number}"))) for number in range(10)]
    assert guesses == [OfferRefused] * 10
    for code in ("SECRET", "SECRET11"):
        stopped = await refusal(named(code))
        assert isinstance(stopped, TooManyTries)
        assert stopped.retry_after
    # What everybody is shown, nobody need guess; and nobody else is stopped.
    assert await named("AUTUMN")
    assert await named("SECRET", replace(await make_actor(strict), address="192.0.2.7"))


@pytest.mark.abuse("H9")
async def test_many_guesses_at_once_or_under_many_names_are_no_more(strict: ListeningHub) -> None:
    guests = [replace(GUEST, address="192.0.2.7") for _ in range(30)]
    people = [replace(await make_actor(strict), address="192.0.2.7") for _ in range(60)]
    found = {}
    for name, guessing in (("guests", guests), ("people", people)):
        tries = (offers.named(strict, who, "SECRET", guest_id=who.user_id) for who in guessing)
        found[name] = [type(one) for one in await asyncio.gather(*tries, return_exceptions=True)]
    assert found["guests"].count(OfferRefused) == 10
    assert found["people"].count(OfferRefused) <= 40
    assert set(found["people"]) == {OfferRefused, TooManyTries}
