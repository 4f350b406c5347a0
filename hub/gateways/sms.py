"""SMS: sent by Twilio where an account is named, else kept in the outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from hub.gateways import Undeliverable
from hub.settings import Settings
from storage import letters
from storage.pool import Pool
from storage.transaction import reading

TWILIO = "https://api.twilio.com"
SECONDS = 15.0
# What Twilio says of a number or text that it will never take.
REFUSED = 400


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS to one person."""

    job_id: int
    to: str
    text: str


class SmsGateway(Protocol):
    """Whoever takes SMS."""

    async def send(self, sms: Sms) -> None:
        """Take an SMS for good, or raise: Undeliverable when trying again is in vain."""


@asynccontextmanager
async def sms_gateway(settings: Settings, pool: Pool) -> AsyncIterator[SmsGateway]:
    """Open the Twilio account of the settings, or the outbox."""
    if settings.twilio_account is None or settings.twilio_token is None or settings.twilio_from is None:
        yield Outbox(pool)
        return
    login = {"Authorization": aiohttp.encode_basic_auth(settings.twilio_account, settings.twilio_token)}
    async with aiohttp.ClientSession(headers=login, timeout=aiohttp.ClientTimeout(SECONDS)) as session:
        yield Twilio(session, settings.twilio_account, settings.twilio_from, TWILIO)


class Outbox:
    """Keeps SMS to be read at the outbox page."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def send(self, sms: Sms) -> None:
        """Keep an SMS; the same a second time changes nothing."""
        async with reading(self._pool) as db:
            await letters.keep(db, sms.job_id, "sms", sms.to, "", sms.text, None)


class Twilio:
    """Hands SMS to Twilio's REST interface."""

    def __init__(self, session: aiohttp.ClientSession, account: str, sender: str, url: str) -> None:
        self._session = session
        self._address = f"{url}/2010-04-01/Accounts/{account}/Messages.json"
        self._sender = sender

    async def send(self, sms: Sms) -> None:
        """Hand over an SMS; Twilio knows no keys for repeats, so whoever dies before noting its yes sends it again."""
        form = {"From": self._sender, "To": sms.to, "Body": sms.text}
        async with self._session.post(self._address, data=form, allow_redirects=False) as answer:
            if answer.status == REFUSED:
                said = (await answer.content.read(300)).decode(errors="replace")
                raise Undeliverable(said)
            if answer.status not in (200, 201):
                raise ConnectionError(f"Twilio answered {answer.status}.")
