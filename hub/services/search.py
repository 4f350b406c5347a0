"""Find: what matches, with how much of it is free; when nothing does, as few filters as possible are given up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import combinations, zip_longest
from zoneinfo import ZoneInfo

from hub.core import Actor, Hub
from hub.models.money import CURRENCIES
from hub.models.search import Filter, Findings, Found, FoundSession, FoundVenue, Search, Window
from hub.models.venues import Venue, VenueKind
from hub.services import zones
from storage import availability
from storage import search as store
from storage import venues as venue_store
from storage.availability import Busy
from storage.query import Db

# A search looks at so many of each kind; who wants to see further names a place or a day.
_MOST = 300
# How far ahead the next free hour or night of a full venue is looked for.
_HOURS_AHEAD = timedelta(days=14)
_NIGHTS_AHEAD = 60

_DIGITS = {code: digits for code, digits in CURRENCIES.items() if digits != 2}
_VENUE_KINDS: tuple[VenueKind, ...] = ("hotel", "hall", "studio")


async def find(hub: Hub, actor: Actor, ask: Search) -> Findings:
    """Find venues and sessions; `relaxed` names the filters given up because nothing matched them all."""
    async with hub.reading() as db:
        for dropped in _attempts(ask):
            found = await _matching(db, ask.without(dropped), hub.clock.now())
            if found or dropped == set(ask.filters):
                break
    page = found[ask.offset : ask.offset + ask.per_page]
    relaxed = [name for name in ask.filters if name in dropped] if found else []
    return Findings.model_validate({**ask.of(page, len(found)), "relaxed": relaxed})


def _attempts(ask: Search) -> Iterator[set[Filter]]:
    """Try all filters, then give up as few of them as possible, the least telling first."""
    for count in range(len(ask.filters) + 1):
        for dropped in combinations(ask.filters, count):
            yield set(dropped)


async def _matching(db: Db, ask: Search, now: datetime) -> list[Found]:
    wanted = store.Wanted(
        place=ask.place or None,
        kind=ask.kind,
        guests=ask.guests or 1,
        first=ask.first,
        after=ask.check_out or (ask.date + timedelta(days=1) if ask.date else None),
        lowest=ask.min_price,
        highest=ask.max_price,
        digits=_DIGITS,
    )
    of_venues = ask.kind is None or ask.kind in _VENUE_KINDS
    of_sessions = ask.kind not in _VENUE_KINDS
    nights = await _nights(db, wanted, now) if of_venues else []
    hours = await _hours(db, wanted, now) if of_venues else []
    places = await _places(db, wanted) if of_sessions else []
    # One of each in turn, so that the first page shows all there is.
    return [one for round_ in zip_longest(nights, hours, places) for one in round_ if one is not None]


async def _nights(db: Db, wanted: store.Wanted, now: datetime) -> list[Found]:
    rows = await store.nights(db, wanted, _MOST)
    venues = await _venues(db, (row.venue_id for row in rows))
    full = [row.venue_id for row in rows if not row.free]
    later = {one.venue_id: one.night for one in await store.first_free_nights(db, full, wanted.guests, _NIGHTS_AHEAD)}
    found = []
    for row in rows:
        venue = venues[row.venue_id]
        night = row.check_in if row.free else later.get(row.venue_id)
        found.append(
            Found(
                kind="nights",
                venue=_shown(venue),
                free=row.free,
                total=row.total,
                from_price=row.from_price,
                currency=venue.currency,
                check_in=row.check_in,
                check_out=row.check_out,
                next_free=None if night is None else zones.instant(night, venue.check_in_time, venue.timezone),
            )
        )
    return found


async def _hours(db: Db, wanted: store.Wanted, now: datetime) -> list[Found]:
    rows = await store.hours(db, wanted, _MOST)
    venues = await _venues(db, (row.venue_id for row in rows))
    days = {venue.id: wanted.first or zones.today(venue, now) for venue in venues.values()}
    begin = min((_day(venue, days[venue.id])[0] for venue in venues.values()), default=now)
    busy = await availability.busy(
        db, [row.room_id for row in rows], min(begin, now) - timedelta(days=2), begin + _HOURS_AHEAD + timedelta(days=2)
    )
    found = []
    for venue in venues.values():
        rooms = [row for row in rows if row.venue_id == venue.id]
        opens, closes = _day(venue, days[venue.id])
        free = {row.room_id: _free(venue, row.room_id, busy, opens, closes, now) for row in rooms}
        windows = _joined(window for of_room in free.values() for window in of_room)
        if wanted.first is not None and not windows:
            continue
        soonest = windows or _joined(
            window for row in rooms for window in _free(venue, row.room_id, busy, opens, opens + _HOURS_AHEAD, now)
        )
        found.append(
            Found(
                kind="hours",
                venue=_shown(venue),
                free=sum(1 for of_room in free.values() if of_room),
                total=len(rooms),
                from_price=min(row.rate for row in rooms),
                currency=venue.currency,
                check_in=days[venue.id],
                windows=[Window(starts_at=begin, ends_at=end) for begin, end in windows],
                next_free=soonest[0][0] if soonest else None,
            )
        )
    return found


def _day(venue: Venue, day: date) -> tuple[datetime, datetime]:
    begin, end = (zones.instant(one, time(), venue.timezone) for one in (day, day + timedelta(days=1)))
    return begin, end


def _free(
    venue: Venue, room_id: int, busy: list[Busy], begin: datetime, end: datetime, now: datetime
) -> list[tuple[datetime, datetime]]:
    """List the times between two instants for which a slot of this room could be asked for."""
    before, after = timedelta(minutes=venue.buffer_before_minutes), timedelta(minutes=venue.buffer_after_minutes)
    shortest = timedelta(minutes=venue.min_slot_minutes)
    step = timedelta(minutes=venue.slot_step_minutes)
    soonest = max(begin, now + timedelta(minutes=venue.lead_time_minutes))
    latest = min(end, now + timedelta(days=venue.advance_days))
    taken = [(one.starts_at - after, one.ends_at + before) for one in busy if one.room_id == room_id]
    free = []
    for opens, closes in zones.open_windows(venue, begin, end):
        start, stop = max(opens, soonest), min(closes, latest)
        for blocked_from, blocked_until in [*sorted(taken), (stop, stop)]:
            if blocked_until <= start:
                continue
            start = _on_step(venue, start, step)
            until = min(blocked_from, stop)
            if until - start >= shortest:
                free.append((start, until))
            start = max(start, blocked_until)
            if start >= stop:
                break
    return free


def _on_step(venue: Venue, start: datetime, step: timedelta) -> datetime:
    """Answer the first start on the venue's steps, counted on the local clock from midnight."""
    local = start.astimezone(ZoneInfo(venue.timezone)).replace(tzinfo=None)
    since_midnight = local - datetime.combine(local.date(), time())
    return start + (-since_midnight % step)


def _joined(windows: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for begin, end in sorted(windows):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


async def _places(db: Db, wanted: store.Wanted) -> list[Found]:
    rows = await store.places(db, wanted, _MOST)
    venues = await _venues(db, (row.venue_id for row in rows))
    return [
        Found(
            kind="places",
            venue=_shown(venues[row.venue_id]),
            session=FoundSession(
                id=row.session_id,
                kind=row.kind,
                title=row.title,
                facilitator_name=row.facilitator_name,
                starts_at=row.starts_at,
                ends_at=row.ends_at,
            ),
            free=row.free,
            total=row.total,
            held=row.held,
            held_until=row.held_until if row.held else None,
            from_price=row.price,
            currency=venues[row.venue_id].currency,
            next_free=row.starts_at if row.free else None,
        )
        for row in rows
    ]


async def _venues(db: Db, ids: Iterable[int]) -> dict[int, Venue]:
    """Read these venues, in the order in which they were found."""
    wanted = list(dict.fromkeys(ids))
    found = {venue.id: venue for venue in await venue_store.find_many(db, wanted)}
    return {venue_id: found[venue_id] for venue_id in wanted if venue_id in found}


def _shown(venue: Venue) -> FoundVenue:
    return FoundVenue.model_validate(venue.model_dump(include=set(FoundVenue.model_fields)))
