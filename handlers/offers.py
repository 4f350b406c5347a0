"""Offers over both wires."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.base import Page
from hub.models.offers import ChangeOffer, CreateOffer, ListedOffer, ListOffers, NameOffer, Offer
from hub.services import offers


@endpoint("offers.list", "GET /offers", may=EVERYBODY)
async def listed(call: Call, ask: ListOffers) -> Page[ListedOffer]:
    """List the public offers that can be used now; those who run a venue see all of its own."""
    return await offers.listed(call.hub, call.actor, ask)


@endpoint("offers.create", "POST /offers", status=201, in_person=True)
async def create(call: Call, ask: CreateOffer) -> Offer:
    """Make an offer of your venue, or, with the right to it, of the whole hub.

    One booking uses one offer. Its limits count bookings that live: what is cancelled or runs out gives it back.
    """
    return await offers.create(call.hub, call.actor, ask)


@endpoint("offers.get", "GET /offers/{offer_id}", may=EVERYBODY)
async def read(call: Call, ask: NameOffer) -> Offer:
    """Read one offer."""
    return await offers.read(call.hub, call.actor, ask)


@endpoint("offers.change", "PATCH /offers/{offer_id}", in_person=True)
async def change(call: Call, ask: ChangeOffer) -> Offer:
    """Change an offer; what is held or booked with it keeps what it took off."""
    return await offers.change(call.hub, call.actor, ask)


@endpoint("offers.delete", "DELETE /offers/{offer_id}", status=204, in_person=True)
async def end(call: Call, ask: NameOffer) -> None:
    """End an offer for good; what is held or booked with it keeps it."""
    await offers.end(call.hub, call.actor, ask)
