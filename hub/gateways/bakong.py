"""Bakong: the payer scans a KHQR code, and the hub asks the National Bank of Cambodia whether it was paid.

Asked directly and never by a relay, which would see every token and payment. The bank tells nothing by itself and
answers Cambodian addresses only. https://api-bakong.nbc.gov.kh/document
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from hub.errors import Forged, GatewayUnreachable
from hub.gateways import khqr
from hub.gateways.payments import Began, Declined, Look, Order, Refunding, Told
from hub.models.money import CURRENCIES
from hub.settings import BAKONG, Settings

log = logging.getLogger("hub.gateways.bakong")

SECONDS_TO_ANSWER = 10.0
LARGEST_ANSWER = 64 * 1024
# A code without another limit is good for so long.
GOOD_FOR = timedelta(minutes=15)
# The bank's clock and ours differ, and what was paid in the last moment is known a little later.
_CLOCKS_DIFFER = timedelta(minutes=2)
SETTLED_AFTER = timedelta(minutes=15)

# What the bank answers when nobody has paid the code yet, and when whoever tried could not.
_NOT_FOUND, _FAILED = 1, 3


def from_settings(settings: Settings) -> BakongGateway | None:
    """Open the account of the settings, if there is one."""
    if settings.bakong_account is None or settings.bakong_token is None:
        return None
    payee = khqr.Payee(
        settings.bakong_account,
        settings.bakong_name,
        settings.bakong_city,
        settings.bakong_merchant_id,
        settings.bakong_bank,
    )
    return BakongGateway(payee, settings.bakong_token, settings.bakong_api)


class BakongGateway:
    """One Bakong account; a payment's name is the MD5 of its code, by which alone the bank knows it."""

    name = "bakong"
    title = "Bakong KHQR"
    currencies: frozenset[str] | None = frozenset(khqr.CURRENCY_NUMBERS)
    captures = False
    gives_back = False

    def __init__(self, payee: khqr.Payee, token: str, address: str = BAKONG) -> None:
        self._payee, self._address = payee, address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}

    async def begin(self, order: Order) -> Began:
        """Write the code, the same for the same order; the bank hears of it only when somebody pays."""
        if order.currency not in khqr.CURRENCY_NUMBERS:
            raise Declined("Bakong takes riel and US dollars only; pay another way.")
        made_at = order.begun_at
        expires_at = order.expires_at or made_at + GOOD_FOR
        bill = hashlib.sha256(order.key.encode()).hexdigest()[:16].upper()
        code = khqr.write(self._payee, order.amount, order.currency, bill, made_at, expires_at)
        # Not for secrecy: it is the name the bank gives to codes.
        name = hashlib.md5(code.encode(), usedforsecurity=False).hexdigest()
        kept = {
            "qr": code,
            "amount": order.amount,
            "currency": order.currency,
            "account": self._payee.account,
            "made_at": made_at.isoformat(),
            "expires_at": expires_at.isoformat(),
        }
        return Began(name, kept, expires_at)

    async def look(self, provider_id: str, data: Mapping[str, Any]) -> Look:
        """Ask whether the code was paid, to this account, and not before it was written."""
        answer = await self._ask("/v1/check_transaction_by_md5", {"md5": provider_id})
        amount, currency = int(data["amount"]), str(data["currency"])
        if answer.get("responseCode") != 0:
            return self._not_paid(answer, amount, currency, datetime.fromisoformat(data["expires_at"]))
        paid = answer.get("data")
        if not isinstance(paid, dict):
            raise GatewayUnreachable()
        made_at = datetime.fromtimestamp(int(paid.get("createdDateMs") or 0) / 1000, UTC)
        if paid.get("toAccountId") != data["account"]:
            log.error("the bank names another account for code %s; nothing is booked", provider_id)
            return Look("failed", amount, currency, "It was paid to another account.")
        if made_at < datetime.fromisoformat(data["made_at"]) - _CLOCKS_DIFFER:
            log.error("the bank names an older payment for code %s; nothing is booked", provider_id)
            return Look("failed", amount, currency, "The bank names a payment that is older than the code.")
        return Look("completed", *_minor(paid.get("amount"), paid.get("currency")))

    async def capture(self, provider_id: str, key: str) -> Look:
        """Do nothing: whoever pays a code has paid."""
        raise Declined("There is nothing to take: whoever pays a KHQR code has paid.")

    async def cancel(self, provider_id: str) -> Look:
        """Refuse: a code can be paid until it runs out, whatever the hub wants."""
        raise Declined("A KHQR code cannot be taken back; it ends by itself.")

    async def refund(self, provider_id: str, amount: int, currency: str, key: str) -> Refunding:
        """Refuse: the bank has no way to give money back by itself."""
        raise Declined("Bakong gives nothing back by itself; pay it into the wallet, or by hand.")

    async def look_at_refund(self, provider_id: str, refund_id: str) -> Refunding:
        """Refuse: there are no refunds to ask about."""
        raise Declined("Bakong knows no refunds.")

    async def read(self, headers: Mapping[str, str], body: bytes) -> Told:
        """Refuse whatever comes in the bank's name: it tells nothing by itself."""
        raise Forged()

    async def close(self) -> None:
        """Let go of nothing: each ask has a connection of its own."""

    def _not_paid(self, answer: Mapping[str, Any], amount: int, currency: str, expires_at: datetime) -> Look:
        error = answer.get("errorCode")
        if error not in (_NOT_FOUND, _FAILED):
            log.error("the bank refuses to answer: error %s", error)
            raise GatewayUnreachable()
        if datetime.now(UTC) <= expires_at + SETTLED_AFTER:
            # Whoever was refused may scan the code again.
            return Look("pending", amount, currency)
        if error == _FAILED:
            return Look("failed", amount, currency, "The payer's bank has refused it.")
        return Look("cancelled", amount, currency, "The code ran out before anybody paid it.")

    async def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=SECONDS_TO_ANSWER), headers=self._headers) as session,
                session.post(self._address + path, json=body, allow_redirects=False) as response,
            ):
                read = b""
                async for part in response.content.iter_any():
                    read += part
                    if len(read) > LARGEST_ANSWER:
                        raise GatewayUnreachable()
                if response.status >= 400:
                    log.error("the bank has answered %s", response.status)
                    raise GatewayUnreachable()
                answer = json.loads(read, parse_float=Decimal)
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            raise GatewayUnreachable() from error
        if not isinstance(answer, dict):
            raise GatewayUnreachable()
        return answer


def _minor(amount: object, currency: object) -> tuple[int, str]:
    """Turn what the bank says into minor units; an amount that is no whole number of them matches none."""
    if not isinstance(amount, int | Decimal) or not isinstance(currency, str) or currency not in CURRENCIES:
        return 0, str(currency)
    minor = Decimal(amount).scaleb(CURRENCIES[currency])
    return (int(minor), currency) if minor == minor.to_integral_value() else (0, currency)
