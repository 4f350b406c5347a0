"""The generated descriptions are fresh, whole, and true to the wire."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest

from handlers import describe
from handlers.over_http import BASE
from handlers.table import facts, table
from tests.doors import Http


@functools.cache
def files() -> dict[str, bytes]:
    """Write the descriptions once, and not before a test asks: every worker reads this module."""
    return describe.files()


@functools.cache
def openapi() -> dict[str, Any]:
    return describe.openapi()


@functools.cache
def asyncapi() -> dict[str, Any]:
    return describe.asyncapi()


def test_what_is_in_static_api_is_what_would_be_written_now() -> None:
    assert {"openapi.json", "asyncapi.json", "endpoints.md", "hub.d.ts"} <= files().keys()
    stale = [name for name, text in files().items() if (describe.FOLDER / name).read_bytes() != text]
    assert stale == [], "stale: run python -m hub describe"


def test_descriptions_do_not_depend_on_the_order_of_anything() -> None:
    code = "import sys; from handlers import describe; sys.stdout.buffer.write(describe.files()['asyncapi.json'])"
    for seed in ("1", "2"):
        made = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, env={"PYTHONHASHSEED": seed}
        )
        assert made.stdout == files()["asyncapi.json"]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


@pytest.mark.parametrize("describing", [openapi, asyncapi])
def test_every_reference_leads_somewhere_and_every_schema_is_one(describing: Callable[[], dict[str, Any]]) -> None:
    document = describing()
    for reference in references(document):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    for name, schema in document["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema), name


def test_every_endpoint_is_in_the_openapi_document() -> None:
    document = openapi()
    for one in table().values():
        operation = document["paths"][BASE + one.path][one.method.lower()]
        assert operation["operationId"] == one.name
        assert str(204 if one.answer is type(None) else one.status) in operation["responses"]
        declared = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert declared == {part.strip("{}") for part in one.path.split("/") if part.startswith("{")}


def test_every_fact_and_command_is_in_the_asyncapi_document() -> None:
    document = asyncapi()
    for name, event in facts().items():
        assert document["components"]["messages"][name]["summary"]
        for room in event.audience:
            assert name in document["channels"][room]["messages"]
    asked = {key.removeprefix("ask_") for key in document["operations"] if key.startswith("ask_")}
    assert {one.name for one in table().values() if one.over_socket} < asked
    assert {"venues.watch", "desks.watch", "me.watch"} < asked


def test_the_examples_fit_their_schemas() -> None:
    document = asyncapi()
    # JSON Schema has no discriminator, and this check needs none.
    text = json.dumps(document["components"]["schemas"]).replace("#/components/schemas/", "#/$defs/")
    shared = json.loads(text)
    for name, message in document["components"]["messages"].items():
        payload = json.loads(json.dumps(message["payload"]).replace("#/components/schemas/", "#/$defs/"))
        for one in message.get("examples", ()):
            faults = list(jsonschema_rs.validator_for(payload | {"$defs": shared}).iter_errors(one["payload"]))
            assert not faults, f"{name}: {faults[0]}"


def test_the_typescript_types_name_everything() -> None:
    types = files()["hub.d.ts"].decode()
    for name in facts():
        assert f'"{name}": Told<"{name}"' in types
    for one in table().values():
        assert not one.over_socket or f'"{one.name}": {{ ask:' in types
    declared = re.findall(r"^export (?:interface|type) (\w+)", types, re.MULTILINE)
    assert len(declared) == len(set(declared))
    used = set(re.findall(r"\b([A-Z]\w+)\b", re.sub(r"/\*\*.*?\*/|\"[^\"]*\"|//.*", "", types)))
    assert used - set(declared) <= {"Record", "Name", "Data"}


async def test_the_hub_serves_the_documents_it_is_described_by(http: Http) -> None:
    assert (await http.get("//openapi.json")).data == json.loads(files()["openapi.json"])
    assert (await http.get("//asyncapi.json")).data == json.loads(files()["asyncapi.json"])
    assert (await http.get("//static/api/hub.d.ts")).status == 200
