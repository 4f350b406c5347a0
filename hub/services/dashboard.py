"""The dashboard of those who run venues: figures, days and today's roster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from hub.core import Actor, Hub
from hub.models.dashboard import (
    AskDashboard,
    Dashboard,
    DayAhead,
    DayPast,
    Expected,
    Figures,
    RosterLine,
)
from hub.services import access, zones
from storage import access as ties
from storage import dashboard as store
from storage import venues as venue_store
from storage.dashboard import ItemToday

_DAYS = 30
_MOST_EXPECTED = 1_000


async def show(hub: Hub, actor: Actor, ask: AskDashboard) -> Dashboard:
    """Show the dashboard of one venue whose desk the actor may see, or of all their own."""
    user_id = access.signed_in(actor)
    now = hub.clock.now()
    async with hub.one_moment() as db:
        if ask.venue_id is not None:
            venue_ids = [(await access.desk(db, actor, ask.venue_id)).id]
        else:
            venue_ids = await ties.venues_of(db, user_id)
        venues = await store.venues(db, venue_ids)
        counts = await store.counts(db, venue_ids)
        revenue = {row.currency: row.revenue for row in await store.revenue(db, venue_ids)}
        made = {row.day: row for row in await store.days_made(db, venue_ids, _DAYS)}
        earned = await store.days_earned(db, venue_ids, _DAYS)
        begun = {row.day: row for row in await store.days_begun(db, venue_ids, _DAYS)}
        sessions = await store.sessions_today(db, venue_ids)
        items = await store.items_today(db, venue_ids, _MOST_EXPECTED)
        house = await store.house_tonight(db, venue_ids)
        today = max(
            (zones.today(venue, now) for venue in await venue_store.find_many(db, venue_ids)), default=now.date()
        )
    return Dashboard(
        venues=venues,
        figures=Figures(**counts.model_dump(), revenue=revenue),
        past=[_past(today - timedelta(days=n), made, earned, begun) for n in range(_DAYS - 1, -1, -1)],
        ahead=[_ahead(today + timedelta(days=n), begun) for n in range(_DAYS)],
        roster=_roster(sessions, items, house),
    )


def _past(
    day: date, made: dict[date, store.DayMade], earned: list[store.DayEarned], begun: dict[date, store.DayBegins]
) -> DayPast:
    return DayPast(
        day=day,
        sessions=begun[day].sessions if day in begun else 0,
        bookings=made[day].bookings if day in made else 0,
        cancelled=made[day].cancelled if day in made else 0,
        revenue={row.currency: row.revenue for row in earned if row.day == day},
    )


def _ahead(day: date, begun: dict[date, store.DayBegins]) -> DayAhead:
    found = begun.get(day)
    return DayAhead(day=day, sessions=found.sessions if found else 0, bookings=found.bookings if found else 0)


def _roster(sessions: list[store.SessionToday], items: list[ItemToday], house: list[store.House]) -> list[RosterLine]:
    of_session: defaultdict[int | None, list[ItemToday]] = defaultdict(list)
    for item in items:
        of_session[item.session_id].append(item)
    lines = [
        RosterLine(
            kind="session",
            venue_id=row.venue_id,
            session_id=row.session_id,
            title=row.title,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            booked=row.taken,
            capacity=row.total,
            expected=_expected(of_session[row.session_id]),
        )
        for row in sessions
    ]
    lines += _slots(item for item in items if item.kind == "slot")
    lines += _stays("arrival", [item for item in items if item.kind == "stay" and item.arrives])
    lines += _stays("departure", [item for item in items if item.kind == "stay" and item.departs])
    lines += [
        RosterLine(
            kind="night",
            venue_id=row.venue_id,
            title=row.title,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            booked=row.taken,
            capacity=row.total,
        )
        for row in house
    ]
    order = {"departure": 0, "session": 1, "slot": 1, "arrival": 2, "night": 3}
    return sorted(lines, key=lambda line: (order[line.kind], line.starts_at, line.title))


def _slots(items: Iterable[ItemToday]) -> list[RosterLine]:
    return [
        RosterLine(
            kind="slot",
            venue_id=item.venue_id,
            title=item.title,
            starts_at=item.starts_at,
            ends_at=item.ends_at,
            booked=item.guests,
            capacity=None,
            expected=_expected([item]),
        )
        for item in items
    ]


def _stays(kind: str, items: list[ItemToday]) -> list[RosterLine]:
    """Gather those who arrive or depart, by what they have booked."""
    by_title: defaultdict[tuple[int, str, datetime], list[ItemToday]] = defaultdict(list)
    for item in items:
        by_title[item.venue_id, item.title, item.starts_at if kind == "arrival" else item.ends_at].append(item)
    return [
        RosterLine.model_validate(
            {
                "kind": kind,
                "venue_id": venue_id,
                "title": title,
                "starts_at": at,
                "ends_at": at,
                "booked": sum(item.quantity for item in those),
                "capacity": None,
                "expected": _expected(those),
            }
        )
        for (venue_id, title, at), those in by_title.items()
    ]


def _expected(items: Iterable[ItemToday]) -> list[Expected]:
    return [
        Expected(
            booking_id=item.booking_id,
            reference=item.reference,
            full_name=item.full_name,
            quantity=item.guests if item.kind == "slot" else item.quantity,
            status=item.status,
        )
        for item in items
    ]
