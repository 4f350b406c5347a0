"""Offers, as they stand in the database."""

from __future__ import annotations

from typing import Any

from hub.models.offers import ListedOffer, ListOffers, Offer
from storage.listing import page, part
from storage.query import Db, maybe, run, value


async def find(db: Db, offer_id: int) -> Offer | None:
    """Read an offer that has not ended, nor its venue."""
    return await maybe(
        db,
        Offer,
        """
        SELECT o.id, o.venue_id, o.code, o.description, o.basis_points, o.amount, o.currency, o.minimum, o.valid_from,
               o.valid_until, o.total_limit, o.per_person_limit, o.is_public, o.is_active, o.created_at, o.updated_at
        FROM offers AS o LEFT JOIN venues AS v ON v.id = o.venue_id
        WHERE o.id = $1 AND o.deleted_at IS NULL AND v.deleted_at IS NULL
        """,
        offer_id,
    )


async def usable(db: Db, code: str) -> Offer | None:
    """Read the offer that a code, in capital or small letters, names and that can be used at this moment."""
    return await maybe(
        db,
        Offer,
        """
        SELECT o.id, o.venue_id, o.code, o.description, o.basis_points, o.amount, o.currency, o.minimum, o.valid_from,
               o.valid_until, o.total_limit, o.per_person_limit, o.is_public, o.is_active, o.created_at, o.updated_at
        FROM offers AS o LEFT JOIN venues AS v ON v.id = o.venue_id
        WHERE o.code = $1::citext AND o.deleted_at IS NULL AND v.deleted_at IS NULL AND offer_is_on(o)
        """,
        code,
    )


async def is_used_up(db: Db, offer_id: int, user_id: int | None) -> bool:
    """Tell whether live bookings use an offer as often as it may be, all of them or those of this person."""
    found: bool = await value(
        db,
        """
        SELECT coalesce(offer_uses(o.id, o.total_limit) >= o.total_limit, false)
            OR coalesce(offer_uses_by($2::bigint, o.id) >= o.per_person_limit, false)
        FROM offers AS o WHERE o.id = $1
        """,
        offer_id,
        user_id,
    )
    return found


async def lock(db: Db, offer_id: int) -> None:
    """Let nobody use or change an offer until commit."""
    await run(db, "SELECT FROM offers WHERE id = $1 FOR NO KEY UPDATE", offer_id)


async def listed(
    db: Db, ask: ListOffers, user_id: int | None, *, sees_everything: bool
) -> tuple[list[ListedOffer], int]:
    """List one page of the offers that this person may see: the public ones that are on, and all where they work."""
    return await page(
        db,
        ListedOffer,
        """
        SELECT o.id, o.venue_id, o.code, o.description, o.basis_points, o.amount, o.currency, o.minimum, o.valid_from,
               o.valid_until, o.total_limit, o.per_person_limit, o.is_public, o.is_active, o.created_at, o.updated_at,
               CASE WHEN tie.sees THEN offer_uses(o.id, NULL) END AS uses, count(*) OVER () AS total
        FROM offers AS o LEFT JOIN venues AS v ON v.id = o.venue_id
        CROSS JOIN LATERAL (
            SELECT coalesce($2::boolean OR v.owner_id = $1::bigint OR EXISTS (
                SELECT 1 FROM venue_staff AS s WHERE s.venue_id = v.id AND s.user_id = $1), false) AS sees
        ) AS tie
        WHERE o.deleted_at IS NULL AND v.deleted_at IS NULL
          AND (tie.sees
               OR (o.is_public AND offer_is_on(o) AND coalesce(v.is_active, true)))
          AND ($3::bigint IS NULL OR o.venue_id = $3)
          AND ($4::text IS NULL OR o.code::text ILIKE $4 OR o.description ILIKE $4)
          AND ($5::boolean IS NULL OR offer_is_on(o) = $5)
        ORDER BY CASE WHEN $6::text = 'code' THEN lower(o.code::text) END,
                 CASE WHEN $6 = 'ends' THEN o.valid_until END,
                 CASE WHEN $6 = 'newest' THEN -o.id END,
                 o.id
        LIMIT $7 OFFSET $8
        """,
        user_id,
        sees_everything,
        ask.venue_id,
        part(ask.q),
        ask.can_be_used,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def create(db: Db, fields: dict[str, Any]) -> int:
    """Write a new offer; answers its id."""
    created: int = await value(
        db,
        """
        INSERT INTO offers (venue_id, code, description, basis_points, amount, currency, minimum, valid_from,
                            valid_until, total_limit, per_person_limit, is_public, is_active)
        SELECT n.venue_id, n.code, n.description, n.basis_points, n.amount, n.currency, n.minimum, n.valid_from,
               n.valid_until, n.total_limit, n.per_person_limit, n.is_public, n.is_active
        FROM jsonb_populate_record(NULL::offers, $1) AS n
        RETURNING id
        """,
        fields,
    )
    return created


async def change(db: Db, offer_id: int, fields: dict[str, Any]) -> None:
    """Write the fields given; the others stay as they are."""
    await run(
        db,
        """
        UPDATE offers AS a
        SET code = n.code, description = n.description, basis_points = n.basis_points, amount = n.amount,
            currency = n.currency, minimum = n.minimum, valid_from = n.valid_from, valid_until = n.valid_until,
            total_limit = n.total_limit, per_person_limit = n.per_person_limit, is_public = n.is_public,
            is_active = n.is_active, updated_at = clock_timestamp()
        FROM offers AS o CROSS JOIN LATERAL jsonb_populate_record(o, $2) AS n
        WHERE o.id = $1 AND a.id = o.id
        """,
        offer_id,
        fields,
    )


async def end(db: Db, offer_id: int) -> None:
    """Mark an offer ended; its code is free for another one."""
    await run(
        db, "UPDATE offers SET deleted_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1", offer_id
    )
