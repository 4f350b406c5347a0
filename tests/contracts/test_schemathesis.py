"""Schemathesis against the whole application: whatever fits the OpenAPI document, or just not, is never a fault."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as pace
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
from hub.settings import Settings
from storage.embedded import Urls
from tests.doors import AppServer, People
from tests.live.conftest import working
from tests.servers import Copies, url_of
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


@dataclass
class Made:
    """Requests of one kind that were made up for one operation."""

    mode: GenerationMode
    cases: list[Case[Any]] = field(default_factory=list)


def made_up() -> list[Made]:
    """Make up requests to every operation, as many of each kind as whoever may do most sends."""
    schema = schemathesis.openapi.from_dict(describe.openapi())
    operations = [found.ok() for found in schema.get_all_operations()]
    operations.sort(key=lambda one: (one.definition.raw["operationId"] in LAST, ORDER.index(one.method), one.path))
    return [made_up_for(one, mode) for one in operations for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]


def made_up_for(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> Made:
    """Make up requests to one operation."""
    made = Made(mode)

    @pace(
        max_examples=max(EXAMPLES.values()),
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def make(case: Case[Any]) -> None:
        made.cases.append(case)

    # Where nothing can be sent, nothing wrong can.
    with suppress(Unsatisfiable):
        make()
    return made


def ask_everything(made: list[Made], url: str, token: str | None, ids: dict[str, Any], examples: int) -> list[str]:
    """Send so many of each kind of the requests that were made up; answers what went wrong."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    faults = [ask_one(copied(case), one.mode, url, headers, ids) for one in made for case in one.cases[:examples]]
    return [fault for fault in faults if fault]


def ask_one(
    case: Case[Any], mode: GenerationMode, url: str, headers: dict[str, str], ids: dict[str, Any]
) -> str | None:
    """Send a request that was made up, about things that there are; answers what went wrong."""
    name_real_things(case.path_parameters, ids)
    if mode is GenerationMode.POSITIVE:
        name_real_things(case.body, ids)
    try:
        response = case.call(base_url=url, headers=headers)
        case.validate_response(response, checks=CHECKS)
    except (AssertionError, BaseExceptionGroup) as fault:
        return f"{case.operation.label} {mode}: {_told(fault)}"
    return None


def copied(case: Case[Any]) -> Case[Any]:
    """Copy a request, for it is filled in anew for each who sends it."""
    own = object.__new__(type(case))
    for name in case.__slots__:
        value = getattr(case, name)
        whole = isinstance(value, dict | list) or name == "_meta"
        object.__setattr__(own, name, copy.deepcopy(value) if whole else value)
    return own


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


@pytest.fixture
def fresh(settings: Settings, servers: Urls, copies: Copies) -> Callable[[], AbstractAsyncContextManager[AppServer]]:
    """Run the whole application on a database of its own, one after the other."""

    @asynccontextmanager
    async def one() -> AsyncIterator[AppServer]:
        name = await copies.take()
        try:
            async with working(replace(settings, database_url=url_of(servers.database, name))) as server:
                yield server
        finally:
            copies.give_back(name)

    return one


@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore")
async def test_no_request_makes_a_fault(
    fresh: Callable[[], AbstractAsyncContextManager[AppServer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stream, "next", at_once)
    # Making requests up takes longer than sending them, so all send the same.
    made = await asyncio.to_thread(made_up)
    faults = []
    for role, examples in EXAMPLES.items():
        async with fresh() as server:
            here: Stock = await stock(server.hub, People(server.hub))
            person = {"guest": None, "customer": here.customer, "owner": here.owner}[role]
            ids = {} if role == "guest" else here.ids | {"login_id": str(here.ids["login_id"])}
            token = person.token if person else None
            wrong = await asyncio.to_thread(ask_everything, made, server.url, token, ids, examples)
            faults += [f"{role}: {fault}" for fault in wrong]
    assert not faults, "\n\n".join(faults)
