"""Stripe: cards by PaymentIntents, which the payer confirms on a page whose card fields are Stripe's own.

The hub never sees a card. https://docs.stripe.com/api/payment_intents
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import stripe
from aiohttp import ClientError, ClientTimeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.errors import Forged, GatewayUnreachable
from hub.gateways.payments import Began, Declined, Look, Order, ProviderState, Refunding, Told
from hub.models.money import CURRENCIES, rescaled
from hub.settings import STRIPE, Settings

log = logging.getLogger("hub.gateways.stripe")

# The library would tell Stripe of this machine, and keep a name for it in the home folder.
stripe.enable_telemetry = False
# Two lines for each request are too many.
logging.getLogger("stripe").setLevel(logging.WARNING)

SECONDS_TO_ANSWER = 8.0
# A repeat takes the same idempotency key, so it is the same ask.
REPEATS = 1
SECONDS_OLD = 300

# https://docs.stripe.com/currencies as of 2026: of the shilling it says both that it has cents and that it has none.
_UNKNOWN = "BTN CUP ERN GHS IQD IRR KPW LYD MRU SDG SSP STN SVC SYP TMT UGX VES ZWG"
_TAKEN = frozenset(CURRENCIES).difference(_UNKNOWN.split())
# What Stripe counts in other units than the hub.
_DIGITS = CURRENCIES | {"ISK": 2, "KHR": 2, "MGA": 0}
_TENS = frozenset(code for code, digits in CURRENCIES.items() if digits == 3)

_STATES: Mapping[str, ProviderState] = {"succeeded": "completed", "canceled": "cancelled"}
# An inquiry takes no money, and what is won comes back.
_LOSING = frozenset({"needs_response", "under_review", "lost"})
_REFUND_STATES: Mapping[str, str] = {"succeeded": "completed", "failed": "failed", "canceled": "failed"}

_Refused = (stripe.CardError, stripe.InvalidRequestError, stripe.IdempotencyError)


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Charge(_Said):
    amount: int
    amount_refunded: int = 0
    disputed: bool = False


class _Failure(_Said):
    message: str | None = None


class _Intent(_Said):
    id: str
    status: str
    amount: int
    currency: str
    livemode: bool = False
    amount_received: int | None = None
    client_secret: str | None = None
    payment_method: str | None = None
    latest_charge: _Charge | None = None
    last_payment_error: _Failure | None = None


class _Refund(_Said):
    id: str
    status: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] | None = None


class _Event(_Said):
    id: str = Field(min_length=1, max_length=255)
    object: str
    type: str = Field(max_length=255)
    created: int = Field(ge=0, le=100_000_000_000)
    livemode: bool
    # Only events of other accounts that are connected to ours name one.
    account: str | None = None
    data: dict[str, Any]


def from_settings(settings: Settings) -> StripeGateway | None:
    """Open the account of the settings, if there is one."""
    secret, published, webhook = (
        settings.stripe_secret_key,
        settings.stripe_publishable_key,
        settings.stripe_webhook_secret,
    )
    if secret is None or published is None or webhook is None:
        return None
    return StripeGateway(secret, published, webhook, live=settings.stripe_live, address=settings.stripe_api)


class StripeGateway:
    """One Stripe account, live or for tests; a payment's name is its PaymentIntent's."""

    name = "stripe"
    title = "Card"
    currencies: frozenset[str] | None = _TAKEN
    captures = True
    gives_back = True

    def __init__(
        self, secret_key: str, publishable_key: str, webhook_secret: str, *, live: bool, address: str = STRIPE
    ) -> None:
        self._http = stripe.AIOHTTPClient(timeout=ClientTimeout(total=SECONDS_TO_ANSWER))
        self._client = stripe.StripeClient(
            secret_key,
            http_client=self._http,
            base_addresses={"api": address},
            max_network_retries=REPEATS,
        )
        self._intents, self._refunds = self._client.v1.payment_intents, self._client.v1.refunds
        self._publishable_key, self._webhook_secret, self._live = publishable_key, webhook_secret, live

    async def begin(self, order: Order) -> Began:
        """Create a PaymentIntent for cards: whatever takes days to arrive would outlast the hold."""
        if order.currency not in _TAKEN:
            raise Declined("Cards cannot be charged in this currency here; pay another way.")
        asked: stripe.params.PaymentIntentCreateParams = {
            "amount": _outward(order.amount, order.currency),
            "currency": order.currency.lower(),
            "allowed_payment_method_types": ["card"],
            "description": order.title[:500],
            "metadata": {"payment_id": str(order.payment_id)},
        }
        try:
            with _answering():
                intent = _intent(await self._intents.create_async(asked, {"idempotency_key": order.key}))
        except _Refused as error:
            raise Declined(_sentence(error)) from error
        kept = {"client_secret": intent.client_secret, "publishable_key": self._publishable_key}
        return Began(intent.id, kept)

    async def look(self, provider_id: str, data: Mapping[str, Any]) -> Look:
        """Retrieve the PaymentIntent with its charge."""
        intent = await self._retrieve(provider_id)
        return Look("gone", 0, "") if intent is None else await self._seen(intent)

    async def capture(self, provider_id: str, key: str) -> Look:
        """Confirm with the payment method that the payer has attached, or take what was only reserved."""
        intent = await self._retrieve(provider_id)
        if intent is None:
            return Look("gone", 0, "")
        try:
            with _answering():
                # Each method is its own attempt: Stripe would repeat the refusal of another card for the same key.
                if intent.status == "requires_confirmation":
                    await self._intents.confirm_async(
                        provider_id, None, {"idempotency_key": f"{key}-confirm-{intent.payment_method}"}
                    )
                elif intent.status == "requires_capture":
                    await self._intents.capture_async(provider_id, None, {"idempotency_key": f"{key}-capture"})
                else:
                    return await self._seen(intent)
        except _Refused as error:
            log.info("Stripe did not take %s: %s", provider_id, error.code)
        return await self.look(provider_id, {})

    async def cancel(self, provider_id: str) -> Look:
        """Cancel the PaymentIntent; what is paid or being paid stays so."""
        try:
            with _answering():
                await self._intents.cancel_async(provider_id)
        except _Refused as error:
            log.info("Stripe did not cancel %s: %s", provider_id, error.code)
        return await self.look(provider_id, {})

    async def refund(self, provider_id: str, amount: int, currency: str, key: str) -> Refunding:
        """Refund some of the charge; looked for first, for Stripe forgets keys after a day."""
        try:
            with _answering():
                known = await self._refunds.list_async({"payment_intent": provider_id, "limit": 100})
                for refund in (_Refund.model_validate(one.to_dict()) for one in known.data):
                    if (refund.metadata or {}).get("key") == key:
                        return _refunding(refund)
                asked: stripe.params.RefundCreateParams = {
                    "payment_intent": provider_id,
                    "amount": _outward(amount, currency),
                    "metadata": {"key": key},
                }
                made = await self._refunds.create_async(asked, {"idempotency_key": key})
                return _refunding(_Refund.model_validate(made.to_dict()))
        except _Refused as error:
            raise Declined(_sentence(error)) from error

    async def look_at_refund(self, provider_id: str, refund_id: str) -> Refunding:
        """Retrieve the refund."""
        try:
            with _answering():
                found = await self._refunds.retrieve_async(refund_id)
                return _refunding(_Refund.model_validate(found.to_dict()))
        except _Refused as error:
            # Not to be shown it is no proof that it has failed.
            raise GatewayUnreachable() from error

    async def read(self, headers: Mapping[str, str], body: bytes) -> Told:
        """Verify the signature and its time, that the event is of our account, and as live as our key."""
        signed = next((value for name, value in headers.items() if name.lower() == "stripe-signature"), None)
        try:
            stripe.WebhookSignature.verify_header(body, signed, self._webhook_secret, SECONDS_OLD)
            event = _Event.model_validate(orjson.loads(body))
        except (stripe.SignatureVerificationError, ValueError, TypeError) as error:
            raise Forged() from error
        if event.object != "event" or event.livemode != self._live or event.account is not None:
            log.error("Stripe's event %s is of another mode or account; it is ignored", event.id)
            raise Forged()
        about = event.data.get("object")
        named = None
        if isinstance(about, dict):
            named = about.get("id") if about.get("object") == "payment_intent" else about.get("payment_intent")
        at = datetime.fromtimestamp(event.created, UTC)
        return Told(event.id, event.type, named if isinstance(named, str) else None, at)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def _retrieve(self, provider_id: str) -> _Intent | None:
        try:
            with _answering():
                intent = _intent(await self._intents.retrieve_async(provider_id, {"expand": ["latest_charge"]}))
        except _Refused as error:
            if error.http_status == 404:
                return None
            raise GatewayUnreachable() from error
        if intent.livemode != self._live:
            log.error("Stripe's payment %s is of another mode; it is ignored", provider_id)
            return None
        return intent

    async def _seen(self, intent: _Intent) -> Look:
        currency, charge = intent.currency.upper(), intent.latest_charge
        state = _STATES.get(intent.status, "pending")
        units = intent.amount
        if state == "completed":
            units = charge.amount if intent.amount_received is None and charge else intent.amount_received or 0
        # The payer may try another card, so a refused one ends nothing.
        failure = intent.last_payment_error.message if state == "pending" and intent.last_payment_error else None
        return Look(
            state,
            _inward(units, currency),
            currency,
            failure,
            _inward(charge.amount_refunded if charge else 0, currency),
            bool(charge and charge.disputed and await self._loses(intent.id)),
        )

    async def _loses(self, provider_id: str) -> bool:
        """Tell whether a dispute holds or has taken the money: the mark on the charge stays even when it is won."""
        try:
            with _answering():
                disputes = await self._client.v1.disputes.list_async({"payment_intent": provider_id, "limit": 100})
        except _Refused as error:
            raise GatewayUnreachable() from error
        return any(dispute.status in _LOSING for dispute in disputes.data)


@contextmanager
def _answering() -> Iterator[None]:
    """Let refusals through; whatever else goes wrong leaves open what became of the ask."""
    try:
        yield
    except _Refused:
        raise
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        log.exception("Stripe does not take the hub's key")
        raise GatewayUnreachable() from error
    except (stripe.StripeError, ClientError, TimeoutError, OSError, ValidationError) as error:
        log.warning("Stripe cannot be asked: %s", type(error).__name__)
        raise GatewayUnreachable() from error


def _intent(said: stripe.PaymentIntent) -> _Intent:
    return _Intent.model_validate(said.to_dict())


def _refunding(refund: _Refund) -> Refunding:
    state = _REFUND_STATES.get(refund.status or "", "processing")
    if state == "failed":
        why = (refund.failure_reason or "cancelled").replace("_", " ")
        return Refunding(refund.id, "failed", f"Stripe could not give it back: {why}.")
    return Refunding(refund.id, "completed" if state == "completed" else "processing")


def _outward(amount: int, currency: str) -> int:
    units = rescaled(amount, CURRENCIES[currency], _DIGITS[currency])
    if units is None or (currency in _TENS and units % 10):
        raise Declined("Cards cannot be charged this fraction of the currency; pay another way.")
    return units


def _inward(units: int, currency: str) -> int:
    """Turn Stripe's units into minor units; what is no whole number of them matches none."""
    if currency not in CURRENCIES:
        return 0
    return rescaled(units, _DIGITS[currency], CURRENCIES[currency]) or 0


def _sentence(error: stripe.StripeError) -> str:
    """Say why Stripe refuses: of a card in Stripe's own words, which are meant for the payer."""
    log.warning("Stripe refuses: %s", error.code)
    if isinstance(error, stripe.CardError) and error.user_message:
        return f"The card was refused: {error.user_message}"
    known = {
        "amount_too_small": "This amount is too small for a card; pay another way.",
        "amount_too_large": "This amount is too large for a card; pay another way.",
        "charge_already_refunded": "All of this payment has been given back.",
        "charge_disputed": "This payment is disputed; the bank decides who gets the money.",
    }
    return known.get(error.code or "", "Stripe refuses this; pay another way.")
