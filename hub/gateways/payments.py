"""Payment gateways: one small interface for every provider, and those that the operator has set up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from hub.errors import HubError, NotFound

# What a provider says of a payment; `gone` is one that it does not know and never will.
ProviderState = Literal["pending", "completed", "failed", "cancelled", "gone"]


class Declined(HubError):
    """The payment provider has declined this; pay another way."""

    code, status = "declined", 422


@dataclass(frozen=True, slots=True)
class Order:
    """What a provider is asked to take: amounts in minor units, `key` is the same however often it is asked."""

    payment_id: int
    key: str
    amount: int
    currency: str
    title: str
    # Where the payer comes back to, whatever happened.
    return_url: str
    # When the payment was begun here; the same however often it is asked.
    begun_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Began:
    """A payment as the provider has taken it on; `data` is kept, and may hold nothing of a card."""

    provider_id: str
    data: dict[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What the provider says of a payment now: compared with what was asked for before a cent is posted."""

    state: ProviderState
    amount: int
    currency: str
    failure: str | None = None
    # All that the provider has given back of it so far, in minor units.
    refunded: int = 0
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class Refunding:
    """A refund as the provider sees it."""

    provider_id: str
    state: Literal["processing", "completed", "failed"]
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a provider whose signature is right; only a hint to look: events come twice, late, in any order."""

    event_id: str
    kind: str
    # Of the payment it is about; none: not about any.
    provider_id: str | None
    at: datetime


class PaymentGateway(Protocol):
    """Whoever takes money for the hub. Raises GatewayUnreachable when it is unknown what became of an ask."""

    name: str
    # The page's name for it, such as "Card".
    title: str
    # None: any.
    currencies: frozenset[str] | None
    # Whether somebody else than the payer's page has to finish what the payer approved.
    captures: bool
    # Whether it can give money back by itself; where not, refunds go to the wallet.
    gives_back: bool

    async def begin(self, order: Order) -> Began:
        """Take a payment on; the same key twice is one payment. Raises Declined when the provider never will."""

    async def look(self, provider_id: str, data: Mapping[str, Any]) -> Look:
        """Ask how a payment stands."""

    async def capture(self, provider_id: str, key: str) -> Look:
        """Take the money that the payer has approved; where there is nothing to do, just look."""

    async def cancel(self, provider_id: str) -> Look:
        """Have the provider take no money for it any more; answers how it stands, which may be completed."""

    async def refund(self, provider_id: str, amount: int, currency: str, key: str) -> Refunding:
        """Give back some of a payment; the same key twice is one refund. Raises Declined when it never will."""

    async def look_at_refund(self, provider_id: str, refund_id: str) -> Refunding:
        """Ask how a refund stands."""

    async def read(self, headers: Mapping[str, str], body: bytes) -> Told:
        """Verify and read what came in the provider's name; raises Forged."""

    async def close(self) -> None:
        """Let go of connections."""


class Gateways:
    """The gateways that the operator has set up, by name."""

    def __init__(self, *gateways: PaymentGateway) -> None:
        self._gateways = {gateway.name: gateway for gateway in gateways}

    def __getitem__(self, name: str) -> PaymentGateway:
        """Answer a gateway; refuses one that is not set up."""
        if name not in self._gateways:
            raise NotFound(f"Nothing can be paid by {name} here.")
        return self._gateways[name]

    def __contains__(self, name: object) -> bool:
        return name in self._gateways

    def __iter__(self) -> Iterator[PaymentGateway]:
        return iter(self._gateways.values())

    @property
    def names(self) -> list[str]:
        """Name the gateways in the order in which they are offered."""
        return list(self._gateways)

    async def close(self) -> None:
        """Let go of all connections."""
        for gateway in self:
            await gateway.close()
