"""Mail and SMS: whoever has to tell a person something enqueues it here, in the transaction that causes it."""

from __future__ import annotations

from collections.abc import Mapping

from hub.services import letters
from hub.services.letters import Fact
from hub.work import Work


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
