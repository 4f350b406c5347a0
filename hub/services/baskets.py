"""A basket: what was asked for, judged by the rules, priced, and ready to be claimed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hub.core import Hub
from hub.errors import Invalid, MixedCurrencies, NotOffered
from hub.models.bookings import AskAddon, AskItem, AskPlace, AskStay
from hub.models.quotes import FrozenQuote
from hub.services import beside, catalogue, openings, zones
from hub.services import items as items_of
from hub.services.items import Line
from hub.services.sharing import split
from storage import availability
from storage.claims import Claim
from storage.quotes import Content


@dataclass(frozen=True, slots=True)
class Basket:
    """Priced items of one currency; their venues' policies give the clocks."""

    lines: list[Line]
    currency: str
    price: int
    # For each line the place of the item it was asked for by, and whether the hub chose its room.
    places: list[int]
    chosen: list[bool]
    # What was agreed for it; until then its price is that of its rates.
    quote: FrozenQuote | None = None
    content: Content | None = None
    student_limits: dict[int, int] = field(default_factory=dict)

    def at(self, quote: FrozenQuote, content: Content, student_limits: dict[int, int]) -> Basket:
        """Answer the basket at the prices of a quote."""
        lines = [
            Line(line.venue, line.sold, line.fields | {"price": price}, line.reasons)
            for line, price in zip(self.lines, quote.item_prices, strict=True)
        ]
        return Basket(lines, self.currency, quote.total, self.places, self.chosen, quote, content, student_limits)

    @property
    def items(self) -> list[dict[str, Any]]:
        """Answer the items as place_bookings() takes them."""
        return [line.fields for line in self.lines]

    @property
    def venue_ids(self) -> set[int]:
        """Name the venues the basket is at."""
        return {line.venue.id for line in self.lines}

    @property
    def versions(self) -> dict[int, int]:
        """Answer on which version of each venue's catalogue the basket was judged; the oldest if on several."""
        judged = [(line.venue.id, int(line.fields["catalogue_version"])) for line in self.lines]
        return dict(sorted(judged, reverse=True))

    @property
    def hold_seconds(self) -> int:
        """Answer how long the basket may be held: as its strictest venue allows."""
        return min(line.venue.hold_seconds for line in self.lines)

    @property
    def hold_cap_seconds(self) -> int:
        """Answer how long it may be held with all renewals."""
        return min(line.venue.hold_cap_seconds for line in self.lines)

    @property
    def needs_payment(self) -> bool:
        """Tell whether a venue of the basket confirms only what is paid."""
        return any(line.venue.confirmation == "payment" for line in self.lines) and self.price > 0


async def made(
    hub: Hub,
    items: Sequence[AskItem],
    *,
    by_staff: bool = False,
    at_random: bool = False,
    moving_booking_id: int | None = None,
) -> Basket:
    """Judge and price a basket by its venues' rules, choosing rooms where only a type is named; claims come later.

    Refuses with every rule in the way, or with NoRoomLeft. Staff may book what has begun, at short notice or out of
    hours; what cannot be sold twice binds everybody.
    """
    asked = list(enumerate(items))
    basket = await _judged(hub, asked, by_staff)
    chosen = await _with_rooms_chosen(hub, items, at_random, moving_booking_id)
    return basket if chosen == asked else await _judged(hub, chosen, by_staff, items)


async def quoted(hub: Hub, items: Sequence[AskItem]) -> Basket:
    """Judge and price a basket without a look at what is free: rooms of which only the type is named stay unchosen."""
    asked = list(enumerate(items))
    basket = await _judged(hub, asked)
    single = [(place, one) for place, item in asked for one in await _one_by_one(hub, item)]
    return basket if len(single) == len(asked) else await _judged(hub, single)


async def _one_by_one(hub: Hub, item: AskItem) -> list[AskItem]:
    """Part a stay in several rooms of a type into what will be an item each, where each room is sold by its number."""
    if not isinstance(item, AskStay) or item.room_type_id is None or item.quantity == 1:
        return [item]
    if (await catalogue.room_type(hub, item.room_type_id)).room_type.sold_as == "pool":
        return [item]
    guests = split(item.guests, [1] * item.quantity)
    return [item.model_copy(update={"quantity": 1, "guests": max(count, 1)}) for count in guests]


async def _judged(
    hub: Hub, places: Sequence[tuple[int, AskItem]], by_staff: bool = False, asked: Sequence[AskItem] = ()
) -> Basket:
    main = {
        nth: await _line_at(hub, place, item)
        for nth, (place, item) in enumerate(places)
        if not isinstance(item, AskAddon)
    }
    company = beside.of(one.fields for one in main.values()) if len(main) < len(places) else {}
    lines = [
        await items_of.addon(hub, item, company) if isinstance(item, AskAddon) else main[nth]
        for nth, (_, item) in enumerate(places)
    ]
    refused = [
        (place, reason)
        for (place, _), one in zip(places, lines, strict=True)
        for reason in one.reasons
        if not (by_staff and reason.code in ("in_past", "too_soon", "too_far", "closed", "off_step"))
    ]
    if refused:
        raise NotOffered(
            reasons=[{"item": place, "reason": reason.code, "sentence": reason.sentence} for place, reason in refused],
            errors=[
                {"field": f"items.{place}.{reason.field}", "message": reason.sentence}
                for place, reason in refused
                if reason.field
            ],
        )
    currencies = {one.fields["currency"] for one in lines}
    if len(currencies) > 1:
        raise MixedCurrencies()
    return Basket(
        lines,
        currencies.pop(),
        sum(one.fields["price"] for one in lines),
        [place for place, _ in places],
        [bool(asked) and item != asked[place] for place, item in places],
    )


async def _line_at(hub: Hub, place: int, item: items_of.AskMain) -> Line:
    try:
        return await items_of.line(hub, item)
    except Invalid as invalid:
        errors = [{**one, "field": f"items.{place}.{one['field']}"} for one in invalid.details["errors"]]
        raise Invalid(errors=errors) from None


async def venue_ids(hub: Hub, items: Sequence[AskItem]) -> list[int]:
    """Name the venues that items are at."""
    found = set()
    for item in items:
        if isinstance(item, AskPlace):
            found.add((await catalogue.session(hub, item.session_id)).venue.id)
        elif isinstance(item, AskAddon):
            found.add((await catalogue.addon(hub, item.addon_id)).venue.id)
        elif item.room_id is not None:
            found.add((await catalogue.room(hub, item.room_id)).venue.id)
        else:
            assert item.room_type_id is not None
            found.add((await catalogue.room_type(hub, item.room_type_id)).venue.id)
    return sorted(found)


class NoRoomLeft(Exception):
    """Too few numbered rooms of a type are free for a stay; says so in the words of place_bookings()."""

    def __init__(self, place: int, reason: str, held_until: datetime | None) -> None:
        super().__init__(reason)
        self.said = [{"item": place, "reason": reason, "held_until": held_until}]


async def _with_rooms_chosen(
    hub: Hub, items: Sequence[AskItem], at_random: bool, moving_booking_id: int | None
) -> list[tuple[int, AskItem]]:
    """Choose a free numbered room for each stay that names a type whose rooms are sold one by one."""
    chosen: list[tuple[int, AskItem]] = []
    for place, item in enumerate(items):
        if not isinstance(item, AskStay) or item.room_type_id is None:
            chosen.append((place, item))
            continue
        offer = await catalogue.room_type(hub, item.room_type_id)
        if offer.room_type.sold_as == "pool":
            chosen.append((place, item))
            continue
        begin, end = zones.stay(offer.venue, item.check_in, item.check_out)
        async with hub.reading() as db:
            free = await availability.free_rooms(db, item.room_type_id, begin, end, moving_booking_id)
        taken = {
            other.room_id
            for other in [*items, *(other for _, other in chosen)]
            if isinstance(other, AskStay) and other.check_in < item.check_out and item.check_in < other.check_out
        }
        free = [room_id for room_id in free if room_id not in taken]
        if len(free) < item.quantity:
            raise await _no_room_left(hub, place, item, offer)
        if at_random:
            random.shuffle(free)
        chosen += [
            (place, one.model_copy(update={"room_type_id": None, "room_id": room_id}))
            for one, room_id in zip(await _one_by_one(hub, item), free, strict=False)
        ]
    return chosen


async def _no_room_left(hub: Hub, place: int, item: AskStay, offer: catalogue.TypeOffer) -> NoRoomLeft:
    async with hub.reading() as db:
        stay = await openings.stay(
            db, offer, item.check_in, item.check_out, item.guests, item.quantity, hub.clock.now()
        )
    held = next((one for one in stay.reasons if one.reason == "held"), None)
    return NoRoomLeft(place, "taken", None) if held is None else NoRoomLeft(place, "held", held.held_until)


def claims_of(basket: Basket, booking_id: int, item_ids: Sequence[int], expires_at: datetime | None) -> list[Claim]:
    """Write what a basket claims: a numbered room for a time, a pool's nights one by one, places in a session."""
    claims = []
    for item_id, fields in zip(item_ids, basket.items, strict=True):
        claim = Claim(booking_id=booking_id, item_id=item_id, quantity=fields["quantity"], expires_at=expires_at)
        if fields.get("room_id") is not None:
            claims.append(replace(claim, room_id=fields["room_id"], busy=(fields["busy_from"], fields["busy_until"])))
        elif fields["kind"] == "addon":
            continue
        elif fields["kind"] == "place":
            claims.append(replace(claim, place_session_id=fields["session_id"]))
        else:
            nights = zones.nights(fields["check_in"], fields["check_out"])
            claims += [replace(claim, room_type_id=fields["room_type_id"], night=night) for night in nights]
    return claims
