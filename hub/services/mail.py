"""Mail and SMS: whoever has to tell a person something enqueues it here, in the transaction that causes it."""

from __future__ import annotations

from collections.abc import Mapping

from hub.core import Hub
from hub.errors import TooManyRequests
from hub.services import attempts, letters
from hub.services.attempts import Limit
from hub.services.letters import Fact
from hub.work import Work

_DAY = 86_400
# What people have the hub write to others: whoever asks, and to whomever it goes.
_TO_ONE_ADDRESS = Limit("letter_to", ((5, _DAY),))
_BY_ONE_SENDER = Limit("letter_by", ((50, _DAY),))


async def refuse_flood(hub: Hub, work: Work, sender_id: int, to: str) -> None:
    """Refuse one letter too many that somebody has the hub write to somebody else: an invitation, a greeting."""
    wait = max(
        await attempts.take(hub, work.db, _TO_ONE_ADDRESS, to.lower()),
        await attempts.take(hub, work.db, _BY_ONE_SENDER, sender_id),
    )
    if wait > 0:
        raise TooManyRequests("Too many letters to others in one day; send this one later.", retry_after=wait)


async def send(
    work: Work, to: str, template: str, language: str, facts: Mapping[str, Fact], *, once: str | None = None
) -> None:
    """Have a mail written by this template and sent after commit; of several with the same `once` only the first is."""
    await _send(work, "mail", to, template, language, facts, once)


async def send_sms(
    work: Work, to: str, template: str, language: str, facts: Mapping[str, Fact], *, once: str | None = None
) -> None:
    """Have an SMS written by this template and sent after commit; of several with the same `once` only the first is."""
    await _send(work, "sms", to, template, language, facts, once)


async def _send(
    work: Work, kind: str, to: str, template: str, language: str, facts: Mapping[str, Fact], once: str | None
) -> None:
    letters.refuse_unknown(kind, template, facts)
    # The database keeps no such character in a JSON document.
    kept = {name: fact.replace("\x00", "") if isinstance(fact, str) else fact for name, fact in facts.items()}
    data = {"to": to, "template": template, "language": language, "facts": kept}
    await work.enqueue(kind, data, once=once)
