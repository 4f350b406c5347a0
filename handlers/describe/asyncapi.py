"""The live API as an AsyncAPI 3.0 document: what is told, and what may be asked over the socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from handlers.describe.examples import example
from handlers.describe.openapi import who_may
from handlers.describe.schemas import Schema, Schemas, refer, schemas, sentence, used
from handlers.table import facts, table
from handlers.watching import COMMANDS
from hub.events import Event
from hub.events.availability import AvailabilityChanged

DESCRIPTION = """\
The hub speaks Socket.IO 4 at `/socket.io/`, websocket transport only. Connect with `auth: {token}` or as a guest.

**Facts.** Ask to watch a venue, a desk or yourself; each fact then arrives under its own name with one argument, the
envelope. Versions are gapless per room: apply `version == last + 1`, drop what is older, and watch again with `since`
and `epoch` when one is missing. Only `availability.changed`, which says how things now are, may stand for several
versions at once, `first_version` to `version`: apply it when `first_version <= last + 1 <= version`.

**Commands.** Emit a command's name with one object that holds all its fields. The acknowledgement is `{ok: true, data}`
or `{ok: false, error}`, the error being the same problem document as over HTTP. A command that can be repeated takes an
`idempotency_key` beside its fields.

**About the connection itself.** `auth_expired` tells with a problem document that the token has run out: private rooms
are left, and `me.renew` may bring a fresh token within 30 seconds. `auth_revoked` tells that the token is worth nothing
any more, by logging out, a new password, other roles or a suspension; the connection ends with it. `room.closed {room}`
tells that a right was taken away. `going_away {seconds}` tells that this worker stops and ends the connection in so
many seconds, at another moment for each client; until then everything goes on, then connect again and resume.

**How much.** One person has at most 10 connections, and one address at each worker 30 that are not logged in. A client
is let in within 5 seconds of the upgrade. It sends frames of at most 32 KB, at most 50 at once and 20 a second; who
sends more, or what is no packet, is cut. Commands count towards the same limits as requests over HTTP.

**Without a socket.** The same events come over plain HTTP, as pages, as answers that wait until there is something to
tell, and as server-sent events: see `venues.events`, `desks.events` and `me.events` of [the HTTP API](/docs).
"""
ROOMS = {
    "venue": ("venue:{venue_id}", "States and counts of a venue, for everybody; never a person."),
    "desk": ("desk:{venue_id}", "Everything about a venue's bookings, for its owner and staff."),
    "user": ("user:{user_id}", "What concerns one person, for that person alone."),
}
CHANNEL = "commands"


@dataclass(frozen=True)
class Command:
    """What may be asked over the socket."""

    name: str
    sentence: str
    may: str
    ask: Schema
    answer: Schema


def commands(known: Schemas) -> list[Command]:
    """List the commands: every endpoint that is one, and those of the live rooms."""
    found = []
    for one in table().values():
        if one.over_socket:
            ask: Schema = known.asked(one.ask) if one.ask else {"type": "object", "additionalProperties": False}
            answer: Schema = {"type": "null"}
            if isinstance(one.answer, type) and issubclass(one.answer, BaseModel):
                answer = known.answered(one.answer)
            found.append(Command(one.name, one.sentence, who_may(one.may), ask, answer))
    for other in COMMANDS.values():
        may, ask = who_may(other.may), known.asked(other.ask)
        found.append(Command(other.name, other.sentence, may, ask, known.answered(other.answer)))
    return sorted(found, key=lambda command: command.name)


def asyncapi() -> dict[str, Any]:
    """Describe the live API."""
    known = schemas()
    asked = commands(known)
    events = [event for _, event in sorted(facts().items())]
    messages = (
        {event.name: _fact(event, known) for event in events}
        | {f"{command.name}.ask": _ask(command, known) for command in asked}
        | {f"{command.name}.answer": _answer(command) for command in asked}
    )
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Booking hub, live", "version": "1", "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "hub": {
                "host": "localhost:8000",
                "pathname": "/socket.io/",
                "protocol": "ws",
                "description": "Socket.IO 4 (Engine.IO protocol 4), namespace `/`.",
            }
        },
        "channels": {name: _room(name, events) for name in ROOMS} | {CHANNEL: _command_channel(asked)},
        "operations": {f"tell_{name}": _telling(name, events) for name in ROOMS}
        | {f"ask_{command.name}": _asking(command) for command in asked},
        "components": {
            "messages": _plain_discriminators(messages),
            "schemas": _plain_discriminators(used(messages, known.shared)),
        },
    }


def _plain_discriminators(part: Any) -> Any:
    """Name the deciding field only: AsyncAPI has no mapping beside it."""
    if isinstance(part, dict):
        plain = {key: _plain_discriminators(value) for key, value in part.items()}
        if isinstance(plain.get("discriminator"), dict) and "propertyName" in plain["discriminator"]:
            plain["discriminator"] = plain["discriminator"]["propertyName"]
        return plain
    return [_plain_discriminators(one) for one in part] if isinstance(part, list) else part


def _told_to(name: str, events: list[type[Event]]) -> list[str]:
    return [event.name for event in events if name in event.audience]


def _room(name: str, events: list[type[Event]]) -> dict[str, Any]:
    address, description = ROOMS[name]
    parameter = address.partition("{")[2].rstrip("}")
    return {
        "address": address,
        "description": description,
        "parameters": {parameter: {"description": "An id."}},
        "messages": {fact: {"$ref": f"#/components/messages/{fact}"} for fact in _told_to(name, events)},
    }


def _telling(name: str, events: list[type[Event]]) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": ROOMS[name][1],
        "messages": [{"$ref": f"#/channels/{name}/messages/{fact}"} for fact in _told_to(name, events)],
    }


def _fact(event: type[Event], known: Schemas) -> dict[str, Any]:
    payload = envelope(event, known)
    return {
        "name": event.name,
        "title": event.name,
        "summary": sentence(event),
        "payload": payload,
        "examples": [{"name": "example", "payload": example(payload, known.shared)}],
    }


def envelope(event: type[Event], known: Schemas) -> Schema:
    """Write the schema of an event's envelope."""
    # Not required: what was told once is told without.
    first = {"type": "integer", "minimum": 1, "description": "The first version that this stands for, if not the same."}
    return {
        "type": "object",
        "required": ["room", "epoch", "version", "name", "at", "data"],
        "properties": {
            "room": {"type": "string", "examples": [ROOMS[event.audience[0]][0].partition("{")[0] + "1"]},
            "epoch": {"type": "string", "examples": ["3f2a9c1e"], "description": "When it changes, start anew."},
            "version": {"type": "integer", "minimum": 1},
            **({"first_version": first} if event is AvailabilityChanged else {}),
            "name": {"const": event.name},
            "at": {"type": "string", "format": "date-time"},
            "data": known.answered(event.data_model()),
        },
    }


def _command_channel(asked: list[Command]) -> dict[str, Any]:
    names = [f"{command.name}.{kind}" for command in asked for kind in ("ask", "answer")]
    return {
        "address": "/",
        "description": "Commands and their acknowledgements.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _asking(command: Command) -> dict[str, Any]:
    channel = {"$ref": f"#/channels/{CHANNEL}"}
    return {
        "action": "receive",
        "channel": channel,
        "summary": command.sentence,
        "description": f"May call: {command.may}.",
        "messages": [{"$ref": f"#/channels/{CHANNEL}/messages/{command.name}.ask"}],
        "reply": {
            "channel": channel,
            "messages": [{"$ref": f"#/channels/{CHANNEL}/messages/{command.name}.answer"}],
        },
    }


def _ask(command: Command, known: Schemas) -> dict[str, Any]:
    return {
        "name": command.name,
        "title": command.name,
        "summary": command.sentence,
        "payload": command.ask,
        "examples": [{"name": "example", "payload": example(command.ask, known.shared)}],
    }


def _answer(command: Command) -> dict[str, Any]:
    said = {"type": "object", "required": ["ok", "data"], "properties": {"ok": {"const": True}, "data": command.answer}}
    refused = {
        "type": "object",
        "required": ["ok", "error"],
        "properties": {"ok": {"const": False}, "error": refer("Problem")},
    }
    return {
        "name": f"{command.name}.answer",
        "title": f"Acknowledgement of {command.name}",
        "payload": {"oneOf": [said, refused]},
    }
