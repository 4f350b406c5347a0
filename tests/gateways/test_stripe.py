"""Stripe: asked once whatever gets lost, and believed only when it is Stripe, our account and our mode."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stripe as library
from aiohttp import web

from hub.errors import Forged, GatewayUnreachable
from hub.gateways import stripe as module
from hub.gateways.payments import Declined, Order, Told
from hub.gateways.stripe import StripeGateway, from_settings
from hub.settings import Settings
from tests.stripe_server import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET, LocalStripe, Stripe

KEY = "6c84fb90-12c4-11e1-840d-7b25c5ee775a"


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library repeat itself without waiting."""
    monkeypatch.setattr(library.HTTPClient, "INITIAL_DELAY", 0.01)


def open_gateway(address: str, *, live: bool = False) -> StripeGateway:
    return StripeGateway(SECRET_KEY, PUBLISHABLE_KEY, WEBHOOK_SECRET, live=live, address=address)


@pytest.fixture
async def gateway(stripe_server: Stripe) -> AsyncIterator[StripeGateway]:
    gateway = open_gateway(stripe_server.url)
    yield gateway
    await gateway.close()


async def test_a_card_payment_begins_with_what_the_payers_page_needs(
    gateway: StripeGateway, stripe_server: Stripe, order: Order
) -> None:
    began = await gateway.begin(order)
    intent = stripe_server.intents[began.provider_id]
    assert (intent["amount"], intent["currency"], intent["metadata"]) == (12050, "usd", {"payment_id": "7"})
    assert intent["description"] == order.title
    assert began.data == {"client_secret": intent["client_secret"], "publishable_key": PUBLISHABLE_KEY}
    look = await gateway.look(began.provider_id, began.data)
    assert (look.state, look.amount, look.currency, look.failure) == ("pending", 12050, "USD", None)


async def test_what_the_payer_confirms_comes_in_by_what_was_received(
    gateway: StripeGateway, stripe_server: Stripe, order: Order
) -> None:
    began = await gateway.begin(order)
    stripe_server.pays(began.provider_id)
    look = await gateway.look(began.provider_id, began.data)
    assert (look.state, look.amount, look.currency, look.refunded, look.disputed) == (
        *("completed", 12050, "USD"),
        *(0, False),
    )
    stripe_server.intents[began.provider_id]["amount_received"] = 12049
    assert (await gateway.look(began.provider_id, began.data)).amount == 12049


async def test_a_refused_card_ends_nothing_for_the_payer_may_take_another(
    gateway: StripeGateway, stripe_server: Stripe, order: Order
) -> None:
    began = await gateway.begin(order)
    stripe_server.declines(began.provider_id)
    look = await gateway.look(began.provider_id, began.data)
    assert (look.state, look.failure) == ("pending", "Your card has insufficient funds.")
    stripe_server.pays(began.provider_id)
    assert (await gateway.look(began.provider_id, began.data)).state == "completed"


@pytest.mark.abuse("H4")
@pytest.mark.parametrize(("currency", "amount", "units"), [("KHR", 480_000, 48_000_000), ("JPY", 500, 500)])
async def test_stripe_counts_some_currencies_in_other_units(
    gateway: StripeGateway, stripe_server: Stripe, order: Order, currency: str, amount: int, units: int
) -> None:
    began = await gateway.begin(replace(order, amount=amount, currency=currency))
    assert stripe_server.intents[began.provider_id]["amount"] == units
    stripe_server.pays(began.provider_id)
    look = await gateway.look(began.provider_id, began.data)
    assert (look.amount, look.currency) == (amount, currency)
    await gateway.refund(began.provider_id, amount, currency, KEY)
    assert (await gateway.look(began.provider_id, began.data)).refunded == amount


@pytest.mark.parametrize(
    ("amount", "currency"),
    [(12_345, "MGA"), (1_234, "KWD"), (100, "UGX"), (100, "VES")],
)
async def test_what_stripe_cannot_charge_is_refused_without_asking(
    gateway: StripeGateway, stripe_server: Stripe, order: Order, amount: int, currency: str
) -> None:
    with pytest.raises(Declined, match="pay another way"):
        await gateway.begin(replace(order, amount=amount, currency=currency))
    assert stripe_server.asked == []


@pytest.mark.abuse("H17")
async def test_an_answer_that_is_lost_after_the_effect_makes_no_second_payment(
    gateway: StripeGateway, stripe_server: Stripe, order: Order
) -> None:
    stripe_server.loses = 1
    began = await gateway.begin(order)
    assert list(stripe_server.intents) == [began.provider_id]
    assert stripe_server.asked == ["POST /v1/payment_intents"] * 2
    # Nor when every answer is lost, and somebody asks again much later.
    stripe_server.loses = 2
    with pytest.raises(GatewayUnreachable):
        await gateway.begin(replace(order, key=KEY))
    again = await gateway.begin(replace(order, key=KEY))
    assert list(stripe_server.intents) == [began.provider_id, again.provider_id]
    # The same key for something else is refused by Stripe.
    with pytest.raises(Declined):
        await gateway.begin(replace(order, key=KEY, amount=1))


@pytest.mark.abuse("H17")
async def test_a_refund_whose_answer_is_lost_is_made_once_even_when_stripe_has_forgotten_its_key(
    gateway: StripeGateway, stripe_server: Stripe, order: Order
) -> None:
    began = await gateway.begin(order)
    stripe_server.pays(began.provider_id)
    first = await gateway.refund(began.provider_id, 5000, "USD", KEY)
    assert (first.state, stripe_server.refunds[first.provider_id]["amount"]) == ("completed", 5000)
    stripe_server.answers.clear()
    assert await gateway.refund(began.provider_id, 5000, "USD", KEY) == first
    assert (await gateway.look(began.provider_id, {})).refunded == 5000
    with pytest.raises(Declined, match="has been given back"):
        await gateway.refund(began.provider_id, 7051, "USD", "another")
    assert (await gateway.look(began.provider_id, {})).refunded == 5000


async def test_control_without_looking_first_a_forgotten_key_refunds_twice(
    gateway: StripeGateway, stripe_server: Stripe, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = await gateway.begin(order)
    stripe_server.pays(began.provider_id)
    monkeypatch.setattr("tests.stripe_server._list", lambda url, _: {"object": "list", "url": url, "data": []})
    for _ in range(2):
        stripe_server.answers.clear()
        await gateway.refund(began.provider_id, 5000, "USD", KEY)
    assert (await gateway.look(began.provider_id, {})).refunded == 10_000


@pytest.mark.parametrize(
    ("status", "state"),
    [("pending", "processing"), ("requires_action", "processing"), ("failed", "failed"), ("canceled", "failed")],
)
async def test_a_refund_is_looked_at_until_stripe_says_what_became_of_it(
    gateway: StripeGateway, stripe_server: Stripe, order: Order, status: str, state: str
) -> None:
    began = await gateway.begin(order)
    stripe_server.pays(began.provider_id)
    stripe_server.refund_status = status
    refunding = await gateway.refund(began.provider_id, 5000, "USD", KEY)
    assert refunding.state == state
    assert (refunding.failure is None) == (state != "failed")
    stripe_server.refunds[refunding.provider_id]["status"] = "succeeded"
    looked = await gateway.look_at_refund(began.provider_id, refunding.provider_id)
    assert (looked.provider_id, looked.state) == (refunding.provider_id, "completed")
    # What is not shown has not failed: else it would be given back once more.
    with pytest.raises(GatewayUnreachable):
        await gateway.look_at_refund(began.provider_id, "re_unknown")


async def test_a_card_that_somebody_attached_is_confirmed_once_and_a_refused_one_does_not_bar_the_next(
    gateway: StripeGateway, stripe_server: Stripe, order: Order
) -> None:
    began = await gateway.begin(order)
    assert (await gateway.capture(began.provider_id, order.key)).state == "pending"
    stripe_server.attaches(began.provider_id, "pm_declined")
    look = await gateway.capture(began.provider_id, order.key)
    assert (look.state, look.failure) == ("pending", "Your card has insufficient funds.")
    stripe_server.attaches(began.provider_id, "pm_good")
    stripe_server.loses = 1
    looks = [await gateway.capture(began.provider_id, order.key) for _ in range(2)]
    assert [look.state for look in looks] == ["completed", "completed"]


async def test_what_was_only_reserved_is_taken(gateway: StripeGateway, stripe_server: Stripe, order: Order) -> None:
    began = await gateway.begin(order)
    stripe_server.attaches(began.provider_id, "pm_good", "requires_capture")
    assert (await gateway.look(began.provider_id, {})).state == "pending"
    assert (await gateway.capture(began.provider_id, order.key)).state == "completed"


async def test_what_is_cancelled_is_never_paid_and_what_was_paid_is_not_cancelled(
    gateway: StripeGateway, stripe_server: Stripe, order: Order
) -> None:
    began = await gateway.begin(order)
    assert (await gateway.cancel(began.provider_id)).state == "cancelled"
    assert (await gateway.cancel(began.provider_id)).state == "cancelled"
    paid = await gateway.begin(replace(order, key=KEY))
    stripe_server.pays(paid.provider_id)
    assert (await gateway.cancel(paid.provider_id)).state == "completed"


@pytest.mark.parametrize(
    ("status", "is_disputed"), [("needs_response", True), ("lost", True), ("won", False), ("warning_closed", False)]
)
async def test_a_dispute_counts_while_it_holds_the_money(
    gateway: StripeGateway, stripe_server: Stripe, order: Order, status: str, is_disputed: bool
) -> None:
    began = await gateway.begin(order)
    stripe_server.pays(began.provider_id)
    stripe_server.disputes_it(began.provider_id, status)
    assert (await gateway.look(began.provider_id, {})).disputed is is_disputed


async def test_what_stripe_does_not_know_is_gone(gateway: StripeGateway) -> None:
    for look in (
        await gateway.look("pi_unknown", {}),
        await gateway.capture("pi_unknown", "a-key"),
        await gateway.cancel("pi_unknown"),
    ):
        assert (look.state, look.amount, look.currency) == ("gone", 0, "")


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_without_an_answer_nobody_knows_what_became_of_it(
    gateway: StripeGateway, stripe_server: Stripe, order: Order, status: int
) -> None:
    began = await gateway.begin(order)
    stripe_server.status = status
    for ask in (
        gateway.begin(order),
        gateway.look(began.provider_id, {}),
        gateway.capture(began.provider_id, order.key),
        gateway.cancel(began.provider_id),
        gateway.refund(began.provider_id, 1, "USD", KEY),
        gateway.look_at_refund(began.provider_id, "re_1"),
    ):
        with pytest.raises(GatewayUnreachable):
            await ask


async def test_a_stripe_that_says_nothing_is_not_waited_for_forever(
    stripe_server: Stripe, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_TO_ANSWER", 0.05)
    stripe_server.waits = 60
    for address in (stripe_server.url, "http://127.0.0.1:9"):
        gateway = open_gateway(address)
        with pytest.raises(GatewayUnreachable):
            await gateway.begin(order)
        await gateway.close()


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        ({"type": "invalid_request_error", "code": "amount_too_small"}, "too small for a card"),
        ({"type": "invalid_request_error", "code": "parameter_unknown", "message": "sk_test_hub"}, "pay another way"),
        ({"type": "card_error", "code": "card_declined", "message": "Your card was declined."}, "card was declined"),
    ],
)
async def test_a_refusal_has_a_sentence_that_tells_nothing_of_the_hub(
    gateway: StripeGateway, stripe_server: Stripe, order: Order, refusal: dict[str, str], sentence: str
) -> None:
    stripe_server.refuses = refusal
    with pytest.raises(Declined, match=sentence) as refused:
        await gateway.begin(order)
    assert SECRET_KEY not in refused.value.sentence


def about(intent_id: str, kind: str = "payment_intent") -> dict[str, Any]:
    if kind == "payment_intent":
        return {"id": intent_id, "object": kind}
    return {"id": "other_1", "object": kind, "payment_intent": intent_id}


@pytest.mark.parametrize("kind", ["payment_intent", "charge", "refund", "dispute"])
async def test_an_event_says_which_payment_to_look_at(gateway: StripeGateway, stripe_server: Stripe, kind: str) -> None:
    body = stripe_server.event(f"{kind}.updated", about("pi_1", kind))
    told = await gateway.read(stripe_server.signed(body), body)
    said = json.loads(body)
    assert (told.event_id, told.kind, told.provider_id) == (said["id"], f"{kind}.updated", "pi_1")
    assert told.at.timestamp() == said["created"]
    other = stripe_server.event("payout.paid", {"id": "po_1", "object": "payout"})
    assert (await gateway.read(stripe_server.signed(other), other)).provider_id is None


@pytest.mark.abuse("H12")
async def test_an_event_that_comes_again_is_the_same_event(gateway: StripeGateway, stripe_server: Stripe) -> None:
    body = stripe_server.event("payment_intent.succeeded", about("pi_1"))
    told = [await gateway.read(stripe_server.signed(body), body) for _ in range(2)]
    assert told[0] == told[1]


async def test_forged_and_stale_events_are_refused(gateway: StripeGateway, stripe_server: Stripe) -> None:
    body = stripe_server.event("payment_intent.succeeded", about("pi_1"))
    good = stripe_server.signed(body)["Stripe-Signature"]
    for headers, sent in (
        ({}, body),
        ({"Stripe-Signature": ""}, body),
        ({"Stripe-Signature": "nonsense"}, body),
        ({"Stripe-Signature": "t=x,v1=y"}, body),
        ({"Stripe-Signature": good.replace("v1=", "v0=")}, body),
        ({"Stripe-Signature": good.partition("v1=")[0] + "v1=ü"}, body),
        ({"Stripe-Signature": good}, body.replace(b"pi_1", b"pi_2")),
        ({"Stripe-Signature": good}, b"\xff\xfe"),
        (stripe_server.signed(body, "whsec_of_somebody_else"), body),
        (stripe_server.signed(body, at=time.time() - 301), body),
        (stripe_server.signed(b"[]"), b"[]"),
        (stripe_server.signed(b"{}"), b"{}"),
        (stripe_server.signed(b"not json"), b"not json"),
    ):
        with pytest.raises(Forged):
            await gateway.read(headers, sent)
    assert (await gateway.read({"stripe-signature": good}, body)).provider_id == "pi_1"


@pytest.mark.abuse("H13")
async def test_events_of_another_mode_or_account_are_refused_though_their_signature_is_right(
    gateway: StripeGateway, stripe_server: Stripe, order: Order
) -> None:
    for otherwise in ({"livemode": True}, {"account": "acct_other"}, {"object": "v2.core.event"}):
        body = stripe_server.event("payment_intent.succeeded", about("pi_1"), **otherwise)
        with pytest.raises(Forged):
            await gateway.read(stripe_server.signed(body), body)
    live = open_gateway(stripe_server.url, live=True)
    body = stripe_server.event("payment_intent.succeeded", about("pi_1"))
    with pytest.raises(Forged):
        await live.read(stripe_server.signed(body), body)
    # Nor is a payment of another mode believed when it is looked at.
    began = await gateway.begin(order)
    stripe_server.pays(began.provider_id)
    assert (await live.look(began.provider_id, {})).state == "gone"
    await live.close()


async def test_the_settings_choose_the_account() -> None:
    settings = Settings(data=Path("var"), secret="k" * 40, env="test")
    assert from_settings(settings) is None
    named = replace(
        settings,
        stripe_secret_key="sk_live_1",
        stripe_publishable_key="pk_live_1",
        stripe_webhook_secret=WEBHOOK_SECRET,
    )
    gateway = from_settings(named)
    assert gateway is not None
    event = Stripe()
    event.live = True
    body = event.event("payment_intent.succeeded", about("pi_1"))
    assert (await gateway.read(event.signed(body), body)).provider_id == "pi_1"
    await gateway.close()


async def test_localstripe_takes_gives_back_and_tells_of_a_payment(localstripe: LocalStripe, order: Order) -> None:
    gateway = open_gateway(localstripe.url)
    told: list[Told] = []
    heard = asyncio.Event()

    async def hear(request: web.Request) -> web.Response:
        told.append(await gateway.read(request.headers, await request.read()))
        heard.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/events", hear)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    await localstripe.ask("/_config/webhooks/hub", url=url, secret=WEBHOOK_SECRET)

    began = await gateway.begin(order)
    await localstripe.attach(began.provider_id, "4242424242424242")
    assert (await gateway.look(began.provider_id, began.data)).state == "pending"
    look = await gateway.capture(began.provider_id, order.key)
    assert (look.state, look.amount, look.currency) == ("completed", 12050, "USD")
    refunding = await gateway.refund(began.provider_id, 2000, "USD", KEY)
    # It knows no idempotency keys, and yet there is one refund.
    assert await gateway.refund(began.provider_id, 2000, "USD", KEY) == refunding
    assert (await gateway.look_at_refund(began.provider_id, refunding.provider_id)).state == "completed"
    assert (await gateway.look(began.provider_id, began.data)).refunded == 2000
    assert (await gateway.cancel(began.provider_id)).state == "completed"

    await asyncio.wait_for(heard.wait(), 60)
    assert (told[0].kind, told[0].provider_id) == ("payment_intent.succeeded", began.provider_id)
    await runner.cleanup()
    await gateway.close()


async def test_localstripe_refuses_cards_asks_for_the_payer_and_cancels(localstripe: LocalStripe, order: Order) -> None:
    gateway = open_gateway(localstripe.url)
    began = await gateway.begin(order)
    await localstripe.attach(began.provider_id, "4000000000000341")
    look = await gateway.capture(began.provider_id, order.key)
    assert (look.state, look.failure) == ("pending", "Your card was declined.")

    asks = await gateway.begin(replace(order, key=KEY))
    await localstripe.attach(asks.provider_id, "4000002500003155")
    assert (await gateway.capture(asks.provider_id, KEY)).state == "pending"
    secret = asks.data["client_secret"]
    await localstripe.ask(f"/v1/payment_intents/{asks.provider_id}/_authenticate", client_secret=secret, success="true")
    assert (await gateway.look(asks.provider_id, asks.data)).state == "completed"

    unwanted = await gateway.begin(replace(order, key="a-third-key"))
    assert (await gateway.cancel(unwanted.provider_id)).state == "cancelled"
    assert (await gateway.look("pi_unknown", {})).state == "gone"
    await gateway.close()


def test_the_page_loads_stripes_form_of_the_same_version_as_the_hubs_library() -> None:
    form = Path(__file__).parents[2] / "static" / "js" / "stripe-form.js"
    assert f'"https://js.stripe.com/{library.major_api_version}/stripe.js"' in form.read_text(encoding="utf-8")
