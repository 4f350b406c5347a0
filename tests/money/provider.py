"""A payment provider in memory, as good and as bad as real ones: slow to tell, or telling twice, late or never."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from hub.core import Hub
from hub.errors import Forged, GatewayUnreachable
from hub.gateways.payments import Began, Declined, Gateways, Look, Order, ProviderState, Refunding, Told

NAMES = ("stripe", "paypal", "bakong")
SIGNATURE = "Provider-Signature"
TOLERANCE = 300


@dataclass
class Taken:
    """A payment in the provider's books."""

    order: Order
    state: ProviderState = "pending"
    # Approved by the payer, and not taken yet.
    is_approved: bool = False
    amount: int = 0
    currency: str = ""
    refunds: dict[str, int] = field(default_factory=dict)
    disputed: bool = False
    captured: int = 0

    @property
    def refunded(self) -> int:
        """Sum up what was given back."""
        return sum(self.refunds.values())


class Provider:
    """Takes payments in memory; what is approved is captured by the hub, where `captures`."""

    currencies: frozenset[str] | None = None

    def __init__(self, name: str) -> None:
        self.name, self.title = name, name.title()
        self.captures = name != "bakong"
        self.gives_back = name != "bakong"
        self.lets_go = name != "bakong"
        self.books: dict[str, Taken] = {}
        self.by_key: dict[str, str] = {}
        # What goes wrong at the next ask, after its effect.
        self.silent = 0
        self.asked = 0
        self._key = secrets.token_bytes(32)

    async def begin(self, order: Order) -> Began:
        """Take a payment on, once for each key."""
        if order.key not in self.by_key:
            provider_id = f"{self.name}_{secrets.token_hex(8)}"
            self.by_key[order.key] = provider_id
            self.books[provider_id] = Taken(order, amount=order.amount, currency=order.currency)
        self._answer()
        return Began(self.by_key[order.key], {"redirect_url": "https://pay.example.org/"}, order.expires_at)

    async def look(self, provider_id: str, data: Mapping[str, Any]) -> Look:
        """Tell how a payment stands."""
        self._answer()
        if provider_id not in self.books:
            return Look("gone", 0, "")
        taken = self.books[provider_id]
        failure = "The bank said no." if taken.state == "failed" else None
        return Look(taken.state, taken.amount, taken.currency, failure, taken.refunded, taken.disputed)

    async def capture(self, provider_id: str, key: str) -> Look:
        """Take what was approved."""
        assert self.captures
        taken = self.books[provider_id]
        if taken.state == "pending" and taken.is_approved:
            taken.state = "completed"
            taken.captured += 1
        return await self.look(provider_id, {})

    async def cancel(self, provider_id: str) -> Look:
        """Take nothing any more, where that can be had."""
        if not self.lets_go:
            raise Declined("It ends by itself.")
        taken = self.books[provider_id]
        if taken.state == "pending":
            taken.state = "cancelled"
        return await self.look(provider_id, {})

    async def refund(self, provider_id: str, amount: int, currency: str, key: str) -> Refunding:
        """Give back some of a payment, once for each key."""
        taken = self.books[provider_id]
        if key not in taken.refunds:
            if not self.gives_back or taken.refunded + amount > taken.amount or currency != taken.currency:
                raise Declined("That cannot be given back.")
            taken.refunds[key] = amount
        self._answer()
        return Refunding(f"re_{key}", "completed")

    async def look_at_refund(self, provider_id: str, refund_id: str) -> Refunding:
        """Tell how a refund stands."""
        self._answer()
        return Refunding(refund_id, "completed")

    async def read(self, headers: Mapping[str, str], body: bytes) -> Told:
        """Verify an event as providers have it done: by a signature over its time and its text."""
        at, _, signature = headers.get(SIGNATURE, "").partition(".")
        if not at.isdigit() or not hmac.compare_digest(self._sign(at, body), signature):
            raise Forged()
        if abs(time.time() - int(at)) > TOLERANCE:
            raise Forged()
        event = orjson.loads(body)
        return Told(event["id"], event["kind"], event["about"], datetime.now(UTC))

    async def close(self) -> None:
        """Let go of nothing."""

    def event(self, provider_id: str, kind: str) -> bytes:
        """Write an event about a payment."""
        return orjson.dumps({"id": f"evt_{secrets.token_hex(8)}", "kind": kind, "about": provider_id})

    def headers(self, body: bytes, seconds_old: int = 0) -> dict[str, str]:
        """Sign an event as of now, or as of then."""
        at = str(int(time.time()) - seconds_old)
        return {SIGNATURE: f"{at}.{self._sign(at, body)}"}

    def forged(self, body: bytes) -> dict[str, str]:
        """Sign an event with another key than the provider's."""
        at = str(int(time.time()))
        return {SIGNATURE: f"{at}.{hashlib.sha256(at.encode() + body).hexdigest()}"}

    def pay(self, provider_id: str) -> None:
        """Let the payer approve; where nobody has to take it, it is paid."""
        taken = self.books[provider_id]
        if self.captures:
            taken.is_approved = True
        elif taken.state == "pending":
            taken.state = "completed"

    def take(self, provider_id: str) -> None:
        """Let it be paid, whatever anybody wants by now: it was under way already."""
        self.books[provider_id].state = "completed"

    def fail(self, provider_id: str) -> None:
        """Let the payer's bank refuse."""
        self.books[provider_id].state = "failed"

    @property
    def total(self) -> int:
        """Sum up what is in the provider's books."""
        return sum(taken.amount - taken.refunded for taken in self.books.values() if taken.state == "completed")

    def _answer(self) -> None:
        self.asked += 1
        if self.silent:
            self.silent -= 1
            raise GatewayUnreachable()

    def _sign(self, at: str, body: bytes) -> str:
        return hmac.new(self._key, at.encode() + b"." + body, "sha256").hexdigest()


def provide(hub: Hub, *names: str) -> list[Provider]:
    """Set up providers in memory in place of the hub's gateways."""
    providers = [Provider(name) for name in names]
    hub.gateways_of_money = Gateways(*providers)
    return providers


async def provider_id(hub: Hub, payment_id: int) -> str:
    """Answer how the provider knows a payment."""
    async with hub.pool.acquire() as db:
        known: str = await db.fetchval("SELECT provider_id FROM payments WHERE id = $1", payment_id)
    return known


async def clearing(hub: Hub, gateway: str) -> int:
    """Sum up what a provider has for us, by our own books."""
    async with hub.pool.acquire() as db:
        found: int = await db.fetchval(
            """
            SELECT coalesce(-sum(e.amount), 0)::bigint
            FROM accounts AS a JOIN ledger_entries AS e ON e.account_id = a.id
            WHERE a.kind = 'clearing' AND a.gateway = $1
            """,
            gateway,
        )
    return found
