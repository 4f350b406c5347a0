"""Calendars: a booking as an iCalendar file (RFC 5545), and all of somebody's at a secret address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from icalendar import Calendar, Event

from hub.core import Actor, Hub
from hub.errors import NotFound, WrongState
from hub.models.bookings import NameBooking
from hub.models.calendars import CalendarAddress, CalendarFeed
from hub.services import access, codes, saying
from storage import calendars as store
from storage.calendars import Entry

DAYS_KEPT = 90
MOST_BOOKINGS = 500
# How often calendar programs are asked to look again.
_LOOK_AGAIN = timedelta(hours=1)
_STATES = {"pending": "TENTATIVE", "confirmed": "CONFIRMED", "completed": "CONFIRMED"}
_NAME = "Booking hub"
NONE = CalendarFeed(is_on=False, created_at=None)


async def of_booking(hub: Hub, actor: Actor, ask: NameBooking) -> bytes:
    """Write a booking as a file for a calendar, a cancelled one as its cancellation; a desk gets its venue's part."""
    async with hub.reading() as db:
        only_venue = await access.see_booking(db, actor, ask.booking_id)
        await store.draw_uids(db, [ask.booking_id])
        entries = await store.entries(db, [ask.booking_id], only_venue)
        left = [] if only_venue else await store.gone(db, ask.booking_id)
    if not entries:
        raise NotFound()
    status = entries[0].status
    if status in ("held", "expired"):
        raise WrongState("Only what is booked stands in a calendar.")
    entries += [_taken_out(entries[0], position) for position in left]
    return _written(hub, entries, "PUBLISH" if status in _STATES else "CANCEL")


def _taken_out(other: Entry, position: int) -> Entry:
    """Write an entry that has left its booking; calendars find it by its name, and need no more to take it out."""
    changes = {"position": position, "status": "cancelled", "sequence": other.sequence + 1, "title": other.reference}
    return other.model_copy(update=changes)


async def state(hub: Hub, actor: Actor) -> CalendarFeed:
    """Tell whether one's bookings can be subscribed to."""
    user_id = access.signed_in(actor)
    async with hub.reading() as db:
        return await store.feed(db, user_id) or NONE


async def subscribe(hub: Hub, actor: Actor) -> CalendarAddress:
    """Draw the secret address of one's bookings; the one before leads nowhere any more."""
    user_id, secret = access.signed_in(actor), codes.draw_link()
    async with hub.work(actor) as work:
        feed = await store.open_feed(work.db, user_id, codes.link_hash(secret))
        url = f"{hub.settings.public_url}/api/v1/calendar/{secret}.ics"
        return work.answer(CalendarAddress(url=url, **feed.model_dump()), 201)


async def delete(hub: Hub, actor: Actor) -> None:
    """Have the address of one's bookings lead nowhere."""
    user_id = access.signed_in(actor)
    async with hub.work(actor) as work:
        work.expect(await store.lock_feed(work.db, user_id) or NONE)
        await store.end_feed(work.db, user_id)


async def feed(hub: Hub, secret: str) -> bytes:
    """Write the bookings at a secret address: what is to come, and what was in the last months."""
    async with hub.reading() as db:
        user_id = await store.whose(db, codes.link_hash(secret))
        if user_id is None:
            raise NotFound()
        booking_ids = await store.firm(db, user_id, DAYS_KEPT, MOST_BOOKINGS)
        await store.draw_uids(db, booking_ids)
        entries = await store.entries(db, booking_ids, None)
    return _written(hub, entries, None)


def _written(hub: Hub, entries: Sequence[Entry], method: Literal["PUBLISH", "CANCEL"] | None) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//Booking hub//EN")
    calendar.add("version", "2.0")
    if method is not None:
        calendar.add("method", method)
    else:
        calendar.add("name", _NAME)
        calendar.add("x-wr-calname", _NAME)
        calendar.add("refresh-interval", _LOOK_AGAIN, {"VALUE": "DURATION"})
    for entry in entries:
        calendar.add_component(_event(hub, entry))
    return bytes(calendar.to_ical())


def _event(hub: Hub, entry: Entry) -> Event:
    site, event = hub.settings.public_url, Event()
    event.add("uid", f"{entry.uid}-{entry.position}@{urlsplit(site).hostname}")
    event.add("sequence", entry.sequence)
    event.add("dtstamp", entry.updated_at)
    event.add("last-modified", entry.updated_at)
    event.add("summary", saying.visible(_title(entry)))
    # Nights are days on the venue's calendar, wherever the calendar is read; hours are moments.
    event.add("dtstart", entry.check_in or _moment(entry.starts_at))
    event.add("dtend", entry.check_out or _moment(entry.ends_at))
    event.add("location", saying.visible(", ".join(part for part in (entry.venue, entry.address) if part)))
    event.add("description", saying.visible(f"{entry.reference} ({entry.timezone})"))
    event.add("url", f"{site}/bookings")
    event.add("status", _STATES.get(entry.status, "CANCELLED"))
    return event


def _title(entry: Entry) -> str:
    # The title of a room begins with its venue, that of a session does not.
    where = "" if entry.title.startswith(entry.venue) else f", {entry.venue}"
    times = f"{entry.quantity} × " if entry.quantity > 1 else ""  # noqa: RUF001 - so it is written
    return f"{times}{entry.title}{where}"


def _moment(at: datetime) -> datetime:
    return at.replace(microsecond=0)
