"""Bookings and their items: found, locked, changed, and read as the one document everybody gets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from hub.models.bookings import Booking, BookingChange, BookingStatus
from storage.claims import Claim, as_asks
from storage.query import Db, column, many, maybe, one, run, value


class BookingRow(BaseModel):
    """What a rule must know of a booking; `at` is the database's clock, which also judges `has_expired`."""

    id: int
    user_id: int
    booked_by: int
    status: BookingStatus
    currency: str
    expires_at: datetime | None
    hold_ends_at: datetime | None
    at: datetime
    has_expired: bool
    starts_at: datetime
    # Whoever has checked in has begun, whatever the hour.
    has_begun: bool
    checked_in: bool
    venue_ids: list[int]
    price: int
    needs_payment: bool
    hold_seconds: int


async def find(db: Db, booking_id: int) -> BookingRow | None:
    """Find a booking without locking it."""
    return await maybe(
        db,
        BookingRow,
        """
        SELECT b.id, b.user_id, b.booked_by, b.status, b.currency, b.expires_at, b.hold_ends_at,
               clock_timestamp() AS at, coalesce(b.expires_at <= clock_timestamp(), false) AS has_expired,
               i.starts_at, i.starts_at <= clock_timestamp() OR i.checked_in AS has_begun, i.checked_in, i.venue_ids,
               b.price, i.by_payment AND b.price > 0 AS needs_payment, i.hold_seconds
        FROM bookings AS b
        CROSS JOIN LATERAL (
            SELECT coalesce(min(bi.starts_at) FILTER (WHERE bi.kind <> 'fee'), min(bi.starts_at)) AS starts_at,
                   array_agg(DISTINCT bi.venue_id) AS venue_ids,
                   EXISTS (SELECT FROM check_ins AS c WHERE c.booking_id = b.id) AS checked_in,
                   bool_or(v.confirmation = 'payment') AS by_payment, min(v.hold_seconds) AS hold_seconds
            FROM booking_items AS bi JOIN venues AS v ON v.id = bi.venue_id WHERE bi.booking_id = b.id
        ) AS i
        WHERE b.id = $1 AND i.starts_at IS NOT NULL
        """,
        booking_id,
    )


async def lock(db: Db, booking_id: int, also: Sequence[Claim] = ()) -> BookingRow | None:
    """Lock a booking with all it claims (and what else is about to be claimed for it), then read it."""
    await run(db, "SELECT lock_bookings(ARRAY[$1::bigint], $2::claim_ask[])", booking_id, as_asks(also))
    return await find(db, booking_id)


async def lock_live_of_session(db: Db, session_id: int) -> list[int]:
    """Lock the live bookings that have places in a session; answers their ids."""
    ids = await column(
        db,
        """
        SELECT DISTINCT b.id FROM booking_items AS i JOIN bookings AS b ON b.id = i.booking_id
        WHERE i.session_id = $1 AND b.status IN ('held', 'pending', 'confirmed') ORDER BY b.id
        """,
        session_id,
    )
    await run(db, "SELECT lock_bookings($1::bigint[])", ids)
    return await column(
        db,
        """
        SELECT id FROM bookings WHERE id = ANY ($1::bigint[]) AND status IN ('held', 'pending', 'confirmed') ORDER BY id
        """,
        ids,
    )


async def document(db: Db, booking_id: int, venue_id: int | None = None) -> Booking | None:
    """Read a booking as everybody reads it; with a venue, only that venue's part."""
    found = await documents(db, [booking_id], venue_id)
    return found[0] if found else None


async def documents(db: Db, booking_ids: Sequence[int], venue_id: int | None = None) -> list[Booking]:
    """Read bookings in the order of the ids given; one that has no item at the venue is left out."""
    texts = await column(
        db,
        """
        SELECT d.document FROM unnest($1::bigint[]) WITH ORDINALITY AS wanted (id, place)
        JOIN booking_documents($1::bigint[], $2::bigint) AS d ON d.booking_id = wanted.id
        WHERE d.document ->> 'price' IS NOT NULL ORDER BY wanted.place
        """,
        booking_ids,
        venue_id,
    )
    return [Booking.model_validate_json(text) for text in texts]


async def desks_of_guest(db: Db, user_id: int) -> list[int]:
    """List the venues whose desk works with a booking of this person: live, or changed within a day."""
    return await column(
        db,
        """
        SELECT DISTINCT i.venue_id FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id
        WHERE b.user_id = $1 AND (b.status IN ('held', 'pending', 'confirmed')
                                  OR b.updated_at > clock_timestamp() - interval '24 hours')
        ORDER BY i.venue_id
        """,
        user_id,
    )


async def is_known_at(db: Db, user_id: int, venue_ids: Sequence[int]) -> bool:
    """Tell whether one of these venues knows a person already: as a guest it had, its owner or its staff."""
    found: bool = await value(
        db,
        """
        SELECT EXISTS (SELECT FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id
                       WHERE b.user_id = $1 AND i.venue_id = ANY ($2::bigint[]))
            OR EXISTS (SELECT FROM venues AS v WHERE v.id = ANY ($2) AND v.owner_id = $1)
            OR EXISTS (SELECT FROM venue_staff AS s WHERE s.venue_id = ANY ($2) AND s.user_id = $1)
        """,
        user_id,
        venue_ids,
    )
    return found


async def confirm(db: Db, booking_id: int) -> None:
    """Make a booking firm."""
    await run(
        db,
        """
        UPDATE bookings SET status = 'confirmed', expires_at = NULL, confirmed_at = clock_timestamp(),
               updated_at = clock_timestamp()
        WHERE id = $1
        """,
        booking_id,
    )


async def wait_until(db: Db, booking_id: int, status: BookingStatus, until: datetime) -> None:
    """Let a booking wait, held or pending, until then."""
    await run(
        db,
        "UPDATE bookings SET status = $2, expires_at = $3, updated_at = clock_timestamp() WHERE id = $1",
        booking_id,
        status,
        until,
    )


async def cancel(db: Db, booking_ids: Sequence[int], reason: str, reason_code: str) -> None:
    """Mark bookings cancelled."""
    await run(
        db,
        """
        UPDATE bookings SET status = 'cancelled', expires_at = NULL, cancelled_at = clock_timestamp(),
               cancel_reason = $2, cancel_reason_code = $3, updated_at = clock_timestamp()
        WHERE id = ANY ($1::bigint[])
        """,
        booking_ids,
        reason,
        reason_code,
    )


async def complete(db: Db, booking_id: int) -> None:
    """Mark a booking completed."""
    await run(
        db,
        """
        UPDATE bookings SET status = 'completed', completed_at = clock_timestamp(), updated_at = clock_timestamp()
        WHERE id = $1
        """,
        booking_id,
    )


async def no_show(db: Db, booking_id: int) -> None:
    """Mark that the guests did not come."""
    await run(
        db,
        """
        UPDATE bookings SET status = 'no_show', no_show_at = clock_timestamp(), updated_at = clock_timestamp()
        WHERE id = $1
        """,
        booking_id,
    )


async def remove_items(db: Db, booking_id: int, item_ids: Sequence[int]) -> None:
    """Take items out of a basket; its price is what remains."""
    await run(db, "DELETE FROM booking_items WHERE booking_id = $1 AND id = ANY ($2::bigint[])", booking_id, item_ids)
    await run(
        db,
        """
        UPDATE bookings SET updated_at = clock_timestamp(),
               price = (SELECT coalesce(sum(i.price), 0) FROM booking_items AS i WHERE i.booking_id = bookings.id)
        WHERE id = $1
        """,
        booking_id,
    )


async def new_item_ids(db: Db, count: int) -> list[int]:
    """Reserve ids for items that are about to be claimed."""
    return await column(db, "SELECT nextval('booking_items_id_seq') FROM generate_series(1, $1::integer)", count)


async def replace_items(db: Db, booking_id: int, items: str) -> None:
    """Put a new basket, JSON as in place_bookings() with an `id` each, in place of a booking's items.

    Fees stay, and end with what is there then.
    """
    await run(db, "DELETE FROM booking_items WHERE booking_id = $1 AND kind <> 'fee'", booking_id)
    await run(
        db,
        """
        INSERT INTO booking_items (id, booking_id, position, kind, venue_id, room_type_id, room_id, session_id,
                                   addon_id, title, starts_at, ends_at, check_in, check_out, busy, guests, quantity,
                                   unit_price, price, currency)
        SELECT i.id, $1, i.place, i.kind, i.venue_id, i.room_type_id, i.room_id, i.session_id, i.addon_id, i.title,
               i.starts_at, i.ends_at, i.check_in, i.check_out,
               CASE WHEN i.room_id IS NOT NULL THEN tstzrange(i.busy_from, i.busy_until) END, i.guests, i.quantity,
               i.unit_price, i.price, i.currency
        FROM ROWS FROM (json_to_recordset($2::json) AS (
            id bigint, kind text, venue_id bigint, room_type_id bigint, room_id bigint, session_id bigint,
            addon_id bigint, title text, starts_at timestamptz, ends_at timestamptz, busy_from timestamptz,
            busy_until timestamptz, check_in date, check_out date, guests integer, quantity integer,
            unit_price bigint, price bigint, currency text))
            WITH ORDINALITY AS i (
            id, kind, venue_id, room_type_id, room_id, session_id, addon_id, title, starts_at, ends_at, busy_from,
            busy_until, check_in, check_out, guests, quantity, unit_price, price, currency, place)
        """,
        booking_id,
        items,
    )
    await run(
        db,
        """
        UPDATE booking_items AS f SET starts_at = i.starts_at, ends_at = i.ends_at
        FROM (
            SELECT bi.starts_at, bi.ends_at FROM booking_items AS bi WHERE bi.booking_id = $1 AND bi.kind <> 'fee'
            ORDER BY bi.ends_at DESC LIMIT 1
        ) AS i
        WHERE f.booking_id = $1 AND f.kind = 'fee'
        """,
        booking_id,
    )
    await run(
        db,
        """
        UPDATE bookings SET updated_at = clock_timestamp(),
               price = (SELECT sum(i.price) FROM booking_items AS i WHERE i.booking_id = bookings.id)
        WHERE id = $1
        """,
        booking_id,
    )


async def record_change(db: Db, booking_id: int, changed_by: int, reason: str, before: Any, after: Any) -> None:
    """Write an entry of the reschedule history."""
    await run(
        db,
        "INSERT INTO booking_changes (booking_id, changed_by, reason, before, after) VALUES ($1, $2, $3, $4, $5)",
        booking_id,
        changed_by,
        reason,
        before,
        after,
    )


async def changes(db: Db, booking_id: int) -> list[BookingChange]:
    """Read the reschedule history, oldest first."""
    return await many(
        db,
        BookingChange,
        """
        SELECT id, booking_id, changed_by, reason, before, after, created_at
        FROM booking_changes WHERE booking_id = $1 ORDER BY id
        """,
        booking_id,
    )


class Listed(BaseModel):
    """The ids of one page, and how many there are on all."""

    ids: list[int]
    total: int


async def listed(
    db: Db,
    own_user_id: int | None,
    desk_ids: Sequence[int] | None,
    venue_id: int | None,
    session_id: int | None,
    room_id: int | None,
    user_id: int | None,
    status: str | None,
    ends_after: datetime | None,
    starts_before: datetime | None,
    part: str | None,
    sort: str,
    limit: int,
    offset: int,
) -> Listed:
    """List bookings of a person or with items at one of these desks; both None means all."""
    return await one(
        db,
        Listed,
        """
        WITH found AS (
            SELECT b.id, coalesce(min(i.starts_at) FILTER (WHERE i.kind <> 'fee'), min(i.starts_at)) AS starts_at
            FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id JOIN users AS u ON u.id = b.user_id
            WHERE ($1::bigint IS NULL OR b.user_id = $1)
              AND ($2::bigint[] IS NULL OR i.venue_id = ANY ($2))
              AND ($3::bigint IS NULL OR i.venue_id = $3)
              AND ($4::bigint IS NULL OR i.session_id = $4)
              AND ($5::bigint IS NULL OR i.room_id = $5)
              AND ($6::bigint IS NULL OR b.user_id = $6)
              AND ($7::text IS NULL
                   OR $7 = CASE WHEN b.expires_at <= clock_timestamp() THEN 'expired' ELSE b.status END)
              AND ($8::timestamptz IS NULL OR i.ends_at > $8)
              AND ($9::timestamptz IS NULL OR i.starts_at < $9)
              AND ($10::text IS NULL OR strpos(lower(u.full_name), lower($10)) > 0
                   OR strpos(lower(u.email::text), lower($10)) > 0 OR b.reference = upper($10))
            GROUP BY b.id
        ), page AS (
            SELECT f.id, row_number() OVER (ORDER BY CASE WHEN $11 = 'starts_at' THEN f.starts_at END,
                       CASE WHEN $11 = 'oldest' THEN f.id END, f.id DESC) AS place
            FROM found AS f ORDER BY place LIMIT $12 OFFSET $13
        )
        SELECT coalesce((SELECT array_agg(p.id ORDER BY p.place) FROM page AS p), '{}') AS ids,
               (SELECT count(*) FROM found) AS total
        """,
        own_user_id,
        desk_ids,
        venue_id,
        session_id,
        room_id,
        user_id,
        status,
        ends_after,
        starts_before,
        part,
        sort,
        limit,
        offset,
    )
