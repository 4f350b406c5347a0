"""Bakong: codes that a phone reads back, and money that is believed only when all of it is right."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import segno
import zxingcpp
from aiohttp import web
from PIL import Image

from hub.errors import Forged, GatewayUnreachable
from hub.gateways import khqr
from hub.gateways.bakong import SETTLED_AFTER, BakongGateway
from hub.gateways.payments import Declined, Order
from tests.bakong_server import TOKEN, Bank

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAYEE = khqr.Payee("hotel@bank", "Hotel Aurora")
MERCHANT = khqr.Payee("hotel@bank", "Hotel Aurora", "Siem Reap", "123456", "Dev Bank")


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    bank = Bank()
    runner = web.AppRunner(bank.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", bank.port).start()
    yield bank
    await runner.cleanup()


@pytest.fixture
def gateway(bank: Bank) -> BakongGateway:
    return BakongGateway(PAYEE, TOKEN, bank.url)


def order(**otherwise: Any) -> Order:
    asked = Order(
        payment_id=7,
        key="a-key",
        amount=12050,
        currency="USD",
        title="Two nights",
        return_url="http://localhost/back",
        begun_at=datetime.now(UTC),
        expires_at=datetime.now(UTC) + timedelta(minutes=10),
    )
    return replace(asked, **otherwise)


def over() -> Order:
    """Order what should have been paid long ago."""
    ended = datetime.now(UTC) - SETTLED_AFTER - timedelta(seconds=1)
    return order(begun_at=ended - timedelta(minutes=10), expires_at=ended)


def test_the_checksum_is_the_one_of_the_standard() -> None:
    assert khqr.checksum("123456789") == 0x29B1


def test_a_code_says_what_is_paid_to_whom_and_until_when() -> None:
    code = khqr.write(PAYEE, 12050, "USD", "INV-1", NOW, NOW + timedelta(minutes=15))
    fields = khqr.read(code)
    assert fields["54"] == "120.50"
    assert fields["53"] == "840"
    assert fields["29"] == "0010hotel@bank"
    assert fields["59"] == "Hotel Aurora"
    made, ends = int(NOW.timestamp()) * 1000, int(NOW.timestamp() + 900) * 1000
    assert fields["99"] == f"0013{made}0113{ends}"


def test_riel_are_whole_in_a_code() -> None:
    assert khqr.read(khqr.write(PAYEE, 480_000, "KHR", "INV-1", NOW, NOW))["54"] == "480000"


def test_a_merchants_code_names_the_merchant_and_its_bank() -> None:
    assert khqr.read(khqr.write(MERCHANT, 1, "KHR", "INV-1", NOW, NOW))["30"] == "0010hotel@bank01061234560208Dev Bank"


@pytest.mark.parametrize(
    "change", [lambda code: code[:-5], lambda code: code.replace("120.50", "020.50"), lambda _: ""]
)
def test_a_code_that_was_cut_or_changed_is_none(change: Any) -> None:
    code = khqr.write(PAYEE, 12050, "USD", "INV-1", NOW, NOW)
    with pytest.raises(ValueError, match=r"checksum|cut"):
        khqr.read(change(code))


@pytest.mark.parametrize("payee", [PAYEE, MERCHANT])
def test_a_picture_of_a_code_is_scanned_back_to_its_string(payee: khqr.Payee) -> None:
    code = khqr.write(payee, 12050, "USD", "8F14E45FCEEA167A", NOW, NOW + timedelta(minutes=15))
    drawn = io.BytesIO()
    segno.make(code, error="m", micro=False).save(drawn, kind="png", scale=4)
    [scanned] = zxingcpp.read_barcodes(Image.open(drawn).convert("L"))
    assert scanned.text == code


async def test_the_same_order_is_one_code_and_another_order_another(gateway: BakongGateway) -> None:
    asked = order()
    began = await gateway.begin(asked)
    assert (await gateway.begin(asked)).provider_id == began.provider_id
    assert (await gateway.begin(replace(asked, key="another"))).provider_id != began.provider_id


async def test_a_currency_the_bank_does_not_take_is_declined(gateway: BakongGateway) -> None:
    with pytest.raises(Declined):
        await gateway.begin(order(currency="EUR"))


async def test_a_code_is_pending_until_it_is_paid(bank: Bank, gateway: BakongGateway) -> None:
    began = await gateway.begin(order())
    assert (await gateway.look(began.provider_id, began.data)).state == "pending"
    bank.pay(began.data["qr"])
    look = await gateway.look(began.provider_id, began.data)
    assert (look.state, look.amount, look.currency) == ("completed", 12050, "USD")


async def test_a_code_that_ran_out_unpaid_is_over(gateway: BakongGateway) -> None:
    began = await gateway.begin(over())
    assert (await gateway.look(began.provider_id, began.data)).state == "cancelled"


async def test_a_payer_whom_their_bank_refused_may_scan_again_until_the_code_is_over(
    bank: Bank, gateway: BakongGateway
) -> None:
    began = await gateway.begin(order())
    bank.failed.add(began.provider_id)
    assert (await gateway.look(began.provider_id, began.data)).state == "pending"
    bank.failed.clear()
    bank.pay(began.data["qr"])
    assert (await gateway.look(began.provider_id, began.data)).state == "completed"

    late = await gateway.begin(over())
    bank.failed.add(late.provider_id)
    assert (await gateway.look(late.provider_id, late.data)).state == "failed"


async def test_a_code_that_is_good_for_long_is_paid_soon(bank: Bank, gateway: BakongGateway) -> None:
    began = await gateway.begin(order(expires_at=datetime.now(UTC) + timedelta(days=1)))
    bank.pay(began.data["qr"])
    assert (await gateway.look(began.provider_id, began.data)).state == "completed"


@pytest.mark.abuse("H16")
@pytest.mark.parametrize(
    "otherwise",
    [
        {"amount": 120.49},
        {"amount": 120.505},
        {"amount": "120.50"},
        {"currency": "KHR"},
        {"toAccountId": "thief@bank"},
        {"createdDateMs": 1_500_000_000_000},
    ],
)
async def test_money_of_another_amount_currency_account_or_time_is_not_taken_for_it(
    bank: Bank, gateway: BakongGateway, otherwise: dict[str, Any]
) -> None:
    began = await gateway.begin(order())
    bank.pay(began.data["qr"], **otherwise)
    look = await gateway.look(began.provider_id, began.data)
    assert (look.state, look.amount, look.currency) != ("completed", 12050, "USD")


async def test_nothing_is_known_while_the_bank_is_away_or_does_not_know_us(bank: Bank, gateway: BakongGateway) -> None:
    began = await gateway.begin(order())
    bank.pay(began.data["qr"])
    stranger = BakongGateway(PAYEE, "another token", bank.url)
    with pytest.raises(GatewayUnreachable):
        await stranger.look(began.provider_id, began.data)
    bank.is_down = True
    with pytest.raises(GatewayUnreachable):
        await gateway.look(began.provider_id, began.data)


async def test_whatever_comes_in_the_banks_name_is_forged(gateway: BakongGateway) -> None:
    with pytest.raises(Forged):
        await gateway.read({}, b'{"md5": "..."}')


async def test_a_code_can_neither_be_taken_back_nor_give_back(gateway: BakongGateway) -> None:
    for refused in (gateway.cancel("x"), gateway.refund("x", 1, "USD", "k"), gateway.capture("x", "k")):
        with pytest.raises(Declined):
            await refused
