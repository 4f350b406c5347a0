"""Files for browsers: read and compressed once, asked for again only when they changed."""

from __future__ import annotations

import asyncio
import functools
import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web

from hub.errors import NotFound

_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".md": "text/markdown", ".ts": "text/plain"}
_TEXTS = ("text/", "application/json", "image/svg+xml", "application/manifest+json")
# Below this a compressed file is hardly smaller than its headers.
_SMALLEST = 1024


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    compressed: bytes | None
    kind: str
    tag: str


@functools.lru_cache(maxsize=256)
def _read(path: Path, _changed: int) -> Asset:
    body = path.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    compressed = gzip.compress(body, 6) if kind.startswith(_TEXTS) and len(body) >= _SMALLEST else None
    return Asset(body, compressed, kind, f'"{hashlib.sha256(body).hexdigest()[:24]}"')


def _as_it_now_is(path: Path) -> Asset:
    return _read(path, path.stat().st_mtime_ns)


async def send(request: web.Request, path: Path) -> web.Response:
    """Send a file, or tell that the browser has it already."""
    try:
        # The largest takes a tenth of a second to compress; sockets must not wait for it.
        asset = await asyncio.to_thread(_as_it_now_is, path)
    except (OSError, ValueError) as error:
        raise NotFound() from error
    response = web.Response(status=200, headers={hdrs.ETAG: asset.tag, hdrs.VARY: hdrs.ACCEPT_ENCODING})
    # A proxy that compresses makes the tag weak.
    if asset.tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        response.set_status(304)
        return response
    response.content_type = asset.kind
    if asset.kind.startswith(_TEXTS):
        response.charset = "utf-8"
    if asset.compressed is not None and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        response.body = asset.compressed
    else:
        response.body = asset.body
    return response
