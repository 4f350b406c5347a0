"""Logins, one for each device, and the refresh tokens that keep them going."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel

from hub.models.users import Login
from storage.query import Db, column, many, maybe, run, value


class Refreshed(BaseModel):
    """The login that a refresh token keeps going, and whose it is."""

    login_id: UUID
    user_id: int


async def insert(db: Db, user_id: int, device: str, address: str, days: int) -> UUID:
    """Begin a login that ends after so many days, however often it is refreshed."""
    login_id: UUID = await value(
        db,
        """
        INSERT INTO logins (user_id, device, address, expires_at)
        VALUES ($1, $2, $3, clock_timestamp() + make_interval(days => $4)) RETURNING id
        """,
        user_id,
        device,
        address,
        days,
    )
    return login_id


async def insert_refresh_token(db: Db, login_id: UUID, secret_hash: bytes, days: int) -> UUID:
    """Write the next refresh token of a login: good for so many days, but never beyond the login's end."""
    token_id: UUID = await value(
        db,
        """
        INSERT INTO refresh_tokens (login_id, secret_hash, expires_at)
        SELECT id, $2, least(clock_timestamp() + make_interval(days => $3), expires_at) FROM logins WHERE id = $1
        RETURNING id
        """,
        login_id,
        secret_hash,
        days,
    )
    return token_id


async def use_refresh_token(db: Db, token_id: UUID, secret_hash: bytes) -> Refreshed | None:
    """Spend a refresh token of a live login; None for whoever comes second, too late or with another secret."""
    return await maybe(
        db,
        Refreshed,
        """
        UPDATE refresh_tokens AS t SET used_at = clock_timestamp()
        FROM logins AS l JOIN users AS u ON u.id = l.user_id
        WHERE t.id = $1 AND t.secret_hash = $2 AND t.used_at IS NULL AND t.expires_at > clock_timestamp()
          AND l.id = t.login_id AND l.revoked_at IS NULL AND l.expires_at > clock_timestamp() AND u.status = 'active'
        RETURNING l.id AS login_id, l.user_id
        """,
        token_id,
        secret_hash,
    )


async def revoke_reused(db: Db, token_id: UUID, secret_hash: bytes) -> list[int]:
    """Revoke the login of a refresh token that was spent before, since one of two bearers is a thief; answers whose."""
    return await column(
        db,
        """
        UPDATE logins SET revoked_at = clock_timestamp()
        WHERE revoked_at IS NULL AND id = (
            SELECT login_id FROM refresh_tokens WHERE id = $1 AND secret_hash = $2 AND used_at IS NOT NULL)
        RETURNING user_id
        """,
        token_id,
        secret_hash,
    )


async def revoke_of_refresh_token(db: Db, token_id: UUID, secret_hash: bytes) -> list[int]:
    """Revoke the login that a refresh token belongs to, and tell whose it was."""
    return await column(
        db,
        """
        UPDATE logins SET revoked_at = clock_timestamp()
        WHERE revoked_at IS NULL AND id = (
            SELECT login_id FROM refresh_tokens WHERE id = $1 AND secret_hash = $2)
        RETURNING user_id
        """,
        token_id,
        secret_hash,
    )


async def note_use(db: Db, login_id: UUID, device: str, address: str) -> None:
    """Note when a login was last refreshed and, as far as is known, from where."""
    await run(
        db,
        """
        UPDATE logins SET last_used_at = clock_timestamp(), device = coalesce(nullif($2, ''), device),
            address = coalesce(nullif($3, ''), address)
        WHERE id = $1
        """,
        login_id,
        device,
        address,
    )


async def revoke(db: Db, user_id: int, login_id: UUID) -> int:
    """Revoke one of a person's live logins; its refresh tokens and access tokens are worthless at once."""
    return await run(
        db,
        """
        UPDATE logins SET revoked_at = clock_timestamp()
        WHERE id = $2 AND user_id = $1 AND revoked_at IS NULL AND expires_at > clock_timestamp()
        """,
        user_id,
        login_id,
    )


async def revoke_all(db: Db, user_id: int) -> int:
    """Revoke every login of a person."""
    return await run(
        db, "UPDATE logins SET revoked_at = clock_timestamp() WHERE user_id = $1 AND revoked_at IS NULL", user_id
    )


async def list_live(db: Db, user_id: int, current: UUID | None, limit: int, offset: int) -> list[Login]:
    """List a person's live logins, the one used last first."""
    return await many(
        db,
        Login,
        """
        SELECT id, device, address, created_at, last_used_at, expires_at, id IS NOT DISTINCT FROM $2 AS is_current
        FROM logins
        WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > clock_timestamp()
        ORDER BY last_used_at DESC, id LIMIT $3 OFFSET $4
        """,
        user_id,
        current,
        limit,
        offset,
    )


async def count_live(db: Db, user_id: int) -> int:
    """Count a person's live logins."""
    count: int = await value(
        db,
        "SELECT count(*) FROM logins WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > clock_timestamp()",
        user_id,
    )
    return count


async def forget_ended(db: Db, days: int, at_most: int) -> int:
    """Forget logins that ended so many days ago, with their refresh tokens."""
    return await run(
        db,
        """
        DELETE FROM logins WHERE id IN (
            SELECT id FROM logins WHERE least(revoked_at, expires_at) < clock_timestamp() - make_interval(days => $1)
            LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        days,
        at_most,
    )
