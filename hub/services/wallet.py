"""Wallets: what a person has with the hub. Filled and paid from in somebody's work; never below zero."""

from __future__ import annotations

from hub.core import Actor, Hub
from hub.errors import NotFound
from hub.events.wallet import WalletChanged
from hub.models.base import Page
from hub.models.payments import Payment
from hub.models.wallet import ListEntries, Points, ReadWallet, Wallet, WalletEntry
from hub.services import access, escrow
from hub.work import Work
from storage import ledger
from storage import wallet as store
from storage.bookings import BookingRow
from storage.ledger import Entry


async def show(hub: Hub, actor: Actor, ask: ReadWallet) -> Wallet:
    """Read what a wallet holds, in every currency."""
    user_id = whose(actor, ask.user_id)
    async with hub.reading() as db:
        return Wallet(balances=await store.balances(db, user_id))


async def entries(hub: Hub, actor: Actor, ask: ListEntries) -> Page[WalletEntry]:
    """List the movements of a wallet."""
    user_id = whose(actor, ask.user_id)
    async with hub.reading() as db:
        found, total = await store.entries(db, user_id, ask)
    return Page[WalletEntry].model_validate(ask.of(found, total))


async def points(hub: Hub, actor: Actor, ask: ReadWallet) -> Points:
    """Count loyalty points."""
    user_id = whose(actor, ask.user_id)
    async with hub.reading() as db:
        return await store.points(db, user_id)


def whose(actor: Actor, user_id: int | None) -> int:
    """Answer whose wallet is meant: anybody's for whoever may read payments; for others there is only their own."""
    own = access.signed_in(actor)
    if user_id is None or user_id == own:
        return own
    if not actor.may("payment:read"):
        raise NotFound()
    return user_id


async def pay(work: Work, booking: BookingRow, payment: Payment) -> None:
    """Pay for a locked booking from the payer's wallet, as much as the payment says.

    Refuses with TooLittle or AccountFrozen; the caller tells the booking and the payment.
    """
    source = Entry("wallet", -payment.amount, user_id=payment.user_id)
    await escrow.take_in(work, booking, source, payment_id=payment.id, by=work.author.user_id)
    await tell(work, payment.user_id, payment.currency)


async def top_up(work: Work, payment: Payment) -> None:
    """Fill the payer's wallet with a payment that has come in; the caller tells the payment."""
    entries = [
        Entry("clearing", -payment.amount, gateway=payment.gateway),
        Entry("wallet", payment.amount, user_id=payment.user_id),
    ]
    await ledger.post(work.db, "top_up", payment.currency, entries, payment_id=payment.id, by=work.author.user_id)
    await tell(work, payment.user_id, payment.currency)


async def take_back(work: Work, payment: Payment, *, reason: str = "") -> None:
    """Take a disputed top-up out of the wallet again, also what is not there any more: then the wallet is frozen."""
    await ledger.post(
        work.db,
        "dispute",
        payment.currency,
        [
            Entry("wallet", -payment.amount, user_id=payment.user_id),
            Entry("clearing", payment.amount, gateway=payment.gateway),
        ],
        payment_id=payment.id,
        reason=reason,
        may_overdraw=True,
    )
    await tell(work, payment.user_id, payment.currency)


async def tell(work: Work, user_id: int, currency: str) -> None:
    """Tell what a wallet holds, in the work that has moved it: its account is locked, so the last to tell is right."""
    work.tell(WalletChanged(thing=await store.balance(work.db, user_id, currency)))
