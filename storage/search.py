"""What is free of all that matches a search, in three statements: nights, rooms by the hour, places in sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from pydantic import BaseModel

from hub.models.sessions import SessionKind
from storage.listing import part
from storage.query import Db, many


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; prices in hundredths, `digits` naming the currencies that do not have two."""

    place: str | None
    kind: str | None
    guests: int
    first: date | None
    after: date | None
    lowest: int | None
    highest: int | None
    digits: Mapping[str, int]


class NightsRow(BaseModel):
    """A venue that sells nights, with its rooms free for all nights looked at."""

    venue_id: int
    check_in: date
    check_out: date
    total: int
    free: int
    from_price: int


class HoursRow(BaseModel):
    """A room that is sold by the hour."""

    venue_id: int
    room_id: int
    rate: int


class PlacesRow(BaseModel):
    """A session to come, with its places."""

    session_id: int
    venue_id: int
    kind: SessionKind
    title: str
    facilitator_name: str
    starts_at: datetime
    ends_at: datetime
    price: int
    total: int
    free: int
    held: int
    held_until: datetime | None


class FirstNight(BaseModel):
    """The first night in which a venue has a room free."""

    venue_id: int
    night: date


async def nights(db: Db, wanted: Wanted, at_most: int) -> list[NightsRow]:
    """Count the rooms free for all nights at the venues that match; with dates named, only where one is free."""
    return await many(
        db,
        NightsRow,
        """
        WITH wanted AS (
            SELECT v.id AS venue_id, v.name, v.star_rating, v.timezone, v.check_in_time, v.check_out_time, t.id,
                   t.sold_as, t.total_rooms,
                   rate_on(t.id, t.price, t.discount_percentage, coalesce($4::date, l.today)) AS rate,
                   coalesce($4::date, l.today) AS check_in,
                   coalesce($5::date, coalesce($4::date, l.today) + v.min_nights) AS check_out,
                   l.today, v.min_nights, v.max_nights, v.advance_days, v.lead_time_minutes
            FROM venues AS v
            JOIN room_types AS t ON t.venue_id = v.id
            CROSS JOIN LATERAL (SELECT (clock_timestamp() AT TIME ZONE v.timezone)::date AS today) AS l
            WHERE v.deleted_at IS NULL AND v.is_active AND t.deleted_at IS NULL AND t.is_active
              AND t.price_unit = 'night' AND t.capacity >= $3
              AND ($2::text IS NULL OR v.kind = $2)
              AND ($1::text IS NULL OR v.name ILIKE $1 OR v.city ILIKE $1 OR v.province ILIKE $1 OR v.country ILIKE $1
                   OR v.address ILIKE $1)
        ), priced AS (
            SELECT w.venue_id, w.name, w.star_rating, w.timezone, w.check_in_time, w.check_out_time, w.id, w.sold_as,
                   w.total_rooms, w.rate, w.check_in, w.check_out,
                   w.check_in >= w.today AND w.check_out - w.check_in BETWEEN w.min_nights AND w.max_nights
                   AND w.check_out - w.today <= w.advance_days
                   AND (w.lead_time_minutes = 0 OR (w.check_in + w.check_in_time) AT TIME ZONE w.timezone
                        >= clock_timestamp() + w.lead_time_minutes * interval '1 minute') AS allowed
            FROM wanted AS w JOIN venues AS v ON v.id = w.venue_id
            CROSS JOIN LATERAL (
                SELECT w.rate * power(10::numeric, 2 - coalesce(($8::jsonb ->> v.currency)::integer, 2)) AS hundredths
            ) AS h
            WHERE ($6::bigint IS NULL OR h.hundredths >= $6) AND ($7::bigint IS NULL OR h.hundredths <= $7)
        ), counted AS (
            SELECT p.venue_id, p.name, p.star_rating, p.check_in, p.check_out, p.rate, p.total_rooms,
                   CASE WHEN NOT p.allowed THEN 0
                        WHEN p.sold_as = 'pool' THEN (
                            SELECT greatest(min(coalesce(n.total - n.taken + w.expired, p.total_rooms)), 0)
                            FROM generate_series(p.check_in, p.check_out - 1, interval '1 day') AS d (night)
                            LEFT JOIN pool_nights AS n ON n.room_type_id = p.id AND n.night = d.night::date
                            LEFT JOIN LATERAL (
                                SELECT coalesce(sum(c.quantity), 0) AS expired FROM claims AS c
                                WHERE n.held > 0 AND c.room_type_id = n.room_type_id AND c.night = n.night
                                  AND c.expires_at <= clock_timestamp()
                            ) AS w ON true)
                        ELSE (
                            SELECT count(*) FROM rooms AS r
                            WHERE r.room_type_id = p.id AND r.deleted_at IS NULL AND r.is_active
                              AND r.status NOT IN ('maintenance', 'out_of_service')
                              AND NOT EXISTS (
                                  SELECT 1 FROM claims AS c
                                  WHERE c.room_id = r.id AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())
                                    AND c.busy && tstzrange((p.check_in + p.check_in_time) AT TIME ZONE p.timezone,
                                                            (p.check_out + p.check_out_time) AT TIME ZONE p.timezone)))
                   END AS free
            FROM priced AS p
        )
        SELECT c.venue_id, min(c.check_in) AS check_in, min(c.check_out) AS check_out,
               sum(c.total_rooms)::integer AS total, sum(c.free)::integer AS free,
               coalesce(min(c.rate) FILTER (WHERE c.free > 0), min(c.rate)) AS from_price
        FROM counted AS c
        GROUP BY c.venue_id, c.name, c.star_rating
        HAVING $4::date IS NULL OR sum(c.free) > 0
        ORDER BY sum(c.free) > 0 DESC, c.star_rating DESC NULLS LAST, lower(c.name), c.venue_id
        LIMIT $9
        """,
        part(wanted.place),
        wanted.kind,
        wanted.guests,
        wanted.first,
        wanted.after,
        wanted.lowest,
        wanted.highest,
        dict(wanted.digits),
        at_most,
    )


async def hours(db: Db, wanted: Wanted, at_most: int) -> list[HoursRow]:
    """List the rooms sold by the hour at the venues that match."""
    return await many(
        db,
        HoursRow,
        """
        SELECT v.id AS venue_id, r.id AS room_id, p.rate
        FROM venues AS v
        JOIN room_types AS t ON t.venue_id = v.id
        JOIN rooms AS r ON r.room_type_id = t.id
        CROSS JOIN LATERAL (
            SELECT rate_on(t.id, t.price, t.discount_percentage,
                           coalesce($8::date, (clock_timestamp() AT TIME ZONE v.timezone)::date)) AS rate OFFSET 0
        ) AS p
        CROSS JOIN LATERAL (
            SELECT p.rate * power(10::numeric, 2 - coalesce(($6::jsonb ->> v.currency)::integer, 2)) AS hundredths
        ) AS h
        WHERE v.deleted_at IS NULL AND v.is_active AND t.deleted_at IS NULL AND t.is_active AND t.price_unit = 'hour'
          AND r.deleted_at IS NULL AND r.is_active AND r.status NOT IN ('maintenance', 'out_of_service')
          AND t.capacity >= $3
          AND ($2::text IS NULL OR v.kind = $2)
          AND ($1::text IS NULL OR v.name ILIKE $1 OR v.city ILIKE $1 OR v.province ILIKE $1 OR v.country ILIKE $1
               OR v.address ILIKE $1)
          AND ($4::bigint IS NULL OR h.hundredths >= $4) AND ($5::bigint IS NULL OR h.hundredths <= $5)
        ORDER BY v.star_rating DESC NULLS LAST, lower(v.name), v.id, r.id
        LIMIT $7
        """,
        part(wanted.place),
        wanted.kind,
        wanted.guests,
        wanted.lowest,
        wanted.highest,
        dict(wanted.digits),
        at_most,
        wanted.first,
    )


async def places(db: Db, wanted: Wanted, at_most: int) -> list[PlacesRow]:
    """List the sessions to come that match, the soonest first; with dates named, those that have places left."""
    return await many(
        db,
        PlacesRow,
        """
        SELECT s.id AS session_id, s.venue_id, s.kind, s.title, u.full_name AS facilitator_name, s.starts_at, s.ends_at,
               s.price, p.total, (p.total - p.taken + w.expired)::integer AS free,
               (p.held - w.expired)::integer AS held, w.held_until
        FROM sessions AS s
        JOIN venues AS v ON v.id = s.venue_id
        JOIN users AS u ON u.id = s.facilitator_id
        JOIN session_places AS p ON p.session_id = s.id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(c.quantity) FILTER (WHERE c.expires_at <= clock_timestamp()), 0) AS expired,
                   min(c.expires_at) FILTER (WHERE c.expires_at > clock_timestamp()) AS held_until
            FROM claims AS c WHERE p.held > 0 AND c.place_session_id = p.session_id AND c.expires_at IS NOT NULL
        ) AS w
        CROSS JOIN LATERAL (
            SELECT s.price * power(10::numeric, 2 - coalesce(($8::jsonb ->> v.currency)::integer, 2)) AS hundredths
        ) AS h
        WHERE s.deleted_at IS NULL AND s.status = 'active' AND v.deleted_at IS NULL AND v.is_active
          AND s.starts_at > clock_timestamp() + v.lead_time_minutes * interval '1 minute'
          AND ($2::text IS NULL OR s.kind = $2)
          AND ($1::text IS NULL OR s.title ILIKE $1 OR s.location ILIKE $1 OR v.name ILIKE $1 OR v.city ILIKE $1
               OR v.province ILIKE $1 OR v.country ILIKE $1 OR v.address ILIKE $1)
          AND ($4::date IS NULL OR (s.starts_at AT TIME ZONE v.timezone)::date
               BETWEEN $4 AND greatest($4, coalesce($5::date, $4)))
          AND (CASE WHEN $4::date IS NULL THEN p.total ELSE p.total - p.taken + w.expired END) >= $3
          AND ($6::bigint IS NULL OR h.hundredths >= $6) AND ($7::bigint IS NULL OR h.hundredths <= $7)
        ORDER BY s.starts_at, s.id
        LIMIT $9
        """,
        part(wanted.place),
        wanted.kind,
        wanted.guests,
        wanted.first,
        wanted.after,
        wanted.lowest,
        wanted.highest,
        dict(wanted.digits),
        at_most,
    )


async def first_free_nights(db: Db, venue_ids: Sequence[int], guests: int, within_days: int) -> list[FirstNight]:
    """Find the first night from today in which each of these venues has a room free."""
    return await many(
        db,
        FirstNight,
        """
        SELECT v.id AS venue_id, min(d.night::date) AS night
        FROM venues AS v
        JOIN room_types AS t ON t.venue_id = v.id AND t.deleted_at IS NULL AND t.is_active AND t.price_unit = 'night'
        CROSS JOIN LATERAL (SELECT (clock_timestamp() AT TIME ZONE v.timezone)::date AS today) AS l
        CROSS JOIN generate_series(l.today, l.today + least($3::integer, v.advance_days) - 1, interval '1 day')
            AS d (night)
        LEFT JOIN pool_nights AS n ON n.room_type_id = t.id AND n.night = d.night::date
        WHERE v.id = ANY ($1::bigint[]) AND t.capacity >= $2
          AND CASE WHEN t.sold_as = 'pool' THEN coalesce(n.total - n.taken, t.total_rooms) > 0
                   ELSE EXISTS (
                       SELECT 1 FROM rooms AS r
                       WHERE r.room_type_id = t.id AND r.deleted_at IS NULL AND r.is_active
                         AND r.status NOT IN ('maintenance', 'out_of_service')
                         AND NOT EXISTS (
                             SELECT 1 FROM claims AS c
                             WHERE c.room_id = r.id AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())
                               AND c.busy && tstzrange((d.night::date + v.check_in_time) AT TIME ZONE v.timezone,
                                                       (d.night::date + 1 + v.check_out_time) AT TIME ZONE v.timezone)))
              END
        GROUP BY v.id ORDER BY v.id
        """,
        venue_ids,
        guests,
        within_days,
    )
