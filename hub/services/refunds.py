"""Refunds: what was paid goes back where it came from, or into the wallet; never more than was paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hub.core import THE_HUB, Actor, Hub
from hub.errors import Conflict, Forbidden, Invalid, NotFound, TooLittle
from hub.events.bookings import BookingChanged
from hub.events.payments import RefundChanged
from hub.events.wallet import WalletChanged
from hub.models.base import Page
from hub.models.payments import GatewayName
from hub.models.refunds import DecideRefund, ListRefunds, NameRefund, Refund, RetryRefund
from hub.services import access, fees, points
from hub.services.sharing import split
from hub.work import Work
from storage import bookings as booking_store
from storage import escrow, ledger
from storage import refunds as store
from storage import wallet as wallets
from storage.ledger import Entry
from storage.query import Db
from storage.refunds import RefundRow, Target

APPROVE = "refund:approve"
# Who takes money and can give none back: it goes into the wallet.
ONE_WAY: frozenset[GatewayName] = frozenset({"bakong"})


class RefundDecided(Conflict):
    """This refund does not wait for anybody's decision any more."""

    code = "refund_decided"


class RefundUnderWay(Conflict):
    """This refund is under way or has arrived; there is nothing to be tried again."""

    code = "refund_under_way"


@dataclass(frozen=True, slots=True)
class Planned:
    """A refund as it would be: of which payment, whereto, at whose expense."""

    payment_id: int
    user_id: int
    target: Target
    amount: int
    shares: dict[int, int]


async def give_back(
    work: Work,
    booking_id: int,
    amount: int | None,
    reason: str,
    *,
    payment_id: int | None = None,
    approval_above: int | None = None,
) -> list[Refund]:
    """Give back some of what was paid for a locked booking (None: all that is there); the latest payments first.

    Each venue gives of what it was paid beyond its price, else in proportion to what it was paid; `payment_id` takes it
    of that payment alone. Above `approval_above` it waits for approval. Refuses with TooLittle more than was paid. The
    caller tells the booking, whose paid state has changed.
    """
    if not amount and not await ledger.paid(work.db, booking_id):
        return []
    left = await there(work.db, booking_id)
    total = sum(left.values()) if amount is None else amount
    if total > sum(left.values()):
        raise TooLittle("Less than that was paid for this booking and is still to be given back.")
    prices = {share.venue_id: share.price for share in await escrow.shares(work.db, booking_id)}
    beyond = [max(paid - prices[venue_id], 0) for venue_id, paid in left.items()]
    shares = dict(zip(left, split(total, beyond if sum(beyond) >= total else list(left.values())), strict=True))
    planned = await plan(work.db, booking_id, shares, payment_id=payment_id)
    return await carry_out(work, booking_id, planned, reason, approval_above=approval_above)


async def carry_out(
    work: Work, booking_id: int, planned: Sequence[Planned], reason: str, *, approval_above: int | None = None
) -> list[Refund]:
    """Make planned refunds of a locked booking; above the limit, with what it was given back before, they wait."""
    total = sum(one.amount for one in planned)
    waits = approval_above is not None and total + await store.asked_for(work.db, booking_id) > approval_above
    return [await _begin(work, booking_id, one, reason, waits=waits) for one in planned]


async def there(db: Db, booking_id: int) -> dict[int, int]:
    """Read what could still be given back of a booking, venue by venue: paid, and promised to nobody."""
    promised = await store.promised(db, booking_id)
    return {
        share.venue_id: max(share.paid - promised.get(share.venue_id, 0), 0)
        for share in await escrow.shares(db, booking_id)
    }


async def plan(
    db: Db,
    booking_id: int,
    shares: Mapping[int, int],
    into_wallet: Mapping[int, int] | None = None,
    *,
    payment_id: int | None = None,
) -> list[Planned]:
    """Say which refunds giving back these shares (venue to amount) makes; preview and commit both ask here.

    The latest payments first; what goes `into_wallet` is taken of what the others leave.
    """
    sources = [one for one in await store.sources(db, booking_id) if payment_id in (None, one.payment_id)]
    taken = dict.fromkeys((one.payment_id for one in sources), 0)
    planned = []
    for to_wallet, wanted in ((False, dict(shares)), (True, dict(into_wallet or {}))):
        for source in sources:
            parts: dict[int, int] = {}
            for venue_id, amount in wanted.items():
                if part := min(amount, source.left - taken[source.payment_id]):
                    parts[venue_id] = part
                    wanted[venue_id] -= part
                    taken[source.payment_id] += part
            if parts:
                target = _target(source.gateway, to_wallet=to_wallet)
                planned.append(Planned(source.payment_id, source.user_id, target, sum(parts.values()), parts))
        if any(wanted.values()):
            raise TooLittle("Less than that was paid for this booking and is still to be given back.")
    return planned


async def give_back_expired(hub: Hub, booking_id: int) -> None:
    """Give back all that was paid for a booking that ran out before it was firm."""
    async with hub.work(replace(THE_HUB, asked="expiry")) as work:
        booking = await booking_store.lock(work.db, booking_id)
        if booking is None or booking.status != "expired":
            return
        if await give_back(work, booking_id, None, "The time to pay ran out."):
            work.tell(BookingChanged(booking_id=booking_id))


async def listed(hub: Hub, actor: Actor, ask: ListRefunds) -> Page[Refund]:
    """List one's own refunds; with a venue, its staff get those at that venue's expense."""
    own: int | None = access.signed_in(actor)
    async with hub.reading() as db:
        if ask.venue_id is not None:
            await access.desk(db, actor, ask.venue_id)
            own = ask.user_id
        elif actor.may("refund:read"):
            own = ask.user_id
        elif ask.user_id not in (None, own):
            raise NotFound()
        found, total = await store.listed(db, ask, own, ask.venue_id)
    return Page[Refund].model_validate(ask.of(found, total))


async def read(hub: Hub, actor: Actor, ask: NameRefund) -> Refund:
    """Read a refund: its guest's, or at the expense of a venue one works at."""
    async with hub.reading() as db:
        return seen(await _found(db, actor, ask.refund_id))


async def approve(hub: Hub, actor: Actor, ask: DecideRefund) -> Refund:
    """Let a refund go that waited for it; for those who run the venue, and never one's own."""
    async with hub.work(actor) as work:
        refund = await _to_decide(work, actor, ask)
        _refuse_disputed(refund)
        await store.decide(work.db, refund.id, "approved", actor.user_id, ask.reason)
        await _grant(work, refund)
        work.tell(BookingChanged(booking_id=refund.booking_id))
        return work.answer(await _told(work, refund.id))


async def approve_waiting(work: Work, booking_id: int, decision: str) -> None:
    """Let go all refunds of a locked booking that wait, because its guest is made whole: nobody is to refuse them."""
    for refund_id in await store.waiting(work.db, booking_id):
        refund = await store.lock(work.db, refund_id)
        await store.decide(work.db, refund.id, "approved", work.author.user_id, decision)
        await _grant(work, refund)
        await _told(work, refund.id)


async def reject(hub: Hub, actor: Actor, ask: DecideRefund) -> Refund:
    """Refuse a refund that waited for approval, and say why; the venue keeps the money."""
    async with hub.work(actor) as work:
        refund = await _to_decide(work, actor, ask)
        if not ask.reason:
            raise Invalid.field("reason", "must say why the guest does not get the money back")
        await store.decide(work.db, refund.id, "rejected", actor.user_id, ask.reason)
        booking = await booking_store.find(work.db, refund.booking_id)
        if booking is not None and booking.status not in ("cancelled", "expired"):
            # It was for a part that is cancelled; what goes on costs that much more.
            await fees.keep(work.db, booking.id, refund.shares)
        work.tell(BookingChanged(booking_id=refund.booking_id))
        return work.answer(await _told(work, refund.id))


async def retry(hub: Hub, actor: Actor, ask: RetryRefund) -> Refund:
    """Ask the provider once more now; or, once it has refused for good, give the money back another way."""
    async with hub.work(actor) as work:
        refund = await _locked(work, actor, ask.refund_id)
        _refuse_disputed(refund)
        target = ask.target or refund.target
        if refund.status not in ("approved", "processing", "failed") or refund.target == "cash":
            raise RefundUnderWay()
        if refund.status != "failed" and target != refund.target:
            raise Conflict("It is unknown yet what became of this refund; only one that failed can go another way.")
        await store.try_again(work.db, refund.id, target)
        if target == "wallet":
            await _into_wallet(work, refund)
        return work.answer(await _told(work, refund.id))


async def hand_over(hub: Hub, actor: Actor, ask: NameRefund) -> Refund:
    """Note that a refund in cash was handed over at the desk; for the staff of the venue where that is."""
    async with hub.work(actor) as work:
        refund = await _locked(work, actor, ask.refund_id, at_desk=True)
        if refund.target != "cash" or refund.status != "approved":
            raise Conflict("Only an approved refund in cash can be handed over, and once.")
        desk = await store.cash_desk(work.db, refund.payment_id) or min(refund.shares)
        if not await access.serves_at(work.db, actor, desk):
            raise Forbidden("Only the desk that has the cash can hand it over.")
        await _arrive(work, refund, Entry("cash", refund.amount, venue_id=desk))
        return work.answer(await _told(work, refund.id))


async def decides(db: Db, actor: Actor, venue_ids: Sequence[int]) -> bool:
    """Tell whether the actor decides about refunds at the expense of these venues: who run them, or approve refunds."""
    return actor.is_hub or actor.may(APPROVE) or await access.runs_all(db, actor, venue_ids)


def seen(refund: RefundRow) -> Refund:
    """Answer of a refund what everybody who may sees."""
    return Refund.model_validate(refund.model_dump(include=set(Refund.model_fields)))


async def arrive(work: Work, refund: RefundRow, provider_id: str | None = None) -> None:
    """Note that a locked refund has arrived where its payment came from, and tell it."""
    assert refund.gateway is not None
    await _arrive(work, refund, Entry("clearing", refund.amount, gateway=refund.gateway), provider_id)
    await _told(work, refund.id)


async def tell(work: Work, refund_id: int) -> None:
    """Tell how a refund now stands."""
    await _told(work, refund_id)


def _target(gateway: GatewayName, *, to_wallet: bool) -> Target:
    if gateway == "cash":
        # What a desk says it took buys nothing elsewhere; that desk gives it back.
        return "cash"
    return "wallet" if to_wallet or gateway == "wallet" or gateway in ONE_WAY else "original"


async def _begin(work: Work, booking_id: int, planned: Planned, reason: str, *, waits: bool) -> Refund:
    booking = await booking_store.find(work.db, booking_id)
    assert booking is not None
    refund = await store.create(
        work.db,
        booking_id,
        planned.payment_id,
        planned.user_id,
        planned.target,
        planned.amount,
        booking.currency,
        planned.shares,
        reason,
        work.author.user_id,
        approved=not waits,
    )
    if not waits:
        await _grant(work, refund)
    return await _told(work, refund.id)


async def _grant(work: Work, refund: RefundRow) -> None:
    """Owe the money to the guest, no longer to the venue; what the venue was paid out already it owes.

    The ledger is for ever, so it names the refund, and not why: that may be personal.
    """
    left = {share.venue_id: share for share in await escrow.shares(work.db, refund.booking_id)}
    released = sum(share.paid - share.escrow for share in left.values())
    entries = [Entry("refunds", refund.amount)]
    for venue_id, amount in refund.shares.items():
        share = left.get(venue_id)
        if share is None or share.paid < amount:
            raise TooLittle("Less than that was paid for this booking and is still to be given back.")
        from_escrow = min(amount, max(share.escrow, 0))
        if from_escrow:
            entries.append(Entry("escrow", -from_escrow, venue_id=venue_id, booking_id=refund.booking_id))
        if amount > from_escrow:
            entries.append(Entry("venue", from_escrow - amount, venue_id=venue_id, booking_id=refund.booking_id))
    await ledger.post(
        work.db,
        "refund",
        refund.currency,
        entries,
        booking_id=refund.booking_id,
        refund_id=refund.id,
        by=work.author.user_id,
    )
    of_released = -sum(entry.amount for entry in entries if entry.kind == "venue")
    if of_released:
        booking = await booking_store.find(work.db, refund.booking_id)
        assert booking is not None
        await points.take_back(work, booking, of_released, released)
    if refund.target == "wallet":
        await _into_wallet(work, refund)
    elif refund.target == "original":
        await store.ask_in(work.db, refund.id, 0)


async def _into_wallet(work: Work, refund: RefundRow) -> None:
    await _arrive(work, refund, Entry("wallet", refund.amount, user_id=refund.user_id))
    work.tell(WalletChanged(thing=await wallets.balance(work.db, refund.user_id, refund.currency)))


async def _arrive(work: Work, refund: RefundRow, target: Entry, provider_id: str | None = None) -> None:
    await ledger.post(
        work.db,
        "refund_sent",
        refund.currency,
        [Entry("refunds", -refund.amount), target],
        refund_id=refund.id,
        by=work.author.user_id,
    )
    await store.complete(work.db, refund.id, provider_id)


async def _told(work: Work, refund_id: int) -> Refund:
    refund = await store.find(work.db, refund_id)
    assert refund is not None
    thing = seen(refund)
    work.tell(RefundChanged(thing=thing, venue_ids=tuple(sorted(refund.shares))))
    return thing


async def _found(db: Db, actor: Actor, refund_id: int) -> RefundRow:
    refund = await store.find(db, refund_id)
    if refund is None:
        raise NotFound()
    if actor.may("refund:read") or (actor.user_id is not None and actor.user_id == refund.user_id):
        return refund
    if not await access.works_at_any(db, actor, list(refund.shares)):
        raise NotFound()
    return refund


async def _locked(work: Work, actor: Actor, refund_id: int, *, at_desk: bool = False) -> RefundRow:
    """Lock a refund with its booking for who may decide about it: who run all its venues, or approve refunds.

    `at_desk`, also for whoever works at one of them.
    """
    refund = await _found(work.db, actor, refund_id)
    if actor.user_id == refund.user_id:
        raise Forbidden("Somebody else has to decide about your own refund.")
    if not at_desk and not await decides(work.db, actor, list(refund.shares)):
        raise Forbidden("Only those who run the venue decide about its refunds.")
    await booking_store.lock(work.db, refund.booking_id)
    return await store.lock(work.db, refund_id)


async def _to_decide(work: Work, actor: Actor, ask: DecideRefund) -> RefundRow:
    refund = await _locked(work, actor, ask.refund_id)
    if refund.status != "pending":
        raise RefundDecided(f"This refund is {refund.status} already.")
    return refund


def _refuse_disputed(refund: RefundRow) -> None:
    if refund.is_disputed:
        raise Conflict("Its payer has called this payment back at their bank; nothing else of it is given back.")
