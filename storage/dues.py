"""What was agreed with a booking, and when how much of it is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from hub.models.quotes import FrozenQuote
from hub.models.terms import Plan
from storage.query import Db, column, many, run, value


class InstalmentRow(BaseModel):
    """A part of a booking's price, and when it is due."""

    position: int
    due_at: datetime
    amount: int
    reminded_at: datetime | None
    missed_at: datetime | None


async def quote(db: Db, booking_id: int) -> FrozenQuote | None:
    """Read what was agreed when a booking was held; None for one that came from elsewhere."""
    found = await value(
        db,
        """
        SELECT q.quote FROM bookings AS b JOIN frozen_quotes AS q ON q.id = b.quote_id WHERE b.id = $1
        """,
        booking_id,
    )
    return None if found is None else FrozenQuote.model_validate(found)


async def plan(db: Db, booking_id: int) -> Plan | None:
    """Read the plan that a booking is paid by, once one was chosen."""
    found: Plan | None = await value(db, "SELECT plan FROM bookings WHERE id = $1", booking_id)
    return found


async def instalments(db: Db, booking_id: int) -> list[InstalmentRow]:
    """List when how much of a booking is due, the earliest first."""
    return await many(
        db,
        InstalmentRow,
        """
        SELECT position, due_at, amount, reminded_at, missed_at FROM instalments WHERE booking_id = $1 ORDER BY position
        """,
        booking_id,
    )


async def item_ids(db: Db, booking_id: int) -> list[int]:
    """List a booking's items in the basket's order."""
    return await column(db, "SELECT id FROM booking_items WHERE booking_id = $1 ORDER BY position, id", booking_id)


async def price_items(db: Db, booking_id: int, ids: Sequence[int], prices: Sequence[int]) -> None:
    """Give items the prices of the plan that was chosen; the booking's price is their sum."""
    await run(
        db,
        """
        UPDATE booking_items AS i SET price = n.price
        FROM unnest($2::bigint[], $3::bigint[]) AS n (id, price)
        WHERE i.booking_id = $1 AND i.id = n.id AND i.price <> n.price
        """,
        booking_id,
        ids,
        prices,
    )


async def forget(db: Db, booking_id: int) -> None:
    """Note that no plan is chosen for a booking, whose items cost what they did before."""
    await run(
        db,
        """
        UPDATE bookings SET plan = NULL, updated_at = clock_timestamp(),
               price = (SELECT coalesce(sum(i.price), 0) FROM booking_items AS i WHERE i.booking_id = bookings.id)
        WHERE id = $1
        """,
        booking_id,
    )
    await run(db, "DELETE FROM instalments WHERE booking_id = $1", booking_id)


async def choose(
    db: Db, booking_id: int, chosen: Plan, due_at: Sequence[datetime | None], amounts: Sequence[int]
) -> None:
    """Note the plan of a booking and when how much is due by it; None is now."""
    await run(
        db,
        """
        UPDATE bookings SET plan = $2, updated_at = clock_timestamp(),
               price = (SELECT coalesce(sum(i.price), 0) FROM booking_items AS i WHERE i.booking_id = bookings.id)
        WHERE id = $1
        """,
        booking_id,
        chosen,
    )
    await run(db, "DELETE FROM instalments WHERE booking_id = $1", booking_id)
    await run(
        db,
        """
        INSERT INTO instalments (booking_id, position, due_at, amount)
        SELECT $1, n.position - 1, coalesce(n.due_at, clock_timestamp()), n.amount
        FROM unnest($2::timestamptz[], $3::bigint[]) WITH ORDINALITY AS n (due_at, amount, position)
        """,
        booking_id,
        due_at,
        amounts,
    )
