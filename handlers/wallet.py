"""Wallets and points over both wires."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.base import Page
from hub.models.payments import StartedPayment
from hub.models.wallet import (
    Adjust,
    Adjustment,
    Balance,
    DecideAdjustment,
    ListAdjustments,
    ListEntries,
    Points,
    ReadWallet,
    TopUp,
    Unfreeze,
    Wallet,
    WalletEntry,
)
from hub.services import adjustments, payments, wallet

_CHANGED = ("wallet.changed",)


@endpoint("wallet.show", "GET /wallet")
async def show(call: Call, ask: ReadWallet) -> Wallet:
    """Read what your wallet holds, in every currency."""
    return await wallet.show(call.hub, call.actor, ask)


@endpoint("wallet.entries", "GET /wallet/entries")
async def entries(call: Call, ask: ListEntries) -> Page[WalletEntry]:
    """List what came into your wallet and went out of it."""
    return await wallet.entries(call.hub, call.actor, ask)


@endpoint(
    "wallet.top_up",
    "POST /wallet/top-ups",
    status=201,
    repeatable=True,
    tells=("payment.changed",),
    in_person=True,
)
async def top_up(call: Call, ask: TopUp) -> StartedPayment:
    """Begin to fill your wallet; it holds the money once it has come in."""
    return await payments.start_top_up(call.hub, call.actor, ask.gateway, ask.amount, ask.currency)


@endpoint("wallet.adjustments", "GET /wallet/adjustments", may="payment:manage")
async def listed(call: Call, ask: ListAdjustments) -> Page[Adjustment]:
    """List corrections of wallets."""
    return await adjustments.listed(call.hub, call.actor, ask)


@endpoint(
    "wallet.adjust",
    "POST /wallet/adjustments",
    may="payment:manage",
    status=201,
    repeatable=True,
    tells=_CHANGED,
    in_person=True,
)
async def adjust(call: Call, ask: Adjust) -> Adjustment:
    """Correct somebody's wallet; beyond the limit it waits until a second admin approves."""
    return await adjustments.adjust(call.hub, call.actor, ask)


@endpoint(
    "wallet.approve",
    "POST /wallet/adjustments/{adjustment_id}/approve",
    may="payment:manage",
    repeatable=True,
    tells=_CHANGED,
    in_person=True,
)
async def approve(call: Call, ask: DecideAdjustment) -> Adjustment:
    """Make a correction that another admin has asked for."""
    return await adjustments.approve(call.hub, call.actor, ask)


@endpoint(
    "wallet.reject",
    "POST /wallet/adjustments/{adjustment_id}/reject",
    may="payment:manage",
    repeatable=True,
    in_person=True,
)
async def reject(call: Call, ask: DecideAdjustment) -> Adjustment:
    """Refuse a correction that another admin has asked for."""
    return await adjustments.reject(call.hub, call.actor, ask)


@endpoint(
    "wallet.unfreeze",
    "POST /wallet/unfreeze",
    may="payment:manage",
    repeatable=True,
    tells=_CHANGED,
    in_person=True,
)
async def unfreeze(call: Call, ask: Unfreeze) -> Balance:
    """Let a wallet be paid from again that a disputed payment has frozen."""
    return await adjustments.unfreeze(call.hub, call.actor, ask)


@endpoint("points.show", "GET /points")
async def points(call: Call, ask: ReadWallet) -> Points:
    """Count your loyalty points."""
    return await wallet.points(call.hub, call.actor, ask)
