"""Corrections of wallets by hand: with a reason, and by two people where they are large."""

from __future__ import annotations

from hub.core import Actor, Hub
from hub.errors import Forbidden, NotFound, WrongState
from hub.models.base import Page
from hub.models.wallet import Adjust, Adjustment, Balance, DecideAdjustment, ListAdjustments, Unfreeze
from hub.services import access, wallet
from hub.work import Work
from storage import ledger, people
from storage import wallet as store
from storage.ledger import Entry

# Who may correct wallets.
PERMISSION = "payment:manage"


class NotYourOwn(Forbidden):
    """Nobody corrects their own wallet, or approves what they have asked for themselves."""

    code = "not_your_own"


async def listed(hub: Hub, actor: Actor, ask: ListAdjustments) -> Page[Adjustment]:
    """List adjustments."""
    access.needs(actor, PERMISSION)
    async with hub.reading() as db:
        found, total = await store.list_adjustments(db, ask)
    return Page[Adjustment].model_validate(ask.of(found, total))


async def adjust(hub: Hub, actor: Actor, ask: Adjust) -> Adjustment:
    """Correct a wallet; what goes beyond the limit, alone or with others of the day, waits for a second approver."""
    access.needs(actor, PERMISSION)
    asked_by = access.signed_in(actor)
    if ask.user_id == asked_by:
        raise NotYourOwn()
    async with hub.work(actor) as work:
        # The lock lets whoever splits a large sum into many small ones at once be counted in turn.
        if await people.lock(work.db, ask.user_id) is None:
            raise NotFound()
        moved = abs(ask.amount) + await store.adjusted_today(work.db, ask.user_id, asked_by)
        is_small = moved <= hub.settings.adjustment_limit
        adjustment_id = await store.insert_adjustment(work.db, ask.model_dump(mode="json"), asked_by, made=is_small)
        adjustment = await _found(work, adjustment_id)
        if is_small:
            await _make(work, adjustment)
        return work.answer(adjustment, 201)


async def approve(hub: Hub, actor: Actor, ask: DecideAdjustment) -> Adjustment:
    """Make an adjustment that somebody else has asked for."""
    return await _decide(hub, actor, ask, approved=True)


async def reject(hub: Hub, actor: Actor, ask: DecideAdjustment) -> Adjustment:
    """Leave a wallet as it is."""
    return await _decide(hub, actor, ask, approved=False)


async def unfreeze(hub: Hub, actor: Actor, ask: Unfreeze) -> Balance:
    """Let a wallet be paid from again, once it holds no less than nothing."""
    access.needs(actor, PERMISSION)
    if ask.user_id == access.signed_in(actor):
        raise NotYourOwn()
    async with hub.work(actor) as work:
        account = await store.lock(work.db, ask.user_id, ask.currency)
        if account is None:
            raise NotFound()
        if not account.is_frozen:
            raise WrongState("This wallet is not frozen.")
        if account.balance < 0:
            raise WrongState("This wallet holds less than nothing; settle that first.")
        await store.unfreeze(work.db, account.id)
        await wallet.tell(work, ask.user_id, ask.currency)
        return work.answer(await store.balance(work.db, ask.user_id, ask.currency))


async def _decide(hub: Hub, actor: Actor, ask: DecideAdjustment, *, approved: bool) -> Adjustment:
    access.needs(actor, PERMISSION)
    decided_by = access.signed_in(actor)
    async with hub.work(actor) as work:
        adjustment = await _found(work, ask.adjustment_id, lock=True)
        if adjustment.status != "pending":
            raise WrongState(f"This adjustment is {adjustment.status} already.")
        if decided_by in (adjustment.asked_by, adjustment.user_id):
            raise NotYourOwn()
        status = "made" if approved else "rejected"
        await store.decide_adjustment(work.db, adjustment.id, status, decided_by, ask.reason)
        if approved:
            await _make(work, adjustment)
        return work.answer(await _found(work, adjustment.id))


async def _make(work: Work, adjustment: Adjustment) -> None:
    entries = [
        Entry("wallet", adjustment.amount, user_id=adjustment.user_id),
        Entry("corrections", -adjustment.amount),
    ]
    await ledger.post(
        work.db, "adjustment", adjustment.currency, entries, by=work.author.user_id, reason=adjustment.reason
    )
    await wallet.tell(work, adjustment.user_id, adjustment.currency)


async def _found(work: Work, adjustment_id: int, *, lock: bool = False) -> Adjustment:
    found = await store.find_adjustment(work.db, adjustment_id, lock=lock)
    if found is None:
        raise NotFound()
    return found
