"""Sample customers who look, hold, book and cancel at a human pace, so that a newcomer sees the boards move."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from hub.core import Actor, Hub
from hub.errors import HubError
from hub.models.availability import AskRoomAvailability
from hub.models.bookings import Booking, CancelBooking, ListBookings, NameBooking, PlaceHold
from hub.models.room_types import ListRoomTypes
from hub.models.rooms import ListRooms
from hub.models.sessions import ListSessions
from hub.models.venues import ListVenues
from hub.services import acting, availability, bookings, holds, room_types, rooms, samples, sessions, venues

# Somebody does something about every other second; what is held is thought over for a while.
SECONDS_BETWEEN = (1.0, 3.5)
SECONDS_TO_THINK = (4.0, 25.0)
# Out of a hundred holds: so many are confirmed and given back; the rest run out.
CONFIRMED, GIVEN_BACK = 65, 25
# A customer's bookings beyond this many are cancelled one by one, so that the boards never fill up.
MOST_BOOKINGS = 6

Tell = Callable[[str], None]
Item = dict[str, Any] | None


@dataclass
class _Crowd:
    """The customers and what they could want."""

    hub: Hub
    tell: Tell
    chance: random.Random
    seconds_between: tuple[float, float]
    seconds_to_think: tuple[float, float]
    people: list[tuple[str, Actor]] = field(default_factory=list)
    wishes: list[Callable[[Actor], Awaitable[Item]]] = field(default_factory=list)

    async def come(self) -> None:
        for email, name in samples.GUESTS.items():
            person = await acting.as_person(self.hub, email)
            if person is not None:
                self.people.append((name.partition(" ")[0], person))
        for venue in (await venues.listed(self.hub, self.people[0][1], ListVenues(per_page=100))).items:
            self.wishes += [partial(self._nights, venue.id), partial(self._hours, venue.id)]
        self.wishes += [self._places] * 3

    async def stay(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                name, who = self.chance.choice(self.people)
                group.create_task(self._visit(name, who))
                await asyncio.sleep(self.chance.uniform(*self.seconds_between))

    async def _visit(self, name: str, who: Actor) -> None:
        try:
            if not await self._gave_way(name, who):
                await self._buy(name, who)
        except HubError as refusal:
            self.tell(f"{name} was refused: {refusal}")

    async def _buy(self, name: str, who: Actor) -> None:
        item = await self.chance.choice(self.wishes)(who)
        if item is None:
            return
        held = await holds.place(self.hub, who, PlaceHold.model_validate({"items": [item]}))
        self.tell(f"{name} holds {_what(held)}")
        await asyncio.sleep(self.chance.uniform(*self.seconds_to_think))
        lot = self.chance.randrange(100)
        if lot < CONFIRMED:
            booked = await holds.confirm(self.hub, who, NameBooking(booking_id=held.id))
            self.tell(f"{name} has booked {_what(booked)}")
        elif lot < CONFIRMED + GIVEN_BACK:
            await holds.release(self.hub, who, NameBooking(booking_id=held.id))
            self.tell(f"{name} gave back {_what(held)}")
        else:
            self.tell(f"{name} walked away from {_what(held)}")

    async def _gave_way(self, name: str, who: Actor) -> bool:
        mine = (await bookings.listed(self.hub, who, ListBookings(status="confirmed", per_page=100))).items
        ahead = [booking for booking in mine if booking.items[0].starts_at > self.hub.clock.now()]
        if len(ahead) <= MOST_BOOKINGS and self.chance.random() > 0.1:
            return False
        if not ahead:
            return False
        leaving = self.chance.choice(ahead)
        ask = CancelBooking(booking_id=leaving.id, reason="Something came up.", reason_code="change_of_plans")
        await bookings.cancel(self.hub, who, ask)
        self.tell(f"{name} cancelled {_what(leaving)}")
        return True

    async def _nights(self, venue_id: int, who: Actor) -> Item:
        listed = await room_types.listed(self.hub, who, ListRoomTypes(venue_id=venue_id, price_unit="night"))
        if not listed.items:
            return None
        room_type = self.chance.choice(listed.items)
        check_in = (self.hub.clock.now() + timedelta(days=self.chance.randint(1, 12))).date()
        check_out = check_in + timedelta(days=self.chance.choice((1, 1, 2, 2, 3)))
        guests = self.chance.randint(1, room_type.capacity)
        return {
            "kind": "stay",
            "room_type_id": room_type.id,
            "check_in": check_in,
            "check_out": check_out,
            "guests": guests,
        }

    async def _hours(self, venue_id: int, who: Actor) -> Item:
        found = (await rooms.listed(self.hub, who, ListRooms(venue_id=venue_id, per_page=100))).items
        by_hour = {
            one.id
            for one in (
                await room_types.listed(self.hub, who, ListRoomTypes(venue_id=venue_id, price_unit="hour"))
            ).items
        }
        found = [room for room in found if room.room_type_id in by_hour]
        if not found:
            return None
        begin = self.hub.clock.now() + timedelta(days=self.chance.randrange(5))
        ask = AskRoomAvailability.model_validate(
            {
                "room_id": self.chance.choice(found).id,
                "from": begin,
                "to": begin + timedelta(days=1),
                "minutes": self.chance.choice((60, 60, 90, 120)),
            }
        )
        offered = await availability.of_room(self.hub, who, ask)
        free = [slot for slot in offered.slots if slot.state == "free"]
        if not free:
            return None
        slot = self.chance.choice(free)
        return {"kind": "slot", "room_id": offered.room_id, "starts_at": slot.starts_at, "ends_at": slot.ends_at}

    async def _places(self, who: Actor) -> Item:
        ask = ListSessions.model_validate({"from": self.hub.clock.now(), "status": "active", "per_page": 100})
        ahead = (await sessions.listed(self.hub, who, ask)).items
        ahead = [session for session in ahead if session.starts_at > self.hub.clock.now()]
        if not ahead:
            return None
        return {
            "kind": "place",
            "session_id": self.chance.choice(ahead).id,
            "quantity": self.chance.choice((1, 1, 1, 2)),
        }


def _what(booking: Booking) -> str:
    return ", ".join(item.title for item in booking.items)


async def run(
    hub: Hub,
    minutes: float | None,
    tell: Tell,
    *,
    seed: int | None = None,
    seconds_between: tuple[float, float] = SECONDS_BETWEEN,
    seconds_to_think: tuple[float, float] = SECONDS_TO_THINK,
) -> None:
    """Let the sample customers do as people do, for so many minutes or until cancelled."""
    crowd = _Crowd(hub, tell, random.Random(seed), seconds_between, seconds_to_think)  # noqa: S311 - no secret
    await crowd.come()
    try:
        async with asyncio.timeout(None if minutes is None else minutes * 60):
            await crowd.stay()
    except TimeoutError:
        tell("The sample customers have gone home.")
