"""Folios: all about the money of a booking; cash at a desk; and what of money waits for somebody."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import uuid4

from hub.core import Actor, Hub
from hub.errors import Forbidden, HoldExpired, Invalid, NotFound, WrongState
from hub.models.bookings import NameBooking
from hub.models.folio import AskOperations, Folio, FolioInstalment, Operations, RecordCash
from hub.models.payments import Payment
from hub.services import access, dues, settling
from hub.services.dues import Standing
from storage import access as ties
from storage import bookings as booking_store
from storage import dues as agreed
from storage import folios as store
from storage import payments, refunds
from storage.ledger import Entry


async def read(hub: Hub, actor: Actor, ask: NameBooking) -> Folio:
    """Read all about a booking's money: its customer all of it, a desk what is its venue's."""
    async with hub.one_moment() as db:
        only_venue = await access.see_booking(db, actor, ask.booking_id)
        is_part = only_venue is not None and len(await ties.venues_of_booking(db, ask.booking_id)) > 1
        booking = await booking_store.document(db, ask.booking_id, only_venue)
        row = await booking_store.find(db, ask.booking_id)
        if booking is None or row is None:
            raise NotFound()
        standing = await dues.standing(db, row)
        if is_part and only_venue is not None:
            # What is agreed, due and paid for the whole tells of the other venues.
            paid = booking.paid - (await refunds.promised(db, row.id)).get(only_venue, 0)
            standing = Standing(booking.price, paid, standing.plan, [], row.at)
        return Folio(
            booking=booking,
            quote=None if is_part else await agreed.quote(db, row.id),
            plan=standing.plan,
            paid=standing.paid,
            due=standing.due,
            next=standing.next,
            open=standing.open,
            instalments=instalments(standing),
            payments=[] if is_part else await payments.of_booking(db, row.id),
            refunds=[] if is_part else await refunds.of_booking(db, [row.id]),
            movements=await store.movements(db, row.id, only_venue if is_part else None),
        )


def instalments(standing: Standing) -> list[FolioInstalment]:
    """Say of each instalment how far it is paid, the earliest first."""
    left, shown = standing.paid, []
    for one in standing.instalments:
        paid = max(min(left, one.amount), 0)
        left -= paid
        shown.append(
            FolioInstalment(
                due_at=one.due_at,
                amount=one.amount,
                paid=paid,
                state=_state(paid >= one.amount, one.due_at, one.missed_at, standing.at),
            )
        )
    return shown


def _state(
    is_paid: bool, due_at: datetime, missed_at: datetime | None, now: datetime
) -> Literal["paid", "due", "coming", "missed"]:
    if is_paid:
        return "paid"
    if missed_at is not None:
        return "missed"
    return "due" if due_at <= now else "coming"


async def record_cash(hub: Hub, actor: Actor, ask: RecordCash) -> Payment:
    """Record what a guest has paid in cash at a venue's desk; only its staff can."""
    access.in_person(actor)
    async with hub.work(actor) as work:
        booking = await access.booking(work.db, actor, ask.booking_id, staff=True)
        if booking.user_id == actor.user_id:
            raise Forbidden("Somebody else at the desk has to take your own cash.")
        if booking.has_expired or booking.status == "expired":
            raise HoldExpired()
        if booking.status not in settling.PAYABLE:
            raise WrongState(f"This booking is {booking.status.replace('_', '-')}.")
        if ask.venue_id is None and len(booking.venue_ids) > 1:
            raise Invalid.field("venue_id", "must say at whose desk: the booking is of several venues")
        venue_id = ask.venue_id or booking.venue_ids[0]
        if venue_id not in booking.venue_ids:
            raise Invalid.field("venue_id", "is no venue of this booking")
        plan = await dues.choose(work.db, booking, ask.plan, ask.amount)
        booking = await booking_store.find(work.db, booking.id) or booking
        amount = dues.amount_of(await dues.standing(work.db, booking), ask.amount)
        payment = await payments.create(
            work.db,
            booking.user_id,
            booking.id,
            "cash",
            amount,
            booking.currency,
            plan,
            uuid4(),
            actor.user_id,
            None,
            None,
        )
        await settling.receive(work, payment, booking, source=Entry("cash", -amount, venue_id=venue_id))
        return work.answer(await payments.seen(work.db, payment.id), 201)


async def operations(hub: Hub, actor: Actor, ask: AskOperations) -> Operations:
    """List what of money waits for somebody: of a venue for its staff, of all the hub for whoever reads payments."""
    async with hub.reading() as db:
        if ask.venue_id is not None:
            await access.desk(db, actor, ask.venue_id)
        else:
            access.needs(actor, "payment:read")
        return Operations(
            payments=await store.stuck(db, ask.venue_id),
            to_approve=await store.refunds_in(db, "pending", ask.venue_id),
            failed=await store.refunds_in(db, "failed", ask.venue_id),
            unknown_events=await store.unknown_events(db) if actor.may("payment:read") else [],
        )
