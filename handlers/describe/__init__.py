"""Descriptions of the hub made from the endpoint table and the event registry: they cannot say what is not so."""

from __future__ import annotations

from pathlib import Path

import orjson

from handlers.describe.asyncapi import asyncapi
from handlers.describe.endpoints import endpoints
from handlers.describe.openapi import openapi
from handlers.describe.typescript import typescript

__all__ = ["asyncapi", "files", "openapi", "write"]

FOLDER = Path(__file__).parent.parent.parent / "static" / "api"


def files() -> dict[str, bytes]:
    """Write every description, by the name of its file."""
    return {
        "openapi.json": orjson.dumps(openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE),
        "asyncapi.json": orjson.dumps(asyncapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE),
        "endpoints.md": endpoints().encode(),
        "hub.d.ts": typescript().encode(),
    }


def write() -> None:
    """Write the descriptions into static/api."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_bytes(text)
