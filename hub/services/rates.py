"""Rates: what those who run a venue ask for a room type on certain weekdays or in a season."""

from __future__ import annotations

from hub.core import Actor, Hub
from hub.errors import Conflict, Invalid, NotFound
from hub.events.room_types import RoomTypeChanged
from hub.models.base import Page
from hub.models.rates import ChangeRate, CreateRate, ListRates, NameRate, Rate
from hub.services import access, inventory, room_types
from hub.work import Work
from storage import rates as store
from storage.query import Db

# A room type is told with all of its rates.
MOST = 100


class TooManyRates(Conflict):
    """A room type has 100 rates at most; delete some that are over first."""

    code = "too_many_rates"


async def listed(hub: Hub, actor: Actor, ask: ListRates) -> Page[Rate]:
    """List rates of the venues one may see."""
    async with hub.reading() as db:
        rates, total = await store.listed(db, ask, actor.user_id, sees_everything=inventory.sees_everything(actor))
    return Page[Rate].model_validate(ask.of(rates, total))


async def read(hub: Hub, actor: Actor, ask: NameRate) -> Rate:
    """Read one rate."""
    async with hub.reading() as db:
        rate = await _found(db, ask.rate_id)
        await access.venue(db, actor, rate.venue_id)
        return rate


async def create(hub: Hub, actor: Actor, ask: CreateRate) -> Rate:
    """Ask another price of a room type on some weekdays or in a season; what is held or booked keeps its own."""
    async with hub.work(actor) as work:
        venue, room_type = await room_types.managed(work.db, actor, ask.room_type_id)
        if len(room_type.rates) >= MOST:
            raise TooManyRates()
        rate_id = await store.create(work.db, venue.id, ask.model_dump(mode="json"))
        rate = await _found(work.db, rate_id)
        await _changed(work, rate)
        return work.answer(rate, 201)


async def change(hub: Hub, actor: Actor, ask: ChangeRate) -> Rate:
    """Change a rate; what is held or booked keeps its price."""
    async with hub.work(actor) as work:
        rate = await _managed(work.db, actor, ask.rate_id)
        work.expect(rate)
        fields = inventory.named(ask, "rate_id")
        if ask.price is not None:
            fields["percent"] = None
        elif ask.percent is not None:
            fields["price"] = None
        wanted = rate.model_copy(update={name: getattr(ask, name) for name in fields})
        if wanted.starts_on and wanted.ends_on and wanted.ends_on < wanted.starts_on:
            raise Invalid.field("ends_on", "must not be before starts_on")
        if wanted == rate:
            return work.answer(rate)
        await store.change(work.db, rate.id, fields)
        await _changed(work, rate)
        return work.answer(await _found(work.db, rate.id))


async def delete(hub: Hub, actor: Actor, ask: NameRate) -> None:
    """Ask the usual price again; what is held or booked keeps its own."""
    async with hub.work(actor) as work:
        rate = await _managed(work.db, actor, ask.rate_id)
        work.expect(rate)
        await store.delete(work.db, rate.id)
        await _changed(work, rate)


async def _changed(work: Work, rate: Rate) -> None:
    # A room type shows its rates, so whoever watches it hears of them.
    await inventory.changed(work, rate.venue_id)
    work.tell(RoomTypeChanged(thing=await room_types.found(work.db, rate.room_type_id)))


async def _found(db: Db, rate_id: int) -> Rate:
    rate = await store.find(db, rate_id)
    if rate is None:
        raise NotFound()
    return rate


async def _managed(db: Db, actor: Actor, rate_id: int) -> Rate:
    await access.manage_venue(db, actor, (await _found(db, rate_id)).venue_id, "room:update")
    return await _found(db, rate_id)
