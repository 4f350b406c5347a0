"""People: their profiles, passwords, roles and rights."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from hub.models.users import User
from storage.query import Db, column, maybe, run, value


class Credentials(BaseModel):
    """What judges a log-in."""

    id: int
    password_hash: str | None
    status: str


class Profile(BaseModel):
    """What a person tells of themselves, as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    full_name: str
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    birth_date: date | None = None
    gender: str | None = None
    bio: str | None = None
    specialisation: str | None = None
    language: str = "en"
    currency: str = "USD"
    notification_choices: dict[str, bool] = {}


async def find(db: Db, user_id: int) -> User | None:
    """Find a person by id, with their roles and rights; one who was deleted is not found."""
    return await maybe(
        db,
        User,
        """
        SELECT u.id, u.email::text AS email, u.full_name, u.first_name, u.last_name, u.phone, u.birth_date, u.gender,
               u.picture_url, u.bio, u.specialisation, u.language, u.currency, u.notification_choices, u.is_student,
               u.loyalty_points, u.email_verified_at IS NOT NULL AS email_verified,
               u.phone_verified_at IS NOT NULL AS phone_verified, u.created_at,
               ARRAY(SELECT r.code FROM user_roles AS ur JOIN roles AS r ON r.id = ur.role_id
                     WHERE ur.user_id = u.id ORDER BY r.rank DESC, r.code) AS roles,
               ARRAY(SELECT DISTINCT p.resource || ':' || p.action
                     FROM user_roles AS ur JOIN role_permissions AS rp ON rp.role_id = ur.role_id
                     JOIN permissions AS p ON p.id = rp.permission_id
                     WHERE ur.user_id = u.id ORDER BY 1) AS permissions
        FROM users AS u
        WHERE u.id = $1 AND u.status <> 'deleted'
        """,
        user_id,
    )


async def credentials(db: Db, email: str) -> Credentials | None:
    """Find what judges a log-in under this normal e-mail address."""
    return await maybe(
        db, Credentials, "SELECT id, password_hash, status FROM users WHERE email = $1::text::citext", email
    )


async def insert(db: Db, email: str, password_hash: str | None, profile: Profile) -> int:
    """Write a new person and answer the id; a known e-mail address is refused."""
    user_id: int = await value(
        db,
        """
        INSERT INTO users (email, password_hash, full_name, first_name, last_name, phone, birth_date, gender, bio,
                           specialisation, language, currency, notification_choices)
        VALUES ($1::text::citext, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        RETURNING id
        """,
        email,
        password_hash,
        profile.full_name,
        profile.first_name,
        profile.last_name,
        profile.phone,
        profile.birth_date,
        profile.gender,
        profile.bio,
        profile.specialisation,
        profile.language,
        profile.currency,
        profile.notification_choices,
    )
    return user_id


async def lock_profile(db: Db, user_id: int) -> Profile | None:
    """Lock a person who is not deleted and read what they tell of themselves; nobody tells of them meanwhile."""
    return await maybe(
        db,
        Profile,
        """
        SELECT full_name, first_name, last_name, phone, birth_date, gender, bio, specialisation, language, currency,
               notification_choices
        FROM users WHERE id = $1 AND status <> 'deleted' FOR UPDATE
        """,
        user_id,
    )


async def change_profile(db: Db, user_id: int, profile: Profile) -> None:
    """Write a locked person's profile; another telephone number has yet to be verified."""
    await run(
        db,
        """
        UPDATE users SET full_name = $2, first_name = $3, last_name = $4, phone = $5, birth_date = $6, gender = $7,
            bio = $8, specialisation = $9, language = $10, currency = $11, notification_choices = $12,
            phone_verified_at = CASE WHEN phone IS NOT DISTINCT FROM $5 THEN phone_verified_at END,
            updated_at = clock_timestamp()
        WHERE id = $1
        """,
        user_id,
        profile.full_name,
        profile.first_name,
        profile.last_name,
        profile.phone,
        profile.birth_date,
        profile.gender,
        profile.bio,
        profile.specialisation,
        profile.language,
        profile.currency,
        profile.notification_choices,
    )


async def lock_unchanged(db: Db, user_id: int, password_hash: str) -> bool:
    """Lock an active person whose password still is the one that was judged; False when it has changed meanwhile."""
    return bool(
        await value(
            db,
            """
            SELECT true FROM users WHERE id = $1 AND password_hash = $2 AND status = 'active' FOR NO KEY UPDATE
            """,
            user_id,
            password_hash,
        )
    )


async def find_addressee(db: Db, email: str | None, phone: str | None) -> int | None:
    """Find the active person with this e-mail address, or whose verified telephone number this is."""
    user_id: int | None = await value(
        db,
        """
        SELECT id FROM users
        WHERE status = 'active' AND (email = $1::text::citext OR (phone = $2 AND phone_verified_at IS NOT NULL))
        """,
        email,
        phone,
    )
    return user_id


async def verify_email(db: Db, user_id: int, email: str) -> None:
    """Note that a person has shown this e-mail address to be theirs, if it still is the one they go by."""
    await run(
        db,
        """
        UPDATE users SET email_verified_at = clock_timestamp(), updated_at = clock_timestamp()
        WHERE id = $1 AND email = $2::text::citext AND email_verified_at IS NULL
        """,
        user_id,
        email,
    )


async def verify_phone(db: Db, user_id: int, phone: str) -> None:
    """Note that a telephone number rings with this person, and with nobody who had it before."""
    await run(
        db,
        """
        UPDATE users SET phone_verified_at = NULL, updated_at = clock_timestamp()
        WHERE phone = $2 AND id <> $1 AND phone_verified_at IS NOT NULL
        """,
        user_id,
        phone,
    )
    await run(
        db,
        """
        UPDATE users SET phone_verified_at = clock_timestamp(), updated_at = clock_timestamp()
        WHERE id = $1 AND phone = $2
        """,
        user_id,
        phone,
    )


async def change_email(db: Db, user_id: int, email: str) -> None:
    """Write a person's new e-mail address, which they have shown to be theirs; a known one is refused."""
    await run(
        db,
        """
        UPDATE users SET email = $2::text::citext, email_verified_at = clock_timestamp(),
            updated_at = clock_timestamp()
        WHERE id = $1
        """,
        user_id,
        email,
    )


async def set_password(db: Db, user_id: int, password_hash: str) -> None:
    """Write a new password and make all access tokens worthless."""
    await run(
        db,
        """
        UPDATE users SET password_hash = $2, token_version = token_version + 1, updated_at = clock_timestamp()
        WHERE id = $1
        """,
        user_id,
        password_hash,
    )


async def rehash(db: Db, user_id: int, old_hash: str, new_hash: str) -> int:
    """Replace the hash of an unchanged password, unless the password has changed meanwhile."""
    return await run(
        db,
        "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
        user_id,
        old_hash,
        new_hash,
    )


async def void_tokens(db: Db, user_id: int) -> None:
    """Lock a person and make all their access tokens worthless."""
    await run(db, "UPDATE users SET token_version = token_version + 1 WHERE id = $1", user_id)


async def roles_of(db: Db, user_id: int) -> list[str]:
    """List the codes of a person's roles, the highest first."""
    return await column(
        db,
        """
        SELECT r.code FROM user_roles AS ur JOIN roles AS r ON r.id = ur.role_id
        WHERE ur.user_id = $1 ORDER BY r.rank DESC, r.code
        """,
        user_id,
    )


async def grant_role(db: Db, user_id: int, code: str) -> bool:
    """Give a person a role they may already have; False when there is no such role."""
    return bool(
        await value(
            db,
            """
            WITH role AS (SELECT id FROM roles WHERE code = $2), granted AS (
                INSERT INTO user_roles (user_id, role_id) SELECT $1::bigint, id FROM role ON CONFLICT DO NOTHING)
            SELECT EXISTS (SELECT FROM role)
            """,
            user_id,
            code,
        )
    )
