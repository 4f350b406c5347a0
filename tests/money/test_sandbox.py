"""The sandbox's page: whoever tries the hub out chooses what becomes of a payment, and the hub finds out as ever."""

from __future__ import annotations

import time
from dataclasses import replace
from urllib.parse import urlsplit

import orjson
import pytest

from handlers.words import money
from hub.gateways.providers import open_gateways
from hub.jobs import queue, reconciler, refunds, sweeper
from hub.models.bookings import Booking
from hub.models.folio import AskOperations
from hub.models.payments import StartedPayment, StartPayment
from hub.services import folio, inbox, payments, sandbox
from hub.services.sandbox import PRESSES, Button
from storage import payments as store
from storage.soundness import MONEY, faults
from tests import builders
from tests.doors import AppServer, Http, ListeningHub
from tests.money.provider import clearing, provider_id
from tests.world import World

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def begun(world: World, held: Booking) -> StartedPayment:
    """Begin to pay in the sandbox."""
    ask = StartPayment(booking_id=held.id, gateway="sandbox")
    return await payments.start(world.hub, world.customer, ask)


async def told(hub: ListeningHub) -> None:
    """Have the sandbox tell what is due to be told, and the hub act on it."""
    await queue.work_off(hub)
    while await reconciler.reconcile(hub):
        pass
    await refunds.work_off(hub)


async def status(world: World, payment: StartedPayment) -> str:
    """Answer how a payment stands."""
    async with world.hub.reading() as db:
        found = await store.find(db, payment.id)
    assert found is not None
    return found.status


async def moved_on(world: World) -> None:
    """Let half an hour go by for the sandbox and for those who ask it."""
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE sandbox_payments SET becomes_at = becomes_at - interval '30 minutes'")
        await db.execute("UPDATE jobs SET due_at = due_at - interval '30 minutes'")
        await db.execute("UPDATE payments SET ask_at = clock_timestamp() WHERE ask_at IS NOT NULL")


@pytest.mark.parametrize("button", list(PRESSES))
async def test_each_button_does_what_it_says(hub: ListeningHub, button: Button) -> None:
    world = await World.build(hub, confirmation="payment")
    held = await world.hold(world.slot())
    payment = await begun(world, held)
    name = await provider_id(hub, payment.id)
    await sandbox.press(hub, name, button)
    await told(hub)
    at_once = {"pay": "completed", "fail": "failed", "duplicate": "completed"}
    assert await status(world, payment) == at_once.get(button, "pending")
    if button == "late":
        await world.run_out(held)
        await sweeper.sweep(hub)
        await world.hold(world.slot(), by=world.rival)
    await moved_on(world)
    await told(hub)
    booking = await world.now(held)
    if button == "fail":
        assert (booking.status, booking.paid) == ("held", 0)
    elif button == "late":
        assert (await status(world, payment), booking.status, booking.payment_status) == (
            "completed",
            "expired",
            "refunded",
        )
    else:
        assert (booking.status, booking.paid) == ("confirmed", held.price)
    async with hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM provider_events") == (0 if button == "lost" else 1)
    assert await clearing(hub, "sandbox") == (held.price if booking.status == "confirmed" else 0)
    assert await faults(hub.pool, MONEY) == {}


async def test_a_payer_is_led_to_the_page_and_back(app_server: AppServer, http: Http) -> None:
    world = await World.build(app_server.hub, confirmation="payment")  # type: ignore[arg-type]
    held = await world.hold(world.slot())
    payment = await begun(world, held)
    assert payment.pay_at.redirect_url is not None
    path = "/" + urlsplit(payment.pay_at.redirect_url).path
    page = await http.get(path)
    assert (page.status, page.headers["Cache-Control"]) == (200, "no-store")
    assert [press.words for press in PRESSES.values() if press.words not in page.text] == []
    assert f"Booking {held.reference}" in page.text
    assert money(held.price, held.currency) in page.text
    for wrong in (b"button=steal", b""):
        assert (await http.post(path, data=wrong, headers=FORM)).status == 404
    paid = await http.post(path, data=b"button=pay", headers=FORM)
    assert paid.status == 303
    assert paid.headers["Location"] == f"{app_server.url}/checkout/{held.id}?payment={payment.id}"
    assert (await http.post(path, data=b"button=pay", headers=FORM)).status == 409
    assert "is completed" in (await http.get(path)).text
    assert (await http.post(path, data=b"button=dispute", headers=FORM)).status == 303
    await told(app_server.hub)  # type: ignore[arg-type]
    assert (await world.now(held)).paid == 0
    assert await faults(app_server.hub.pool, MONEY) == {}
    assert (await http.get("//sandbox/pay/sbx_nothing")).status == 404


@pytest.mark.abuse("H12", "H13")
async def test_only_what_the_sandbox_has_signed_a_moment_ago_is_taken(app_server: AppServer, http: Http) -> None:
    gateway = sandbox.gateway_of(app_server.hub)
    body = gateway.event("sbx_somebodys", "payment.completed")
    wrong = [
        {},
        {"Sandbox-Signature": "t=soon,v1=aa"},
        {"Sandbox-Signature": f"t={int(time.time())},v1=é"},
        gateway.headers(body, at=time.time() - 3600),
        gateway.headers(body, at=time.time() + 3600),
        gateway.headers(body + b" "),
    ]
    for headers in wrong:
        answer = await http.post("/payments/events/sandbox", data=body, headers=headers)
        assert (answer.status, answer.data["code"]) == (400, "forged")
    signed = gateway.headers(b"[]")
    assert (await http.post("/payments/events/sandbox", data=b"[]", headers=signed)).status == 400
    assert (await http.post("/payments/events/nobody", data=body)).status == 404
    assert (await http.post("/payments/events/sandbox", data=b"x" * 100_000, headers=signed)).status == 413
    async with app_server.hub.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM provider_events") == 0
    for is_known in (False, True):
        answer = await http.post("/payments/events/sandbox", data=body, headers=gateway.headers(body))
        assert (answer.status, answer.data) == (200, {"received": True, "known": is_known})
    assert not await inbox.receive(app_server.hub, "sandbox", gateway.headers(body), body)
    # It is of a payment that nobody here knows: those who run the hub see that.
    admin = await builders.make_actor(app_server.hub, "admin")
    waiting = await folio.operations(app_server.hub, admin, AskOperations())
    assert [(one.gateway, one.kind) for one in waiting.unknown_events] == [("sandbox", "payment.completed")]


def test_production_has_no_sandbox(hub: ListeningHub) -> None:
    settings = replace(
        hub.settings,
        env="production",
        rate_limits=True,
        password_memory_kb=65_536,
        secret="zS8-Jr4_nQ2wLx7Tq0PbVf6Mh3YdKc91ue",
    )
    assert open_gateways(settings, hub.pool).names == []
    assert "sandbox" in hub.gateways_of_money


async def test_webhooks_hear_of_money_only_which_and_how_it_stands(hub: ListeningHub) -> None:
    world = await World.build(hub, confirmation="payment")
    await begun(world, await world.hold(world.slot()))
    payment = next(one for one in hub.told if one.name == "payment.changed")
    async with hub.pool.acquire() as db:
        data = await db.fetchval("SELECT webhook_data($1, $2::json)", payment.name, payment.data)
    assert set(data) == {"id", "status", "booking_id", "updated_at"}
    assert orjson.loads(payment.data)["amount"] == 6000
