"""The ground on which promises are played: people, halls and hours, made over HTTP like everything else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.torture.asking import Asker, Person

PASSWORD = "correct horse battery staple"  # noqa: S105 - of people who live as long as the run
_AT_ONCE = 20
HOURS_AHEAD = 24 * 30


@dataclass(frozen=True, slots=True)
class Hall:
    """A venue with rooms that are sold by the hour, and who owns it."""

    id: int
    owner: Person
    room_ids: tuple[int, ...]


async def person(asker: Asker, number: int, role: str = "customer") -> Person:
    """Register somebody."""
    email = f"{role}{number}@example.org"
    address = f"10.9.{number >> 8 & 255}.{number & 255}"
    newcomer = Person(0, "", address)
    # Without a token the door knows nobody, but still which address it is.
    answer = await asker.insist(
        "POST",
        "/auth/register",
        {"email": email, "password": PASSWORD, "full_name": f"{role.capitalize()} {number}", "role": role},
        newcomer,
    )
    if answer.status not in {200, 201}:
        raise ConnectionError(f"nobody can register: {answer.body!r}")
    return Person(answer.data["user"]["id"], answer.data["access_token"], address, email)


async def people(asker: Asker, count: int, role: str = "customer", first: int = 1) -> list[Person]:
    """Register so many."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> Person:
        async with turns:
            return await person(asker, number, role)

    return list(await asyncio.gather(*(one(number) for number in range(first, first + count))))


async def hall(asker: Asker, owner: Person, rooms: int = 1, **policies: Any) -> Hall:
    """Open a hall; a short day of few steps, because every refusal looks for alternatives around it."""
    steps = {"slot_step_minutes": 60, "min_slot_minutes": 60, "max_slot_minutes": 180}
    venue = await made(asker, "/venues", {"name": f"Hall of {owner.id}", "currency": "EUR", **steps, **policies}, owner)
    kind = await made(
        asker,
        "/room-types",
        {
            "venue_id": venue["id"],
            "name": "Hall",
            "capacity": 50,
            "price": 1000,
            "total_rooms": rooms,
            "sold_as": "room",
            "price_unit": "hour",
        },
        owner,
    )
    listed = await asker.insist("GET", f"/rooms?room_type_id={kind['id']}&per_page=100", by=owner)
    return Hall(venue["id"], owner, tuple(room["id"] for room in listed.data["items"]))


async def session(asker: Asker, venue: Hall, places: int, hour: int = 0) -> int:
    """Announce a session; answers its id."""
    when = slot(venue.room_ids[0], hour)
    times = {name: when[name] for name in ("starts_at", "ends_at")}
    body = {"venue_id": venue.id, "title": "Session", "capacity": places, **times}
    return int((await made(asker, "/sessions", body, venue.owner))["id"])


async def made(asker: Asker, path: str, body: dict[str, Any], by: Person) -> dict[str, Any]:
    """Make something that must come to be."""
    answer = await asker.insist("POST", path, body, by)
    if answer.status not in (200, 201):
        raise ConnectionError(f"{path} cannot be made: {answer.body!r}")
    data: dict[str, Any] = answer.data
    return data


def slot(room_id: int, hour: int, hours: int = 1) -> dict[str, Any]:
    """Ask for the n-th hour of a room, counted from a month ahead."""
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=HOURS_AHEAD)
    begin = first + timedelta(hours=hour)
    end = begin + timedelta(hours=hours)
    return {"kind": "slot", "room_id": room_id, "starts_at": begin.isoformat(), "ends_at": end.isoformat()}
