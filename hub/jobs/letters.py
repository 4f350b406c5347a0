"""The jobs that write a letter and hand it over."""

from __future__ import annotations

from hub.core import Hub
from hub.gateways.mail import Mail, MailGateway
from hub.gateways.sms import Sms, SmsGateway
from hub.services import booking_letters, letters
from storage.jobs import Job


async def send_mail(hub: Hub, mailer: MailGateway, job: Job) -> None:
    """Write the mail that a service enqueued, and send it."""
    told = job.data
    letter = letters.mail(told["template"], told["language"], told["facts"], site=hub.settings.public_url)
    await mailer.send(Mail(job.id, told["to"], letter.subject, letter.text, letter.html, job.made_at))


async def send_sms(hub: Hub, texter: SmsGateway, job: Job) -> None:
    """Write the SMS that a service enqueued, and send it."""
    told = job.data
    text = letters.sms(told["template"], told["language"], told["facts"], site=hub.settings.public_url)
    await texter.send(Sms(job.id, told["to"], text))


async def send_booking_mail(hub: Hub, mailer: MailGateway, job: Job) -> None:
    """Write to a guest what became of their booking."""
    written = await booking_letters.mail(hub, job.data["booking_id"], job.data["fact"])
    if written is not None:
        to, letter = written
        await mailer.send(Mail(job.id, to, letter.subject, letter.text, letter.html, job.made_at))


async def send_booking_sms(hub: Hub, texter: SmsGateway, job: Job) -> None:
    """Tell a guest in one line what became of their booking."""
    written = await booking_letters.sms(hub, job.data["booking_id"], job.data["fact"])
    if written is not None:
        to, text = written
        await texter.send(Sms(job.id, to, text))
