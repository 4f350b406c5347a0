"""The documents made from the endpoint table and the event registry."""

from __future__ import annotations

from typing import Any


def openapi() -> dict[str, Any]:
    """Describe the HTTP API as an OpenAPI 3.1 document."""
    return {"openapi": "3.1.0", "info": {"title": "Booking hub", "version": "1"}, "paths": {}}


def asyncapi() -> dict[str, Any]:
    """Describe the live API as an AsyncAPI 3.0 document."""
    return {"asyncapi": "3.0.0", "info": {"title": "Booking hub", "version": "1"}}
