"""The stage of the races: several hubs on one database, many people, scarce things to want; written by SQL in bulk."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hub.core import Actor
from hub.settings import Settings
from storage.pool import Pool, open_pool
from tests.doors import ListeningHub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CUSTOMER = frozenset({"booking:create"})
# A Monday far enough ahead of any test run, and within reach of what a venue lets be booked.
Item = dict[str, Any]
FIRST_DAY = (datetime.now(UTC) + timedelta(days=100)).replace(hour=0, minute=0, second=0, microsecond=0)


@asynccontextmanager
async def workers(settings: Settings, count: int = 2, **changes: Any) -> AsyncIterator[list[ListeningHub]]:
    """Open several hubs on one database, as several workers would; nobody is kept from hoarding."""
    assert settings.database_url
    free = replace(settings, **{"holds_per_person": 10_000, "holds_per_venue": 10_000, **changes})
    async with AsyncExitStack() as stack:
        hubs = []
        for _ in range(count):
            pool = await open_pool(settings.database_url, free.pool_size)
            stack.push_async_callback(pool.close)
            told: list[Any] = []
            hub = ListeningHub(free, pool, told.extend, told=told)
            async with hub.reading() as db:
                await hub.clock.synchronise(db)
            hubs.append(hub)
        yield hubs


async def people(pool: Pool, count: int) -> list[Actor]:
    """Write people who may book."""
    async with pool.acquire() as db:
        ids = await db.fetch(
            """
            INSERT INTO users (email, full_name)
            SELECT 'p' || n || '.' || gen_random_uuid() || '@example.org', 'Person ' || n
            FROM generate_series(1, $1::integer) AS n RETURNING id
            """,
            count,
        )
    return [Actor(user_id=row["id"], permissions=CUSTOMER) for row in ids]


@dataclass
class House:
    """A venue with things to want: halls by the hour, rooms by the night, a pool, sessions."""

    venue_id: int
    owner: Actor
    pool: Pool
    halls: list[int] = field(default_factory=list)
    rooms: list[int] = field(default_factory=list)
    hall_type: int = 0
    room_type: int = 0
    pool_type: int = 0
    sessions: list[int] = field(default_factory=list)

    async def session(self, places: int, day: int = 0, price: int = 500) -> int:
        """Announce a session of an hour at noon."""
        begin = FIRST_DAY + timedelta(days=day, hours=12)
        async with self.pool.acquire() as db:
            session_id: int = await db.fetchval(
                """
                WITH made AS (
                    INSERT INTO sessions (venue_id, facilitator_id, title, starts_at, ends_at, capacity, price)
                    VALUES ($1, $2, 'Session', $3, $4, $5, $6) RETURNING id, capacity
                )
                INSERT INTO session_places (session_id, total) SELECT id, capacity FROM made RETURNING session_id
                """,
                self.venue_id,
                self.owner.user_id,
                begin,
                begin + timedelta(hours=1),
                places,
                price,
            )
        self.sessions.append(session_id)
        return session_id


async def house(
    pool: Pool, *, halls: int = 0, rooms: int = 0, pool_size: int = 0, owner: Actor | None = None, **policies: Any
) -> House:
    """Build a venue; policies are columns of the table of venues."""
    owner = owner or replace((await people(pool, 1))[0], permissions=CUSTOMER | {"venue:create", "session:create"})
    # A short day of few steps, because every refusal looks for alternatives in the days around.
    hours = {day: [["08:00", "20:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    columns = {"slot_step_minutes": 60, "min_slot_minutes": 60, "opening_hours": hours} | policies
    async with pool.acquire() as db, db.transaction():
        venue_id = await db.fetchval(
            """
            INSERT INTO venues (owner_id, kind, name, currency)
            VALUES ($1, 'hall', 'House', 'EUR') RETURNING id
            """,
            owner.user_id,
        )
        for column, value in columns.items():
            await db.execute(f"UPDATE venues SET {column} = $2 WHERE id = $1", venue_id, value)  # noqa: S608
        built = House(venue_id, owner, pool)
        built.hall_type, built.halls = await _rooms(db, venue_id, "room", "hour", 1000, halls)
        built.room_type, built.rooms = await _rooms(db, venue_id, "room", "night", 8000, rooms)
        built.pool_type, _ = await _rooms(db, venue_id, "pool", "night", 9000, pool_size)
    return built


async def _rooms(db: Any, venue_id: int, sold_as: str, unit: str, price: int, count: int) -> tuple[int, list[int]]:
    if not count:
        return 0, []
    type_id: int = await db.fetchval(
        """
        INSERT INTO room_types (venue_id, name, capacity, sold_as, price, price_unit, total_rooms)
        VALUES ($1, $2, 4, $3, $4, $5, $6) RETURNING id
        """,
        venue_id,
        f"{sold_as} by the {unit}",
        sold_as,
        price,
        unit,
        count,
    )
    rows = await db.fetch(
        """
        INSERT INTO rooms (venue_id, room_type_id, number)
        SELECT $1, $2, $3 || n FROM generate_series(1, $4::integer) AS n RETURNING id
        """,
        venue_id,
        type_id,
        f"{sold_as} {unit} ",
        count,
    )
    return type_id, [row["id"] for row in rows]


def slot(room_id: int, number: int, hours: int = 1) -> dict[str, Any]:
    """Ask for the n-th hour a hall is open, counted from the first day on."""
    begin = FIRST_DAY + timedelta(days=number // 12, hours=8 + number % 12)
    end = begin + timedelta(hours=hours)
    return {"kind": "slot", "room_id": room_id, "starts_at": begin.isoformat(), "ends_at": end.isoformat()}


def stay(first: int, nights: int, quantity: int = 1, **what: int) -> dict[str, Any]:
    """Ask for nights from the n-th day on, in a room_type_id or a room_id."""
    begin = FIRST_DAY.date() + timedelta(days=first)
    end = begin + timedelta(days=nights)
    return {"kind": "stay", **what, "check_in": day(begin), "check_out": day(end), "quantity": quantity}


def place(session_id: int, quantity: int = 1) -> dict[str, Any]:
    """Ask for places in a session."""
    return {"kind": "place", "session_id": session_id, "quantity": quantity}


def day(of: date) -> str:
    """Write a day."""
    return of.isoformat()
