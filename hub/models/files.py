"""Pictures: what is kept of an upload, and in which sizes it is sent."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from hub.models.base import Ask, Id, Line, Thing

FileKind = Literal["picture", "venue", "room_type", "room"]
MediaType = Literal["image/jpeg", "image/png", "image/webp"]
Extension = Literal["jpg", "png", "webp"]

NAME = re.compile(r"[0-9a-f]{32}\.(jpg|png|webp)")
FileName = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{32}\.(jpg|png|webp)$"),
    Field(examples=["0f3a9c5e7b1d2f4a6c8e0b2d4f6a8c0e.jpg"]),
]
MEDIA_TYPES: dict[Extension, MediaType] = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
# Any other would be one more picture to compute and to keep, for whoever counts upwards.
SIZES = (64, 128, 256, 400, 640, 960, 1280, 1920)
# No thing's pictures are flatter or taller than that.
_STEEPEST = 3
PATH = "/files"


def address(name: str) -> str:
    """Answer where on this site a file is found."""
    return f"{PATH}/{name}"


class Upload(BaseModel):
    """A file as it came."""

    model_config = ConfigDict(frozen=True)

    body: bytes = Field(repr=False)
    alt: Line = ""


class Picture(BaseModel):
    """A decoded and encoded picture: its bytes hold nothing but what is to be seen."""

    model_config = ConfigDict(frozen=True)

    body: bytes = Field(repr=False)
    extension: Extension
    width: int
    height: int


class Size(Ask):
    """How large a picture is wanted: within width and height, or with `c=fill` filling exactly both."""

    w: int | None = None
    h: int | None = None
    c: Literal["fit", "fill"] = "fit"
    q: Literal["auto"] = "auto"

    @model_validator(mode="after")
    def _is_on_the_list(self) -> Self:
        for side in (self.w, self.h):
            if side is not None and side not in SIZES:
                raise ValueError(f"w and h must be one of {', '.join(map(str, SIZES))}")
        if self.c == "fill" and (self.w is None or self.h is None):
            raise ValueError("c=fill needs both w and h")
        if self.w and self.h and max(self.w, self.h) > _STEEPEST * min(self.w, self.h):
            raise ValueError(f"w and h must not differ by more than {_STEEPEST} to 1")
        return self

    @property
    def is_whole(self) -> bool:
        """Tell whether the picture is wanted as it is kept."""
        return self.w is None and self.h is None

    @property
    def key(self) -> str:
        """Name the size."""
        return f"{self.w or 0}x{self.h or 0}{self.c}"


class RemoveVenueImage(Ask):
    """One uploaded image of a venue, by the last part of its address."""

    venue_id: Id
    name: FileName


class RemoveRoomTypeImage(Ask):
    """One uploaded image of a room type, by the last part of its address."""

    room_type_id: Id
    name: FileName


class RemoveRoomImage(Ask):
    """One uploaded image of a room, by the last part of its address."""

    room_id: Id
    name: FileName


class Served(Thing):
    """A picture as it is sent."""

    body: bytes = Field(repr=False)
    media_type: MediaType
    is_private: bool
