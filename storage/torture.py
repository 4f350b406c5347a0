"""What the fault runs read and change behind the hub's back: databases, logs, and guards that a control takes away."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from storage.migrate import migrate_database
from storage.pool import Pool, as_owner
from storage.query import column, run, value

Rewriting = Mapping[str, Sequence[tuple[str, str]]]

# Database functions whose text changes when a guard is taken away: what is said there, and what is said instead.
WITHOUT_LOCKS: Rewriting = {"lock_claimed": ((" FOR NO KEY UPDATE OF p", ""), (" FOR NO KEY UPDATE", ""))}
EXPIRED_STILL_BLOCK: Rewriting = {
    "blocked_claims": (("AND (c.expires_at IS NULL OR c.expires_at > statement_timestamp())", "AND true"),),
    "forget_expired": (("c.expires_at <= statement_timestamp()", "false"),),
}
# What is left is a wallet that is read first and written then.
WALLETS_UNLOCKED: Rewriting = {"post": ((" FOR NO KEY UPDATE", ""),)}
CONSTRAINTS = {
    "room_already_claimed": "claims",
    "pool_night_sold_out": "pool_nights",
    "session_sold_out": "session_places",
}


class Logged(NamedTuple):
    """An event as it stands in the log."""

    version: int
    name: str
    data: Any


def _at(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


async def make_template(server: str) -> str:
    """Make a migrated database of which each promise gets a copy; answers its name."""
    name = f"template_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    await migrate_database(_at(server, name))
    return name


@asynccontextmanager
async def copy_of(server: str, template: str) -> AsyncIterator[str]:
    """Lend a copy of a database; answers its name."""
    name = f"torture_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await connection.close()
    yield name
    # The server may have been killed meanwhile, so the connection is a new one.
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


async def rewrite(pool: Pool, changes: Rewriting) -> None:
    """Replace database functions by their own text with some words changed; each must occur in it."""
    async with as_owner(pool) as db:
        for function, words in changes.items():
            text = await db.fetchval("SELECT pg_get_functiondef($1::regproc)", function)
            for before, after in words:
                if before not in text:
                    raise LookupError(f"{function} has no {before!r} any more")
                text = text.replace(before, after)
            await db.execute(text)


async def drop_constraints(pool: Pool) -> None:
    """Drop what the database itself refuses about claims."""
    async with as_owner(pool) as db:
        for constraint, table in CONSTRAINTS.items():
            await db.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")


async def log_of(pool: Pool, room: str) -> list[Logged]:
    """Read everything that was told to a live room, in order."""
    async with pool.acquire() as db:
        rows = await db.fetch("SELECT version, name, data::text FROM events WHERE room = $1 ORDER BY version", room)
    return [Logged(*row) for row in rows]


async def versions(pool: Pool, rooms: Sequence[str]) -> dict[str, int]:
    """Read where live rooms stand."""
    async with pool.acquire() as db:
        rows = await db.fetch("SELECT room, version FROM live_rooms WHERE room = ANY ($1::text[])", rooms)
    return {row["room"]: row["version"] for row in rows}


async def statuses(pool: Pool, ids: Sequence[int]) -> dict[int, str]:
    """Read in which state these bookings are; one that does not exist is left out."""
    async with pool.acquire() as db:
        rows = await db.fetch("SELECT id, status FROM bookings WHERE id = ANY ($1::bigint[])", ids)
    return {row["id"]: row["status"] for row in rows}


async def count_bookings(pool: Pool) -> int:
    """Count all bookings there are, whatever became of them."""
    async with pool.acquire() as db:
        return int(await value(db, "SELECT count(*) FROM bookings"))


async def marked(pool: Pool) -> dict[str, int]:
    """Count the bookings by their notes, where a request leaves its mark."""
    async with pool.acquire() as db:
        rows = await db.fetch("SELECT notes, count(*) AS times FROM bookings GROUP BY notes")
    return {row["notes"]: row["times"] for row in rows}


async def told_twice(pool: Pool, fact: str) -> list[int]:
    """List the bookings of which a fact that happens once was told more than once to one desk."""
    async with pool.acquire() as db:
        return await column(
            db,
            """
            SELECT (data ->> 'id')::bigint FROM events WHERE name = $1 AND room LIKE 'desk:%'
            GROUP BY room, (data ->> 'id')::bigint HAVING count(*) > 1
            """,
            fact,
        )


async def payments(pool: Pool, ids: Sequence[int]) -> dict[int, str]:
    """Read in which state these payments are; one that does not exist is left out."""
    async with pool.acquire() as db:
        rows = await db.fetch("SELECT id, status FROM payments WHERE id = ANY ($1::bigint[])", ids)
    return {row["id"]: row["status"] for row in rows}


async def neither_booked_nor_refunded(pool: Pool, ids: Sequence[int]) -> list[int]:
    """List those of paid bookings that do not have either their place, or all of their money back."""
    async with pool.acquire() as db:
        return await column(
            db,
            """
            SELECT b.id FROM bookings AS b
            CROSS JOIN LATERAL (SELECT coalesce(sum(p.amount), 0) AS amount FROM payments AS p
                                WHERE p.booking_id = b.id AND p.status = 'completed') AS paid
            CROSS JOIN LATERAL (SELECT coalesce(sum(r.amount), 0) AS amount FROM refunds AS r
                                WHERE r.booking_id = b.id AND r.status = 'completed') AS back
            WHERE b.id = ANY ($1::bigint[])
              AND back.amount <> CASE WHEN b.status = 'confirmed' THEN 0 ELSE paid.amount END
            ORDER BY b.id
            """,
            ids,
        )


async def seconds_to_refund(pool: Pool, ids: Sequence[int]) -> list[float]:
    """Answer for each refund of these bookings how long after it was granted the money was back."""
    async with pool.acquire() as db:
        return await column(
            db,
            """
            SELECT extract(epoch FROM completed_at - created_at)::double precision FROM refunds
            WHERE booking_id = ANY ($1::bigint[]) AND completed_at IS NOT NULL
            """,
            ids,
        )


async def refunds_under_way(pool: Pool) -> int:
    """Count the refunds that were granted and have not arrived."""
    async with pool.acquire() as db:
        return int(await value(db, "SELECT count(*) FROM refunds WHERE status IN ('approved', 'processing', 'failed')"))


async def books_of_sandbox(pool: Pool) -> tuple[int, int]:
    """Sum up what the sandbox has of ours by its own books, and by the ledger; minor units."""
    async with pool.acquire() as db:
        row = await db.fetchrow(
            """
            SELECT (SELECT coalesce(sum(p.amount - r.amount), 0)::bigint
                    FROM sandbox_payments AS p
                    CROSS JOIN LATERAL (SELECT coalesce(sum(s.amount), 0) AS amount FROM sandbox_refunds AS s
                                        WHERE s.provider_id = p.provider_id) AS r
                    WHERE p.becomes = 'completed' AND p.becomes_at <= clock_timestamp() AND NOT p.disputed) AS theirs,
                   (SELECT coalesce(-sum(e.amount), 0)::bigint
                    FROM accounts AS a JOIN ledger_entries AS e ON e.account_id = a.id
                    WHERE a.kind = 'clearing' AND a.gateway = 'sandbox') AS ours
            """
        )
    assert row is not None
    return row["theirs"], row["ours"]


async def unsent(pool: Pool) -> int:
    """Count the transactions that still wait to be published."""
    async with pool.acquire() as db:
        return int(await value(db, "SELECT count(*) FROM outbox"))


async def renew_epoch(pool: Pool) -> None:
    """Begin a new epoch, as a restore does."""
    async with as_owner(pool) as db:
        await run(db, "UPDATE live_epoch SET epoch = substr(gen_random_uuid()::text, 1, 8)")


async def jobs_waiting(pool: Pool) -> int:
    """Count the jobs that are neither done nor given up."""
    async with pool.acquire() as db:
        return int(await value(db, "SELECT count(*) FROM jobs WHERE done_at IS NULL AND failed_at IS NULL"))


async def end_leases(pool: Pool) -> int:
    """Let the lease of every job under way be over; answers how many there were."""
    async with as_owner(pool) as db:
        return await run(
            db,
            """
            UPDATE jobs SET due_at = clock_timestamp()
            WHERE lease IS NOT NULL AND done_at IS NULL AND failed_at IS NULL AND due_at > clock_timestamp()
            """,
        )


async def terminate_clients(pool: Pool, database: str) -> int:
    """End every connection to a database but this one; answers how many there were."""
    async with as_owner(pool) as db:
        return int(
            await value(
                db,
                """
                SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = $1 AND pid <> pg_backend_pid()
                """,
                database,
            )
        )


async def connections(pool: Pool) -> dict[str, int]:
    """Count the hub's connections to this database by what they do, this one left out."""
    async with as_owner(pool) as db:
        rows = await db.fetch(
            """
            SELECT coalesce(state, 'starting') AS state, count(*) AS times FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
            GROUP BY state
            """
        )
    return {row["state"]: row["times"] for row in rows}
