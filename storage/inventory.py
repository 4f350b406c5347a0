"""What stands in the way of changing what a venue offers: locks, live bookings, sessions in its rooms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel

from storage.query import Db, many, run


class BookingInTheWay(BaseModel):
    """A live booking that keeps something from being changed."""

    id: int
    reference: str
    status: str
    starts_at: datetime


class SessionInTheWay(BaseModel):
    """A session that keeps its room from being closed or deleted."""

    id: int
    title: str
    starts_at: datetime


async def lock(db: Db, room_ids: Sequence[int], room_type_ids: Sequence[int], from_night: date) -> None:
    """Let nobody claim these rooms or these types' nights until commit, neither those counted already nor new ones.

    What has expired on them is forgotten on the way.
    """
    await run(db, "SELECT 1 FROM rooms WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE", room_ids)
    await run(db, "SELECT 1 FROM room_types WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE", room_type_ids)
    await run(
        db,
        """
        SELECT 1 FROM pool_nights WHERE room_type_id = ANY ($1::bigint[]) AND night >= $2
        ORDER BY room_type_id, night FOR NO KEY UPDATE
        """,
        room_type_ids,
        from_night,
    )
    await run(
        db,
        """
        SELECT forget_expired(ARRAY(
            SELECT ROW(1, 1, NULL, NULL, NULL, NULL, NULL, NULL, p.room_type_id, p.night, NULL, 1, NULL)::claim_ask
            FROM pool_nights AS p WHERE p.room_type_id = ANY ($1::bigint[]) AND p.night >= $2 AND p.held > 0))
        """,
        room_type_ids,
        from_night,
    )


async def lock_places(db: Db, venue_id: int) -> None:
    """Let nobody claim places in this venue's sessions until commit."""
    await run(
        db,
        """
        SELECT 1 FROM session_places
        WHERE session_id IN (SELECT s.id FROM sessions AS s
                             WHERE s.venue_id = $1 AND s.deleted_at IS NULL AND s.ends_at > clock_timestamp())
        ORDER BY session_id FOR NO KEY UPDATE
        """,
        venue_id,
    )


async def bookings_of_venue(
    db: Db, venue_id: int, begin: datetime | None = None, end: datetime | None = None
) -> list[BookingInTheWay]:
    """List the live bookings of a venue that are not over, within a time if one is named."""
    return await many(
        db,
        BookingInTheWay,
        """
        SELECT b.id, b.reference, b.status, min(i.starts_at) AS starts_at
        FROM booking_items AS i JOIN bookings AS b ON b.id = i.booking_id
        WHERE i.venue_id = $1 AND i.kind <> 'fee' AND i.ends_at > clock_timestamp()
          AND coalesce(i.busy, tstzrange(i.starts_at, i.ends_at)) && tstzrange($2::timestamptz, $3::timestamptz)
          AND b.status IN ('held', 'pending', 'confirmed')
          AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp())
        GROUP BY b.id ORDER BY min(i.starts_at), b.id LIMIT 100
        """,
        venue_id,
        begin,
        end,
    )


async def bookings_of_rooms(
    db: Db, venue_id: int, room_ids: Sequence[int], begin: datetime | None = None, end: datetime | None = None
) -> list[BookingInTheWay]:
    """List the live bookings of these rooms that are not over, within a time if one is named."""
    return await many(
        db,
        BookingInTheWay,
        """
        SELECT b.id, b.reference, b.status, min(i.starts_at) AS starts_at
        FROM booking_items AS i JOIN bookings AS b ON b.id = i.booking_id
        WHERE i.venue_id = $1 AND i.room_id = ANY ($2::bigint[]) AND i.ends_at > clock_timestamp()
          AND coalesce(i.busy, tstzrange(i.starts_at, i.ends_at)) && tstzrange($3::timestamptz, $4::timestamptz)
          AND b.status IN ('held', 'pending', 'confirmed')
          AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp())
        GROUP BY b.id ORDER BY min(i.starts_at), b.id LIMIT 100
        """,
        venue_id,
        room_ids,
        begin,
        end,
    )


async def bookings_of_nights(
    db: Db, venue_id: int, room_type_ids: Sequence[int], nights: Sequence[date] | None = None
) -> list[BookingInTheWay]:
    """List the live bookings of these pools that are not over, on these nights if any are named."""
    return await many(
        db,
        BookingInTheWay,
        """
        SELECT b.id, b.reference, b.status, min(i.starts_at) AS starts_at
        FROM booking_items AS i JOIN bookings AS b ON b.id = i.booking_id
        WHERE i.venue_id = $1 AND i.room_type_id = ANY ($2::bigint[]) AND i.ends_at > clock_timestamp()
          AND i.check_in IS NOT NULL
          AND ($3::date[] IS NULL
               OR EXISTS (SELECT 1 FROM unnest($3) AS n WHERE i.check_in <= n AND n < i.check_out))
          AND b.status IN ('held', 'pending', 'confirmed')
          AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp())
        GROUP BY b.id ORDER BY min(i.starts_at), b.id LIMIT 100
        """,
        venue_id,
        room_type_ids,
        nights,
    )


async def bookings_of_session(db: Db, session_id: int) -> list[BookingInTheWay]:
    """List the live bookings of a session that is not over."""
    return await many(
        db,
        BookingInTheWay,
        """
        SELECT b.id, b.reference, b.status, min(i.starts_at) AS starts_at
        FROM booking_items AS i JOIN bookings AS b ON b.id = i.booking_id
        WHERE i.session_id = $1 AND i.ends_at > clock_timestamp()
          AND b.status IN ('held', 'pending', 'confirmed')
          AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp())
        GROUP BY b.id ORDER BY min(i.starts_at), b.id LIMIT 100
        """,
        session_id,
    )


async def sessions_in_rooms(
    db: Db, room_ids: Sequence[int], begin: datetime | None = None, end: datetime | None = None
) -> list[SessionInTheWay]:
    """List the sessions that occupy these rooms and are not over, within a time if one is named."""
    return await many(
        db,
        SessionInTheWay,
        """
        SELECT s.id, s.title, s.starts_at
        FROM claims AS c JOIN sessions AS s ON s.id = c.session_id
        WHERE c.room_id = ANY ($1::bigint[]) AND upper(c.busy) > clock_timestamp()
          AND c.busy && tstzrange($2::timestamptz, $3::timestamptz)
        ORDER BY s.starts_at, s.id LIMIT 100
        """,
        room_ids,
        begin,
        end,
    )


async def sessions_of_venue(db: Db, venue_id: int, begin: datetime, end: datetime) -> list[SessionInTheWay]:
    """List the sessions of a venue that take place within a time and are not over."""
    return await many(
        db,
        SessionInTheWay,
        """
        SELECT id, title, starts_at FROM sessions
        WHERE venue_id = $1 AND deleted_at IS NULL AND status = 'active' AND ends_at > clock_timestamp()
          AND starts_at < $3 AND ends_at > $2
        ORDER BY starts_at, id LIMIT 100
        """,
        venue_id,
        begin,
        end,
    )
