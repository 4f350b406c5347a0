"""Refusals as problem documents (RFC 9457), the same over both wires."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hub.errors import HubError, Invalid

# pydantic's kinds of error that read better in our own words; the rest are rewritten by rule.
_SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "union_tag_not_found": "must say its kind",
}
_SUBJECT = re.compile(r"^(Input|String|List|Value|Number|Dictionary|Date|Datetime|Time|Tuple|Set) should ")


class MethodNotAllowed(HubError):
    """This address does not take that method; the Allow header names those it takes."""

    code, status = "method_not_allowed", 405


class Fault(HubError):
    """Something broke inside the hub; it has been logged under this request id."""

    code, status = "fault", 500


def type_of(code: str) -> str:
    """Name the kind of problem by a URI that never changes."""
    return f"urn:booking-hub:problem:{code}"


def problem(error: HubError, instance: str, request_id: str) -> dict[str, Any]:
    """Write a refusal as a problem document."""
    document = {
        "type": type_of(error.code),
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": error.sentence,
        "instance": instance,
        "code": error.code,
        "request_id": request_id,
        **error.details,
    }
    if error.retry_after is not None:
        document["retry_after"] = error.retry_after
    return document


def invalid(error: ValidationError, asked: Any) -> Invalid:
    """Name each field that is not acceptable by its dotted path, with a sentence."""
    return Invalid(errors=_unique({"field": _path(one, asked), "message": _sentence(one)} for one in error.errors()))


def _unique(errors: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    return list({(error["field"], error["message"]): error for error in errors}.values())


def _path(error: ErrorDetails, asked: Any) -> str:
    """Join the error's location, without the tags that pydantic adds for the member of a union."""
    steps: list[str] = []
    place = asked
    last = len(error["loc"]) - 1
    for position, step in enumerate(error["loc"]):
        missing_here = position == last and error["type"] == "missing"
        if isinstance(place, dict) and step not in place and not missing_here:
            continue
        steps.append(str(step))
        try:
            place = place[step]
        except (LookupError, TypeError):
            place = None
    return ".".join(steps)


def _sentence(error: ErrorDetails) -> str:
    if error["type"] in _SENTENCES:
        return _SENTENCES[error["type"]]
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "union_tag_invalid":
        return f"must be one of {error['ctx']['expected_tags']}"
    return _SUBJECT.sub("must ", error["msg"])
