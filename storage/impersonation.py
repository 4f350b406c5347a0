"""Logins of those who act for somebody else."""

from __future__ import annotations

from uuid import UUID

from storage.query import Db, column, value


async def begin(
    db: Db, user_id: int, impersonator_id: int, impersonator_login_id: UUID, device: str, address: str, minutes: int
) -> UUID:
    """Begin a login of a person by which somebody else acts, for so many minutes."""
    login_id: UUID = await value(
        db,
        """
        INSERT INTO logins (user_id, impersonator_id, impersonator_login_id, device, address, expires_at)
        VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(mins => $6)) RETURNING id
        """,
        user_id,
        impersonator_id,
        impersonator_login_id,
        device,
        address,
        minutes,
    )
    return login_id


async def end_by(db: Db, impersonator_id: int) -> list[int]:
    """End all logins by which a person acts for others; answers for whom."""
    return await column(
        db,
        """
        WITH ended AS (
            UPDATE logins SET revoked_at = clock_timestamp()
            WHERE impersonator_id = $1 AND revoked_at IS NULL RETURNING user_id)
        SELECT DISTINCT user_id FROM ended ORDER BY user_id
        """,
        impersonator_id,
    )


async def impersonator_of(db: Db, login_id: UUID) -> int | None:
    """Tell who acts by this login, while they are an active super admin and still logged in themselves."""
    found: int | None = await value(
        db,
        """
        SELECT u.id
        FROM logins AS l JOIN users AS u ON u.id = l.impersonator_id JOIN logins AS o ON o.id = l.impersonator_login_id
        WHERE l.id = $1 AND u.status = 'active' AND o.revoked_at IS NULL AND o.expires_at > clock_timestamp()
          AND EXISTS (SELECT FROM user_roles AS ur JOIN roles AS r ON r.id = ur.role_id
                      WHERE ur.user_id = u.id AND r.code = 'super_admin')
        """,
        login_id,
    )
    return found
