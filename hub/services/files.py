"""Uploaded pictures: kept under a quota, shown, served in a few sizes, and let go."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from hub.core import Actor, Hub
from hub.errors import NotFound, QuotaExceeded, Unauthenticated, Unavailable
from hub.events.room_types import RoomTypeChanged
from hub.events.rooms import RoomChanged
from hub.events.users import UserChanged
from hub.events.venues import VenueChanged
from hub.models.fields import Image
from hub.models.files import (
    MEDIA_TYPES,
    Extension,
    Picture,
    RemoveRoomImage,
    RemoveRoomTypeImage,
    RemoveVenueImage,
    Served,
    Size,
    Upload,
    address,
)
from hub.models.room_types import RoomType
from hub.models.rooms import Room
from hub.models.users import User
from hub.models.venues import Venue
from hub.services import access, inventory, pictures, room_types
from hub.work import Work
from storage import files as store
from storage import room_types as type_store
from storage import rooms as room_store
from storage import users
from storage import venues as venue_store
from storage.query import Db

MOST_IMAGES = 50
# An upload that has not arrived in the store by then never will.
GIVEN_UP_SECONDS = 3600
FORGET_SECONDS = 600
_PERMISSIONS = {"venue": "venue:update", "room_type": "room:update", "room": "room:update"}

Found = TypeVar("Found")
ImageOf = Literal["venue", "room_type", "room"]


@dataclass(frozen=True, slots=True)
class _Added:
    """An image that has come."""

    name: str
    alt: str


@dataclass(frozen=True, slots=True)
class _Removed:
    """An image that goes."""

    name: str


_making: dict[tuple[int, str], asyncio.Task[bytes | None]] = {}


async def may_upload(hub: Hub, actor: Actor, kind: ImageOf | Literal["picture"], subject_id: int) -> None:
    """Refuse who may not show anything here, before anything is read of what they send."""
    access.signed_in(actor)
    if kind != "picture":
        async with hub.reading() as db:
            await _place(db, actor, kind, subject_id)


async def set_picture(hub: Hub, actor: Actor, upload: Upload) -> User:
    """Show another picture of the actor."""
    user_id = access.signed_in(actor)
    picture = await pictures.read(upload.body)
    async with hub.work(actor) as work:
        name = await _reserve(hub, work, "picture", picture, user_id, user_id, None)
    await hub.files.put(name, picture.body, MEDIA_TYPES[picture.extension])
    async with hub.work(actor) as work:
        await store.lock_quota(work.db, user_id)
        await _show(work, name)
        return await _shown_as(work, user_id, name)


async def remove_picture(hub: Hub, actor: Actor) -> None:
    """Show no picture of the actor any more."""
    user_id = access.signed_in(actor)
    async with hub.work(actor) as work:
        await store.lock_quota(work.db, user_id)
        await _shown_as(work, user_id, None)


async def add_venue_image(hub: Hub, actor: Actor, venue_id: int, upload: Upload) -> Venue:
    """Show one more image of a venue."""
    return await _venue(hub, actor, venue_id, await _added(hub, actor, "venue", venue_id, upload))


async def add_room_type_image(hub: Hub, actor: Actor, room_type_id: int, upload: Upload) -> RoomType:
    """Show one more image of a room type."""
    return await _room_type(hub, actor, room_type_id, await _added(hub, actor, "room_type", room_type_id, upload))


async def add_room_image(hub: Hub, actor: Actor, room_id: int, upload: Upload) -> Room:
    """Show one more image of a room."""
    return await _room(hub, actor, room_id, await _added(hub, actor, "room", room_id, upload))


async def remove_venue_image(hub: Hub, actor: Actor, ask: RemoveVenueImage) -> None:
    """Show an image of a venue no more."""
    await _venue(hub, actor, ask.venue_id, _Removed(ask.name))


async def remove_room_type_image(hub: Hub, actor: Actor, ask: RemoveRoomTypeImage) -> None:
    """Show an image of a room type no more."""
    await _room_type(hub, actor, ask.room_type_id, _Removed(ask.name))


async def remove_room_image(hub: Hub, actor: Actor, ask: RemoveRoomImage) -> None:
    """Show an image of a room no more."""
    await _room(hub, actor, ask.room_id, _Removed(ask.name))


async def serve(hub: Hub, name: str, size: Size, *, takes_webp: bool) -> Served:
    """Answer a picture in a size, which is made once and then kept beside it."""
    async with hub.reading() as db:
        kept = await store.find(db, name)
    if kept is None:
        raise NotFound()
    extension = _extension(name)
    if size.is_whole:
        body = await hub.files.get(name)
    else:
        extension = "webp" if takes_webp else extension
        body = await _sized(hub, kept, size, extension, f"{name.partition('.')[0]}.{size.key}.{extension}")
    if body is None:
        raise NotFound()
    return Served(body=body, media_type=MEDIA_TYPES[extension], is_private=kept.kind == "picture")


async def sweep(hub: Hub, at_most: int = 200) -> int:
    """Take from the store what is not served any more and what never came; answers how many files."""
    async with hub.reading() as db:
        gone = await store.to_remove(db, GIVEN_UP_SECONDS, at_most)
    for one in gone:
        for name in (one.name, *one.sizes):
            await hub.files.delete(name)
    if gone:
        async with hub.reading() as db:
            await store.forget(db, [one.name for one in gone], FORGET_SECONDS)
    return len(gone)


async def _sized(hub: Hub, kept: store.Kept, size: Size, extension: Extension, sized_name: str) -> bytes | None:
    if sized_name in kept.sizes:
        body = await hub.files.get(sized_name)
        if body is not None:
            return body
    # A crowd that asks for the same new size is answered by one drawing of it.
    key = id(hub), sized_name
    making = _making.get(key)
    if making is None:
        making = _making[key] = asyncio.create_task(_make(hub, kept.name, size, extension, sized_name))
        making.add_done_callback(lambda _: _making.pop(key, None))
    return await asyncio.shield(making)


async def _make(hub: Hub, name: str, size: Size, extension: Extension, sized_name: str) -> bytes | None:
    whole = await hub.files.get(name)
    if whole is None:
        return None
    made = await pictures.resized(whole, size, extension)
    async with hub.reading() as db:
        if not await store.add_size(db, name, sized_name):
            return None
    # A size that cannot be kept is made again for the next one who asks.
    with contextlib.suppress(Unavailable):
        await hub.files.put(sized_name, made, MEDIA_TYPES[extension])
    return made


def _extension(name: str) -> Extension:
    return next(one for one in MEDIA_TYPES if name.endswith(f".{one}"))


async def _place(db: Db, actor: Actor, kind: ImageOf, subject_id: int) -> store.Place:
    place = await store.place(db, kind, subject_id)
    if place is None:
        raise NotFound()
    await access.managed_venue(db, actor, place.venue_id, _PERMISSIONS[kind])
    return place


async def _added(hub: Hub, actor: Actor, kind: ImageOf, subject_id: int, upload: Upload) -> _Added:
    picture = await pictures.read(upload.body)
    async with hub.work(actor) as work:
        place = await _place(work.db, actor, kind, subject_id)
        name = await _reserve(hub, work, kind, picture, place.owner_id, subject_id, place.venue_id)
    await hub.files.put(name, picture.body, MEDIA_TYPES[picture.extension])
    return _Added(name, upload.alt)


async def _reserve(
    hub: Hub,
    work: Work,
    kind: ImageOf | Literal["picture"],
    picture: Picture,
    owner_id: int,
    subject_id: int,
    venue_id: int | None,
) -> str:
    """Write what is about to be kept, so that nothing in the store is ever without a row, and judge the quota by it."""
    await store.lock_quota(work.db, owner_id)
    most = hub.settings.upload_quota_megabytes * 1024 * 1024
    if await store.kept_bytes(work.db, owner_id) + len(picture.body) > most:
        await store.release_unused(work.db, owner_id)
        if await store.kept_bytes(work.db, owner_id) + len(picture.body) > most:
            raise QuotaExceeded()
    name = f"{secrets.token_hex(16)}.{picture.extension}"
    await store.insert(work.db, name, kind, owner_id, subject_id, venue_id, picture)
    return name


async def _show(work: Work, name: str) -> None:
    if not await store.show(work.db, name):
        raise Unavailable("This has taken too long; send the picture again.")


async def _shown_as(work: Work, user_id: int, name: str | None) -> User:
    await store.set_picture(work.db, user_id, name, None if name is None else address(name))
    user = await users.find(work.db, user_id)
    if user is None:
        raise Unauthenticated()
    work.tell(UserChanged(thing=user))
    return user


async def _venue(hub: Hub, actor: Actor, venue_id: int, change: _Added | _Removed) -> Venue:
    async with hub.work(actor) as work:
        venue = await access.manage_venue(work.db, actor, venue_id, _PERMISSIONS["venue"])
        images = await _changed(work, "venue", venue_id, venue.images, change)
        await venue_store.change(work.db, venue_id, images)
        await inventory.changed(work, venue_id)
        changed = _there(await venue_store.find(work.db, venue_id))
        work.tell(VenueChanged(thing=changed))
        return changed


async def _room_type(hub: Hub, actor: Actor, room_type_id: int, change: _Added | _Removed) -> RoomType:
    async with hub.work(actor) as work:
        venue, room_type = await room_types.managed(work.db, actor, room_type_id)
        images = await _changed(work, "room_type", room_type_id, room_type.images, change)
        await type_store.change(work.db, room_type_id, images)
        await inventory.changed(work, venue.id)
        changed = await room_types.found(work.db, room_type_id)
        work.tell(RoomTypeChanged(thing=changed))
        return changed


async def _room(hub: Hub, actor: Actor, room_id: int, change: _Added | _Removed) -> Room:
    async with hub.work(actor) as work:
        found = _there(await room_store.find(work.db, room_id))
        venue = await access.manage_venue(work.db, actor, found.venue_id, _PERMISSIONS["room"])
        room = _there(await room_store.find(work.db, room_id))
        images = await _changed(work, "room", room_id, room.images, change)
        await room_store.change(work.db, room_id, images)
        await inventory.changed(work, venue.id)
        changed = _there(await room_store.find(work.db, room_id))
        work.tell(RoomChanged(thing=changed))
        return changed


async def _changed(
    work: Work, kind: ImageOf, subject_id: int, images: Sequence[Image], change: _Added | _Removed
) -> dict[str, Any]:
    if isinstance(change, _Added):
        await _show(work, change.name)
        if len(images) >= MOST_IMAGES:
            raise QuotaExceeded(f"There can be at most {MOST_IMAGES} images here; remove some first.")
        left = [*images, Image(url=address(change.name), alt=change.alt)]
    else:
        left = [one for one in images if one.url != address(change.name)]
        if not await store.take_off(work.db, kind, subject_id, change.name) and len(left) == len(images):
            raise NotFound()
    return {"images": [one.model_dump(mode="json") for one in left]}


def _there(found: Found | None) -> Found:
    if found is None:
        raise NotFound()
    return found
