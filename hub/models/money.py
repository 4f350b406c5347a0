"""Currencies: how many digits of each stand behind the point."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from hub.models.base import CurrencyCode

_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_CENTS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP
    CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS
    KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY
    TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG
"""
_MILLS = "BHD IQD JOD KWD LYD OMR TND"

# Code -> how many digits a minor unit stands behind the point. ISO 4217, but for the riel: it has two there,
# yet nobody pays in sen, and Bakong counts whole riel.
CURRENCIES: dict[str, int] = {
    **dict.fromkeys(_WHOLE.split(), 0),
    "KHR": 0,
    **dict.fromkeys(_CENTS.split(), 2),
    **dict.fromkeys(_MILLS.split(), 3),
}


def _known(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("must be a currency of ISO 4217, such as EUR")
    return code


def rescaled(amount: int, from_digits: int, to_digits: int) -> int | None:
    """Write an amount with another number of digits behind the point; none: some of it would be lost."""
    if to_digits >= from_digits:
        return amount * int(10 ** (to_digits - from_digits))
    whole, lost = divmod(amount, int(10 ** (from_digits - to_digits)))
    return None if lost else whole


KnownCurrency = Annotated[CurrencyCode, AfterValidator(_known)]
