"""Holds: a basket kept for a while, renewed up to a cap, and turned into a booking or given back."""

from __future__ import annotations

from datetime import timedelta

from hub.core import Actor, Hub
from hub.errors import Conflict, NotFound, WrongState
from hub.events.bookings import BookingCancelled, BookingConfirmed, BookingHeld, BookingPending
from hub.models.bookings import Booking, NameBooking, PlaceHold, ReleaseItem
from hub.services import access, bookings, firming, placing, quotes, reducing, refunds
from hub.work import Work
from storage import bookings as store
from storage import claims, payments
from storage.bookings import BookingRow


class HoldCapReached(Conflict):
    """A hold cannot be renewed any further; confirm it before it runs out."""

    code = "hold_cap_reached"


async def place(hub: Hub, actor: Actor, ask: PlaceHold) -> Booking:
    """Hold the whole basket for the time its venues allow, or refuse all of it with reasons and alternatives."""
    return await placing.place(hub, actor, ask, at_once=False)


async def renew(hub: Hub, actor: Actor, ask: NameBooking) -> Booking:
    """Start the hold's clock again, up to its cap."""
    async with hub.work(actor) as work:
        held = await bookings.live(work, actor, ask.booking_id)
        if held.status != "held":
            raise WrongState("Only a hold can be renewed.")
        assert held.expires_at is not None
        assert held.hold_ends_at is not None
        until = min(held.at + timedelta(seconds=held.hold_seconds), held.hold_ends_at)
        if until <= held.expires_at:
            raise HoldCapReached()
        await store.wait_until(work.db, held.id, "held", until)
        await claims.extend(work.db, held.id, until)
        return await bookings.told(work, BookingHeld(booking_id=held.id))


async def confirm(hub: Hub, actor: Actor, ask: NameBooking) -> Booking:
    """Turn a hold into a booking: firm where the venue confirms instantly or enough is paid, else pending."""
    async with hub.work(actor) as work:
        held = await bookings.live(work, actor, ask.booking_id)
        if held.status == "confirmed":
            raise WrongState("This booking is confirmed already.")
        is_due = held.needs_payment and not await firming.is_covered(work.db, held)
        if is_due and not await access.serves_at_all(work.db, actor, held.venue_ids):
            if held.status == "pending":
                raise WrongState("This booking waits for its payment.")
            assert held.hold_ends_at is not None
            await store.wait_until(work.db, held.id, "pending", held.hold_ends_at)
            await claims.extend(work.db, held.id, held.hold_ends_at)
            return await bookings.told(work, BookingPending(booking_id=held.id))
        await store.confirm(work.db, held.id)
        await claims.extend(work.db, held.id, None)
        return await bookings.told(work, BookingConfirmed(booking_id=held.id))


async def release(hub: Hub, actor: Actor, ask: NameBooking) -> None:
    """Give a hold back; its places are free at once. Giving back what is no longer held changes nothing."""
    async with hub.work(actor) as work:
        held = await access.booking(work.db, actor, ask.booking_id)
        if held.has_expired or held.status in ("cancelled", "expired"):
            return
        if held.status not in ("held", "pending"):
            raise WrongState("This is a booking, no longer a hold; cancel it instead.")
        await _give_back(work, held)
        work.tell(BookingCancelled(booking_id=held.id))


async def release_item(hub: Hub, actor: Actor, ask: ReleaseItem) -> Booking:
    """Take one item out of a held basket; with its last item the hold is given back.

    What was paid may cover what the others cost; then they are booked.
    """
    async with hub.work(actor) as work:
        held = await bookings.live(work, actor, ask.booking_id)
        if held.status != "held":
            raise WrongState("Only a held basket can still change; reschedule the booking instead.")
        before = await store.document(work.db, held.id)
        assert before is not None
        if ask.item_id not in {item.id for item in before.items}:
            raise NotFound("The basket has no such item.")
        leaving = _leaving(before, ask.item_id)
        if len(before.items) == len(leaving):
            await _give_back(work, held)
            return await bookings.told(work, BookingCancelled(booking_id=held.id))
        await quotes.refuse_parting(work, held.id)
        await work.touch_bookings(held.id)
        await claims.release_items(work.db, held.id, leaving)
        await store.remove_items(work.db, held.id, leaving)
        await quotes.shrink(work, held.id, [nth for nth, item in enumerate(before.items) if item.id in leaving])
        await reducing.give_back_surplus(work, held.id, "The basket costs less than was paid.")
        after = await store.document(work.db, held.id)
        assert after is not None
        bookings.tell_left(work, before, after)
        is_firm = await firming.confirm_covered(work, held.id)
        return await bookings.told(work, (BookingConfirmed if is_firm else BookingHeld)(booking_id=held.id))


async def _give_back(work: Work, held: BookingRow) -> None:
    """Free what a locked hold has claimed, and give back all that was paid for it."""
    await claims.release_bookings(work.db, [held.id])
    await store.cancel(work.db, [held.id], "", "released")
    await refunds.give_back(work, held.id, None, "The hold was given back.")
    await payments.ask_of_others(work.db, held.id, None)


def _leaving(held: Booking, item_id: int) -> list[int]:
    """Name the item that leaves a basket, and the add-ons that would have nothing left to be sold beside."""
    left = [item for item in held.items if item.id != item_id]
    still_used = {item.venue_id for item in left if item.kind != "addon"}
    return [item_id, *(item.id for item in left if item.kind == "addon" and item.venue_id not in still_used)]
