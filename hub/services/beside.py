"""What an add-on is sold beside: the guests, nights and hours that a basket has at its venue; pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hub.models.addons import Addon
from hub.models.venues import Venue
from hub.services.judging import Reason

_WANTING = {
    "guest": "Book a room or a place here with it.",
    "booking": "Book a room or a place here with it.",
    "night": "This is sold by the night; book a night here with it.",
    "hour": "This is sold by the hour; book some hours or a session here with it.",
}


@dataclass(frozen=True, slots=True)
class Company:
    """What a basket has at one venue: its guests, the nights of its rooms, the minutes of its hours, and when."""

    guests: int
    nights: int
    minutes: int
    starts_at: datetime
    ends_at: datetime


def of(items: Iterable[Mapping[str, Any]]) -> dict[int, Company]:
    """Sum up the stays, slots and places of a basket, as the database takes them, venue by venue."""
    found: dict[int, Company] = {}
    for item in items:
        begin, end = item["starts_at"], item["ends_at"]
        nights = minutes = 0
        if item["kind"] == "stay":
            nights = (item["check_out"] - item["check_in"]).days * item["quantity"]
        else:
            minutes = max(int((end - begin).total_seconds() // 60), 0)
        known = found.get(item["venue_id"])
        if known is None:
            found[item["venue_id"]] = Company(item["guests"], nights, minutes, begin, end)
            continue
        found[item["venue_id"]] = replace(
            known,
            guests=known.guests + item["guests"],
            nights=known.nights + nights,
            minutes=known.minutes + minutes,
            starts_at=min(known.starts_at, begin),
            ends_at=max(known.ends_at, end),
        )
    return found


def nobody(now: datetime) -> Company:
    """Answer what a basket has where it has nothing."""
    return Company(0, 0, 0, now, now)


def judge(venue: Venue, addon: Addon, company: Company | None) -> list[Reason]:
    """Judge whether an add-on can be had with what else is booked at its venue, by all but how many are left."""
    if not venue.is_active or not addon.is_active:
        return [Reason("not_offered", "This is not offered at present.", "addon_id")]
    units = {"night": company.nights, "hour": company.minutes}.get(addon.price_per, 1) if company else 0
    return [] if units else [Reason("nothing_beside", _WANTING[addon.price_per], "addon_id")]
