"""The sample world: a few venues, a facilitator with sessions in the next two weeks, and people who can log in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from hub.core import Actor, Hub
from hub.errors import Forbidden
from hub.models.addons import CreateAddon, ListAddons
from hub.models.bookings import Booking, ListBookings, MakeBooking, NameBooking
from hub.models.folio import RecordCash
from hub.models.offers import CreateOffer, ListOffers
from hub.models.rates import CreateRate, ListRates
from hub.models.room_types import CreateRoomType, ListRoomTypes, RoomType
from hub.models.rooms import CreateRoom, ListRooms, Room
from hub.models.sessions import CreateSession, ListSessions, Session
from hub.models.venues import CreateVenue, ListVenues, Venue
from hub.services import acting, addons, bookings, folio, offers, rates, room_types, rooms, sessions, venues, zones
from hub.services import sample_guesthouse as guesthouse

PASSWORD = "try the hub"  # noqa: S105 - public by design, and refused in production


@dataclass(frozen=True, slots=True)
class SampleLogin:
    """A sample person who can log in."""

    email: str
    password: str
    about: str


# The last account to be made tells that all of the world is there.
LOGINS = (
    SampleLogin("ana@example.org", PASSWORD, "facilitator, with sessions in the next two weeks"),
    SampleLogin("marta@example.org", PASSWORD, "vendor, owns Hotel Aurora, Sala Norte and Riverside Guesthouse"),
    SampleLogin("chloe@example.org", PASSWORD, "customer"),
    SampleLogin("admin@example.org", PASSWORD, "admin"),
    SampleLogin("super@example.org", PASSWORD, "super admin"),
)
GUESTS = {
    "amir@example.org": "Amir Haddad",
    "bopha@example.org": "Bopha Chan",
    "diego@example.org": "Diego Ramos",
    "emma@example.org": "Emma Novak",
    "farid@example.org": "Farid Rahimi",
    "grace@example.org": "Grace Okafor",
    "hiro@example.org": "Hiro Tanaka",
    "ines@example.org": "Inês Carvalho",
    "jonas@example.org": "Jonas Weber",
    "kavita@example.org": "Kavita Thapa",
    "liam@example.org": "Liam Byrne",
    "mei@example.org": "Mei Lin",
}
MOST = 100  # of a listed page; the sample world has fewer of everything


class _Listed(Protocol):
    @property
    def items(self) -> Sequence[Any]: ...


Found = TypeVar("Found")


async def load(hub: Hub) -> Sequence[SampleLogin]:
    """Load the sample world once; what is there already, or was deleted since, stays as it is."""
    if hub.settings.production:
        raise Forbidden("Sample data has no place in production: its passwords are public.")
    if not await are_loaded(hub):
        await _Loading(hub).everything()
    return LOGINS


async def are_loaded(hub: Hub) -> bool:
    """Tell whether this database holds the whole sample world, and so accounts whose passwords are public."""
    return await acting.as_person(hub, LOGINS[-1].email) is not None


def opening(*windows: str, days: str = "mon tue wed thu fri sat sun") -> dict[str, list[tuple[str, str]]]:
    """Write windows such as 09:00-22:00 as the opening hours of some days."""
    times = [(window[:5], window[6:]) for window in windows]
    return dict.fromkeys(days.split(), times)


class _Loading:
    """One loading; each step looks first for what an interrupted one has left."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def everything(self) -> None:
        """Make people, venues, sessions and some bookings; the super admin last."""
        await self._people()
        await self._aurora()
        await self._sala_norte()
        await self._kathmandu()
        await self._studio()
        await self._guesthouse()
        await self._bookings()
        await self._person("super@example.org", "Sam Superadmin", "super_admin")

    async def _person(self, email: str, full_name: str, *roles: str) -> Actor:
        return await acting.as_new_person(self.hub, email, full_name, *roles, password=PASSWORD)

    async def _people(self) -> None:
        self.ana = await self._person("ana@example.org", "Ana Reis", "facilitator")
        self.marta = await self._person("marta@example.org", "Marta Silva", "vendor")
        self.chloe = await self._person("chloe@example.org", "Chloe Martin")
        await self._person("admin@example.org", "Alex Admin", "admin")
        self.suman = await acting.as_new_person(self.hub, "suman@example.org", "Suman Shrestha", "vendor")
        self.guests = [await acting.as_new_person(self.hub, email, name) for email, name in GUESTS.items()]

    async def _aurora(self) -> None:
        self.aurora = aurora = await self._venue(
            self.marta,
            name="Hotel Aurora",
            kind="hotel",
            description="A quiet house with a courtyard, two minutes from the river.",
            timezone="Europe/Lisbon",
            currency="EUR",
            address="Rua das Flores 12",
            city="Lisbon",
            country="Portugal",
            latitude=38.7093,
            longitude=-9.1427,
            star_rating=4,
            amenities=["Wi-Fi", "Breakfast", "Courtyard", "Lift"],
            contact_email="hello@aurora.example.org",
            cancellation={"free_until_hours": 48, "refund_percent_after": 50},
            max_nights=30,
            advance_days=365,
        )
        by_night = {"venue_id": aurora.id, "price_unit": "night"}
        self.double = await self._type(
            self.marta,
            name="Double",
            capacity=2,
            price=9000,
            total_rooms=12,
            bed_type="double",
            size_sqm=18,
            **by_night,
        )
        await self._type(
            self.marta, name="Single", capacity=1, price=6500, total_rooms=6, bed_type="single", size_sqm=12, **by_night
        )
        await self._type(
            self.marta, name="Family room", capacity=4, price=14500, total_rooms=3, bed_type="double and bunk",
            size_sqm=32, **by_night,
        )  # fmt: skip
        suite = await self._type(
            self.marta, name="Suite", capacity=3, price=24000, sold_as="room", size_sqm=48,
            description="Under the roof, with a terrace over the river.", amenities=["Terrace", "Bath"], **by_night,
        )  # fmt: skip
        await self._room(self.marta, suite, "501", floor=5)
        listed = await addons.listed(self.hub, self.marta, ListAddons(venue_id=aurora.id, per_page=MOST))
        if not listed.items:
            breakfast = CreateAddon(venue_id=aurora.id, name="Breakfast", price=1200, price_per="guest")
            await addons.create(self.hub, self.marta, breakfast)

    async def _sala_norte(self) -> None:
        norte = await self._venue(
            self.marta,
            name="Sala Norte",
            kind="hall",
            description="A hall with a stage, and a room to rehearse in, in an old tobacco store.",
            timezone="Europe/Lisbon",
            currency="EUR",
            address="Rua do Heroísmo 214",
            city="Porto",
            country="Portugal",
            latitude=41.1466,
            longitude=-8.5925,
            amenities=["Stage", "Piano", "Wi-Fi"],
            opening_hours=opening("09:00-22:00", days="mon tue wed thu")
            | opening("09:00-01:00", days="fri sat")
            | opening("12:00-20:00", days="sun"),
            slot_step_minutes=30,
            min_slot_minutes=60,
            max_slot_minutes=600,
            buffer_before_minutes=0,
            buffer_after_minutes=30,
            advance_days=180,
        )
        hall = await self._type(
            self.marta, venue_id=norte.id, name="Hall", capacity=120, price=5000, price_unit="hour", sold_as="room"
        )
        rehearsal = await self._type(
            self.marta,
            venue_id=norte.id,
            name="Rehearsal room",
            capacity=12,
            price=1800,
            price_unit="hour",
            sold_as="room",
        )
        self.hall = await self._room(self.marta, hall, "Hall")
        self.rehearsal = await self._room(self.marta, rehearsal, "Rehearsal room")
        concert = self._at(norte, self._coming(norte, 5), 20)
        await self._session(
            self.marta,
            venue_id=norte.id,
            room_id=self.hall.id,
            kind="event",
            title="Chamber concert",
            description="Brahms and Freitas Branco, with a glass of port.",
            starts_at=concert,
            ends_at=concert + timedelta(hours=2),
            capacity=110,
            price=1800,
            language="pt",
        )

    async def _kathmandu(self) -> None:
        himal = await self._venue(
            self.suman,
            name="Himal Sabha",
            kind="hall",
            description="A light hall in Patan for meetings, yoga and weddings.",
            timezone="Asia/Kathmandu",
            currency="NPR",
            city="Kathmandu",
            country="Nepal",
            latitude=27.6727,
            longitude=85.3253,
            amenities=["Projector", "Kitchen"],
            opening_hours=opening("07:00-21:00"),
            slot_step_minutes=15,
            min_slot_minutes=45,
            max_slot_minutes=840,
            advance_days=120,
        )
        hall = await self._type(
            self.suman, venue_id=himal.id, name="Hall", capacity=60, price=250000, price_unit="hour", sold_as="room"
        )
        await self._room(self.suman, hall, "Hall")

    async def _studio(self) -> None:
        lotus = await self._venue(
            self.ana,
            name="Lotus Studio",
            kind="studio",
            description="Yoga and breath above the Mekong.",
            timezone="Asia/Phnom_Penh",
            currency="USD",
            address="Sisowath Quay 88",
            city="Phnom Penh",
            country="Cambodia",
            latitude=11.5683,
            longitude=104.9309,
            amenities=["Mats", "Showers"],
            opening_hours=opening("06:00-21:00"),
            slot_step_minutes=30,
            min_slot_minutes=60,
        )
        kind = await self._type(
            self.ana, venue_id=lotus.id, name="Studio", capacity=14, price=1800, price_unit="hour", sold_as="room"
        )
        room = await self._room(self.ana, kind, "Studio")
        self.flows = [
            await self._led(lotus, day, 7, 1.5, title="Morning flow", capacity=10, price=2500, room_id=room.id)
            for day in (1, 2, 4, 6, 8, 9, 11, 13)
        ]
        self.bath = await self._led(
            lotus, 3, 18.5, 1.25, kind="event", title="Sound bath", capacity=14, price=1500, room_id=room.id
        )
        saturday = (self._coming(lotus, 5) - zones.today(lotus, self.hub.clock.now())).days
        await self._led(
            lotus, saturday, 9, 32, kind="retreat", title="Weekend by the river", capacity=10, price=18000,
            location="Koh Dach", description="Two days of practice, silence and good food on the silk island.",
        )  # fmt: skip
        self.tour = await self._led(
            lotus, 5, 6, 4, kind="tour", title="Temples by bicycle", capacity=8, price=3500, location="Wat Phnom"
        )

    async def _guesthouse(self) -> None:
        river = await self._venue(self.marta, **guesthouse.VENUE)
        types = [
            await self._type(self.marta, venue_id=river.id, price_unit="night", **kind)
            for kind in guesthouse.ROOM_TYPES
        ]
        for rate in guesthouse.RATES:
            ask = CreateRate.model_validate({"room_type_id": types[0].id} | rate)
            listed = rates.listed(self.hub, self.marta, ListRates(room_type_id=ask.room_type_id))
            await _once(await listed, "name", ask.name, partial(rates.create, self.hub, self.marta, ask))
        for addon in guesthouse.ADDONS:
            wanted = CreateAddon.model_validate({"venue_id": river.id} | addon)
            sold = addons.listed(self.hub, self.marta, ListAddons(venue_id=river.id))
            await _once(await sold, "name", wanted.name, partial(addons.create, self.hub, self.marta, wanted))
        for offer in guesthouse.OFFERS:
            made = CreateOffer.model_validate({"venue_id": river.id} | offer)
            promised = offers.listed(self.hub, self.marta, ListOffers(venue_id=river.id))
            await _once(await promised, "code", made.code, partial(offers.create, self.hub, self.marta, made))

    async def _bookings(self) -> None:
        if (await bookings.listed(self.hub, self.chloe, ListBookings())).items:
            return
        today = zones.today(self.aurora, self.hub.clock.now())
        night = {"kind": "stay", "room_type_id": self.double.id, "guests": 2}
        for guest, (begin, nights) in zip(
            [self.chloe, *self.guests], ((9, 3), (1, 2), (1, 4), (2, 1), (2, 5), (3, 2), (4, 3), (6, 2)), strict=False
        ):
            stay = await self._book(guest, night | self._nights(today + timedelta(days=begin), nights))
            if guest is not self.chloe:
                await self._paid(self.marta, stay)
        for guest, session in zip(self.guests * 2, self.flows[:2] * 3 + self.flows[2:] + [self.bath] * 4, strict=False):
            await self._paid(self.ana, await self._book(guest, {"kind": "place", "session_id": session.id}))
        await self._book(self.chloe, {"kind": "place", "session_id": self.tour.id, "quantity": 2})
        # between 12 and 20, when the hall is open on every day of the week
        for guest, (day, hour, hours) in zip(
            self.guests[3:], ((1, 13, 2), (1, 16, 3), (2, 12, 1), (3, 13, 2), (4, 16, 3)), strict=False
        ):
            await self._paid(self.marta, await self._book(guest, self._slot(self.hall, day, hour, hours)))
        await self._book(self.chloe, self._slot(self.rehearsal, 2, 17, 2))
        # what is today or was yesterday the staff enter, as at a real desk, for guests they know
        for guest, (begin, nights) in zip(self.guests, ((-1, 3), (-1, 2), (0, 1), (0, 2), (0, 4)), strict=False):
            await self._enter(guest, night | self._nights(today + timedelta(days=begin), nights))
        await self._enter(self.guests[7], self._slot(self.rehearsal, 0, 18, 1))
        for guest, hour in zip(self.guests[4:], (12, 14, 16), strict=False):
            made = await self._enter(guest, self._slot(self.rehearsal, -1, hour, 1))
            await self._paid(self.marta, made)
            await bookings.complete(self.hub, self.marta, NameBooking(booking_id=made.id))

    async def _book(self, who: Actor, item: dict[str, Any]) -> Booking:
        return await bookings.make(self.hub, who, MakeBooking.model_validate({"items": [item]}))

    async def _paid(self, desk: Actor, booking: Booking) -> None:
        await folio.record_cash(self.hub, desk, RecordCash(booking_id=booking.id, amount=booking.price))

    async def _enter(self, guest: Actor, item: dict[str, Any]) -> Booking:
        ask = MakeBooking.model_validate({"items": [item], "user_id": guest.user_id})
        return await bookings.make(self.hub, self.marta, ask)

    def _nights(self, check_in: date, nights: int) -> dict[str, Any]:
        return {"check_in": check_in, "check_out": check_in + timedelta(days=nights)}

    def _slot(self, room: Room, day: int, hour: int, hours: int) -> dict[str, Any]:
        begin = self._on(self.aurora, day, hour)
        return {"kind": "slot", "room_id": room.id, "starts_at": begin, "ends_at": begin + timedelta(hours=hours)}

    def _on(self, venue: Venue, days: int, hour: float) -> datetime:
        return self._at(venue, zones.today(venue, self.hub.clock.now()) + timedelta(days=days), hour)

    def _at(self, venue: Venue, day: date, hour: float) -> datetime:
        return zones.instant(day, time(int(hour), round(hour % 1 * 60)), venue.timezone)

    def _coming(self, venue: Venue, weekday: int) -> date:
        """Answer the first such weekday (Monday is 0) that is at least two days ahead."""
        first = zones.today(venue, self.hub.clock.now()) + timedelta(days=2)
        return first + timedelta(days=(weekday - first.weekday()) % 7)

    async def _venue(self, owner: Actor, **fields: Any) -> Venue:
        listed = venues.listed(self.hub, owner, ListVenues(mine=True, per_page=MOST))
        ask = CreateVenue.model_validate(fields)
        return await _once(await listed, "name", ask.name, lambda: venues.create(self.hub, owner, ask))

    async def _type(self, owner: Actor, **fields: Any) -> RoomType:
        ask = CreateRoomType.model_validate(fields)
        listed = room_types.listed(self.hub, owner, ListRoomTypes(venue_id=ask.venue_id, per_page=MOST))
        return await _once(await listed, "name", ask.name, lambda: room_types.create(self.hub, owner, ask))

    async def _room(self, owner: Actor, room_type: RoomType, number: str, floor: int | None = None) -> Room:
        listed = rooms.listed(self.hub, owner, ListRooms(venue_id=room_type.venue_id, per_page=MOST))
        ask = CreateRoom(room_type_id=room_type.id, number=number, floor=floor)
        return await _once(await listed, "number", number, lambda: rooms.create(self.hub, owner, ask))

    async def _led(self, venue: Venue, days: int, hour: float, hours: float, **fields: Any) -> Session:
        begin = self._on(venue, days, hour)
        ends = begin + timedelta(hours=hours)
        return await self._session(self.ana, venue_id=venue.id, starts_at=begin, ends_at=ends, language="en", **fields)

    async def _session(self, leader: Actor, **fields: Any) -> Session:
        ask = CreateSession.model_validate(fields)
        listed = sessions.listed(self.hub, leader, ListSessions(mine=True, per_page=MOST))
        return await _once(await listed, "starts_at", ask.starts_at, lambda: sessions.create(self.hub, leader, ask))


async def _once(listed: _Listed, name: str, wanted: object, make: Callable[[], Awaitable[Found]]) -> Found:
    found = [one for one in listed.items if getattr(one, name) == wanted]
    return found[0] if found else await make()
