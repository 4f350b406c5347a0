"""The version of a venue's catalogue, reached from any of its things."""

from __future__ import annotations

from collections.abc import Sequence

from storage.query import Db, value


async def of_room(db: Db, room_id: int) -> int | None:
    """Read the catalogue version of a room's venue."""
    found: int | None = await value(
        db, "SELECT v.catalogue_version FROM rooms AS r JOIN venues AS v ON v.id = r.venue_id WHERE r.id = $1", room_id
    )
    return found


async def of_type(db: Db, room_type_id: int) -> int | None:
    """Read the catalogue version of a room type's venue."""
    found: int | None = await value(
        db,
        "SELECT v.catalogue_version FROM room_types AS t JOIN venues AS v ON v.id = t.venue_id WHERE t.id = $1",
        room_type_id,
    )
    return found


async def of_session(db: Db, session_id: int) -> int | None:
    """Read the catalogue version of a session's venue."""
    found: int | None = await value(
        db,
        "SELECT v.catalogue_version FROM sessions AS s JOIN venues AS v ON v.id = s.venue_id WHERE s.id = $1",
        session_id,
    )
    return found


async def of_addon(db: Db, addon_id: int) -> int | None:
    """Read the catalogue version of an add-on's venue."""
    found: int | None = await value(
        db,
        "SELECT v.catalogue_version FROM addons AS a JOIN venues AS v ON v.id = a.venue_id WHERE a.id = $1",
        addon_id,
    )
    return found


async def of_venues(db: Db, venue_ids: Sequence[int]) -> dict[int, int]:
    """Read the catalogue versions of venues."""
    rows = await db.fetch("SELECT id, catalogue_version FROM venues WHERE id = ANY ($1::bigint[])", venue_ids)
    return {row["id"]: row["catalogue_version"] for row in rows}
