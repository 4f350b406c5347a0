"""Pictures over HTTP: how they are sent in, and how they are fetched."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ValidationError

from handlers.documents import read_query
from handlers.over_http import BASE, HUB, actor_of
from handlers.problems import invalid
from hub.core import Actor, Hub
from hub.errors import Forbidden, Invalid, Malformed, NoPicture, NotFound, TooLarge, WrongMediaType
from hub.models.files import NAME, PATH, Size, Upload
from hub.models.room_types import RoomType
from hub.models.rooms import Room
from hub.models.users import User
from hub.models.venues import Venue
from hub.services import audit, files

# A body that drips in must not hold a connection for ever.
SECONDS_TO_SEND = 60.0
_MOST_PARTS = 8
_LONGEST_TEXT = 4000
# The parts' own headers and the lines between them.
_AROUND = 16 * 1024
_KINDS = ("image/", "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Uploading:
    """Where a picture can be sent to, as the description of the API tells it."""

    name: str
    path: str
    sentence: str
    answer: type[BaseModel]
    status: int = 201


UPLOADS = (
    Uploading("me.set_picture", "/me/picture", "Show another picture of yourself.", User, 200),
    Uploading("venues.add_image", "/venues/{venue_id}/images", "Show one more image of a venue.", Venue),
    Uploading(
        "room_types.add_image", "/room-types/{room_type_id}/images", "Show one more image of a room type.", RoomType
    ),
    Uploading("rooms.add_image", "/rooms/{room_id}/images", "Show one more image of a room.", Room),
)

Put = Callable[[Hub, Actor, int, Upload], Awaitable[BaseModel]]


def add_files(app: web.Application) -> None:
    """Add where pictures are sent to and where they are fetched."""
    app.add_routes(
        [
            web.post(f"{BASE}/me/picture", _my_picture),
            web.post(
                f"{BASE}/venues/{{id:[1-9][0-9]{{0,14}}}}/images",
                _image("venues.add_image", "venue", files.add_venue_image),
            ),
            web.post(
                f"{BASE}/room-types/{{id:[1-9][0-9]{{0,14}}}}/images",
                _image("room_types.add_image", "room_type", files.add_room_type_image),
            ),
            web.post(
                f"{BASE}/rooms/{{id:[1-9][0-9]{{0,14}}}}/images",
                _image("rooms.add_image", "room", files.add_room_image),
            ),
            web.get(f"{PATH}/{{name}}", _file),
        ]
    )


async def _my_picture(request: web.Request) -> web.Response:
    """Show another picture of oneself."""
    hub, actor = request.app[HUB], replace(await actor_of(request), asked="me.set_picture")
    await files.may_upload(hub, actor, "picture", 0)
    return _answer(await files.set_picture(hub, actor, await _upload(request)), 200)


def _image(name: str, kind: files.ImageOf, put: Put) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        hub, actor = request.app[HUB], replace(await actor_of(request), asked=name)
        subject_id = int(request.match_info["id"])
        try:
            await files.may_upload(hub, actor, kind, subject_id)
        except (Forbidden, NotFound) as refusal:
            await audit.denied(hub, actor, kind, subject_id, refusal)
            raise
        return _answer(await put(hub, actor, subject_id, await _upload(request)), 201)

    return serve


def _answer(thing: BaseModel, status: int) -> web.Response:
    return web.Response(
        body=thing.model_dump_json(by_alias=True).encode(),
        status=status,
        content_type="application/json",
        charset="utf-8",
    )


async def _upload(request: web.Request) -> Upload:
    """Read a form with one file, and no more of it than may be."""
    most = request.app[HUB].settings.upload_megabytes * 1024 * 1024
    if request.content_type != "multipart/form-data" or hdrs.CONTENT_ENCODING in request.headers:
        raise WrongMediaType("Send the picture as the field file of a multipart/form-data form.")
    if (request.content_length or 0) > most + _AROUND:
        raise TooLarge(f"A picture may be at most {most // 1024 // 1024} MB large.")
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            return await _form(request, most)
    except TimeoutError as error:
        raise Malformed("The form did not arrive in time.") from error
    except (HttpProcessingError, ValueError, RuntimeError, AssertionError, EOFError) as error:
        # What the reader of forms raises for one that is broken.
        raise Malformed("This form cannot be read.") from error


async def _form(request: web.Request, most: int) -> Upload:
    fields: dict[str, Any] = {}
    reader, parts = await request.multipart(), 0
    while (part := await reader.next()) is not None:
        parts += 1
        if parts > _MOST_PARTS or not isinstance(part, BodyPartReader):
            raise Malformed("This form has more parts than a picture needs.")
        if part.name in fields:
            raise Invalid.field(part.name or "", "is there twice")
        if part.name == "file":
            _judge(part)
            fields["file"] = await _read(part, most)
        elif part.name == "alt":
            fields["alt"] = (await _read(part, _LONGEST_TEXT)).decode(errors="replace")
        else:
            raise Invalid.field(str(part.name)[:100], "is not known here")
    if "file" not in fields:
        raise Invalid.field("file", "is required")
    try:
        return Upload(body=fields["file"], alt=fields.get("alt", ""))
    except ValidationError as error:
        raise invalid(error, fields) from error


def _judge(part: BodyPartReader) -> None:
    """Refuse a name or kind that no picture has; neither is believed, nor kept."""
    name, kind = part.filename or "", part.headers.get(hdrs.CONTENT_TYPE, "application/octet-stream")
    if any(character in "/\\" or not character.isprintable() for character in name) or name in (".", ".."):
        raise Invalid.field("file", "must have a plain file name, without folders or control characters")
    if not kind.lower().startswith(_KINDS) or kind.lower().startswith("image/svg"):
        raise NoPicture()
    _, dot, extension = name.rpartition(".")
    if dot and extension.lower() not in ("jpg", "jpeg", "jfif", "png", "webp"):
        raise NoPicture()


async def _read(part: BodyPartReader, most: int) -> bytes:
    body = bytearray()
    while chunk := await part.read_chunk(64 * 1024):
        body += chunk
        if len(body) > most:
            raise TooLarge(f"A picture may be at most {most // 1024 // 1024} MB large.")
    return bytes(body)


async def _file(request: web.Request) -> web.Response:
    """Send a picture, in the size wanted."""
    name = request.match_info["name"]
    if not NAME.fullmatch(name):
        raise NotFound()
    asked = read_query(Size, request.query.items())
    try:
        size = Size.model_validate(asked)
    except ValidationError as error:
        raise invalid(error, asked) from error
    takes_webp = "image/webp" in request.headers.get(hdrs.ACCEPT, "")
    served = await files.serve(request.app[HUB], name, size, takes_webp=takes_webp)
    tag = f'"{hashlib.sha256(served.body).hexdigest()[:32]}"'
    response = web.Response(
        headers={
            hdrs.ETAG: tag,
            hdrs.VARY: hdrs.ACCEPT,
            # A picture never changes under its name; but one of a person has to be gone soon when they are.
            hdrs.CACHE_CONTROL: "private, max-age=300" if served.is_private else "public, max-age=604800, immutable",
            # In a page it is shown all the same; opened by itself it is saved, and can do nothing.
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
            # What everybody may see, pages of other sites may show.
            "Cross-Origin-Resource-Policy": "same-origin" if served.is_private else "cross-origin",
        }
    )
    if tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        response.set_status(304)
    else:
        response.content_type, response.body = served.media_type, served.body
    return response
