"""Values that are wrong for a field, chosen by its schema."""

import json
from collections.abc import Iterator
from typing import Any

from handlers.describe.examples import example
from handlers.describe.schemas import Schema, Schemas
from handlers.endpoint import Endpoint

BEYOND = "@beyond@"
CONTROL = "bell \x07 and NUL \x00"
HUGE = "x" * 20_000


def fields_of(endpoint: Endpoint, known: Schemas) -> dict[str, Schema]:
    """List the fields of an ask, without those of its path."""
    if endpoint.ask is None:
        return {}
    fields = known.fields(endpoint.ask).get("properties", {})
    return {name: field for name, field in fields.items() if f"{{{name}}}" not in endpoint.path}


def base(endpoint: Endpoint, known: Schemas) -> dict[str, Any]:
    """Make up an ask with everything that is required."""
    assert endpoint.ask is not None
    made: dict[str, Any] = example(known.fields(endpoint.ask), known.shared)
    return {name: value for name, value in made.items() if f"{{{name}}}" not in endpoint.path}


def wrong_json(field: Schema, known: Schemas) -> Iterator[Any]:
    """Make up JSON values that cannot be right."""
    kinds = set(_kinds(field, known))
    yield from [float("nan"), float("inf"), BEYOND, 2**70]
    if "array" not in kinds:
        yield from [[[]], [1]]
    if "object" not in kinds:
        yield {"a": 1}
    if "string" in kinds:
        yield from [CONTROL, "\ud800"]
        # A dictionary's long text is judged by its own fields.
        if "object" not in kinds:
            yield HUGE
    else:
        yield "x"
    if kinds & {"integer", "number"}:
        yield from ["5", -(2**53)]
    if kinds == {"integer"}:
        yield 1.5
    if kinds == {"boolean"}:
        yield from ["true", 1]
    if "boolean" not in kinds:
        yield True
    if "null" not in kinds:
        yield None


def wrong_texts(field: Schema, known: Schemas) -> Iterator[str]:
    """Make up values of a query that cannot be right."""
    kinds = set(_kinds(field, known))
    yield CONTROL
    if not kinds & {"string", "array"}:
        yield from ["x", "1e400", "NaN", str(2**70), ""]
    if kinds <= {"integer", "null"}:
        yield from ["1.5", str(-(2**53))]
    if "string" in kinds:
        yield HUGE[:3000]


def _kinds(field: Schema, known: Schemas) -> Iterator[str]:
    if "$ref" in field:
        yield from _kinds(known.shared[field["$ref"].rpartition("/")[2]], known)
    for choice in field.get("anyOf", []) + field.get("oneOf", []):
        yield from _kinds(choice, known)
    if "type" in field:
        yield field["type"]
    elif "const" in field or "enum" in field:
        yield "string"


def write(thing: Any) -> bytes:
    """Write JSON as a careless or hostile client does."""
    return json.dumps(thing, allow_nan=True).replace(f'"{BEYOND}"', "1e400").encode()
