"""The sandbox: a payment provider of the hub's own, for trying out; no money is in it, and production refuses it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from hub.errors import Forged
from hub.gateways.payments import Began, Declined, Look, Order, Refunding, Told
from hub.settings import Settings
from storage import sandbox as store
from storage.pool import Pool
from storage.sandbox import SandboxPayment
from storage.transaction import reading, transaction

# Where the sandbox signs what it tells, as providers do.
SIGNATURE = "Sandbox-Signature"
# What is older was perhaps overheard, and is sent again by somebody else.
TOLERANCE_SECONDS = 300


class SandboxEvent(BaseModel):
    """What the sandbox tells: that something has become of a payment; what it is, is to be asked."""

    id: str
    kind: str
    payment: str
    at: datetime


def from_settings(settings: Settings, pool: Pool) -> SandboxGateway | None:
    """Open the sandbox, where no stranger depends on the hub."""
    return None if settings.production else SandboxGateway(pool, settings.secret, settings.public_url)


class SandboxGateway:
    """Takes payments on its own page /sandbox/pay/{id}, where the payer chooses what becomes of them."""

    name = "sandbox"
    title = "Sandbox (no real money)"
    currencies: frozenset[str] | None = None
    captures = False
    gives_back = True

    def __init__(self, pool: Pool, secret: str, public_url: str) -> None:
        self._pool, self._public_url = pool, public_url
        self._key = hmac.digest(secret.encode(), b"sandbox events", "sha256")

    async def begin(self, order: Order) -> Began:
        """Take a payment on, to be decided at its page."""
        async with transaction(self._pool) as db:
            provider_id = await store.begin(
                db,
                f"sbx_{secrets.token_urlsafe(18)}",
                order.key,
                order.amount,
                order.currency,
                order.title,
                order.return_url,
                order.expires_at,
            )
        return Began(provider_id, {"redirect_url": f"{self._public_url}/sandbox/pay/{provider_id}"}, order.expires_at)

    async def look(self, provider_id: str, data: Mapping[str, Any]) -> Look:
        """Tell how a payment stands."""
        async with reading(self._pool) as db:
            found = await store.find(db, provider_id)
        return Look("gone", 0, "") if found is None else _look(found)

    async def capture(self, provider_id: str, key: str) -> Look:
        """Just look: what is paid here is taken already."""
        return await self.look(provider_id, {})

    async def cancel(self, provider_id: str) -> Look:
        """End what its payer has not decided about yet; what is under way cannot be stopped."""
        async with transaction(self._pool) as db:
            await store.cancel(db, provider_id)
        return await self.look(provider_id, {})

    async def refund(self, provider_id: str, amount: int, currency: str, key: str) -> Refunding:
        """Give back some of a payment, at once."""
        async with transaction(self._pool) as db:
            given = await store.refund(db, f"sbr_{secrets.token_urlsafe(18)}", provider_id, amount, currency, key)
        if given is None:
            raise Declined("That is more than is left of the payment.")
        return Refunding(given.refund_id, "completed")

    async def look_at_refund(self, provider_id: str, refund_id: str) -> Refunding:
        """Tell how a refund stands."""
        async with reading(self._pool) as db:
            found = await store.find_refund(db, refund_id)
        if found is None:
            return Refunding(refund_id, "failed", "The sandbox knows no such refund.")
        return Refunding(refund_id, "completed")

    async def read(self, headers: Mapping[str, str], body: bytes) -> Told:
        """Verify and read an event of the sandbox."""
        said = dict(part.split("=", 1) for part in headers.get(SIGNATURE, "").split(",") if "=" in part)
        at = said.get("t", "")
        if not (at.isascii() and at.isdigit() and len(at) < 12):
            raise Forged()
        if not hmac.compare_digest(self._sign(at, body).encode(), said.get("v1", "").encode(errors="replace")):
            raise Forged()
        if abs(time.time() - int(at)) > TOLERANCE_SECONDS:
            raise Forged()
        try:
            event = SandboxEvent.model_validate_json(body)
        except ValidationError as error:
            raise Forged() from error
        return Told(event.id, event.kind, event.payment, event.at)

    def event(self, provider_id: str, kind: str, event_id: str | None = None) -> bytes:
        """Write an event about a payment, ready to be signed and sent as often as one likes."""
        told = SandboxEvent(
            id=event_id or f"evt_{secrets.token_urlsafe(12)}", kind=kind, payment=provider_id, at=datetime.now(UTC)
        )
        return told.model_dump_json().encode()

    def headers(self, body: bytes, at: float | None = None) -> dict[str, str]:
        """Sign what is sent, as of now or of another moment."""
        seconds = str(int(time.time() if at is None else at))
        return {SIGNATURE: f"t={seconds},v1={self._sign(seconds, body)}"}

    async def close(self) -> None:
        """Let go of nothing: the database is the hub's."""

    def _sign(self, at: str, body: bytes) -> str:
        return hmac.new(self._key, at.encode() + b"." + body, hashlib.sha256).hexdigest()


def _look(found: SandboxPayment) -> Look:
    failure = "The payer has let it fail." if found.state == "failed" else None
    return Look(found.state, found.amount, found.currency, failure, found.refunded, found.disputed)
