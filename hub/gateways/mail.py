"""Mail: sent over SMTP where a server is named, else kept in the outbox."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from hub.gateways import Undeliverable
from hub.settings import Settings
from storage import letters
from storage.pool import Pool
from storage.transaction import reading

SECONDS = 15.0
SECONDS_TO_LEAVE = 1.0
# Servers hang up on those who say nothing for a while; a connection that rested longer is not trusted.
SECONDS_AT_REST = 20.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail; its media type may have parameters, as `text/calendar; method=CANCEL`."""

    name: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person; written again, it is the same to the letter, but for the border of its parts."""

    job_id: int
    to: str
    subject: str
    text: str
    html: str
    made_at: datetime
    attachments: tuple[Attachment, ...] = ()


class MailGateway(Protocol):
    """Whoever takes mail."""

    async def send(self, mail: Mail) -> None:
        """Take a mail for good, or raise: Undeliverable when trying again is in vain."""


@asynccontextmanager
async def mail_gateway(settings: Settings, pool: Pool) -> AsyncIterator[MailGateway]:
    """Open the SMTP server of the settings, or the outbox."""
    if settings.smtp_url is None:
        yield Outbox(pool)
        return
    gateway = Smtp(settings.smtp_url, settings.mail_from)
    try:
        yield gateway
    finally:
        await gateway.close()


class Outbox:
    """Keeps mail to be read at the outbox page."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def send(self, mail: Mail) -> None:
        """Keep a mail; the same a second time changes nothing."""
        async with reading(self._pool) as db:
            attached = [(one.name, one.media_type, one.body) for one in mail.attachments]
            await letters.keep(db, mail.job_id, "mail", mail.to, mail.subject, mail.text, mail.html, attached)


class Smtp:
    """Hands mail to an SMTP server, over one connection that is kept."""

    def __init__(self, url: str, sender: str) -> None:
        self._sender = sender
        parts = urlsplit(url)
        username = unquote(parts.username) if parts.username else None
        secure = parts.scheme == "smtps"
        tells_password = username is not None and parts.hostname not in LOOPBACK
        self._client = aiosmtplib.SMTP(
            hostname=parts.hostname or "localhost",
            port=parts.port or (465 if secure else 587),
            username=username,
            password=unquote(parts.password) if parts.password else None,
            use_tls=secure,
            # None takes TLS where it is offered; who stands between could hide the offer, so a password insists on it.
            start_tls=False if secure else True if tells_password else None,
            timeout=SECONDS,
        )
        self._alone = asyncio.Lock()
        self._rested_since = 0.0

    async def send(self, mail: Mail) -> None:
        """Hand over a mail; once the server has said 250 it is its mail."""
        message = written(mail, self._sender)
        async with self._alone:
            try:
                await self._connect()
                await self._client.send_message(
                    message, sender=parseaddr(self._sender)[1], recipients=[_ascii(mail.to)]
                )
            except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPResponseException) as error:
                if is_final(error):
                    raise Undeliverable(_said(error)) from error
                raise
            except aiosmtplib.SMTPNotSupported as error:
                raise Undeliverable("The mail server takes no such address.") from error
            except BaseException:
                # Nobody knows how far it came, so the next mail starts on a connection of its own.
                self._client.close()
                raise
            self._rested_since = time.monotonic()

    async def _connect(self) -> None:
        if self._client.is_connected and time.monotonic() - self._rested_since > SECONDS_AT_REST:
            await self.close()
        if not self._client.is_connected:
            await self._client.connect()

    async def close(self) -> None:
        """Take leave of the server."""
        if self._client.is_connected:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit(timeout=SECONDS_TO_LEAVE)
        self._client.close()


def is_final(error: aiosmtplib.SMTPException) -> bool:
    """Tell whether the server refused this very mail for good, and not the hub, nor for now."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(one.code >= 500 for one in error.recipients)
    return isinstance(error, aiosmtplib.SMTPDataError) and error.code >= 500


def _said(error: aiosmtplib.SMTPException) -> str:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(f"{one.code} {one.message}" for one in error.recipients)
    return str(error)


def written(mail: Mail, sender: str) -> EmailMessage:
    """Write a mail as it goes over the wire; header values are judged by the library, which takes no line breaks."""
    to = _ascii(mail.to)
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    name, address = parseaddr(sender)
    message["From"] = Address(name, addr_spec=address)
    local, _, domain = to.rpartition("@")
    # Only an address in ASCII is judged by the library, so that it is one and not several.
    message["To"] = Address(addr_spec=to) if to.isascii() else Address(username=local, domain=domain)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.made_at)
    # The same whenever this job is done, so that a mailbox that gets it twice can tell.
    message["Message-ID"] = f"<{mail.made_at:%Y%m%d%H%M%S%f}.{mail.job_id}@{_ascii(address).rpartition('@')[2]}>"
    # Holiday notices are not to be answered with.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    for one in mail.attachments:
        _attach(message, one)
    return message


def _attach(message: EmailMessage, one: Attachment) -> None:
    told = EmailMessage()
    told["Content-Type"] = one.media_type
    kind, subtype = told.get_content_maintype(), told.get_content_subtype()
    if kind == "text":
        parameters = dict(told["Content-Type"].params)
        message.add_attachment(one.body.decode(), subtype=subtype, filename=one.name, params=parameters)
    else:
        message.add_attachment(one.body, maintype=kind, subtype=subtype, filename=one.name)


def _ascii(address: str) -> str:
    """Write the domain as the mail system knows it."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"
