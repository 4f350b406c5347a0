"""Roles, what they allow, and who has them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from hub.models.roles import ListPermissions, Permission, Role
from storage.listing import page
from storage.query import Db, column, many, maybe, run, value


class Granted(BaseModel):
    """What decides who may grant a role."""

    id: int
    code: str
    rank: int
    permissions: list[str]


async def listed(db: Db, limit: int, offset: int) -> tuple[list[Role], int]:
    """List one page of the roles, the highest first."""
    return await page(
        db,
        Role,
        """
        SELECT r.id, r.code, r.name, r.description, r.rank, r.is_built_in, r.created_at, r.updated_at,
               ARRAY(SELECT p.resource || ':' || p.action
                     FROM role_permissions AS rp JOIN permissions AS p ON p.id = rp.permission_id
                     WHERE rp.role_id = r.id ORDER BY 1) AS permissions,
               (SELECT count(*) FROM user_roles AS ur JOIN users AS u ON u.id = ur.user_id
                WHERE ur.role_id = r.id AND u.status <> 'deleted') AS people,
               count(*) OVER () AS total
        FROM roles AS r
        ORDER BY r.rank DESC, r.id LIMIT $1 OFFSET $2
        """,
        limit=limit,
        offset=offset,
    )


async def find(db: Db, role_id: int) -> Role | None:
    """Find a role by id."""
    return await maybe(
        db,
        Role,
        """
        SELECT r.id, r.code, r.name, r.description, r.rank, r.is_built_in, r.created_at, r.updated_at,
               ARRAY(SELECT p.resource || ':' || p.action
                     FROM role_permissions AS rp JOIN permissions AS p ON p.id = rp.permission_id
                     WHERE rp.role_id = r.id ORDER BY 1) AS permissions,
               (SELECT count(*) FROM user_roles AS ur JOIN users AS u ON u.id = ur.user_id
                WHERE ur.role_id = r.id AND u.status <> 'deleted') AS people
        FROM roles AS r WHERE r.id = $1
        """,
        role_id,
    )


async def lock(db: Db, role_id: int) -> None:
    """Let nobody else change this role until commit; who signs up goes on getting it."""
    await run(db, "SELECT 1 FROM roles WHERE id = $1 FOR NO KEY UPDATE", role_id)


async def lock_whole(db: Db, role_id: int) -> None:
    """Let nobody else change this role, nor give it to anybody, until commit."""
    await run(db, "SELECT 1 FROM roles WHERE id = $1 FOR UPDATE", role_id)


async def lock_code(db: Db, code: str) -> None:
    """Let nobody else who takes this lock first give or take away this role until commit."""
    await run(db, "SELECT 1 FROM roles WHERE code = $1 FOR NO KEY UPDATE", code)


async def named(db: Db, codes: Sequence[str]) -> list[Granted]:
    """Read what decides who may grant these roles, lowest id first; an unknown code is left out."""
    return await many(
        db,
        Granted,
        """
        SELECT r.id, r.code, r.rank,
               ARRAY(SELECT p.resource || ':' || p.action
                     FROM role_permissions AS rp JOIN permissions AS p ON p.id = rp.permission_id
                     WHERE rp.role_id = r.id) AS permissions
        FROM roles AS r WHERE r.code = ANY ($1::text[])
        ORDER BY r.id FOR SHARE OF r
        """,
        codes,
    )


async def insert(db: Db, code: str, name: str, description: str, rank: int) -> int:
    """Write a new role that allows nothing yet; answers its id, and refuses a code that is taken."""
    role_id: int = await value(
        db,
        "INSERT INTO roles (code, name, description, rank) VALUES ($1, $2, $3, $4) RETURNING id",
        code,
        name,
        description,
        rank,
    )
    return role_id


async def change(db: Db, role_id: int, name: str, description: str, rank: int) -> None:
    """Write a role's name, description and rank."""
    await run(
        db,
        """
        UPDATE roles SET name = $2, description = $3, rank = $4, updated_at = clock_timestamp() WHERE id = $1
        """,
        role_id,
        name,
        description,
        rank,
    )


async def delete(db: Db, role_id: int) -> None:
    """Delete a role that nobody has."""
    await run(db, "DELETE FROM roles WHERE id = $1", role_id)


async def has_people(db: Db, role_id: int) -> bool:
    """Tell whether anybody has this role, be it somebody who was deleted."""
    found: bool = await value(db, "SELECT EXISTS (SELECT FROM user_roles WHERE role_id = $1)", role_id)
    return found


async def unknown_permissions(db: Db, names: Sequence[str]) -> list[str]:
    """List those of these names that are no permission."""
    return await column(
        db,
        """
        SELECT n.name FROM unnest($1::text[]) AS n (name)
        WHERE NOT EXISTS (SELECT FROM permissions AS p WHERE p.resource || ':' || p.action = n.name)
        """,
        names,
    )


async def permit(db: Db, role_id: int, names: Sequence[str]) -> None:
    """Let a role allow exactly these permissions."""
    await run(
        db,
        """
        WITH wanted AS (
            SELECT p.id FROM permissions AS p WHERE p.resource || ':' || p.action = ANY ($2::text[])
        ), given AS (
            INSERT INTO role_permissions (role_id, permission_id)
            SELECT $1::bigint, w.id FROM wanted AS w ON CONFLICT DO NOTHING
        ), taken AS (
            DELETE FROM role_permissions AS rp
            WHERE rp.role_id = $1 AND NOT EXISTS (SELECT FROM wanted AS w WHERE w.id = rp.permission_id)
        )
        UPDATE roles SET updated_at = clock_timestamp() WHERE id = $1
        """,
        role_id,
        names,
    )


async def people_with(db: Db, role_id: int, at_most: int) -> list[int]:
    """List those who have a role and may log in, so many at most."""
    return await column(
        db,
        """
        SELECT u.id FROM user_roles AS ur JOIN users AS u ON u.id = ur.user_id
        WHERE ur.role_id = $1 AND u.status = 'active' ORDER BY u.id LIMIT $2
        """,
        role_id,
        at_most,
    )


async def void_tokens_with(db: Db, role_id: int) -> None:
    """Make the access tokens of everybody who has a role worthless; they refresh them and go on."""
    await run(
        db,
        """
        UPDATE users SET token_version = token_version + 1
        WHERE id IN (SELECT u.id FROM user_roles AS ur JOIN users AS u ON u.id = ur.user_id
                     WHERE ur.role_id = $1 ORDER BY u.id FOR NO KEY UPDATE OF u)
        """,
        role_id,
    )


async def permissions(
    db: Db, ask: ListPermissions, resource: str | None, actions: Sequence[str] | None
) -> tuple[list[Permission], int]:
    """List one page of the permissions of a role, on a resource (by either of its names) and of these actions."""
    return await page(
        db,
        Permission,
        """
        SELECT p.id, p.resource || ':' || p.action AS name, p.resource, p.action, s.contract_name, s.description,
               ARRAY(SELECT r.code FROM role_permissions AS rp JOIN roles AS r ON r.id = rp.role_id
                     WHERE rp.permission_id = p.id ORDER BY r.rank DESC, r.code) AS roles,
               count(*) OVER () AS total
        FROM permissions AS p JOIN resources AS s ON s.code = p.resource
        WHERE ($1::text IS NULL OR EXISTS (
                  SELECT FROM role_permissions AS rp JOIN roles AS r ON r.id = rp.role_id
                  WHERE rp.permission_id = p.id AND $1 IN (r.code, r.id::text)))
          AND ($2::text IS NULL OR lower($2) IN (p.resource, lower(s.contract_name)))
          AND ($3::text IS NULL OR lower($3) IN (p.resource, lower(s.contract_name)))
          AND ($4::text[] IS NULL OR p.action = ANY ($4))
        ORDER BY p.id LIMIT $5 OFFSET $6
        """,
        ask.role or None,
        ask.resource or None,
        resource,
        actions,
        limit=ask.per_page,
        offset=ask.offset,
    )


async def others_with(db: Db, code: str, but: int) -> int:
    """Count the active people who have this role, without one of them."""
    count: int = await value(
        db,
        """
        SELECT count(*) FROM user_roles AS ur JOIN roles AS r ON r.id = ur.role_id JOIN users AS u ON u.id = ur.user_id
        WHERE r.code = $1 AND u.status = 'active' AND u.id <> $2
        """,
        code,
        but,
    )
    return count


async def set_of(db: Db, user_id: int, role_ids: Sequence[int]) -> None:
    """Let a person have exactly these roles."""
    await run(
        db,
        """
        WITH taken AS (DELETE FROM user_roles WHERE user_id = $1 AND role_id <> ALL ($2::bigint[]))
        INSERT INTO user_roles (user_id, role_id) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING
        """,
        user_id,
        role_ids,
    )


async def of_person(db: Db, user_id: int) -> list[Granted]:
    """Read the roles that a person has, with what decides who may take them away."""
    return await many(
        db,
        Granted,
        """
        SELECT r.id, r.code, r.rank,
               ARRAY(SELECT p.resource || ':' || p.action
                     FROM role_permissions AS rp JOIN permissions AS p ON p.id = rp.permission_id
                     WHERE rp.role_id = r.id) AS permissions
        FROM user_roles AS ur JOIN roles AS r ON r.id = ur.role_id WHERE ur.user_id = $1
        ORDER BY r.id
        """,
        user_id,
    )
