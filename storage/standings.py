"""How people and their logins stand, which judges every token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from storage.query import Db


@dataclass(frozen=True, slots=True)
class Standing:
    """What judges a token: whether person and login are in order, and what the person may do now."""

    status: str
    token_version: int
    login_is_live: bool
    roles: frozenset[str]
    permissions: frozenset[str]
    rank: int
    has_second_factor: bool


async def find(db: Db, user_id: int, login_id: UUID) -> Standing | None:
    """Read how a person and their login stand; None when they do not belong together."""
    return (await find_all(db, [(user_id, login_id)]))[0]


async def find_all(db: Db, whom: Sequence[tuple[int, UUID]]) -> list[Standing | None]:
    """Read in one round trip how people and their logins stand, in the order asked."""
    rows = await db.fetch(
        """
        SELECT place, status, token_version, login_is_live, has_second_factor, role_ids, role, rank, permissions
        FROM standings_of($1, $2)
        """,
        [user_id for user_id, _ in whom],
        [login_id for _, login_id in whom],
    )
    roles = {row["role_ids"][0]: row for row in rows if row["role"] is not None}
    # Most people have the same few roles, whose rights are put together once.
    together: dict[tuple[int, ...], dict[str, Any]] = {}
    found: list[Standing | None] = [None] * len(whom)
    for place, status, version, is_live, has_second_factor, role_ids, role, _, _ in rows:
        if role is not None:
            continue
        rights = together.get(ids := tuple(role_ids))
        if rights is None:
            rights = together[ids] = _rights([roles[role_id] for role_id in ids])
        found[place - 1] = Standing(
            status=status, token_version=version, login_is_live=is_live, has_second_factor=has_second_factor, **rights
        )
    return found


def _rights(roles: Sequence[Any]) -> dict[str, Any]:
    return {
        "roles": frozenset(role["role"] for role in roles),
        "permissions": frozenset(permission for role in roles for permission in role["permissions"]),
        "rank": max((role["rank"] for role in roles), default=0),
    }
