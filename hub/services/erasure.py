"""Erasure: the person goes, their bookings stay in the books and say no more who came."""

from __future__ import annotations

from hub.errors import Conflict, NotFound, StillInCharge
from hub.events.bookings import BookingCancelled, BookingChanged
from hub.events.sessions import SessionChanged
from hub.events.users import GuestChanged
from hub.models.bookings import Guest
from hub.services import impersonation, mail, refunds
from hub.work import Work
from storage import bookings as booking_store
from storage import claims, sessions
from storage import own_data as store
from storage import paper as paper_store
from storage import wallet as wallets


class MoneyLeft(Conflict):
    """There is still money in the wallet of this account; spend it or have it paid out first."""

    code = "money_left"


async def erase(work: Work, user_id: int) -> None:
    """Erase a person within somebody's work, who has judged that they may; what depends on them is refused first."""
    if await store.super_admins_but(work.db, user_id) == 0:
        raise StillInCharge("The last super admin cannot go; make somebody else one first.")
    leaving = await store.lock(work.db, user_id)
    if leaving is None:
        raise NotFound()
    in_the_way = await store.names_in_the_way(work.db, user_id)
    if in_the_way:
        raise StillInCharge(f"Hand over or close these first: {', '.join(in_the_way)}.", names=in_the_way)
    rooms = await store.live_rooms(work.db, user_id)
    desks = await booking_store.desks_of_guest(work.db, user_id)
    await _give_back_holds(work, user_id)
    # What was paid for holds may just have come back into it.
    if any(one.balance for one in await wallets.balances(work.db, user_id)):
        raise MoneyLeft()
    for booking_id in await store.wipe_bookings(work.db, user_id):
        work.tell(BookingChanged(booking_id=booking_id))
    await paper_store.forget_guest(work.db, user_id, store.NOBODY)
    await store.wipe_ways_in(work.db, user_id)
    await store.wipe_traces(work.db, user_id, leaving.email, leaving.phone)
    await store.wipe_person(work.db, user_id)
    await _tell_who_knew_them(work, user_id, desks)
    await mail.send(work, leaving.email, "account_erased", leaving.language, {"name": leaving.full_name})
    await impersonation.end_all_by(work, user_id)
    work.revoke(user_id)
    # Last, since it takes the live rooms' locks; what is told after it is free of them already.
    await store.forget_logs(work.db, rooms)


async def _give_back_holds(work: Work, user_id: int) -> None:
    for booking_id in await store.held(work.db, user_id):
        booking = await booking_store.lock(work.db, booking_id)
        if booking is not None and booking.status in ("held", "pending") and not booking.has_expired:
            await claims.release_bookings(work.db, [booking_id])
            await booking_store.cancel(work.db, [booking_id], "", "released")
            await refunds.give_back(work, booking_id, None, "The account was erased.")
            work.tell(BookingCancelled(booking_id=booking_id))


async def _tell_who_knew_them(work: Work, user_id: int, desks: list[int]) -> None:
    nobody = Guest(id=user_id, full_name=store.NOBODY, email=f"erased-{user_id}@erased.invalid", phone=None)
    work.tell(*[GuestChanged(venue_id=venue_id, thing=nobody) for venue_id in desks])
    work.tell(*[SessionChanged(thing=session) for session in await sessions.led_by(work.db, user_id)])
