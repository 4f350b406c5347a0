"""PayPal: asked once whatever gets lost, and believed only by its own certificate, for our merchant and webhook."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hub.errors import Forged, GatewayUnreachable
from hub.gateways import paypal_client, paypal_signatures
from hub.gateways.payments import Declined, Order
from hub.gateways.paypal import PayPalGateway, from_settings
from hub.gateways.paypal_client import Client
from hub.gateways.paypal_signatures import Signatures
from hub.settings import PAYPAL, Settings
from tests.paypal_server import CLIENT_ID, CLIENT_SECRET, MERCHANT, PATH, WEBHOOK_ID, Authority, PayPal, Signer

KEY = "6c84fb90-12c4-11e1-840d-7b25c5ee775a"
CREATE = "POST /v2/checkout/orders"
TOKEN = "POST /v1/oauth2/token"
CONFIRM = "POST verify-webhook-signature"
OF_PAYPAL = Client(CLIENT_ID, CLIENT_SECRET, PAYPAL)


def open_gateway(server: PayPal, secret: str = CLIENT_SECRET) -> PayPalGateway:
    client = Client(CLIENT_ID, secret, server.url)
    return PayPalGateway(client, MERCHANT, Signatures(WEBHOOK_ID, client, [server.signer.authority.root]))


@pytest.fixture
async def gateway(paypal_server: PayPal, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PayPalGateway]:
    monkeypatch.setattr(paypal_signatures, "SECONDS_BETWEEN", 0.0)
    gateway = open_gateway(paypal_server)
    yield gateway
    await gateway.close()


async def approved(gateway: PayPalGateway, server: PayPal, order: Order) -> str:
    began = await gateway.begin(order)
    server.approves(began.provider_id)
    return began.provider_id


async def test_an_order_is_approved_at_paypal_and_then_captured(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order
) -> None:
    began = await gateway.begin(order)
    made = paypal_server.orders[began.provider_id]
    unit = made["purchase_units"][0]
    assert made["intent"] == "CAPTURE"
    assert unit["amount"] == {"currency_code": "USD", "value": "120.50"}
    assert (unit["custom_id"], unit["invoice_id"]) == ("7", order.key)
    assert began.data == {"redirect_url": f"{paypal_server.url}/checkoutnow?token={began.provider_id}"}
    for look in (
        await gateway.look(began.provider_id, began.data),
        await gateway.capture(began.provider_id, order.key),
    ):
        assert (look.state, look.amount, look.currency) == ("pending", 12050, "USD")
    paypal_server.approves(began.provider_id)
    assert (await gateway.look(began.provider_id, began.data)).state == "pending"
    for look in (
        await gateway.capture(began.provider_id, order.key),
        await gateway.capture(began.provider_id, order.key),
        await gateway.look(began.provider_id, began.data),
    ):
        assert (look.state, look.amount, look.currency) == ("completed", 12050, "USD")
        assert (look.refunded, look.disputed) == (0, False)
    assert len(paypal_server.captures) == 1


@pytest.mark.parametrize(
    ("currency", "amount", "value"), [("JPY", 500, "500"), ("HUF", 120_000, "1200"), ("EUR", 5, "0.05")]
)
async def test_paypal_writes_amounts_as_decimals(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order, currency: str, amount: int, value: str
) -> None:
    order_id = await approved(gateway, paypal_server, replace(order, amount=amount, currency=currency))
    assert paypal_server.orders[order_id]["purchase_units"][0]["amount"]["value"] == value
    look = await gateway.capture(order_id, order.key)
    assert (look.amount, look.currency) == (amount, currency)


@pytest.mark.parametrize(("amount", "currency"), [(120_001, "HUF"), (1000, "KHR")])
async def test_what_paypal_cannot_take_is_refused_without_asking(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order, amount: int, currency: str
) -> None:
    with pytest.raises(Declined, match="pay another way"):
        await gateway.begin(replace(order, amount=amount, currency=currency))
    assert paypal_server.asked == []


@pytest.mark.abuse("H4")
@pytest.mark.parametrize("value", ["120.505", "1e3", "-1", "120,50", "١٢٠"])
async def test_an_amount_that_is_none_matches_no_payment(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order, value: str
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    await gateway.capture(order_id, order.key)
    next(iter(paypal_server.captures.values()))["amount"] = {"currency_code": "USD", "value": value}
    look = await gateway.look(order_id, {})
    assert (look.state, look.amount, look.currency) == ("completed", 0, "USD")


@pytest.mark.abuse("H17")
async def test_answers_that_are_lost_after_the_effect_make_no_second_order_capture_or_refund(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order
) -> None:
    paypal_server.loses = 1
    began = await gateway.begin(order)
    assert paypal_server.asked.count(CREATE) == 2
    assert list(paypal_server.orders) == [began.provider_id]
    # Every answer is lost, and somebody asks again later.
    paypal_server.loses = 2
    with pytest.raises(GatewayUnreachable):
        await gateway.begin(replace(order, key=KEY))
    again = await gateway.begin(replace(order, key=KEY))
    assert list(paypal_server.orders) == [began.provider_id, again.provider_id]

    paypal_server.approves(began.provider_id)
    paypal_server.loses = 2
    with pytest.raises(GatewayUnreachable):
        await gateway.capture(began.provider_id, order.key)
    paypal_server.loses = 1
    assert (await gateway.capture(began.provider_id, order.key)).state == "completed"
    paypal_server.loses = 1
    refunds = [await gateway.refund(began.provider_id, 5000, "USD", KEY) for _ in range(2)]
    assert refunds[0] == refunds[1]
    assert (len(paypal_server.captures), len(paypal_server.refunds)) == (1, 1)


@pytest.mark.abuse("H17")
async def test_a_refund_is_made_once_even_when_paypal_has_forgotten_its_key(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    await gateway.capture(order_id, order.key)
    first = await gateway.refund(order_id, 5000, "USD", KEY)
    assert first.state == "completed"
    paypal_server.answers.clear()
    assert await gateway.refund(order_id, 5000, "USD", KEY) == first
    assert (await gateway.look(order_id, {})).refunded == 5000
    with pytest.raises(Declined, match="no more than is left"):
        await gateway.refund(order_id, 7051, "USD", "another")
    await gateway.refund(order_id, 7050, "USD", "a-third")
    look = await gateway.look(order_id, {})
    assert (look.state, look.amount, look.refunded) == ("completed", 12050, 12050)
    assert (await gateway.look_at_refund(order_id, first.provider_id)).state == "completed"
    # What is not shown has not failed: else it would be given back once more.
    with pytest.raises(GatewayUnreachable):
        await gateway.look_at_refund(order_id, "UNKNOWN")


async def test_control_without_keys_and_looking_first_a_repeat_refunds_twice(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    await gateway.capture(order_id, order.key)
    for _ in range(2):
        await gateway.refund(order_id, 5000, "USD", KEY)
        paypal_server.answers.clear()
        for refund in paypal_server.refunds.values():
            refund.pop("custom_id", None)
    assert (await gateway.look(order_id, {})).refunded == 10_000


@pytest.mark.parametrize(
    ("status", "state"), [("PENDING", "processing"), ("FAILED", "failed"), ("CANCELLED", "failed")]
)
async def test_a_refund_is_what_paypal_says_of_it(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order, status: str, state: str
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    await gateway.capture(order_id, order.key)
    paypal_server.refund_status = status
    assert (await gateway.refund(order_id, 5000, "USD", KEY)).state == state
    assert (await gateway.look(order_id, {})).refunded == (5000 if state == "processing" else 0)


async def test_after_a_refused_card_the_payer_chooses_another_and_the_capture_is_not_the_old_answer(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    paypal_server.issue = "INSTRUMENT_DECLINED"
    look = await gateway.capture(order_id, order.key)
    assert (look.state, look.failure) == (
        "pending",
        "PayPal could not charge what you chose there; choose another way to pay at PayPal.",
    )
    paypal_server.issue = None
    paypal_server.approves(order_id)
    assert (await gateway.capture(order_id, order.key)).state == "completed"


async def test_a_payer_whom_paypal_refuses_for_good_has_failed(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    paypal_server.issue = "PAYER_CANNOT_PAY"
    look = await gateway.capture(order_id, order.key)
    assert (look.state, look.failure) == ("failed", "PayPal refuses this (payer cannot pay); pay another way.")


@pytest.mark.parametrize(("status", "state"), [("PENDING", "pending"), ("DECLINED", "failed"), ("FAILED", "failed")])
async def test_a_capture_is_what_paypal_says_of_it(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order, status: str, state: str
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    paypal_server.capture_status = status
    look = await gateway.capture(order_id, order.key)
    assert look.state == state
    assert look.failure is not None
    # Money that may still come is not called cancelled.
    assert (await gateway.cancel(order_id)).state == state


async def test_what_is_cancelled_is_never_captured_and_what_was_captured_is_not_cancelled(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    assert (await gateway.cancel(order_id)).state == "cancelled"
    assert not paypal_server.captures
    await gateway.capture(order_id, order.key)
    assert (await gateway.cancel(order_id)).state == "completed"
    with pytest.raises(Declined, match="no payment to give back"):
        await gateway.refund(await approved(gateway, paypal_server, replace(order, key=KEY)), 1, "USD", "a-key")


async def test_what_paypal_does_not_know_is_gone(gateway: PayPalGateway, paypal_server: PayPal, order: Order) -> None:
    for look in (
        await gateway.look("UNKNOWN", {}),
        await gateway.capture("UNKNOWN", "a-key"),
        await gateway.cancel("../../v1/oauth2/token"),
    ):
        assert (look.state, look.amount, look.currency) == ("gone", 0, "")
    voided = await gateway.begin(order)
    paypal_server.orders[voided.provider_id]["status"] = "VOIDED"
    assert (await gateway.look(voided.provider_id, {})).state == "cancelled"


@pytest.mark.abuse("H13")
async def test_an_order_of_another_merchant_is_not_believed_captured_or_given_back(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    payee = paypal_server.orders[order_id]["purchase_units"][0]["payee"]
    payee["merchant_id"] = "SOMEBODYELSE"
    assert (await gateway.capture(order_id, order.key)).state == "gone"
    assert not paypal_server.captures
    payee["merchant_id"] = MERCHANT
    await gateway.capture(order_id, order.key)
    payee["merchant_id"] = "SOMEBODYELSE"
    assert (await gateway.look(order_id, {})).state == "gone"
    with pytest.raises(Declined):
        await gateway.refund(order_id, 1, "USD", KEY)
    paypal_server.merchant = "SOMEBODYELSE"
    with pytest.raises(Declined, match="not set up rightly"):
        await gateway.begin(replace(order, key=KEY))


@pytest.mark.parametrize(
    ("status", "stage", "outcome", "is_disputed"),
    [
        ("WAITING_FOR_SELLER_RESPONSE", "CHARGEBACK", None, True),
        ("UNDER_REVIEW", "PRE_ARBITRATION", None, True),
        ("OPEN", "INQUIRY", None, False),
        ("RESOLVED", "INQUIRY", "RESOLVED_BUYER_FAVOUR", False),
        ("RESOLVED", "CHARGEBACK", "RESOLVED_BUYER_FAVOUR", True),
        ("RESOLVED", "CHARGEBACK", "RESOLVED_SELLER_FAVOUR", False),
        ("RESOLVED", "CHARGEBACK", "CANCELED_BY_BUYER", False),
    ],
)
async def test_a_dispute_counts_once_it_is_more_than_a_question(
    gateway: PayPalGateway,
    paypal_server: PayPal,
    order: Order,
    status: str,
    stage: str,
    outcome: str | None,
    is_disputed: bool,
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    paypal_server.disputes = [{"dispute_id": "PP-D-1", "status": status, "dispute_life_cycle_stage": stage}]
    paypal_server.outcomes = {"PP-D-1": {"outcome_code": outcome}} if outcome else {}
    assert (await gateway.capture(order_id, order.key)).disputed is is_disputed
    # An app that may not read disputes is paid all the same.
    paypal_server.knows_disputes = False
    look = await gateway.look(order_id, {})
    assert (look.state, look.disputed) == ("completed", False)


async def test_the_hub_logs_in_once_and_again_when_its_token_is_taken_back(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order
) -> None:
    await gateway.begin(order)
    await gateway.begin(replace(order, key=KEY))
    assert paypal_server.asked.count(TOKEN) == 1
    paypal_server.tokens.clear()
    await gateway.begin(replace(order, key="a-third"))
    assert paypal_server.asked.count(TOKEN) == 2
    stranger = open_gateway(paypal_server, "another secret")
    with pytest.raises(GatewayUnreachable):
        await stranger.begin(order)
    await stranger.close()


@pytest.mark.parametrize("status", [401, 409, 429, 500, 503])
async def test_without_an_answer_nobody_knows_what_became_of_it(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order, status: int
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    paypal_server.status = status
    for ask in (
        gateway.begin(order),
        gateway.look(order_id, {}),
        gateway.capture(order_id, order.key),
        gateway.cancel(order_id),
        gateway.refund(order_id, 1, "USD", KEY),
        gateway.look_at_refund(order_id, "1"),
    ):
        with pytest.raises(GatewayUnreachable):
            await ask


async def test_a_paypal_that_says_nothing_or_too_much_is_not_waited_for(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paypal_client, "LARGEST_ANSWER", 100)
    with pytest.raises(GatewayUnreachable):
        await gateway.begin(order)
    monkeypatch.undo()
    monkeypatch.setattr(paypal_client, "SECONDS_TO_ANSWER", 0.05)
    paypal_server.waits = 60
    await gateway.close()
    with pytest.raises(GatewayUnreachable):
        await gateway.begin(order)


def captured(order_id: str) -> dict[str, Any]:
    return {"id": "2GG279541U471931P", "supplementary_data": {"related_ids": {"order_id": order_id}}}


async def test_an_event_says_which_order_to_look_at(
    gateway: PayPalGateway, paypal_server: PayPal, order: Order
) -> None:
    order_id = await approved(gateway, paypal_server, order)
    await gateway.capture(order_id, order.key)
    refunding = await gateway.refund(order_id, 100, "USD", KEY)
    capture_id = next(iter(paypal_server.captures))
    for kind, resource in (
        ("CHECKOUT.ORDER.APPROVED", {"id": order_id, "status": "APPROVED"}),
        ("PAYMENT.CAPTURE.COMPLETED", captured(order_id)),
        ("PAYMENT.CAPTURE.REFUNDED", paypal_server.refunds[refunding.provider_id]),
        ("CUSTOMER.DISPUTE.CREATED", {"disputed_transactions": [{"seller_transaction_id": capture_id}]}),
    ):
        body = paypal_server.event(kind, resource)
        told = await gateway.read(paypal_server.signed(body), body)
        assert (told.event_id, told.kind, told.provider_id) == (json.loads(body)["id"], kind, order_id)
        assert told.at == datetime(2026, 11, 20, 12, 0, 1, 234_000, UTC)
    for resource in ({}, {"disputed_transactions": [{"seller_transaction_id": "UNKNOWN"}]}):
        body = paypal_server.event("CUSTOMER.DISPUTE.CREATED", resource)
        assert (await gateway.read(paypal_server.signed(body), body)).provider_id is None


@pytest.mark.abuse("H12")
async def test_an_event_that_comes_again_is_the_same_event_and_its_certificate_is_fetched_once(
    gateway: PayPalGateway, paypal_server: PayPal
) -> None:
    body = paypal_server.event("CHECKOUT.ORDER.APPROVED", {"id": "1"})
    headers = paypal_server.signed(body)
    told = [await gateway.read(headers, body) for _ in range(3)]
    assert told[0] == told[1] == told[2]
    assert paypal_server.asked == [f"GET {PATH}"]
    assert (await gateway.read({name.lower(): said for name, said in headers.items()}, body)) == told[0]


async def test_forged_and_stale_events_are_refused(gateway: PayPalGateway, paypal_server: PayPal) -> None:
    body = paypal_server.event("CHECKOUT.ORDER.APPROVED", {"id": "1"})
    good = paypal_server.signed(body)
    now = datetime.now(UTC)
    other = base64.b64encode(b"x" * 256).decode()
    for headers, sent in (
        ({}, body),
        (good | {"PAYPAL-TRANSMISSION-SIG": ""}, body),
        (good | {"PAYPAL-TRANSMISSION-SIG": "not base64"}, body),
        (good | {"PAYPAL-TRANSMISSION-SIG": other}, body),
        (good | {"PAYPAL-TRANSMISSION-ID": "another"}, body),
        (good | {"PAYPAL-TRANSMISSION-TIME": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}, body),
        (good | {"PAYPAL-TRANSMISSION-TIME": "yesterday"}, body),
        (good | {"PAYPAL-TRANSMISSION-TIME": "2026-11-20T12:00:00"}, body),
        (good | {"PAYPAL-AUTH-ALGO": "SHA1withRSA"}, body),
        (good, body.replace(b'"1"', b'"2"')),
        (paypal_server.signed(body, webhook_id="ANOTHERWEBHOOK"), body),
        (paypal_server.signed(body, at=now - timedelta(days=4)), body),
        (paypal_server.signed(body, at=now + timedelta(hours=1)), body),
        (paypal_server.signed(b"[]"), b"[]"),
        (paypal_server.signed(b"not json"), b"not json"),
    ):
        with pytest.raises(Forged):
            await gateway.read(headers, sent)


@pytest.mark.abuse("H14")
@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://attacker.example/v1/notifications/certs/CERT-1",
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.attacker.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com@attacker.example/v1/notifications/certs/CERT-1",
        "https://attacker.example/api.paypal.com/v1/notifications/certs/CERT-1",
        "https://attacker.example#https://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
        "https://apixpaypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/CERT-1/../../../../upload/mine",
        "https://api.paypal.com/v1/notifications/certs/CERT-1?next=https://attacker.example",
        "https://api.paypal.com/upload/CERT-1",
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "file:///etc/passwd",
        "",
    ],
)
async def test_a_certificate_elsewhere_is_refused_before_anything_is_fetched(
    signer: Signer, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(url: str) -> bytes:
        raise AssertionError(url)

    monkeypatch.setattr(paypal_signatures, "_fetch", fetch)
    body = b"{}"
    with pytest.raises(Forged):
        await Signatures(WEBHOOK_ID, OF_PAYPAL).verify(signer.signed(body, elsewhere), body)


@pytest.mark.parametrize("host", ["api.paypal.com", "api-m.paypal.com"])
async def test_certificates_are_fetched_from_paypal_itself(
    signer: Signer, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    async def fetch(url: str) -> bytes:
        fetched.append(url)
        return signer.chain

    monkeypatch.setattr(paypal_signatures, "_fetch", fetch)
    signatures, url = Signatures(WEBHOOK_ID, OF_PAYPAL, [signer.authority.root]), f"https://{host}{PATH}"
    await signatures.verify(signer.signed(b"{}", url), b"{}")
    assert fetched == [url]
    # Signed rightly, but by an authority that nobody else trusts.
    with pytest.raises(Forged):
        await Signatures(WEBHOOK_ID, OF_PAYPAL).verify(signer.signed(b"{}", url), b"{}")


@pytest.mark.abuse("H14")
async def test_a_certificate_that_is_not_paypals_proves_nothing(
    gateway: PayPalGateway, paypal_server: PayPal, signer: Signer
) -> None:
    body = paypal_server.event("CHECKOUT.ORDER.APPROVED", {"id": "1"})
    headers, authority, stranger = paypal_server.signed(body), signer.authority, Authority()
    elliptic = ec.generate_private_key(ec.SECP256R1())
    for chain in (
        b"",
        b"<html>not found</html>",
        # Somebody else's, too old, of an authority unknown, of a kind that signs otherwise; whole, and by itself.
        signer.chain_of(authority.certify(signer.key, "attacker.example"), authority.between),
        signer.chain_of(authority.certify(signer.key, "evilpaypal.com"), authority.between),
        signer.chain_of(authority.certify(signer.key, ended=True), authority.between),
        signer.chain_of(stranger.certify(signer.key), stranger.between, stranger.root),
        signer.chain_of(authority.certify(elliptic), authority.between),
        signer.chain_of(authority.certify(signer.key, "attacker.example")),
        signer.chain_of(authority.certify(signer.key, ended=True)),
        signer.chain_of(authority.certify(elliptic)),
    ):
        paypal_server.chain = chain
        with pytest.raises(Forged):
            await gateway.read(headers, body)
    # PayPal's own certificate, but the event is signed by another key.
    paypal_server.chain = signer.chain_of(authority.certify(rsa.generate_private_key(65537, 2048)), authority.between)
    with pytest.raises(Forged):
        await gateway.read(headers, body)


async def test_for_a_certificate_that_comes_alone_paypal_vouches_once(
    gateway: PayPalGateway, paypal_server: PayPal, signer: Signer
) -> None:
    paypal_server.chain = signer.chain_of(signer.authority.certify(signer.key))
    # Written so that whoever writes it anew writes something else.
    body = (
        b'{ "id": "WH-1", "event_type": "CHECKOUT.ORDER.APPROVED",\n "create_time": "2026-11-20T12:00:01Z",'
        b' "resource": {"id": "1", "n": 1.50, "u": "\\u00e9"} }'
    )
    headers = paypal_server.signed(body)
    # What is not even signed by that key is not worth asking.
    with pytest.raises(Forged):
        await gateway.read(headers, body.replace(b'"1"', b'"2"'))
    assert CONFIRM not in paypal_server.asked
    paypal_server.status = 503
    with pytest.raises(GatewayUnreachable):
        await gateway.read(headers, body)
    paypal_server.status = None
    paypal_server.asked.clear()
    for _ in range(3):
        assert (await gateway.read(headers, body)).provider_id == "1"
    assert paypal_server.asked == [CONFIRM]
    for broken in (b"[]", b'{"a": 1},"webhook_id":"x"', b"not json"):
        other = open_gateway(paypal_server)
        with pytest.raises(Forged):
            await other.read(paypal_server.signed(broken), broken)
        await other.close()


@pytest.mark.abuse("H14")
async def test_what_paypal_does_not_vouch_for_is_refused(
    gateway: PayPalGateway, paypal_server: PayPal, signer: Signer
) -> None:
    stranger = Signer()
    paypal_server.chain = signer.chain_of(stranger.authority.certify(stranger.key))
    body = paypal_server.event("CHECKOUT.ORDER.APPROVED", {"id": "1"})
    for _ in range(2):
        with pytest.raises(Forged):
            await gateway.read(stranger.signed(body, paypal_server.url + PATH), body)
    assert paypal_server.asked.count(CONFIRM) == 2


async def test_a_certificate_that_cannot_be_had_leaves_the_event_to_be_told_again(
    gateway: PayPalGateway, paypal_server: PayPal, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = paypal_server.event("CHECKOUT.ORDER.APPROVED", {"id": "1"})
    other = paypal_server.signed(body) | {"PAYPAL-CERT-URL": f"{paypal_server.url}{PATH}-2"}
    with pytest.raises(GatewayUnreachable):
        await gateway.read(other, body)
    # Strangers cannot have the hub fetch without end.
    monkeypatch.setattr(paypal_signatures, "SECONDS_BETWEEN", 60.0)
    paypal_server.asked.clear()
    for _ in range(3):
        with pytest.raises(GatewayUnreachable):
            await gateway.read(other, body)
    assert paypal_server.asked == []


async def test_who_is_known_does_not_wait_for_the_certificate_of_a_stranger(
    gateway: PayPalGateway, paypal_server: PayPal, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = paypal_server.event("CHECKOUT.ORDER.APPROVED", {"id": "1"})
    headers = paypal_server.signed(body)
    await gateway.read(headers, body)
    asked = asyncio.Event()

    async def hang(url: str) -> bytes:
        asked.set()
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(paypal_signatures, "_fetch", hang)
    other = headers | {"PAYPAL-CERT-URL": f"{paypal_server.url}{PATH}-2"}
    stranger = asyncio.create_task(gateway.read(other, body))
    await asked.wait()
    assert (await asyncio.wait_for(gateway.read(headers, body), 10)).provider_id == "1"
    stranger.cancel()


def test_authorities_that_browsers_trust_are_known() -> None:
    names = {root.subject.rfc4514_string() for root in paypal_signatures.public_roots()}
    assert any("DigiCert" in name for name in names)
    assert len(names) > 50


async def test_the_settings_choose_the_merchant() -> None:
    settings = Settings(data=Path("var"), secret="k" * 40, env="test")
    assert from_settings(settings) is None
    named = replace(
        settings,
        paypal_client_id=CLIENT_ID,
        paypal_client_secret=CLIENT_SECRET,
        paypal_merchant_id=MERCHANT,
        paypal_webhook_id=WEBHOOK_ID,
    )
    gateway = from_settings(named)
    assert gateway is not None
    assert CLIENT_SECRET not in repr(named)
    await gateway.close()
