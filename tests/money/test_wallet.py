"""Wallets: read by whom they are of, corrected by two, frozen and thawed."""

import asyncio

import pytest
from pydantic import ValidationError

from hub.core import THE_HUB, Actor
from hub.errors import AccountFrozen, Forbidden, NotFound, TooLittle, WrongState
from hub.models.base import Page
from hub.models.payments import Payment
from hub.models.wallet import (
    Adjust,
    Adjustment,
    DecideAdjustment,
    ListAdjustments,
    ListEntries,
    ReadWallet,
    Unfreeze,
    WalletEntry,
)
from hub.services import adjustments, erasure, wallet
from hub.services.adjustments import NotYourOwn
from hub.services.erasure import MoneyLeft
from storage.soundness import faults
from tests import builders
from tests.doors import ListeningHub
from tests.money.coming_in import REASON, filled
from tests.world import refusal


async def holds(hub: ListeningHub, actor: Actor) -> dict[str, int]:
    found = await wallet.show(hub, actor, ReadWallet())
    return {one.currency: one.balance for one in found.balances}


async def history(hub: ListeningHub, actor: Actor, **which: object) -> Page[WalletEntry]:
    return await wallet.entries(hub, actor, ListEntries.model_validate(which))


async def adjusted(hub: ListeningHub, by: Actor, whose: Actor, amount: int, currency: str = "EUR") -> Adjustment:
    ask = Adjust(user_id=whose.user_id, amount=amount, currency=currency, reason=REASON)
    return await adjustments.adjust(hub, by, ask)


async def topped_up(hub: ListeningHub, actor: Actor, amount: int) -> Payment:
    """Let a payment have filled a wallet, as settling it does."""
    async with hub.work(THE_HUB) as work:
        row = await work.db.fetchrow(
            """
            INSERT INTO payments (user_id, gateway, amount, currency, status, completed_at)
            VALUES ($1, 'sandbox', $2, 'EUR', 'completed', clock_timestamp())
            RETURNING id, user_id, booking_id, gateway, amount, currency, plan, status, failure, expires_at,
                      disputed_at, created_at, updated_at, completed_at
            """,
            actor.user_id,
            amount,
        )
        payment = Payment.model_validate(dict(row))
        await wallet.top_up(work, payment)
    return payment


@pytest.fixture
async def guest(hub: ListeningHub) -> Actor:
    return await builders.make_actor(hub)


@pytest.fixture
async def admin(hub: ListeningHub) -> Actor:
    return await builders.make_actor(hub, "admin")


async def test_a_wallet_holds_what_came_in_less_what_went_out_in_each_currency(
    hub: ListeningHub, guest: Actor, admin: Actor
) -> None:
    assert await holds(hub, guest) == {}
    await adjusted(hub, admin, guest, 1000)
    await adjusted(hub, admin, guest, -300)
    await adjusted(hub, admin, guest, 7, "KHR")
    assert await holds(hub, guest) == {"EUR": 700, "KHR": 7}
    found = await history(hub, guest)
    assert [(one.amount, one.balance, one.currency) for one in found.items] == [
        (7, 7, "KHR"),
        (-300, 700, "EUR"),
        (1000, 1000, "EUR"),
    ]
    assert {(one.kind, one.reason) for one in found.items} == {("adjustment", REASON)}
    assert [one.amount for one in (await history(hub, guest, currency="EUR", sort="oldest")).items] == [1000, -300]
    second = await history(hub, guest, per_page=1, page=2)
    assert ([one.balance for one in second.items], second.meta.total_items) == ([700], 3)
    assert hub.names(f"user:{guest.user_id}") == ["wallet.changed"] * 3


@pytest.mark.abuse("A5")
async def test_nobody_reads_somebody_elses_wallet_but_who_may_read_payments(
    hub: ListeningHub, guest: Actor, admin: Actor
) -> None:
    await adjusted(hub, admin, guest, 1000)
    stranger = await builders.make_actor(hub, "vendor")
    for user_id in (guest.user_id, 2**40):
        for asked in (
            wallet.show(hub, stranger, ReadWallet(user_id=user_id)),
            wallet.entries(hub, stranger, ListEntries(user_id=user_id)),
            wallet.points(hub, stranger, ReadWallet(user_id=user_id)),
        ):
            assert isinstance(await refusal(asked), NotFound)
    assert (await wallet.show(hub, admin, ReadWallet(user_id=guest.user_id))).balances[0].balance == 1000
    assert (await wallet.entries(hub, admin, ListEntries(user_id=guest.user_id))).meta.total_items == 1


async def test_a_large_adjustment_waits_for_somebody_else(hub: ListeningHub, guest: Actor, admin: Actor) -> None:
    waiting = await adjusted(hub, admin, guest, 10_001)
    assert (waiting.status, waiting.decided_at) == ("pending", None)
    assert await holds(hub, guest) == {}
    name = DecideAdjustment(adjustment_id=waiting.id, reason="So it was.")
    assert isinstance(await refusal(adjustments.approve(hub, admin, name)), NotYourOwn)
    other = await builders.make_actor(hub, "admin")
    made = await adjustments.approve(hub, other, name)
    assert (made.status, made.decided_by, made.decision) == ("made", other.user_id, "So it was.")
    assert await holds(hub, guest) == {"EUR": 10_001}
    assert isinstance(await refusal(adjustments.approve(hub, other, name)), WrongState)
    assert isinstance(await refusal(adjustments.reject(hub, other, name)), WrongState)

    again = await adjusted(hub, admin, guest, -10_001)
    rejected = await adjustments.reject(hub, other, DecideAdjustment(adjustment_id=again.id, reason="No."))
    assert (rejected.status, rejected.decision) == ("rejected", "No.")
    assert await holds(hub, guest) == {"EUR": 10_001}
    pending = await adjustments.listed(hub, other, ListAdjustments(status="pending"))
    of_guest = await adjustments.listed(hub, other, ListAdjustments(user_id=guest.user_id, sort="oldest"))
    assert ([one.id for one in pending.items], [one.id for one in of_guest.items]) == ([], [waiting.id, again.id])


async def test_a_large_sum_is_no_smaller_in_small_parts(hub: ListeningHub, guest: Actor, admin: Actor) -> None:
    asked = await asyncio.gather(*(adjusted(hub, admin, guest, 4000) for _ in range(5)))
    assert sorted(one.status for one in asked) == ["made"] * 2 + ["pending"] * 3
    assert await holds(hub, guest) == {"EUR": 8000}
    # What went the other way counts as well; another admin, and another wallet, begin anew.
    assert (await adjusted(hub, admin, guest, -4000)).status == "pending"
    other = await builders.make_actor(hub, "admin")
    assert (await adjusted(hub, other, guest, 4000)).status == "made"
    assert (await adjusted(hub, admin, other, 4000)).status == "made"


async def test_nobody_corrects_their_own_wallet(hub: ListeningHub, guest: Actor, admin: Actor) -> None:
    assert isinstance(await refusal(adjusted(hub, admin, admin, 1)), NotYourOwn)
    waiting = await adjusted(hub, await builders.make_actor(hub, "admin"), admin, 50_000)
    decide = DecideAdjustment(adjustment_id=waiting.id)
    assert isinstance(await refusal(adjustments.approve(hub, admin, decide)), NotYourOwn)
    for acting in (adjusted(hub, guest, admin, 1), adjustments.approve(hub, guest, decide)):
        assert isinstance(await refusal(acting), Forbidden)
    assert isinstance(await refusal(adjustments.reject(hub, admin, DecideAdjustment(adjustment_id=2**40))), NotFound)


async def test_an_adjustment_never_takes_more_than_there_is(hub: ListeningHub, guest: Actor, admin: Actor) -> None:
    await adjusted(hub, admin, guest, 100)
    assert isinstance(await refusal(adjusted(hub, admin, guest, -101)), TooLittle)
    assert await holds(hub, guest) == {"EUR": 100}
    assert await faults(hub.pool) == {}


@pytest.mark.abuse("H24")
@pytest.mark.parametrize("amount", [0.1 + 0.2, 1e-7, 1.0, "100", True, 0, 10**13, -(10**13)])
def test_an_amount_is_a_whole_number_of_minor_units(amount: object) -> None:
    with pytest.raises(ValidationError):
        Adjust.model_validate({"user_id": 1, "amount": amount, "currency": "EUR", "reason": REASON})
    with pytest.raises(ValidationError):
        Adjust.model_validate({"user_id": 1, "amount": 1, "currency": "EUX", "reason": REASON})


@pytest.mark.abuse("H6")
async def test_a_disputed_top_up_that_was_spent_freezes_the_wallet(
    hub: ListeningHub, guest: Actor, admin: Actor
) -> None:
    payment = await topped_up(hub, guest, 1000)
    await adjusted(hub, admin, guest, -800)
    async with hub.work(THE_HUB) as work:
        await wallet.take_back(work, payment, reason="The card was stolen.")
    assert await holds(hub, guest) == {"EUR": -800}
    (found,) = (await wallet.show(hub, guest, ReadWallet())).balances
    assert found.frozen_at is not None
    assert hub.names(f"user:{guest.user_id}")[-1] == "wallet.changed"

    name = Unfreeze(user_id=guest.user_id, currency="EUR", reason="They have paid.")
    assert isinstance(await refusal(adjustments.unfreeze(hub, admin, name)), WrongState)
    # What comes in is taken; what would go out is not, though it were there.
    await adjusted(hub, admin, guest, 1000)
    assert isinstance(await refusal(adjusted(hub, admin, guest, -100)), AccountFrozen)
    assert (await adjustments.unfreeze(hub, admin, name)).frozen_at is None
    assert isinstance(await refusal(adjustments.unfreeze(hub, admin, name)), WrongState)
    await adjusted(hub, admin, guest, -100)
    assert await holds(hub, guest) == {"EUR": 100}
    assert await faults(hub.pool) == {}


async def test_only_a_wallet_that_there_is_can_be_thawed_and_not_ones_own(hub: ListeningHub, admin: Actor) -> None:
    guest = await builders.make_actor(hub)
    name = Unfreeze(user_id=guest.user_id, currency="EUR", reason=REASON)
    assert isinstance(await refusal(adjustments.unfreeze(hub, admin, name)), NotFound)
    own = Unfreeze(user_id=admin.user_id, currency="EUR", reason=REASON)
    assert isinstance(await refusal(adjustments.unfreeze(hub, admin, own)), NotYourOwn)


async def test_nobody_is_erased_with_money_in_the_wallet(hub: ListeningHub, guest: Actor, admin: Actor) -> None:
    async def erase() -> None:
        assert guest.user_id is not None
        async with hub.work(THE_HUB) as work:
            await erasure.erase(work, guest.user_id)

    await adjusted(hub, admin, guest, 300, "KHR")
    assert isinstance(await refusal(erase()), MoneyLeft)
    assert await holds(hub, guest) == {"KHR": 300}
    await adjusted(hub, admin, guest, -300, "KHR")
    await erase()


async def test_the_books_are_only_added_to(hub: ListeningHub, guest: Actor) -> None:
    await filled(hub, guest, 500)
    async with hub.pool.acquire() as db:
        for statement in (
            "UPDATE ledger_entries SET amount = amount * 2",
            "DELETE FROM ledger_entries",
            "UPDATE ledger_transactions SET kind = 'gift'",
            "TRUNCATE ledger_entries",
        ):
            with pytest.raises(Exception, match=r"only ever added to|permission denied"):
                await db.execute(statement)
