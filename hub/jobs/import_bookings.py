"""Replays a file of real bookings through the services, in the order in which everything happened."""

from __future__ import annotations

import asyncio
import contextlib
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

from hub.core import Actor, Hub
from hub.errors import HubError, Invalid, NotAvailable, NotOffered, WrongState
from hub.jobs import hotel_bookings
from hub.jobs.hotel_bookings import Happening, Row
from hub.models.bookings import Booking, CancelBooking, MakeBooking
from hub.models.room_types import ChangeRoomType, CreateRoomType, ListRoomTypes, RoomType
from hub.models.venues import CreateVenue, ListVenues, Venue
from hub.services import acting, bookings, room_types, venues
from hub.work import Repeat, Repeated
from storage import imports
from storage.imports import Imported

OWNER = "hotel-bookings@example.org"
GUESTS = 100
# So many at once: the pools of the file keep that many busy, and a person's requests still find room between them.
AT_ONCE = 32
PLACES = {"Resort Hotel": "Algarve", "City Hotel": "Lisbon"}
ROUTE = "import hotel-bookings"

Kind = tuple[str, str]
Progress = Callable[[int, int], None]


@dataclass
class Report:
    """What an import came to."""

    rows: int
    dirty: list[tuple[int, str]]
    outcomes: dict[int, str] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    made: int = 0
    seconds: float = 0.0

    @property
    def sentence(self) -> str:
        """Sum it up in one line."""
        counted = Counter(self.outcomes.values())
        causes = Counter(cause for _, cause in self.dirty)
        listed = ", ".join(f"{number} {cause}" for cause, number in causes.most_common())
        return (
            f"{self.rows:,} rows: {counted['accepted']:,} accepted, {counted['refused']:,} refused, "
            f"{len(self.cancelled):,} cancelled, {len(self.dirty):,} dirty{f' ({listed})' if listed else ''}; "
            f"{self.made / self.seconds if self.seconds else 0:,.0f} bookings a second"
        )


def pool_sizes(wanted: str, peaks: dict[Kind, int]) -> dict[Kind, int]:
    """Read how many rooms each pool has: `N` for all, `A=98,D=36` for some letters, else as many as the peak night."""
    if wanted == "peak":
        return dict(peaks)
    if re.fullmatch(r"[0-9]{1,4}", wanted):
        return dict.fromkeys(peaks, int(wanted))
    named = dict(re.findall(r"([A-Z])=([0-9]{1,4})(?:,|$)", wanted))
    if not named or ",".join(f"{letter}={size}" for letter, size in named.items()) != wanted:
        raise Invalid("The pool size is a number, or peak, or letters with numbers such as A=98,D=36.")
    unknown = named.keys() - {letter for _, letter in peaks}
    if unknown:
        raise Invalid(f"The pool size names a type {min(unknown)}, of which the file has no bookings.")
    return {kind: int(named.get(kind[1], peak)) for kind, peak in peaks.items()}


async def run(hub: Hub, file: Path, pool_size: str, progress: Progress = lambda done, of: None) -> Report:
    """Replay a file; whatever an earlier run has done is not done again."""
    rows, dirty = await asyncio.to_thread(hotel_bookings.read, file)
    report = Report(len(rows) + len(dirty), dirty)
    if not rows:
        return report
    sizes = pool_sizes(pool_size, hotel_bookings.peaks(rows))
    # Nobody can log in as their owner; an admin can give the hotels to somebody.
    owner = await acting.as_new_person(hub, OWNER, "Two hotels in Portugal", "vendor")
    # Whoever imports enters guests whom the hotels do not know yet.
    owner = replace(owner, permissions=owner.permissions | {"booking:update"})
    hotels = await _hotels(hub, owner)
    pools = await _pools(hub, owner, hotels, rows, sizes)
    async with hub.reading() as db:
        known = {one.row: one for one in await imports.imported(db, [hotel.id for hotel in hotels.values()])}
    replaying = _Replay(hub, owner, await _guests(hub), pools, known, _shift(hub, rows, known), report)
    begun = time.monotonic()
    await replaying.run(hotel_bookings.in_order(rows), progress)
    report.seconds = time.monotonic() - begun
    return report


def _shift(hub: Hub, rows: Sequence[Row], known: dict[str, Imported]) -> timedelta:
    # A run that goes on with an earlier one's work moves everything by as much as that one did.
    for row in rows:
        if row.key in known:
            return known[row.key].check_in - row.arrival
    return timedelta(weeks=hotel_bookings.weeks_to_move(rows, hub.clock.now().date()))


@dataclass
class _Replay:
    """One run over everything that happened."""

    hub: Hub
    owner: Actor
    guests: list[int]
    pools: dict[Kind, RoomType]
    known: dict[str, Imported]
    shift: timedelta
    report: Report
    booking_ids: dict[str, int] = field(default_factory=dict)

    async def run(self, happenings: Sequence[Happening], progress: Progress) -> None:
        """Let everything happen that has not yet.

        What happens waits only for what happened before it on one of its nights: a pool's nights are all that two
        bookings can quarrel about, so the outcome is that of one after the other.
        """
        self.booking_ids = {key: one.booking_id for key, one in self.known.items()}
        decided = self._decided(happenings)
        latest: dict[tuple[Kind, date], asyncio.Task[None]] = {}
        free = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for number, happening in enumerate(happenings):
                progress(number, len(happenings))
                if decided[number]:
                    self._note(happening)
                    continue
                await free.acquire()
                nights = [(happening.row.kind, night) for night in happening.row.stay]
                before = {latest[night] for night in nights if night in latest and not latest[night].done()}
                task = group.create_task(self._after(before, happening))
                task.add_done_callback(lambda _: free.release())
                latest.update(dict.fromkeys(nights, task))
        progress(len(happenings), len(happenings))

    def _decided(self, happenings: Sequence[Happening]) -> list[bool]:
        """Tell what an earlier run has been through: what it has done, and what came before that on the same nights."""
        passed: set[tuple[Kind, date]] = set()
        decided = []
        for happening in reversed(happenings):
            row = happening.row
            known = self.known.get(row.key)
            done = known is not None and (happening.what == "made" or known.is_cancelled)
            nights = {(row.kind, night) for night in row.stay}
            decided.append(done or not passed.isdisjoint(nights))
            if decided[-1]:
                passed |= nights
        return decided[::-1]

    def _note(self, happening: Happening) -> None:
        row = happening.row
        if happening.what == "made":
            self.report.outcomes[row.line] = "accepted" if row.key in self.known else "refused"
        elif row.key in self.known:
            self.report.cancelled.add(row.line)

    async def _after(self, before: set[asyncio.Task[None]], happening: Happening) -> None:
        if before:
            await asyncio.wait(before)
        if happening.what == "made":
            await self._make(happening.row)
        elif happening.row.key in self.booking_ids:
            await self._cancel(happening.row)

    async def _make(self, row: Row) -> None:
        try:
            booking = await self._book(row)
        except NotAvailable:
            self.report.outcomes[row.line] = "refused"
        except NotOffered as refusal:
            self.report.dirty.append((row.line, f"not offered ({refusal.details['reasons'][0]['reason']})"))
        else:
            self.booking_ids[row.key] = booking.id
            self.report.outcomes[row.line] = "accepted"
            self.report.made += 1

    async def _book(self, row: Row) -> Booking:
        check_in = row.arrival + self.shift
        stay = {
            "kind": "stay",
            "room_type_id": self.pools[row.kind].id,
            "check_in": check_in,
            "check_out": check_in + timedelta(days=row.nights),
            "guests": row.guests,
        }
        guest = self.guests[row.line % len(self.guests)]
        ask = MakeBooking.model_validate({"items": [stay], "user_id": guest, "notes": f"Row {row.key}: {row.about}"})
        assert self.owner.user_id is not None
        body = ask.model_dump_json().encode()
        actor = replace(self.owner, repeat=Repeat(self.owner.user_id, ROUTE, f"{row.key} {check_in}", body))
        try:
            return await bookings.make(self.hub, actor, ask)
        except Repeated as repeated:
            return Booking.model_validate_json(repeated.answer)

    async def _cancel(self, row: Row) -> None:
        ask = CancelBooking(
            booking_id=self.booking_ids[row.key], reason=f"Cancelled on {row.cancelled}.", reason_code="change_of_plans"
        )
        # another run may have been faster
        with contextlib.suppress(WrongState):
            await bookings.cancel(self.hub, self.owner, ask)
        self.report.cancelled.add(row.line)


async def _guests(hub: Hub) -> list[int]:
    guests = []
    for number in range(1, GUESTS + 1):
        email, choices = f"hotel-guest-{number:03}@example.org", {"email": False}
        # What happened long ago is no news to anybody.
        guest = await acting.as_new_person(hub, email, f"Hotel guest {number}", notification_choices=choices)
        assert guest.user_id is not None
        guests.append(guest.user_id)
    return guests


async def _hotels(hub: Hub, owner: Actor) -> dict[str, Venue]:
    listed = await venues.listed(hub, owner, ListVenues(mine=True, per_page=100))
    hotels = {venue.name: venue for venue in listed.items}
    for name, city in PLACES.items():
        if name not in hotels:
            ask = CreateVenue(
                name=name,
                kind="hotel",
                description="Real bookings of 2015 to 2017, moved into the future (Antonio, Almeida and Nunes 2019).",
                timezone="Europe/Lisbon",
                currency="EUR",
                city=city,
                country="Portugal",
                max_nights=365,
                advance_days=1825,
            )
            hotels[name] = await venues.create(hub, owner, ask)
    return {name: hotels[name] for name in PLACES}


async def _pools(
    hub: Hub, owner: Actor, hotels: dict[str, Venue], rows: Sequence[Row], sizes: dict[Kind, int]
) -> dict[Kind, RoomType]:
    pools: dict[Kind, RoomType] = {}
    for name, venue in hotels.items():
        listed = await room_types.listed(hub, owner, ListRoomTypes(venue_id=venue.id, per_page=100))
        pools |= {(name, room_type.name.removeprefix("Type ")): room_type for room_type in listed.items}
    for kind, size in sorted(sizes.items()):
        hotel, letter = kind
        of_kind = [row for row in rows if row.kind == kind]
        capacity = max(row.guests for row in of_kind)
        if kind not in pools:
            ask = CreateRoomType(
                venue_id=hotels[hotel].id,
                name=f"Type {letter}",
                capacity=capacity,
                sold_as="pool",
                price=round(statistics.median(row.rate for row in of_kind) * 100),
                price_unit="night",
                total_rooms=size,
            )
            pools[kind] = await room_types.create(hub, owner, ask)
        elif pools[kind].total_rooms != size:
            raise _OtherSizes(
                f"An earlier import gave type {letter} of the {hotel} {pools[kind].total_rooms} rooms, not {size}: "
                "import with the same pool size, or into another database."
            )
        elif pools[kind].capacity < capacity:
            larger = ChangeRoomType(room_type_id=pools[kind].id, capacity=capacity)
            pools[kind] = await room_types.change(hub, owner, larger)
    return pools


class _OtherSizes(HubError):
    """An earlier import has made these pools in another size."""

    code, status = "other_pool_sizes", 409
