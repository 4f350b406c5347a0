"""SMS as Twilio's REST interface gets them, and as the outbox keeps them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, web

from hub.core import GUEST
from hub.gateways import Undeliverable, sms
from hub.gateways.sms import Outbox, Sms, Twilio, sms_gateway
from hub.jobs import queue
from hub.services import mail
from storage import letters
from tests.doors import ListeningHub

SMS = Sms(7, "+85512345678", "Your code is 123456.")


@dataclass
class FakeTwilio:
    """What Twilio was asked, and what it answers."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    status: int = 201
    said: str = '{"sid": "SM1", "status": "queued"}'
    waits: float = 0


@pytest.fixture
async def twilio() -> AsyncIterator[FakeTwilio]:
    fake = FakeTwilio()

    async def take(request: web.Request) -> web.Response:
        login = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        fake.asked.append({"path": request.path, "login": login, **await request.post()})
        await asyncio.sleep(fake.waits)
        headers = {"Location": "http://127.0.0.1:1/"} if fake.status == 302 else {}
        return web.Response(status=fake.status, text=fake.said, content_type="application/json", headers=headers)

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


async def sent(twilio: FakeTwilio, seconds: float = 5) -> None:
    timeout = ClientTimeout(seconds)
    async with ClientSession(headers={"Authorization": "Basic QUMxOnRva2Vu"}, timeout=timeout) as session:
        await Twilio(session, "AC1", "+15550100", twilio.url).send(SMS)


async def test_an_sms_is_handed_over_with_the_accounts_login(twilio):
    await sent(twilio)
    assert twilio.asked == [
        {
            "path": "/2010-04-01/Accounts/AC1/Messages.json",
            "login": "AC1:token",
            "From": "+15550100",
            "To": "+85512345678",
            "Body": "Your code is 123456.",
        }
    ]


async def test_a_number_that_is_none_is_given_up(twilio):
    twilio.status, twilio.said = 400, '{"code": 21211, "message": "Invalid To"}' + " " * 10_000
    with pytest.raises(Undeliverable, match="21211") as refused:
        await sent(twilio)
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500, 503])
async def test_everything_else_is_tried_again(twilio, status):
    twilio.status = status
    with pytest.raises(ConnectionError, match=str(status)):
        await sent(twilio)


async def test_a_twilio_that_says_nothing_is_not_waited_for_forever(twilio):
    twilio.waits = 5
    with pytest.raises(TimeoutError):
        await sent(twilio, seconds=0.2)


async def test_the_settings_choose_the_gateway_and_its_login(hub: ListeningHub, twilio, monkeypatch):
    async with sms_gateway(hub.settings, hub.pool) as gateway:
        assert isinstance(gateway, Outbox)
    named = replace(hub.settings, twilio_account="AC1", twilio_token="t0ken", twilio_from="+15550100")
    monkeypatch.setattr(sms, "TWILIO", twilio.url)
    async with sms_gateway(named, hub.pool) as gateway:
        await gateway.send(SMS)
    assert twilio.asked[0]["login"] == "AC1:t0ken"
    assert "t0ken" not in repr(named)


async def test_the_outbox_keeps_an_sms_once(hub: ListeningHub):
    gateway = Outbox(hub.pool)
    for _ in range(2):
        await gateway.send(SMS)
    async with hub.reading() as db:
        (kept,) = await letters.newest(db, None, 10)
    assert (kept.channel, kept.recipient, kept.text) == ("sms", "+85512345678", "Your code is 123456.")


async def test_an_sms_that_is_enqueued_is_sent(hub: ListeningHub, twilio, monkeypatch):
    hub.settings = replace(hub.settings, twilio_account="AC1", twilio_token="t0ken", twilio_from="+15550100")
    monkeypatch.setattr(sms, "TWILIO", twilio.url)
    async with hub.work(GUEST) as work:
        await mail.send_sms(work, "+85512345678", "verify_phone", "en", {"code": "123456", "minutes": 10})
    assert await queue.work_off(hub) == 1
    assert twilio.asked[0]["Body"].startswith("Your code is 123456.")
