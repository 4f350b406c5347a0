"""The audit: written by the database with every change, read by those who answer for it, and sealed as it grows."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import structlog

from hub.core import Actor, Hub
from hub.errors import Forbidden, HubError, NotFound
from hub.models.audit import AuditEntry, BookingLog, BrokenLink, ListAudit, Verification, VerifyAudit
from hub.models.base import Page
from hub.models.bookings import NameBooking
from hub.services import access
from storage import access as ties
from storage import audit as store

READ = "audit:read"
# Entries in one seal at most, and seals that one question checks.
SEALED_AT_ONCE = 2000
CHECKED_AT_ONCE = 20

log = structlog.get_logger()


class AuditBroken(HubError):
    """The audit is not as it was written."""

    code, status = "audit_broken", 500


async def denied(hub: Hub, actor: Actor, entity: str, entity_id: int | None, refusal: HubError) -> None:
    """Keep that somebody was refused what they may not do, in a transaction of its own; never fails."""
    with contextlib.suppress(HubError):
        async with hub.work(replace(actor, repeat=None)) as work:
            await store.denied(work.db, entity, entity_id, refusal.code)


async def listed(hub: Hub, actor: Actor, ask: ListAudit) -> Page[AuditEntry]:
    """List changes: all of them to who may read the audit, a venue's to its owner."""
    access.signed_in(actor)
    wanted = (ask.entity, ask.entity_id, ask.actor_id, ask.operation, ask.asked, ask.from_, ask.to)
    async with hub.reading() as db:
        if ask.venue_id is not None:
            await _owns(hub, actor, ask.venue_id)
            found = await store.of_venue(db, ask.venue_id, *wanted, ask.per_page, ask.offset)
        elif actor.may(READ):
            found = await store.listed(db, *wanted, ask.per_page, ask.offset)
        else:
            raise Forbidden("Name one of your venues; the whole audit is for admins.")
    return Page[AuditEntry].model_validate(ask.of(*found))


async def _owns(hub: Hub, actor: Actor, venue_id: int) -> None:
    if actor.may(READ):
        return
    async with hub.reading() as db:
        tie = await ties.tie(db, venue_id, access.signed_in(actor))
    if tie is None:
        raise NotFound()
    if tie != "owner":
        raise Forbidden("Only the owner reads a venue's audit.")


async def of_booking(hub: Hub, actor: Actor, ask: NameBooking) -> BookingLog:
    """Read what happened to a booking: admins all of it, a desk its venue's part."""
    async with hub.reading() as db:
        await access.see_booking(db, actor, ask.booking_id)
        venue_ids = await ties.venues_of_booking(db, ask.booking_id)
        if actor.may("booking:read") or actor.may(READ):
            return BookingLog(items=await store.of_booking(db, ask.booking_id, None))
        own = [venue_id for venue_id in venue_ids if await access.works_at(db, actor, venue_id)]
        if not own:
            raise Forbidden("The log of a booking is for the venue's staff.")
        return BookingLog(items=await store.of_booking(db, ask.booking_id, own))


async def verify(hub: Hub, ask: VerifyAudit) -> Verification:
    """Check the seals from one on, some at a time: whether each entry is as it was written, and none is gone."""
    async with hub.one_moment() as db:
        checked = await store.check(db, ask.from_seal, CHECKED_AT_ONCE)
        ends = await store.ends(db)
    broken = None
    if checked.broken_seal is not None:
        broken = BrokenLink(seal=checked.broken_seal, row=checked.broken_row, reason=checked.reason or "")
    return Verification(
        holds=broken is None,
        held_to=checked.held_to,
        entries=checked.looked_at,
        next_seal=checked.held_to + 1 if broken is None and checked.held_to < ends.last_seal else None,
        unsealed=ends.unsealed,
        head=ends.head.hex() if ends.head else None,
        broken=broken,
    )


async def verify_all(hub: Hub) -> Verification:
    """Check the whole chain."""
    entries, next_seal = 0, 1
    while True:
        found = await verify(hub, VerifyAudit(from_seal=next_seal))
        entries += found.entries
        if found.next_seal is None:
            return found.model_copy(update={"entries": entries})
        next_seal = found.next_seal


async def seal(hub: Hub) -> int:
    """Seal what is settled; answers how many entries. The log keeps each seal's hash, out of the database's reach."""
    sealed = 0
    while True:
        async with hub.reading() as db:
            seal = await store.seal(db, SEALED_AT_ONCE)
        if seal is None:
            return sealed
        sealed += seal.sealed
        log.info("audit sealed", seal=seal.seal_id, entries=seal.sealed, hash=seal.hash.hex())
