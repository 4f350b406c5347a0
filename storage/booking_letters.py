"""What guests are told of their bookings: enqueued with the fact, read when the letter is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel

from storage.query import Db, maybe, value


class ToldItem(BaseModel):
    """One item of a booking as its guest is told of it."""

    title: str
    venue: str
    timezone: str
    starts_at: datetime
    ends_at: datetime
    check_in: date | None
    check_out: date | None
    quantity: int
    price: int


class ToldBooking(BaseModel):
    """A booking as its guest is told of it, and where and in which language."""

    full_name: str
    email: str
    phone: str | None
    language: str
    reference: str
    price: int
    currency: str
    cancel_reason: str | None
    items: list[ToldItem]


async def enqueue(db: Db, booking_ids: Sequence[int], facts: Sequence[str]) -> int:
    """Have guests told of facts about their bookings, by the ways they chose; answers how many letters that will be."""
    enqueued: int = await value(db, "SELECT enqueue_booking_letters($1::bigint[], $2::text[])", booking_ids, facts)
    return enqueued


async def to_tell(db: Db, booking_id: int) -> ToldBooking | None:
    """Read what a guest is to be told; None when the person has gone."""
    return await maybe(
        db,
        ToldBooking,
        """
        SELECT u.full_name, u.email::text AS email, CASE WHEN u.phone_verified_at IS NOT NULL THEN u.phone END AS phone,
               u.language, b.reference, b.price, b.currency, b.cancel_reason,
               (SELECT coalesce(jsonb_agg(jsonb_build_object(
                           'title', i.title, 'venue', v.name, 'timezone', v.timezone, 'starts_at', i.starts_at,
                           'ends_at', i.ends_at, 'check_in', i.check_in, 'check_out', i.check_out,
                           'quantity', i.quantity, 'price', i.price) ORDER BY i.position), '[]')
                FROM booking_items AS i JOIN venues AS v ON v.id = i.venue_id WHERE i.booking_id = b.id) AS items
        FROM bookings AS b JOIN users AS u ON u.id = b.user_id
        WHERE b.id = $1 AND u.status <> 'deleted'
        """,
        booking_id,
    )
