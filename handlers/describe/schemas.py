"""JSON Schemas of everything that is asked, answered and told, shared by all descriptions."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from handlers.endpoint import Endpoint
from handlers.table import facts, table
from handlers.watching import COMMANDS, Command
from hub.errors import HubError
from hub.events import Event

Schema = dict[str, Any]

PARAMETER = re.compile(r"{(\w+)}")
# Where the refusals live that are part of the API; commands of the terminal and tests have refusals of their own.
_OURS = ("hub.errors", "hub.live.", "hub.services.", "handlers.")
_OF_THE_TERMINAL = ("hub.services.founding",)


def sentence(thing: object) -> str:
    """Read the first sentence of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def refusals() -> list[type[HubError]]:
    """List every refusal, by status and code."""

    def below(kind: type[HubError]) -> Iterator[type[HubError]]:
        for one in kind.__subclasses__():
            if one.__module__.startswith(_OURS) and one.__module__ not in _OF_THE_TERMINAL:
                yield one
            yield from below(one)

    return sorted(set(below(HubError)), key=lambda one: (one.status, one.code))


@dataclass(frozen=True)
class Schemas:
    """The shared schemas by name, and which of them each model is."""

    shared: dict[str, Schema]
    names: dict[tuple[type[BaseModel], str], str]

    def asked(self, model: type[BaseModel]) -> Schema:
        """Refer to a model as it is sent to the hub."""
        return refer(self.names[model, "validation"])

    def answered(self, model: type[BaseModel]) -> Schema:
        """Refer to a model as the hub sends it."""
        return refer(self.names[model, "serialization"])

    def fields(self, model: type[BaseModel]) -> Schema:
        """Answer the object schema of an ask itself, not a reference to it."""
        return self.shared[self.names[model, "validation"]]


def used(document: Any, shared: dict[str, Schema]) -> dict[str, Schema]:
    """Answer the shared schemas that a document refers to, directly or through others."""
    found: dict[str, Schema] = {}
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            name = str(one.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in shared and name not in found:
                found[name] = shared[name]
                waiting.append(shared[name])
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return dict(sorted(found.items()))


def refer(name: str) -> Schema:
    """Refer to a shared schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def models(
    endpoints: Iterable[Endpoint], commands: Iterable[Command], events: Iterable[type[Event]]
) -> set[tuple[type[BaseModel], str]]:
    """List the models that travel, each with its direction."""
    found: set[tuple[type[BaseModel], str]] = set()
    for one in endpoints:
        if one.ask is not None:
            found.add((one.ask, "validation"))
        if isinstance(one.answer, type) and issubclass(one.answer, BaseModel):
            found.add((one.answer, "serialization"))
    for command in commands:
        found |= {(command.ask, "validation"), (command.answer, "serialization")}
    return found | {(event.data_model(), "serialization") for event in events}


class _LocalTimes(GenerateJsonSchema):
    def time_schema(self, schema: Any) -> Schema:
        # The format `time` of JSON Schema has an offset; a time of day at a venue has none.
        pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?$"
        return {"type": "string", "pattern": pattern, "examples": ["15:00:00"]}


def schemas() -> Schemas:
    """Write the schema of everything that travels."""
    found = models(table().values(), COMMANDS.values(), facts().values())
    ordered: Any = sorted(found, key=lambda pair: (pair[0].__name__, pair[1]))
    references, document = models_json_schema(
        ordered, ref_template="#/components/schemas/{model}", schema_generator=_LocalTimes
    )
    shared = {_plain(name): _rename(schema) for name, schema in document.get("$defs", {}).items()}
    names: Any = {pair: _plain(reference["$ref"].rpartition("/")[2]) for pair, reference in references.items()}
    shared["Problem"] = _problem()
    return Schemas(dict(sorted(shared.items())), names)


def _plain(name: str) -> str:
    """Turn pydantic's name of a schema into one that every language takes: `Page_Venue_` is a VenuePage."""
    generic = re.fullmatch(r"([A-Z]\w*?)_(\w+)_", name)
    return f"{generic[2]}{generic[1]}" if generic else name.replace("-", "").removesuffix("Output")


def _rename(schema: Any) -> Any:
    if isinstance(schema, dict):
        renamed = {key: _rename(value) for key, value in schema.items() if not _is_needless(key, schema)}
        for key in ("$ref",):
            if isinstance(renamed.get(key), str):
                place, _, name = renamed[key].rpartition("/")
                renamed[key] = f"{place}/{_plain(name)}"
        if isinstance(renamed.get("mapping"), dict):
            renamed["mapping"] = {tag: _rename({"$ref": ref})["$ref"] for tag, ref in renamed["mapping"].items()}
        return renamed
    return [_rename(one) for one in schema] if isinstance(schema, list) else schema


def _is_needless(key: str, schema: Schema) -> bool:
    # pydantic repeats each field's name as its title.
    return (
        key == "title"
        and isinstance(schema["title"], str)
        and ("type" in schema or "anyOf" in schema or "$ref" in schema)
    )


def _problem() -> Schema:
    text = {"type": "string"}
    field = {
        "type": "object",
        "required": ["field", "message"],
        "properties": {"field": {"type": "string", "description": "Dotted path."}, "message": text},
    }
    return {
        "type": "object",
        "description": "A refusal, as RFC 9457 has it; `code` never changes, `detail` is for people.",
        "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "instance": text,
            "code": {"type": "string", "enum": sorted({one.code for one in refusals()})},
            "request_id": text,
            "errors": {"type": "array", "items": field, "description": "What is wrong with which field."},
            "reasons": {"type": "array", "items": {"type": "object"}, "description": "Why it cannot be had."},
            "alternatives": {"type": "array", "items": {"type": "object"}, "description": "What can be had instead."},
            "retry_after": {"type": "number", "description": "Seconds to wait."},
        },
    }
