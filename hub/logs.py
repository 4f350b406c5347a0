"""Logs: one JSON line for each thing worth knowing, in which no secret and nothing about a person survives."""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TextIO

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter

REDACTED = "[redacted]"

# Names of fields whose values are nobody's business, wherever they stand.
_HIDDEN = re.compile(
    r"passw|secret|token|authori[sz]ation|cookie|otp|recovery_code|api_?key|signature|credential|"
    r"e?mail|phone|^to$|recipient|full_name|first_name|last_name|actor_name|birth|gender|guest|notes|^bio$|device",
    re.IGNORECASE,
)
# Names, paths and times, as most of what is logged is: none of the texts below can hide in them.
_PLAIN = re.compile(r"(?!.*eyJ)[A-Za-z0-9_./-]{0,40}|[0-9TZ:.-]{0,40}")
_NUMBERS = frozenset({bool, int, float, type(None)})
# One-time codes; a refusal's code is a word.
_CODE = re.compile(r"\d{4,10}")

# What gives itself away inside a text: tokens, passwords in addresses, fields of forms, what PostgreSQL and pydantic
# quote of what they were given, addresses and numbers of people.
# Each looks a bounded way ahead from a rare sign, so that no text, however long, takes long.
_TEXTS = tuple(
    (re.compile(pattern, flags), instead)
    for pattern, flags, instead in (
        (r"\beyJ[\w-]{8,4000}\.[\w-]{1,4000}\.[\w-]{0,4000}", 0, "[token]"),
        (r"\b[0-9a-f]{32}\.[\w-]{43}\b", 0, "[token]"),
        (r"\b(Bearer|Basic) {1,9}[\w.~+/=-]+", re.IGNORECASE, r"\1 [token]"),
        (r"(://[^\s:/@]{0,64}):[^\s/@]{1,256}@", 0, r"\1:[redacted]@"),
        (
            r"((?:passw\w{0,9}|secret|token)[\"']? {0,9}[=:] {0,9})[\"']?[^\s,;&\"'}\])]+",
            re.IGNORECASE,
            r"\1[redacted]",
        ),
        (r"\b((?:code|state|nonce)=)[^\s,;&\"']+", re.IGNORECASE, r"\1[redacted]"),
        (r"(DETAIL|CONTEXT|HINT):.*", 0, r"\1: [redacted]"),
        (r"(input_value=).{0,300}?(, input_type=)", re.DOTALL, r"\1[redacted]\2"),
        (r"(?<![^\s@<>\"'(),;:=])[^\s@<>\"'(),;:=]{1,64}@[^\s@<>\"'(),;:]{1,255}", 0, "[e-mail]"),
        (r"\+\d[\d ()-]{6,20}\d", 0, "[phone]"),
    )
)


def redacted(value: Any, name: str = "") -> Any:
    """Hide what must not stand in a log, by the name of a field or by what a text looks like."""
    if _is_hidden(name) and value not in (None, "", True, False):
        return REDACTED
    if name == "code" and _CODE.fullmatch(str(value)):
        return REDACTED
    if type(value) in _NUMBERS or (type(value) is str and _PLAIN.fullmatch(value)):
        return value
    if isinstance(value, Mapping):
        return {str(key): redacted(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(one, name) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    for pattern, instead in _TEXTS:
        text = pattern.sub(instead, text)
    return text


@functools.lru_cache(maxsize=1000)
def _is_hidden(name: str) -> bool:
    return _HIDDEN.search(name) is not None


def redact(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Be the last to see a line before it is written."""
    return {name: redacted(value, name) for name, value in event.items()}


def _written(event: structlog.typing.EventDict, *, default: Callable[[Any], Any]) -> str:
    """Write a line as JSON in ASCII, which escapes every control character: no text can end a line or begin another."""
    with suppress(orjson.JSONEncodeError):
        line = orjson.dumps(event, default)
        if line.isascii() and b"\x7f" not in line:
            return line.decode()
    return json.dumps(event, default=default, separators=(",", ":"))


def configure(level: int, stream: TextIO, *, remember: bool = True) -> None:
    """Write all that is at least so important to a stream, ours and that of others."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
    ]
    last: list[structlog.typing.Processor] = [redact, structlog.processors.JSONRenderer(_written)]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Our own lines, one for each request, do not take the long way through those of others.
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=remember,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(processors=[ProcessorFormatter.remove_processors_meta, *last], foreign_pre_chain=shared)
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
