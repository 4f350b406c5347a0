"""Venues, as they stand in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.models.venues import ListVenues, Venue
from storage.listing import page, part
from storage.query import Db, many, run, value


async def find(db: Db, venue_id: int) -> Venue | None:
    """Read a venue that is not deleted."""
    found = await find_many(db, [venue_id])
    return found[0] if found else None


async def find_many(db: Db, venue_ids: Sequence[int]) -> list[Venue]:
    """Read those of these venues that are not deleted."""
    return await many(
        db,
        Venue,
        """
        SELECT id, owner_id, kind, name, description, timezone, currency, address, city, province, country, latitude,
               longitude, map_url, contact_phone, contact_email, contact_website, star_rating, amenities, images,
               is_active, confirmation, cancellation, terms, opening_hours, check_in_time, check_out_time,
               slot_step_minutes, min_slot_minutes, max_slot_minutes, buffer_before_minutes, buffer_after_minutes,
               min_nights, max_nights,
               lead_time_minutes, advance_days, hold_seconds, hold_cap_seconds, created_at, updated_at
        FROM venues WHERE id = ANY ($1::bigint[]) AND deleted_at IS NULL
        ORDER BY id
        """,
        venue_ids,
    )


async def listed(db: Db, ask: ListVenues, user_id: int | None, *, sees_everything: bool) -> tuple[list[Venue], int]:
    """List one page of the venues that this person may see."""
    return await page(
        db,
        Venue,
        """
        SELECT v.id, v.owner_id, v.kind, v.name, v.description, v.timezone, v.currency, v.address, v.city, v.province,
               v.country, v.latitude, v.longitude, v.map_url, v.contact_phone, v.contact_email, v.contact_website,
               v.star_rating, v.amenities, v.images, v.is_active, v.confirmation, v.cancellation, v.terms,
               v.opening_hours, v.check_in_time, v.check_out_time, v.slot_step_minutes, v.min_slot_minutes,
               v.max_slot_minutes,
               v.buffer_before_minutes, v.buffer_after_minutes, v.min_nights, v.max_nights, v.lead_time_minutes,
               v.advance_days, v.hold_seconds, v.hold_cap_seconds, v.created_at, v.updated_at, count(*) OVER () AS total
        FROM venues AS v
        CROSS JOIN LATERAL (
            SELECT v.owner_id = $1::bigint
                OR EXISTS (SELECT 1 FROM venue_staff AS s WHERE s.venue_id = v.id AND s.user_id = $1) AS theirs
        ) AS tie
        WHERE v.deleted_at IS NULL
          AND (v.is_active OR $2::boolean OR tie.theirs)
          AND (NOT $3::boolean OR tie.theirs)
          AND ($4::text IS NULL OR v.name ILIKE $4 OR v.description ILIKE $4)
          AND ($5::text IS NULL OR v.city ILIKE $5 OR v.province ILIKE $5 OR v.country ILIKE $5 OR v.address ILIKE $5)
          AND ($6::text IS NULL OR lower(v.city) = lower($6))
          AND ($7::text IS NULL OR v.kind = $7)
          AND ($8::bigint IS NULL OR v.owner_id = $8)
          AND ($9::boolean IS NULL OR v.is_active = $9)
          AND lower($10::text[]::text)::text[] <@ lower(v.amenities::text)::text[]
          AND ($11::numeric IS NULL OR v.star_rating >= $11)
          AND (num_nonnulls($12::integer, $13::bigint, $14::bigint) = 0 OR EXISTS (
               SELECT 1 FROM room_types AS t
               WHERE t.venue_id = v.id AND t.deleted_at IS NULL AND t.is_active
                 AND ($12 IS NULL OR t.capacity >= $12)
                 AND ($13 IS NULL OR t.price >= $13) AND ($14 IS NULL OR t.price <= $14)))
        ORDER BY CASE WHEN $15::text = 'name' THEN lower(v.name) END,
                 CASE WHEN $15 = '-name' THEN lower(v.name) END DESC,
                 CASE WHEN $15 = 'stars' THEN v.star_rating END,
                 CASE WHEN $15 = '-stars' THEN v.star_rating END DESC NULLS LAST,
                 CASE WHEN $15 = 'newest' THEN v.id END DESC,
                 v.id
        LIMIT $16 OFFSET $17
        """,
        user_id,
        sees_everything,
        ask.mine,
        part(ask.q),
        part(ask.place),
        ask.city or None,
        ask.kind,
        ask.owner_id,
        ask.is_active,
        ask.amenities,
        ask.min_stars,
        ask.guests,
        ask.min_price,
        ask.max_price,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def create(db: Db, owner_id: int, fields: dict[str, Any]) -> int:
    """Write a new venue; answers its id."""
    created: int = await value(
        db,
        """
        INSERT INTO venues (owner_id, kind, name, description, timezone, currency, address, city, province, country,
                            latitude, longitude, map_url, contact_phone, contact_email, contact_website, star_rating,
                            amenities, images, is_active, confirmation, cancellation, terms, opening_hours,
                            check_in_time, check_out_time, slot_step_minutes, min_slot_minutes, max_slot_minutes,
                            buffer_before_minutes, buffer_after_minutes, min_nights, max_nights, lead_time_minutes,
                            advance_days, hold_seconds, hold_cap_seconds)
        SELECT $1, n.kind, n.name, n.description, n.timezone, n.currency, n.address, n.city, n.province, n.country,
               n.latitude, n.longitude, n.map_url, n.contact_phone, n.contact_email, n.contact_website, n.star_rating,
               n.amenities, n.images, n.is_active, n.confirmation, n.cancellation, n.terms, n.opening_hours,
               n.check_in_time, n.check_out_time, n.slot_step_minutes, n.min_slot_minutes, n.max_slot_minutes,
               n.buffer_before_minutes, n.buffer_after_minutes, n.min_nights, n.max_nights, n.lead_time_minutes,
               n.advance_days, n.hold_seconds, n.hold_cap_seconds
        FROM jsonb_populate_record(NULL::venues, $2) AS n
        RETURNING id
        """,
        owner_id,
        fields,
    )
    return created


async def change(db: Db, venue_id: int, fields: dict[str, Any]) -> None:
    """Write the fields given; the others stay as they are."""
    await run(
        db,
        """
        UPDATE venues AS v
        SET kind = n.kind, name = n.name, description = n.description, timezone = n.timezone, currency = n.currency,
            address = n.address, city = n.city, province = n.province, country = n.country, latitude = n.latitude,
            longitude = n.longitude, map_url = n.map_url, contact_phone = n.contact_phone,
            contact_email = n.contact_email, contact_website = n.contact_website, star_rating = n.star_rating,
            amenities = n.amenities, images = n.images, is_active = n.is_active, confirmation = n.confirmation,
            cancellation = n.cancellation, terms = n.terms, opening_hours = n.opening_hours,
            check_in_time = n.check_in_time, check_out_time = n.check_out_time, slot_step_minutes = n.slot_step_minutes,
            min_slot_minutes = n.min_slot_minutes, max_slot_minutes = n.max_slot_minutes,
            buffer_before_minutes = n.buffer_before_minutes, buffer_after_minutes = n.buffer_after_minutes,
            min_nights = n.min_nights, max_nights = n.max_nights, lead_time_minutes = n.lead_time_minutes,
            advance_days = n.advance_days, hold_seconds = n.hold_seconds, hold_cap_seconds = n.hold_cap_seconds,
            updated_at = clock_timestamp()
        FROM venues AS o CROSS JOIN LATERAL jsonb_populate_record(o, $2) AS n
        WHERE o.id = $1 AND v.id = o.id
        """,
        venue_id,
        fields,
    )


async def delete(db: Db, venue_id: int) -> None:
    """Mark a venue deleted; all that belongs to it goes with it."""
    await run(
        db, "UPDATE venues SET deleted_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1", venue_id
    )


async def grow_catalogue(db: Db, venue_id: int) -> None:
    """Count a change of the inventory, so that asks judged on what was before are judged again."""
    await run(db, "UPDATE venues SET catalogue_version = catalogue_version + 1 WHERE id = $1", venue_id)


async def studio_of(db: Db, owner_id: int, timezone: str | None) -> int | None:
    """Find the studio a person made first, in that time zone if one is named."""
    found: int | None = await value(
        db,
        """
        SELECT id FROM venues
        WHERE owner_id = $1 AND kind = 'studio' AND deleted_at IS NULL AND ($2::text IS NULL OR timezone = $2)
        ORDER BY id LIMIT 1
        """,
        owner_id,
        timezone,
    )
    return found


async def renew_contents(db: Db, venue_id: int) -> None:
    """Note that what a venue sells has changed with it, such as the currency of its prices."""
    await run(
        db,
        """
        WITH types AS (
            UPDATE room_types SET updated_at = clock_timestamp() WHERE venue_id = $1 AND deleted_at IS NULL
        ), extras AS (
            UPDATE addons SET updated_at = clock_timestamp() WHERE venue_id = $1 AND deleted_at IS NULL
        )
        UPDATE sessions SET updated_at = clock_timestamp() WHERE venue_id = $1 AND deleted_at IS NULL
        """,
        venue_id,
    )
