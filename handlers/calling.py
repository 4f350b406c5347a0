"""What both wires do with an ask: judge who may, note the repeat, carry it out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from handlers.documents import write
from handlers.endpoint import EVERYBODY, SIGNED_IN, Call, Endpoint
from hub.core import Actor, Hub
from hub.errors import Forbidden, HubError, Invalid, Unauthenticated
from hub.services import access, audit
from hub.work import Repeat, Repeated

_LONGEST_KEY = 255
_NAMED = re.compile(r"{(\w+)_id}")


def judge(endpoint: Endpoint, actor: Actor) -> None:
    """Refuse who may not call this endpoint at all; whose things they may touch is for the service to judge."""
    if endpoint.may == EVERYBODY:
        return
    if actor.user_id is None:
        raise Unauthenticated()
    if endpoint.may != SIGNED_IN and not actor.may(endpoint.may):
        raise Forbidden()
    if endpoint.in_person:
        access.in_person(actor)


@contextlib.asynccontextmanager
async def noting_denied(endpoint: Endpoint, hub: Hub, actor: Actor, named: Mapping[str, Any]) -> AsyncIterator[None]:
    """Keep in the audit what somebody signed in was refused: for want of a right, or because it is not theirs."""
    try:
        yield
    except HubError as refusal:
        if refusal.status in (403, 404) and actor.user_id is not None and endpoint.may != EVERYBODY:
            await audit.denied(hub, replace(actor, asked=endpoint.name), *_named(endpoint, named), refusal)
        raise


def _named(endpoint: Endpoint, named: Mapping[str, Any]) -> tuple[str, int | None]:
    """Tell what an ask is about, by the last id in its path: bookings.read of 7 is about booking 7."""
    found = _NAMED.findall(endpoint.path)
    if not found:
        return endpoint.subject.removesuffix("s"), None
    return found[-1], number(named.get(f"{found[-1]}_id"))


def number(given: Any) -> int | None:
    """Read an id that nobody has judged yet; None when it cannot be one."""
    text = str(given)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else None


def repeatable(endpoint: Endpoint, actor: Actor, key: str | None, body: bytes) -> Actor:
    """Put the Idempotency-Key of a request on the actor, where a unit of work finds it."""
    if key is None or not endpoint.repeatable:
        return actor
    if not 1 <= len(key) <= _LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise Invalid.field("Idempotency-Key", f"must be 1 to {_LONGEST_KEY} printable ASCII characters")
    if actor.user_id is None:
        raise Unauthenticated()
    return replace(actor, repeat=Repeat(actor.user_id, endpoint.name, key, body))


def replayed(endpoint: Endpoint, repeated: Repeated) -> bytes:
    """Write what was answered before as it was written then; the database writes times in another way."""
    if isinstance(endpoint.answer, type) and issubclass(endpoint.answer, BaseModel):
        # What an older version of the hub has answered may not fit any more, and is said as it was kept.
        with contextlib.suppress(ValidationError):
            return write(endpoint.answer.model_validate_json(repeated.answer))
    return repeated.answer.encode()


async def carry_out(endpoint: Endpoint, hub: Hub, actor: Actor, ask: BaseModel | None) -> Any:
    """Call the handler of an endpoint."""
    known = actor if actor.asked == endpoint.name else replace(actor, asked=endpoint.name)
    call = Call(hub, known, hub.settings.public_url)
    return await (endpoint.handler(call) if ask is None else endpoint.handler(call, ask))
