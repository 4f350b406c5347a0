"""Accounts elsewhere that open accounts here, and the authorization codes that were spent for it."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel

from hub.models.identities import Identity
from storage.query import Db, column, many, maybe, run, value


class Known(BaseModel):
    """Whom an account elsewhere opens."""

    user_id: int
    status: str


async def known(db: Db, provider: str, subject: str) -> Known | None:
    """Find whom an account elsewhere opens."""
    return await maybe(
        db,
        Known,
        """
        SELECT i.user_id, u.status FROM identities AS i JOIN users AS u ON u.id = i.user_id
        WHERE i.provider = $1 AND i.subject = $2
        """,
        provider,
        subject,
    )


async def insert(db: Db, user_id: int, provider: str, subject: str, email: str | None) -> None:
    """Write that an account elsewhere opens one here; one that opens another, or a second one, is refused."""
    await run(
        db,
        "INSERT INTO identities (user_id, provider, subject, email) VALUES ($1, $2, $3, $4)",
        user_id,
        provider,
        subject,
        email,
    )


async def note_use(db: Db, provider: str, subject: str, email: str | None) -> None:
    """Note that somebody came by their account elsewhere, and which address it now has."""
    await run(
        db,
        """
        UPDATE identities SET last_used_at = clock_timestamp(), email = coalesce($3, email)
        WHERE provider = $1 AND subject = $2
        """,
        provider,
        subject,
        email,
    )


async def of_user(db: Db, user_id: int) -> list[Identity]:
    """List the accounts elsewhere that open a person's account."""
    return await many(
        db,
        Identity,
        "SELECT provider, email, linked_at, last_used_at FROM identities WHERE user_id = $1 ORDER BY provider",
        user_id,
    )


async def delete(db: Db, user_id: int, provider: str) -> int:
    """Let one go; answers how many there were."""
    return await run(db, "DELETE FROM identities WHERE user_id = $1 AND provider = $2", user_id, provider)


async def delete_all(db: Db, user_id: int) -> int:
    """Let all of a person's go; answers how many there were."""
    return await run(db, "DELETE FROM identities WHERE user_id = $1", user_id)


async def is_fresh(db: Db, user_id: int, login_id: UUID, seconds: int) -> bool:
    """Tell whether a person's login began within so many seconds."""
    return bool(
        await value(
            db,
            """
            SELECT EXISTS (SELECT 1 FROM logins WHERE id = $2 AND user_id = $1 AND revoked_at IS NULL
                           AND created_at > clock_timestamp() - make_interval(secs => $3))
            """,
            user_id,
            login_id,
            float(seconds),
        )
    )


async def is_address_known(db: Db, email: str) -> bool:
    """Tell whether an account has this normal e-mail address."""
    return bool(await value(db, "SELECT EXISTS (SELECT 1 FROM users WHERE email = $1::text::citext)", email))


async def drop_password(db: Db, user_id: int) -> None:
    """Forget the password of a person, who from now on logs in another way."""
    await run(db, "UPDATE users SET password_hash = NULL WHERE id = $1", user_id)


async def has_password(db: Db, user_id: int) -> bool:
    """Tell whether a person can log in with a password."""
    return bool(await value(db, "SELECT password_hash IS NOT NULL FROM users WHERE id = $1", user_id))


async def spend_code(db: Db, code_hash: bytes) -> bool:
    """Spend an authorization code; False for one that came before."""
    return bool(
        await value(
            db,
            """
            INSERT INTO identity_codes AS c (code_hash) VALUES ($1)
            ON CONFLICT (code_hash) DO UPDATE SET came_again = true
            RETURNING NOT c.came_again
            """,
            code_hash,
        )
    )


async def end_begun_by(db: Db, code_hash: bytes) -> list[int]:
    """End the login that a code began; answers whose it was."""
    return await column(
        db,
        """
        UPDATE logins AS l SET revoked_at = clock_timestamp() FROM identity_codes AS c
        WHERE c.code_hash = $1 AND l.id = c.login_id AND l.revoked_at IS NULL
        RETURNING l.user_id
        """,
        code_hash,
    )


async def note_login(db: Db, code_hash: bytes, login_id: UUID) -> bool:
    """Note which login a code began; False when the code has come again meanwhile."""
    return (
        await run(
            db,
            "UPDATE identity_codes SET login_id = $2 WHERE code_hash = $1 AND NOT came_again",
            code_hash,
            login_id,
        )
        == 1
    )


async def forget_codes(db: Db, hours: int, at_most: int) -> int:
    """Forget codes that no provider would take any more."""
    return await run(
        db,
        """
        DELETE FROM identity_codes WHERE code_hash IN (
            SELECT code_hash FROM identity_codes WHERE at < clock_timestamp() - make_interval(hours => $1)
            LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        hours,
        at_most,
    )
