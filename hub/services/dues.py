"""What of a booking is due: the plan that was chosen, its instalments, and what is still open of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.errors import Invalid, NothingDue, WrongState
from hub.models.quotes import PlanOffer
from hub.models.terms import Plan
from storage import dues as store
from storage import ledger, refunds
from storage.bookings import BookingRow
from storage.dues import InstalmentRow
from storage.query import Db

_NOT_FIRM = ("held", "pending", "expired")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a booking stands: its price, what was paid, its plan, and what is due by now; minor units."""

    price: int
    paid: int
    plan: Plan | None
    instalments: list[InstalmentRow]
    at: datetime

    @property
    def open(self) -> int:
        """Answer what is still to be paid, now or later."""
        return max(self.price - self.paid, 0)

    @property
    def due(self) -> int:
        """Answer what is to be paid by now."""
        by_now = sum(one.amount for one in self.instalments if one.due_at <= self.at)
        return max(min(by_now, self.price) - self.paid, 0) if self.instalments else self.open

    @property
    def next(self) -> int:
        """Answer what to pay next: what is due, else the rest of the next instalment, else all that is open."""
        if self.due:
            return self.due
        sum_so_far = 0
        for one in self.instalments:
            sum_so_far += one.amount
            if sum_so_far > self.paid:
                return min(sum_so_far - self.paid, self.open)
        return self.open

    @property
    def is_begun(self) -> bool:
        """Tell whether enough was paid for the booking to be firm: its first instalment."""
        first = self.instalments[0].amount if self.instalments else self.price
        return self.paid >= min(first, self.price)


async def standing(db: Db, booking: BookingRow) -> Standing:
    """Read how a locked booking stands."""
    return Standing(
        booking.price,
        await paid(db, booking.id),
        await store.plan(db, booking.id),
        await store.instalments(db, booking.id),
        booking.at,
    )


async def paid(db: Db, booking_id: int) -> int:
    """Sum up what was paid for a booking and is promised to nobody; minor units."""
    return await ledger.paid(db, booking_id) - sum((await refunds.promised(db, booking_id)).values())


async def choose(
    db: Db, booking: BookingRow, wanted: Plan | None, amount: int | None = None, *, or_another: bool = False
) -> Plan:
    """Have a locked booking paid by a plan; once something was paid it stays the plan that it is.

    Changes the price of its items to the plan's, so whoever goes on reads the booking and its standing again. Of the
    plan that is cheaper because all is paid at once, an `amount` below all is no payment. With `or_another` a plan that
    cannot be had any more is no fault: it is paid by the one that is usual.
    """
    known = await store.plan(db, booking.id)
    if known is not None and await ledger.paid(db, booking.id):
        if wanted in (None, known):
            return known
        raise WrongState(f"This booking is paid by the plan {known}; that was chosen with the first payment.")
    offered = await _offered(db, booking)
    names: list[Plan] = ["full"] if offered is None else [one.plan for one in offered]
    if _is_part(booking, offered, amount):
        if wanted == "full" and not or_another:
            raise Invalid.field("amount", "is only a part: the full plan is cheaper because all is paid at once")
        names.remove("full")
        wanted, known = None if wanted == "full" else wanted, None if known == "full" else known
    if known is not None and wanted in (None, known):
        return known
    if wanted is None or (or_another and wanted not in names):
        wanted = "full" if "full" in names else names[0]
    if wanted not in names:
        raise Invalid.field("plan", f"must be one of those agreed: {', '.join(names)}")
    if offered is None:
        await store.choose(db, booking.id, "full", [None], [booking.price])
        return "full"
    one = next(one for one in offered if one.plan == wanted)
    await store.price_items(db, booking.id, await store.item_ids(db, booking.id), one.item_prices)
    await store.choose(
        db,
        booking.id,
        wanted,
        [part.due_at for part in one.instalments],
        [part.amount for part in one.instalments],
    )
    return wanted


async def forget(db: Db, booking: BookingRow) -> bool:
    """Have a locked booking of which nothing was ever paid cost what it did before a plan was chosen; tells whether.

    Whoever began to pay and did not keeps nothing of what only those have who pay.
    """
    known, agreed = await store.plan(db, booking.id), await store.quote(db, booking.id)
    if known is None or agreed is None or await _offered(db, booking) is None or await ledger.was_paid(db, booking.id):
        return False
    await store.price_items(db, booking.id, await store.item_ids(db, booking.id), agreed.item_prices)
    await store.forget(db, booking.id)
    return True


def _is_part(booking: BookingRow, offered: list[PlanOffer] | None, amount: int | None) -> bool:
    """Tell whether an amount is less than all of what is cheaper because all is paid at once.

    What is only booked when all is paid may be paid in parts until then.
    """
    if offered is None or amount is None or (booking.needs_payment and booking.status in _NOT_FIRM):
        return False
    full = next((one.total for one in offered if one.plan == "full"), None)
    return full is not None and amount < full < max(one.total for one in offered)


async def _offered(db: Db, booking: BookingRow) -> list[PlanOffer] | None:
    """Answer the plans that were agreed; None where nothing was, or where the basket is another by now."""
    quote = await store.quote(db, booking.id)
    if quote is None or not quote.plans:
        return None
    items = len(await store.item_ids(db, booking.id))
    return quote.plans if all(len(one.item_prices) == items for one in quote.plans) else None


def amount_of(standing: Standing, wanted: int | None) -> int:
    """Answer how much is paid now: what is due if nothing is named, and never more than is open."""
    if not standing.open:
        raise NothingDue()
    if wanted is not None and wanted > standing.open:
        raise Invalid.field("amount", f"is more than is still to be paid, which is {standing.open}")
    return standing.next if wanted is None else wanted
