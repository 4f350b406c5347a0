"""What guests are told of their bookings: enqueued with the fact, read when the letter is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel

from hub.models.bookings import BookingStatus
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

    id: int
    full_name: str
    email: str
    phone: str | None
    language: str
    reference: str
    status: BookingStatus
    price: int
    # What was paid and is neither given back nor to be, and what is given back or on its way.
    paid: int
    given_back: int
    currency: str
    cancel_reason: str | None
    items: list[ToldItem]


class ToldPayment(BaseModel):
    """A payment as its payer is told of it."""

    amount: int
    currency: str


class ToldInstalment(BaseModel):
    """What is to be paid by when, as far as it was not."""

    due_at: datetime
    amount: int
    timezone: str


async def enqueue(db: Db, booking_ids: Sequence[int], facts: Sequence[str]) -> int:
    """Have guests told of facts about their bookings, by the ways they chose; answers how many letters that will be."""
    enqueued: int = await value(db, "SELECT enqueue_booking_letters($1::bigint[], $2::text[])", booking_ids, facts)
    return enqueued


async def enqueue_receipts(db: Db, payment_ids: Sequence[int]) -> int:
    """Have guests told of payments that came in, each once; answers how many letters that will be."""
    enqueued: int = await value(db, "SELECT enqueue_receipts($1::bigint[])", payment_ids)
    return enqueued


async def enqueue_reminders(db: Db, hours: int) -> int:
    """Have guests reminded of what begins within so many hours, each once; answers how many letters that will be."""
    enqueued: int = await value(db, "SELECT enqueue_reminders($1::integer)", hours)
    return enqueued


async def enqueue_instalment(db: Db, booking_id: int, position: int, fact: Literal["due", "missed"]) -> int:
    """Have a guest told that an instalment is due soon or was missed; once, so answers 0 the next time."""
    enqueued: int = await value(
        db, "SELECT enqueue_instalment_letters($1, $2, 'instalment.' || $3::text)", booking_id, position, fact
    )
    return enqueued


async def payment(db: Db, payment_id: int) -> ToldPayment | None:
    """Read a payment as its payer is told of it."""
    return await maybe(db, ToldPayment, "SELECT amount, currency FROM payments WHERE id = $1", payment_id)


async def next_instalment(db: Db, booking_id: int, paid: int) -> ToldInstalment | None:
    """Read the first instalment that was not paid in full, and how much of it is open; None when all are paid."""
    return await maybe(
        db,
        ToldInstalment,
        """
        SELECT s.due_at, least(s.amount, s.until_then - $2)::bigint AS amount, v.timezone
        FROM (
            SELECT i.position, i.due_at, i.amount, sum(i.amount) OVER (ORDER BY i.position) AS until_then
            FROM instalments AS i WHERE i.booking_id = $1
        ) AS s
        CROSS JOIN LATERAL (
            SELECT w.timezone FROM booking_items AS bi JOIN venues AS w ON w.id = bi.venue_id
            WHERE bi.booking_id = $1 ORDER BY bi.position LIMIT 1
        ) AS v
        WHERE s.until_then > $2 ORDER BY s.position LIMIT 1
        """,
        booking_id,
        paid,
    )


async def to_tell(db: Db, booking_id: int) -> ToldBooking | None:
    """Read what a guest is to be told; None when the person has gone."""
    return await maybe(
        db,
        ToldBooking,
        """
        SELECT b.id, u.full_name, u.email::text AS email,
               CASE WHEN u.phone_verified_at IS NOT NULL THEN u.phone END AS phone, u.language, b.reference, b.status,
               b.price, b.currency, b.cancel_reason,
               (SELECT coalesce(sum(e.amount), 0)::bigint FROM ledger_entries AS e
                WHERE e.booking_id = b.id AND e.kind IN ('escrow', 'venue', 'fees', 'tax'))
               - (SELECT coalesce(sum(r.amount), 0)::bigint FROM refunds AS r
                  WHERE r.booking_id = b.id AND r.status = 'pending') AS paid,
               (SELECT coalesce(sum(r.amount), 0)::bigint FROM refunds AS r
                WHERE r.booking_id = b.id AND r.status <> 'rejected') AS given_back,
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
