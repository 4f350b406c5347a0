"""Transactions, and what a violated constraint means to a person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from hub.errors import (
    AccountFrozen,
    AlreadyExists,
    Conflict,
    EmailTaken,
    HubError,
    IdentityTaken,
    Invalid,
    NotAvailable,
    TooLittle,
    Unavailable,
)
from storage.pool import Pool, connection

if TYPE_CHECKING:
    from storage.query import Db

# Constraint name -> the refusal it stands for. A constraint that is not here is a programming error and stays a 500.
_REFUSALS: dict[str, HubError] = {
    "users_email_taken": EmailTaken(),
    "users_verified_phone": Conflict(
        "Somebody else shows at this moment that the number is theirs; ask for a new code."
    ),
    "identities_subject_taken": IdentityTaken(),
    "identities_one_of_each": IdentityTaken(),
    "rooms_number_taken": AlreadyExists("This venue already has a room with that number."),
    "roles_code_taken": AlreadyExists("A role with that code exists already."),
    "offers_code_taken": AlreadyExists("There is an offer with that code already; choose another one."),
    "room_already_claimed": NotAvailable("Somebody was faster; the room is taken for that time."),
    "pool_night_sold_out": NotAvailable("There are not that many rooms left on one of these nights."),
    "session_sold_out": NotAvailable("There are not that many places left in this session."),
    "account_has_too_little": TooLittle(),
    "account_is_frozen": AccountFrozen(),
    "escrow_has_too_little": TooLittle("Less than that was paid for this booking and is still to be given back."),
    "venue_night_range": Invalid.field("min_nights", "must not exceed max_nights"),
    "venue_slot_range": Invalid.field("min_slot_minutes", "must not exceed max_slot_minutes"),
    "venue_check_out_before_in": Invalid.field("check_out_time", "must not be later than check_in_time"),
    "venue_hold_range": Invalid.field("hold_seconds", "must not exceed hold_cap_seconds"),
    "session_ends_after_start": Invalid.field("ends_at", "must be after starts_at"),
    "closure_ends_after_start": Invalid.field("ends_at", "must be after starts_at"),
    "closure_names_one_thing": Invalid.field("room_id", "name a room or a room type, not both"),
    "pool_sells_nights": Invalid.field("price_unit", "a pool is sold by the night"),
}


def refusal_of(error: asyncpg.PostgresError) -> HubError | None:
    """Translate what PostgreSQL refused into what the hub says; None when it is not a refusal."""
    constraint = getattr(error, "constraint_name", None)
    if constraint in _REFUSALS:
        return _REFUSALS[constraint]
    if isinstance(
        error,
        asyncpg.LockNotAvailableError
        | asyncpg.QueryCanceledError
        | asyncpg.DeadlockDetectedError
        | asyncpg.SerializationError
        | asyncpg.PostgresConnectionError
        | asyncpg.InsufficientResourcesError
        | asyncpg.OperatorInterventionError,
    ):
        return Unavailable()
    return None


@asynccontextmanager
async def refusing() -> AsyncIterator[None]:
    """Turn the database's refusals inside the block into the hub's."""
    try:
        yield
    except asyncpg.PostgresError as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        raise type(refusal)(refusal.sentence, retry_after=refusal.retry_after, **refusal.details) from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError, TimeoutError) as error:
        raise Unavailable() from error


@asynccontextmanager
async def transaction(pool: Pool, author: bytes = b"") -> AsyncIterator[Db]:
    """Run a block in one transaction (READ COMMITTED); commit at its end, undo everything if it raises.

    `author`, a JSON object, is what the audit keeps beside every change.
    """
    async with refusing(), connection(pool) as db:
        try:
            await _begin(db, author)
            yield db
        except (TimeoutError, asyncpg.InternalClientError):
            # The connection is given up, and everything with it.
            raise
        except BaseException:
            await db.execute("ROLLBACK")
            raise
        if await db.execute("COMMIT") != "COMMIT":
            raise RuntimeError("a statement failed unnoticed, so nothing was committed")


async def _begin(db: Db, author: bytes) -> None:
    # One round trip for both, in the protocol that takes no parameters; hex needs no quoting, whatever it stands for.
    await db.execute(f"BEGIN; SET LOCAL hub.author = '{author.hex()}'")


@asynccontextmanager
async def reading(pool: Pool) -> AsyncIterator[Db]:
    """Lend a connection for reads that need no common moment."""
    async with refusing(), connection(pool) as db:
        yield db


@asynccontextmanager
async def one_moment(pool: Pool) -> AsyncIterator[Db]:
    """Run reads that must all see the same moment: a snapshot and the version it stands for."""
    async with refusing(), connection(pool) as db, db.transaction(isolation="repeatable_read", readonly=True):
        yield db
