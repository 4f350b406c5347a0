"""Schemathesis against the whole application: whatever fits the OpenAPI document, or just not, is never a fault."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from handlers import describe
from hub.live.stream import Stream
from tests.doors import AppServer, ListeningHub, People
from tests.stock import Stock, stock

# Of each kind for each operation; who may do more gets further.
EXAMPLES = {"guest": 1, "customer": 2, "owner": 3}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Reads come first, and what ends things or log-ins last, so that what others need is still there.
ORDER = ("get", "post", "patch", "put", "delete")
LAST = ("auth.logout", "auth.logout_everywhere", "me.end_login")


def ask_everything(url: str, token: str | None, ids: dict[str, Any], examples: int) -> list[str]:
    """Send made-up requests to every operation; answers what went wrong."""
    schema = schemathesis.openapi.from_dict(describe.openapi())
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    operations = [found.ok() for found in schema.get_all_operations()]
    operations.sort(key=lambda one: (one.definition.raw["operationId"] in LAST, ORDER.index(one.method), one.path))
    asked = [(one, mode) for one in operations for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
    faults = [ask_operation(one, mode, url, headers, ids, examples) for one, mode in asked]
    return [fault for fault in faults if fault]


def ask_operation(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    url: str,
    headers: dict[str, str],
    ids: dict[str, Any],
    examples: int,
) -> str | None:
    """Send made-up requests to one operation; answers what went wrong."""

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        name_real_things(case.path_parameters, ids)
        if mode is GenerationMode.POSITIVE:
            name_real_things(case.body, ids)
        response = case.call(base_url=url, headers=headers)
        case.validate_response(response, checks=CHECKS)

    try:
        ask()
    except Unsatisfiable:
        # Where nothing can be sent, nothing wrong can.
        return None
    except (AssertionError, BaseExceptionGroup) as fault:
        return f"{operation.label} {mode}: {_told(fault)}"
    return None


def name_real_things(part: Any, ids: dict[str, Any]) -> None:
    """Put ids of things that exist where made-up ones stand, so that requests get past the first look."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ids and value is not None:
                part[name] = ids[name]
            name_real_things(value, ids)
    elif isinstance(part, list):
        for one in part:
            name_real_things(one, ids)


def _told(fault: BaseException) -> str:
    if isinstance(fault, BaseExceptionGroup):
        return "; ".join(map(_told, fault.exceptions))
    return f"{type(fault).__name__}: {fault}"[:1500]


async def at_once(_: Stream, __: float) -> bytes:
    """Wait for nothing."""
    return b""


@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("role", ["guest", "customer", "owner"])
async def test_no_request_makes_a_fault(
    role: str, app_server: AppServer, hub: ListeningHub, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stream, "next", at_once)
    here: Stock = await stock(hub, people)
    person = {"guest": None, "customer": here.customer, "owner": here.owner}[role]
    ids = {} if role == "guest" else here.ids | {"login_id": str(here.ids["login_id"])}
    token = person.token if person else None
    faults = await asyncio.to_thread(ask_everything, app_server.url, token, ids, EXAMPLES[role])
    assert not faults, "\n\n".join(faults)
