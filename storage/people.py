"""People as those see and change them who administer accounts."""

from __future__ import annotations

from pydantic import BaseModel

from hub.models.people import ListPeople, Person
from storage.listing import page, part
from storage.query import Db, maybe, run


class Target(BaseModel):
    """What decides who may change somebody: their rank and status."""

    id: int
    email: str
    full_name: str
    language: str
    status: str
    rank: int


async def listed(db: Db, ask: ListPeople) -> tuple[list[Person], int]:
    """List one page of the people who are not deleted."""
    return await page(
        db,
        Person,
        """
        SELECT u.id, u.email::text AS email, u.full_name, u.first_name, u.last_name, u.phone, u.bio, u.specialisation,
               u.picture_url, u.language, u.currency, u.is_student, u.email_verified_at IS NOT NULL AS email_verified,
               u.phone_verified_at IS NOT NULL AS phone_verified, u.status, u.suspended_at, u.suspension_reason,
               u.created_at, r.roles, r.rank,
               (SELECT max(l.last_used_at) FROM logins AS l
                WHERE l.user_id = u.id AND l.impersonator_id IS NULL) AS last_seen_at,
               count(*) OVER () AS total
        FROM users AS u
        CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(ro.code ORDER BY ro.rank DESC, ro.code), '{}') AS roles,
                   coalesce(max(ro.rank), 0) AS rank
            FROM user_roles AS ur JOIN roles AS ro ON ro.id = ur.role_id WHERE ur.user_id = u.id) AS r
        WHERE u.status <> 'deleted'
          AND ($1::text IS NULL OR u.full_name ILIKE $1 OR u.email::text ILIKE $1 OR u.phone ILIKE $1)
          AND ($2::text IS NULL OR $2 = ANY (r.roles))
          AND ($3::text IS NULL OR u.status = $3)
        ORDER BY CASE WHEN $4::text = 'newest' THEN u.id END DESC,
                 CASE WHEN $4 = 'name' THEN lower(u.full_name) END,
                 CASE WHEN $4 = 'email' THEN u.email END,
                 u.id
        LIMIT $5 OFFSET $6
        """,
        part(ask.q),
        ask.role,
        ask.status,
        ask.sort,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def find(db: Db, user_id: int) -> Person | None:
    """Find a person who is not deleted."""
    return await maybe(
        db,
        Person,
        """
        SELECT u.id, u.email::text AS email, u.full_name, u.first_name, u.last_name, u.phone, u.bio, u.specialisation,
               u.picture_url, u.language, u.currency, u.is_student, u.email_verified_at IS NOT NULL AS email_verified,
               u.phone_verified_at IS NOT NULL AS phone_verified, u.status, u.suspended_at, u.suspension_reason,
               u.created_at, r.roles, r.rank,
               (SELECT max(l.last_used_at) FROM logins AS l
                WHERE l.user_id = u.id AND l.impersonator_id IS NULL) AS last_seen_at
        FROM users AS u
        CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(ro.code ORDER BY ro.rank DESC, ro.code), '{}') AS roles,
                   coalesce(max(ro.rank), 0) AS rank
            FROM user_roles AS ur JOIN roles AS ro ON ro.id = ur.role_id WHERE ur.user_id = u.id) AS r
        WHERE u.id = $1 AND u.status <> 'deleted'
        """,
        user_id,
    )


async def lock(db: Db, user_id: int) -> Target | None:
    """Lock a person who is not deleted, and read what decides who may change them."""
    return await maybe(
        db,
        Target,
        """
        SELECT u.id, u.email::text AS email, u.full_name, u.language, u.status,
               coalesce((SELECT max(r.rank) FROM user_roles AS ur JOIN roles AS r ON r.id = ur.role_id
                         WHERE ur.user_id = u.id), 0) AS rank
        FROM users AS u WHERE u.id = $1 AND u.status <> 'deleted' FOR NO KEY UPDATE OF u
        """,
        user_id,
    )


async def mark_student(db: Db, user_id: int, is_student: bool) -> None:
    """Note whether a person is a student."""
    await run(
        db,
        "UPDATE users SET is_student = $2, updated_at = clock_timestamp() WHERE id = $1",
        user_id,
        is_student,
    )


async def suspend(db: Db, user_id: int, reason: str, by: int | None) -> None:
    """Suspend a person; their access tokens are worthless at once."""
    await run(
        db,
        """
        UPDATE users SET status = 'suspended', suspended_at = clock_timestamp(), suspension_reason = $2,
            suspended_by = $3, token_version = token_version + 1, updated_at = clock_timestamp()
        WHERE id = $1
        """,
        user_id,
        reason,
        by,
    )


async def reinstate(db: Db, user_id: int) -> None:
    """Let a suspended person in again."""
    await run(
        db,
        """
        UPDATE users SET status = 'active', suspended_at = NULL, suspension_reason = NULL, suspended_by = NULL,
            updated_at = clock_timestamp()
        WHERE id = $1
        """,
        user_id,
    )
