"""The endpoint table spoken over Socket.IO: a command's name, one object, and an acknowledgement."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Any

import orjson
import structlog

from handlers.calling import carry_out, judge, noting_denied, repeatable, replayed
from handlers.documents import canonical, printable, read_ask, refuse_strange, write
from handlers.endpoint import Endpoint
from handlers.problems import Fault, problem
from handlers.table import table
from hub.core import Actor, Hub
from hub.errors import HubError, Invalid, Malformed
from hub.work import Repeated

KEY = "idempotency_key"

log = structlog.get_logger()


class UnknownCommand(HubError):
    """There is no such command; /docs/events lists them."""

    code, status = "unknown_command", 404


async def answer(hub: Hub, actor: Actor, name: str, payload: Any) -> dict[str, Any]:
    """Carry out one command and write its acknowledgement."""
    endpoint = table().get(name)
    if endpoint is None or not endpoint.over_socket:
        return refused(UnknownCommand(), printable(name))
    request_id = secrets.token_hex(8)
    actor = replace(actor, request_id=request_id)
    started, outcome = time.perf_counter(), "ok"
    with structlog.contextvars.bound_contextvars(request_id=request_id, user_id=actor.user_id):
        try:
            async with noting_denied(endpoint, hub, actor, payload if isinstance(payload, dict) else {}):
                return {"ok": True, "data": orjson.loads(await _carry_out(endpoint, hub, actor, payload))}
        except HubError as error:
            outcome = error.code
            return refused(error, name, request_id)
        except Exception:
            outcome = Fault.code
            log.exception("fault", command=name)
            return refused(Fault(), name, request_id)
        finally:
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            log.info("command", command=name, outcome=outcome, milliseconds=milliseconds)


async def _carry_out(endpoint: Endpoint, hub: Hub, actor: Actor, payload: Any) -> bytes:
    judge(endpoint, actor)
    asked = {} if payload is None else payload
    if not isinstance(asked, dict):
        raise Malformed("Send one object with all fields.")
    refuse_strange(asked)
    fields = {field: value for field, value in asked.items() if field != KEY}
    actor = repeatable(endpoint, actor, _key(asked), canonical(fields))
    ask = read_ask(endpoint, fields, strict=True)
    try:
        return write(await carry_out(endpoint, hub, actor, ask))
    except Repeated as repeated:
        return replayed(endpoint, repeated)


def _key(asked: dict[str, Any]) -> str | None:
    key = asked.get(KEY)
    if key is not None and not isinstance(key, str):
        raise Invalid.field(KEY, "must be a text")
    return key


def refused(error: HubError, name: str, request_id: str | None = None) -> dict[str, Any]:
    """Write a refusal as an acknowledgement."""
    document = problem(error, name, request_id or secrets.token_hex(8))
    read: dict[str, Any] = {"ok": False, "error": orjson.loads(orjson.dumps(document, default=str))}
    return read
