"""JSON in and out: strict reading of what is asked, one way of writing what is answered."""

from __future__ import annotations

import functools
import json
import math
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, Union, get_args, get_origin

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from handlers.endpoint import Endpoint
from handlers.problems import invalid
from hub.errors import Invalid, Malformed

_DEEPEST = 32
_LARGEST_INTEGER = 2**63 - 1
_LONGEST_REPEATED = 100
_KEY = re.compile(rb'"[ \t\r\n]*:')


def read_object(text: bytes) -> dict[str, Any]:
    """Read one JSON object; what other readers of JSON might understand differently is refused."""
    try:
        read = _read_plain(text)
        if read is None:
            # orjson would let the last of two equal keys win and turn huge integers into floats.
            read = json.loads(text.decode(), object_pairs_hook=_object_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise Malformed() from error
    if not isinstance(read, dict):
        raise Malformed()
    refuse_strange(read)
    return read


def _read_plain(text: bytes) -> Any:
    """Read in a third of the time what names nothing twice and has no fractions nor huge numbers; else answer None.

    What looks like a key in the text is one, or stands inside a string: where there are no more of them than keys were
    read, no key stands there twice.
    """
    try:
        read = orjson.loads(text)
        return read if _keys(read) == len(_KEY.findall(text)) else None
    except (orjson.JSONDecodeError, RecursionError):
        # The careful way says what is wrong.
        return None


def _keys(read: Any) -> float:
    """Count the keys of objects; no count at all where there is a fraction, as which huge integers are read too."""
    if isinstance(read, dict):
        return len(read) + sum(map(_keys, read.values()))
    if isinstance(read, list):
        return sum(map(_keys, read))
    return math.nan if isinstance(read, float) else 0


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid.field(printable(twice), "is named twice")
    return read


def refuse_strange(read: object) -> None:
    """Refuse values that JSON's standard does not have, or that the database cannot keep."""
    if _is_plain(read, _DEEPEST):
        return
    errors = list(_strange(read, ()))
    if errors:
        raise Invalid(errors=errors)


def _is_plain(read: object, depth: int) -> bool:
    """Tell in a tenth of the time that nothing is strange about most of what is asked."""
    if isinstance(read, str):
        return read.isprintable()
    if isinstance(read, dict):
        return depth > 0 and all(
            len(name) <= _LONGEST_REPEATED and name.isprintable() and _is_plain(value, depth - 1)
            for name, value in read.items()
        )
    if isinstance(read, list):
        return depth > 0 and all(_is_plain(value, depth - 1) for value in read)
    return read is None or isinstance(read, bool) or (isinstance(read, int) and abs(read) <= _LARGEST_INTEGER)


def _strange(read: object, path: tuple[str, ...]) -> Iterable[dict[str, str]]:
    message = _strangeness(read)
    if isinstance(read, dict | list):
        if len(path) >= _DEEPEST:
            message = "is nested too deeply"
        else:
            yield from _strange_inside(read, path)
    if message:
        yield {"field": ".".join(path), "message": message}


def _strangeness(read: object) -> str | None:
    if isinstance(read, str) and ("\0" in read or not _is_unicode(read)):
        return "must not contain NUL or broken characters"
    if isinstance(read, float) and not math.isfinite(read):
        return "must be a finite number"
    if isinstance(read, int) and abs(read) > _LARGEST_INTEGER:
        return "is too large a number"
    if isinstance(read, bytes):
        return "must not be binary"
    return None


def _strange_inside(read: dict[Any, Any] | list[Any], path: tuple[str, ...]) -> Iterable[dict[str, str]]:
    for step, value in read.items() if isinstance(read, dict) else enumerate(read):
        name = printable(str(step))
        if name != str(step):
            yield {"field": ".".join((*path, name)), "message": "is not known here"}
        yield from _strange(value, (*path, name))


def printable(text: str) -> str:
    """Cut a text that came from outside to what may be repeated to its sender."""
    if len(text) <= _LONGEST_REPEATED and text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text[:_LONGEST_REPEATED])


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@functools.cache
def list_fields(model: type[BaseModel]) -> frozenset[str]:
    """Name the fields that take several values, which a query repeats or separates by commas."""
    return frozenset(field.alias or name for name, field in model.model_fields.items() if _is_list(field.annotation))


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, types.UnionType):
        return any(map(_is_list, get_args(annotation)))
    return get_origin(annotation) in (list, set, frozenset, tuple)


def read_query(model: type[BaseModel] | None, query: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Gather a query's values by name; only a list may be named twice."""
    several = list_fields(model) if model else frozenset()
    read: dict[str, Any] = {}
    for name, value in query:
        if name in several:
            read.setdefault(name, []).extend(part for part in value.split(",") if part)
        elif name in read:
            raise Invalid.field(printable(name), "is named twice")
        else:
            read[name] = value
    refuse_strange(read)
    return read


def read_ask(endpoint: Endpoint, asked: Mapping[str, Any], *, strict: bool) -> BaseModel | None:
    """Make the ask of an endpoint; `strict` takes JSON as it stands, else texts are read as what the field is."""
    if endpoint.ask is None:
        if asked:
            raise Invalid(errors=[{"field": printable(name), "message": "is not known here"} for name in asked])
        return None
    try:
        if strict:
            return endpoint.ask.model_validate_json(orjson.dumps(asked), strict=True)
        return endpoint.ask.model_validate(dict(asked))
    except ValidationError as error:
        raise invalid(error, asked) from error


def canonical(asked: Mapping[str, Any]) -> bytes:
    """Write an ask so that two equal asks are equal bytes, in whatever order their fields came."""
    return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)


def write(answer: Any) -> bytes:
    """Write an answer as JSON text."""
    if isinstance(answer, BaseModel):
        # Not orjson: pydantic writes its own models faster, and dates the same way as events and kept answers do.
        return answer.model_dump_json(by_alias=True).encode()
    return _ANY.dump_json(answer, by_alias=True)


_ANY: TypeAdapter[Any] = TypeAdapter(Any)
