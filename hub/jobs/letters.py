"""The jobs that write a letter and hand it over."""

from __future__ import annotations

from hub.core import Hub
from hub.gateways.mail import Mail, MailGateway
from hub.gateways.sms import Sms, SmsGateway
from hub.services import booking_letters, letters
from storage.jobs import Job


async def send_mail(hub: Hub, mailer: MailGateway, job: Job) -> None:
    """Write the mail that was enqueued, by its template or about a booking, and send it."""
    told, site = job.data, hub.settings.public_url
    if "booking_id" in told:
        written = await booking_letters.mail(hub, told["booking_id"], told["fact"], told.get("payment_id"))
    else:
        written = told["to"], letters.mail(told["template"], told["language"], told["facts"], site=site), ()
    # Whoever has gone meanwhile is not written any more.
    if written is not None:
        to, letter, attachments = written
        await mailer.send(Mail(job.id, to, letter.subject, letter.text, letter.html, job.made_at, attachments))


async def send_sms(hub: Hub, texter: SmsGateway, job: Job) -> None:
    """Write the SMS that was enqueued, by its template or about a booking, and send it."""
    told, site = job.data, hub.settings.public_url
    if "booking_id" in told:
        written = await booking_letters.sms(hub, told["booking_id"], told["fact"])
    else:
        written = told["to"], letters.sms(told["template"], told["language"], told["facts"], site=site)
    if written is not None:
        to, text = written
        await texter.send(Sms(job.id, to, text))
