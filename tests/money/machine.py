"""Everything that can happen to money, in any order: what the machine does, and what must hold after each step."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from hub.core import Actor
from hub.models.bookings import CancelBooking, NameBooking
from hub.models.payments import NamePayment
from hub.models.wallet import Adjust
from hub.services import adjustments, bookings, payments
from storage.soundness import MONEY, faults
from tests.money.coming_in import REASON
from tests.money.hands import CODE, Hands

ANY = st.integers(0, 10**6)
PLANS = st.sampled_from([None, None, "full", "deposit", "milestone"])


class Money(Hands):
    """Two guests, two venues, a provider that can be slow, wrong or silent, and all who move money about."""

    @initialize(currency=st.sampled_from(["EUR", "JPY", "KHR"]), fee=st.sampled_from([0, 333]))
    def open(self, currency: str, fee: int) -> None:
        """Open the venues."""
        self._run(self._open(currency, fee))

    # What guests do

    @rule(who=ANY, what=st.sampled_from(["slot", "place", "both"]), hour=st.integers(0, 40), promo=st.booleans())
    def hold(self, who: int, what: str, hour: int, promo: bool) -> None:
        """Hold something, at times by an offer."""
        items = []
        if what != "place":
            items.append(self.world.slot(8 + hour % 12, days=20 + hour // 12))
        if what != "slot":
            items.append(self.world.place(1 + hour % 3))
        holding = self._held(self._guest(who), *items, offer=CODE if promo else None)
        held = self._act("hold with an offer" if promo else "hold", holding)
        if held is not None:
            self.bookings.append(held)

    @rule(which=ANY, gateway=st.sampled_from(["sandbox", "wallet"]), plan=PLANS, amount=st.integers(-9, 9))
    def pay(self, which: int, gateway: str, plan: str | None, amount: int) -> None:
        """Pay what is due, or some of it, by card or from the wallet."""
        part = {"amount": amount * 777} if amount > 0 else {}
        name = "wallet pay" if gateway == "wallet" else "partial pay" if part else "pay"
        self._act(name, self._pay(which, {"gateway": gateway, "plan": plan, **part}))

    @rule(which=ANY, plan=PLANS)
    def buy(self, which: int, plan: str | None) -> None:
        """Pay what is due without any trouble, as most people do."""
        self._act("buy", self._buy(which, plan))

    @rule(who=ANY, amount=st.integers(1, 20), is_paid=st.booleans())
    def top_up(self, who: int, amount: int, is_paid: bool) -> None:
        """Begin to fill a wallet, and perhaps pay at once."""
        self._act("top-up", self._top_up(self._guest(who), amount * 1000, is_paid))

    @precondition(lambda self: self.payments)
    @rule(which=ANY)
    def withdraw(self, which: int) -> None:
        """Cancel a payment that may be under way."""
        name = NamePayment(payment_id=self._of(self.payments, which))
        self._act("cancel a payment", self._as_payer(name, payments.cancel))

    @precondition(lambda self: self.bookings)
    @rule(which=ANY, fewer=st.integers(0, 2))
    def cancel(self, which: int, fewer: int) -> None:
        """Cancel a booking, or a part of it."""
        booking_id = self._of(self.bookings, which)

        async def cancel(owner: Actor) -> Any:
            booking = await bookings.read(self.hub, owner, NameBooking(booking_id=booking_id))
            part = {"item_ids": [booking.items[-1].id], "guests": 1} if fewer and booking.items else {}
            ask = CancelBooking.model_validate({"booking_id": booking_id, **part})
            return await bookings.cancel(self.hub, owner, ask)

        self._act("cancel a part" if fewer else "cancel", self._as_owner(booking_id, cancel))

    # What the provider does

    @precondition(lambda self: self.payments)
    @rule(which=ANY, becomes=st.sampled_from(["completed", "completed", "completed", "failed"]))
    def decide(self, which: int, becomes: str) -> None:
        """Let the payer pay at the provider, or fail to; the hub does not hear of it yet, and may never."""
        self._act(f"payment {becomes}", self._decide(self._of(self.payments, which), becomes))

    @precondition(lambda self: self.payments)
    @rule(which=ANY, times=st.integers(1, 3))
    def tell(self, which: int, times: int) -> None:
        """Let the provider tell of a payment, perhaps several times the same, late and out of turn."""
        self._act(f"told {times} x", self._tell(self._of(self.payments, which), times))

    @precondition(lambda self: self.payments)
    @rule(which=ANY, times=st.integers(1, 3))
    def settle(self, which: int, times: int) -> None:
        """Ask the provider about a payment, perhaps several at once."""
        self._act(f"settle {times} x", self._settle(self._of(self.payments, which), times))

    @precondition(lambda self: self.payments)
    @rule(which=ANY)
    def capture(self, which: int) -> None:
        """Let the payer's page have a look."""
        name = NamePayment(payment_id=self._of(self.payments, which))
        self._act("capture", self._as_payer(name, payments.check))

    @rule(which=ANY)
    def dispute(self, which: int) -> None:
        """Let the payer call the money back at the bank."""
        self._act("dispute", self._dispute(which))

    # What time and the jobs do

    @rule(which=ANY)
    def expire(self, which: int) -> None:
        """Let a hold run out."""
        self._act("expire", self._expire(which))

    @rule(sends=st.booleans())
    def work(self, sends: bool) -> None:
        """Ask about all that is due to be asked about, or carry refunds out and do what else waits."""
        self._act("send refunds" if sends else "reconcile", self._send() if sends else self._reconcile())

    @rule(which=ANY)
    def end(self, which: int) -> None:
        """Let a booking be over, and release what is due."""
        self._act("release", self._end(which))

    # What staff and admins do

    @rule(which=ANY, amount=st.integers(0, 9))
    def give_back(self, which: int, amount: int) -> None:
        """Give back some of what was paid, or all."""
        given = self._give_back(which, amount * 555 or None)
        self._act("partial refund" if amount else "full refund", given)

    @rule(approves=st.booleans())
    def judge(self, approves: bool) -> None:
        """Approve or reject the oldest refund that waits for it."""
        self._act("approve" if approves else "reject", self._judge(approves))

    @rule(who=ANY, amount=st.integers(-9, 9).filter(bool))
    def adjust(self, who: int, amount: int) -> None:
        """Correct a wallet."""
        ask = Adjust(user_id=self._guest(who).user_id, amount=amount * 1000, currency=self.currency, reason=REASON)
        self._act("adjust", adjustments.adjust(self.hub, self.admins[amount % 2], ask))

    @rule(who=ANY, amount=st.integers(1, 9))
    def call_back(self, who: int, amount: int) -> None:
        """Fill a wallet, have all of it out again, and call the money back."""
        self._act("call back what is gone", self._call_back(self._guest(who), amount * 1000))

    @rule(who=ANY)
    def thaw(self, who: int) -> None:
        """Settle what is lacking in a frozen wallet, and let it be paid from again."""
        self._act("thaw", self._thaw(self._guest(who)))

    # What must hold

    @invariant()
    def the_books_are_right(self) -> None:
        """Find nothing wrong with money, whatever has happened."""
        if self.pool is not None:
            assert self._run(faults(self.pool, MONEY)) == {}

    def teardown(self) -> None:
        """Let everything come to its end, and compare the provider's books with ours."""
        if self.pool is None:
            return
        try:
            self._run(self._finish())
        finally:
            self._run(self._close())
