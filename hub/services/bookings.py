"""Bookings: made, read, cancelled, moved and brought to their end."""

from __future__ import annotations

from typing import Any

import orjson

from hub.core import Actor, Hub
from hub.errors import HoldExpired, MixedCurrencies, NotFound, Unavailable, WrongState
from hub.events.bookings import (
    BookingCancelled,
    BookingChanged,
    BookingCompleted,
    BookingConfirmed,
    BookingFact,
    BookingNoShow,
    BookingRescheduled,
    BookingWithdrawn,
    Withdrawn,
)
from hub.models.base import Page
from hub.models.bookings import (
    AskCancellation,
    Booking,
    BookingChange,
    CancelBooking,
    ListBookings,
    MakeBooking,
    NameBooking,
    RescheduleBooking,
)
from hub.models.cancellations import CancellationPreview, CancelledBooking
from hub.services import access, allowances, baskets, cancelling, catalogue, firming, placing, quotes, reducing, refunds
from hub.services.baskets import Basket
from hub.services.cancelling import Verdict
from hub.work import Work
from storage import access as ties
from storage import booking_letters as letters
from storage import bookings as store
from storage import cancelling as refund_store
from storage import catalogue as versions
from storage import claims, payments
from storage.bookings import BookingRow
from storage.query import Db

LIVE = ("held", "pending", "confirmed")


class _Stale(Exception):
    """The basket was judged on an inventory that has changed since."""


class _Refused(Exception):
    def __init__(self, said: list[dict[str, Any]]) -> None:
        super().__init__("refused")
        self.said = said


async def make(hub: Hub, actor: Actor, ask: MakeBooking) -> Booking:
    """Book the whole basket at once: firm where the venue confirms instantly, else pending until it is paid."""
    return await placing.place(hub, actor, ask, at_once=True)


async def read(hub: Hub, actor: Actor, ask: NameBooking) -> Booking:
    """Read a booking: its customer all of it, a desk its venue's part."""
    async with hub.reading() as db:
        only_venue = await access.see_booking(db, actor, ask.booking_id)
        booking = await store.document(db, ask.booking_id, only_venue)
    if booking is None:
        raise NotFound()
    return booking


async def history(hub: Hub, actor: Actor, ask: NameBooking) -> list[BookingChange]:
    """Read how a booking was moved, oldest first."""
    async with hub.reading() as db:
        if await access.see_booking(db, actor, ask.booking_id) is not None:
            await _refuse_other_desks(hub, actor, ask.booking_id)
        return await store.changes(db, ask.booking_id)


async def _refuse_other_desks(hub: Hub, actor: Actor, booking_id: int) -> None:
    async with hub.reading() as db:
        if not await access.works_at_all(db, actor, await ties.venues_of_booking(db, booking_id)):
            raise NotFound()


async def listed(hub: Hub, actor: Actor, ask: ListBookings) -> Page[Booking]:
    """List one's own bookings; with a venue, its staff get that desk's part of them."""
    own, desks = access.signed_in(actor), None
    async with hub.reading() as db:
        if ask.venue_id is not None:
            await access.desk(db, actor, ask.venue_id)
            desks = [ask.venue_id]
        found = await store.listed(
            db,
            None if desks or (actor.may("booking:read") and ask.user_id is not None) else own,
            desks,
            ask.venue_id,
            ask.session_id,
            ask.room_id,
            ask.user_id,
            ask.status,
            ask.from_,
            ask.to,
            ask.q,
            ask.sort,
            ask.per_page,
            ask.offset,
        )
        items = await store.documents(db, found.ids, ask.venue_id)
    return Page[Booking].model_validate(ask.of(items, found.total))


async def cancellation(hub: Hub, actor: Actor, ask: AskCancellation) -> CancellationPreview:
    """Show what cancelling would give back at this moment; doing it gives back exactly that."""
    async with hub.one_moment() as db:
        booking = await access.changing(db, actor, ask.booking_id)
        _refuse_ended(booking)
        document = await store.document(db, booking.id)
        assert document is not None
        return await cancelling.previewed(db, booking, await _verdict(db, actor, booking, document, ask))


async def cancel(hub: Hub, actor: Actor, ask: CancelBooking) -> CancelledBooking:
    """Free what a booking has claimed, or some of it, and give back what was agreed; tell desk, guest and watchers."""
    async with hub.work(actor) as work:
        booking = await live(work, actor, ask.booking_id)
        before = await store.document(work.db, booking.id)
        assert before is not None
        verdict = await _verdict(work.db, actor, booking, before, ask)
        given = await reducing.give_back(work, booking, verdict, ask.reason or "The booking was cancelled.")
        if verdict.is_whole:
            await claims.release_bookings(work.db, [booking.id])
            await store.cancel(work.db, [booking.id], ask.reason, ask.reason_code)
            await payments.ask_of_others(work.db, booking.id, None)
            cancelled = await told(work, BookingCancelled(booking_id=booking.id))
        else:
            await reducing.reduce(work, booking, verdict)
            after = await store.document(work.db, booking.id)
            assert after is not None
            changed_by = actor.user_id or booking.user_id
            await store.record_change(work.db, booking.id, changed_by, ask.reason, _kept(before), _kept(after))
            tell_left(work, before, after)
            await letters.enqueue(work.db, [booking.id], ["booking.reduced"])
            is_firm = await firming.confirm_covered(work, booking.id)
            fact = BookingConfirmed if is_firm else BookingChanged
            cancelled = await told(work, fact(booking_id=booking.id))
        return work.answer(CancelledBooking.model_validate(cancelled.model_dump() | {"refunds": given}))


async def _verdict(db: Db, actor: Actor, booking: BookingRow, document: Booking, ask: AskCancellation) -> Verdict:
    """Judge a cancellation: what was never firm, and what is the venue's own doing, costs its guest nothing."""
    is_staff = await access.serves_at_all(db, actor, booking.venue_ids)
    is_venues_doing = is_staff and ask.reason_code == "venue" and actor.user_id != booking.user_id
    was_firm = booking.status == "confirmed"
    is_approved = not was_firm or (is_venues_doing and await refunds.decides(db, actor, booking.venue_ids))
    verdict = await cancelling.judge(
        db, booking, document, ask, is_made_good=is_venues_doing or not was_firm, is_approved=is_approved
    )
    if not is_staff and (booking.checked_in or any(part.item.starts_at <= booking.at for part in verdict.parts)):
        raise WrongState("This booking has begun; ask the venue.")
    return verdict


async def cancel_for_session(work: Work, session_id: int, reason: str) -> int:
    """Cancel every live booking that has places in a session which will not take place; answers how many.

    Everybody gets back all that they paid, where it came from, whatever was agreed for cancelling; of what they have
    cancelled before, what waits for approval.
    """
    ids = await store.lock_live_of_session(work.db, session_id)
    await claims.release_bookings(work.db, ids)
    await store.cancel(work.db, ids, reason, "venue")
    for booking_id in await refund_store.with_money(work.db, ids):
        why = reason or "The session was cancelled."
        await refunds.approve_waiting(work, booking_id, why)
        await refunds.give_back(work, booking_id, None, why)
    work.tell(*(BookingCancelled(booking_id=booking_id) for booking_id in ids))
    return len(ids)


async def reschedule(hub: Hub, actor: Actor, ask: RescheduleBooking) -> Booking:
    """Move a booking to a new basket, priced anew, in one step: it has the new places or keeps the old ones."""
    await placing.refuse_repeated(hub, actor)
    by_staff = await _moves_as_staff(hub, actor, ask)
    for attempt in range(placing.TRIES):
        wish = await quotes.granted(hub, ask.booking_id)
        basket = await placing.made(
            hub, actor, ask.items, wish, by_staff=by_staff, at_random=attempt > 0, moving_booking_id=ask.booking_id
        )
        try:
            return await _move(hub, actor, ask, basket, by_staff)
        except _Stale:
            catalogue.forget(hub, basket.venue_ids)
        except _Refused as refused:
            if not placing.lost_a_choice(basket, refused.said):
                # alternatives are sought only after the locks are gone
                raise await placing.unavailable(hub, ask.items, placing.as_asked(basket, refused.said)) from None
    raise Unavailable()


async def _moves_as_staff(hub: Hub, actor: Actor, ask: RescheduleBooking) -> bool:
    """Tell whether the actor works both where the booking is and where it is to go; a guest's own needs neither."""
    async with hub.reading() as db:
        found = await access.changing(db, actor, ask.booking_id)
        if not await access.serves_at_all(db, actor, found.venue_ids):
            return False
    new_venue_ids = await baskets.venue_ids(hub, ask.items)
    async with hub.reading() as db:
        if await access.serves_at_all(db, actor, new_venue_ids):
            return True
    if actor.user_id != found.user_id:
        raise access.not_staff()
    return False


async def _move(hub: Hub, actor: Actor, ask: RescheduleBooking, basket: Basket, by_staff: bool) -> Booking:
    assert basket.quote is not None
    async with hub.work(actor) as work:
        item_ids = await store.new_item_ids(work.db, len(basket.lines))
        taken = await allowances.lock_moving(work, ask.booking_id, basket.items, basket.student_limits)
        wanted = baskets.claims_of(basket, ask.booking_id, item_ids, None)
        booking = await live(work, actor, ask.booking_id, also=wanted)
        if booking.has_begun and not by_staff:
            raise WrongState("This booking has begun; ask the venue.")
        if basket.currency != booking.currency:
            raise MixedCurrencies()
        if await versions.of_venues(work.db, sorted(basket.venue_ids)) != basket.versions:
            raise _Stale
        if not await quotes.is_still_granted(work, booking.id, basket.quote):
            raise _Stale
        lacking = await allowances.judge(work, taken.at_new_venues(booking.venue_ids))
        if lacking:
            raise _Refused(lacking)
        before = await store.document(work.db, booking.id)
        assert before is not None
        # What the desk moves costs its guest nothing; nobody is so kind to themselves.
        is_kindness = by_staff and actor.user_id != booking.user_id
        was_firm = booking.status == "confirmed"
        is_approved = not was_firm or (is_kindness and await refunds.decides(work.db, actor, booking.venue_ids))
        worth = await reducing.worth(
            work, booking, before, is_made_good=is_kindness or not was_firm, is_approved=is_approved
        )
        await work.touch_bookings(booking.id)
        await claims.release_bookings(work.db, [booking.id])
        refusals = await claims.acquire(work.db, baskets.claims_of(basket, booking.id, item_ids, booking.expires_at))
        if refusals:
            owners = [claim.item_id for claim in wanted]
            raise _Refused(
                [
                    {"item": item_ids.index(owners[one.item] or 0), "reason": one.reason, "held_until": one.held_until}
                    for one in refusals
                ]
            )
        lines = [{"id": item_id, **fields} for item_id, fields in zip(item_ids, basket.items, strict=True)]
        await store.replace_items(work.db, booking.id, orjson.dumps(lines).decode())
        await quotes.put(work, booking.id, basket.quote)
        await reducing.settle(work, booking.id, worth, ask.reason or "The booking was moved to what costs less.")
        after = await store.document(work.db, booking.id)
        assert after is not None
        changed_by = actor.user_id or booking.user_id
        await store.record_change(work.db, booking.id, changed_by, ask.reason, _kept(before), _kept(after))
        tell_left(work, before, after)
        work.tell(BookingRescheduled(booking_id=booking.id))
        if await firming.confirm_covered(work, booking.id):
            work.tell(BookingConfirmed(booking_id=booking.id))
        return await _answered(work, booking.id)


async def complete(hub: Hub, actor: Actor, ask: NameBooking) -> Booking:
    """Mark that the guests came; only staff can, once the booking has begun."""
    async with hub.work(actor) as work:
        booking = await _begun(work, actor, ask.booking_id)
        await store.complete(work.db, booking.id)
        return await told(work, BookingCompleted(booking_id=booking.id))


async def no_show(hub: Hub, actor: Actor, ask: NameBooking) -> Booking:
    """Mark that the guests did not come; only staff can, once the booking has begun."""
    async with hub.work(actor) as work:
        booking = await _begun(work, actor, ask.booking_id)
        if booking.checked_in:
            raise WrongState("The guests of this booking have checked in.")
        document = await store.document(work.db, booking.id)
        assert document is not None
        everything = AskCancellation(booking_id=booking.id)
        verdict = await cancelling.judge(work.db, booking, document, everything, is_made_good=False)
        await reducing.give_back(work, booking, verdict, "The guests did not come.")
        await store.no_show(work.db, booking.id)
        return await told(work, BookingNoShow(booking_id=booking.id))


async def live(work: Work, actor: Actor, booking_id: int, *, also: list[claims.Claim] | None = None) -> BookingRow:
    """Lock a booking that can still change, or say in which state it is."""
    booking = await access.booking(work.db, actor, booking_id, also=also or [])
    _refuse_ended(booking)
    return booking


def _refuse_ended(booking: BookingRow) -> None:
    if booking.has_expired or booking.status == "expired":
        raise HoldExpired()
    if booking.status not in LIVE:
        raise WrongState(f"This booking is {booking.status.replace('_', '-')}.")


async def told(work: Work, fact: BookingFact) -> Booking:
    """Tell a fact, and answer the booking as it then is."""
    work.tell(fact)
    return await _answered(work, fact.booking_id)


async def _answered(work: Work, booking_id: int) -> Booking:
    booking = await store.document(work.db, booking_id)
    assert booking is not None
    return work.answer(booking)


def tell_left(work: Work, before: Booking, after: Booking) -> None:
    """Tell the desks that had something of a booking and now have nothing."""
    left = {item.venue_id for item in before.items} - {item.venue_id for item in after.items}
    work.tell(*(BookingWithdrawn(thing=Withdrawn(id=before.id, venue_id=venue_id)) for venue_id in sorted(left)))


def _kept(booking: Booking) -> list[dict[str, Any]]:
    return [item.model_dump(mode="json") for item in booking.items]


async def _begun(work: Work, actor: Actor, booking_id: int) -> BookingRow:
    booking = await access.booking(work.db, actor, booking_id, staff=True)
    if booking.status != "confirmed":
        raise WrongState(f"This booking is {booking.status.replace('_', '-')}; only a confirmed one can end so.")
    if not booking.has_begun:
        raise WrongState("This booking has not begun yet.")
    return booking
