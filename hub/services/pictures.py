"""Pictures decoded, cleaned and resized, beside the event loop and a few at a time.

Only three decoders are ever asked, what comes in is judged by them alone, and what is kept is drawn anew: nothing of
an upload but its pixels goes on.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from PIL import Image, ImageFile, ImageOps

from hub.errors import NoPicture
from hub.models.files import Extension, Picture, Size

Made = TypeVar("Made")

FORMATS: Final = ("JPEG", "PNG", "WEBP")
LARGEST_SIDE: Final = 2560
SMALLEST_SIDE: Final = 8
# A JPEG is decoded at a half, a quarter or an eighth of its size where that is enough; the others are not.
MOST_PIXELS: Final = {"JPEG": 60_000_000, "PNG": 25_000_000, "WEBP": 25_000_000}
_EXTENSIONS: Final[dict[str, Extension]] = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
_QUALITY: Final = 85

# Each takes a processor and up to 200 MB; more at once would starve everything else.
_decoding = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
# Half a picture is none.
ImageFile.LOAD_TRUNCATED_IMAGES = False
# Judged below, for each format by itself and without a warning that somebody might not hear.
Image.MAX_IMAGE_PIXELS = None


async def read(body: bytes) -> Picture:
    """Decode what came, refuse what is no picture, and draw it anew without anything that is not to be seen."""
    return await _beside(partial(_read, body))


async def resized(body: bytes, size: Size, extension: Extension) -> bytes:
    """Draw a kept picture smaller; never larger than it is."""
    return await _beside(partial(_resized, body, size, extension))


async def _beside(work: Callable[[], Made]) -> Made:
    return await asyncio.get_running_loop().run_in_executor(_decoding, work)


def _read(body: bytes) -> Picture:
    try:
        with Image.open(io.BytesIO(body), formats=FORMATS) as opened:
            kind = opened.format or ""
            _judge(kind, *opened.size)
            opened.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
            drawn = _clean(ImageOps.exif_transpose(opened), kind)
    except NoPicture:
        raise
    except Exception as error:
        # A decoder that stumbles over a hostile file may raise anything.
        raise NoPicture() from error
    return Picture(body=_encoded(drawn, kind), extension=_EXTENSIONS[kind], width=drawn.width, height=drawn.height)


def _judge(kind: str, width: int, height: int) -> None:
    """Refuse a size that is none or would fill the memory, before a single pixel is decoded."""
    if min(width, height) < SMALLEST_SIDE:
        raise NoPicture(f"A picture must be at least {SMALLEST_SIDE} pixels wide and high.")
    if width * height > MOST_PIXELS[kind]:
        raise NoPicture(f"A {kind} picture may have at most {MOST_PIXELS[kind] // 1_000_000} million pixels.")


def _clean(opened: Image.Image, kind: str) -> Image.Image:
    """Copy the pixels alone: no EXIF, no colour profile, no comment, no second frame."""
    has_alpha = opened.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in opened.info
    mode = "RGBA" if has_alpha and kind != "JPEG" else "RGB"
    drawn = Image.new(mode, opened.size)
    drawn.paste(opened.convert(mode))
    return drawn


def _resized(body: bytes, size: Size, extension: Extension) -> bytes:
    kind = {known: name for name, known in _EXTENSIONS.items()}[extension]
    with Image.open(io.BytesIO(body), formats=FORMATS) as opened:
        if size.c == "fill" and size.w and size.h:
            shrink = min(1.0, opened.width / size.w, opened.height / size.h)
            box = max(1, round(size.w * shrink)), max(1, round(size.h * shrink))
            drawn = ImageOps.fit(opened, box, Image.Resampling.LANCZOS)
        else:
            drawn = opened.copy()
            drawn.thumbnail((size.w or LARGEST_SIDE, size.h or LARGEST_SIDE), Image.Resampling.LANCZOS)
        return _encoded(_clean(drawn, kind), kind)


def _encoded(drawn: Image.Image, kind: str) -> bytes:
    made = io.BytesIO()
    if kind == "PNG":
        drawn.save(made, "PNG", compress_level=6)
    elif kind == "WEBP":
        drawn.save(made, "WEBP", quality=_QUALITY, method=4)
    else:
        drawn.save(made, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return made.getvalue()
