"""Authenticators and recovery codes."""

from __future__ import annotations

from pydantic import BaseModel

from storage.query import Db, maybe, run, value


class Authenticator(BaseModel):
    """An authenticator as it is kept: its secret encrypted, and whether a first code has confirmed it."""

    secret: bytes
    is_confirmed: bool


async def find(db: Db, user_id: int) -> Authenticator | None:
    """Find a person's authenticator."""
    return await maybe(
        db,
        Authenticator,
        "SELECT secret, confirmed_at IS NOT NULL AS is_confirmed FROM second_factors WHERE user_id = $1",
        user_id,
    )


async def put(db: Db, user_id: int, secret: bytes) -> bool:
    """Write the secret of an authenticator that waits for its first code; False where one is confirmed already."""
    return (
        await run(
            db,
            """
            INSERT INTO second_factors (user_id, secret) VALUES ($1, $2)
            ON CONFLICT (user_id) DO UPDATE
            SET secret = excluded.secret, last_step = 0, made_at = clock_timestamp()
            WHERE second_factors.confirmed_at IS NULL
            """,
            user_id,
            secret,
        )
        == 1
    )


async def use_step(db: Db, user_id: int, step: int) -> bool:
    """Use the code of a time step; False where it, or a later one, was used before."""
    return (
        await run(db, "UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2", user_id, step)
        == 1
    )


async def confirm(db: Db, user_id: int) -> bool:
    """Note that the first code has come; False where it had come before."""
    return (
        await run(
            db,
            "UPDATE second_factors SET confirmed_at = clock_timestamp() WHERE user_id = $1 AND confirmed_at IS NULL",
            user_id,
        )
        == 1
    )


async def end(db: Db, user_id: int) -> None:
    """Forget a person's authenticator."""
    await run(db, "DELETE FROM second_factors WHERE user_id = $1", user_id)


async def put_recovery_codes(db: Db, user_id: int, hashes: list[bytes]) -> None:
    """Write recovery codes beside those that were not taken out before."""
    await run(
        db,
        "INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, unnest($2::bytea[])",
        user_id,
        hashes,
    )


async def drop_recovery_codes(db: Db, user_id: int) -> None:
    """Take out all recovery codes of a person."""
    await run(db, "DELETE FROM recovery_codes WHERE user_id = $1", user_id)


async def use_recovery_code(db: Db, user_id: int, code_hash: bytes) -> bool:
    """Use a recovery code; False where there is none such or it was used before."""
    return (
        await run(
            db,
            """
            UPDATE recovery_codes SET used_at = clock_timestamp()
            WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL
            """,
            user_id,
            code_hash,
        )
        == 1
    )


async def recovery_codes_left(db: Db, user_id: int) -> int:
    """Count the recovery codes that still work."""
    count: int = await value(db, "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL", user_id)
    return count
