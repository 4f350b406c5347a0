"""Examples that fit their schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.describe.schemas import Schema

_TEXTS = {
    "date-time": "2027-03-12T09:00:00Z",
    "date": "2027-03-12",
    "time": "09:00:00",
    "email": "ana@example.org",
    "uuid": "0190f5fe-7c00-7a00-8000-000000000001",
    "uri": "https://example.org/",
    "password": "a long sentence nobody guesses",
    "duration": "PT1H",
}
_PATTERNS = {"^[A-Z]{3}$": "EUR"}


def example(schema: Schema, shared: Mapping[str, Schema], depth: int = 0) -> Any:
    """Make up a value that fits a schema, with everything required and what has an example of its own."""
    if "$ref" in schema:
        return example(shared[schema["$ref"].rpartition("/")[2]], shared, depth)
    if schema.get("examples"):
        return schema["examples"][0]
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return example(schema[choice][0], shared, depth)
    return _of_type(schema, shared, depth)


def _of_type(schema: Schema, shared: Mapping[str, Schema], depth: int) -> Any:
    match schema.get("type"):
        case "object":
            required = schema.get("required", [])
            fields = {name: field for name, field in schema.get("properties", {}).items() if name in required}
            return {name: example(field, shared, depth + 1) for name, field in fields.items()}
        case "array":
            return [example(schema["items"], shared, depth + 1)] if depth < 6 and "items" in schema else []
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _text(schema)


def _text(schema: Schema) -> str:
    if "pattern" in schema:
        return _PATTERNS.get(schema["pattern"], "example")
    text = _TEXTS.get(schema.get("format", ""), "example")
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", len(text)))
    return (text * (least // len(text) + 1))[: max(least, min(len(text), most))]
