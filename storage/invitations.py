"""Invitations to work at a venue; of each only a hash of its secret is kept."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from hub.models.staff import Invitation, StaffRole
from storage.listing import page
from storage.query import Db, maybe, one, run, value


class Kept(BaseModel):
    """An invitation as its secret finds it, whether or not it still is open."""

    id: int
    venue_id: int
    venue_name: str
    email: str
    role: StaffRole
    invited_by: int
    inviter: str
    is_open: bool
    expires_at: datetime


class Sent(BaseModel):
    """How much a venue has invited lately."""

    to_address: int
    by_venue: int


async def listed(db: Db, venue_id: int, limit: int, offset: int) -> tuple[list[Invitation], int]:
    """List one page of a venue's open invitations, the newest first."""
    return await page(
        db,
        Invitation,
        """
        SELECT i.id, i.venue_id, i.email::text AS email, i.role, u.full_name AS invited_by, i.created_at, i.expires_at,
               count(*) OVER () AS total
        FROM venue_invitations AS i JOIN users AS u ON u.id = i.invited_by
        WHERE i.venue_id = $1 AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL AND i.expires_at > clock_timestamp()
        ORDER BY i.id DESC LIMIT $2 OFFSET $3
        """,
        venue_id,
        limit=limit,
        offset=offset,
    )


async def insert(
    db: Db, venue_id: int, email: str, role: str, secret_hash: bytes, invited_by: int, days: int
) -> Invitation:
    """Write an invitation; one that the same address has from this venue must have been withdrawn."""
    return await one(
        db,
        Invitation,
        """
        WITH made AS (
            INSERT INTO venue_invitations (venue_id, email, role, secret_hash, invited_by, expires_at)
            VALUES ($1, $2::text::citext, $3, $4, $5, clock_timestamp() + make_interval(days => $6))
            RETURNING id, venue_id, email, role, invited_by, created_at, expires_at)
        SELECT m.id, m.venue_id, m.email::text AS email, m.role, u.full_name AS invited_by, m.created_at, m.expires_at
        FROM made AS m JOIN users AS u ON u.id = m.invited_by
        """,
        venue_id,
        email,
        role,
        secret_hash,
        invited_by,
        days,
    )


async def sent(db: Db, venue_id: int, email: str) -> Sent:
    """Count what was invited in the last day: this address by anybody, and anybody by this venue."""
    return await one(
        db,
        Sent,
        """
        SELECT count(*) FILTER (WHERE email = $2::text::citext) AS to_address,
               count(*) FILTER (WHERE venue_id = $1) AS by_venue
        FROM venue_invitations
        WHERE (venue_id = $1 OR email = $2::text::citext) AND created_at > clock_timestamp() - interval '1 day'
        """,
        venue_id,
        email,
    )


async def by_secret(db: Db, secret_hash: bytes) -> Kept | None:
    """Find the invitation that a secret belongs to."""
    return await maybe(
        db,
        Kept,
        """
        SELECT i.id, i.venue_id, v.name AS venue_name, i.email::text AS email, i.role, i.invited_by,
               u.full_name AS inviter, i.expires_at,
               i.accepted_at IS NULL AND i.withdrawn_at IS NULL AND i.expires_at > clock_timestamp()
                   AND v.deleted_at IS NULL AND u.status = 'active' AS is_open
        FROM venue_invitations AS i JOIN venues AS v ON v.id = i.venue_id JOIN users AS u ON u.id = i.invited_by
        WHERE i.secret_hash = $1
        """,
        secret_hash,
    )


async def spend(db: Db, invitation_id: int, user_id: int) -> bool:
    """Accept an open invitation; False for whoever comes second or too late."""
    return (
        await value(
            db,
            """
            UPDATE venue_invitations SET accepted_at = clock_timestamp(), accepted_by = $2
            WHERE id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > clock_timestamp()
            RETURNING true
            """,
            invitation_id,
            user_id,
        )
        is not None
    )


async def withdraw(db: Db, venue_id: int, invitation_id: int) -> int:
    """Withdraw an open invitation of a venue."""
    return await run(
        db,
        """
        UPDATE venue_invitations SET withdrawn_at = clock_timestamp()
        WHERE id = $2 AND venue_id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL
          AND expires_at > clock_timestamp()
        """,
        venue_id,
        invitation_id,
    )


async def withdraw_to(db: Db, venue_id: int, email: str) -> None:
    """Withdraw what an address was invited to at a venue, and has not accepted."""
    await run(
        db,
        """
        UPDATE venue_invitations SET withdrawn_at = clock_timestamp()
        WHERE venue_id = $1 AND email = $2::text::citext AND accepted_at IS NULL AND withdrawn_at IS NULL
        """,
        venue_id,
        email,
    )


async def withdraw_by(db: Db, venue_id: int, user_id: int) -> None:
    """Withdraw what somebody who is no longer trusted with it has invited to at a venue."""
    await run(
        db,
        """
        UPDATE venue_invitations SET withdrawn_at = clock_timestamp()
        WHERE venue_id = $1 AND invited_by = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL
        """,
        venue_id,
        user_id,
    )
