"""What is kept of uploads: whose they are, where they are shown, and what may leave the store."""

from __future__ import annotations

from pydantic import BaseModel

from hub.models.files import FileKind, Picture
from storage.query import Db, many, maybe, run, value


class Kept(BaseModel):
    """A file that is served."""

    name: str
    kind: FileKind
    sizes: list[str]


class ToRemove(BaseModel):
    """A file that has to leave the store, with all its sizes."""

    name: str
    sizes: list[str]


class Place(BaseModel):
    """Where an image is shown: at which venue, and who owns that."""

    venue_id: int
    owner_id: int


async def place(db: Db, kind: str, subject_id: int) -> Place | None:
    """Find the venue that a venue's, room type's or room's image belongs to."""
    return await maybe(
        db,
        Place,
        """
        SELECT v.id AS venue_id, v.owner_id FROM venues AS v
        WHERE v.deleted_at IS NULL AND v.id = CASE $1::text
            WHEN 'venue' THEN $2::bigint
            WHEN 'room_type' THEN (SELECT t.venue_id FROM room_types AS t WHERE t.id = $2 AND t.deleted_at IS NULL)
            WHEN 'room' THEN (SELECT r.venue_id FROM rooms AS r WHERE r.id = $2 AND r.deleted_at IS NULL) END
        """,
        kind,
        subject_id,
    )


async def lock_quota(db: Db, owner_id: int) -> None:
    """Let nobody else fill this person's quota until commit."""
    await run(db, "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", owner_id)


async def release_unused(db: Db, owner_id: int) -> int:
    """Let go what a person's venues do not show any more since an hour; answers how many files."""
    return await run(
        db,
        """
        UPDATE files AS f SET deleted_at = clock_timestamp()
        WHERE f.owner_id = $1 AND f.deleted_at IS NULL AND f.kind <> 'picture'
          AND f.shown_at < clock_timestamp() - interval '1 hour'
          AND NOT EXISTS (
            SELECT 1 FROM (
                SELECT v.images FROM venues AS v WHERE v.id = f.venue_id AND v.deleted_at IS NULL
                UNION ALL
                SELECT t.images FROM room_types AS t WHERE t.venue_id = f.venue_id AND t.deleted_at IS NULL
                UNION ALL
                SELECT r.images FROM rooms AS r WHERE r.venue_id = f.venue_id AND r.deleted_at IS NULL
                UNION ALL
                SELECT s.images FROM sessions AS s WHERE s.venue_id = f.venue_id AND s.deleted_at IS NULL
            ) AS shown
            WHERE shown.images @> jsonb_build_array(jsonb_build_object('url', '/files/' || f.name)))
        """,
        owner_id,
    )


async def kept_bytes(db: Db, owner_id: int) -> int:
    """Count the bytes that a person and their venues keep."""
    count: int = await value(
        db,
        "SELECT coalesce(sum(bytes), 0)::bigint FROM files WHERE owner_id = $1 AND deleted_at IS NULL",
        owner_id,
    )
    return count


async def insert(
    db: Db, name: str, kind: str, owner_id: int, subject_id: int, venue_id: int | None, picture: Picture
) -> None:
    """Write that a file is about to come."""
    await run(
        db,
        """
        INSERT INTO files (name, kind, owner_id, subject_id, venue_id, width, height, bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        name,
        kind,
        owner_id,
        subject_id,
        venue_id,
        picture.width,
        picture.height,
        len(picture.body),
    )


async def show(db: Db, name: str) -> int:
    """Note that a file has come and is shown from now on; answers 0 when it was given up meanwhile."""
    return await run(db, "UPDATE files SET shown_at = clock_timestamp() WHERE name = $1 AND deleted_at IS NULL", name)


async def set_picture(db: Db, user_id: int, name: str | None, url: str | None) -> int:
    """Show another picture of a person, or none; answers how many files of older ones go."""
    await run(
        db,
        """
        UPDATE users SET picture_url = $2, updated_at = clock_timestamp()
        WHERE id = $1 AND picture_url IS DISTINCT FROM $2
        """,
        user_id,
        url,
    )
    return await run(
        db,
        """
        UPDATE files SET deleted_at = clock_timestamp()
        WHERE kind = 'picture' AND owner_id = $1 AND subject_id = $1 AND deleted_at IS NULL
          AND shown_at IS NOT NULL AND name IS DISTINCT FROM $2
        """,
        user_id,
        name,
    )


async def take_off(db: Db, kind: str, subject_id: int, name: str) -> int:
    """Stop serving an image; answers 0 when it is not one of this thing."""
    return await run(
        db,
        """
        UPDATE files SET deleted_at = clock_timestamp()
        WHERE kind = $1 AND subject_id = $2 AND name = $3 AND deleted_at IS NULL
        """,
        kind,
        subject_id,
        name,
    )


async def find(db: Db, name: str) -> Kept | None:
    """Find a file that is served."""
    return await maybe(
        db,
        Kept,
        "SELECT name, kind, sizes FROM files WHERE name = $1 AND deleted_at IS NULL AND shown_at IS NOT NULL",
        name,
    )


async def add_size(db: Db, name: str, size: str) -> int:
    """Note that a size is about to be made, so that it leaves with its file; answers 0 for one that is gone."""
    return await run(
        db,
        """
        UPDATE files SET sizes = CASE WHEN $2::text = ANY (sizes) THEN sizes ELSE array_append(sizes, $2) END
        WHERE name = $1 AND deleted_at IS NULL
        """,
        name,
        size,
    )


async def to_remove(db: Db, given_up_seconds: int, at_most: int) -> list[ToRemove]:
    """List what is not served any more, and what never came."""
    return await many(
        db,
        ToRemove,
        """
        SELECT name, sizes FROM files
        WHERE deleted_at IS NOT NULL
           OR (shown_at IS NULL AND made_at < clock_timestamp() - make_interval(secs => $1))
        ORDER BY made_at LIMIT $2
        """,
        float(given_up_seconds),
        at_most,
    )


async def forget(db: Db, names: list[str], after_seconds: int) -> int:
    """Forget files that have left the store; not at once, for a size of them may be on its way there."""
    await run(
        db,
        "UPDATE files SET deleted_at = clock_timestamp() WHERE name = ANY ($1::text[]) AND deleted_at IS NULL",
        names,
    )
    return await run(
        db,
        """
        DELETE FROM files
        WHERE name = ANY ($1::text[]) AND deleted_at < clock_timestamp() - make_interval(secs => $2)
        """,
        names,
        float(after_seconds),
    )
