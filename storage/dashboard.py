"""The figures, days and roster behind the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel

from hub.models.bookings import BookingStatus
from hub.models.dashboard import DeskVenue
from storage.query import Db, many, one


class Counts(BaseModel):
    """How many sessions and bookings there are, by what has become of them."""

    sessions: int
    active_sessions: int
    upcoming_sessions: int
    bookings: int
    active_bookings: int
    upcoming_bookings: int


class Revenue(BaseModel):
    """What has come in for bookings and was not given back, in one currency."""

    currency: str
    revenue: int


class DayMade(BaseModel):
    """The bookings made on one day."""

    day: date
    bookings: int
    cancelled: int


class DayEarned(BaseModel):
    """What has come in on one day less what was given back, in one currency."""

    day: date
    currency: str
    revenue: int


class DayBegins(BaseModel):
    """What begins on one day."""

    day: date
    sessions: int
    bookings: int


class SessionToday(BaseModel):
    """A session of today, with its places."""

    session_id: int
    venue_id: int
    title: str
    starts_at: datetime
    ends_at: datetime
    total: int
    taken: int


class ItemToday(BaseModel):
    """A booked item that begins, ends or goes on today."""

    kind: str
    venue_id: int
    session_id: int | None
    title: str
    starts_at: datetime
    ends_at: datetime
    arrives: bool
    departs: bool
    guests: int
    quantity: int
    booking_id: int
    reference: str
    full_name: str
    status: BookingStatus


class House(BaseModel):
    """A room type tonight: how many of its rooms are taken."""

    venue_id: int
    title: str
    starts_at: datetime
    ends_at: datetime
    total: int
    taken: int


async def venues(db: Db, venue_ids: Sequence[int]) -> list[DeskVenue]:
    """Read the venues of a dashboard."""
    return await many(
        db,
        DeskVenue,
        """
        SELECT id, kind, name, timezone, currency FROM venues
        WHERE id = ANY ($1::bigint[]) AND deleted_at IS NULL ORDER BY lower(name), id
        """,
        venue_ids,
    )


async def counts(db: Db, venue_ids: Sequence[int]) -> Counts:
    """Count sessions and bookings; a hold given back or run out counts nowhere."""
    return await one(
        db,
        Counts,
        """
        SELECT s.sessions, s.active_sessions, s.upcoming_sessions, b.bookings, b.active_bookings, b.upcoming_bookings
        FROM (
            SELECT count(*) AS sessions,
                   count(*) FILTER (WHERE status = 'active' AND ends_at > clock_timestamp()) AS active_sessions,
                   count(*) FILTER (WHERE status = 'active' AND starts_at > clock_timestamp()) AS upcoming_sessions
            FROM sessions WHERE venue_id = ANY ($1::bigint[]) AND deleted_at IS NULL
        ) AS s
        CROSS JOIN (
            SELECT count(DISTINCT bi.booking_id) FILTER (
                       WHERE b.status IN ('pending', 'confirmed', 'completed', 'no_show')) AS bookings,
                   count(DISTINCT bi.booking_id) FILTER (
                       WHERE b.status IN ('held', 'pending', 'confirmed') AND bi.ends_at > clock_timestamp()
                         AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp())) AS active_bookings,
                   count(DISTINCT bi.booking_id) FILTER (
                       WHERE b.status = 'confirmed' AND bi.starts_at > clock_timestamp()) AS upcoming_bookings
            FROM booking_items AS bi JOIN bookings AS b ON b.id = bi.booking_id
            WHERE bi.venue_id = ANY ($1::bigint[])
        ) AS b
        """,
        venue_ids,
    )


async def revenue(db: Db, venue_ids: Sequence[int]) -> list[Revenue]:
    """Sum what came in for bookings and was not given back, by currency; what is paid out counts on."""
    return await many(
        db,
        Revenue,
        """
        SELECT a.currency, sum(e.amount)::bigint AS revenue
        FROM accounts AS a JOIN ledger_entries AS e ON e.account_id = a.id
        WHERE a.kind IN ('escrow', 'venue', 'fees', 'tax') AND a.user_id IS NULL AND a.venue_id = ANY ($1::bigint[])
          AND e.booking_id IS NOT NULL
        GROUP BY a.currency HAVING sum(e.amount) <> 0 ORDER BY a.currency
        """,
        venue_ids,
    )


async def days_earned(db: Db, venue_ids: Sequence[int], days: int) -> list[DayEarned]:
    """Sum what came in for bookings on each of the last days less what was given back, by currency."""
    return await many(
        db,
        DayEarned,
        """
        SELECT (t.at AT TIME ZONE v.timezone)::date AS day, a.currency, sum(e.amount)::bigint AS revenue
        FROM accounts AS a
        JOIN venues AS v ON v.id = a.venue_id
        JOIN ledger_entries AS e ON e.account_id = a.id
        JOIN ledger_transactions AS t ON t.id = e.transaction_id
        WHERE a.kind IN ('escrow', 'venue', 'fees', 'tax') AND a.user_id IS NULL AND a.venue_id = ANY ($1::bigint[])
          AND e.booking_id IS NOT NULL AND t.at > clock_timestamp() - ($2::integer + 1) * interval '1 day'
        GROUP BY day, a.currency HAVING sum(e.amount) <> 0 ORDER BY day, a.currency
        """,
        venue_ids,
        days,
    )


async def days_made(db: Db, venue_ids: Sequence[int], days: int) -> list[DayMade]:
    """Count the bookings made on each of the last days."""
    return await many(
        db,
        DayMade,
        """
        SELECT (b.created_at AT TIME ZONE v.timezone)::date AS day,
               count(DISTINCT b.id) FILTER (WHERE b.status <> 'cancelled') AS bookings,
               count(DISTINCT b.id) FILTER (WHERE b.status = 'cancelled') AS cancelled
        FROM booking_items AS bi
        JOIN bookings AS b ON b.id = bi.booking_id
        JOIN venues AS v ON v.id = bi.venue_id
        WHERE bi.venue_id = ANY ($1::bigint[])
          AND b.created_at > clock_timestamp() - ($2::integer + 1) * interval '1 day'
          AND (b.status IN ('pending', 'confirmed', 'completed', 'no_show')
               OR (b.status = 'cancelled' AND b.cancel_reason_code IS DISTINCT FROM 'released'))
        GROUP BY day ORDER BY day
        """,
        venue_ids,
        days,
    )


async def days_begun(db: Db, venue_ids: Sequence[int], days: int) -> list[DayBegins]:
    """Count what begins on each day around today."""
    return await many(
        db,
        DayBegins,
        """
        SELECT e.day, sum(e.sessions)::integer AS sessions, sum(e.bookings)::integer AS bookings
        FROM (
            SELECT (s.starts_at AT TIME ZONE v.timezone)::date AS day, 1 AS sessions, 0 AS bookings
            FROM sessions AS s JOIN venues AS v ON v.id = s.venue_id
            WHERE s.venue_id = ANY ($1::bigint[]) AND s.deleted_at IS NULL AND s.status = 'active'
              AND s.starts_at BETWEEN clock_timestamp() - ($2::integer + 1) * interval '1 day'
                                  AND clock_timestamp() + ($2::integer + 1) * interval '1 day'
            UNION ALL
            SELECT (bi.starts_at AT TIME ZONE v.timezone)::date, 0, 1
            FROM booking_items AS bi
            JOIN bookings AS b ON b.id = bi.booking_id
            JOIN venues AS v ON v.id = bi.venue_id
            WHERE bi.venue_id = ANY ($1::bigint[]) AND b.status = 'confirmed' AND bi.kind IN ('stay', 'slot', 'place')
              AND bi.starts_at BETWEEN clock_timestamp() - interval '1 day'
                                   AND clock_timestamp() + ($2::integer + 1) * interval '1 day'
        ) AS e
        GROUP BY e.day ORDER BY e.day
        """,
        venue_ids,
        days,
    )


async def sessions_today(db: Db, venue_ids: Sequence[int]) -> list[SessionToday]:
    """List the sessions that take place today on their venue's calendar."""
    return await many(
        db,
        SessionToday,
        """
        SELECT s.id AS session_id, s.venue_id, s.title, s.starts_at, s.ends_at, p.total, p.taken - p.held AS taken
        FROM sessions AS s
        JOIN venues AS v ON v.id = s.venue_id
        JOIN session_places AS p ON p.session_id = s.id
        WHERE s.venue_id = ANY ($1::bigint[]) AND s.deleted_at IS NULL AND s.status = 'active'
          AND (s.starts_at AT TIME ZONE v.timezone)::date <= (clock_timestamp() AT TIME ZONE v.timezone)::date
          AND (s.ends_at AT TIME ZONE v.timezone)::date >= (clock_timestamp() AT TIME ZONE v.timezone)::date
        ORDER BY s.starts_at, s.id
        """,
        venue_ids,
    )


async def items_today(db: Db, venue_ids: Sequence[int], at_most: int) -> list[ItemToday]:
    """List the firm stays that begin or end today, and the slots and places of today, with their guests."""
    return await many(
        db,
        ItemToday,
        """
        SELECT bi.kind, bi.venue_id, bi.session_id, bi.title, bi.starts_at, bi.ends_at,
               l.begins = l.today AS arrives, l.ends = l.today AS departs, bi.guests, bi.quantity, b.id AS booking_id,
               b.reference, coalesce(nullif(b.guest_details ->> 'full_name', ''), u.full_name) AS full_name, b.status
        FROM booking_items AS bi
        JOIN bookings AS b ON b.id = bi.booking_id
        JOIN users AS u ON u.id = b.user_id
        JOIN venues AS v ON v.id = bi.venue_id
        CROSS JOIN LATERAL (
            SELECT (clock_timestamp() AT TIME ZONE v.timezone)::date AS today,
                   (bi.starts_at AT TIME ZONE v.timezone)::date AS begins,
                   (bi.ends_at AT TIME ZONE v.timezone)::date AS ends
        ) AS l
        WHERE bi.venue_id = ANY ($1::bigint[]) AND b.status IN ('pending', 'confirmed', 'completed', 'no_show')
          AND bi.kind <> 'fee' AND bi.starts_at < clock_timestamp() + interval '2 days'
          AND bi.ends_at > clock_timestamp() - interval '2 days'
          AND CASE bi.kind WHEN 'stay' THEN l.today IN (l.begins, l.ends) ELSE l.today BETWEEN l.begins AND l.ends END
        ORDER BY bi.starts_at, b.id LIMIT $2
        """,
        venue_ids,
        at_most,
    )


async def house_tonight(db: Db, venue_ids: Sequence[int]) -> list[House]:
    """Count, for each room type sold by the night, the rooms that are taken tonight."""
    return await many(
        db,
        House,
        """
        SELECT t.venue_id, t.name AS title, n.begins AS starts_at, n.ends AS ends_at,
               CASE WHEN t.sold_as = 'pool' THEN coalesce(p.total, t.total_rooms) ELSE t.total_rooms END AS total,
               CASE WHEN t.sold_as = 'pool' THEN coalesce(p.taken - p.held, 0) ELSE (
                   SELECT count(DISTINCT r.id) FROM rooms AS r JOIN claims AS c ON c.room_id = r.id
                   WHERE r.room_type_id = t.id AND r.deleted_at IS NULL AND c.expires_at IS NULL
                     AND c.busy && tstzrange(n.begins, n.ends)) END AS taken
        FROM room_types AS t
        JOIN venues AS v ON v.id = t.venue_id
        CROSS JOIN LATERAL (SELECT (clock_timestamp() AT TIME ZONE v.timezone)::date AS today) AS l
        CROSS JOIN LATERAL (
            SELECT (l.today + v.check_in_time) AT TIME ZONE v.timezone AS begins,
                   (l.today + 1 + v.check_out_time) AT TIME ZONE v.timezone AS ends
        ) AS n
        LEFT JOIN pool_nights AS p ON p.room_type_id = t.id AND p.night = l.today
        WHERE t.venue_id = ANY ($1::bigint[]) AND t.deleted_at IS NULL AND t.is_active AND t.price_unit = 'night'
        ORDER BY t.venue_id, t.price, t.id
        """,
        venue_ids,
    )
