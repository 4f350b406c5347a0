"""Mail as a real SMTP server gets it: whole, once, under one id, and with nobody's words where they do not belong."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from hub.core import GUEST
from hub.gateways import Undeliverable
from hub.gateways.mail import Mail, Smtp, written
from hub.jobs import queue
from hub.services import mail
from storage import jobs
from tests.doors import ListeningHub
from tests.mail_server import MailServer, mail_server

FACTS = {"name": "Ana Reis", "code": "123456", "minutes": 10}


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
def sending(hub: ListeningHub, mails: MailServer) -> ListeningHub:
    """Give a test a hub that really sends."""
    hub.settings = replace(hub.settings, smtp_url=mails.url, mail_from="Booking hub <no-reply@hub.example>")
    return hub


async def send(hub: ListeningHub, *to: str, **facts: Any) -> None:
    async with hub.work(GUEST) as work:
        for address in to:
            await mail.send(work, address, "verify_email", "en", FACTS | facts)


def a_mail(to: str = "ana@example.org", **changes: Any) -> Mail:
    usual = Mail(1, to, "Hello", "Hello.\n", "<p>Hello.</p>", datetime(2026, 11, 20, 12, tzinfo=UTC))
    return replace(usual, **changes)


async def failed(hub: ListeningHub) -> list[str]:
    async with hub.pool.acquire() as db:
        return [row["error"] for row in await db.fetch("SELECT error FROM jobs WHERE failed_at IS NOT NULL")]


async def test_a_mail_has_a_text_and_the_same_as_html_with_its_style_in_every_tag(sending, mails):
    await send(sending, "ana@example.org")
    assert await queue.work_off(sending) == 1
    (letter,) = mails.received
    assert mails.envelopes == [("no-reply@hub.example", ["ana@example.org"])]
    assert (letter["From"], letter["To"]) == ("Booking hub <no-reply@hub.example>", "ana@example.org")
    assert letter["Subject"] == "Your code is 123456"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content_type() == "multipart/alternative"
    text, html = (part.get_content() for part in letter.iter_parts())
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    for part in (text, html):
        assert "Hello Ana Reis," in part
        assert "123456" in part
        assert "for 10 minutes" in part
    assert '<p class="code" style="' in html
    assert "<style" not in html
    assert not re.search(r"<(script|link|img|iframe)", html)


async def test_one_connection_carries_many_mails_and_another_is_made_when_it_breaks(sending, mails, monkeypatch):
    await send(sending, *(f"person{number}@example.org" for number in range(20)))
    await queue.work_off(sending)
    assert (len(mails.received), mails.connections) == (20, 1)
    gateway = Smtp(mails.url, "no-reply@hub.example")
    await gateway.send(a_mail())
    gateway._client.close()
    await gateway.send(a_mail())
    assert mails.connections == 3
    monkeypatch.setattr("hub.gateways.mail.SECONDS_AT_REST", 0.0)
    await gateway.send(a_mail())
    assert mails.connections == 4
    await gateway.close()
    assert len(mails.received) == 23


async def test_a_mailbox_that_is_not_there_is_given_up_at_once_and_stops_nobody(sending, mails):
    mails.refuse_recipient = lambda address: "550 No such mailbox" if address.startswith("nobody") else None
    await send(sending, "nobody@example.org", "ana@example.org")
    await queue.work_off(sending)
    assert [letter["To"] for letter in mails.received] == ["ana@example.org"]
    assert await failed(sending) == ["Undeliverable: 550 No such mailbox"]


async def test_a_server_that_is_busy_or_away_gets_it_later(sending, mails):
    mails.refuse_recipient = lambda address: "451 Come back later"
    await send(sending, "ana@example.org")
    await queue.work_off(sending)
    assert await failed(sending) == []
    mails.refuse_recipient = lambda address: None
    sending.settings = replace(sending.settings, smtp_url="smtp://127.0.0.1:1")
    await _all_due(sending)
    await queue.work_off(sending)
    assert await failed(sending) == []
    sending.settings = replace(sending.settings, smtp_url=mails.url)
    await _all_due(sending)
    await queue.work_off(sending)
    assert len(mails.received) == 1


async def test_a_letter_that_is_refused_for_good_is_given_up(sending, mails):
    mails.refuse_letter = lambda letter: "554 We do not like it"
    await send(sending, "ana@example.org")
    await queue.work_off(sending)
    assert len(await failed(sending)) == 1


async def test_a_password_is_told_to_a_server_elsewhere_over_tls_only():
    def asks_for_tls(url: str) -> bool | None:
        return Smtp(url, "no-reply@hub.example")._client._start_tls_on_connect

    assert asks_for_tls("smtp://user:secret@mail.example.org") is True
    assert asks_for_tls("smtp://mail.example.org") is None
    assert asks_for_tls("smtp://user:secret@localhost:1025") is None
    assert Smtp("smtps://user:secret@mail.example.org", "no-reply@hub.example")._client.use_tls is True


async def test_a_server_that_wants_a_password_gets_it():
    told: list[Any] = []

    def judge(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        told.append((data.login, data.password))
        return AuthResult(success=True)

    async with mail_server(authenticator=judge, auth_require_tls=False) as mails:
        gateway = Smtp(f"smtp://hub:p%40ss@127.0.0.1:{mails.port}", "no-reply@hub.example")
        await gateway.send(a_mail())
        await gateway.close()
    assert told == [(b"hub", b"p@ss")]
    assert len(mails.received) == 1


@pytest.mark.abuse("J10")
@pytest.mark.parametrize(
    "name",
    [
        "Ana\r\nBcc: victim@example.org",
        "Ana\nSubject: You have won",
        "Ana\r\n\r\n<html>another body",
        "Ana\u2028Bcc: victim@example.org",
        "Ana\x00\x0b\x0c\x1c\x85Bcc: victim@example.org",
    ],
)
async def test_nobody_writes_headers_with_their_name(sending, mails, name):
    async with sending.work(GUEST) as work:
        facts = {"inviter": name, "venue": name, "role": "desk", "link": "http://localhost:8000/x", "days": 7}
        await mail.send(work, "ana@example.org", "invitation", "en", facts)
    await queue.work_off(sending)
    (letter,) = mails.received
    assert mails.envelopes[0][1] == ["ana@example.org"]
    assert letter["Bcc"] is None
    assert len(letter.get_all("Subject")) == 1
    assert letter["Subject"].startswith("Ana ")
    assert letter["Subject"].endswith("invites you to its team")
    assert sorted(letter.keys()) == [
        "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To",
    ]  # fmt: skip


@pytest.mark.abuse("J10")
@pytest.mark.parametrize(
    "to", ["a@example.org, b@example.org", "a@example.org\r\nBcc: b@example.org", "a b@example.org"]
)
async def test_an_address_is_one_address(to):
    with pytest.raises(ValueError, match=r"."):
        written(a_mail(to), "no-reply@hub.example")


async def test_an_address_of_another_script_is_written_as_mail_servers_know_it(mails):
    gateway = Smtp(mails.url, "no-reply@hub.example")
    await gateway.send(a_mail("ana@bücher.example"))
    await gateway.send(a_mail("សុខា@example.org", subject="សួស្តី"))
    await gateway.close()
    assert [to for _, to in mails.envelopes] == [["ana@xn--bcher-kva.example"], ["សុខា@example.org"]]
    assert mails.received[1]["Subject"] == "សួស្តី"


async def test_a_server_that_knows_no_such_addresses_takes_the_others(hub):
    async with mail_server() as mails:
        gateway = Smtp(mails.url, "no-reply@hub.example")
        gateway._client.supports_extension = lambda extension: False  # type: ignore[method-assign]
        with pytest.raises(Undeliverable):
            await gateway.send(a_mail("សុខា@example.org"))
        await gateway.send(a_mail())
        await gateway.close()
    assert len(mails.received) == 1


def headers(message: EmailMessage) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in message.items() if name != "Content-Type"]


def test_a_mail_written_again_is_the_same():
    first, second = (written(a_mail(), "Booking hub <no-reply@hub.example>") for _ in range(2))
    assert headers(first) == headers(second)
    assert first["Message-ID"] == "<20261120120000000000.1@hub.example>"
    assert first["Date"] == "Fri, 20 Nov 2026 12:00:00 +0000"


async def _all_due(hub: ListeningHub) -> None:
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE jobs SET due_at = clock_timestamp() WHERE done_at IS NULL AND failed_at IS NULL")


@pytest.mark.abuse("P23")
async def test_a_worker_that_dies_between_the_servers_yes_and_its_own_note_repeats_that_mail_under_the_same_id(
    sending, mails, monkeypatch
):
    done = jobs.done
    crashes = {100, 250, 499}

    async def die(*args: Any) -> bool:
        if len(mails.received) in crashes:
            crashes.remove(len(mails.received))
            raise asyncio.CancelledError
        return await done(*args)

    monkeypatch.setattr(jobs, "done", die)
    await send(sending, *(f"person{number}@example.org" for number in range(500)))
    deaths = 0
    while True:
        try:
            await queue.work_off(sending)
            break
        except asyncio.CancelledError:
            deaths += 1
            await _all_due(sending)
    to = [envelope[1][0] for envelope in mails.envelopes]
    assert deaths == 3
    assert set(to) == {f"person{number}@example.org" for number in range(500)}
    assert len(to) == 503
    # Whoever keeps one letter of each id has each once.
    assert len(set(mails.ids())) == 500
    assert len(set(zip(to, mails.ids(), strict=True))) == 500


@pytest.mark.abuse("P23")
@pytest.mark.timeout(180)
async def test_workers_that_are_killed_miss_no_mail_and_repeat_one_at_most(sending, mails, tmp_path):
    await send(sending, *(f"person{number}@example.org" for number in range(500)))
    settings = sending.settings
    env = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), "HUB_DATA": str(tmp_path), "SMTP_URL": mails.url,
        "HUB_SECRET": "kX9vQ2mZ7rT4wB8nC1sJ6hL3pD5fG0aE", "HUB_SAMPLE_DATA": "off",
        "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "HUB_ENV": "test",
    }  # fmt: skip
    kill_at, kills = iter((60, 200, 340)), 0
    next_kill = next(kill_at)
    process: asyncio.subprocess.Process

    def taken(count: int) -> None:
        nonlocal next_kill, kills
        if count >= next_kill:
            next_kill = next(kill_at, 10**9)
            kills += 1
            # The letter is the server's, its yes is on the way.
            process.kill()

    mails.taken = taken
    for _ in range(4):
        await _all_due(sending)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub", "worker", cwd=tmp_path, env=env,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        ended = asyncio.create_task(process.wait())
        nothing_left = asyncio.create_task(_nothing_left(sending))
        await asyncio.wait({ended, nothing_left}, return_when=asyncio.FIRST_COMPLETED)
        nothing_left.cancel()
        if not ended.done():
            process.kill()
        await ended
    to = [envelope[1][0] for envelope in mails.envelopes]
    assert kills == 3
    assert set(to) == {f"person{number}@example.org" for number in range(500)}
    assert len(set(mails.ids())) == 500
    assert len(to) <= 503


async def test_a_worker_that_is_told_to_stop_ends_the_mail_it_has_begun(sending, mails):
    mails.thinks = 0.3
    begun = asyncio.Event()
    mails.taken = lambda count: begun.set()
    await send(sending, "ana@example.org", "rui@example.org")
    working = asyncio.create_task(queue.run(sending))
    await asyncio.wait_for(begun.wait(), 10)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    async with sending.pool.acquire() as db:
        assert await db.fetchval("SELECT array_agg(done_at IS NOT NULL ORDER BY id) FROM jobs") == [True, False]
    await queue.work_off(sending)
    assert [to for _, to in mails.envelopes] == [["ana@example.org"], ["rui@example.org"]]


async def test_a_mail_server_that_hangs_delays_no_stop(sending, mails):
    mails.thinks = 5
    begun = asyncio.Event()
    mails.taken = lambda count: begun.set()
    await send(sending, "ana@example.org")
    working = asyncio.create_task(queue.run(sending))
    await asyncio.wait_for(begun.wait(), 10)
    started = asyncio.get_running_loop().time()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert asyncio.get_running_loop().time() - started < 4


async def _nothing_left(hub: ListeningHub) -> None:
    left = 1
    while left:
        await asyncio.sleep(0.05)
        async with hub.pool.acquire() as db:
            left = await db.fetchval("SELECT count(*) FROM jobs WHERE done_at IS NULL")


def test_tls_is_verified():
    client = Smtp("smtps://mail.example.org", "no-reply@hub.example")._client
    assert client.validate_certs is True
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED
