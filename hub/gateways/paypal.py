"""PayPal: orders that the payer approves at PayPal and the hub then captures.

https://developer.paypal.com/docs/api/orders/v2
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import orjson

from hub.errors import Forged, GatewayUnreachable
from hub.gateways.payments import Began, Declined, Look, Order, Refunding, Told
from hub.gateways.paypal_answers import Capture, Dispute, Disputes, Event, Money, PayPalOrder, Refund
from hub.gateways.paypal_client import Answer, Client
from hub.gateways.paypal_signatures import Signatures
from hub.models.money import CURRENCIES, rescaled
from hub.settings import Settings

log = logging.getLogger("hub.gateways.paypal")

# https://developer.paypal.com/api/codes/currency as of 2026: of these it takes no fractions.
_WHOLE = "HUF JPY TWD"
_CENTS = "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD ILS MXN MYR NOK NZD PHP PLN SEK SGD THB USD"
_DIGITS = dict.fromkeys(_WHOLE.split(), 0) | dict.fromkeys(_CENTS.split(), 2)
_VALUE = re.compile(r"\d{1,15}(\.\d{1,3})?", re.ASCII)

_BUYERS = "RESOLVED_BUYER_FAVOUR"
_LOST = frozenset({"DECLINED", "FAILED"})
_GIVEN_BACK = frozenset({"COMPLETED", "PENDING"})
# After these a payer goes back to PayPal and chooses another way, or the capture is under way; all else is the end.
_GOES_ON = frozenset(
    {
        *("INSTRUMENT_DECLINED", "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING", "PAYER_ACTION_REQUIRED"),
        *("ORDER_NOT_APPROVED", "ORDER_COMPLETION_IN_PROGRESS", "ORDER_ALREADY_CAPTURED"),
    }
)
_SENTENCES = {
    "INSTRUMENT_DECLINED": "PayPal could not charge what you chose there; choose another way to pay at PayPal.",
    "CAPTURE_FULLY_REFUNDED": "All of this payment has been given back.",
    "REFUND_AMOUNT_EXCEEDED": "PayPal gives back no more than is left of this payment.",
    "REFUND_TIME_LIMIT_EXCEEDED": "PayPal gives back nothing that was paid so long ago.",
    "REFUND_FAILED_INSUFFICIENT_FUNDS": "There is too little money at PayPal to give this back.",
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK": "This payment is disputed; PayPal decides who gets the money.",
    "TRANSACTION_DISPUTED": "This payment is disputed; PayPal decides who gets the money.",
}


def from_settings(settings: Settings) -> PayPalGateway | None:
    """Open the app of the settings, if there is one."""
    client_id, secret = settings.paypal_client_id, settings.paypal_client_secret
    merchant, webhook = settings.paypal_merchant_id, settings.paypal_webhook_id
    if client_id is None or secret is None or merchant is None or webhook is None:
        return None
    client = Client(client_id, secret, settings.paypal_api)
    return PayPalGateway(client, merchant, Signatures(webhook, client))


class PayPalGateway:
    """One merchant at PayPal; a payment's name is its order's."""

    name = "paypal"
    title = "PayPal"
    currencies: frozenset[str] | None = frozenset(_DIGITS)
    captures = True
    gives_back = True

    def __init__(self, client: Client, merchant_id: str, signatures: Signatures) -> None:
        self._client, self._merchant, self._signatures = client, merchant_id, signatures

    async def begin(self, order: Order) -> Began:
        """Create an order; PayPal tells where the payer approves it."""
        if order.currency not in _DIGITS:
            raise Declined("PayPal does not take this currency; pay another way.")
        asked = {
            "intent": "CAPTURE",
            "purchase_units": [
                {
                    "amount": {"currency_code": order.currency, "value": _outward(order.amount, order.currency)},
                    "description": order.title[:127],
                    "custom_id": str(order.payment_id),
                    # One that was paid already is refused by PayPal too.
                    "invoice_id": order.key,
                }
            ],
            "payment_source": {
                "paypal": {
                    "experience_context": {
                        "return_url": order.return_url,
                        "cancel_url": order.return_url,
                        "user_action": "PAY_NOW",
                        "shipping_preference": "NO_SHIPPING",
                        # What takes days to arrive would outlast the hold.
                        "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
                    }
                }
            },
        }
        status, answer = await self._client.ask("POST", "/v2/checkout/orders", asked, order.key)
        if status >= 400:
            raise Declined(_sentence(answer))
        made = PayPalOrder.of(answer)
        if made.unit.payee.merchant_id != self._merchant:
            log.error("PayPal would pay another merchant than HUB_PAYPAL_MERCHANT_ID; no order is used")
            raise Declined("PayPal is not set up rightly here; pay another way.")
        pages = [link.href for link in made.links if link.rel in ("payer-action", "approve")]
        if not pages or not pages[0].startswith(("https://", self._client.address)):
            raise GatewayUnreachable()
        return Began(made.id, {"redirect_url": pages[0]})

    async def look(self, provider_id: str, data: Mapping[str, Any]) -> Look:
        """Show the order with what was captured and refunded of it."""
        order = await self._order(provider_id)
        return Look("gone", 0, "") if order is None else await self._seen(order)

    async def capture(self, provider_id: str, key: str) -> Look:
        """Capture an order that its payer has approved."""
        order = await self._order(provider_id)
        if order is None:
            return Look("gone", 0, "")
        if order.status != "APPROVED" or not self._is_ours(order):
            return await self._seen(order)
        # Each approval is its own attempt: after a refusal the payer may approve with another way to pay.
        status, answer = await self._client.ask(
            "POST", f"/v2/checkout/orders/{order.id}/capture", {}, f"{key}-{_name(order.update_time or '')}"
        )
        look = await self.look(provider_id, {})
        if status < 400 or look.state != "pending":
            return look
        return replace(look, state="pending" if _issue(answer) in _GOES_ON else "failed", failure=_sentence(answer))

    async def cancel(self, provider_id: str) -> Look:
        """Never capture it: PayPal takes nothing of an order by itself."""
        order = await self._order(provider_id)
        if order is None:
            return Look("gone", 0, "")
        look = await self._seen(order)
        return replace(look, state="cancelled", failure=None) if order.capture is None else look

    async def refund(self, provider_id: str, amount: int, currency: str, key: str) -> Refunding:
        """Refund some of the capture; looked for first, for PayPal forgets keys after some weeks."""
        order = await self._order(provider_id)
        if order is None or order.capture is None or not self._is_ours(order):
            raise Declined("PayPal knows of no payment to give back.")
        for known in order.unit.payments.refunds:
            if known.custom_id == key:
                return _refunding(known)
        asked = {"amount": {"currency_code": currency, "value": _outward(amount, currency)}, "custom_id": key}
        status, answer = await self._client.ask(
            "POST", f"/v2/payments/captures/{_name(order.capture.id)}/refund", asked, key
        )
        if status >= 400:
            raise Declined(_sentence(answer))
        return _refunding(Refund.of(answer))

    async def look_at_refund(self, provider_id: str, refund_id: str) -> Refunding:
        """Show the refund."""
        status, answer = await self._client.ask("GET", f"/v2/payments/refunds/{_name(refund_id)}")
        if status >= 400:
            # Not to be shown it is no proof that it has failed.
            raise GatewayUnreachable()
        return _refunding(Refund.of(answer))

    async def read(self, headers: Mapping[str, str], body: bytes) -> Told:
        """Verify the signature, and find out which order the event is about."""
        await self._signatures.verify(headers, body)
        try:
            event = Event.model_validate(orjson.loads(body))
        except ValueError as error:
            raise Forged() from error
        return Told(event.id, event.event_type, await self._about(event), event.create_time)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    async def _about(self, event: Event) -> str | None:
        """Name the order: only orders and captures name it themselves, refunds and disputes name the capture."""
        if event.event_type.startswith("CHECKOUT.ORDER."):
            return event.resource.id
        related = event.resource.supplementary_data.related_ids.order_id
        if related is not None:
            return related
        above = [link.href.rpartition("/")[2] for link in event.resource.links if link.rel == "up"]
        disputed = [one.seller_transaction_id for one in event.resource.disputed_transactions]
        capture_id = next((one for one in (*above, *disputed) if one), None)
        if capture_id is None:
            return None
        status, answer = await self._client.ask("GET", f"/v2/payments/captures/{_name(capture_id)}")
        return None if status >= 400 else Capture.of(answer).supplementary_data.related_ids.order_id

    async def _order(self, provider_id: str) -> PayPalOrder | None:
        status, answer = await self._client.ask("GET", f"/v2/checkout/orders/{_name(provider_id)}")
        if status == 404:
            return None
        if status >= 400:
            raise GatewayUnreachable()
        return PayPalOrder.of(answer)

    def _is_ours(self, order: PayPalOrder) -> bool:
        if order.unit.payee.merchant_id == self._merchant:
            return True
        log.error("PayPal's order %s is another merchant's; nothing of it is booked", order.id)
        return False

    async def _seen(self, order: PayPalOrder) -> Look:
        capture = order.capture
        amount, currency = _inward(order.unit.amount if capture is None else capture.amount)
        if not self._is_ours(order):
            return Look("gone", amount, currency, "It was paid to another merchant.")
        if capture is None:
            return Look("cancelled" if order.status == "VOIDED" else "pending", amount, currency)
        if capture.status in _LOST:
            return Look("failed", amount, currency, "PayPal could not take the money; pay another way.")
        if not capture.is_taken:
            return Look("pending", amount, currency, "PayPal is still checking this payment.")
        refunds = [one.amount for one in order.unit.payments.refunds if one.status in _GIVEN_BACK and one.amount]
        refunded = amount if capture.status == "REFUNDED" else sum(_inward(one)[0] for one in refunds)
        return Look("completed", amount, currency, None, refunded, await self._is_disputed(capture.id))

    async def _is_disputed(self, capture_id: str) -> bool:
        """Tell whether somebody has called the money back, or has got it so; an inquiry holds nothing yet."""
        status, answer = await self._client.ask(
            "GET", f"/v1/customer/disputes?disputed_transaction_id={_name(capture_id)}"
        )
        if status >= 400:
            log.warning("PayPal does not say what is disputed: %s", status)
            return False
        found = [one for one in Disputes.of(answer).items if one.dispute_life_cycle_stage not in (None, "INQUIRY")]
        return any([one.status != "RESOLVED" or await self._is_lost(one) for one in found])

    async def _is_lost(self, dispute: Dispute) -> bool:
        """Tell whether a dispute has ended in the buyer's favour."""
        if dispute.dispute_outcome is None and dispute.dispute_id is not None:
            status, answer = await self._client.ask("GET", f"/v1/customer/disputes/{_name(dispute.dispute_id)}")
            if status < 400:
                dispute = Dispute.of(answer)
        return dispute.dispute_outcome is not None and dispute.dispute_outcome.outcome_code == _BUYERS


def _refunding(refund: Refund) -> Refunding:
    if refund.status == "COMPLETED":
        return Refunding(refund.id, "completed")
    if refund.status == "PENDING":
        return Refunding(refund.id, "processing")
    return Refunding(refund.id, "failed", "PayPal could not give it back.")


def _outward(amount: int, currency: str) -> str:
    digits = _DIGITS[currency]
    units = rescaled(amount, CURRENCIES[currency], digits)
    if units is None:
        raise Declined("PayPal takes no fractions of this currency; pay another way.")
    return str(Decimal(units).scaleb(-digits))


def _inward(money: Money) -> tuple[int, str]:
    """Turn what PayPal says into minor units; what is no whole number of them matches none."""
    currency = money.currency_code
    if currency not in CURRENCIES or not _VALUE.fullmatch(money.value):
        return 0, currency
    minor = Decimal(money.value).scaleb(CURRENCIES[currency])
    return (int(minor), currency) if minor == minor.to_integral_value() else (0, currency)


def _name(said: str) -> str:
    return quote(said, safe="")


def _issue(answer: Answer) -> str:
    details = answer.get("details")
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else answer
    return str(first.get("issue") or answer.get("name") or "")


def _sentence(answer: Answer) -> str:
    issue = _issue(answer)
    log.warning("PayPal refuses: %s", issue)
    return _SENTENCES.get(issue, f"PayPal refuses this ({issue.lower().replace('_', ' ')}); pay another way.")
