"""Calendars: what they show of bookings, and the secret addresses at which they are found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from hub.models.bookings import BookingStatus
from hub.models.calendars import CalendarFeed
from storage.query import Db, column, many, maybe, one, run, value


class Entry(BaseModel):
    """One item of a booking as calendars show it."""

    uid: UUID
    position: int
    sequence: int
    booking_id: int
    reference: str
    status: BookingStatus
    kind: Literal["stay", "slot", "place"]
    title: str
    quantity: int
    starts_at: datetime
    ends_at: datetime
    check_in: date | None
    check_out: date | None
    venue: str
    address: str
    timezone: str
    updated_at: datetime


async def draw_uids(db: Db, booking_ids: Sequence[int]) -> None:
    """Draw, for those that have none yet, what calendars will know these bookings by, and note what they are shown."""
    await run(
        db,
        """
        INSERT INTO calendar_uids AS c (booking_id, shown)
        SELECT i.booking_id, array_agg(i.position ORDER BY i.position) FROM booking_items AS i
        WHERE i.booking_id = ANY ($1::bigint[]) AND i.kind NOT IN ('addon', 'fee')
        GROUP BY i.booking_id ORDER BY i.booking_id
        ON CONFLICT (booking_id) DO UPDATE
        SET shown = ARRAY(SELECT DISTINCT s.place FROM unnest(c.shown || excluded.shown) AS s (place) ORDER BY s.place)
        WHERE NOT c.shown @> excluded.shown
        """,
        booking_ids,
    )


async def gone(db: Db, booking_id: int) -> list[int]:
    """List the places in the basket that calendars have been shown, and where there is nothing any more."""
    return await column(
        db,
        """
        SELECT s.place FROM calendar_uids AS c CROSS JOIN LATERAL unnest(c.shown) AS s (place)
        WHERE c.booking_id = $1 AND NOT EXISTS (
            SELECT FROM booking_items AS i
            WHERE i.booking_id = c.booking_id AND i.position = s.place AND i.kind NOT IN ('addon', 'fee'))
        ORDER BY s.place
        """,
        booking_id,
    )


async def entries(db: Db, booking_ids: Sequence[int], venue_id: int | None) -> list[Entry]:
    """Read what calendars show of bookings that have their uid; with a venue, only of that venue's part."""
    return await many(
        db,
        Entry,
        """
        SELECT c.uid, i.position,
               (SELECT count(*) FROM booking_changes AS m WHERE m.booking_id = b.id)
                   + (b.status NOT IN ('held', 'pending', 'confirmed'))::integer AS sequence,
               b.id AS booking_id, b.reference,
               CASE WHEN b.expires_at <= clock_timestamp() THEN 'expired' ELSE b.status END AS status,
               i.kind, i.title, i.quantity, i.starts_at, i.ends_at, i.check_in, i.check_out, v.name AS venue,
               concat_ws(', ', nullif(v.address, ''), nullif(v.city, ''), nullif(v.province, ''),
                         nullif(v.country, '')) AS address,
               v.timezone, b.updated_at
        FROM bookings AS b
        JOIN calendar_uids AS c ON c.booking_id = b.id
        JOIN booking_items AS i ON i.booking_id = b.id
        JOIN venues AS v ON v.id = i.venue_id
        WHERE b.id = ANY ($1::bigint[]) AND i.kind NOT IN ('addon', 'fee') AND ($2::bigint IS NULL OR i.venue_id = $2)
        ORDER BY i.starts_at, b.id, i.position
        """,
        booking_ids,
        venue_id,
    )


async def firm(db: Db, user_id: int, days: int, at_most: int) -> list[int]:
    """List the bookings of a person that are to take place, or have ended within so many days."""
    return await column(
        db,
        """
        SELECT b.id FROM bookings AS b
        WHERE b.user_id = $1 AND b.status IN ('pending', 'confirmed', 'completed')
          AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp())
          AND EXISTS (SELECT FROM booking_items AS i
                      WHERE i.booking_id = b.id AND i.kind <> 'fee'
                        AND i.ends_at > clock_timestamp() - $2 * interval '1 day')
        ORDER BY b.id DESC LIMIT $3
        """,
        user_id,
        days,
        at_most,
    )


async def feed(db: Db, user_id: int) -> CalendarFeed | None:
    """Tell whether somebody has such an address."""
    return await maybe(
        db,
        CalendarFeed,
        "SELECT true AS is_on, created_at FROM calendar_feeds WHERE user_id = $1",
        user_id,
    )


async def lock_feed(db: Db, user_id: int) -> CalendarFeed | None:
    """Tell whether somebody has such an address, and let nobody else change that until commit."""
    return await maybe(
        db,
        CalendarFeed,
        "SELECT true AS is_on, created_at FROM calendar_feeds WHERE user_id = $1 FOR UPDATE",
        user_id,
    )


async def open_feed(db: Db, user_id: int, secret_hash: bytes) -> CalendarFeed:
    """Put a new address in place of the old one."""
    return await one(
        db,
        CalendarFeed,
        """
        INSERT INTO calendar_feeds (user_id, hash) VALUES ($1, $2)
        ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, created_at = clock_timestamp()
        RETURNING true AS is_on, created_at
        """,
        user_id,
        secret_hash,
    )


async def end_feed(db: Db, user_id: int) -> None:
    """Forget somebody's address."""
    await run(db, "DELETE FROM calendar_feeds WHERE user_id = $1", user_id)


async def whose(db: Db, secret_hash: bytes) -> int | None:
    """Tell whose address this is, as long as their account is in use."""
    found: int | None = await value(
        db,
        """
        SELECT f.user_id FROM calendar_feeds AS f JOIN users AS u ON u.id = f.user_id
        WHERE f.hash = $1 AND u.status = 'active'
        """,
        secret_hash,
    )
    return found
