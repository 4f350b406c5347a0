"""Receipts and invoices: what they tell is read, and what was issued is kept under a number."""

from __future__ import annotations

from pydantic import BaseModel

from hub.models.bookings import BookingStatus
from hub.models.paper import Content, Flow, Paper, PaperKind, Seller, Sold, TaxShare
from storage.query import Db, many, maybe, run, value


class Sheet(BaseModel):
    """A booking as one of its venues writes it on paper: what was sold, what was agreed of taxes, what was paid."""

    guest: str
    language: str
    reference: str
    status: BookingStatus
    currency: str
    seller: Seller
    items: list[Sold]
    # What the frozen quote says of this venue: what it came to then, and the taxes in it.
    quoted: int
    taxes: list[TaxShare]
    bonus: list[str]
    flows: list[Flow]


async def sheet(db: Db, booking_id: int, venue_id: int) -> Sheet | None:
    """Read what a venue's papers about a booking tell; None where it has nothing of it."""
    return await maybe(
        db,
        Sheet,
        """
        SELECT coalesce(nullif(b.guest_details ->> 'full_name', ''), u.full_name) AS guest, u.language, b.reference,
               CASE WHEN b.expires_at <= clock_timestamp() THEN 'expired' ELSE b.status END AS status, b.currency,
               jsonb_build_object(
                   'name', v.name, 'phone', v.contact_phone, 'email', v.contact_email, 'timezone', v.timezone,
                   'address', concat_ws(', ', nullif(v.address, ''), nullif(v.city, ''), nullif(v.province, ''),
                             nullif(v.country, ''))) AS seller,
               (SELECT coalesce(jsonb_agg(jsonb_build_object(
                           'title', i.title, 'kind', i.kind, 'starts_at', i.starts_at, 'ends_at', i.ends_at,
                           'check_in', i.check_in, 'check_out', i.check_out, 'quantity', i.quantity, 'price', i.price)
                           ORDER BY i.position), '[]')
                FROM booking_items AS i WHERE i.booking_id = b.id AND i.venue_id = v.id) AS items,
               coalesce(q.quoted, 0) AS quoted, coalesce(q.taxes, '[]') AS taxes,
               (SELECT coalesce(jsonb_agg(s.service), '[]')
                FROM frozen_quotes AS f
                CROSS JOIN LATERAL jsonb_array_elements(f.quote -> 'plans') AS p
                CROSS JOIN LATERAL jsonb_array_elements_text(p -> 'bonus') AS s (service)
                WHERE f.id = b.quote_id AND p ->> 'plan' = b.plan) AS bonus,
               (SELECT coalesce(jsonb_agg(jsonb_build_object(
                           'at', f.at, 'kind', f.kind, 'gateway', f.gateway, 'amount', f.amount) ORDER BY f.id), '[]')
                FROM (
                    SELECT t.id, t.at, t.kind, p.gateway, sum(e.amount)::bigint AS amount
                    FROM ledger_entries AS e
                    JOIN ledger_transactions AS t ON t.id = e.transaction_id
                    LEFT JOIN refunds AS r ON r.id = t.refund_id
                    LEFT JOIN payments AS p ON p.id = coalesce(t.payment_id, r.payment_id)
                    WHERE e.booking_id = b.id AND e.venue_id = v.id AND e.kind IN ('escrow', 'venue', 'fees', 'tax')
                    -- what is only passed on, from escrow to the venue, adds up to nothing
                    GROUP BY t.id, t.at, t.kind, p.gateway HAVING sum(e.amount) <> 0
                ) AS f) AS flows
        FROM bookings AS b
        JOIN users AS u ON u.id = b.user_id
        JOIN venues AS v ON v.id = $2
        LEFT JOIN LATERAL (
            SELECT sum((l ->> 'amount')::bigint) FILTER (WHERE NOT (l ->> 'included')::boolean)::bigint AS quoted,
                   jsonb_agg(jsonb_build_object('name', l ->> 'title', 'amount', (l ->> 'amount')::bigint))
                       FILTER (WHERE l ->> 'kind' = 'tax') AS taxes
            FROM frozen_quotes AS f CROSS JOIN LATERAL jsonb_array_elements(f.quote -> 'lines') AS l
            WHERE f.id = b.quote_id AND (l ->> 'venue_id')::bigint = v.id
        ) AS q ON true
        WHERE b.id = $1 AND EXISTS (SELECT FROM booking_items AS i WHERE i.booking_id = b.id AND i.venue_id = v.id)
        """,
        booking_id,
        venue_id,
    )


async def lock_numbers(db: Db, venue_id: int, kind: PaperKind) -> None:
    """Let nobody else number a paper of this kind at this venue until commit."""
    await run(
        db,
        "INSERT INTO paper_numbers (venue_id, kind) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        venue_id,
        kind,
    )
    await run(db, "SELECT 1 FROM paper_numbers WHERE venue_id = $1 AND kind = $2 FOR UPDATE", venue_id, kind)


async def newest(db: Db, booking_id: int, venue_id: int, kind: PaperKind) -> Paper | None:
    """Read the paper that was issued last; those before it were replaced."""
    return await maybe(
        db,
        Paper,
        """
        SELECT venue_id, kind, number, booking_id, replaces, guest, content, issued_at FROM papers
        WHERE booking_id = $1 AND venue_id = $2 AND kind = $3 ORDER BY number DESC LIMIT 1
        """,
        booking_id,
        venue_id,
        kind,
    )


async def of_person(db: Db, user_id: int) -> list[Paper]:
    """List all papers that were issued to a person, the oldest first."""
    return await many(
        db,
        Paper,
        """
        SELECT p.venue_id, p.kind, p.number, p.booking_id, p.replaces, p.guest, p.content, p.issued_at
        FROM papers AS p JOIN bookings AS b ON b.id = p.booking_id WHERE b.user_id = $1 ORDER BY p.id
        """,
        user_id,
    )


async def issue(
    db: Db, booking_id: int, venue_id: int, kind: PaperKind, replaces: int | None, guest: str, content: Content
) -> int:
    """Keep a paper under the next number of its venue and kind, which is locked; answers the number."""
    number: int = await value(
        db,
        """
        WITH numbered AS (
            UPDATE paper_numbers SET last = last + 1 WHERE venue_id = $2 AND kind = $3 RETURNING last
        )
        INSERT INTO papers (booking_id, venue_id, kind, number, replaces, guest, content)
        SELECT $1, $2, $3, n.last, $4, $5, $6 FROM numbered AS n RETURNING number
        """,
        booking_id,
        venue_id,
        kind,
        replaces,
        guest,
        content.model_dump(mode="json"),
    )
    return number


async def forget_guest(db: Db, user_id: int, name: str) -> None:
    """Put another name on all papers of a person who is erased; the numbers and sums stay in the books."""
    await run(
        db,
        """
        UPDATE papers AS p SET guest = $2 FROM bookings AS b WHERE b.id = p.booking_id AND b.user_id = $1
        """,
        user_id,
        name,
    )
