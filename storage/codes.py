"""One-time codes: one of each purpose an account, five tries each, spent once."""

from __future__ import annotations

from pydantic import BaseModel

from storage.query import Db, maybe, run, value


class Tried(BaseModel):
    """What came of trying a code."""

    target: str
    is_right: bool
    tries_left: int


async def put(
    db: Db,
    user_id: int,
    purpose: str,
    target: str,
    code_hash: bytes,
    code_seconds: int,
    link_hash: bytes | None = None,
    link_seconds: int = 0,
) -> None:
    """Write a code, and the link beside it, in place of the older one of this purpose."""
    await run(
        db,
        """
        INSERT INTO codes (user_id, purpose, target, code_hash, code_expires_at, link_hash, link_expires_at)
        VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5::int),
                $6, clock_timestamp() + make_interval(secs => $7::int))
        ON CONFLICT (user_id, purpose) DO UPDATE
        SET target = excluded.target, code_hash = excluded.code_hash, link_hash = excluded.link_hash, tries = 0,
            made_at = clock_timestamp(), code_expires_at = excluded.code_expires_at,
            link_expires_at = excluded.link_expires_at, used_at = NULL
        """,
        user_id,
        purpose,
        target,
        code_hash,
        code_seconds,
        link_hash,
        link_seconds,
    )


async def attempt(db: Db, user_id: int, purpose: str, code_hash: bytes) -> Tried | None:
    """Count one try at a live code and tell whether it is the one; None when there is none or all tries are spent."""
    return await maybe(
        db,
        Tried,
        """
        UPDATE codes SET tries = tries + 1
        WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL AND tries < 5 AND code_expires_at > clock_timestamp()
        RETURNING target, code_hash = $3 AS is_right, 5 - tries AS tries_left
        """,
        user_id,
        purpose,
        code_hash,
    )


async def target_of_link(db: Db, user_id: int, link_hash: bytes) -> str | None:
    """Tell where the link for a new password was sent, while it is good."""
    target: str | None = await value(
        db,
        """
        SELECT target FROM codes
        WHERE user_id = $1 AND link_hash = $2 AND purpose = 'reset_password' AND used_at IS NULL
          AND link_expires_at > clock_timestamp()
        """,
        user_id,
        link_hash,
    )
    return target


async def user_of_link(db: Db, link_hash: bytes) -> int | None:
    """Tell whose link this is; whether it is still good is judged once the account is locked."""
    user_id: int | None = await value(db, "SELECT user_id FROM codes WHERE link_hash = $1", link_hash)
    return user_id


async def spend(db: Db, user_id: int, purpose: str) -> int:
    """Spend the code of a purpose, and the link beside it; 0 for whoever comes second."""
    return await run(
        db,
        "UPDATE codes SET used_at = clock_timestamp() WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL",
        user_id,
        purpose,
    )


async def spend_proof(db: Db, user_id: int, purpose: str, proof: bytes) -> str | None:
    """Spend the very code or link that was judged, and tell where it was sent; None for whoever comes second."""
    target: str | None = await value(
        db,
        """
        UPDATE codes SET used_at = clock_timestamp()
        WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL AND (code_hash = $3 OR link_hash = $3)
        RETURNING target
        """,
        user_id,
        purpose,
        proof,
    )
    return target


async def void(db: Db, user_id: int) -> int:
    """Void every code of an account that is under way."""
    return await run(db, "UPDATE codes SET used_at = clock_timestamp() WHERE user_id = $1 AND used_at IS NULL", user_id)


async def forget_old(db: Db, hours: int) -> int:
    """Forget codes that were made so many hours ago; by then none is good."""
    return await run(db, "DELETE FROM codes WHERE made_at < clock_timestamp() - make_interval(hours => $1)", hours)
