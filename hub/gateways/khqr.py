"""KHQR: the string behind Cambodia's QR codes for payments, by the EMV merchant-presented layout that Bakong uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.models.money import CURRENCIES

# Numbers of ISO 4217; Bakong takes no other currency.
CURRENCY_NUMBERS = {"KHR": "116", "USD": "840"}

_LONGEST_NAME, _LONGEST_CITY, _LONGEST_BILL = 25, 15, 25


@dataclass(frozen=True, slots=True)
class Payee:
    """Who is paid: a Bakong account such as `hotel@bank`, with a merchant's number and bank if it is a merchant's."""

    account: str
    name: str
    city: str = "Phnom Penh"
    merchant_id: str | None = None
    bank: str | None = None


def write(payee: Payee, amount: int, currency: str, bill: str, made_at: datetime, expires_at: datetime) -> str:
    """Write the string for one amount (minor units), one bill and one span of time; it ends with its checksum."""
    account = _field("00", payee.account)
    if payee.merchant_id is not None:
        account += _field("01", payee.merchant_id) + (_field("02", payee.bank) if payee.bank else "")
    times = _field("00", str(_milliseconds(made_at))) + _field("01", str(_milliseconds(expires_at)))
    digits = CURRENCIES[currency]
    text = (
        _field("00", "01")
        # 12: for this one payment only
        + _field("01", "12")
        + _field("29" if payee.merchant_id is None else "30", account)
        + _field("52", "5999")
        + _field("53", CURRENCY_NUMBERS[currency])
        + _field("54", f"{Decimal(amount).scaleb(-digits):.{digits}f}")
        + _field("58", "KH")
        + _field("59", payee.name[:_LONGEST_NAME])
        + _field("60", payee.city[:_LONGEST_CITY])
        + _field("62", _field("01", bill[:_LONGEST_BILL]))
        + _field("99", times)
        + "6304"
    )
    return f"{text}{checksum(text):04X}"


def read(text: str) -> dict[str, str]:
    """Take a string apart, top-level fields by their tag; raises ValueError when it is cut, changed or no KHQR."""
    if len(text) < len("63040000") or text[-8:-4] != "6304" or f"{checksum(text[:-4]):04X}" != text[-4:]:
        raise ValueError("the checksum is wrong")
    fields: dict[str, str] = {}
    place = 0
    while place < len(text):
        tag, length = text[place : place + 2], text[place + 2 : place + 4]
        if not (tag.isdigit() and length.isdigit()) or place + 4 + int(length) > len(text):
            raise ValueError("a field is cut")
        fields[tag] = text[place + 4 : place + 4 + int(length)]
        place += 4 + int(length)
    return fields


def checksum(text: str) -> int:
    """Answer the CRC-16 of CCITT with all bits set at first, as EMV asks."""
    crc = 0xFFFF
    for byte in text.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


def _field(tag: str, text: str) -> str:
    if not text or len(text) > 99:
        raise ValueError(f"field {tag} has {len(text)} characters")
    return f"{tag}{len(text):02}{text}"


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
