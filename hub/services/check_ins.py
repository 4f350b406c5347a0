"""Checking in: a guest shows a code that only the hub can have made, and a desk of the booking lets them in, once."""

from __future__ import annotations

import base64
import hmac
import io
import re

import segno

from hub.core import Actor, Hub
from hub.errors import Conflict, Invalid, NotFound, WrongState
from hub.events.bookings import BookingCheckedIn
from hub.models.bookings import Booking, NameBooking
from hub.models.check_ins import CheckIn
from hub.services import access
from hub.tokens import signing_key
from storage import access as ties
from storage import bookings as booking_store
from storage import check_ins as store
from storage.check_ins import Known
from storage.query import Db

# 128 bits, of which nobody guesses any; in base 32, which a QR code writes in the fewest dots.
_MAC_BYTES = 16
_CODE = re.compile(r"([0-9A-Z]{7})\.([1-9][0-9]{0,14})\.([A-Z2-7]{26})")
_MAY_BE_SHOWN = ("pending", "confirmed", "completed")


class AlreadyCheckedIn(Conflict):
    """The guests of this booking have checked in here before; a code is good once."""

    code = "already_checked_in"


async def picture(hub: Hub, actor: Actor, ask: NameBooking) -> bytes:
    """Draw a booking's code as an SVG, for whoever may read the booking."""
    async with hub.reading() as db:
        await access.see_booking(db, actor, ask.booking_id)
        booking = await booking_store.find(db, ask.booking_id)
        known = await store.known(db, ask.booking_id)
    if booking is None or known is None:
        raise NotFound()
    if booking.status not in _MAY_BE_SHOWN or booking.has_expired:
        raise WrongState("There is a code once the booking is made, and as long as it stands.")
    return drawn(code(hub, known), "svg")


async def image(hub: Hub, booking_id: int) -> bytes:
    """Draw a booking's code as a PNG, which mail programs show."""
    async with hub.reading() as db:
        known = await store.known(db, booking_id)
    if known is None:
        raise NotFound()
    return drawn(code(hub, known), "png")


def code(hub: Hub, booking: Known) -> str:
    """Write a booking's code: its reference, its id, and what proves that the hub has written both."""
    return f"{booking.reference}.{booking.id}.{_mac(hub, booking.id, booking.reference)}"


def drawn(text: str, kind: str) -> bytes:
    """Draw a text as a QR code, of which a quarter may be dirty or torn."""
    made = io.BytesIO()
    segno.make_qr(text, error="q").save(made, kind=kind, scale=8, border=4)
    return made.getvalue()


async def check_in(hub: Hub, actor: Actor, ask: CheckIn) -> Booking:
    """Note that the guests of a confirmed booking are here, from the day on which it begins; once at each venue."""
    booking_id = _read(hub, ask.code)
    async with hub.work(actor) as work:
        venue_id = await _at(work.db, actor, booking_id, ask.venue_id)
        booking = await booking_store.lock(work.db, booking_id)
        # While it was waited for, it may have moved away.
        if booking is None or venue_id not in booking.venue_ids:
            raise _unknown()
        coming = await store.coming(work.db, booking_id, venue_id)
        if coming is None:
            raise _unknown()
        if coming.checked_in_at is not None:
            raise AlreadyCheckedIn(checked_in_at=coming.checked_in_at.isoformat())
        if booking.status != "confirmed":
            status = "expired" if booking.has_expired else booking.status.replace("_", "-")
            raise WrongState(f"This booking is {status}; only a confirmed one can check in.")
        if coming.at < coming.opens_at:
            raise WrongState("This booking begins on a later day.")
        if coming.at >= coming.closes_at:
            raise WrongState("This booking is over.")
        await store.check_in(work.db, booking_id, venue_id, actor.user_id)
        work.tell(BookingCheckedIn(booking_id=booking_id))
        answer = await booking_store.document(work.db, booking_id, venue_id)
        assert answer is not None
        return work.answer(answer, 201)


def _read(hub: Hub, given: str) -> int:
    """Answer which booking a code is of; one that the hub has not written is of none."""
    found = _CODE.fullmatch(given.strip().upper())
    if found is None:
        raise _unknown()
    reference, booking_id, mac = found[1], int(found[2]), found[3]
    if not hmac.compare_digest(mac, _mac(hub, booking_id, reference)):
        raise _unknown()
    return booking_id


async def _at(db: Db, actor: Actor, booking_id: int, venue_id: int | None) -> int:
    """Tell at which venue of a booking the actor stands; what has nothing at any of theirs is unknown to them."""
    access.signed_in(actor)
    here = [one for one in await ties.venues_of_booking(db, booking_id) if await access.serves_at(db, actor, one)]
    if venue_id is not None:
        here = [one for one in here if one == venue_id]
    if not here:
        raise _unknown()
    if len(here) > 1:
        raise Invalid.field("venue_id", f"must name one of the booking's venues: {', '.join(map(str, here))}")
    return here[0]


def _unknown() -> NotFound:
    # The same for a forged code and for one of another venue, so that nobody learns which it is.
    return NotFound("This is no code of a booking here.")


def _mac(hub: Hub, booking_id: int, reference: str) -> str:
    key = signing_key(hub.settings, "check-in")
    mac = hmac.digest(key, f"{booking_id}:{reference}".encode(), "sha256")[:_MAC_BYTES]
    return base64.b32encode(mac).decode().rstrip("=")
