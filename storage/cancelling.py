"""Taking some of a booking back: fewer of an item, what is kept for it, and instalments that follow."""

from __future__ import annotations

from collections.abc import Sequence

from storage.query import Db, column, run


async def positions(db: Db, booking_id: int) -> dict[int, int]:
    """Read at which place of the basket each item of a booking was, counted from 1."""
    rows = await db.fetch("SELECT id, position FROM booking_items WHERE booking_id = $1", booking_id)
    return {row["id"]: row["position"] for row in rows}


async def places_in_session(db: Db, booking_id: int, session_id: int) -> list[int]:
    """Read at which places of the basket, counted from 1, a booking has places in a session."""
    return await column(
        db, "SELECT position FROM booking_items WHERE booking_id = $1 AND session_id = $2", booking_id, session_id
    )


async def reduce_claims(db: Db, booking_id: int, item_id: int, by: int) -> None:
    """Give back some of what an item of a locked booking has claimed."""
    await run(db, "SELECT reduce_claims($1, $2, $3)", booking_id, item_id, by)


async def reduce_item(db: Db, item_id: int, quantity: int, guests: int, price: int) -> None:
    """Leave so much of an item; the booking's price is set by `sum_up`."""
    await run(
        db,
        "UPDATE booking_items SET quantity = $2, guests = $3, price = $4 WHERE id = $1",
        item_id,
        quantity,
        guests,
        price,
    )


async def keep(db: Db, booking_id: int, venue_id: int, amount: int) -> None:
    """Keep an amount for a venue as a fee, an item behind all others that takes nothing and ends with what is left."""
    changed = await run(
        db,
        """
        UPDATE booking_items SET price = price + $3, unit_price = unit_price + $3
        WHERE booking_id = $1 AND venue_id = $2 AND kind = 'fee'
        """,
        booking_id,
        venue_id,
        amount,
    )
    if changed:
        return
    await run(
        db,
        """
        INSERT INTO booking_items (booking_id, position, kind, venue_id, title, starts_at, ends_at, guests, quantity,
                                   unit_price, price, currency)
        SELECT $1, 10000, 'fee', v.id, v.name || ': cancellation fee', i.starts_at, i.ends_at, 0, 1, $3, $3,
               i.currency
        FROM venues AS v CROSS JOIN LATERAL (
            SELECT bi.starts_at, bi.ends_at, bi.currency FROM booking_items AS bi WHERE bi.booking_id = $1
            ORDER BY bi.venue_id = v.id DESC, bi.ends_at DESC LIMIT 1
        ) AS i
        WHERE v.id = $2
        """,
        booking_id,
        venue_id,
        amount,
    )


async def sum_up(db: Db, booking_id: int) -> None:
    """Set a booking's price to the sum of its items."""
    await run(
        db,
        """
        UPDATE bookings SET updated_at = clock_timestamp(),
               price = (SELECT coalesce(sum(i.price), 0) FROM booking_items AS i WHERE i.booking_id = bookings.id)
        WHERE id = $1
        """,
        booking_id,
    )


async def agree(db: Db, booking_id: int, quote_id: int) -> None:
    """Note what is agreed with a booking from now on; the plan that it is paid by stays chosen."""
    await run(db, "UPDATE bookings SET quote_id = $2 WHERE id = $1", booking_id, quote_id)


async def forget_instalments(db: Db, booking_id: int) -> None:
    """Forget when how much of a booking is due: all that is open is due now."""
    await run(db, "DELETE FROM instalments WHERE booking_id = $1", booking_id)


async def price_and_fees(db: Db, booking_id: int) -> tuple[int, int]:
    """Sum up what the items of a booking cost, and what of that are fees; minor units."""
    row = await db.fetchrow(
        """
        SELECT coalesce(sum(price), 0)::bigint AS price,
               coalesce(sum(price) FILTER (WHERE kind = 'fee'), 0)::bigint AS fees
        FROM booking_items WHERE booking_id = $1
        """,
        booking_id,
    )
    assert row is not None
    return row["price"], row["fees"]


async def prices(db: Db, booking_id: int) -> dict[int, int]:
    """Sum up what the items of a booking cost, venue by venue; minor units."""
    rows = await db.fetch(
        "SELECT venue_id, sum(price)::bigint AS price FROM booking_items WHERE booking_id = $1 GROUP BY venue_id",
        booking_id,
    )
    return {row["venue_id"]: row["price"] for row in rows}


async def lay_instalments(db: Db, booking_id: int, positions: Sequence[int], amounts: Sequence[int]) -> None:
    """Set what the instalments of a booking come to."""
    await run(
        db,
        """
        UPDATE instalments AS i SET amount = n.amount
        FROM unnest($2::smallint[], $3::bigint[]) AS n (position, amount)
        WHERE i.booking_id = $1 AND i.position = n.position AND i.amount <> n.amount
        """,
        booking_id,
        positions,
        amounts,
    )


async def with_money(db: Db, booking_ids: Sequence[int]) -> list[int]:
    """Say for which of these bookings something was paid and not given back."""
    return await column(
        db,
        """
        SELECT e.booking_id FROM ledger_entries AS e
        WHERE e.booking_id = ANY ($1::bigint[]) AND e.kind IN ('escrow', 'venue', 'fees', 'tax')
        GROUP BY e.booking_id HAVING sum(e.amount) > 0 ORDER BY e.booking_id
        """,
        booking_ids,
    )
