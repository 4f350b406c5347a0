"""Closures and what they have claimed, as they stand in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

from hub.models.closures import Closure, ListClosures
from storage.listing import page
from storage.query import Db, many, maybe, run, value


class OpenTime(BaseModel):
    """A time within a closure at which one of its rooms is not closed yet."""

    room_id: int
    begin: datetime
    end: datetime


class Night(BaseModel):
    """The counters of one night of a pool."""

    room_type_id: int
    night: date
    total: int
    taken: int
    held: int


async def find(db: Db, closure_id: int) -> Closure | None:
    """Read a closure that is not deleted, nor its venue."""
    return await maybe(
        db,
        Closure,
        """
        SELECT c.id, c.venue_id, c.room_id, c.room_type_id, c.quantity, c.starts_at, c.ends_at, c.reason, c.created_at,
               c.updated_at
        FROM closures AS c JOIN venues AS v ON v.id = c.venue_id
        WHERE c.id = $1 AND c.deleted_at IS NULL AND v.deleted_at IS NULL
        """,
        closure_id,
    )


async def of_venue(db: Db, venue_id: int) -> list[Closure]:
    """Read the closures of a venue that are not over; those of the whole venue last."""
    return await many(
        db,
        Closure,
        """
        SELECT id, venue_id, room_id, room_type_id, quantity, starts_at, ends_at, reason, created_at, updated_at
        FROM closures WHERE venue_id = $1 AND deleted_at IS NULL AND ends_at > clock_timestamp()
        ORDER BY room_id IS NULL AND room_type_id IS NULL, id
        """,
        venue_id,
    )


async def listed(
    db: Db,
    ask: ListClosures,
    user_id: int | None,
    begin: datetime | None,
    end: datetime | None,
    *,
    sees_everything: bool,
) -> tuple[list[Closure], int]:
    """List one page of the closures of the venues this person runs."""
    return await page(
        db,
        Closure,
        """
        SELECT c.id, c.venue_id, c.room_id, c.room_type_id, c.quantity, c.starts_at, c.ends_at, c.reason, c.created_at,
               c.updated_at, count(*) OVER () AS total
        FROM closures AS c JOIN venues AS v ON v.id = c.venue_id
        WHERE c.deleted_at IS NULL AND v.deleted_at IS NULL
          AND ($2::boolean OR v.owner_id = $1::bigint
               OR EXISTS (SELECT 1 FROM venue_staff AS s WHERE s.venue_id = v.id AND s.user_id = $1))
          AND ($3::bigint IS NULL OR c.venue_id = $3)
          AND ($4::bigint IS NULL OR c.room_id = $4)
          AND ($5::bigint IS NULL OR c.room_type_id = $5)
          AND ($6::timestamptz IS NULL OR c.ends_at > $6)
          AND ($7::timestamptz IS NULL OR c.starts_at < $7)
        ORDER BY CASE WHEN $8::text = 'starts_at' THEN c.starts_at END,
                 CASE WHEN $8 = '-starts_at' THEN c.starts_at END DESC,
                 CASE WHEN $8 = 'newest' THEN c.id END DESC,
                 c.id
        LIMIT $9 OFFSET $10
        """,
        user_id,
        sees_everything,
        ask.venue_id,
        ask.room_id,
        ask.room_type_id,
        begin,
        end,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def create(db: Db, venue_id: int, fields: dict[str, Any]) -> int:
    """Write a new closure, which has claimed nothing yet; answers its id."""
    created: int = await value(
        db,
        """
        INSERT INTO closures (venue_id, room_id, room_type_id, quantity, starts_at, ends_at, reason)
        SELECT $1, n.room_id, n.room_type_id, n.quantity, n.starts_at, n.ends_at, n.reason
        FROM jsonb_populate_record(NULL::closures, $2) AS n
        RETURNING id
        """,
        venue_id,
        fields,
    )
    return created


async def change(db: Db, closure_id: int, fields: dict[str, Any]) -> None:
    """Write the fields given; the others stay as they are."""
    await run(
        db,
        """
        UPDATE closures AS c
        SET quantity = n.quantity, starts_at = n.starts_at, ends_at = n.ends_at, reason = n.reason,
            updated_at = clock_timestamp()
        FROM closures AS o CROSS JOIN LATERAL jsonb_populate_record(o, $2) AS n
        WHERE o.id = $1 AND c.id = o.id
        """,
        closure_id,
        fields,
    )


async def delete(db: Db, closure_id: int) -> None:
    """Mark a closure deleted."""
    await run(
        db,
        "UPDATE closures SET deleted_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1",
        closure_id,
    )


async def whole_venue_is_closed(db: Db, venue_id: int, begin: datetime, end: datetime) -> bool:
    """Tell whether the whole venue is closed for any part of a time."""
    found: bool = await value(
        db,
        """
        SELECT EXISTS (SELECT 1 FROM closures
                       WHERE venue_id = $1 AND deleted_at IS NULL AND room_id IS NULL AND room_type_id IS NULL
                         AND starts_at < $3 AND ends_at > $2)
        """,
        venue_id,
        begin,
        end,
    )
    return found


async def open_times(db: Db, closure_id: int, room_ids: Sequence[int] | None) -> list[OpenTime]:
    """List when a closure's room, or the venue's rooms, are not closed within it by any closure (only these rooms)."""
    return await many(
        db,
        OpenTime,
        """
        SELECT r.id AS room_id, lower(gap) AS begin, upper(gap) AS end
        FROM closures AS c
        JOIN rooms AS r ON r.venue_id = c.venue_id AND r.deleted_at IS NULL AND c.room_type_id IS NULL
         AND (c.room_id IS NULL OR r.id = c.room_id) AND ($2::bigint[] IS NULL OR r.id = ANY ($2))
        CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(c.starts_at, c.ends_at)) - coalesce((
            SELECT range_agg(k.busy) FROM claims AS k
            WHERE k.room_id = r.id AND k.closure_id IS NOT NULL AND k.busy && tstzrange(c.starts_at, c.ends_at)),
            '{}'::tstzmultirange)) AS gap
        WHERE c.id = $1
        ORDER BY r.id, gap
        """,
        closure_id,
        room_ids,
    )


async def rooms_left(db: Db, room_type_ids: Sequence[int], nights: Sequence[date]) -> list[Night]:
    """List the nights of these locked pools on which rooms are left; `taken` counts those that are not."""
    return await many(
        db,
        Night,
        """
        SELECT t.id AS room_type_id, n AS night, coalesce(p.total, t.total_rooms) AS total,
               coalesce(p.taken, 0) AS taken, coalesce(p.held, 0) AS held
        FROM room_types AS t CROSS JOIN unnest($2::date[]) AS n
        LEFT JOIN pool_nights AS p ON p.room_type_id = t.id AND p.night = n
        WHERE t.id = ANY ($1::bigint[]) AND coalesce(p.total - p.taken, t.total_rooms) > 0
        ORDER BY t.id, n
        """,
        room_type_ids,
        nights,
    )


async def counters(db: Db, room_type_ids: Sequence[int], from_night: date) -> list[Night]:
    """Read the counters of these pools' nights from a night on."""
    return await many(
        db,
        Night,
        """
        SELECT room_type_id, night, total, taken, held FROM pool_nights
        WHERE room_type_id = ANY ($1::bigint[]) AND night >= $2
        ORDER BY room_type_id, night
        """,
        room_type_ids,
        from_night,
    )


async def release_nights(db: Db, room_type_ids: Sequence[int], from_night: date) -> None:
    """Give back what closures have claimed of these locked pools from a night on."""
    await run(
        db,
        """
        WITH gone AS (
            DELETE FROM claims AS c
            WHERE c.closure_id IN (SELECT k.id FROM closures AS k JOIN room_types AS t ON t.venue_id = k.venue_id
                                   WHERE t.id = ANY ($1::bigint[]))
              AND c.room_type_id = ANY ($1) AND c.night >= $2
            RETURNING c.room_type_id, c.night, c.quantity
        )
        UPDATE pool_nights AS p SET taken = p.taken - g.quantity
        FROM (SELECT gone.room_type_id, gone.night, sum(gone.quantity) AS quantity FROM gone
              GROUP BY gone.room_type_id, gone.night) AS g
        WHERE p.room_type_id = g.room_type_id AND p.night = g.night
        """,
        room_type_ids,
        from_night,
    )
