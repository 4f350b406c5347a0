"""A real SMTP server that keeps what it is sent, and misbehaves on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP


@dataclass
class MailServer:
    """What came in, and what is answered."""

    port: int = 0
    received: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    connections: int = 0
    # What to answer to a recipient or a letter in place of 250; called with the address, or the letter.
    refuse_recipient: Callable[[str], str | None] = lambda address: None
    refuse_letter: Callable[[EmailMessage], str | None] = lambda letter: None
    # Called once the letter is taken, before the sender is told so.
    taken: Callable[[int], None] = lambda count: None
    # How long it thinks before it says yes, in seconds.
    thinks: float = 0

    @property
    def url(self) -> str:
        """Answer the address for SMTP_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    def ids(self) -> list[str]:
        """List the Message-IDs in the order in which they came."""
        return [str(letter["Message-ID"]) for letter in self.received]

    async def handle_RCPT(  # noqa: N802 - so the server calls it
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        """Take a recipient, or not."""
        refused = self.refuse_recipient(address)
        if refused:
            return refused
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Take a letter, or not."""
        letter = message_from_bytes(envelope.content, _class=EmailMessage, policy=default)
        assert isinstance(letter, EmailMessage)
        refused = self.refuse_letter(letter)
        if refused:
            return refused
        self.received.append(letter)
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        self.taken(len(self.received))
        await asyncio.sleep(self.thinks)
        return "250 It is mine now"


@asynccontextmanager
async def mail_server(**smtp: Any) -> AsyncIterator[MailServer]:
    """Run an SMTP server on a port of this machine."""
    mails = MailServer()

    def connected() -> SMTP:
        mails.connections += 1
        return SMTP(mails, enable_SMTPUTF8=True, **smtp)

    serving = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    mails.port = serving.sockets[0].getsockname()[1]
    try:
        yield mails
    finally:
        serving.close()
