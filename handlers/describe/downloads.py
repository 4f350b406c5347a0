"""The description of what is fetched as a file: what goes with a booking, and the feed for calendar programs."""

from __future__ import annotations

from typing import Any

from handlers.downloads import DOWNLOADS, FEED, Download
from handlers.over_http import BASE


def downloads() -> dict[str, Any]:
    """Describe every file that can be fetched, by its path."""
    described = {BASE + one.path: {"get": _download(one)} for one in DOWNLOADS}
    return described | {BASE + FEED: {"get": _feed()}}


def _download(download: Download) -> dict[str, Any]:
    number = {"type": "integer", "minimum": 1, "maximum": 2**53}
    text = (
        "May call: whoever may read the booking; a desk gets its venue's part. A link of `papers.links` takes the "
        "place of the access token."
    )
    ticket = {"type": "string", "minLength": 1, "maxLength": 4096}
    return {
        "operationId": download.name,
        "tags": ["papers"],
        "summary": download.sentence,
        "description": text,
        "security": [{"token": []}, {}],
        "parameters": [
            {"name": "booking_id", "in": "path", "required": True, "schema": number},
            {"name": "ticket", "in": "query", "required": False, "schema": ticket},
            {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}},
        ],
        "responses": _fetched(download.media_type, (401, 404, 409, 422)),
    }


def _feed() -> dict[str, Any]:
    token = {"type": "string", "pattern": "^[A-Za-z0-9_-]{20,100}$"}
    return {
        "operationId": "calendars.feed",
        "tags": ["calendars"],
        "summary": "Fetch somebody's bookings for their calendar program.",
        "description": "May call: everybody who knows the secret address, which `calendars.subscribe` draws.",
        "parameters": [{"name": "token", "in": "path", "required": True, "schema": token}],
        "responses": _fetched("text/calendar", (404, 422)),
    }


def _fetched(media_type: str, refusals: tuple[int, ...]) -> dict[str, Any]:
    file = {"schema": {"type": "string", "format": "binary"}}
    return {
        "200": {"description": "The file.", "content": {media_type: file}},
        "304": {"description": "It has not changed."},
        **{str(one): {"$ref": f"#/components/responses/Problem{one}"} for one in refusals},
        "default": {"$ref": "#/components/responses/Problem"},
    }
