"""The HTTP API as an OpenAPI 3.1 document."""

from __future__ import annotations

import sys
from typing import Any

from pydantic import BaseModel, TypeAdapter

from handlers.describe.downloads import downloads
from handlers.describe.schemas import PARAMETER, Schema, Schemas, refer, refusals, schemas, used
from handlers.endpoint import EVERYBODY, SIGNED_IN, Endpoint
from handlers.files import UPLOADS, Uploading
from handlers.following import EVENT_STREAM, LAST_EVENT_ID, STANDS_AT
from handlers.over_http import BASE, WITH_BODY
from handlers.table import table
from hub.models.files import MEDIA_TYPES, NAME, PATH, SIZES
from hub.models.users import User

DESCRIPTION = """\
Watch what is free change live, hold it, book it, and see it arrive on the dashboard at the same moment.

Every refusal is a problem document (RFC 9457) with a stable `code`. Amounts are integers of minor units beside a
`currency`. Who asks too often is answered 429 with `Retry-After`; `RateLimit-Policy` and `RateLimit` say how often that
is, by person and by address, and how much of it is left. Nearly every endpoint is also a command over Socket.IO: see
[the live API](/docs/events). Live rooms can be followed without a socket, too: see `venues.events`.
"""
FOLLOWING = """\
Without `since` the answer is a snapshot, with it what happened after that version; ask again from the `version` it
names, at once where there is `more`. With `wait`, an answer that has nothing to tell comes only once there is
something, or after so many seconds.

With `Accept: text/event-stream` the answer is a stream of server-sent events. It begins with a `snapshot` (the same as
without `since`), unless `Last-Event-ID` or `since` say what you know already; then each event is a message with its
envelope as data, the same as over the socket. Come back with the id of the last one in `Last-Event-ID`, which browsers
do by themselves. When the right to it ends, so does the stream, and says so by its last event: `auth_expired`,
`auth_revoked` or `room.closed`; a worker that stops says `going_away` first. Streams and requests that wait count as
connections: one person has at most 10, and one address at each worker 30 that are not logged in.
"""


def openapi() -> dict[str, Any]:
    """Describe the HTTP API."""
    known = schemas()
    problems = _problems()
    endpoints = sorted(table().values(), key=lambda one: (one.path, one.method))
    paths: dict[str, Any] = {}
    bodies: dict[str, Schema] = {}
    for one in endpoints:
        paths.setdefault(BASE + one.path, {})[one.method.lower()] = _operation(one, known, bodies)
    for upload in UPLOADS:
        paths.setdefault(BASE + upload.path, {})["post"] = _upload(upload, known)
    paths |= downloads()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Booking hub", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": _tags(endpoints),
        "paths": _health() | {f"{PATH}/{{name}}": _file()} | paths,
        "components": {
            "schemas": used([paths, problems], known.shared | bodies),
            "responses": problems,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _tags(endpoints: list[Endpoint]) -> list[dict[str, str]]:
    subjects = {one.subject: sys.modules[one.handler.__module__].__doc__ or "" for one in endpoints}
    return [{"name": subject, "description": text.strip()} for subject, text in sorted(subjects.items())]


def _operation(one: Endpoint, known: Schemas, bodies: dict[str, Schema]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": one.name,
        "tags": [one.subject],
        "summary": one.sentence,
        "description": _description(one),
        "security": [{}, {"token": []}] if one.may == EVERYBODY else [{"token": []}],
        "parameters": _parameters(one, known),
        "responses": _responses(one, known),
    }
    if one.method in WITH_BODY and one.ask is not None:
        body = _without_path(one, known)
        if body.get("properties"):
            bodies[known.names[one.ask, "validation"]] = body
            content = {"application/json": {"schema": known.asked(one.ask)}}
            operation["requestBody"] = {"required": bool(body.get("required")), "content": content}
    return operation


def who_may(may: str) -> str:
    """Say in words who may call an endpoint or a command."""
    return {EVERYBODY: "everybody", SIGNED_IN: "who is logged in"}.get(may, f"who has `{may}`")


def _description(one: Endpoint) -> str:
    lines = [one.description] if one.description else []
    if one.follows is not None:
        lines.append(FOLLOWING.strip())
    lines.append(f"May call: {who_may(one.may)}.")
    if one.in_person:
        lines.append("Only in person: a super admin who acts for somebody is refused.")
    if one.over_socket:
        lines.append(f"Over the socket: `{one.name}`.")
    if one.tells:
        lines.append(f"Tells: {', '.join(f'`{name}`' for name in one.tells)}.")
    return "\n\n".join(lines)


def _without_path(one: Endpoint, known: Schemas) -> Schema:
    """Answer the ask without the fields that the path names."""
    assert one.ask is not None
    whole, named = known.fields(one.ask), set(PARAMETER.findall(one.path))
    body = {key: value for key, value in whole.items() if key not in ("properties", "required")}
    body["properties"] = {name: field for name, field in whole.get("properties", {}).items() if name not in named}
    required = [name for name in whole.get("required", []) if name not in named]
    return body | ({"required": required} if required else {})


def _parameters(one: Endpoint, known: Schemas) -> list[dict[str, Any]]:
    named = PARAMETER.findall(one.path)
    fields = known.fields(one.ask).get("properties", {}) if one.ask else {}
    required = known.fields(one.ask).get("required", []) if one.ask else []
    parameters = [{"name": name, "in": "path", "required": True, "schema": fields[name]} for name in named]
    if one.method not in WITH_BODY:
        for name, field in fields.items():
            if name not in named:
                parameters.append(_query(name, field, is_required=name in required))
    if one.repeatable:
        text = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        parameters.append(_header("Idempotency-Key", text, "Same key and body: same answer, no second effect."))
    if one.method in ("PUT", "PATCH", "DELETE") and _is_read(one):
        parameters.append(_header("If-Match", {"type": "string"}, "Change it only if it still has this ETag."))
    if one.follows is not None:
        text = {"type": "string", "pattern": f"^{STANDS_AT.pattern}$", "examples": ["3f2a9c1e:7"]}
        parameters.append(_header(LAST_EVENT_ID, text, "For a stream: the id of the last event that you know."))
    if one.method == "GET":
        parameters.append(_header("If-None-Match", {"type": "string"}, "Answer 304 if it still has this ETag."))
    return parameters


def _is_read(one: Endpoint) -> bool:
    return any((other.method, other.path) == ("GET", one.path) for other in table().values())


def _header(name: str, schema: Schema, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def _query(name: str, field: Schema, *, is_required: bool) -> dict[str, Any]:
    schema = {key: value for key, value in field.items() if key not in ("description", "default")}
    # A query cannot say null; leaving the field out does.
    several = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    if len(several) == 1:
        schema = {key: value for key, value in schema.items() if key != "anyOf"} | several[0]
    if field.get("default") is not None:
        schema["default"] = field["default"]
    described = {"description": field["description"]} if "description" in field else {}
    return {"name": name, "in": "query", "required": is_required, "schema": schema, **described}


def _responses(one: Endpoint, known: Schemas) -> dict[str, Any]:
    answered: dict[str, Any] = {"description": one.sentence}
    if one.answer not in (None, type(None)):
        answered["content"] = {"application/json": {"schema": _answer(one.answer, known)}}
    if one.follows is not None:
        answered["content"][EVENT_STREAM] = {"schema": {"type": "string"}}
    if one.method == "GET":
        answered["headers"] = {"ETag": {"schema": {"type": "string"}}}
    if one.repeatable:
        text = "`true` when this is what was answered before."
        answered["headers"] = {"Idempotent-Replayed": {"schema": {"type": "string"}, "description": text}}
    responses = {str(204 if one.answer in (None, type(None)) else one.status): answered}
    if one.method == "GET":
        responses["304"] = {"description": "It has not changed."}
    for status in sorted(_statuses(one)):
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    responses["default"] = {"$ref": "#/components/responses/Problem"}
    return responses


def _answer(answer: Any, known: Schemas) -> Schema:
    if isinstance(answer, type) and issubclass(answer, BaseModel):
        return known.answered(answer)
    return TypeAdapter(answer).json_schema(mode="serialization", ref_template="#/components/schemas/{model}")


def _statuses(one: Endpoint) -> set[int]:
    statuses = {400, 401, 422}
    if one.may != EVERYBODY:
        statuses |= {403}
    if PARAMETER.search(one.path):
        statuses |= {404}
    if one.method in WITH_BODY:
        statuses |= {413, 415}
    if one.method != "GET":
        statuses |= {403, 404, 409, 410}
    if one.method in ("PUT", "PATCH", "DELETE"):
        statuses |= {412}
    return statuses


def _problems() -> dict[str, Any]:
    content = {"application/problem+json": {"schema": refer("Problem")}}
    responses: dict[str, Any] = {"Problem": {"description": "A refusal.", "content": content}}
    for status in sorted({one.status for one in refusals()}):
        lines = [f"`{one.code}`: {one.__doc__}" for one in refusals() if one.status == status]
        responses[f"Problem{status}"] = {"description": "\n\n".join(lines), "content": content}
    # What is no HTTP at all never gets as far as to be answered with a document.
    responses["Problem400"]["content"] = content | {"text/plain": {"schema": {"type": "string"}}}
    return responses


def _upload(upload: Uploading, known: Schemas) -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "description": "A JPEG, PNG or WebP."}
    alt = {"type": "string", "maxLength": 500, "description": "What the picture shows, for those who cannot see it."}
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {"file": file} | ({} if upload.answer is User else {"alt": alt}),
        "additionalProperties": False,
    }
    number = {"type": "integer", "minimum": 1, "maximum": 2**53}
    content = {"application/json": {"schema": known.answered(upload.answer)}}
    text = "The picture is drawn anew, without anything but what is to be seen. May call: who is logged in."
    return {
        "operationId": upload.name,
        "tags": [upload.name.partition(".")[0]],
        "summary": upload.sentence,
        "description": text,
        "security": [{"token": []}],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": number} for name in PARAMETER.findall(upload.path)
        ],
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
        "responses": {
            str(upload.status): {"description": upload.sentence, "content": content},
            **{
                str(one): {"$ref": f"#/components/responses/Problem{one}"}
                for one in (400, 401, 404, 409, 413, 415, 422)
            },
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }


def _file() -> dict[str, Any]:
    side = {"type": "integer", "enum": list(SIZES)}
    queries = {"w": side, "h": side, "c": {"enum": ["fit", "fill"]}, "q": {"enum": ["auto"]}}
    name = {"type": "string", "pattern": f"^{NAME.pattern}$"}
    picture = {"schema": {"type": "string", "format": "binary"}}
    return {
        "get": {
            "operationId": "files.read",
            "tags": ["service"],
            "summary": "Fetch an uploaded picture, within a width and height or filling both.",
            "description": "Comes as WebP where `Accept` takes it and a size is named. May call: everybody.",
            "parameters": [
                {"name": "name", "in": "path", "required": True, "schema": name},
                *({"name": one, "in": "query", "required": False, "schema": of} for one, of in queries.items()),
            ],
            "responses": {
                "200": {"description": "The picture.", "content": dict.fromkeys(MEDIA_TYPES.values(), picture)},
                "304": {"description": "It has not changed."},
                "404": {"$ref": "#/components/responses/Problem404"},
                "422": {"$ref": "#/components/responses/Problem422"},
                "default": {"$ref": "#/components/responses/Problem"},
            },
        }
    }


def _health() -> dict[str, Any]:
    def path(operation: str, summary: str, statuses: dict[str, str]) -> dict[str, Any]:
        content = {"application/json": {"schema": {"type": "object"}}}
        responses = {status: {"description": text, "content": content} for status, text in statuses.items()}
        return {"get": {"operationId": operation, "tags": ["service"], "summary": summary, "responses": responses}}

    return {
        "/health": path("service.health", "Tell that the hub lives.", {"200": "It does."}),
        "/health/ready": path(
            "service.ready", "Tell whether requests may be sent here.", {"200": "They may.", "503": "Not now."}
        ),
    }
