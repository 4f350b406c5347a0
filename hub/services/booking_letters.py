"""What a guest is told of their booking: that it is firm, has moved, begins soon or is cancelled, and of its money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

from hub.core import THE_HUB, Hub
from hub.errors import NotFound, WrongState
from hub.gateways.mail import Attachment
from hub.models.bookings import NameBooking
from hub.services import calendars, check_ins, letters, paper, saying
from hub.services.letters import Fact, Letter, Line
from storage import booking_letters as store
from storage.booking_letters import ToldBooking, ToldItem
from storage.query import Db

Written = tuple[str, Letter, tuple[Attachment, ...]]

# What a guest puts into their calendar, and shows at the desk.
_WITH_CALENDAR: Final = frozenset(
    {"booking.confirmed", "booking.rescheduled", "booking.reduced", "booking.reminder", "booking.cancelled"}
)
_WITH_CODE: Final = frozenset({"booking.confirmed", "booking.rescheduled", "booking.reminder"})
_WITH_RECEIPT: Final = frozenset({"payment.completed"})
_TO_PAY: Final = frozenset({"instalment.due", "instalment.missed"})


async def mail(hub: Hub, booking_id: int, fact: str, payment_id: int | None = None) -> Written | None:
    """Write the mail about a fact such as booking.confirmed, with what goes with it, and say to whom.

    None when the person has gone, or when what it reminds of is no more.
    """
    async with hub.reading() as db:
        told = await store.to_tell(db, booking_id)
        if told is None or _is_over(told, fact):
            return None
        lines = [(item.title, _described(item, told)) for item in told.items]
        lines += await _sums(db, told, fact, payment_id)
    if fact == "booking.cancelled" and told.cancel_reason:
        lines.append((letters.common("reason", told.language), told.cancel_reason))
    return told.email, _letter(hub, told, fact, lines), await _attachments(hub, told, fact)


async def sms(hub: Hub, booking_id: int, fact: str) -> tuple[str, str] | None:
    """Write the SMS about a fact, and say to which number; None when there is no such number any more."""
    async with hub.reading() as db:
        told = await store.to_tell(db, booking_id)
    if told is None or told.phone is None or _is_over(told, fact):
        return None
    site = hub.settings.public_url
    return told.phone, letters.sms(_template(fact), told.language, _facts(told, fact, site), site=site)


def _is_over(told: ToldBooking, fact: str) -> bool:
    """Tell whether nothing is to come, or to be paid, of what a letter reminds of."""
    is_live = told.status in ("pending", "confirmed")
    return (fact == "booking.reminder" and not is_live) or (
        fact in _TO_PAY and (not is_live or told.paid >= told.price)
    )


def _letter(hub: Hub, told: ToldBooking, fact: str, lines: list[Line]) -> Letter:
    site = hub.settings.public_url
    return letters.mail(_template(fact), told.language, _facts(told, fact, site), site=site, lines=lines)


def _template(fact: str) -> str:
    return fact.replace(".", "_")


def _facts(told: ToldBooking, fact: str, site: str) -> Mapping[str, Fact]:
    link = f"{site}/checkout/{told.id}" if fact in _TO_PAY else f"{site}/bookings"
    return {"name": told.full_name, "reference": told.reference, "link": link}


async def _sums(db: Db, told: ToldBooking, fact: str, payment_id: int | None) -> list[Line]:
    """Say what it comes to, and what of it was paid, is open or is given back, where there is anything to say."""
    sums = [("total", told.price)]
    if payment_id is not None and (payment := await store.payment(db, payment_id)) is not None:
        sums.append(("received", payment.amount))
    if told.paid:
        sums.append(("paid", told.paid))
    is_owed = told.status in ("pending", "confirmed") and fact != "booking.cancelled"
    if is_owed and 0 < told.paid < told.price:
        sums.append(("open", told.price - told.paid))
    if told.given_back:
        sums.append(("given_back", told.given_back))
    lines = [(letters.common(name, told.language), saying.money(sum_, told.currency)) for name, sum_ in sums]
    if fact in _TO_PAY and (due := await store.next_instalment(db, told.id, told.paid)) is not None:
        day = saying.day(due.due_at.astimezone(ZoneInfo(due.timezone)), told.language)
        lines.append((letters.common("due", told.language), f"{saying.money(due.amount, told.currency)}, {day}"))
    return lines


async def _attachments(hub: Hub, told: ToldBooking, fact: str) -> tuple[Attachment, ...]:
    made, ask = [], NameBooking(booking_id=told.id)
    try:
        if fact in _WITH_CALENDAR:
            file = await calendars.of_booking(hub, THE_HUB, ask)
            method = "CANCEL" if b"METHOD:CANCEL" in file else "PUBLISH"
            made.append(Attachment(f"booking-{told.reference}.ics", f"text/calendar; method={method}", file))
        if fact in _WITH_CODE and told.status == "confirmed":
            made.append(Attachment(f"code-{told.reference}.png", "image/png", await check_ins.image(hub, told.id)))
        if fact in _WITH_RECEIPT:
            file = await paper.printed(hub, THE_HUB, ask, "receipt")
            made.append(Attachment(f"receipt-{told.reference}.pdf", "application/pdf", file))
    except (NotFound, WrongState):
        # It has become something else since; the letter says what there is to say.
        return tuple(made)
    return tuple(made)


def _described(item: ToldItem, told: ToldBooking) -> str:
    # The title of a room begins with its venue, that of a session does not.
    where = "" if item.title.startswith(item.venue) else f"{item.venue}, "
    times = f"{item.quantity} × " if item.quantity > 1 else ""  # noqa: RUF001 - so it is written
    when = saying.span(item.starts_at, item.ends_at, item.check_in, item.check_out, item.timezone, told.language)
    return f"{times}{where}{when}, {saying.money(item.price, told.currency)}"
