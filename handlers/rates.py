"""Rates over both wires."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.base import Page
from hub.models.rates import ChangeRate, CreateRate, ListRates, NameRate, Rate
from hub.services import rates

_TELLS = ("room_type.changed",)


@endpoint("rates.list", "GET /rates", may=EVERYBODY)
async def listed(call: Call, ask: ListRates) -> Page[Rate]:
    """List what room types cost on certain weekdays or in a season, at the venues you may see."""
    return await rates.listed(call.hub, call.actor, ask)


@endpoint("rates.create", "POST /rates", status=201, tells=_TELLS)
async def create(call: Call, ask: CreateRate) -> Rate:
    """Ask another price of a room type on some weekdays or in a season.

    Of several that fit a night or hour the one with the shorter season counts, one without any season last; then the
    one of fewer weekdays, then the newest. What is held or booked keeps its price.
    """
    return await rates.create(call.hub, call.actor, ask)


@endpoint("rates.get", "GET /rates/{rate_id}", may=EVERYBODY)
async def read(call: Call, ask: NameRate) -> Rate:
    """Read one rate."""
    return await rates.read(call.hub, call.actor, ask)


@endpoint("rates.change", "PATCH /rates/{rate_id}", tells=_TELLS)
async def change(call: Call, ask: ChangeRate) -> Rate:
    """Change a rate; what is held or booked keeps its price."""
    return await rates.change(call.hub, call.actor, ask)


@endpoint("rates.delete", "DELETE /rates/{rate_id}", status=204, tells=_TELLS)
async def delete(call: Call, ask: NameRate) -> None:
    """Ask the usual price again; what is held or booked keeps its own."""
    await rates.delete(call.hub, call.actor, ask)
