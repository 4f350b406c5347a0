"""Everything that is kept about one person: read for them to take along, and wiped where the books do not need it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from hub.models.bookings import BookingChange
from hub.models.own_data import Device, Leads, OwnFile, WorksAt
from hub.models.payments import Payment
from hub.models.refunds import Refund
from hub.models.wallet import WalletEntry
from storage.query import Db, column, many, maybe, run, value

NOBODY = "Erased person"


class Leaving(BaseModel):
    """Who is about to be erased, as far as it takes to tell them."""

    id: int
    email: str
    phone: str | None
    full_name: str
    language: str


async def lock(db: Db, user_id: int) -> Leaving | None:
    """Lock a person who is not erased."""
    return await maybe(
        db,
        Leaving,
        """
        SELECT id, email::text AS email, phone, full_name, language FROM users
        WHERE id = $1 AND status <> 'deleted' FOR UPDATE
        """,
        user_id,
    )


async def works_at(db: Db, user_id: int) -> list[WorksAt]:
    """List the venues that a person owns or works at."""
    return await many(
        db,
        WorksAt,
        """
        SELECT v.id AS venue_id, v.name, CASE WHEN v.owner_id = $1 THEN 'owner' ELSE s.role END AS role
        FROM venues AS v LEFT JOIN venue_staff AS s ON s.venue_id = v.id AND s.user_id = $1
        WHERE v.deleted_at IS NULL AND (v.owner_id = $1 OR s.user_id IS NOT NULL)
        ORDER BY v.id
        """,
        user_id,
    )


async def leads(db: Db, user_id: int) -> list[Leads]:
    """List the sessions that a person leads or has led."""
    return await many(
        db,
        Leads,
        """
        SELECT s.id AS session_id, s.venue_id, s.title, s.starts_at,
               s.deleted_at IS NULL AND s.status = 'active' AND s.ends_at > clock_timestamp() AS is_ahead
        FROM sessions AS s WHERE s.facilitator_id = $1 ORDER BY s.starts_at, s.id
        """,
        user_id,
    )


async def files(db: Db, user_id: int) -> list[OwnFile]:
    """List the files that count against a person's quota."""
    return await many(
        db,
        OwnFile,
        """
        SELECT '/files/' || name AS url, kind, bytes, made_at FROM files
        WHERE owner_id = $1 AND deleted_at IS NULL AND shown_at IS NOT NULL ORDER BY id
        """,
        user_id,
    )


async def devices(db: Db, user_id: int) -> list[Device]:
    """List the kinds of device that a person was seen on."""
    return await many(
        db,
        Device,
        "SELECT kind, first_seen_at, last_seen_at FROM devices WHERE user_id = $1 ORDER BY first_seen_at",
        user_id,
    )


async def bookings(db: Db, user_id: int) -> list[int]:
    """List all bookings of a person, oldest first."""
    return await column(db, "SELECT id FROM bookings WHERE user_id = $1 ORDER BY id", user_id)


async def booking_changes(db: Db, user_id: int) -> list[BookingChange]:
    """List how a person's bookings were moved."""
    return await many(
        db,
        BookingChange,
        """
        SELECT c.id, c.booking_id, c.changed_by, c.reason, c.before, c.after, c.created_at
        FROM booking_changes AS c JOIN bookings AS b ON b.id = c.booking_id
        WHERE b.user_id = $1 ORDER BY c.id
        """,
        user_id,
    )


async def payments(db: Db, user_id: int) -> list[Payment]:
    """List all payments of a person, oldest first."""
    return await many(
        db,
        Payment,
        """
        SELECT id, user_id, booking_id, gateway, amount, currency, plan, status, failure, expires_at, disputed_at,
               created_at, updated_at, completed_at
        FROM payments WHERE user_id = $1 ORDER BY id
        """,
        user_id,
    )


async def refunds(db: Db, user_id: int) -> list[Refund]:
    """List all refunds of a person, oldest first."""
    return await many(
        db,
        Refund,
        """
        SELECT id, booking_id, payment_id, user_id, target, amount, currency, status, reason, decision, decided_at,
               failure, created_at, updated_at, completed_at
        FROM refunds WHERE user_id = $1 ORDER BY id
        """,
        user_id,
    )


async def wallet_entries(db: Db, user_id: int) -> list[WalletEntry]:
    """List all movements of a person's wallet, oldest first."""
    return await many(
        db,
        WalletEntry,
        """
        SELECT e.id, t.kind, e.amount, a.currency,
               sum(e.amount) OVER (PARTITION BY a.id ORDER BY e.id)::bigint AS balance,
               t.booking_id, t.payment_id, t.refund_id, t.reason, t.at
        FROM accounts AS a JOIN ledger_entries AS e ON e.account_id = a.id
        JOIN ledger_transactions AS t ON t.id = e.transaction_id
        WHERE a.kind = 'wallet' AND a.user_id = $1 ORDER BY e.id
        """,
        user_id,
    )


async def held(db: Db, user_id: int) -> list[int]:
    """List a person's holds, and what of theirs waits for its payment, in the order in which they are locked."""
    return await column(
        db, "SELECT id FROM bookings WHERE user_id = $1 AND status IN ('held', 'pending') ORDER BY id", user_id
    )


async def live_rooms(db: Db, user_id: int) -> list[str]:
    """Name the live rooms whose log may tell of a person: their own, desks of theirs, and where they lead sessions."""
    return await column(
        db,
        """
        SELECT 'user:' || $1::bigint
        UNION
        SELECT 'desk:' || i.venue_id FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id
        WHERE b.user_id = $1
        UNION
        SELECT 'venue:' || i.venue_id FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id
        WHERE b.user_id = $1 AND b.status IN ('held', 'pending')
        UNION
        SELECT 'venue:' || s.venue_id FROM sessions AS s WHERE s.facilitator_id = $1
        """,
        user_id,
    )


async def forget_logs(db: Db, rooms: Sequence[str]) -> None:
    """Forget what was told in these live rooms up to now; whoever missed some of it begins anew with a snapshot.

    Takes the rooms' locks in the order in which telling takes them.
    """
    await run(
        db,
        """
        INSERT INTO live_rooms AS r (room, version)
        SELECT named.room, 0 FROM unnest($1::text[]) AS named (room) ORDER BY named.room COLLATE "C"
        ON CONFLICT (room) DO UPDATE SET floor = r.version
        """,
        rooms,
    )
    await run(db, "DELETE FROM events WHERE room = ANY ($1::text[])", rooms)


async def wipe_bookings(db: Db, user_id: int) -> list[int]:
    """Wipe what bookings say of their guest; answers those of which a desk still sees something change."""
    await run(
        db,
        """
        UPDATE booking_changes AS c SET reason = '' FROM bookings AS b
        WHERE b.id = c.booking_id AND b.user_id = $1 AND c.reason <> ''
        """,
        user_id,
    )
    await run(
        db,
        """
        UPDATE refunds SET reason = '', decision = CASE WHEN decision IS NOT NULL THEN '' END
        WHERE user_id = $1 AND (reason <> '' OR decision <> '')
        """,
        user_id,
    )
    return await column(
        db,
        """
        WITH wiped AS (
            UPDATE bookings AS b SET notes = '', guest_details = NULL,
                cancel_reason = CASE WHEN b.cancel_reason IS NOT NULL THEN '' END,
                updated_at = CASE WHEN was.is_seen THEN clock_timestamp() ELSE b.updated_at END
            FROM (SELECT o.id, o.status IN ('held', 'pending', 'confirmed')
                               OR o.updated_at > clock_timestamp() - interval '24 hours' AS is_seen
                  FROM bookings AS o
                  WHERE o.user_id = $1 AND (o.notes <> '' OR o.guest_details IS NOT NULL OR o.cancel_reason <> '')
                  ORDER BY o.id FOR NO KEY UPDATE) AS was
            WHERE b.id = was.id RETURNING b.id, was.is_seen
        )
        SELECT id FROM wiped WHERE is_seen ORDER BY id
        """,
        user_id,
    )


async def wipe_person(db: Db, user_id: int) -> None:
    """Wipe who a locked person is; the row stays, since bookings and the books point at it."""
    await run(
        db,
        """
        UPDATE users SET email = ('erased-' || id || '@erased.invalid')::citext, password_hash = NULL, full_name = $2,
            first_name = NULL, last_name = NULL, phone = NULL, birth_date = NULL, gender = NULL, picture_url = NULL,
            bio = NULL, specialisation = NULL, language = 'en', currency = 'USD', notification_choices = '{}',
            is_student = false, student_discounts_left = 0, email_verified_at = NULL, phone_verified_at = NULL,
            suspended_at = NULL, suspension_reason = NULL, suspended_by = NULL, status = 'deleted',
            token_version = token_version + 1, updated_at = clock_timestamp()
        WHERE id = $1
        """,
        user_id,
        NOBODY,
    )


async def wipe_ways_in(db: Db, user_id: int) -> None:
    """Forget by what a person logged in, from where, and what they were allowed."""
    await run(db, "DELETE FROM logins WHERE user_id = $1", user_id)
    await run(db, "DELETE FROM identities WHERE user_id = $1", user_id)
    await run(db, "DELETE FROM codes WHERE user_id = $1", user_id)
    await run(db, "DELETE FROM second_factors WHERE user_id = $1", user_id)
    await run(db, "DELETE FROM recovery_codes WHERE user_id = $1", user_id)
    await run(db, "DELETE FROM devices WHERE user_id = $1", user_id)
    await run(db, "DELETE FROM calendar_feeds WHERE user_id = $1", user_id)
    await run(db, "DELETE FROM user_roles WHERE user_id = $1", user_id)
    await run(db, "DELETE FROM venue_staff WHERE user_id = $1", user_id)


async def wipe_traces(db: Db, user_id: int, email: str, phone: str | None) -> None:
    """Forget a person where they were named elsewhere: invitations, kept answers, letters, venues that are gone."""
    await run(
        db,
        """
        UPDATE venue_invitations SET email = ('erased-' || $1::bigint || '@erased.invalid')::citext,
            withdrawn_at = CASE WHEN accepted_at IS NULL THEN coalesce(withdrawn_at, clock_timestamp()) END
        WHERE email = $2::text::citext OR accepted_by = $1
        """,
        user_id,
        email,
    )
    await run(
        db,
        """
        DELETE FROM repeat_keys
        WHERE user_id = $1 OR answer -> 'guest' ->> 'id' = $1::bigint::text
        """,
        user_id,
    )
    await run(db, "DELETE FROM letters WHERE recipient IN ($1, $2)", email, phone)
    await run(db, "DELETE FROM jobs WHERE kind IN ('mail', 'sms') AND data ->> 'to' IN ($1, $2)", email, phone)
    await run(
        db,
        """
        UPDATE venues SET contact_phone = NULL, contact_email = NULL, contact_website = NULL
        WHERE owner_id = $1 AND deleted_at IS NOT NULL
        """,
        user_id,
    )
    await run(
        db,
        "UPDATE files SET deleted_at = clock_timestamp() WHERE owner_id = $1 AND deleted_at IS NULL",
        user_id,
    )


async def names_in_the_way(db: Db, user_id: int) -> list[str]:
    """Name what somebody has to hand over or close first: venues they own, and sessions they are about to lead."""
    return await column(
        db,
        """
        SELECT name FROM (
            SELECT v.name, 1 AS kind, v.id FROM venues AS v WHERE v.owner_id = $1 AND v.deleted_at IS NULL
            UNION ALL
            SELECT s.title, 2, s.id FROM sessions AS s JOIN venues AS v ON v.id = s.venue_id
            WHERE s.facilitator_id = $1 AND s.deleted_at IS NULL AND v.deleted_at IS NULL AND s.status = 'active'
              AND s.ends_at > clock_timestamp()
        ) AS standing
        ORDER BY kind, id LIMIT 20
        """,
        user_id,
    )


async def super_admins_but(db: Db, user_id: int) -> int | None:
    """Count the other super admins, if this person is one; nobody gives or takes that role until commit."""
    await run(db, "SELECT 1 FROM roles WHERE code = 'super_admin' FOR UPDATE")
    found: int | None = await value(
        db,
        """
        SELECT (SELECT count(*) FROM user_roles AS o JOIN users AS u ON u.id = o.user_id
                WHERE o.role_id = ur.role_id AND o.user_id <> $1 AND u.status = 'active')
        FROM user_roles AS ur JOIN roles AS r ON r.id = ur.role_id
        WHERE ur.user_id = $1 AND r.code = 'super_admin'
        """,
        user_id,
    )
    return found
