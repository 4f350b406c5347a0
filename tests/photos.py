"""Pictures for tests, and files that pretend to be some."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

WORD = "MELANGOLE"


def photo(kind: str = "JPEG", size: tuple[int, int] = (640, 480), mode: str = "RGB", **how: Any) -> bytes:
    """Draw a picture, grey with a white corner, so that one can tell how it was turned."""
    drawn = Image.new(mode, size, 128 if mode == "L" else (128,) * len(mode))
    drawn.paste(255 if mode == "L" else (255,) * len(mode), (0, 0, size[0] // 4, size[1] // 4))
    made = io.BytesIO()
    drawn.save(made, kind, **how)
    return made.getvalue()


def snapshot_with_place() -> bytes:
    """Take a photo as phones do: lying on its side, with the place and the owner's name in it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = WORD
    exif[0x8298] = WORD
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[29] = "N", (11.0, 33.0, 21.0), WORD
    return photo(exif=exif, comment=WORD.encode(), icc_profile=WORD.encode() * 8)


def decoded(body: bytes) -> Image.Image:
    """Open a picture."""
    opened = Image.open(io.BytesIO(body))
    opened.load()
    return opened


def png_bomb(side: int = 60_000) -> bytes:
    """Write a small file that says it is very many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    row = b"\0" * (side // 8 + 1)
    pixels = zlib.compress(row * 2000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
