"""The hands of the machine of money: how each thing is done, and where an example is played."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine

from hub.core import THE_HUB, Actor
from hub.errors import HubError, NotFound, Unavailable
from hub.events.bookings import BookingChanged
from hub.gateways.sandbox import SandboxGateway
from hub.jobs import queue, reconciler, releasing, sweeper
from hub.jobs import refunds as sending
from hub.models.bookings import NameBooking, PlaceHold
from hub.models.offers import CreateOffer
from hub.models.payments import NamePayment, StartedPayment, StartPayment
from hub.models.refunds import DecideRefund
from hub.models.wallet import Adjust, DecideAdjustment, ReadWallet, Unfreeze
from hub.services import adjustments, bookings, holds, inbox, offers, payments, refunds, settling, wallet
from hub.settings import Settings
from storage import bookings as booking_store
from storage import sandbox
from storage.event_log import Told
from storage.pool import Pool, open_pool
from storage.soundness import faults
from tests import builders
from tests.doors import ListeningHub
from tests.money.coming_in import REASON, filled
from tests.servers import Copies, url_of
from tests.world import World

TERMS = {
    "plans": ["full", "deposit", "milestone"],
    "cancellation_steps": [{"hours_before": 300, "refund_percent": 100}, {"hours_before": 1, "refund_percent": 33}],
    "refund_approval_above": 5000,
    "points_basis_points": 100,
    "release_hours": 0,
    "taxes": [{"name": "VAT", "basis_points": 770}],
}
CODE = "SPRING"
# Of what something can be done with, by what that is.
PAYABLE = """
    SELECT id FROM bookings
    WHERE status IN ('held', 'pending', 'confirmed') AND (expires_at IS NULL OR expires_at > clock_timestamp())
    ORDER BY id DESC
"""
WAITING = "SELECT id FROM bookings WHERE status IN ('held', 'pending') ORDER BY id DESC"
IN_ESCROW = "SELECT DISTINCT booking_id FROM open_escrows ORDER BY booking_id DESC"
TAKEN = """
    SELECT id FROM payments WHERE gateway = 'sandbox' AND status = 'completed' AND disputed_at IS NULL ORDER BY id DESC
"""


@dataclass
class Stage:
    """Where examples are played: each on a database of its own."""

    loop: asyncio.AbstractEventLoop
    settings: Settings
    copies: Copies
    server: str
    # How often each rule has done something and how often it was refused, over all examples.
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


class Hands(RuleBasedStateMachine):
    """Two guests, two venues and a provider, on a database of the example's own, and all that can be done there."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.bookings: list[int] = []
        self.payments: list[int] = []
        self.pool: Pool | None = None
        self.database = ""

    async def _open(self, currency: str, fee: int) -> None:
        self.database = await self.stage.copies.take()
        url = url_of(self.stage.server, self.database)
        settings = replace(
            self.stage.settings, database_url=url, holds_per_person=100, holds_per_venue=100, fee_basis_points=fee
        )
        self.pool = await open_pool(url, 5)
        told: list[Told] = []
        self.hub = ListeningHub(settings, self.pool, told.extend, told=told)
        async with self.hub.reading() as db:
            await self.hub.clock.synchronise(db)
        self.world = await World.build(self.hub, currency=currency, confirmation="payment", terms=TERMS)
        self.currency = currency
        self.guests = [self.world.customer, self.world.rival]
        self.admins = [await builders.make_actor(self.hub, "admin") for _ in range(2)]
        offer = CreateOffer(code=CODE, basis_points=1234, total_limit=3, per_person_limit=2)
        await offers.create(self.hub, self.admins[0], offer)
        async with self.hub.reading() as db:
            # What is for each person only so often is for those who are known to be one.
            await db.execute("UPDATE users SET email_verified_at = clock_timestamp()")
        # Something to begin with: who has nothing can do little.
        for number, guest in enumerate(self.guests):
            slot, other = self.world.slot(18 + number), self.world.slot(20 + number)
            self.bookings += [await self._held(guest, slot, self.world.stay()), await self._held(guest, other)]
            await filled(self.hub, guest, 5000, currency)

    async def _held(self, guest: Actor, *items: Any, offer: str | None = None) -> int:
        ask = PlaceHold.model_validate({"items": items, "offer": offer})
        return (await holds.place(self.hub, guest, ask)).id

    async def _close(self) -> None:
        assert self.pool is not None
        await self.pool.close()
        self.stage.copies.give_back(self.database)

    async def _finish(self) -> None:
        assert self.pool is not None
        for payment_id in self.payments:
            await settling.settle(self.hub, payment_id)
        await self._send()
        assert await faults(self.pool) == {}
        async with self.hub.reading() as db:
            taken, posted = await db.fetchrow(
                """
                SELECT (SELECT coalesce(sum(p.amount - r.refunded), 0)
                        FROM sandbox_payments AS p
                        CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS refunded FROM sandbox_refunds
                                            WHERE provider_id = p.provider_id) AS r
                        WHERE p.becomes = 'completed' AND p.state = 'pending' AND NOT p.disputed),
                       (SELECT coalesce(-sum(e.amount), 0) FROM ledger_entries AS e WHERE e.kind = 'clearing')
                """
            )
            waiting = await db.fetchval("SELECT count(*) FROM refunds WHERE status IN ('approved', 'processing')")
        assert (taken, waiting) == (posted, 0)

    def _run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.stage.loop.run_until_complete(doing)

    def _act(self, name: str, doing: Coroutine[Any, Any, Any]) -> Any:
        """Do something; a refusal is an answer, anything else is a fault."""
        try:
            done = self._run(doing)
        except Unavailable:
            raise
        except HubError as refusal:
            self.stage.refused[f"{name}: {refusal.code}"] += 1
            return None
        self.stage.done[name] += 1
        return done

    def _guest(self, who: int) -> Actor:
        return self.guests[who % len(self.guests)]

    @staticmethod
    def _of(things: list[int], which: int) -> int:
        """Choose one of the newest: with those something can still be done."""
        return things[-1 - which % min(len(things), 4)]

    async def _as_owner(self, booking_id: int, act: Any) -> Any:
        async with self.hub.reading() as db:
            found = await booking_store.find(db, booking_id)
        if found is None:
            return None
        return await act(next(one for one in self.guests if one.user_id == found.user_id))

    async def _as_payer(self, name: NamePayment, act: Any) -> Any:
        async with self.hub.reading() as db:
            user_id = await db.fetchval("SELECT user_id FROM payments WHERE id = $1", name.payment_id)
        return await act(self.hub, next(one for one in self.guests if one.user_id == user_id), name)

    async def _provider_id(self, payment_id: int) -> str:
        async with self.hub.reading() as db:
            found: str = await db.fetchval("SELECT provider_id FROM payments WHERE id = $1", payment_id)
        return found

    async def _one_of(self, which: int, query: str) -> int:
        """Choose one with which something can be done, rather one of the newest."""
        async with self.hub.reading() as db:
            found = [row[0] for row in await db.fetch(query)][:4]
        if not found:
            raise NotFound()
        return int(found[which % len(found)])

    async def _pay(self, which: int, how: dict[str, Any]) -> StartedPayment:
        booking_id = await self._one_of(which, PAYABLE)
        ask = StartPayment.model_validate({"booking_id": booking_id, **how})
        started: StartedPayment = await self._as_owner(booking_id, lambda owner: payments.start(self.hub, owner, ask))
        if started.gateway != "wallet":
            self.payments.append(started.id)
        return started

    async def _buy(self, which: int, plan: str | None) -> None:
        started = await self._pay(which, {"gateway": "sandbox", "plan": plan})
        await self._decide(started.id, "completed")
        await settling.settle(self.hub, started.id)

    async def _top_up(self, guest: Actor, amount: int, is_paid: bool) -> int:
        started = await payments.start_top_up(self.hub, guest, "sandbox", amount, self.currency)
        self.payments.append(started.id)
        if is_paid:
            await self._decide(started.id, "completed")
            await settling.settle(self.hub, started.id)
        return started.id

    async def _call_back(self, guest: Actor, amount: int) -> None:
        payment_id = await self._top_up(guest, amount, is_paid=True)
        held = await self._held_by(guest)
        if held > 0:
            await self._adjust(guest, -held)
        async with self.hub.reading() as db:
            await sandbox.dispute(db, await self._provider_id(payment_id))
        await settling.settle(self.hub, payment_id)

    async def _thaw(self, guest: Actor) -> None:
        lacking = -await self._held_by(guest)
        if lacking > 0:
            await self._adjust(guest, lacking)
        ask = Unfreeze(user_id=guest.user_id, currency=self.currency, reason=REASON)
        await adjustments.unfreeze(self.hub, self.admins[0], ask)

    async def _held_by(self, guest: Actor) -> int:
        (held,) = (await wallet.show(self.hub, guest, ReadWallet())).balances
        return held.balance

    async def _adjust(self, guest: Actor, amount: int) -> None:
        """Correct a wallet, by two if it takes two."""
        ask = Adjust(user_id=guest.user_id, amount=amount, currency=self.currency, reason=REASON)
        asked = await adjustments.adjust(self.hub, self.admins[0], ask)
        if asked.status == "pending":
            await adjustments.approve(self.hub, self.admins[1], DecideAdjustment(adjustment_id=asked.id))

    async def _decide(self, payment_id: int, becomes: Any) -> None:
        provider_id = await self._provider_id(payment_id)
        async with self.hub.reading() as db:
            await sandbox.decide(db, provider_id, becomes, None)

    async def _tell(self, payment_id: int, times: int) -> None:
        gateway = self.hub.gateways_of_money["sandbox"]
        assert isinstance(gateway, SandboxGateway)
        body = gateway.event(await self._provider_id(payment_id), "payment.changed")
        await asyncio.gather(*(inbox.receive(self.hub, "sandbox", gateway.headers(body), body) for _ in range(times)))

    async def _settle(self, payment_id: int, times: int) -> None:
        await asyncio.gather(*(settling.settle(self.hub, payment_id) for _ in range(times)))

    async def _dispute(self, which: int) -> None:
        payment_id = await self._one_of(which, TAKEN)
        provider_id = await self._provider_id(payment_id)
        async with self.hub.reading() as db:
            await sandbox.dispute(db, provider_id)
        await settling.settle(self.hub, payment_id)

    async def _expire(self, which: int) -> None:
        booking_id = await self._one_of(which, WAITING)
        await self.world.run_out(await bookings.read(self.hub, THE_HUB, NameBooking(booking_id=booking_id)))
        await sweeper.sweep(self.hub)

    async def _reconcile(self) -> None:
        while await reconciler.reconcile(self.hub):
            pass

    async def _send(self) -> None:
        await queue.work_off(self.hub)
        await sending.work_off(self.hub)

    async def _end(self, which: int) -> None:
        booking_id = await self._one_of(which, IN_ESCROW)
        async with self.hub.pool.acquire() as db:
            await db.execute(
                """
                UPDATE booking_items AS i SET starts_at = clock_timestamp() - interval '2 hours',
                    ends_at = clock_timestamp() - interval '1 hour'
                FROM bookings AS b WHERE b.id = $1 AND i.booking_id = b.id AND b.status = 'confirmed'
                """,
                booking_id,
            )
        if not await releasing.release(self.hub):
            raise NotFound()

    async def _give_back(self, which: int, amount: int | None) -> None:
        booking_id = await self._one_of(which, IN_ESCROW)
        async with self.hub.work(self.world.owner) as work:
            await booking_store.lock(work.db, booking_id)
            await refunds.give_back(work, booking_id, amount, REASON, approval_above=5000)
            work.tell(BookingChanged(booking_id=booking_id))

    async def _judge(self, approves: bool) -> None:
        async with self.hub.reading() as db:
            waiting = await db.fetchval("SELECT min(id) FROM refunds WHERE status = 'pending'")
        if waiting is None:
            raise NotFound()
        decide = refunds.approve if approves else refunds.reject
        await decide(self.hub, self.world.owner, DecideRefund(refund_id=waiting, reason=REASON))
