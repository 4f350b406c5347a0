"""Offers: made, changed and ended by those who run a venue or the hub; found by whoever names their code."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hub.core import THE_HUB, Actor, Hub
from hub.errors import Invalid, NotFound, OfferRefused, OfferUsedUp
from hub.models.base import Page
from hub.models.offers import ChangeOffer, CreateOffer, ListedOffer, ListOffers, NameOffer, Offer
from hub.models.venues import Venue
from hub.services import access, attempts, inventory, zones
from storage import access as ties
from storage import offers as store
from storage import users as user_store
from storage import venues as venue_store
from storage.query import Db


async def listed(hub: Hub, actor: Actor, ask: ListOffers) -> Page[ListedOffer]:
    """List the public offers that can be used now; where one works, and for whoever reads all offers, every offer."""
    async with hub.reading() as db:
        offers, total = await store.listed(db, ask, actor.user_id, sees_everything=actor.may("offer:read"))
    return Page[ListedOffer].model_validate(ask.of(offers, total))


async def read(hub: Hub, actor: Actor, ask: NameOffer) -> Offer:
    """Read one offer that one may see in the list."""
    async with hub.reading() as db:
        offer = await _found(db, ask.offer_id)
        if not await _sees(hub, db, actor, offer):
            raise NotFound()
        return offer


async def create(hub: Hub, actor: Actor, ask: CreateOffer) -> Offer:
    """Make an offer of a venue that one runs, or of the whole hub."""
    async with hub.work(actor) as work:
        venue = await _runs(work.db, actor, ask.venue_id, "offer:create")
        fields = ask.model_dump(mode="json") | _times(ask, venue)
        _judge(fields, venue)
        return work.answer(await _found(work.db, await store.create(work.db, fields)), 201)


async def change(hub: Hub, actor: Actor, ask: ChangeOffer) -> Offer:
    """Change an offer; what is held or booked with it keeps what it took off."""
    async with hub.work(actor) as work:
        offer, venue = await _managed(work.db, actor, ask.offer_id, "offer:update")
        work.expect(offer)
        fields = inventory.named(ask, "offer_id") | _times(ask, venue)
        if ask.amount is not None:
            fields["basis_points"] = None
        elif ask.basis_points is not None:
            fields["amount"] = None
        wanted = offer.model_dump(mode="json") | fields
        _judge(wanted, venue)
        await store.change(work.db, offer.id, fields | {"currency": wanted["currency"]})
        return work.answer(await _found(work.db, offer.id))


async def end(hub: Hub, actor: Actor, ask: NameOffer) -> None:
    """End an offer for good; what is held or booked with it keeps it, and its code is free for another."""
    async with hub.work(actor) as work:
        offer, _ = await _managed(work.db, actor, ask.offer_id, "offer:delete")
        work.expect(offer)
        await store.end(work.db, offer.id)


async def named(hub: Hub, actor: Actor, code: str, *, guest_id: int | None) -> Offer:
    """Find the offer that a code names, to be used by this guest; whoever guesses at codes is stopped.

    Who has no account yet is told a price with an offer that each person has only so often, but cannot hold at it.
    """
    async with hub.reading() as db:
        offer = await store.usable(db, code.strip())
        guest = None if guest_id is None else await user_store.find(db, guest_id)
        is_used_up = offer is not None and await store.is_used_up(db, offer.id, guest_id)
    if offer is None or not offer.is_public:
        await _count_guess(hub, actor, is_wrong=offer is None)
    if offer is None:
        raise OfferRefused("There is no offer with this code, or it is over.")
    if offer.per_person_limit is not None and guest and not (guest.email_verified or guest.phone_verified):
        # Else whoever makes up accounts is as many persons.
        raise OfferRefused("This offer is for each person only so often; verify your e-mail address or number first.")
    if is_used_up:
        raise OfferUsedUp()
    return offer


def judge(offer: Offer, currency: str, spent: int, *, is_at_its_venue: bool) -> None:
    """Refuse an offer for a basket that it is not for; `spent` is what it would be taken off, in minor units."""
    if not is_at_its_venue:
        raise OfferRefused("This offer is for another venue.")
    if offer.currency not in (None, currency):
        raise OfferRefused(f"This offer is for prices in {offer.currency}.")
    if spent < offer.minimum:
        raise OfferRefused("This offer is for more than you spend.", minimum=offer.minimum)


async def _count_guess(hub: Hub, actor: Actor, *, is_wrong: bool) -> None:
    # A code that nobody was shown may have been guessed: it is counted before it is answered, and forgotten if right.
    origin = attempts.network(actor.address)
    tries: list[tuple[attempts.Limit, str | int]] = [
        (attempts.OFFER_CODES_FROM, origin),
        (attempts.OFFER_CODES, origin if actor.user_id is None else actor.user_id),
    ]
    for limit, whom in tries:
        await attempts.reserve(hub, limit, whom)
    if not is_wrong:
        async with hub.work(THE_HUB) as work:
            for limit, whom in tries:
                await attempts.give_back(hub, work.db, limit, whom)


async def _runs(db: Db, actor: Actor, venue_id: int | None, permission: str) -> Venue | None:
    if venue_id is not None:
        return await access.manage_venue(db, actor, venue_id, permission)
    access.needs(actor, permission)
    return None


async def _managed(db: Db, actor: Actor, offer_id: int, permission: str) -> tuple[Offer, Venue | None]:
    """Load an offer that nobody changes meanwhile; whoever may not even see it is told that there is none."""
    found = await _found(db, offer_id)
    if found.venue_id is None and not actor.may(permission):
        access.signed_in(actor)
        if not (found.is_public or actor.may("offer:read")):
            raise NotFound()
    venue = await _runs(db, actor, found.venue_id, permission)
    await store.lock(db, offer_id)
    return await _found(db, offer_id), venue


async def _sees(hub: Hub, db: Db, actor: Actor, offer: Offer) -> bool:
    if actor.may("offer:read"):
        return True
    if offer.venue_id and actor.user_id and await ties.tie(db, offer.venue_id, actor.user_id) is not None:
        return True
    if not (offer.is_public and _is_on(offer, hub.clock.now())):
        return False
    venue = None if offer.venue_id is None else await venue_store.find(db, offer.venue_id)
    return venue is None or venue.is_active


def _is_on(offer: Offer, now: datetime) -> bool:
    begun = offer.valid_from is None or offer.valid_from <= now
    return offer.is_active and begun and (offer.valid_until is None or now < offer.valid_until)


def _times(ask: CreateOffer | ChangeOffer, venue: Venue | None) -> dict[str, Any]:
    zone = "UTC" if venue is None else venue.timezone
    return {
        name: zones.localise(moment, zone, name).isoformat()
        for name in ("valid_from", "valid_until")
        if (moment := getattr(ask, name)) is not None
    }


def _judge(fields: dict[str, Any], venue: Venue | None) -> None:
    """Complete an offer's currency and judge what its fields say together."""
    needs_currency = fields["amount"] is not None or fields["minimum"] > 0
    if venue is not None:
        if fields["currency"] not in (None, venue.currency):
            raise Invalid.field("currency", f"must be {venue.currency}, in which this venue sells")
        fields["currency"] = venue.currency
    elif needs_currency and fields["currency"] is None:
        raise Invalid.field("currency", "must be named with an amount or a minimum")
    begins, ends = fields["valid_from"], fields["valid_until"]
    if begins and ends and datetime.fromisoformat(ends) <= datetime.fromisoformat(begins):
        raise Invalid.field("valid_until", "must be after valid_from")


async def _found(db: Db, offer_id: int) -> Offer:
    offer = await store.find(db, offer_id)
    if offer is None:
        raise NotFound()
    return offer
