"""The audit's rows, written by the database itself, and the seals that prove them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from hub.models.audit import AuditEntry
from storage.listing import page
from storage.query import Db, many, maybe, one, run


class Sealed(BaseModel):
    """A seal that was set: its number, how many rows it seals, and its hash."""

    seal_id: int
    sealed: int
    hash: bytes


class Checked(BaseModel):
    """How far the seals hold, and what does not."""

    held_to: int
    looked_at: int
    broken_seal: int | None
    broken_row: int | None
    reason: str | None


class Ends(BaseModel):
    """The newest seal, and how many rows wait for the next one."""

    last_seal: int
    head: bytes | None
    unsealed: int


async def denied(db: Db, entity: str, entity_id: int | None, code: str) -> None:
    """Keep that the unit of work's author was refused; of one person at most twenty a minute."""
    await run(db, "SELECT audit_denied($1, $2, $3)", entity, entity_id, code)


async def listed(
    db: Db,
    entity: str | None,
    entity_id: int | None,
    actor_id: int | None,
    operation: str | None,
    asked: str | None,
    begin: datetime | None,
    end: datetime | None,
    limit: int,
    offset: int,
) -> tuple[list[AuditEntry], int]:
    """List the newest entries that fit, and count them up to 10,000."""
    return await page(
        db,
        AuditEntry,
        """
        WITH found AS MATERIALIZED (
            SELECT a.id FROM audit AS a
            WHERE ($1::text IS NULL OR a.entity = $1) AND ($2::bigint IS NULL OR a.entity_id = $2)
              AND ($3::bigint IS NULL OR $3 IN (a.actor_id, a.impersonator_id))
              AND ($4::text IS NULL OR a.operation = $4) AND ($5::text IS NULL OR a.asked = $5)
              AND ($6::timestamptz IS NULL OR a.at >= $6) AND ($7::timestamptz IS NULL OR a.at < $7)
            ORDER BY a.id DESC LIMIT 10000
        )
        SELECT a.id, a.at, a.actor_id, u.full_name AS actor_name, a.impersonator_id, a.address, a.asked, a.request_id,
               a.entity, a.entity_id, a.venue_id, a.operation, a.before, a.after,
               (SELECT count(*) FROM found) AS total
        FROM found AS f JOIN audit AS a ON a.id = f.id LEFT JOIN users AS u ON u.id = a.actor_id
        ORDER BY a.id DESC LIMIT $8 OFFSET $9
        """,
        entity,
        entity_id,
        actor_id,
        operation,
        asked,
        begin,
        end,
        limit=limit,
        offset=offset,
    )


async def of_venue(
    db: Db,
    venue_id: int,
    entity: str | None,
    entity_id: int | None,
    actor_id: int | None,
    operation: str | None,
    asked: str | None,
    begin: datetime | None,
    end: datetime | None,
    limit: int,
    offset: int,
) -> tuple[list[AuditEntry], int]:
    """List a venue's changes and those of its bookings: no addresses, and no price that includes others'."""
    return await page(
        db,
        AuditEntry,
        """
        WITH named AS (
            SELECT a.id FROM audit AS a WHERE a.venue_id = $1
            UNION
            SELECT a.id FROM booking_items AS i JOIN audit AS a ON a.entity = 'booking' AND a.entity_id = i.booking_id
            WHERE i.venue_id = $1
        ), found AS MATERIALIZED (
            SELECT a.id FROM named AS n JOIN audit AS a ON a.id = n.id
            WHERE a.operation <> 'denied'
              AND ($2::text IS NULL OR a.entity = $2) AND ($3::bigint IS NULL OR a.entity_id = $3)
              AND ($4::bigint IS NULL OR a.actor_id = $4)
              AND ($5::text IS NULL OR a.operation = $5) AND ($6::text IS NULL OR a.asked = $6)
              AND ($7::timestamptz IS NULL OR a.at >= $7) AND ($8::timestamptz IS NULL OR a.at < $8)
            ORDER BY a.id DESC LIMIT 10000
        )
        SELECT a.id, a.at, a.actor_id, u.full_name AS actor_name, a.impersonator_id, a.asked, a.entity, a.entity_id,
               a.venue_id, a.operation, CASE WHEN o.others THEN a.before - 'price' ELSE a.before END AS before,
               CASE WHEN o.others THEN a.after - 'price' ELSE a.after END AS after,
               (SELECT count(*) FROM found) AS total
        FROM found AS f JOIN audit AS a ON a.id = f.id LEFT JOIN users AS u ON u.id = a.actor_id
        CROSS JOIN LATERAL (
            SELECT a.entity = 'booking' AND EXISTS (
                SELECT FROM booking_items AS i WHERE i.booking_id = a.entity_id AND i.venue_id <> $1) AS others
        ) AS o
        ORDER BY a.id DESC LIMIT $9 OFFSET $10
        """,
        venue_id,
        entity,
        entity_id,
        actor_id,
        operation,
        asked,
        begin,
        end,
        limit=limit,
        offset=offset,
    )


async def of_booking(db: Db, booking_id: int, venue_ids: list[int] | None) -> list[AuditEntry]:
    """List what happened to a booking, oldest first; with venues only their part of it."""
    return await many(
        db,
        AuditEntry,
        """
        SELECT a.id, a.at, a.actor_id, u.full_name AS actor_name, a.impersonator_id, a.asked, a.entity, a.entity_id,
               a.venue_id, a.operation, CASE WHEN o.others THEN a.before - 'price' ELSE a.before END AS before,
               CASE WHEN o.others THEN a.after - 'price' ELSE a.after END AS after
        FROM audit AS a LEFT JOIN users AS u ON u.id = a.actor_id
        CROSS JOIN LATERAL (
            SELECT a.entity = 'booking' AND EXISTS (
                SELECT FROM booking_items AS i
                WHERE i.booking_id = a.entity_id AND NOT i.venue_id = ANY ($2::bigint[])) AS others
        ) AS o
        WHERE a.entity IN ('booking', 'booking_item') AND a.entity_id = $1 AND a.operation <> 'denied'
          AND (a.venue_id IS NULL OR $2::bigint[] IS NULL OR a.venue_id = ANY ($2))
        ORDER BY a.id LIMIT 1000
        """,
        booking_id,
        venue_ids,
    )


async def seal(db: Db, at_most: int) -> Sealed | None:
    """Seal the oldest entries that are settled; None when there are none, or somebody else is at it."""
    return await maybe(db, Sealed, "SELECT seal_id, sealed, hash FROM seal_audit($1)", at_most)


async def check(db: Db, first_seal: int, at_most: int) -> Checked:
    """Check so many seals from this one on, and the entries they seal."""
    return await one(
        db,
        Checked,
        "SELECT held_to, looked_at, broken_seal, broken_row, reason FROM verify_audit($1, $2)",
        first_seal,
        at_most,
    )


async def ends(db: Db) -> Ends:
    """Read where the chain ends."""
    return await one(
        db,
        Ends,
        """
        SELECT coalesce(s.id, 0) AS last_seal, s.hash AS head,
               (SELECT count(*) FROM audit AS a WHERE a.id > coalesce(s.ids[cardinality(s.ids)], 0)) AS unsealed
        FROM (VALUES (1)) AS always LEFT JOIN (
            SELECT id, hash, ids FROM audit_seals ORDER BY id DESC LIMIT 1) AS s ON true
        """,
    )
